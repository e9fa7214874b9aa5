package ntfs

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
)

// ScanFrom makes the catalogue of a volume whose $MFT is mostly that of another
// one, as a shadow copy's is that of the volume of today: only records in changed
// ranges (offset and length on the volume) are read and decoded, and those that
// hang together with others. base stays as it is; the two share what is equal.
//
// Where the $MFT lies elsewhere, or base lacks some of it, this is Scan.
func (v *Volume) ScanFrom(ctx context.Context, base *Catalog, changed iter.Seq2[int64, int64]) (*Catalog, error) {
	if !v.sharesMFT(base) {
		return v.Scan(ctx)
	}
	rs := int64(v.geo.RecordSize)
	n := uint32(v.mftSize / rs)
	c := &Catalog{v: v, entries: base.entries.fork(n), links: base.links.share(), attrs: base.attrs.share(),
		times: base.times.share(), names: base.names.share(), runs: base.runs.share(), differs: newRecordSet(n)}
	again := newRecordSet(n)
	v.recordsIn(changed, func(first, end uint32) {
		for i := first; i < min(end, n); i++ {
			again.set(i)
		}
	})
	moved := again.clone()
	for i := range n {
		e := c.entries.at(i)
		if e.ext != 0 || e.marks&(markList|markNotRead) != 0 {
			again.set(i)
		}
		if e.state == recExtension || e.state == recLeftover {
			again.set(i)
			if b := e.base.Record(); b < uint64(n) {
				again.set(uint32(b))
			}
		}
	}
	for _, d := range base.damage {
		if d.Record >= uint64(n) || !again.has(uint32(d.Record)) {
			c.byKind[d.Kind]++
			c.damage = append(c.damage, d)
		}
	}
	s := &scanner{c: c, again: true}
	s.say = c.report
	if c.times.n > 0 {
		s.lastT = *c.times.at(0)
	}
	buf, other := make([]byte, scanBlock), make([]byte, rs)
	for first, end := range again.runs(uint32(scanBlock / rs)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b := buf[:int64(end-first)*rs]
		off := int64(first) * rs
		whole := v.readMFT(b, off) == nil
		for i := first; i < end; i++ { // before the fixups are taken out of them
			if moved.has(i) && (!whole || base.v.readMFT(other, int64(i)*rs) != nil || !bytes.Equal(other, b[int64(i-first)*rs:][:rs])) {
				c.differs.set(i)
			}
		}
		s.block(mftBlock{b, off, whole})
	}
	if err := s.finish(ctx); err != nil {
		return nil, err
	}
	// A change of an extension record is one of its file.
	for i := range n {
		if e := c.entries.at(i); e.state == recExtension && c.differs.has(i) {
			c.differs.set(uint32(e.base.Record()))
		}
	}
	return c, nil
}

// Differs tells whether a file is not the same as in the catalogue that ScanFrom
// began with; true of every file where it had to read the whole $MFT.
func (f File) Differs() bool { return f.c.differs == nil || f.c.differs.has(f.n) }

// sharesMFT tells whether each record of v has the place that it has in base, and
// base knows all of them.
func (v *Volume) sharesMFT(base *Catalog) bool {
	b := base.v
	if v.geo != b.geo || v.alone || b.alone || v.mftSize > b.mftSize || base.lost > 0 {
		return false
	}
	for i := range base.entries.n {
		if base.entries.at(i).state == recUnread {
			return false
		}
	}
	cs := int64(v.geo.ClusterSize)
	for i, r := range v.mft.runs {
		for at := int64(0); at < r.Len; {
			vcn := v.mft.start[i] + at
			if vcn*cs >= v.mftSize {
				return true
			}
			k := b.mft.find(vcn)
			if k == len(b.mft.runs) || r.LCN < 0 || b.mft.runs[k].LCN+vcn-b.mft.start[k] != r.LCN+at {
				return false
			}
			at += b.mft.runs[k].Len - (vcn - b.mft.start[k])
		}
	}
	return true
}

// recordsIn yields the records of the $MFT that lie in ranges of the volume.
func (v *Volume) recordsIn(ranges iter.Seq2[int64, int64], do func(first, end uint32)) {
	type piece struct{ disk, end, off int64 }
	cs, rs := int64(v.geo.ClusterSize), int64(v.geo.RecordSize)
	var list []piece
	for i, r := range v.mft.runs {
		if off := v.mft.start[i] * cs; r.LCN >= 0 && off < v.mftSize {
			list = append(list, piece{r.LCN * cs, r.LCN*cs + min(r.Len*cs, v.mftSize-off), off})
		}
	}
	slices.SortFunc(list, func(a, b piece) int { return cmp.Compare(a.disk, b.disk) })
	for off, size := range ranges {
		i, _ := slices.BinarySearchFunc(list, off, func(p piece, off int64) int { return cmp.Compare(p.end, off+1) })
		for ; i < len(list) && list[i].disk < off+size; i++ {
			p := list[i]
			from, to := max(off, p.disk)-p.disk+p.off, min(off+size, p.end)-p.disk+p.off
			do(uint32(from/rs), uint32((to+rs-1)/rs))
		}
	}
}

// recordSet is a set of record numbers.
type recordSet []uint64

func newRecordSet(n uint32) recordSet { return make(recordSet, (n+63)/64) }
func (s recordSet) set(n uint32)      { s[n/64] |= 1 << (n % 64) }
func (s recordSet) has(n uint32) bool { return int(n/64) < len(s) && s[n/64]>>(n%64)&1 != 0 }
func (s recordSet) clone() recordSet  { return slices.Clone(s) }
func (s recordSet) size() (n uint32)  { return uint32(len(s) * 64) }

// runs yields neighbours together, at most so many at once.
func (s recordSet) runs(most uint32) iter.Seq2[uint32, uint32] {
	return func(yield func(first, end uint32) bool) {
		for i := uint32(0); i < s.size(); i++ {
			if i%64 == 0 && s[i/64] == 0 {
				i += 63
				continue
			}
			if !s.has(i) {
				continue
			}
			end := i + 1
			for end-i < most && s.has(end) {
				end++
			}
			if !yield(i, end) {
				return
			}
			i = end - 1
		}
	}
}
