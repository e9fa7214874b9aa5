package ewf

import "fmt"

// groupBuilder pairs the sectors, table and table2 sections of a segment.
type groupBuilder struct {
	r       *Reader
	seg     *segment
	end     int64    // of the section before
	pending *section // sectors without a table so far
	last    *group   // may still get its table2
}

func (b *groupBuilder) sectors(s section) {
	b.flush()
	b.pending, b.last = &s, nil
}

func (b *groupBuilder) table(s section) { b.add(s, 0) }

func (b *groupBuilder) table2(s section) {
	if b.pending == nil && b.last != nil && b.last.table[1].off == 0 {
		b.last.table[1] = s
		b.check()
		return
	}
	b.add(s, 1)
}

// add makes a group of a table and the chunk data before it. Where no sectors
// section is before it, the data is in the table section itself, or, if
// something lies between the last section and the table, the descriptor of
// sectors is lost and the data is what lies there.
func (b *groupBuilder) add(s section, copyNo int) {
	b.check()
	g := &group{seg: b.seg, n: -1}
	g.table[copyNo] = s
	switch {
	case b.pending != nil:
		g.dataStart, g.dataEnd = b.pending.data(), b.pending.end()
	case s.off-b.end > descriptorSize:
		g.dataStart, g.dataEnd = b.end+descriptorSize, s.off
	default:
		g.inTable = true
		g.dataStart, g.dataEnd = s.data()+tableHeadSize, s.end()
	}
	b.pending, b.last = nil, g
	b.seg.groups = append(b.seg.groups, g)
}

// check finds out how many chunks the last group has, now that both of its
// tables are known.
func (b *groupBuilder) check() {
	g := b.last
	if g == nil {
		return
	}
	for _, s := range g.table {
		if s.off == 0 {
			continue
		}
		h, err := b.r.tableHead(g.seg, s)
		if err != nil {
			b.r.reportErr(g.seg, err)
			continue
		}
		if g.n >= 0 && g.n != h.n {
			b.r.report(g.seg, s.data(), fmt.Sprintf("table has %d entries, its copy %d", g.n, h.n))
			continue
		}
		g.n = h.n
		if g.inTable && s.off == g.table[0].off {
			g.dataStart = min(s.data()+tableHeadSize+h.n*4, s.end())
		} else {
			b.r.spare(g.seg, s, tableHeadSize+h.n*4+4)
		}
	}
	if g.n < 0 && !g.inTable {
		// Both headers are damaged, but a table is nothing else than its entries.
		for _, s := range g.table {
			if s.off != 0 && !s.cut {
				if n := (s.full - descriptorSize - tableHeadSize - 4) / 4; n > 0 && n <= MaxTable {
					g.n = n
				}
			}
		}
	}
}

// flush makes a group of chunk data that no table follows.
func (b *groupBuilder) flush() {
	b.check()
	if s := b.pending; s != nil {
		g := &group{seg: b.seg, n: -1, dataStart: s.data(), dataEnd: s.end()}
		b.r.report(b.seg, s.off, "no table follows this chunk data")
		b.seg.groups = append(b.seg.groups, g)
		b.pending = nil
	}
}

func (b *groupBuilder) finish() {
	b.flush()
	b.last = nil
}
