// Package gpt reads GUID partition tables: both headers and both arrays of
// entries, each checked by its CRC (UEFI specification 2.10, section 5.3).
//
// The primary table counts where it is intact, else the backup. Where they
// differ although both are intact, the primary's is given and the difference
// is a problem. A partition may end beyond the disk, as in an image that is cut;
// it is given as it stands. The protective MBR is not read here.
package gpt

import (
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/utf16"
)

// Limits on the array of entries: Windows and Linux write 128 of 128 bytes.
const (
	maxEntries   = 4096
	maxEntrySize = 4096
	maxSector    = 4096
)

// GUID names a disk, a partition or its type.
type GUID = guid.GUID

// Partition is a used entry.
type Partition struct {
	Number     int // place in the array, from 1
	Type       GUID
	ID         GUID
	First      uint64 // sectors, both inside
	Last       uint64
	Attributes uint64
	Name       string
}

// Table is what a GPT says.
type Table struct {
	Disk       GUID
	SectorSize int
	Usable     [2]uint64 // first and last sector for partitions
	Backup     uint64    // sector of the backup header, as the table says or where it was found
	Partitions []Partition
	FromBackup bool    // the primary table is damaged
	Problems   []error // located from the start of the disk
}

type header struct {
	own, other, first, last uint64
	disk                    GUID
	entries                 uint64 // sector of the array
	count, size             uint32
	arrayCRC                uint32
	array                   []byte
}

// Read looks for a table with sectors of the given size. It fails where
// neither header is one.
func Read(r io.ReaderAt, size int64, sectorSize int) (*Table, error) {
	ss := int64(sectorSize)
	if ss < 512 || ss > maxSector {
		return nil, cursor.Errorf(0, "GPT with sectors of %d bytes", ss)
	}
	if size < 3*ss {
		return nil, cursor.Errorf(ss, "GPT header: the disk has %d bytes", size)
	}
	t := &Table{SectorSize: sectorSize}
	primary, err1 := readHeader(r, size, ss, 1)
	// The primary header knows where its backup is: on a disk that was
	// enlarged it is not at the end.
	at := uint64(size/ss) - 1
	if primary != nil && primary.other > 1 && primary.other < at {
		at = primary.other
	}
	backup, err2 := readHeader(r, size, ss, at)
	if last := uint64(size/ss) - 1; backup == nil && at != last {
		if b, err := readHeader(r, size, ss, last); b != nil {
			backup, err2 = b, err
		}
	}
	switch {
	case primary != nil && primary.array != nil:
		t.fill(primary)
		t.Backup = primary.other
		t.note(err1)
		switch {
		case backup == nil || backup.array == nil:
			t.Problems = append(t.Problems, fmt.Errorf("backup table: %w", err2))
		case primary.disk != backup.disk || primary.arrayCRC != backup.arrayCRC:
			t.Problems = append(t.Problems, cursor.Errorf(int64(at)*ss, "the backup table differs from the primary one"))
		}
	case backup != nil && backup.array != nil:
		t.FromBackup = true
		t.fill(backup)
		t.Backup = backup.own
		t.Problems = append(t.Problems, fmt.Errorf("primary table, the backup is used: %w", err1))
		t.note(err2)
	default:
		return nil, err1
	}
	return t, nil
}

func (t *Table) note(err error) {
	if err != nil {
		t.Problems = append(t.Problems, err)
	}
}

// readHeader reads a header and its array. The array is nil where it is
// damaged, the header where that is.
func readHeader(r io.ReaderAt, size, ss int64, at uint64) (*header, error) {
	off := int64(at) * ss
	b := make([]byte, 92)
	if n, err := r.ReadAt(b, off); n < len(b) {
		return nil, cursor.Errorf(off, "GPT header: %v", err)
	}
	c := cursor.At(b, off)
	if sig := c.Take(8, "signature"); string(sig) != "EFI PART" {
		return nil, cursor.Errorf(off, "GPT header: no signature")
	}
	c.U32("revision")
	length, sum := c.U32("header size"), c.U32("header CRC")
	if int64(length) < 92 || int64(length) > ss {
		return nil, cursor.Errorf(off+12, "GPT header: size %d", length)
	}
	c.Skip(4, "reserved")
	h := &header{own: c.U64("own sector"), other: c.U64("other header"), first: c.U64("first usable"), last: c.U64("last usable")}
	copy(h.disk[:], c.Take(16, "disk GUID"))
	h.entries, h.count, h.size, h.arrayCRC = c.U64("entries"), c.U32("count"), c.U32("entry size"), c.U32("entries CRC")
	whole := make([]byte, length)
	if n, err := r.ReadAt(whole, off); n < len(whole) {
		return nil, cursor.Errorf(off, "GPT header: %v", err)
	}
	clear(whole[16:20])
	if have := crc32.ChecksumIEEE(whole); have != sum {
		return nil, cursor.Errorf(off+16, "GPT header: CRC %08x, calculated %08x", sum, have)
	}
	var err error
	if h.own != at {
		err = cursor.Errorf(off+24, "GPT header at sector %d says that it is at %d", at, h.own)
	}
	if e := h.readArray(r, size, ss, off); e != nil {
		return h, e
	}
	return h, err
}

func (h *header) readArray(r io.ReaderAt, size, ss, off int64) error {
	if h.count > maxEntries || h.size < 128 || h.size > maxEntrySize || h.size%8 != 0 {
		return cursor.Errorf(off+80, "GPT header: %d entries of %d bytes", h.count, h.size)
	}
	n := int64(h.count) * int64(h.size)
	if h.entries > uint64(size/ss) || int64(h.entries)*ss+n > size {
		return cursor.Errorf(off+72, "GPT entries: %d bytes at sector %d, the disk has %d bytes", n, h.entries, size)
	}
	at := int64(h.entries) * ss
	b := make([]byte, n)
	if got, err := r.ReadAt(b, at); got < len(b) {
		return cursor.Errorf(at, "GPT entries: %v", err)
	}
	if have := crc32.ChecksumIEEE(b); have != h.arrayCRC {
		return cursor.Errorf(at, "GPT entries: CRC %08x, calculated %08x", h.arrayCRC, have)
	}
	h.array = b
	return nil
}

// fill decodes the used entries.
func (t *Table) fill(h *header) {
	t.Disk, t.Usable = h.disk, [2]uint64{h.first, h.last}
	for i := range int(h.count) {
		base := int64(h.entries)*int64(t.SectorSize) + int64(i)*int64(h.size)
		c := cursor.At(h.array[i*int(h.size):(i+1)*int(h.size)], base)
		p := Partition{Number: i + 1}
		copy(p.Type[:], c.Take(16, "type"))
		if p.Type == (GUID{}) {
			continue
		}
		copy(p.ID[:], c.Take(16, "identifier"))
		p.First, p.Last, p.Attributes = c.U64("first sector"), c.U64("last sector"), c.U64("attributes")
		p.Name = utf16.CString(c.Take(72, "name"))
		if p.Last < p.First || p.Last >= math.MaxInt64/maxSector {
			t.Problems = append(t.Problems, cursor.Errorf(base+32, "partition %d: sectors %d to %d", p.Number, p.First, p.Last))
			continue
		}
		t.Partitions = append(t.Partitions, p)
	}
}
