// Package mbr reads the partition table of a master boot record, with the
// chain of extended boot records that hold logical partitions.
//
// There is no standard; the layout is what "How It Works: Master Boot Record"
// (Microsoft, Windows 2000 Resource Kit) and the Linux kernel (block/partitions/msdos.c)
// agree on. Numbers are Linux's: 1 to 4 by place in the table, logical ones
// from 5 in chain order.
//
// A partition may begin or end beyond the disk, as in an image that is cut; it
// is given as it stands.
//
// Not read: boot code, CHS fields (they lie on every disk over 8 GB), BSD and
// Solaris tables inside a partition.
package mbr

import (
	"fmt"
	"io"

	"kanshiki/parsers/internal/cursor"
)

const maxLogical = 256 // the chain may lead anywhere; Windows and Linux stop earlier

// Partition is one entry of a table, other than an extended one.
type Partition struct {
	Number  int
	Logical bool
	Type    uint8
	Status  uint8  // 0x80 where it is the one to boot from
	First   uint64 // sector, from the start of the disk
	Sectors uint64
	Table   uint64 // sector of the table that has the entry
}

// Extended is a container of logical partitions.
type Extended struct{ First, Sectors uint64 }

// Table is all that an MBR and its chain say.
type Table struct {
	SectorSize int
	Signature  uint32 // the disk's, at 440; MountedDevices has it
	Partitions []Partition
	Extended   []Extended
	Tables     []uint64 // sectors that hold tables, the MBR first
	Protective bool     // an entry of type EE: a GPT follows
	Problems   []error  // located from the start of the disk
}

type entry struct {
	status, kind uint8
	first, count uint32
}

// parse decodes the four entries of a table sector that lies at base.
func parse(b []byte, base int64) (e [4]entry, signature uint32, err error) {
	c := cursor.At(b, base)
	c.Seek(510, "signature")
	if sig := c.U16("signature"); c.Err() == nil && sig != 0xAA55 {
		return e, 0, cursor.Errorf(base+510, "boot record signature: have %04x, want aa55", sig)
	}
	c.Seek(440, "disk signature")
	signature = c.U32("disk signature")
	for i := range e {
		c.Seek(446+16*i, "partition entry")
		e[i].status = c.U8("status")
		c.Skip(3, "first CHS")
		e[i].kind = c.U8("type")
		c.Skip(3, "last CHS")
		e[i].first, e[i].count = c.U32("first sector"), c.U32("sectors")
	}
	return e, signature, c.Err()
}

// Plausible tells whether a sector holds a partition table rather than boot
// code that happens to end in the same signature: every entry is marked
// bootable or not and has a start, or is wholly unused.
func Plausible(sector []byte) bool {
	e, _, err := parse(sector, 0)
	if err != nil {
		return false
	}
	for _, x := range e {
		if x.status&0x7F != 0 || x.kind != 0 && x.count != 0 && x.first == 0 && x.kind != 0xEE {
			return false
		}
	}
	return true
}

func isExtended(kind uint8) bool { return kind == 0x05 || kind == 0x0F || kind == 0x85 }

// Read reads the table of a disk of size bytes. It fails where sector 0 is no
// MBR; what is wrong further on is a problem in the table.
func Read(r io.ReaderAt, size int64, sectorSize int) (*Table, error) {
	b := make([]byte, 512)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return nil, cursor.Errorf(int64(n), "master boot record: %v", err)
	}
	e, signature, err := parse(b, 0)
	if err != nil {
		return nil, err
	}
	t := &Table{SectorSize: sectorSize, Signature: signature, Tables: []uint64{0}}
	total := uint64(size) / uint64(sectorSize)
	for i, x := range e {
		switch {
		case x.kind == 0 || x.count == 0:
			continue
		case x.kind == 0xEE:
			t.Protective = true
			continue
		case isExtended(x.kind):
			t.Extended = append(t.Extended, Extended{uint64(x.first), uint64(x.count)})
			continue
		}
		t.Partitions = append(t.Partitions, Partition{Number: i + 1, Type: x.kind, Status: x.status,
			First: uint64(x.first), Sectors: uint64(x.count)})
	}
	for _, x := range t.Extended {
		t.chain(r, x, total, sectorSize)
	}
	return t, nil
}

func (t *Table) problem(off int64, format string, args ...any) {
	t.Problems = append(t.Problems, cursor.Errorf(off, format, args...))
}

// chain follows the extended boot records of one extended partition. Each has
// one logical partition, placed from itself, and the next record, placed from
// the start of the extended partition. A record that was met before ends it.
func (t *Table) chain(r io.ReaderAt, x Extended, total uint64, sectorSize int) {
	b := make([]byte, 512)
	seen := map[uint64]bool{}
	number := 5
	for _, p := range t.Partitions {
		number = max(number, p.Number+1)
	}
	for at := x.First; ; {
		off := int64(at) * int64(sectorSize)
		switch {
		case at >= total:
			t.problem(off, "extended boot record at sector %d, the disk has %d", at, total)
			return
		case seen[at]:
			t.problem(off, "extended boot records lead back to sector %d", at)
			return
		case len(seen) >= maxLogical:
			t.problem(off, "more than %d extended boot records", maxLogical)
			return
		}
		seen[at] = true
		if n, err := r.ReadAt(b, off); n < len(b) {
			t.problem(off, "extended boot record: %v", err)
			return
		}
		e, _, err := parse(b, off)
		if err != nil {
			t.Problems = append(t.Problems, fmt.Errorf("extended boot record: %w", err))
			return
		}
		t.Tables = append(t.Tables, at)
		next := uint64(0)
		for _, y := range e {
			switch {
			case y.kind == 0 || y.count == 0:
			case isExtended(y.kind):
				if next == 0 {
					next = x.First + uint64(y.first)
				}
			default:
				t.Partitions = append(t.Partitions, Partition{Number: number, Logical: true, Type: y.kind, Status: y.status,
					First: at + uint64(y.first), Sectors: uint64(y.count), Table: at})
				number++
			}
		}
		if next == 0 {
			return
		}
		at = next
	}
}
