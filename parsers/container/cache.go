package container

import (
	"fmt"
	"sync"
)

// cache keeps decoded units, the last used ones, and decodes each once however
// many ask for it.
type cache struct {
	mu         sync.Mutex
	max        int
	units      map[int64]*unit
	head, tail *unit // most and least recently used
	at, want   int64 // on the medium: the unit read last, and where a sequential reader would go on
}

type unit struct {
	number     int64
	data       []byte
	err        error
	done       chan struct{}
	prev, next *unit
}

func newCache(n int) *cache { return &cache{max: n, units: map[int64]*unit{}} }

// get finds a unit or makes its place; mine tells that the caller must fill it
// and close done.
func (c *cache) get(number int64) (u *unit, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u = c.units[number]; u != nil {
		c.unlink(u)
		c.push(u)
		return u, false
	}
	for len(c.units) >= c.max {
		delete(c.units, c.tail.number)
		c.unlink(c.tail)
	}
	u = &unit{number: number, done: make(chan struct{})}
	c.units[number] = u
	c.push(u)
	return u, true
}

func (c *cache) push(u *unit) {
	u.prev, u.next = nil, c.head
	if c.head != nil {
		c.head.prev = u
	} else {
		c.tail = u
	}
	c.head = u
}

func (c *cache) unlink(u *unit) {
	if u.prev != nil {
		u.prev.next = u.next
	} else {
		c.head = u.next
	}
	if u.next != nil {
		u.next.prev = u.prev
	} else {
		c.tail = u.prev
	}
}

// unit copies a part of a compressed unit. A read of a whole unit goes past the
// cache.
func (d *Disk) unit(s Span, p []byte, off int64) error {
	if s.Skip == 0 && s.Len == d.l.UnitSize {
		return d.l.Decode(s.Unit, p)
	}
	if s.Skip < 0 || s.Skip+s.Len > d.l.UnitSize {
		return fmt.Errorf("bytes %d to %d of a unit of %d", s.Skip, s.Skip+s.Len, d.l.UnitSize)
	}
	u, mine := d.cache.get(s.Unit)
	if mine {
		d.fill(u)
	}
	d.ahead(off - s.Skip)
	<-u.done
	if u.err != nil {
		return u.err
	}
	copy(p, u.data[s.Skip:])
	return nil
}

func (d *Disk) fill(u *unit) {
	defer close(u.done)
	u.data = make([]byte, d.l.UnitSize)
	u.err = d.l.Decode(u.number, u.data)
}

// ahead decodes the units behind one that begins at off, where its reader goes
// through the medium in order.
func (d *Disk) ahead(off int64) {
	d.cache.mu.Lock()
	sequential := d.cache.want == off
	if d.cache.at == off { // the same unit again
		d.cache.mu.Unlock()
		return
	}
	d.cache.at, d.cache.want = off, off+d.l.UnitSize
	d.cache.mu.Unlock()
	if !sequential {
		return
	}
	for range d.l.Workers {
		if off += d.l.UnitSize; off >= d.l.Size {
			return
		}
		s := d.span(off, 1)
		if s.Kind != Data || s.From != nil {
			continue
		}
		select {
		case d.sem <- struct{}{}:
		default:
			return // all are busy
		}
		u, mine := d.cache.get(s.Unit)
		if !mine {
			<-d.sem
			continue
		}
		d.wg.Go(func() {
			d.fill(u)
			<-d.sem
		})
	}
}
