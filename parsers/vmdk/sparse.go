package vmdk

import (
	"errors"
	"fmt"
	"sync"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/inflate"
)

// errLost is the reason for what is not in the file, as far as it is there.
var errLost = errors.New("the end of the stream is missing")

// hole tells what a place is that an extent does not store: the parent's, zero
// where there is none, unknown where it should be there. It is shared by the
// extents of a disk, and filled in when the parent was opened.
type hole struct {
	parent *container.Disk
	err    error
}

func (h *hole) span(off, n int64) container.Span {
	switch {
	case h.parent != nil:
		return container.Span{Len: n, Kind: container.Data, From: h.parent, At: off}
	case h.err != nil:
		return container.Span{Len: n, Kind: container.Unknown, Err: h.err}
	}
	return container.Span{Len: n, Kind: container.Zero}
}

// sparse is a sparse extent.
type sparse struct {
	f        container.File
	h        *header
	base     int64 // byte of the medium where it begins
	hole     *hole
	kept     *tables
	problems *container.Problems
	decoders sync.Pool

	once  sync.Once
	found *found // of a damaged stream
}

func newSparse(f container.File, h *header, base int64, hole *hole, c *chain) *sparse {
	return &sparse{f: f, h: h, base: base, hole: hole, kept: c.kept, problems: c.problems,
		decoders: sync.Pool{New: func() any { return &decoder{} }}}
}

func (s *sparse) errorf(off int64, format string, args ...any) error {
	return cursor.Errorf(off, "%s: %w", s.f.Name, fmt.Errorf(format, args...))
}

// reportf reports a doubt about grain table n.
func (s *sparse) reportf(n int64, format string, args ...any) {
	bytes := s.h.perTable * s.h.grainBytes()
	s.problems.Report(container.Problem{File: s.f.Name, Off: s.h.gd*sectorSize + n*4,
		What: fmt.Sprintf("medium %#x to %#x: ", s.base+n*bytes, s.base+min((n+1)*bytes, s.h.capacity*sectorSize)) + fmt.Sprintf(format, args...)})
}

// grain finds where a grain is stored.
func (s *sparse) grain(g int64) (uint32, error) {
	n, i := g/s.h.perTable, int(g%s.h.perTable)
	t := s.table(n)
	if !t.isBad(i) {
		return t.at(i), nil
	}
	if s.h.compressed && s.h.markers() && g>>32 == 0 {
		if at, ok := s.scan().grains[uint32(g)]; ok {
			return at, nil
		}
	}
	return 0, s.why(t, n, i)
}

// span gives the run that begins at a byte of the extent.
func (s *sparse) span(off, limit int64) container.Span {
	end := s.h.capacity * sectorSize
	if off >= end {
		return container.Span{Len: limit, Kind: container.Unknown,
			Err: s.errorf(12, "the extent ends after %d sectors, the descriptor wants more", s.h.capacity)}
	}
	size := s.h.grainBytes()
	g, skip := off/size, off%size
	limit = min(limit, end-off)
	if n := g / s.h.perTable; n >= s.known() { // nor is any that follows
		t := s.table(n)
		return s.bad(s.why(t, n, 0), limit)
	}
	v, err := s.grain(g)
	n := min(limit, s.run(g, v, err != nil, limit+skip)-skip)
	switch {
	case err != nil:
		return s.bad(err, n)
	case v == 0:
		return s.hole.span(s.base+off, n)
	case v == 1 && s.h.zeroGrain():
		return container.Span{Len: n, Kind: container.Zero}
	case s.h.compressed:
		return container.Span{Len: min(limit, size-skip), Kind: container.Data, Unit: g, Skip: skip}
	}
	return container.Span{Len: n, Kind: container.Data, From: s.f.R, At: int64(v)*sectorSize + skip}
}

// bad is a run that cannot be given: lost with the end of the file, or damaged.
func (s *sparse) bad(err error, n int64) container.Span {
	if errors.Is(err, errLost) {
		return container.Span{Len: n, Kind: container.Unknown, Err: err}
	}
	return container.Span{Len: n, Kind: container.Corrupt, Err: err}
}

// run tells how many bytes go on as grain g does: in one piece of the file, not
// stored as well, bad as well. It stays in one grain table, and may end early.
func (s *sparse) run(g int64, v uint32, bad bool, limit int64) int64 {
	t, size := s.table(g/s.h.perTable), s.h.grainBytes()
	first := g % s.h.perTable
	if t.entries == nil && !s.h.markers() || t.err == nil && t.entries == nil {
		return (s.h.perTable - first) * size
	}
	stored := v > 1 || v == 1 && !s.h.zeroGrain()
	n := size
	for i := int(first) + 1; i < len(t.entries) && n < limit; i++ {
		if stored {
			v += uint32(s.h.grain)
		}
		if t.isBad(i) != bad || !bad && t.at(i) != v || (bad || stored) && s.h.compressed {
			break
		}
		n += size
	}
	return n
}

// disk gives a compressed extent as a medium of its own: grains of each extent
// may have another size.
func (s *sparse) disk(cache int64, workers int) *container.Disk {
	return container.New(container.Layout{Size: s.h.capacity * sectorSize, Span: s.span,
		UnitSize: s.h.grainBytes(), Decode: s.decode, CacheBytes: cache, Workers: workers})
}

type decoder struct {
	z   inflate.Decoder
	buf []byte
}

// markerSize is what stands before a compressed grain: its sector on the
// medium and its length.
const markerSize = 12

// decode inflates a grain. Where its table leads to something else, the markers
// of the stream may lead to it.
func (s *sparse) decode(g int64, dst []byte) error {
	v, err := s.grain(g)
	if err != nil {
		return err
	}
	if err = s.inflate(g, v, dst); err == nil || !s.h.markers() {
		return err
	}
	at, ok := s.scan().grains[uint32(g)]
	if !ok || at == v || s.inflate(g, at, dst) != nil {
		return err
	}
	s.problems.Report(container.Problem{File: s.f.Name, Off: int64(at) * sectorSize,
		What: fmt.Sprintf("the grain of medium %#x was found by its marker, its table is wrong: %v", s.base+g*s.h.grainBytes(), err)})
	return nil
}

// inflate gives a grain that is stored at a sector. Its marker proves that it
// is the one of that place.
func (s *sparse) inflate(g int64, v uint32, dst []byte) error {
	at := int64(v) * sectorSize
	d := s.decoders.Get().(*decoder)
	defer s.decoders.Put(d)
	if d.buf == nil {
		d.buf = make([]byte, s.maxStored())
	}
	n := min(s.maxStored(), s.f.Size-at)
	if s.h.markers() {
		var head [markerSize]byte
		if err := readFull(s.f.R, head[:], at); err != nil {
			return s.errorf(at, "marker of grain %d: %w", g, err)
		}
		m := parseMarker(head[:])
		if !s.isGrain(m, g) {
			return s.errorf(at, "marker: sector %#x, but grain %d is at %#x", m.value, g, g*s.h.grain)
		}
		at += markerSize
		if n = int64(m.size); n < 1 || n > s.maxStored() || n > s.f.Size-at {
			return s.errorf(at, "marker of grain %d: %d bytes of %d", g, n, s.f.Size-at)
		}
	}
	src := d.buf[:n]
	if err := readFull(s.f.R, src, at); err != nil {
		return s.errorf(at, "grain %d: %w", g, err)
	}
	got, _, err := d.z.Zlib(dst, src)
	if err != nil {
		return s.errorf(at, "grain %d: %w", g, err)
	}
	if want := min(int64(len(dst)), s.h.capacity*sectorSize-g*s.h.grainBytes()); int64(got) < want {
		return s.errorf(at, "grain %d: inflates to %d bytes, expected %d", g, got, want)
	}
	return nil
}

// maxStored is the most that a grain can have become by compression.
func (s *sparse) maxStored() int64 { return 2*s.h.grainBytes() + 1024 }

// isGrain compares a marker's sector with a grain's place, in the extent or on
// the whole medium.
func (s *sparse) isGrain(m marker, g int64) bool {
	at := uint64(g * s.h.grain)
	return m.value == at || m.value == at+uint64(s.base/sectorSize)
}
