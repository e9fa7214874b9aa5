package ntfs

// arena is a growing slice that never moves what it holds: no doubling, no
// second copy while it grows.
type arena[T any] struct {
	chunks [][]T
	n      uint32
}

const arenaBits = 13

func (a *arena[T]) add(v T) uint32 {
	if a.n&(1<<arenaBits-1) == 0 {
		a.chunks = append(a.chunks, make([]T, 0, 1<<arenaBits))
	}
	last := &a.chunks[len(a.chunks)-1]
	*last = append(*last, v)
	a.n++
	return a.n - 1
}

func (a *arena[T]) at(i uint32) *T { return &a.chunks[i>>arenaBits][i&(1<<arenaBits-1)] }

// fork is an arena with the first n elements, which may be changed and added to
// while this one stays as it is.
func (a *arena[T]) fork(n uint32) arena[T] {
	out := arena[T]{n: n}
	for i := uint32(0); i < n; i += 1 << arenaBits {
		c := make([]T, min(n-i, 1<<arenaBits), 1<<arenaBits)
		copy(c, a.chunks[i>>arenaBits])
		out.chunks = append(out.chunks, c)
	}
	return out
}

// share is an arena with the same elements, which may be added to but not
// changed.
func (a *arena[T]) share() arena[T] {
	out := arena[T]{chunks: append([][]T(nil), a.chunks...), n: a.n}
	if k := len(out.chunks) - 1; k >= 0 { // what is added must not meet what the other adds
		last := make([]T, len(out.chunks[k]), 1<<arenaBits)
		copy(last, out.chunks[k])
		out.chunks[k] = last
	}
	return out
}

// blob holds pieces that lie contiguous in memory.
type blob[T any] struct {
	chunks [][]T
}

// blobBits gives 65,536 elements a chunk: more than one MFT entry can hold.
const blobBits = 16

// add copies v and returns where it is; ok is false when the index is full.
func (b *blob[T]) add(v []T) (at uint32, ok bool) {
	k := len(b.chunks) - 1
	if k < 0 || len(b.chunks[k])+len(v) > 1<<blobBits {
		if k+1 >= 1<<(32-blobBits) || len(v) > 1<<blobBits {
			return 0, false
		}
		b.chunks = append(b.chunks, make([]T, 0, 1<<blobBits))
		k++
	}
	at = uint32(k)<<blobBits | uint32(len(b.chunks[k]))
	b.chunks[k] = append(b.chunks[k], v...)
	return at, true
}

// share is a blob with the same pieces, which may be added to.
func (b *blob[T]) share() blob[T] {
	out := blob[T]{chunks: append([][]T(nil), b.chunks...)}
	if k := len(out.chunks) - 1; k >= 0 {
		c := out.chunks[k]
		out.chunks[k] = c[:len(c):len(c)] // adding to it copies it
	}
	return out
}

func (b *blob[T]) get(at, n uint32) []T {
	if n == 0 {
		return nil
	}
	i := at & (1<<blobBits - 1)
	return b.chunks[at>>blobBits][i : i+n : i+n]
}
