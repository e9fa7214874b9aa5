package filesystem

import (
	"context"
	"iter"
	"runtime"
	"sync"

	"kanshiki/forensics/internal/work"
)

// chunkSlots is how many places of the $MFT make one chunk.
const chunkSlots = 512

// Chunks walks the file system on all cores: do gets the entries of a piece of
// the $MFT, and emit gets what do made of them, in MFT order. An entry is
// valid until the next step of its sequence.
func Chunks[T any](ctx context.Context, n *NTFS, do func(context.Context, iter.Seq[*Entry]) T, emit func(T) error) error {
	starts := func(yield func(uint64) bool) {
		for i := uint64(0); i < n.cat.Len(); i += chunkSlots {
			if ctx.Err() != nil || !yield(i) {
				return
			}
		}
	}
	// More in flight than cores: a chunk with one large file stops no other.
	workers := 2 * runtime.GOMAXPROCS(0)
	// A builder knows the paths of directories: it is used again.
	builders := sync.Pool{New: func() any { return &builder{n: n} }}
	return work.Ordered(ctx, workers, starts, func(ctx context.Context, first uint64) T {
		return do(ctx, func(yield func(*Entry) bool) {
			b := builders.Get().(*builder)
			defer builders.Put(b)
			for i := first; i < min(first+chunkSlots, n.cat.Len()); i++ {
				if f, ok := n.cat.File(i); ok && !yield(b.entry(f)) {
					return
				}
			}
		})
	}, emit)
}

// Slots is the number of places in the $MFT, used or not: what Chunks goes
// through.
func (n *NTFS) Slots() uint64 { return n.cat.Len() }
