package container

import "sync"

// cache keeps decoded units, the last used ones, and decodes each once however
// many ask for it. A buffer is used again when its unit was dropped and nobody
// reads it any more.
type cache struct {
	mu         sync.Mutex
	max        int
	size       int64 // of a unit
	units      map[int64]*unit
	head, tail *unit // most and least recently used
	free       [][]byte
	at, want   int64 // on the medium: the unit read last, and where a sequential reader would go on
}

type unit struct {
	number     int64
	data       []byte
	err        error
	done       chan struct{}
	uses       int // goroutines that read or fill it; guarded by the cache's mu, as is all below
	dropped    bool
	prev, next *unit
}

func newCache(n int, size int64) *cache {
	return &cache{max: n, size: size, units: map[int64]*unit{}, at: -1, want: -1}
}

// get finds a unit or makes its place; mine tells that the caller must fill it
// and close done. The caller gives it back with put.
func (c *cache) get(number int64) (u *unit, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u = c.units[number]; u != nil {
		u.uses++
		c.unlink(u)
		c.push(u)
		return u, false
	}
	for len(c.units) >= c.max {
		old := c.tail
		delete(c.units, old.number)
		c.unlink(old)
		old.dropped = true
		c.reuse(old)
	}
	u = &unit{number: number, done: make(chan struct{}), uses: 1}
	if n := len(c.free); n > 0 {
		u.data, c.free = c.free[n-1], c.free[:n-1]
	}
	c.units[number] = u
	c.push(u)
	return u, true
}

func (c *cache) put(u *unit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u.uses--
	c.reuse(u)
}

// reuse takes the buffer of a unit that is of no use any more.
func (c *cache) reuse(u *unit) {
	if u.dropped && u.uses == 0 {
		c.free = append(c.free, u.data)
		u.data = nil
	}
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

// next tells a cache which unit is read, by where it begins on the medium, and
// whether the reader goes through the medium in order and has come to a new one.
func (c *cache) next(off int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == off {
		return false
	}
	sequential := c.want == off
	c.at, c.want = off, off+c.size
	return sequential
}

// unit copies a part of a compressed unit. A whole unit of a large read is
// decoded where it is wanted; others are kept, and those behind them decoded
// ahead.
func (d *Disk) unit(s Span, p []byte, off int64, large bool) error {
	if large && int64(len(p)) == d.l.UnitSize {
		return d.l.Decode(s.Unit, p)
	}
	u, mine := d.cache.get(s.Unit)
	defer d.cache.put(u)
	if mine {
		d.fill(u)
	}
	if !large && d.cache.next(off-s.Skip) {
		d.ahead(off - s.Skip)
	}
	<-u.done
	if u.err != nil {
		return u.err
	}
	copy(p, u.data[s.Skip:])
	return nil
}

func (d *Disk) fill(u *unit) {
	defer close(u.done)
	if u.data == nil {
		u.data = make([]byte, d.l.UnitSize)
	} else {
		clear(u.data)
	}
	u.err = d.l.Decode(u.number, u.data)
}

// ahead decodes the units behind one that begins at off: as many as there are
// workers, but no more than the cache can hold beside what is read now.
func (d *Disk) ahead(off int64) {
	for range min(d.l.Workers, d.cache.max-2) {
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
			d.cache.put(u)
			<-d.sem
			continue
		}
		d.wg.Go(func() {
			d.fill(u)
			d.cache.put(u)
			<-d.sem
		})
	}
}
