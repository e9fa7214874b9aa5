package fat

import (
	"encoding/binary"
	"sync"

	"kanshiki/parsers/internal/cursor"
)

// Values of the table as next gives them, whatever its width.
const (
	free   = 0
	bad    = 0xFFFFFFF7
	ending = 0xFFFFFFFF
)

// table reads the file allocation table in pages.
type table struct {
	v    *Volume
	mu   sync.Mutex
	page map[int64]tablePage
}

type tablePage struct {
	b   []byte
	err error
}

const (
	tablePageSize = 96 << 10 // holds whole entries of 12 bits
	maxTablePages = 256
)

func newTable(v *Volume) table { return table{v: v, page: map[int64]tablePage{}} }

// next is the entry of a cluster: the cluster after it, or one of the values
// above. What the first table does not give, the second may.
func (t *table) next(cluster uint32) (uint32, error) {
	g := &t.v.geo
	le := binary.LittleEndian
	switch g.Kind {
	case FAT12:
		b, err := t.at(int64(cluster)*3/2, 2)
		if err != nil {
			return 0, err
		}
		n := uint32(le.Uint16(b)) >> (4 * (cluster & 1)) & 0xFFF
		return widen(n, 0xFF7), nil
	case FAT16:
		b, err := t.at(int64(cluster)*2, 2)
		if err != nil {
			return 0, err
		}
		return widen(uint32(le.Uint16(b)), 0xFFF7), nil
	}
	b, err := t.at(int64(cluster)*4, 4)
	if err != nil {
		return 0, err
	}
	n := le.Uint32(b)
	if g.Kind == FAT32 {
		return widen(n&0x0FFFFFFF, 0x0FFFFFF7), nil
	}
	return widen(n, bad), nil
}

// widen makes the marks of all widths alike.
func widen(n, badMark uint32) uint32 {
	switch {
	case n == badMark:
		return bad
	case n > badMark:
		return ending
	}
	return n
}

func (t *table) at(off int64, n int) ([]byte, error) {
	g := &t.v.geo
	if off+int64(n) > g.FATSize {
		return nil, cursor.Errorf(g.FATOff+off, "cluster beyond the table")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	from := off - off%tablePageSize
	p, ok := t.page[from]
	if !ok {
		if len(t.page) >= maxTablePages {
			clear(t.page)
		}
		p = t.read(from)
		t.page[from] = p
	}
	if in := int(off - from); in+n <= len(p.b) {
		return p.b[in : in+n], nil
	}
	return nil, p.err
}

// read takes a page from the table in use, and from the other one what that does
// not give. Behind a page stands one byte of the next, for entries of 12 bits.
func (t *table) read(from int64) tablePage {
	g := &t.v.geo
	b := make([]byte, min(tablePageSize+2, g.FATSize-from))
	n, err := t.v.r.ReadAt(b, g.FATOff+from)
	if n < len(b) && g.otherFAT > 0 && g.FATOff != g.otherFAT {
		if m, _ := t.v.r.ReadAt(b[n:], g.otherFAT+from+int64(n)); m > 0 {
			n += m
		}
	}
	p := tablePage{b: b[:n]}
	if n < len(b) {
		p.err = cursor.Errorf(g.FATOff+from+int64(n), "allocation table: cannot be read: %w", unexpected(err))
	}
	return p
}
