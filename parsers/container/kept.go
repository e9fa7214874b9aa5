package container

import (
	"container/list"
	"sync"
)

// Kept holds what was read of a file last, a table or an index for each key, and
// reads each once however many ask for it. It is safe for concurrent use.
type Kept[K comparable, V any] struct {
	load func(K) (V, error)
	max  int
	mu   sync.Mutex
	at   map[K]*list.Element
	used *list.List // of *kept[K, V], the last used in front
}

type kept[K comparable, V any] struct {
	key  K
	once sync.Once
	v    V
	err  error
}

// NewKept makes one for at most max values, four at least.
func NewKept[K comparable, V any](max int64, load func(K) (V, error)) *Kept[K, V] {
	if max < 4 {
		max = 4
	}
	return &Kept[K, V]{load: load, max: int(max), at: map[K]*list.Element{}, used: list.New()}
}

// Get gives the value of a key, read if it is not there.
func (k *Kept[K, V]) Get(key K) (V, error) {
	k.mu.Lock()
	e, ok := k.at[key]
	if ok {
		k.used.MoveToFront(e)
	} else {
		e = k.used.PushFront(&kept[K, V]{key: key})
		k.at[key] = e
		if k.used.Len() > k.max {
			delete(k.at, k.used.Remove(k.used.Back()).(*kept[K, V]).key)
		}
	}
	k.mu.Unlock()
	x := e.Value.(*kept[K, V])
	x.once.Do(func() { x.v, x.err = k.load(key) })
	return x.v, x.err
}

var zeroPage [4096]byte

// IsZero tells whether b holds nothing but zeros.
func IsZero(b []byte) bool {
	for ; len(b) >= len(zeroPage); b = b[len(zeroPage):] {
		if string(b[:len(zeroPage)]) != string(zeroPage[:]) {
			return false
		}
	}
	return string(b) == string(zeroPage[:len(b)])
}
