package filesystem

import (
	"context"
	"runtime"
	"sync"

	"kanshiki/forensics/internal/work"
	"kanshiki/parsers/ntfs"
)

// chunkSlots is how many places of the $MFT make one chunk.
const chunkSlots = 512

// Piece is a piece of the $MFT.
type Piece struct {
	n          *NTFS
	first, end uint64
	builders   *sync.Pool
}

// Entries yields the entries of the piece. An entry is valid until the next
// step.
func (p Piece) Entries(yield func(*Entry) bool) {
	b := p.builders.Get().(*builder)
	defer p.builders.Put(b)
	for i := p.first; i < p.end; i++ {
		if f, ok := p.n.cat.File(i); ok && !yield(b.entry(f)) {
			return
		}
	}
}

// Streams yields the data streams of what is in use in the piece, without the
// names of the entries, which cost more.
func (p Piece) Streams(yield func(Ref, ntfs.Stream) bool) {
	for i := p.first; i < p.end; i++ {
		f, ok := p.n.cat.File(i)
		if !ok || !f.InUse() {
			continue
		}
		for s := range f.Streams() {
			if !yield(RefOf(f.Was()), s) {
				return
			}
		}
	}
}

// Chunks walks the file system on all cores: do gets a piece of the $MFT, and
// emit gets what do made of it, in MFT order.
func Chunks[T any](ctx context.Context, n *NTFS, do func(context.Context, Piece) T, emit func(T) error) error {
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
		return do(ctx, Piece{n, first, min(first+chunkSlots, n.cat.Len()), &builders})
	}, emit)
}

// Slots is the number of places in the $MFT, used or not: what Chunks goes
// through.
func (n *NTFS) Slots() uint64 { return n.cat.Len() }
