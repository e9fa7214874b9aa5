package qcow2

import (
	"container/list"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// tables keeps the L2 tables that were used last, in the bytes of the file.
type tables struct {
	r    io.ReaderAt
	size int64 // of a table
	mu   sync.Mutex
	max  int
	at   map[int64]*list.Element
	used *list.List // of *table, the last used in front
}

type table struct {
	off  int64
	once sync.Once
	b    []byte
	err  error
}

func newTables(r io.ReaderAt, size int64) *tables {
	return &tables{r: r, size: size, max: int(max(tableBytes/size, 4)), at: map[int64]*list.Element{}, used: list.New()}
}

// get reads the table at an offset of the file.
func (t *tables) get(off int64) ([]byte, error) {
	t.mu.Lock()
	e, ok := t.at[off]
	if ok {
		t.used.MoveToFront(e)
	} else {
		e = t.used.PushFront(&table{off: off})
		t.at[off] = e
		if t.used.Len() > t.max {
			last := t.used.Back()
			t.used.Remove(last)
			delete(t.at, last.Value.(*table).off)
		}
	}
	t.mu.Unlock()
	x := e.Value.(*table)
	x.once.Do(func() {
		b := make([]byte, t.size)
		if n, err := t.r.ReadAt(b, off); n < len(b) {
			x.err = fmt.Errorf("L2 table at %#x: %d of %d bytes: %w", off, n, len(b), err)
			return
		}
		x.b = b
	})
	return x.b, x.err
}

// entry is what an L2 entry says of a cluster.
type entry struct {
	v   uint64
	sub uint64 // subclusters: low half allocated, high half zero
}

func (r *Reader) entry(l2 []byte, i int64) entry {
	n := r.h.entrySize()
	e := entry{v: binary.BigEndian.Uint64(l2[i*n:])}
	if n == 16 {
		e.sub = binary.BigEndian.Uint64(l2[i*n+8:])
	}
	return e
}

// The bits of an L2 entry (qcow2.txt, "Cluster mapping").
const (
	maskOffset    = 0x00FFFFFFFFFFFE00
	bitCompressed = 1 << 62
	bitZero       = 1
)

func (e entry) compressed() bool { return e.v&bitCompressed != 0 }
func (e entry) offset() int64    { return int64(e.v & maskOffset) }

// packed is where the bytes of a compressed cluster may lie: from an offset on,
// in so many sectors, of which the first and the last are shared with others.
func (e entry) packed(clusterBits uint32) (off, n int64) {
	x := 62 - (clusterBits - 8)
	off = int64(e.v & (1<<x - 1))
	sectors := int64(e.v>>x&(1<<(62-x)-1)) + 1
	return off, sectors*512 - off&511
}
