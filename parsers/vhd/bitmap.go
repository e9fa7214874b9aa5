package vhd

import (
	"container/list"
	"fmt"
	"io"
	"sync"
)

// maps keeps the bitmaps that were used last. A bit tells whether a sector is
// the disk's own, the highest bit of a byte first.
type maps struct {
	r    io.ReaderAt
	size int64
	mu   sync.Mutex
	max  int
	at   map[int64]*list.Element
	used *list.List // of *bitmap, the last used in front
}

type bitmap struct {
	at   int64
	once sync.Once
	b    []byte
	err  error
}

func newMaps(r io.ReaderAt, size int64) *maps {
	return &maps{r: r, size: size, max: int(max(bitmaps/size, 4)), at: map[int64]*list.Element{}, used: list.New()}
}

func (m *maps) get(at int64) ([]byte, error) {
	m.mu.Lock()
	e, ok := m.at[at]
	if ok {
		m.used.MoveToFront(e)
	} else {
		e = m.used.PushFront(&bitmap{at: at})
		m.at[at] = e
		if m.used.Len() > m.max {
			last := m.used.Back()
			m.used.Remove(last)
			delete(m.at, last.Value.(*bitmap).at)
		}
	}
	m.mu.Unlock()
	x := e.Value.(*bitmap)
	x.once.Do(func() {
		b := make([]byte, m.size)
		if n, err := m.r.ReadAt(b, at); n < len(b) {
			x.err = fmt.Errorf("at %#x: %w", at, err)
			return
		}
		x.b = b
	})
	return x.b, x.err
}

// run tells whose the sectors of a block are from byte in on, and for how many
// bytes it stays so, limit at the most.
func (m *maps) run(at, in, limit int64) (own bool, n int64, err error) {
	b, err := m.get(at)
	if err != nil {
		return false, limit, err
	}
	bit := func(s int64) bool { return b[s/8]>>(7-s%8)&1 != 0 }
	s := in / 512
	own = bit(s)
	for n = 512 - in%512; n < limit && bit(s+1) == own; n += 512 {
		s++
	}
	return own, min(n, limit), nil
}
