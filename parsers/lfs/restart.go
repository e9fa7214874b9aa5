package lfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"kanshiki/parsers/internal/cursor"
)

// Limits of the format.
const (
	stride                = 512
	minPage, maxPage      = 512, 65536
	defaultPage           = 4096
	recordHead            = 48
	clientHead            = 32 // of what NTFS logs, before the LCNs
	maxData               = 1 << 20
	fastPages, tailCopies = 32, 2
)

// ErrNoLog says that nothing in the file is a page of a log.
var ErrNoLog = errors.New("no page of a log")

// Restart is a restart page: where the log stands.
type Restart struct {
	Off            int64
	Minor, Major   int16
	ChkdskLSN      uint64
	SystemPage     int64 // bytes of a restart page
	LogPage        int64 // and of a record page
	CurrentLSN     uint64
	FileSize       uint64
	SequenceBits   uint32
	RecordHead     uint16
	DataOffset     uint16 // of the records in a page
	OldestLSN      uint64 // of the client NTFS: before it nothing is needed for recovery
	ClientRestart  uint64
	Client         string
	Clean          bool // no client is open: the volume was unmounted
	LastDataLength uint32
}

// Damage is something that does not fit, with its place in the file.
type Damage struct {
	Off  int64
	What string
	Err  error
}

func (d *Damage) Error() string {
	if d.Err != nil {
		return d.What + ": " + d.Err.Error()
	}
	return d.What
}

// Offset is the place in the $LogFile.
func (d *Damage) Offset() int64 { return d.Off }

func (d *Damage) Unwrap() error { return d.Err }

// File is a $LogFile.
type File struct {
	Restart  *Restart  // the newer of those that can be read; nil for none
	Restarts []Restart // both
	Empty    bool      // no record page at all: freshly mounted by another driver, or cleared
	Damage   []Damage

	r        io.ReaderAt
	size     int64
	page     int64
	data     int64 // offset of the records in a page
	seqBits  uint
	pages    []Page
	twoPoint bool            // version 2
	byHome   map[int64][]int // pages by the place where their records belong
}

// Open reads the restart pages and looks at every page of the file.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: size, page: defaultPage, data: 64}
	f.readRestarts()
	if f.Restart != nil {
		f.page, f.data = f.Restart.LogPage, int64(f.Restart.DataOffset)
		f.twoPoint = f.Restart.Major >= 2
	}
	// The bits of the file's size give way to those of the sequence number.
	f.seqBits = uint(67 - bits.Len64(uint64(size)))
	if f.Restart != nil {
		f.seqBits = uint(f.Restart.SequenceBits)
	}
	if r := f.Restart; r != nil && r.FileSize > uint64(size) {
		f.Damage = append(f.Damage, Damage{size, fmt.Sprintf("the log has %d bytes by its own word, %d are here", r.FileSize, size), io.ErrUnexpectedEOF})
	}
	f.scan()
	for _, p := range f.pages {
		if p.Kind == RecordPage || p.Kind == CopyPage || p.Kind == RestartPage || p.Kind == DamagedPage {
			f.Empty = f.countRecords() == 0
			return f, nil
		}
	}
	f.Empty = true
	if len(f.pages) == 0 {
		return f, ErrNoLog
	}
	return f, nil
}

func (f *File) countRecords() int {
	n := 0
	for _, p := range f.pages {
		if p.Kind == RecordPage || p.Kind == CopyPage {
			n++
		}
	}
	return n
}

// readRestarts tries both places; the second begins behind the first, whose
// size its own header gives.
func (f *File) readRestarts() {
	for _, off := range []int64{0, defaultPage} {
		b := make([]byte, defaultPage)
		n, err := f.r.ReadAt(b[:min(defaultPage, max(f.size-off, 0))], off)
		if n < minPage {
			if err != nil && err != io.EOF {
				f.Damage = append(f.Damage, Damage{off, "restart page", err})
			}
			continue
		}
		b = b[:n]
		if sig := string(b[:4]); sig != "RSTR" && sig != "CHKD" {
			continue
		}
		r, err := parseRestart(b, off, f.size)
		if err != nil {
			f.Damage = append(f.Damage, Damage{off, "restart page", err})
			continue
		}
		f.Restarts = append(f.Restarts, *r)
		if f.Restart == nil || r.CurrentLSN > f.Restart.CurrentLSN {
			f.Restart = r
		}
	}
}

func parseRestart(b []byte, off, size int64) (*Restart, error) {
	if torn := fixup(b); torn > 0 {
		return nil, cursor.Errorf(off, "%d sectors of a torn write", torn)
	}
	c := cursor.At(b, off)
	c.Skip(8, "signature and update sequence")
	r := &Restart{Off: off, ChkdskLSN: c.U64("LSN of chkdsk"), SystemPage: int64(c.U32("system page size")), LogPage: int64(c.U32("log page size"))}
	area := int(c.U16("restart area"))
	r.Minor, r.Major = int16(c.U16("minor version")), int16(c.U16("major version"))
	c.Seek(area, "restart area")
	r.CurrentLSN = c.U64("current LSN")
	c.Skip(4, "clients and free list")
	r.Clean = c.U16("clients in use") == 0xFFFF
	c.Skip(2, "flags")
	r.SequenceBits = c.U32("sequence number bits")
	c.Skip(2, "length")
	clients := int(c.U16("clients"))
	r.FileSize, r.LastDataLength = c.U64("file size"), c.U32("last data length")
	r.RecordHead, r.DataOffset = c.U16("record header"), c.U16("data offset")
	c.Seek(area+clients, "client")
	r.OldestLSN, r.ClientRestart = c.U64("oldest LSN"), c.U64("restart LSN")
	c.Skip(12, "client links")
	n := int(c.U32("client name"))
	name := c.Take(min(n, 128), "client name")
	for i := 0; i+1 < len(name); i += 2 {
		r.Client += string(rune(binary.LittleEndian.Uint16(name[i:])))
	}
	if c.Err() != nil {
		return nil, c.Err()
	}
	if r.LogPage < minPage || r.LogPage > maxPage || r.LogPage&(r.LogPage-1) != 0 || r.SequenceBits < 8 || r.SequenceBits > 61 ||
		int64(r.DataOffset) < 40 || int64(r.DataOffset) > r.LogPage-recordHead || r.DataOffset%8 != 0 || r.RecordHead != recordHead {
		return nil, cursor.Errorf(off, "page of %d bytes, data at %d, %d sequence bits, record header of %d", r.LogPage, r.DataOffset, r.SequenceBits, r.RecordHead)
	}
	return r, nil
}

// fixup puts the protected words of a page back and counts the strides whose
// end mark differs: those stay as they are.
func fixup(b []byte) (torn int) {
	usa, count := int(binary.LittleEndian.Uint16(b[4:])), int(binary.LittleEndian.Uint16(b[6:]))
	if usa+4 <= len(b) && string(b[usa:min(usa+4, len(b))]) == "CRC4" || usa+8 <= len(b) && string(b[usa+4:usa+8]) == "CRC4" {
		return 0 // a DAX volume has a checksum in place of the array
	}
	n := min(count-1, len(b)/stride)
	if n < 1 || usa < 8 || usa+2*(n+1) > stride-2 {
		return len(b) / stride
	}
	usn := binary.LittleEndian.Uint16(b[usa:])
	for i := range n {
		end := (i+1)*stride - 2
		if binary.LittleEndian.Uint16(b[end:]) != usn {
			torn++
			continue
		}
		copy(b[end:end+2], b[usa+2*(i+1):])
	}
	return torn
}
