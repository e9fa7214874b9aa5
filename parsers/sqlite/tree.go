package sqlite

import (
	"encoding/binary"
	"fmt"
)

// cell is a row as the tree holds it.
type cell struct {
	rowid  int64
	off    int64 // in the file or the log
	length int64 // bytes of it in its leaf
	size   int64 // bytes of its record, overflow pages included
}

// leaf is one page of rows.
type leaf struct {
	page  uint32
	inWAL bool
	cells []cell
}

// Kinds of pages.
const (
	interiorTable = 0x05
	leafTable     = 0x0d
)

// leaves walks a table's tree, each page once, in order of row ids. It is
// independent of SQLite: what it counts is what is there.
func (p *pages) leaves(root uint32, usable int, yield func(*leaf, error) bool) {
	w := walk{p: p, usable: usable, seen: map[uint32]bool{}, yield: yield}
	w.page(root, 0)
}

type walk struct {
	p      *pages
	usable int
	seen   map[uint32]bool
	yield  func(*leaf, error) bool
}

// fail yields an error; it tells whether to go on.
func (w *walk) fail(n uint32, format string, args ...any) bool {
	off, in := int64(0), false
	if n > 0 && n <= w.p.count {
		off, in = w.p.place(n)
	}
	return w.yield(nil, &Error{Off: off, InWAL: in, What: fmt.Sprintf("page %d: ", n) + fmt.Sprintf(format, args...)})
}

// page tells whether to go on.
func (w *walk) page(n uint32, depth int) bool {
	switch {
	case n == 0 || n > w.p.count:
		return w.fail(n, "a table's tree leads there, the database has %d pages", w.p.count)
	case depth > maxDepth:
		return w.fail(n, "tree deeper than %d", maxDepth)
	case w.seen[n]:
		return w.fail(n, "a table's tree leads there twice")
	}
	w.seen[n] = true
	b, err := w.p.page(n)
	if err != nil {
		return w.yield(nil, err)
	}
	at := 0
	if n == 1 {
		at = headerSize
	}
	count := int(binary.BigEndian.Uint16(b[at+3:]))
	switch b[at] {
	case interiorTable:
		return w.interior(n, b, at+12, count, binary.BigEndian.Uint32(b[at+8:]), depth)
	case leafTable:
		return w.leaf(n, b, at+8, count)
	}
	return w.fail(n, "kind %#x, no page of a table", b[at])
}

func (w *walk) interior(n uint32, b []byte, at, count int, right uint32, depth int) bool {
	for i := range count {
		ptr := at + 2*i
		if ptr+2 > w.usable {
			return w.fail(n, "%d children do not fit", count)
		}
		c := int(binary.BigEndian.Uint16(b[ptr:]))
		if c < at || c+4 > w.usable {
			if !w.fail(n, "child %d at %d", i, c) {
				return false
			}
			continue
		}
		if !w.page(binary.BigEndian.Uint32(b[c:]), depth+1) {
			return false
		}
	}
	return w.page(right, depth+1)
}

func (w *walk) leaf(n uint32, b []byte, at, count int) bool {
	base, in := w.p.place(n)
	l := &leaf{page: n, inWAL: in}
	for i := range count {
		ptr := at + 2*i
		if ptr+2 > w.usable {
			if !w.fail(n, "%d rows do not fit", count) {
				return false
			}
			break
		}
		c := int(binary.BigEndian.Uint16(b[ptr:]))
		size, k := varint(b[min(c, w.usable):w.usable])
		rowid, m := varint(b[min(c+k, w.usable):w.usable])
		local := w.local(size)
		if c < at || k == 0 || m == 0 || int64(c+k+m)+local > int64(w.usable) {
			if !w.fail(n, "row %d at %d with %d bytes", i, c, size) {
				return false
			}
			continue
		}
		l.cells = append(l.cells, cell{rowid: rowid, off: base + int64(c), length: int64(k+m) + local, size: size})
	}
	return w.yield(l, nil)
}

// local is how much of a record lies in its leaf (fileformat2 1.6), with the
// number of the first overflow page where there are such.
func (w *walk) local(size int64) int64 {
	u := int64(w.usable)
	if size < 0 {
		return u
	}
	if size <= u-35 {
		return size
	}
	least := (u-12)*32/255 - 23
	if k := least + (size-least)%(u-4); k <= u-35 {
		return k + 4
	}
	return least + 4
}

// varint is SQLite's: big-endian groups of seven bits, the ninth byte whole.
// It gives length 0 where the bytes end before the number.
func varint(b []byte) (int64, int) {
	var v uint64
	for i := 0; i < 8 && i < len(b); i++ {
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return int64(v), i + 1
		}
	}
	if len(b) < 9 {
		return 0, 0
	}
	return int64(v<<8 | uint64(b[8])), 9
}
