package acquire

import (
	"sync"
	"sync/atomic"
	"time"
)

// batchSize is how much of the medium is read and handed on at once. Chunks
// and frames divide it.
const batchSize = 1 << 20

// Batch is a part of the medium as a Source gives it.
type Batch struct {
	Off  int64
	Data []byte // zeros where the medium could not be read
	Bad  []Bad
	Took time.Duration // for reading it
	Free func()        // gives the buffer back
}

// Bad is a run of sectors that could not be given.
type Bad struct {
	Sector int64  `json:"first_sector"`
	Count  int64  `json:"count"`
	What   string `json:"errno"` // the system's words, or what the image that is converted says
	Tries  int    `json:"tries"`
	MS     int64  `json:"ms"`
}

// batch is a Batch on its way: the last who needs it frees it.
type batch struct {
	*Batch
	mark *mark
	refs atomic.Int32
}

func (b *batch) done() {
	if b.refs.Add(-1) == 0 && b.Free != nil {
		b.Free()
	}
}

// mark travels with the batch after which a checkpoint is taken, and collects
// the states at that place.
type mark struct {
	next  int64    // offset of the medium behind the batch
	tail  [32]byte // SHA-256 of the batch
	bad   []Bad
	speed Speed
	mu    sync.Mutex
	left  sync.WaitGroup
	state map[string][]byte
	err   error
}

func newMark(next int64, hashes int) *mark {
	m := &mark{next: next, state: map[string][]byte{}}
	m.left.Add(hashes)
	return m
}

func (m *mark) hash(alg string, state []byte, err error) {
	m.mu.Lock()
	m.state[alg] = state
	if err != nil {
		m.err = err
	}
	m.mu.Unlock()
	m.left.Done()
}
