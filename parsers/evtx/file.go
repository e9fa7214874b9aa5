package evtx

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"kanshiki/parsers/internal/cursor"
)

const (
	// ChunkSize is the size of a chunk; all offsets inside it count from its
	// first byte.
	ChunkSize = 65536
	// HeaderSize is the size of the block that holds the file header.
	HeaderSize = 4096

	chunkHeaderSize  = 512
	recordHeaderSize = 24
	// minRecord is a record header with the copy of its size.
	minRecord = recordHeaderSize + 4
)

// File flags.
const (
	FlagDirty = 1 // was not closed: header and last chunk may be old
	FlagFull  = 2
	FlagNoCRC = 4 // checksums are not kept
)

// ErrFormat says that the bytes are not an event log of this format.
var ErrFormat = errors.New("not an EVTX file")

var (
	fileMagic   = []byte("ElfFile\x00")
	chunkMagic  = []byte("ElfChnk\x00")
	recordMagic = []byte("**\x00\x00")
)

// Weight says what an error costs.
type Weight uint8

const (
	Loss   Weight = iota // records or parts of them are not there
	Doubt                // what was read does not agree with a check over it
	Note                 // nothing that the log still had is lost
	Unread               // the reader below gave no bytes
)

// Error is one thing in a file that could not be read as it should be.
type Error struct {
	Off    int64  // in the file
	Len    int64  // bytes that are doubtful or lost; 0 is not known
	What   string // what was expected and what is there
	Origin Origin // where it lies
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

// Header is the file header. In a log that was not closed it is old.
type Header struct {
	FirstChunk   uint64 // number of the oldest chunk
	LastChunk    uint64 // number of the newest chunk
	NextRecordID uint64
	Minor, Major uint16
	BlockSize    uint16 // offset of the first chunk, 4096
	Chunks       uint16
	Flags        uint32
	Checksum     Check
}

// Dirty is true for a log that was not closed.
func (h Header) Dirty() bool { return h.Flags&FlagDirty != 0 }

// Check is the state of a stored checksum.
type Check uint8

const (
	NotKept Check = iota // the file says that it keeps none
	Good
	Bad
)

func (c Check) String() string {
	return [...]string{"not kept", "good", "bad"}[c]
}

// File is an event log.
type File struct {
	Header Header

	r      io.ReaderAt
	size   int64
	first  int64 // offset of the first chunk
	notes  []error
	counts Counts
	runs   runs
	chunks []ChunkInfo
}

// NewReader reads the file header. A header that is damaged or old is no
// reason to refuse a file that has a chunk; what is wrong with it comes as the
// first errors of Records.
func NewReader(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: size, first: HeaderSize}
	head := make([]byte, min(max(size, 0), 128))
	n, err := r.ReadAt(head, 0)
	if n < len(head) {
		f.note(&Error{Off: int64(n), Len: int64(len(head) - n), Weight: Unread, What: "file header cannot be read", Err: err})
	}
	known := bytes.HasPrefix(head[:n], fileMagic)
	if !known && !f.hasChunk() {
		if err != nil && n < len(head) {
			return nil, f.notes[0]
		}
		return nil, fmt.Errorf("%w: %d bytes, no file header and no chunk at %#x", ErrFormat, size, HeaderSize)
	}
	if !known {
		f.note(&Error{Len: 128, Weight: Doubt, What: "file header has no signature; chunks are read all the same"})
		return f, nil
	}
	f.readHeader(head[:n])
	return f, nil
}

func (f *File) note(err error) { f.notes = append(f.notes, err) }

func (f *File) hasChunk() bool {
	var b [8]byte
	if f.size < HeaderSize+8 {
		return false
	}
	n, _ := f.r.ReadAt(b[:], HeaderSize)
	return n == 8 && bytes.Equal(b[:], chunkMagic)
}

func (f *File) readHeader(b []byte) {
	c := cursor.New(b)
	c.Skip(8, "signature")
	h := &f.Header
	h.FirstChunk = c.U64("first chunk")
	h.LastChunk = c.U64("last chunk")
	h.NextRecordID = c.U64("next record identifier")
	c.Skip(4, "header size")
	h.Minor = c.U16("minor version")
	h.Major = c.U16("major version")
	h.BlockSize = c.U16("header block size")
	h.Chunks = c.U16("chunk count")
	c.Skip(76, "reserved")
	h.Flags = c.U32("file flags")
	sum := c.U32("checksum")
	if c.Err() != nil {
		f.note(&Error{Off: c.Pos(), What: "file header is cut", Err: c.Err()})
		return
	}
	switch {
	case h.Flags&FlagNoCRC != 0:
		h.Checksum = NotKept
	case crc32.ChecksumIEEE(b[:120]) == sum:
		h.Checksum = Good
	default:
		h.Checksum = Bad
		f.note(&Error{Len: 128, Weight: Doubt, What: "file header does not match its checksum"})
	}
	if h.Major != 3 || h.Minor > 2 {
		f.note(&Error{Off: 36, Len: 4, Weight: Doubt, What: fmt.Sprintf("version %d.%d is not known; read as 3.2", h.Major, h.Minor)})
	}
	if h.BlockSize != HeaderSize {
		f.note(&Error{Off: 40, Len: 2, Weight: Note, What: fmt.Sprintf("header block of %d bytes; chunks are looked for at %d", h.BlockSize, HeaderSize)})
	}
	have := (f.size - HeaderSize + ChunkSize - 1) / ChunkSize
	if int64(h.Chunks) > max(have, 0) {
		f.note(&Error{Off: f.size, What: fmt.Sprintf("file header counts %d chunks, the file has room for %d", h.Chunks, max(have, 0))})
	}
}

// Size is the size of the file in bytes.
func (f *File) Size() int64 { return f.size }

// NumChunks is the number of chunk places in the file, a cut one counted.
func (f *File) NumChunks() int {
	if f.size <= f.first {
		return 0
	}
	return int((f.size - f.first + ChunkSize - 1) / ChunkSize)
}

// Counts is what the last finished Records yielded.
func (f *File) Counts() Counts { return f.counts }

// Ranges is the live records that the last finished Records yielded, and those
// found again after a break that their chunk declares, as runs of consecutive
// identifiers in ascending order. What lies between two runs is not in the
// file.
func (f *File) Ranges() []Range { return f.runs.sorted() }

// Chunks tells what the last finished Records found in each chunk.
func (f *File) Chunks() []ChunkInfo { return f.chunks }
