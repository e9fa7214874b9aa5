package ese

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"kanshiki/parsers/internal/cursor"
)

// State is how the database was left.
type State uint32

// The states.
const (
	JustCreated  State = 1
	Dirty        State = 2 // in use when it was copied, or its machine stopped: logs hold what is missing
	Clean        State = 3
	Converted    State = 4
	ForcedDetach State = 5
)

func (s State) String() string {
	switch s {
	case JustCreated:
		return "just created"
	case Dirty:
		return "dirty shutdown"
	case Clean:
		return "clean shutdown"
	case Converted:
		return "being converted"
	case ForcedDetach:
		return "forced detach"
	}
	return fmt.Sprintf("state %d", uint32(s))
}

// Header is the file header.
type Header struct {
	Version  uint32 // 0x620
	Revision uint32
	PageSize int
	State    State
	FileType uint32 // 0 is a database, 1 a streaming file
	Pages    uint32 // whole pages after the two headers
	FromCopy bool   // the first header was damaged, this is its copy
}

const signature = 0x89abcdef

// Is tells whether the first bytes are those of a database.
func Is(head []byte) bool {
	return len(head) >= 8 && binary.LittleEndian.Uint32(head[4:]) == signature
}

// Error is damage with its place.
type Error struct {
	Off  int64
	What string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("offset %#x: %s", e.Off, e.What) }

// Offset is the place of the damage.
func (e *Error) Offset() int64 { return e.Off }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrChecksum says that a page does not have the checksum that it states. Its
// rows follow all the same; they may be wrong.
var ErrChecksum = errors.New("checksum of the page")

// File is an open database. It is for one goroutine.
type File struct {
	Header Header
	Tables []Table // in the order of the catalog
	Damage []error // of the file as a whole and of the catalog

	r     io.ReaderAt
	large bool // tags and keys of large pages of revision 0x11 and later
	long  map[uint32]map[string]*longValue
}

// Open reads the header and the catalog.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, long: map[uint32]map[string]*longValue{}}
	if err := f.readHeader(size); err != nil {
		return nil, err
	}
	f.readCatalog()
	if len(f.Tables) == 0 {
		return f, errors.Join(append([]error{errors.New("catalog without a table")}, f.Damage...)...)
	}
	return f, nil
}

func (f *File) readHeader(size int64) error {
	b := make([]byte, 512)
	if n, err := f.r.ReadAt(b, 0); n < len(b) {
		return cursor.Errorf(0, "header: %d of %d bytes: %v", n, len(b), err)
	}
	h, err := parseHeader(b)
	if err != nil {
		for _, at := range []int64{4096, 8192, 2048, 16384, 32768} { // the copy is the second page
			c := make([]byte, 512)
			if n, _ := f.r.ReadAt(c, at); n < len(c) {
				continue
			}
			if copied, e := parseHeader(c); e == nil && int64(copied.PageSize) == at {
				f.Damage = append(f.Damage, err)
				h, err = copied, nil
				h.FromCopy = true
				break
			}
		}
	}
	if err != nil {
		return err
	}
	pages := size/int64(h.PageSize) - 2
	if rest := size % int64(h.PageSize); rest != 0 {
		f.Damage = append(f.Damage, cursor.Errorf(size-rest, "%d bytes of a page of %d", rest, h.PageSize))
	}
	if pages < catalogPage || pages > 1<<31 {
		return cursor.Errorf(size, "%d pages of %d bytes, the catalog is page %d", pages, h.PageSize, catalogPage)
	}
	h.Pages = uint32(pages)
	f.Header, f.large = h, h.Revision >= 0x11 && h.PageSize > 8192
	return nil
}

func parseHeader(b []byte) (h Header, err error) {
	c := cursor.New(b)
	c.Skip(4, "checksum")
	if c.U32("signature") != signature {
		return h, cursor.Errorf(4, "signature: no database of the Extensible Storage Engine")
	}
	h.Version, h.FileType = c.U32("version"), c.U32("file type")
	c.Seek(52, "state")
	h.State = State(c.U32("state"))
	c.Seek(232, "revision")
	h.Revision = c.U32("revision")
	h.PageSize = int(c.U32("page size"))
	if h.PageSize == 0 { // before the field existed
		h.PageSize = 4096
	}
	switch h.PageSize {
	case 2048, 4096, 8192, 16384, 32768:
	default:
		return h, cursor.Errorf(236, "page size %d", h.PageSize)
	}
	if h.Version != 0x620 {
		return h, cursor.Errorf(8, "format %#x is not known, 0x620 is", h.Version)
	}
	return h, nil
}
