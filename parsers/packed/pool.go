package packed

import (
	"errors"
	"io"
	"slices"
	"sort"
	"sync"

	"kanshiki/parsers/container"
)

// pool keeps decoders where they stopped, and what they decoded on the way.
type pool struct {
	f      format
	points []point
	size   int64
	bad    []container.Range
	most   int // decoders

	mu   sync.Mutex
	free sync.Cond
	all  []*parked // least recently used first
	past []passed  // units that were decoded on the way to others, the oldest first
}

// parked is a decoder and its place.
type parked struct {
	d     decoder
	at    int64 // on the medium
	goal  int64 // where it will be; at, where it is idle
	began int64 // where the last point was that it came by; set by run alone
	mark  bool  // it came by one in the last Read
}

func (d *parked) busy() bool { return d.goal > d.at }

type passed struct {
	number int64
	data   []byte
}

const maxPassed = 8

func newPool(f format, points []point, size int64, bad []container.Range) *pool {
	p := &pool{f: f, points: points, size: size, bad: bad, most: int(min(max(parkedBytes/f.memory(), 1), maxParked))}
	p.free.L = &p.mu
	return p
}

// unit decodes a unit into dst.
func (p *pool) unit(number int64, dst []byte) error {
	off := number * unitSize
	dst = dst[:min(unitSize, p.size-off)]
	d := p.take(number, dst)
	if d == nil {
		return nil
	}
	at, err := p.run(d, number, dst)
	p.mu.Lock()
	defer p.mu.Unlock()
	d.at = at
	d.goal = at
	i := slices.Index(p.all, d)
	p.all = slices.Delete(p.all, i, i+1)
	if err == nil {
		p.all = append(p.all, d)
	}
	p.free.Broadcast()
	if p.lost(at, off+int64(len(dst))) {
		return nil // nobody is given these bytes
	}
	return err
}

// take finds the decoder that is nearest before a unit, or makes one at a point.
// One that is at work and will be nearer is waited for; if it has decoded the
// unit by then, there is none to run.
func (p *pool) take(number int64, dst []byte) *parked {
	off := number * unitSize
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if i := slices.IndexFunc(p.past, func(u passed) bool { return u.number == number }); i >= 0 {
			copy(dst, p.past[i].data)
			return nil
		}
		i := sort.Search(len(p.points), func(i int) bool { return p.points[i].media > off }) - 1
		best := p.points[i].media
		var idle *parked
		working, wait := 0, false
		for _, d := range p.all {
			if d.busy() {
				working++
			} else if d.at <= off && d.at >= best {
				idle, best = d, d.at
			}
		}
		for _, d := range p.all {
			wait = wait || d.busy() && d.goal <= off && d.goal > best
		}
		if wait || idle == nil && working >= p.most {
			p.free.Wait()
			continue
		}
		if idle == nil {
			if len(p.all) >= p.most {
				k := slices.IndexFunc(p.all, func(d *parked) bool { return !d.busy() })
				p.all = slices.Delete(p.all, k, k+1)
			}
			d := &parked{at: p.points[i].media, began: p.points[i].media}
			d.d = p.f.open(p.points[i].at, func(int64) { d.mark = true })
			p.all = append(p.all, d)
			idle = d
		}
		idle.goal = off + int64(len(dst))
		return idle
	}
}

// run decodes up to the end of a unit, or says where it stopped; whole units on
// the way are kept.
func (p *pool) run(d *parked, number int64, dst []byte) (int64, error) {
	var scratch []byte
	at := d.at
	for n := at / unitSize; n <= number; n++ {
		into := dst
		if n < number {
			if scratch == nil || number-n <= maxPassed {
				scratch = make([]byte, unitSize)
			}
			into = scratch
		}
		whole := at == n*unitSize
		var err error
		if at, err = p.fill(d, at, n*unitSize, into); err != nil {
			return at, err
		}
		if n < number && whole && number-n <= maxPassed && !p.touched(n*unitSize, at) {
			p.keep(n, into)
		}
	}
	return at, nil
}

// fill decodes from at to the end of a unit that begins at off.
func (p *pool) fill(d *parked, at, off int64, into []byte) (int64, error) {
	for end := off + int64(len(into)); at < end; {
		d.mark = false
		n, err := d.d.Read(into[at-off:])
		if d.mark {
			d.began = at
		}
		at += int64(n)
		if err == nil {
			continue
		}
		if err == io.EOF {
			return at, errChanged
		}
		skip := min(d.d.skip(), maxSize)
		if skip < 0 {
			return at, err
		}
		at = max(d.began+skip, at)
	}
	return at, nil
}

var errChanged = errors.New("less comes out than when the file was opened")

func (p *pool) keep(number int64, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.past) == maxPassed {
		p.past = slices.Delete(p.past, 0, 1)
	}
	p.past = append(p.past, passed{number, data})
}

// lost tells whether all bytes of a part are damaged, as was found on opening.
func (p *pool) lost(off, end int64) bool {
	return off >= end || slices.ContainsFunc(p.bad, func(b container.Range) bool { return b.Off <= off && b.Off+b.Len >= end })
}

func (p *pool) touched(off, end int64) bool {
	return slices.ContainsFunc(p.bad, func(b container.Range) bool { return b.Off < end && b.Off+b.Len > off })
}
