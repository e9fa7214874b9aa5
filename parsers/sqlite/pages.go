package sqlite

import (
	"encoding/binary"
	"fmt"
	"io"

	"kanshiki/parsers/internal/cursor"
)

// Header is what the first 100 bytes say.
type Header struct {
	PageSize    int
	Reserved    int    // bytes at the end of each page
	WAL         bool   // the file was written in WAL mode
	Pages       uint32 // as declared; 0 where the header does not say
	FreePages   uint32 // pages of the free list: what was deleted may lie there
	Encoding    uint32 // 1 UTF-8, 2 UTF-16LE, 3 UTF-16BE
	UserVersion uint32
	Application uint32
	Writer      uint32 // version of the library that wrote last: 3007007
}

const headerSize = 100

// Is tells whether the first bytes are those of a database.
func Is(head []byte) bool {
	return len(head) >= 16 && string(head[:16]) == "SQLite format 3\x00"
}

func parseHeader(b []byte) (h Header, err error) {
	if !Is(b) {
		return h, cursor.Errorf(0, "signature: no SQLite database")
	}
	c := cursor.New(b)
	c.Skip(16, "signature")
	h.PageSize = int(c.U16BE("page size"))
	if h.PageSize == 1 {
		h.PageSize = 65536
	}
	c.Skip(1, "write version")
	h.WAL = c.U8("read version") == 2
	h.Reserved = int(c.U8("reserved bytes"))
	c.Skip(3, "payload fractions")
	changes := c.U32BE("change counter")
	h.Pages = c.U32BE("pages")
	c.Skip(4, "first free page")
	h.FreePages = c.U32BE("free pages")
	c.Skip(16, "schema and cache")
	h.Encoding = c.U32BE("encoding")
	h.UserVersion = c.U32BE("user version")
	c.Skip(4, "incremental vacuum")
	h.Application = c.U32BE("application id")
	c.Skip(20, "reserved for expansion")
	valid := c.U32BE("version valid for")
	h.Writer = c.U32BE("library version")
	if c.Err() != nil {
		return h, c.Err()
	}
	if valid != changes { // fileformat2 1.3.8: then the size is not to be trusted
		h.Pages = 0
	}
	if h.PageSize < 512 || h.PageSize&(h.PageSize-1) != 0 {
		return h, cursor.Errorf(16, "page size %d", h.PageSize)
	}
	if h.PageSize-h.Reserved < 480 {
		return h, cursor.Errorf(20, "%d reserved bytes of %d", h.Reserved, h.PageSize)
	}
	return h, nil
}

// pages is the database as SQLite may see it: pages of the file, with those of
// the log in their place, and a first page that asks for no log and claims no
// page that is not there.
type pages struct {
	r     io.ReaderAt
	wal   *WAL // nil: the file alone
	size  int  // of a page
	count uint32
	first []byte // page 1, changed
}

// place says where a page lies.
func (p *pages) place(n uint32) (off int64, inWAL bool) {
	if p.wal != nil {
		if off, ok := p.wal.pages[n]; ok {
			return off, true
		}
	}
	return int64(n-1) * int64(p.size), false
}

// raw reads part of a page as it is stored.
func (p *pages) raw(b []byte, n uint32, from int) error {
	off, inWAL := p.place(n)
	r := p.r
	if inWAL {
		r = p.wal.r
	}
	got, err := r.ReadAt(b, off+int64(from))
	if got == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &Error{Off: off, InWAL: inWAL, What: fmt.Sprintf("page %d: %v", n, err), Err: err}
}

// page reads a whole page.
func (p *pages) page(n uint32) ([]byte, error) {
	if n == 0 || n > p.count {
		return nil, fmt.Errorf("page %d of %d", n, p.count)
	}
	b := make([]byte, p.size)
	return b, p.raw(b, n, 0)
}

// ReadAt is what SQLite reads through.
func (p *pages) ReadAt(b []byte, off int64) (done int, err error) {
	total := int64(p.count) * int64(p.size)
	if off < 0 || off >= total {
		return 0, io.EOF
	}
	if int64(len(b)) > total-off {
		b, err = b[:total-off], io.EOF
	}
	for done < len(b) {
		n := uint32((off + int64(done)) / int64(p.size))
		from := int((off + int64(done)) % int64(p.size))
		part := b[done:min(len(b), done+p.size-from)]
		if n == 0 {
			copy(part, p.first[from:])
		} else if err := p.raw(part, n+1, from); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, err
}

// patch makes the first page one that SQLite reads as it lies: not in WAL mode
// (bytes 18 and 19), of as many pages as there are (28).
func (p *pages) patch() {
	p.first[18], p.first[19] = 1, 1
	binary.BigEndian.PutUint32(p.first[28:], p.count)
	copy(p.first[92:96], p.first[24:28])
}

// Error is damage with its place: in the log where InWAL says so, else in the
// database.
type Error struct {
	Off   int64
	InWAL bool
	What  string
	Err   error
}

func (e *Error) Error() string {
	if e.InWAL {
		return fmt.Sprintf("write-ahead log offset %#x: %s", e.Off, e.What)
	}
	return fmt.Sprintf("offset %#x: %s", e.Off, e.What)
}

// Offset is the place of the damage.
func (e *Error) Offset() int64 { return e.Off }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }
