package ntfs

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"testing"
)

// rows lists every stream of every name with its content, and counts what was
// told to be wrong.
func rowsOf(r io.ReaderAt, size int64) (rows map[string]bool, told int, places []int64) {
	rows = map[string]bool{}
	v, err := Open(r, size, Options{})
	if err != nil {
		return rows, 1, nil
	}
	tell := func(d Damage) { told++; places = append(places, d.Off) }
	for _, d := range v.Findings() {
		tell(d)
	}
	c, err := v.Scan(context.Background())
	if err != nil {
		return rows, told + 1, places
	}
	for _, d := range c.Damage() {
		tell(d)
	}
	for f := range c.Files() {
		if !f.InUse() {
			continue
		}
		for l := range f.Links() {
			p, _ := l.PathString()
			for s := range f.Streams() {
				rd, err := s.Open(0)
				if err != nil {
					tell(asDamage(err))
					continue
				}
				var b bytes.Buffer
				if _, err := rd.WriteTo(&b); err != nil {
					tell(asDamage(err))
					continue
				}
				rows[fmt.Sprintf("%s:%x %d", p, s.Name(), maphash.Bytes(seed, b.Bytes()))] = true
			}
		}
	}
	return rows, told, places
}

var seed = maphash.MakeSeed()

// A cut image loses nothing, or something is told.
func TestTruncationLaw(t *testing.T) {
	whole := smallVolume(t)
	want, told, _ := rowsOf(bytes.NewReader(whole), int64(len(whole)))
	if told != 0 {
		t.Fatalf("%d things wrong with the whole volume", told)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var cuts []int
	for range 10 {
		at := rnd.IntN(len(whole)/512) * 512
		cuts = append(cuts, max(at-1, 0), at, at+1)
	}
	for _, cut := range append(cuts, 0, 1, 511, 512, 513, len(whole)-1) {
		got, told, _ := rowsOf(bytes.NewReader(whole[:cut]), int64(cut))
		lost := 0
		for r := range want {
			if !got[r] {
				lost++
			}
		}
		if lost > 0 && told == 0 {
			t.Errorf("cut at %d: %d rows lost in silence", cut, lost)
		}
	}
}

// A block that cannot be read loses nothing, or is told with a place in it.
func TestBadBlockLaw(t *testing.T) {
	whole := smallVolume(t)
	want, _, _ := rowsOf(bytes.NewReader(whole), int64(len(whole)))
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		off := int64(rnd.IntN(len(whole)/4096)) * 4096
		r := badReader{bytes.NewReader(whole), off, 4096}
		got, told, places := rowsOf(r, int64(len(whole)))
		lost, inside := 0, false
		for row := range want {
			if !got[row] {
				lost++
			}
		}
		for _, p := range places {
			inside = inside || p >= off && p < off+4096
		}
		if lost > 0 && (told == 0 || !inside) {
			t.Errorf("bad block at %d: %d rows lost, %d told, at %v", off, lost, told, places)
		}
	}
}

// Flipped bytes in the $MFT: no panic, no endless loop, coverage sums up.
func TestMutatedRecords(t *testing.T) {
	whole := smallVolume(t)
	v, err := Open(bytes.NewReader(whole), int64(len(whole)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 25 {
		b := bytes.Clone(whole)
		for range 30 {
			at := v.mftDisk(int64(rnd.IntN(int(v.mftSize))))
			b[at] = byte(rnd.Uint32())
		}
		useAll(quiet{t}, bytes.NewReader(b), int64(len(b)))
	}
}

// quiet leaves out what useAll logs.
type quiet struct{ *testing.T }

func (quiet) Log(...any)          {}
func (quiet) Logf(string, ...any) {}

func FuzzRecord(f *testing.F) {
	whole := smallVolume(f)
	v, err := Open(bytes.NewReader(whole), int64(len(whole)), Options{})
	if err != nil {
		f.Fatal(err)
	}
	for _, num := range []uint64{0, 5, 65, 80} {
		b := make([]byte, 1024)
		if v.readMFT(b, int64(num)*1024) == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < minRecord || !isRecord(b) {
			return
		}
		n := 0
		rec := decodeRecord(bytes.Clone(b), 7, 0, func(Damage) { n++ })
		for a := range rec.Attrs(func(Damage) { n++ }) {
			if a.NonResident {
				if runs, _ := decodeRuns(nil, a.RunList, a.LowVCN, a.HighVCN, a.clusters(4096), 1<<20); len(runs) > len(b) {
					t.Errorf("%d runs", len(runs))
				}
			} else {
				parseFileName(a.Value)
			}
		}
		if n > len(b) {
			t.Errorf("%d damages in %d bytes", n, len(b))
		}
	})
}

func FuzzRuns(f *testing.F) {
	f.Add([]byte{0x11, 5, 10, 0x01, 3, 0x11, 2, 0xF6, 0}, uint64(0), uint64(9), uint64(10))
	f.Add([]byte{0x21, 0xFF, 0x34, 0x12, 0}, uint64(3), uint64(1)<<40, uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, low, high, most uint64) {
		const clusters = 1 << 20
		runs, dmg := decodeRuns(nil, b, low, high, most, clusters)
		var sum uint64
		for _, r := range runs {
			if r.Len <= 0 || r.LCN >= 0 && r.LCN > clusters-r.Len || r.LCN < Lost {
				t.Errorf("run %+v", r)
			}
			sum += uint64(r.Len)
		}
		if want := high - low + 1; (sum < want || sum > max(want, min(most, clusters))) && (len(runs) > 0 || dmg == nil && want != 0) {
			t.Errorf("%d clusters, want %d", sum, want)
		}
	})
}

func FuzzVolume(f *testing.F) {
	f.Add([]byte("FILE0"), uint32(16384))
	f.Add(bytes.Repeat([]byte{0xFF}, 64), uint32(0x4000+1024*5+200))
	whole := smallVolume(f)
	f.Fuzz(func(t *testing.T, patch []byte, at uint32) {
		b := bytes.Clone(whole)
		copy(b[int(at)%len(b):], patch)
		useAll(quiet{t}, bytes.NewReader(b), int64(len(b)))
	})
}

func BenchmarkScan(b *testing.B) {
	whole := smallVolume(b)
	v, err := Open(bytes.NewReader(whole), int64(len(whole)), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(v.mftSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Scan(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
