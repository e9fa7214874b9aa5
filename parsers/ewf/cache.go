package ewf

import "sync"

// cache keeps decoded chunks, in shards so that readers seldom wait for each
// other, and decodes each chunk once however many ask for it.
type cache struct {
	shards []shard
	size   int64 // of a chunk
	total  int   // chunks in all shards
}

type shard struct {
	mu         sync.Mutex
	slots      map[int64]*slot
	head, tail *slot // most and least recently used
	max        int
	free       [][]byte
}

type slot struct {
	chunk      int64
	data       []byte
	bad        []Range
	done       chan struct{}
	refs       int
	prev, next *slot
}

const maxShards = 8

func newCache(chunk, limit int64) *cache {
	total := int(max(limit/chunk, 4))
	n := min(maxShards, total/4)
	c := &cache{shards: make([]shard, n), size: chunk, total: total}
	for i := range c.shards {
		c.shards[i].slots = map[int64]*slot{}
		c.shards[i].max = total / n
	}
	return c
}

func (c *cache) shard(chunk int64) *shard { return &c.shards[chunk%int64(len(c.shards))] }

// has tells whether a chunk is there or on its way.
func (c *cache) has(chunk int64) bool {
	s := c.shard(chunk)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots[chunk] != nil
}

// acquire returns the chunk, decoded by load if it is not there. The slot must
// be released.
func (c *cache) acquire(chunk int64, load func(*slot)) *slot {
	s := c.shard(chunk)
	s.mu.Lock()
	if sl := s.slots[chunk]; sl != nil {
		sl.refs++
		s.toFront(sl)
		s.mu.Unlock()
		<-sl.done
		return sl
	}
	sl := &slot{chunk: chunk, refs: 1, done: make(chan struct{})}
	for len(s.slots) >= s.max && s.drop() {
	}
	if n := len(s.free); n > 0 {
		sl.data, s.free = s.free[n-1], s.free[:n-1]
	}
	s.slots[chunk] = sl
	s.pushFront(sl)
	s.mu.Unlock()
	if sl.data == nil {
		sl.data = make([]byte, c.size)
	}
	defer close(sl.done)
	load(sl)
	return sl
}

func (c *cache) release(sl *slot) {
	s := c.shard(sl.chunk)
	s.mu.Lock()
	defer s.mu.Unlock()
	sl.refs--
}

// drop removes the slot that was used longest ago. Slots in use stay, so that
// a chunk on its way is never decoded twice.
func (s *shard) drop() bool {
	for sl := s.tail; sl != nil; sl = sl.prev {
		if sl.refs == 0 {
			s.unlink(sl)
			delete(s.slots, sl.chunk)
			s.free = append(s.free, sl.data)
			return true
		}
	}
	return false
}

func (s *shard) pushFront(sl *slot) {
	sl.prev, sl.next = nil, s.head
	if s.head != nil {
		s.head.prev = sl
	} else {
		s.tail = sl
	}
	s.head = sl
}

func (s *shard) unlink(sl *slot) {
	if sl.prev != nil {
		sl.prev.next = sl.next
	} else {
		s.head = sl.next
	}
	if sl.next != nil {
		sl.next.prev = sl.prev
	} else {
		s.tail = sl.prev
	}
}

func (s *shard) toFront(sl *slot) {
	if s.head != sl {
		s.unlink(sl)
		s.pushFront(sl)
	}
}
