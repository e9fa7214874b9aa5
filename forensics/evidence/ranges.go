package evidence

import (
	"iter"
	"slices"
	"sync"
)

// rangeSet is a sorted list of ranges that are not the medium's own bytes;
// what no range covers is Data. Later ranges do not replace earlier ones.
type rangeSet struct {
	mu  sync.Mutex
	all []Range
}

// add puts a range in, without the parts that are covered already.
func (s *rangeSet) add(x Range) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := firstAfter(s.all, x.Off)
	for x.Len > 0 {
		if i < len(s.all) && s.all[i].Off <= x.Off {
			skip := min(s.all[i].Off+s.all[i].Len-x.Off, x.Len)
			x.Off, x.Len = x.Off+skip, x.Len-skip
			i++
			continue
		}
		part := x
		if i < len(s.all) {
			part.Len = min(x.Len, s.all[i].Off-x.Off)
		}
		i = s.insert(i, part)
		x.Off, x.Len = x.Off+part.Len, x.Len-part.Len
	}
}

// insert puts a range at place i, joined with its neighbours where they are of
// the same kind, and returns the place after it.
func (s *rangeSet) insert(i int, x Range) int {
	if i > 0 && s.all[i-1].Kind == x.Kind && s.all[i-1].Off+s.all[i-1].Len == x.Off {
		s.all[i-1].Len += x.Len
	} else {
		s.all = slices.Insert(s.all, i, x)
		i++
	}
	if i < len(s.all) && s.all[i].Kind == x.Kind && s.all[i-1].Off+s.all[i-1].Len == s.all[i].Off {
		s.all[i-1].Len += s.all[i].Len
		s.all = slices.Delete(s.all, i, i+1)
	}
	return i
}

// firstAfter is the first range that ends after off.
func firstAfter(all []Range, off int64) int {
	i, _ := slices.BinarySearchFunc(all, off, func(r Range, off int64) int {
		if r.Off+r.Len <= off {
			return -1
		}
		return 1
	})
	return i
}

// in returns the parts of the set that lie in [off, off+n).
func (s *rangeSet) in(off, n int64) (out []Range) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := firstAfter(s.all, off); i < len(s.all) && s.all[i].Off < off+n; i++ {
		x := s.all[i]
		lo, hi := max(x.Off, off), min(x.Off+x.Len, off+n)
		out = append(out, Range{lo, hi - lo, x.Kind})
	}
	return out
}

// over yields all of [off, off+n), Data where the set has nothing.
func (s *rangeSet) over(off, n, size int64) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		off, end := max(off, 0), min(off+n, size)
		if off >= end {
			return
		}
		for _, x := range s.in(off, end-off) {
			if x.Off > off && !yield(Range{off, x.Off - off, Data}) {
				return
			}
			if !yield(x) {
				return
			}
			off = x.Off + x.Len
		}
		if off < end {
			yield(Range{off, end - off, Data})
		}
	}
}
