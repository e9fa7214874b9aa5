package regf

import (
	"encoding/binary"
	"errors"
	"iter"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// BaseSize is the length of a base block; the hive bins begin behind it.
const BaseSize = 4096

const (
	sectorSize = 512
	binAlign   = 4096
	binHeader  = 32
	none       = 0xFFFFFFFF // "no cell" in every field that names a cell
)

// Types of file, as the base block says them.
const (
	Primary = 0 // a hive
	OldLog  = 1 // a log with a dirty vector
	OldLog2 = 2 // the same, as early versions wrote it
	NewLog  = 6 // a log with log entries
)

// ErrCREG is returned for a registry file of Windows 95, 98 or ME.
var ErrCREG = errors.New("registry file of Windows 9x (CREG), which is another format")

// Base is the base block of a hive, or of a log, which begins with a copy.
type Base struct {
	PrimarySeq    uint32 // counted up when a write begins
	SecondarySeq  uint32 // counted up when it is done
	LastWritten   uint64 // FILETIME
	Major, Minor  uint32
	Type          uint32 // Primary, OldLog or NewLog
	Format        uint32
	Root          uint32 // cell of the root key, from the start of the bins
	BinsSize      uint32 // declared size of all hive bins
	Clustering    uint32 // sector size of the disk it was written to, / 512
	Name          string // last part of the path it was loaded from
	Flags         uint32 // Windows 10 and later
	LastReorg     uint64 // FILETIME, Windows 8 and later, else 0
	Checksum      uint32 // as stored
	ChecksumValid bool
}

// Dirty tells whether a write was begun and not finished, or the block itself
// is damaged ("Dirty state of a hive").
func (b *Base) Dirty() bool { return b.PrimarySeq != b.SecondarySeq || !b.ChecksumValid }

// Hive is a registry hive in memory.
type Hive struct {
	Base
	data   []byte // the whole file
	bins   []byte // all that follows the base block, declared or not
	header int    // bytes before the content of a cell: 4, or 8 in version 1.1
}

// Parse reads a hive. A bad checksum does not stop it (see Base), nor does a
// hive that is shorter than it says (see Check).
func Parse(data []byte) (*Hive, error) {
	base, err := parseBase(data)
	if err != nil {
		return nil, err
	}
	if base.Type == OldLog || base.Type == OldLog2 || base.Type == NewLog {
		return nil, cursor.Errorf(28, "file type %d is a transaction log, not a hive", base.Type)
	}
	if len(data) < BaseSize {
		return nil, cursor.Errorf(int64(len(data)), "base block: need %d bytes, have %d", BaseSize, len(data))
	}
	return newHive(base, data), nil
}

func newHive(base Base, data []byte) *Hive {
	h := &Hive{Base: base, data: data, bins: data[BaseSize:], header: 4}
	// Version 1.1 keeps the place of the cell before it in front of a cell's
	// content (USE_OLD_CELL). The number alone is not believed, since a
	// damaged base block may say anything.
	if r := int64(base.Root); base.Minor <= 1 && r+10 <= int64(len(h.bins)) &&
		string(h.bins[r+4:r+6]) != "nk" && string(h.bins[r+8:r+10]) == "nk" {
		h.header = 8
	}
	return h
}

// Bytes is the file as this hive reads it: after Replay, with the logs applied.
func (h *Hive) Bytes() []byte { return h.data }

func parseBase(data []byte) (Base, error) {
	if len(data) >= 4 && string(data[:4]) == "CREG" {
		return Base{}, ErrCREG
	}
	c := cursor.New(data)
	sig := c.Take(4, "signature of a hive")
	if c.Err() == nil && string(sig) != "regf" {
		return Base{}, cursor.Errorf(0, "signature regf expected, found %q", sig)
	}
	b := Base{
		PrimarySeq: c.U32("primary sequence number"), SecondarySeq: c.U32("secondary sequence number"),
		LastWritten: c.U64("last written"),
		Major:       c.U32("major version"), Minor: c.U32("minor version"),
		Type: c.U32("file type"), Format: c.U32("file format"),
		Root: c.U32("root cell"), BinsSize: c.U32("size of the hive bins"), Clustering: c.U32("clustering factor"),
		Name: utf16.CString(c.Take(64, "file name")),
	}
	c.Skip(32, "resource manager identifiers")
	b.Flags = c.U32("flags")
	c.Skip(20, "transaction manager identifiers")
	if reorg := c.U64("last reorganised"); reorg>>32 > 2 { // 1 and 2 are states, not times
		b.LastReorg = reorg
	}
	c.Seek(508, "checksum")
	b.Checksum = c.U32("checksum")
	if c.Err() != nil {
		return Base{}, c.Err()
	}
	b.ChecksumValid = b.Checksum == checksum(data)
	return b, nil
}

// checksum is XOR-32 over the first 508 bytes; 0 and -1 are never stored.
func checksum(data []byte) uint32 {
	var x uint32
	for i := 0; i < 508; i += 4 {
		x ^= binary.LittleEndian.Uint32(data[i:])
	}
	switch x {
	case 0:
		return 1
	case none:
		return none - 1
	}
	return x
}

// Missing is the number of bytes that the hive declares and that are not there.
func (h *Hive) Missing() int64 { return max(0, int64(h.BinsSize)-int64(len(h.bins))) }

// Bin is one hive bin.
type Bin struct {
	Offset int64 // in the file
	Size   uint32
	Beyond bool // lies behind the declared size: left over, or the size is wrong
}

// Bins walks the hive bins. Where a header makes no sense, an error tells so
// and the walk goes on at the next place where a header fits.
func (h *Hive) Bins() iter.Seq2[Bin, error] {
	return func(yield func(Bin, error) bool) {
		lost := false
		for off := 0; off+binHeader <= len(h.bins); {
			beyond := int64(off) >= int64(h.BinsSize)
			size, ok := h.binAt(off)
			switch {
			case ok:
				lost = false
				b := Bin{int64(off) + BaseSize, uint32(min(size, len(h.bins)-off)), beyond}
				if !yield(b, nil) {
					return
				}
				if size > len(h.bins)-off && h.Missing() == 0 && !yield(Bin{}, cursor.Errorf(b.Offset, "hive bin: size %d, where %d bytes are left", size, b.Size)) {
					return
				}
				off += size
				continue
			case beyond:
				return // padding
			case !lost:
				lost = true
				if !yield(Bin{}, cursor.Errorf(int64(off)+BaseSize, "hive bin: signature hbin, its own offset %#x and a size that fits expected", off)) {
					return
				}
			}
			off += binAlign
		}
		if n := h.Missing(); n > 0 {
			yield(Bin{}, cursor.Errorf(int64(len(h.data)), "hive bins: %d bytes declared, the last %d are not there", h.BinsSize, n))
		}
	}
}

// binAt reads the header of the bin at off and tells whether it is sound. The
// size may reach beyond the end of the file.
func (h *Hive) binAt(off int) (int, bool) {
	c := cursor.New(h.bins[off:])
	sig, own, size := c.Take(4, ""), c.U32(""), c.U32("")
	if c.Err() != nil || string(sig) != "hbin" || uint64(own) != uint64(off) || size == 0 || size%binAlign != 0 || size > 1<<30 {
		return 0, false
	}
	return int(size), true
}

// Check yields every flaw of the frame: damaged bins and bytes that are not
// there. Flaws of keys and values come with their own sequences.
func (h *Hive) Check() iter.Seq[error] {
	return func(yield func(error) bool) {
		if !h.ChecksumValid && !yield(cursor.Errorf(508, "base block: its checksum %#x does not fit its content", h.Checksum)) {
			return
		}
		for _, err := range h.Bins() {
			if err != nil && !yield(err) {
				return
			}
		}
	}
}

// Cell is one cell of a bin, used or free.
type Cell struct {
	Offset    int64  // of the cell in the file
	Data      []byte // behind the size
	Allocated bool
}

// cells walks the cells of one bin.
func (h *Hive) cells(b Bin) iter.Seq2[Cell, error] {
	return func(yield func(Cell, error) bool) {
		start := int(b.Offset - BaseSize)
		end := start + int(b.Size)
		for off := start + binHeader; off+4 <= end; {
			size := int64(int32(binary.LittleEndian.Uint32(h.bins[off:])))
			used := size < 0
			size = max(size, -size)
			if size < 4 || size > int64(end-off) {
				yield(Cell{}, cursor.Errorf(int64(off)+BaseSize, "cell: size %d, where its bin has %d bytes left", size, end-off))
				return
			}
			if !yield(Cell{int64(off) + BaseSize, h.bins[off+4 : off+int(size)], used}, nil) {
				return
			}
			off += int(size)
		}
	}
}

// cell is the content of the cell at off, and whether it is in use.
func (h *Hive) cell(off uint32, what string) ([]byte, bool, error) {
	at := int64(off) + BaseSize
	if off == none || int64(off)+4 > int64(len(h.bins)) {
		return nil, false, cursor.Errorf(min(at, int64(len(h.data))), "%s: cell %#x lies outside %d bytes of bins", what, off, len(h.bins))
	}
	size := int64(int32(binary.LittleEndian.Uint32(h.bins[off:])))
	used := size < 0
	size = max(size, -size)
	if size < int64(h.header) || size > int64(len(h.bins))-int64(off) {
		return nil, used, cursor.Errorf(at, "%s: cell of %d bytes, where %d are left", what, size, int64(len(h.bins))-int64(off))
	}
	return h.bins[int(off)+h.header : int64(off)+size], used, nil
}

// place is where the content of the cell at off begins in the file.
func (h *Hive) place(off uint32) int64 { return int64(off) + BaseSize + int64(h.header) }
