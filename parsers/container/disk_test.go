package container

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"kanshiki/parsers/internal/badblock"
)

const unitSize = 1000

var errUnit = errors.New("does not decode (injected)")

// layout is a medium of 40 units: by turns compressed, stored, a hole, and, every
// seventh, damaged. decoded counts.
type layout struct {
	media   []byte
	stored  []byte
	decoded atomic.Int32
}

func newLayout() *layout {
	l := &layout{media: make([]byte, 40*unitSize-300)}
	rand.NewChaCha8([32]byte{1}).Read(l.media)
	l.stored = bytes.Clone(l.media)
	for u := range 40 {
		if kindOf(int64(u)) == Zero {
			clear(l.media[u*unitSize : min((u+1)*unitSize, len(l.media))])
		}
	}
	return l
}

func kindOf(unit int64) Kind {
	switch {
	case unit%7 == 6:
		return Corrupt
	case unit%3 == 2:
		return Zero
	}
	return Data
}

func (l *layout) span(off, limit int64) Span {
	u, in := off/unitSize, off%unitSize
	s := Span{Len: min(limit, unitSize-in)}
	switch {
	case kindOf(u) == Zero:
		s.Kind = Zero
	case u%3 == 1 && kindOf(u) == Data:
		s.From, s.At = bytes.NewReader(l.stored), off
	default:
		s.Unit, s.Skip = u+100, in
	}
	return s
}

func (l *layout) decode(unit int64, dst []byte) error {
	l.decoded.Add(1)
	u := unit - 100
	if kindOf(u) == Corrupt {
		return fmt.Errorf("unit %d: %w", u, errUnit)
	}
	copy(dst, l.stored[u*unitSize:])
	return nil
}

func (l *layout) disk() *Disk {
	return New(Layout{Size: int64(len(l.media)), Span: l.span, UnitSize: unitSize, Decode: l.decode, CacheBytes: 8 * unitSize, Workers: 2})
}

// check reads a part and compares it, byte for byte, with what it must be.
func check(d *Disk, l *layout, off, n int64) error {
	p := bytes.Repeat([]byte{0xAA}, int(n))
	got, err := d.ReadAt(p, off)
	n = min(n, d.Size()-off)
	want := bytes.Clone(l.media[off : off+n])
	first := int64(-1)
	for i := range want {
		if kindOf((off+int64(i))/unitSize) == Corrupt {
			want[i] = 0
			if first < 0 {
				first = int64(i)
			}
		}
	}
	if !bytes.Equal(p[:n], want) {
		return fmt.Errorf("%d bytes at %d: other bytes", n, off)
	}
	e, bad := errors.AsType[*Error](err)
	switch {
	case first < 0 && (bad || int64(got) != n):
		return fmt.Errorf("%d bytes at %d: %d, %v", n, off, got, err)
	case first >= 0 && (!bad || int64(got) != first || !errors.Is(err, errUnit) || e.Ranges[0].Off != off+first):
		return fmt.Errorf("%d bytes at %d: %d, %v, expected damage at %d", n, off, got, err, first)
	}
	return nil
}

func TestReadAt(t *testing.T) {
	l := newLayout()
	d := l.disk()
	defer d.Close()
	r := rand.New(rand.NewPCG(2, 2))
	for range 3000 {
		off := r.Int64N(d.Size())
		if err := check(d, l, off, r.Int64N(5000)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := d.ReadAt(make([]byte, 10), d.Size()); n != 0 || err != io.EOF {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	if n, err := d.ReadAt(make([]byte, 10), d.Size()-4); n != 4 || err != io.EOF {
		t.Errorf("over the end: %d, %v", n, err)
	}
	if _, err := d.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("before the start")
	}
}

func TestConcurrent(t *testing.T) {
	l := newLayout()
	d := l.disk()
	defer d.Close()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 3))
			for range 400 {
				if err := check(d, l, r.Int64N(d.Size()), r.Int64N(2500)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Ranges before reading, and after: damage in a unit is known once it was met,
// and merged.
func TestRanges(t *testing.T) {
	l := newLayout()
	d := l.disk()
	defer d.Close()
	list := func(off, n int64) string {
		var out []string
		for r := range d.Ranges(off, n) {
			out = append(out, fmt.Sprintf("%d+%d %s", r.Off, r.Len, r.Kind))
		}
		return strings.Join(out, ", ")
	}
	if s := list(0, 9*unitSize); s != "0+2000 data, 2000+1000 zero, 3000+2000 data, 5000+1000 zero, 6000+2000 data, 8000+1000 zero" {
		t.Error(s)
	}
	io.Copy(io.Discard, io.NewSectionReader(d, 0, 6500)) // ends at the damage
	d.ReadAt(make([]byte, 100), 6900)
	d.ReadAt(make([]byte, 400), 6200)
	if s := list(5500, 2500); s != "5500+500 zero, 6000+600 corrupt, 6600+300 data, 6900+100 corrupt, 7000+1000 data" {
		t.Error(s)
	}
	if b := d.Bad(); len(b) == 0 || b[0].Off != 6000 {
		t.Errorf("%v", b)
	}
}

// A hole of almost 2^63 bytes is one range, and reads at once.
func TestHuge(t *testing.T) {
	const size = 1<<63 - 512
	d := New(Layout{Size: size, Span: func(off, limit int64) Span { return Span{Len: limit, Kind: Zero} }})
	n := 0
	for r := range d.Ranges(0, size) {
		if n++; r != (Range{0, size, Zero, nil}) {
			t.Errorf("%+v", r)
		}
	}
	p := bytes.Repeat([]byte{1}, 100)
	if k, err := d.ReadAt(p, size-50); n != 1 || k != 50 || err != io.EOF || !IsZero(p[:50]) {
		t.Errorf("%d ranges, %d, %v", n, k, err)
	}
}

// One sector that cannot be read costs that sector, and a file that is cut its
// end.
func TestBadSector(t *testing.T) {
	media := make([]byte, 64<<10)
	rand.NewChaCha8([32]byte{5}).Read(media)
	for name, c := range map[string]struct {
		r            io.ReaderAt
		at, off, len int64
	}{
		"a bad sector":                  {badblock.Reader{ReaderAt: bytes.NewReader(media), Off: 20 * 512, Len: 512}, 0, 20 * 512, 512},
		"a cut file":                    {bytes.NewReader(media[:50<<10]), 0, 50 << 10, 14 << 10},
		"a bad sector, stored at 1,100": {badblock.Reader{ReaderAt: bytes.NewReader(media), Off: 20 * 512, Len: 512}, 1100, 20*512 - 1100, 512},
		"a cut file, stored at 1,100":   {bytes.NewReader(media[:50<<10]), 1100, 50<<10 - 1100, 14 << 10},
		"behind all offsets":            {bytes.NewReader(nil), math.MaxInt64 - 100, 0, 64 << 10},
	} {
		media := media[min(c.at, 2000):]
		if c.at > 2000 {
			media = make([]byte, 64<<10)
		}
		d := New(Layout{Size: int64(len(media)), Span: func(off, limit int64) Span { return Span{Len: limit, From: c.r, At: c.at + off} }})
		got := make([]byte, len(media))
		_, err := d.ReadAt(got, 0)
		e, ok := errors.AsType[*Error](err)
		if !ok || len(e.Ranges) != 1 || e.Ranges[0].Off != c.off || e.Ranges[0].Len != c.len {
			t.Errorf("%s: %v", name, err)
			continue
		}
		copy(got[c.off:c.off+c.len], media[c.off:])
		if !bytes.Equal(got, media) {
			t.Errorf("%s: other bytes", name)
		}
	}
}

func TestKept(t *testing.T) {
	loads := map[int]int{}
	k := NewKept(4, func(key int) (string, error) {
		loads[key]++
		if key == 3 {
			return "", errUnit
		}
		return fmt.Sprint(key), nil
	})
	for _, key := range []int{0, 1, 2, 0, 4, 0, 5, 0, 1} { // 1 was dropped for 5
		if v, err := k.Get(key); v != fmt.Sprint(key) || err != nil {
			t.Errorf("%d: %q, %v", key, v, err)
		}
	}
	if _, err := k.Get(3); err != errUnit {
		t.Error(err)
	}
	if loads[0] != 1 || loads[1] != 2 || loads[5] != 1 {
		t.Errorf("%v", loads)
	}
}

func TestProblems(t *testing.T) {
	var l Problems
	for range 3 {
		l.Reportf(7, "the same")
	}
	for i := range maxProblems + 10 {
		l.Reportf(int64(i), "another")
	}
	if p := l.Problems(); len(p) != maxProblems+1 || p[0].What != "the same" || p[maxProblems].What != "11 more problems" {
		t.Errorf("%d, %+v", len(p), p[len(p)-1])
	}
}
