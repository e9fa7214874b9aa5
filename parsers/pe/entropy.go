package pe

import "math"

// measureSections computes the entropy of every section. The same bytes are
// read for no more than four times the file in all: a table can name them
// 65,535 times.
func (f *File) measureSections() {
	budget := 4 * int64(len(f.b))
	for i := range f.Sections {
		s := &f.Sections[i]
		b := f.sectionBytes(s)
		if budget -= int64(len(b)); budget < 0 {
			f.damage(0, "sections overlap so often that the entropy of those from %d on was not computed", i)
			return
		}
		s.Entropy, s.EntropyOf = Entropy(b), int64(len(b))
	}
}

// Entropy is the Shannon entropy in bits per byte.
func Entropy(b []byte) float64 {
	if len(b) == 0 {
		return 0
	}
	var count [256]int
	for _, v := range b {
		count[v]++
	}
	var e float64
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(b))
			e -= p * math.Log2(p)
		}
	}
	return e
}
