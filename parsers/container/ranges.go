package container

import (
	"iter"
	"slices"
	"sort"
)

// maxBad is how many places of damage are remembered: hostile input may have one
// in every second sector.
const maxBad = 1 << 18

// damaged remembers a range that reading found.
func (d *Disk) damaged(off, n int64, err error) Range {
	r := Range{off, n, Corrupt, err}
	d.mu.Lock()
	defer d.mu.Unlock()
	i := sort.Search(len(d.bad), func(i int) bool { return d.bad[i].Off+d.bad[i].Len >= off })
	k, all := i, r
	for ; k < len(d.bad) && d.bad[k].Off <= off+n; k++ {
		b := d.bad[k]
		if b.Off <= all.Off {
			all.Err = b.Err
		}
		end := max(all.Off+all.Len, b.Off+b.Len)
		all.Off = min(all.Off, b.Off)
		all.Len = end - all.Off
	}
	if i == k && len(d.bad) >= maxBad {
		d.unlisted++
		return r
	}
	d.bad = slices.Replace(d.bad, i, k, all)
	return r
}

// Bad lists the damage that reading has met so far.
func (d *Disk) Bad() []Range {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.bad)
}

// Unlisted counts the reads that met damage and could not be remembered, because
// there is too much of it: Bad and Ranges do not tell of it.
func (d *Disk) Unlisted() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unlisted
}

// badIn lists the damage that is known in a part.
func (d *Disk) badIn(off, n int64) []Range {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := sort.Search(len(d.bad), func(i int) bool { return d.bad[i].Off+d.bad[i].Len > off })
	k := i
	for k < len(d.bad) && d.bad[k].Off < off+n {
		k++
	}
	return slices.Clone(d.bad[i:k])
}

// Ranges yields what the bytes of [off, off+n) are, merged, in order. Damage
// inside a unit or a file is known once it was read.
func (d *Disk) Ranges(off, n int64) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		var last Range
		emit := func(r Range) bool {
			if r.Len == 0 {
				return true
			}
			if last.Len > 0 && last.Kind == r.Kind && last.Off+last.Len == r.Off {
				last.Len += r.Len
				return true
			}
			ok := last.Len == 0 || yield(last)
			last = r
			return ok
		}
		if d.each(off, n, emit) && last.Len > 0 {
			yield(last)
		}
	}
}

// each gives the ranges as they come, until emit has enough.
func (d *Disk) each(off, n int64, emit func(Range) bool) bool {
	if off < 0 {
		off, n = 0, n+off
	}
	if off >= d.l.Size {
		return true
	}
	for end := off + min(n, d.l.Size-off); off < end; {
		s := d.span(off, end-off)
		if !d.tell(s, off, emit) {
			return false
		}
		off += s.Len
	}
	return true
}

// tell gives the ranges of one run.
func (d *Disk) tell(s Span, off int64, emit func(Range) bool) bool {
	parent, ok := s.From.(*Disk)
	if !ok || s.Kind != Data || s.At < 0 { // a place before a parent's start is damage once it was read
		return d.split(Range{off, s.Len, s.Kind, s.Err}, emit)
	}
	in := min(s.Len, max(parent.Size()-s.At, 0))
	moved := func(r Range) bool {
		r.Off += off - s.At
		return emit(r)
	}
	return parent.each(s.At, in, moved) && emit(Range{off + in, s.Len - in, Zero, nil})
}

// split puts the damage that is known into a range of good bytes.
func (d *Disk) split(r Range, emit func(Range) bool) bool {
	if r.Kind == Data {
		for _, b := range d.badIn(r.Off, r.Len) {
			lo, hi := max(b.Off, r.Off), min(b.Off+b.Len, r.Off+r.Len)
			if !emit(Range{r.Off, lo - r.Off, Data, nil}) || !emit(Range{lo, hi - lo, b.Kind, b.Err}) {
				return false
			}
			r.Off, r.Len = hi, r.Off+r.Len-hi
		}
	}
	return emit(r)
}

// merge joins neighbours of one kind. The reason is the first one's.
func merge(in []Range) []Range {
	out := in[:0]
	for _, x := range in {
		if k := len(out) - 1; k >= 0 && out[k].Kind == x.Kind && out[k].Off+out[k].Len >= x.Off {
			out[k].Len = max(out[k].Len, x.Off+x.Len-out[k].Off)
			continue
		}
		out = append(out, x)
	}
	return out
}
