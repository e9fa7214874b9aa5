package ewf

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"kanshiki/parsers/internal/cursor"
)

// group is a run of chunks that one table describes. Only its place is kept;
// its entries are loaded when a chunk is asked for, so that an image of 16 TiB
// (2^29 chunks) costs a few megabytes.
type group struct {
	first     int64 // number of its first chunk in the media, once it is placed
	n         int64 // number of chunks
	seg       *segment
	table     [2]section // table and table2; off 0 where there is none
	dataStart int64      // where its chunks lie in the segment
	dataEnd   int64
	inTable   bool     // the chunks lie in the table section itself (EWF, SMART, EnCase 1)
	walked    *entries // found by walking, where no table tells
	open      bool     // there may be more chunks than n: nothing tells how many
	why       string   // what is known of the chunks past n, if open
}

const tableHeadSize = 24

// tableHead is the header of a table: 24 bytes.
type tableHead struct {
	n    int64
	base int64
}

func (r *Reader) tableHead(seg *segment, s section) (tableHead, error) {
	var b [tableHeadSize]byte
	if s.size < descriptorSize+tableHeadSize {
		return tableHead{}, cursor.Errorf(s.data(), "section %q: need %d bytes, have %d", s.kind, tableHeadSize, s.size-descriptorSize)
	}
	if _, err := readFull(seg.r, b[:], s.data()); err != nil {
		return tableHead{}, cursor.Errorf(s.data(), "section %q: %v", s.kind, err)
	}
	if _, err := checked(b[:], s.data(), "header of "+s.kind); err != nil {
		return tableHead{}, err
	}
	c := cursor.At(b[:], s.data())
	n := int64(c.U32("entries"))
	c.Skip(4, "padding")
	base := c.U64("base offset")
	if n > MaxTable || n*4 > s.full-descriptorSize-tableHeadSize {
		return tableHead{}, cursor.Errorf(s.data(), "section %q: %d entries in %d bytes, limit %d", s.kind, n, s.full-descriptorSize, MaxTable)
	}
	if base > math.MaxInt64/2 {
		return tableHead{}, cursor.Errorf(s.data()+8, "section %q: base offset %#x", s.kind, base)
	}
	return tableHead{n, int64(base)}, c.Err()
}

// entries tells where each chunk of a group lies.
type entries struct {
	base     int64
	raw      []uint32 // as stored: offset from base, the top bit set where compressed
	overflow int      // from here on all 32 bits are offset and nothing is compressed
	walked   []int64  // instead of raw: absolute offset ×2, +1 where compressed
	agreed   []bool   // instead of a checksum: both copies say the same; nil where one is intact
	end      int64    // of the chunk data in the segment
	start    int64
}

func (e *entries) len() int {
	if e.walked != nil {
		return len(e.walked)
	}
	return len(e.raw)
}

func (e *entries) at(i int) (off int64, compressed bool) {
	if e.walked != nil {
		return e.walked[i] >> 1, e.walked[i]&1 != 0
	}
	if v := e.raw[i]; i >= e.overflow {
		return e.base + int64(v), false
	} else {
		return e.base + int64(v&math.MaxInt32), v > math.MaxInt32
	}
}

// extent is where the bytes of chunk i are stored. The end of a chunk is not
// stored: it is where the next one begins.
func (e *entries) extent(i int) (off, end int64, compressed bool, err error) {
	off, compressed = e.at(i)
	if e.agreed != nil && !e.agreed[i] {
		return 0, 0, false, fmt.Errorf("both copies of its table entry are damaged")
	}
	if off < e.start || off >= e.end {
		return 0, 0, false, fmt.Errorf("table entry %d: offset %#x outside the chunk data %#x to %#x", i, off, e.start, e.end)
	}
	end = e.end
	if i+1 < e.len() {
		if next, _ := e.at(i + 1); next > off && next <= e.end {
			end = next
		}
	}
	return off, end, compressed, nil
}

// findOverflow sets where offsets pass 2 GiB: EnCase 6.7.1 went on counting
// into the top bit there, and stored the chunks uncompressed (specification,
// "Table section").
func (e *entries) findOverflow() {
	e.overflow = len(e.raw)
	for i := 1; i < len(e.raw); i++ {
		prev, v := e.raw[i-1], e.raw[i]
		if v&math.MaxInt32 < prev&math.MaxInt32 && v > prev&math.MaxInt32 && e.base+int64(v) < e.end {
			e.overflow = i
			return
		}
	}
}

// readTable loads one copy of a table. sound is false where its checksum is
// wrong; the entries are then only good for comparing with the other copy.
func (r *Reader) readTable(g *group, s section) (e *entries, sound bool, err error) {
	h, err := r.tableHead(g.seg, s)
	if err != nil {
		return nil, false, err
	}
	if h.n != g.n {
		return nil, false, cursor.Errorf(s.data(), "section %q: %d entries, expected %d", s.kind, h.n, g.n)
	}
	at := s.data() + tableHeadSize
	b := make([]byte, min(h.n*4+4, max(s.end()-at, 0)))
	if int64(len(b)) < h.n*4 {
		return nil, false, cursor.Errorf(at, "section %q: %d entries, the file ends after %d bytes", s.kind, h.n, len(b))
	}
	if _, err := readFull(g.seg.r, b, at); err != nil {
		return nil, false, cursor.Errorf(at, "section %q: %v", s.kind, err)
	}
	e = &entries{base: h.base, raw: make([]uint32, h.n), start: g.dataStart, end: g.dataEnd}
	for i := range e.raw {
		e.raw[i] = binary.LittleEndian.Uint32(b[i*4:])
	}
	e.findOverflow()
	if g.inTable {
		e.start = at + h.n*4
	}
	// Tables that hold the chunks themselves mostly have no checksum: the first
	// chunk begins where it would stand (measured on EWF and SMART; EnCase 1 has one).
	if first, _ := e.first(); g.inTable && first < at+h.n*4+4 {
		return e, e.ascending(), nil
	}
	if _, err := checked(b, at, "entries of "+s.kind); err != nil {
		return e, false, err
	}
	return e, true, nil
}

func (e *entries) first() (int64, bool) {
	if e.len() == 0 {
		return math.MaxInt64, false
	}
	return e.at(0)
}

func (e *entries) ascending() bool {
	for i := range e.raw {
		off, _ := e.at(i)
		if off < e.start || off >= e.end {
			return false
		}
		if i > 0 {
			if prev, _ := e.at(i - 1); prev >= off {
				return false
			}
		}
	}
	return true
}

// loadEntries finds out where the chunks of a group lie: from the table, from
// its copy, by walking the chunks, and where that ends from entries on which
// both damaged copies agree.
func (r *Reader) loadEntries(g *group) (*entries, error) {
	if g.walked != nil {
		return g.walked, nil
	}
	var copies [2]*entries
	var first error
	for i, s := range g.table {
		if s.off == 0 {
			continue
		}
		e, sound, err := r.readTable(g, s)
		if err != nil {
			r.reportErr(g.seg, err)
			if first == nil {
				first = err
			}
		}
		if sound {
			return e, nil
		}
		copies[i] = e
	}
	e, _ := r.walk(g, g.n)
	if int64(e.len()) == g.n {
		r.report(g.seg, g.dataStart, fmt.Sprintf("no intact table: all %d chunks found by walking them", g.n))
		return e, nil
	}
	if first == nil {
		first = cursor.Errorf(g.dataStart, "no table for this chunk data")
	}
	r.report(g.seg, g.dataStart, fmt.Sprintf("no intact table: %d of %d chunks found by walking them", e.len(), g.n))
	if a, b := copies[0], copies[1]; a != nil && b != nil && a.base == b.base {
		return agree(e, a, b), nil
	}
	if e.len() == 0 {
		return nil, first
	}
	return e, nil
}

// agree keeps what was walked and, behind it, the entries that two damaged
// copies have in common. Each chunk still has to pass its own checksum.
func agree(walked, a, b *entries) *entries {
	out := &entries{start: a.start, end: a.end, walked: make([]int64, len(a.raw)), agreed: make([]bool, len(a.raw))}
	for i := range a.raw {
		if i < walked.len() {
			out.walked[i], out.agreed[i] = walked.walked[i], true
			continue
		}
		off, compressed := a.at(i)
		out.walked[i] = off << 1
		if compressed {
			out.walked[i] |= 1
		}
		out.agreed[i] = a.raw[i] == b.raw[i]
	}
	return out
}

// Check reads every table and its copy, and reports what is not intact: a
// table that is replaced by its copy does not show in the media.
func (r *Reader) Check() {
	for _, seg := range r.segs {
		for _, g := range seg.groups {
			r.checkTables(g)
		}
	}
	if n := len(r.Tail()); n > 0 {
		g := r.groupOf(r.chunks - 1)
		r.report(g.seg, g.dataStart, fmt.Sprintf("the last chunk holds %d bytes more than the media counts", n))
	}
}

func (r *Reader) checkTables(g *group) {
	var copies []*entries
	for _, s := range g.table {
		if s.off == 0 || g.walked != nil {
			continue
		}
		e, _, err := r.readTable(g, s)
		if err != nil {
			r.reportErr(g.seg, err)
			continue
		}
		copies = append(copies, e)
	}
	if len(copies) == 2 && (copies[0].base != copies[1].base || !slices.Equal(copies[0].raw, copies[1].raw)) {
		r.report(g.seg, g.table[1].off, "the table differs from its copy")
	}
}
