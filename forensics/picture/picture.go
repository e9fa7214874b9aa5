// Package picture looks at what an image holds: where zeros are, how random the
// content is, whether clusters that files use hold nothing. A digest proves that
// an image is what was read; it does not prove that what was read was the disk.
// Images full of zeros with matching digests have been handed over.
//
// The measures are coarse and say so: zeros are told in units of 64 KiB (more on
// media above 16 TiB), entropy is that of one sixteenth of the bytes. What looks
// odd is said with its measure and its innocent causes, and proves nothing.
package picture

import (
	"math"
	"math/bits"
	"sync"

	"kanshiki/forensics/evidence"
	"kanshiki/parsers/container"
)

// Limits that bound the memory, whatever the medium's size.
const (
	minUnit  = 64 << 10
	maxUnits = 1 << 28 // one bit each
	maxParts = 1024    // of the entropy map
	minPart  = 1 << 20 // less is too little for a measure of entropy
	sample   = 4 << 10 // bytes of each 64 KiB that entropy is made of
	gib      = 1 << 30
)

// Picture is what was seen. Its JSON stands in the custody record.
type Picture struct {
	Size        int64     `json:"size"`
	Unit        int64     `json:"unit"`         // zeros are told in units of so many bytes
	ZeroBytes   int64     `json:"zero_bytes"`   // in whole units
	ZeroPerGiB  []float32 `json:"zero_per_gib"` // share of each GiB, 0 to 1
	LongestZero Run       `json:"longest_zero"` // in whole units
	PartSize    int64     `json:"part_size"`    // bytes of the medium in each part of Entropy
	Entropy     []float32 `json:"entropy"`      // bits per byte of each part, 0 to 8; sampled
	Volumes     []Volume  `json:"volumes"`      // NTFS volumes: allocated clusters that hold zeros
	Warnings    []string  `json:"warnings"`     // what looks odd
	zero        []uint64  // a bit per unit
}

// Run is a range of the medium.
type Run struct {
	Off int64 `json:"offset"`
	Len int64 `json:"length"`
}

// Looker collects while the medium streams by.
type Looker struct {
	size, unit, part int64
	mu               sync.Mutex
	zero             []uint64
	hist             [][256]uint32
	seen             int64
}

// New makes a Looker for a medium of size bytes.
func New(size int64) *Looker {
	l := &Looker{size: size, unit: minUnit}
	for size/l.unit > maxUnits {
		l.unit *= 2
	}
	l.part = max((size/maxParts+minUnit-1)/minUnit*minUnit, minPart)
	l.zero = make([]uint64, (size/l.unit+64)/64)
	l.hist = make([][256]uint32, (size+l.part-1)/l.part)
	return l
}

// See takes a block, in any order and from any goroutine. Parts that are bad
// count as content: nothing is known of them.
func (l *Looker) See(b *evidence.Block) {
	if b.Data == nil {
		return
	}
	var hist [256]uint32
	at := -1
	flush := func() {
		if at >= 0 {
			l.mu.Lock()
			for i, n := range hist {
				l.hist[at][i] += n
			}
			l.mu.Unlock()
			hist = [256]uint32{}
		}
	}
	first := (b.Off + l.unit - 1) / l.unit
	for u := first; u*l.unit+l.unit <= b.Off+b.Len; u++ {
		data := b.Data[u*l.unit-b.Off:][:l.unit]
		if len(b.Bad) == 0 && container.IsZero(data) {
			l.mu.Lock()
			l.zero[u/64] |= 1 << (u % 64)
			l.mu.Unlock()
		}
	}
	for off := int64(0); off < b.Len; off += minUnit {
		if p := int((b.Off + off) / l.part); p != at {
			flush()
			at = p
		}
		for _, c := range b.Data[off:min(off+sample, b.Len)] {
			hist[c]++
		}
	}
	flush()
	l.mu.Lock()
	l.seen += b.Len
	l.mu.Unlock()
}

// Picture is what was seen so far.
func (l *Looker) Picture() *Picture {
	p := &Picture{Size: l.size, Unit: l.unit, PartSize: l.part, zero: l.zero, Volumes: []Volume{}, Warnings: []string{}}
	for i := range l.hist {
		p.Entropy = append(p.Entropy, entropy(&l.hist[i]))
	}
	p.zeros()
	return p
}

// zeros counts the units that are zero.
func (p *Picture) zeros() {
	p.ZeroPerGiB = make([]float32, (p.Size+gib-1)/gib)
	units := p.Size / p.Unit
	perGiB := int64(gib / p.Unit)
	for g := range p.ZeroPerGiB {
		from, to := int64(g)*perGiB, min(int64(g+1)*perGiB, units)
		n := p.count(from, to)
		p.ZeroBytes += n * p.Unit
		if to > from {
			p.ZeroPerGiB[g] = round(float64(n)/float64(to-from), 1e4)
		}
	}
	var run int64
	for u := int64(0); u <= units; u++ {
		if u < units && p.isZero(u) {
			run++
			continue
		}
		if run*p.Unit > p.LongestZero.Len {
			p.LongestZero = Run{(u - run) * p.Unit, run * p.Unit}
		}
		run = 0
	}
}

func (p *Picture) isZero(u int64) bool { return p.zero[u/64]>>(u%64)&1 != 0 }

// count tells how many units of [from, to) are zero.
func (p *Picture) count(from, to int64) (n int64) {
	for u := from; u < to; {
		if u%64 == 0 && u+64 <= to {
			n += int64(bits.OnesCount64(p.zero[u/64]))
			u += 64
			continue
		}
		if p.isZero(u) {
			n++
		}
		u++
	}
	return n
}

// zeroIn tells how many bytes of a range lie in units that are zero.
func (p *Picture) zeroIn(off, n int64) (zero int64) {
	for u := off / p.Unit; u*p.Unit < off+n && u < p.Size/p.Unit; u++ {
		if p.isZero(u) {
			zero += min((u+1)*p.Unit, off+n) - max(u*p.Unit, off)
		}
	}
	return zero
}

// entropy is Shannon's, in bits per byte.
func entropy(h *[256]uint32) float32 {
	var n float64
	for _, c := range h {
		n += float64(c)
	}
	if n == 0 {
		return 0
	}
	e := math.Log2(n)
	for _, c := range h {
		if c > 0 {
			e -= float64(c) / n * math.Log2(float64(c))
		}
	}
	return round(max(e, 0), 1e3)
}

func round(f, to float64) float32 { return float32(math.Round(f*to) / to) }
