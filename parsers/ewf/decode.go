package ewf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"sync"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/inflate"
)

// decoder is what one goroutine needs to decode chunks.
type decoder struct {
	z      inflate.Decoder
	stored []byte // stored bytes of a run
	spill  []byte // a last chunk that is stored in full length
	zero   []byte // the stream that inflated to zeros last; disks are full of the same
	zeros  int    // how many
}

// maxZero bounds the streams that are remembered: 32 KiB of zeros take some 50
// bytes, and no other short stream makes as much.
const maxZero = 600

func (r *Reader) decoder() *decoder { return r.decoders.Get().(*decoder) }

// chunk decodes the stored bytes of one chunk into dst. at is their place in
// the segment.
func (d *decoder) chunk(stored []byte, compressed bool, dst []byte, at int64) error {
	if !compressed {
		return d.raw(stored, dst, at)
	}
	if d.zeros == len(dst) && bytes.Equal(stored, d.zero) {
		clear(dst)
		return nil
	}
	got, _, err := d.z.Zlib(dst, stored)
	if err == nil && got == len(dst) && len(stored) <= maxZero && container.IsZero(dst) {
		d.zero, d.zeros = append(d.zero[:0], stored...), got
	}
	if err == inflate.ErrTooLong && len(dst) < len(d.spill) {
		// The last chunk may hold more than the media counts: see Tail.
		if got, _, err = d.z.Zlib(d.spill, stored); err == nil {
			copy(dst, d.spill)
			return nil
		}
	}
	if err != nil {
		return cursor.Errorf(at, "compressed chunk: %v", err)
	}
	if got != len(dst) {
		return cursor.Errorf(at, "compressed chunk: inflates to %d bytes, expected %d", got, len(dst))
	}
	return nil
}

// raw checks an uncompressed chunk. Its checksum follows it directly; where the
// media's last chunk is stored longer than it counts, the checksum is at the
// end of what is stored.
func (d *decoder) raw(stored, dst []byte, at int64) error {
	if len(stored) < len(dst)+4 {
		return cursor.Errorf(at, "chunk: need %d bytes and a checksum, have %d", len(dst), len(stored))
	}
	want := binary.LittleEndian.Uint32(stored[len(dst):])
	have := inflate.Sum(stored[:len(dst)])
	if have != want {
		n := len(stored) - 4
		if n <= len(dst) || n > len(d.spill) ||
			inflate.Sum(stored[:n]) != binary.LittleEndian.Uint32(stored[n:]) {
			return cursor.Errorf(at, "chunk: checksum %08x, calculated %08x", want, have)
		}
	}
	copy(dst, stored)
	return nil
}

// groupOf finds the group that holds a chunk, nil where none does.
func (r *Reader) groupOf(chunk int64) *group {
	i := sort.Search(len(r.groups), func(i int) bool { return r.groups[i].first > chunk })
	if i == 0 || chunk >= r.groups[i-1].first+r.groups[i-1].n {
		return nil
	}
	return r.groups[i-1]
}

func (r *Reader) chunkLen(chunk int64) int64 {
	cs := r.vol.ChunkSize()
	return min(cs, r.size-chunk*cs)
}

// decode fills dst with n chunks from first on. Bad chunks are zero in dst and
// reported in order; all others are good.
func (r *Reader) decode(first, n int64, dst []byte, report func(Range)) {
	d := r.decoder()
	defer r.decoders.Put(d)
	for n > 0 {
		g := r.groupOf(first)
		run := int64(1)
		if g != nil {
			run = min(n, g.first+g.n-first)
		}
		size := int64(0)
		for i := range run {
			size += r.chunkLen(first + i)
		}
		if g == nil {
			clear(dst[:size])
			report(r.missing(first, size))
		} else {
			r.decodeRun(d, g, first, run, dst[:size], report)
		}
		first, n, dst = first+run, n-run, dst[size:]
	}
}

func (r *Reader) missing(chunk, size int64) Range {
	off := chunk * r.vol.ChunkSize()
	for _, gap := range r.gaps {
		if off >= gap.Off && off < gap.Off+gap.Len {
			return Range{off, size, Missing, gap.Err}
		}
	}
	return Range{off, size, Missing, fmt.Errorf("no chunk %d", chunk)}
}

// decodeRun decodes chunks of one group, with one read of the segment where
// they are stored together.
func (r *Reader) decodeRun(d *decoder, g *group, first, n int64, dst []byte, report func(Range)) {
	cs := r.vol.ChunkSize()
	bad := func(chunk int64, part []byte, err error) {
		clear(part)
		report(Range{chunk * cs, int64(len(part)), Corrupt, fmt.Errorf("%s: %w", g.seg.name, err)})
	}
	e, err := r.tables.get(r, g)
	if err != nil {
		for i := range n {
			part := dst[i*cs : i*cs+r.chunkLen(first+i)]
			bad(first+i, part, err)
		}
		return
	}
	lo, hi := d.readRun(g, e, int(first-g.first), int(n), cs)
	for i := range n {
		part := dst[i*cs : i*cs+r.chunkLen(first+i)]
		k := int(first + i - g.first)
		if k >= e.len() {
			bad(first+i, part, cursor.Errorf(g.dataStart, "no intact table, and walking the chunks ended before this one"))
			continue
		}
		off, end, compressed, err := e.extent(k)
		if err != nil {
			bad(first+i, part, cursor.Errorf(g.dataStart, "%v", err))
			continue
		}
		end = min(end, off+2*cs+64)
		var stored []byte
		if off >= lo && end <= hi {
			stored = d.stored[off-lo : end-lo]
		} else if stored, err = d.read(g, off, end); err != nil {
			bad(first+i, part, cursor.Errorf(off, "read chunk: %v", err))
			lo, hi = 0, 0
			continue
		} else {
			lo, hi = 0, 0 // the buffer holds this chunk now
		}
		if err := d.chunk(stored, compressed, part, off); err != nil {
			bad(first+i, part, err)
		}
	}
}

// readRun reads the stored bytes of several chunks at once, if they lie
// together. What it cannot read is read chunk by chunk, so that only the
// chunks on a bad block are lost.
func (d *decoder) readRun(g *group, e *entries, k, n int, cs int64) (lo, hi int64) {
	if n < 2 || k+n > e.len() {
		return 0, 0
	}
	lo, _, _, err1 := e.extent(k)
	_, hi, _, err2 := e.extent(k + n - 1)
	if err1 != nil || err2 != nil || hi <= lo || hi-lo > int64(n)*(cs+64) {
		return 0, 0
	}
	if _, err := d.read(g, lo, hi); err != nil {
		return 0, 0
	}
	return lo, hi
}

func (d *decoder) read(g *group, off, end int64) ([]byte, error) {
	d.stored = slices.Grow(d.stored[:0], int(end-off))[:end-off]
	_, err := readFull(g.seg.r, d.stored, off)
	return d.stored, err
}

// tableCache keeps the entries of the groups that were used last.
type tableCache struct {
	mu   sync.Mutex
	m    map[*group]*tableSlot
	held int
	tick int64
}

type tableSlot struct {
	once sync.Once
	e    *entries
	err  error
	used int64
}

const maxHeldEntries = 4 << 20 // 16 MiB

func (t *tableCache) get(r *Reader, g *group) (*entries, error) {
	t.mu.Lock()
	if t.m == nil {
		t.m = map[*group]*tableSlot{}
	}
	s := t.m[g]
	if s == nil {
		s = &tableSlot{}
		t.m[g] = s
		t.held += int(g.n)
		for t.held > maxHeldEntries && len(t.m) > 1 {
			t.evict(g)
		}
	}
	t.tick++
	s.used = t.tick
	t.mu.Unlock()
	s.once.Do(func() { s.e, s.err = r.loadEntries(g) })
	return s.e, s.err
}

// evict drops the table that was used longest ago, but not keep.
func (t *tableCache) evict(keep *group) {
	var oldest *group
	for g, s := range t.m {
		if g != keep && (oldest == nil || s.used < t.m[oldest].used) {
			oldest = g
		}
	}
	t.held -= int(oldest.n)
	delete(t.m, oldest)
}
