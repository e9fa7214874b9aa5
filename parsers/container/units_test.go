package container

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A reader that goes through the medium in order finds the next units decoded,
// and each is decoded once.
func TestSequential(t *testing.T) {
	l := newLayout()
	d := l.disk()
	p := make([]byte, 100)
	for off := int64(0); off < d.Size(); off += 100 {
		d.ReadAt(p, off)
	}
	d.Close()
	want := int32(0)
	for u := range int64(40) {
		if s := l.span(u*unitSize, 1); s.Kind == Data && s.From == nil {
			want++
		}
	}
	if n := l.decoded.Load(); n != want {
		t.Errorf("%d units decoded, there are %d", n, want)
	}
}

// A large read decodes several units at once, no more than there are workers,
// each once and straight into the buffer; small reads beside it lose nothing.
func TestLargeRead(t *testing.T) {
	var now, most, decoded atomic.Int32
	const units, workers = 64, 4
	d := New(Layout{Size: units*unitSize - 10, UnitSize: unitSize, Workers: workers,
		Span: func(off, limit int64) Span { return Span{Len: limit, Unit: off / unitSize, Skip: off % unitSize} },
		Decode: func(unit int64, dst []byte) error {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Millisecond)
			for i := range dst {
				dst[i] = byte(unit)
			}
			now.Add(-1)
			decoded.Add(1)
			if unit%16 == 5 {
				return fmt.Errorf("unit %d: %w", unit, errUnit)
			}
			return nil
		}})
	defer d.Close()
	p := bytes.Repeat([]byte{0xEE}, units*unitSize)
	n, err := d.ReadAt(p[:d.Size()], 0)
	e, ok := errors.AsType[*Error](err)
	if !ok || n != 5*unitSize || len(e.Ranges) != 4 || decoded.Load() != units || most.Load() != workers {
		t.Errorf("%d, %v; %d units decoded, %d at once", n, err, decoded.Load(), most.Load())
	}
	for i, b := range p[:d.Size()] {
		if u := i / unitSize; u%16 != 5 && b != byte(u) || u%16 == 5 && b != 0 {
			t.Fatalf("byte %d of unit %d is %#x", i%unitSize, u, b)
		}
	}
	if b := d.Bad(); len(b) != 4 || b[0].Off != 5*unitSize || b[3].Off != 53*unitSize {
		t.Errorf("%v", b)
	}
}

// A run may go over units that follow by number, from the middle of one to the
// middle of another; Ranges asks for it once.
func TestRunOfUnits(t *testing.T) {
	media := make([]byte, 50*unitSize)
	rand.NewChaCha8([32]byte{9}).Read(media)
	asked := 0
	d := New(Layout{Size: int64(len(media)), UnitSize: unitSize, Workers: 2, CacheBytes: 5 * unitSize,
		Span: func(off, limit int64) Span {
			asked++
			return Span{Len: limit, Unit: off / unitSize, Skip: off % unitSize}
		},
		Decode: func(unit int64, dst []byte) error { copy(dst, media[unit*unitSize:]); return nil }})
	defer d.Close()
	for range d.Ranges(0, d.Size()) {
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	r := rand.New(rand.NewPCG(8, 8))
	for range 500 {
		off := r.IntN(len(media))
		p := make([]byte, r.IntN(min(8*unitSize, len(media)-off)))
		if n, err := d.ReadAt(p, int64(off)); n != len(p) || err != nil || !bytes.Equal(p, media[off:off+n]) {
			t.Fatalf("%d bytes at %d: %d, %v", len(p), off, n, err)
		}
	}
}

// Buffers that are used again never change under a reader: few units are kept,
// many are asked for at once.
func TestBuffersUsedAgain(t *testing.T) {
	const units = 200
	d := New(Layout{Size: units * unitSize, UnitSize: unitSize, Workers: 3, CacheBytes: 1,
		Span: func(off, limit int64) Span {
			return Span{Len: min(limit, unitSize-off%unitSize), Unit: off / unitSize, Skip: off % unitSize}
		},
		Decode: func(unit int64, dst []byte) error {
			for i := range dst {
				if dst[i] != 0 {
					return errors.New("a buffer that is not clean")
				}
				dst[i] = byte(unit)
			}
			return nil
		}})
	defer d.Close()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 4))
			p := make([]byte, unitSize-100)
			for range 2000 {
				u := r.Int64N(units)
				if _, err := d.ReadAt(p, u*unitSize+50); err != nil || bytes.Count(p, []byte{byte(u)}) != len(p) {
					t.Errorf("unit %d: other bytes, %v", u, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// What a file below says wrong is told: a parent's own damage at its place, and
// a layout that points before the parent's start.
func TestParent(t *testing.T) {
	parent := New(Layout{Size: 4096, Span: func(off, limit int64) Span { return Span{Len: limit, Kind: Unreadable, Err: errUnit} }})
	for at, want := range map[int64]Range{0: {1000, 100, Unreadable, errUnit}, -5000: {1000, 100, Corrupt, nil}} {
		d := New(Layout{Size: 8192, Span: func(off, limit int64) Span { return Span{Len: limit, From: parent, At: off + at} }})
		p := bytes.Repeat([]byte{1}, 100)
		n, err := d.ReadAt(p, 1000)
		e, ok := errors.AsType[*Error](err)
		if !ok || n != 0 || len(e.Ranges) != 1 || e.Ranges[0].Off != want.Off || e.Ranges[0].Len != want.Len || e.Ranges[0].Kind != want.Kind || !IsZero(p) {
			t.Errorf("at %d: %d, %v", at, n, err)
		}
	}
}

// Damage that is met in any order, again and over parts of itself is one list
// in order, each place once.
func TestDamageInAnyOrder(t *testing.T) {
	const sectors = 400
	r := rand.New(rand.NewPCG(6, 6))
	for range 50 {
		d := New(Layout{Size: sectors * 512, Span: func(off, limit int64) Span { return Span{Len: limit, From: bytes.NewReader(nil), At: off} }})
		var hit [sectors]bool
		for range 60 {
			at, n := r.IntN(sectors), 1+r.IntN(8)
			n = min(n, sectors-at)
			d.ReadAt(make([]byte, n*512), int64(at)*512)
			for i := range n {
				hit[at+i] = true
			}
		}
		end := int64(-1)
		for _, b := range d.Bad() {
			if b.Off <= end {
				t.Fatalf("%+v touches what ends at %d", b, end)
			}
			for end = b.Off; end < b.Off+b.Len; end += 512 {
				if !hit[end/512] {
					t.Fatalf("%d is in the list and was never read", end)
				}
				hit[end/512] = false
			}
		}
		for i, left := range hit {
			if left {
				t.Fatalf("sector %d is not in the list", i)
			}
		}
	}
}

// More damage than is remembered is counted.
func TestUnlisted(t *testing.T) {
	d := New(Layout{Size: math.MaxInt64, Span: func(off, limit int64) Span { return Span{Len: limit, Kind: Data} }})
	for i := range int64(maxBad + 3) {
		d.damaged(i*1024, 512, errUnit)
	}
	d.damaged(0, 512, errUnit)
	if len(d.Bad()) != maxBad || d.Unlisted() != 3 {
		t.Errorf("%d listed, %d not", len(d.Bad()), d.Unlisted())
	}
}

// What is asked for may reach over both ends.
func TestRangesOverEnds(t *testing.T) {
	d := New(Layout{Size: 1000, Span: func(off, limit int64) Span { return Span{Len: limit, Kind: Zero} }})
	for _, c := range []struct{ off, n, from, len int64 }{{0, math.MaxInt64, 0, 1000}, {500, math.MaxInt64, 500, 500}, {-100, 300, 0, 200},
		{math.MinInt64, 10, 0, 0}, {1000, 1, 0, 0}, {math.MaxInt64, math.MaxInt64, 0, 0}, {5, -1, 0, 0}} {
		var got Range
		for r := range d.Ranges(c.off, c.n) {
			got = r
		}
		if got.Off != c.from || got.Len != c.len {
			t.Errorf("%d bytes at %d: %+v", c.n, c.off, got)
		}
	}
}

func BenchmarkUnits(b *testing.B) {
	const size = 64 << 10
	d := New(Layout{Size: 1 << 30, UnitSize: size,
		Span: func(off, limit int64) Span { return Span{Len: limit, Unit: off / size, Skip: off % size} },
		Decode: func(unit int64, dst []byte) error {
			for i := range dst {
				dst[i] = byte(int(unit) * i)
			}
			return nil
		}})
	defer d.Close()
	for _, n := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("in order %d KiB", n>>10), func(b *testing.B) {
			p := make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			off := int64(0)
			for b.Loop() {
				d.ReadAt(p, off)
				off = (off + int64(n)) % d.Size()
			}
		})
	}
	b.Run("scattered 4 KiB", func(b *testing.B) {
		p := make([]byte, 4<<10)
		b.SetBytes(4 << 10)
		b.ReportAllocs()
		r := rand.New(rand.NewPCG(1, 1))
		for b.Loop() {
			d.ReadAt(p, r.Int64N(d.Size()-4<<10))
		}
	})
}

// The same units in other runs: what one disk decoded and met, the other has.
func TestWith(t *testing.T) {
	var decoded atomic.Int32
	span := func(off, limit int64) Span { return Span{Len: limit, Unit: off / unitSize, Skip: off % unitSize} }
	d := New(Layout{Size: 4 * unitSize, UnitSize: unitSize, Span: span, Decode: func(unit int64, _ []byte) error {
		decoded.Add(1)
		if unit == 2 {
			return errUnit
		}
		return nil
	}})
	other := d.With(func(off, limit int64) Span {
		if off < unitSize {
			return Span{Len: min(limit, unitSize-off), Kind: Zero}
		}
		return span(off, limit)
	})
	p := make([]byte, 10)
	for u := range int64(4) {
		other.ReadAt(p, u*unitSize+5)
		d.ReadAt(p, u*unitSize+5)
	}
	d.Close()
	if n := decoded.Load(); n != 4 {
		t.Errorf("%d units decoded of 4", n)
	}
	if bad := d.Bad(); len(bad) != 1 || bad[0].Off != 2*unitSize+5 || !errors.Is(bad[0].Err, errUnit) {
		t.Errorf("damage %v", bad)
	}
	for r := range other.Ranges(0, unitSize) {
		if r.Kind != Zero || r.Len != unitSize {
			t.Errorf("its own runs: %+v", r)
		}
	}
}
