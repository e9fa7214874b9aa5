package evt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"kanshiki/parsers/internal/cursor"
)

const (
	headerSize = 0x30
	fixedSize  = 0x38 // of a record, without what varies
	tailSize   = 0x28
	// maxRecord is far above what the service accepts (64 KiB); a size over it
	// is no size.
	maxRecord = 256 << 10
)

// Header flags.
const (
	FlagDirty   = 1 // was not closed
	FlagWrapped = 2
	FlagFull    = 4 // a record was refused
	FlagArchive = 8
)

// ErrFormat says that the bytes are not an event log of this format.
var ErrFormat = errors.New("not an EVT file")

var (
	magic     = []byte("LfLe")
	tailMagic = []byte("\x28\x00\x00\x00\x11\x11\x11\x11\x22\x22\x22\x22\x33\x33\x33\x33\x44\x44\x44\x44")
)

// Weight says what an error costs.
type Weight uint8

const (
	Loss   Weight = iota // records or parts of them are not there
	Doubt                // what was read does not agree with itself
	Note                 // nothing that the log still had is lost
	Unread               // the reader below gave no bytes
)

// Error is one thing in a file that could not be read as it should be.
type Error struct {
	Off    int64  // in the file
	Len    int64  // bytes that are doubtful or lost; 0 is not known
	What   string // what was expected and what is there
	Origin Origin
	Weight Weight
	Err    error // the reader's own error, where there is one
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("offset %#x: %s: %v", e.Off, e.What, e.Err)
	}
	return fmt.Sprintf("offset %#x: %s", e.Off, e.What)
}

// Unwrap is the error of the reader below.
func (e *Error) Unwrap() error { return e.Err }

// Offset is the place of the damage in the file.
func (e *Error) Offset() int64 { return e.Off }

// Length is the number of doubtful bytes, 0 where it is not known.
func (e *Error) Length() int64 { return e.Len }

// Ends is where a log begins and ends, as the header or the end-of-file record
// says.
type Ends struct {
	First  uint32 // offset of the oldest record
	End    uint32 // offset of the end-of-file record
	Next   uint32 // number of the next record
	Oldest uint32 // number of the oldest record
}

// Header is the file header. In a log that was not closed it is old.
type Header struct {
	Major, Minor uint32
	Ends
	MaxSize   uint32 // of the file, in bytes
	Flags     uint32
	Retention uint32 // seconds before a record may be overwritten; 0 is always
}

// Dirty is true for a log that was not closed.
func (h Header) Dirty() bool { return h.Flags&FlagDirty != 0 }

// Counts is how many records were declared, found and lost.
// Declared = Live + Damaged + Resynced + Lost.
type Counts struct {
	Declared int // by the end-of-file record, or without one by the header
	Live     int // in the unbroken chain from the oldest record to the end
	Damaged  int // with a record, but also with an error
	Resynced int // found by signature, with a number that the log declares
	Lost     int // declared and not found
	Older    int // found by signature, older than what the log declares
	Remnants int // places with a signature and no whole record
	Errors   int // all errors that were yielded
}

// Recovered is the number of records outside of the chain.
func (c Counts) Recovered() int { return c.Resynced + c.Older }

// File is an event log.
type File struct {
	Header Header
	// Tail is the end-of-file record, where there is one, and TailOffset its
	// place.
	Tail       Ends
	TailOffset int64 // 0 where there is none

	w      window
	notes  []*Error
	counts Counts
}

// NewReader reads the header and looks for the end-of-file record. A damaged
// header is no reason to refuse a file that has records; what is wrong with it
// comes as the first errors of Records.
func NewReader(r io.ReaderAt, size int64) (*File, error) {
	f := &File{w: window{r: r, size: size}}
	head := f.w.bytes(0, headerSize)
	known := len(head) == headerSize && bytes.Equal(head[4:8], magic)
	if known {
		f.readHeader(head)
	} else if first := f.w.bytes(headerSize, 8); len(first) < 8 || !bytes.Equal(first[4:], magic) {
		if len(f.w.bad) > 0 {
			return nil, f.w.bad[0]
		}
		return nil, fmt.Errorf("%w: %d bytes without its signature", ErrFormat, size)
	} else {
		f.notes = append(f.notes, &Error{Len: headerSize, Weight: Doubt, What: "file header has no signature; records are looked for all the same"})
	}
	f.findTail()
	return f, nil
}

func (f *File) readHeader(b []byte) {
	c := cursor.New(b)
	size := c.U32("header size")
	c.Skip(4, "signature")
	h := &f.Header
	h.Major, h.Minor = c.U32("major version"), c.U32("minor version")
	h.Ends = ends(c)
	h.MaxSize, h.Flags, h.Retention = c.U32("maximum size"), c.U32("flags"), c.U32("retention")
	if again := c.U32("header size"); size != headerSize || again != headerSize {
		f.notes = append(f.notes, &Error{Len: headerSize, Weight: Doubt, What: fmt.Sprintf("header sizes %d and %d, want %d", size, again, headerSize)})
	}
	if h.Major != 1 || h.Minor != 1 {
		f.notes = append(f.notes, &Error{Off: 8, Len: 8, Weight: Doubt, What: fmt.Sprintf("version %d.%d is not known; read as 1.1", h.Major, h.Minor)})
	}
}

func ends(c *cursor.Cursor) Ends {
	return Ends{c.U32("first offset"), c.U32("end offset"), c.U32("next number"), c.U32("oldest number")}
}

// findTail looks for the end-of-file record; of several, the one with the
// highest next number was written last.
func (f *File) findTail() {
	for at := range f.w.find(headerSize, f.w.size, tailMagic[:20]) {
		b := f.w.bytes(at, tailSize)
		if len(b) < tailSize || binary.LittleEndian.Uint32(b[tailSize-4:]) != tailSize {
			continue
		}
		c := cursor.New(b[len(tailMagic):])
		if e := ends(c); f.TailOffset == 0 || e.Next >= f.Tail.Next {
			f.Tail, f.TailOffset = e, at
		}
	}
}

// Ends is what is believed: the end-of-file record before the header.
func (f *File) Ends() Ends {
	if f.TailOffset > 0 {
		return f.Tail
	}
	return f.Header.Ends
}

// Size is the size of the file in bytes.
func (f *File) Size() int64 { return f.w.size }

// Counts is what the last finished Records yielded.
func (f *File) Counts() Counts { return f.counts }
