package ntfs

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
)

// TestMutatedHeaders changes random bytes in the headers of one to four MFT
// entries and of their attributes, and walks the volume: nothing panics, takes
// long or much memory, and what other entries hold stays. KANSHIKI_NTFS_MUTATE
// says how often; 10,000 take a few minutes.
func TestMutatedHeaders(t *testing.T) {
	times := 60
	if s := os.Getenv("KANSHIKI_NTFS_MUTATE"); s != "" {
		times, _ = strconv.Atoi(s)
	}
	whole := smallVolume(t)
	v, err := Open(bytes.NewReader(whole), int64(len(whole)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := contents(t, whole)
	rnd := rand.New(rand.NewPCG(11, 12))
	worst, least := int64(0), 1.0
	b := bytes.Clone(whole)
	for i := range times {
		var undo []func()
		hit := map[uint64]bool{}
		for range 1 + rnd.IntN(4) {
			n := uint64(rnd.IntN(int(v.Entries())))
			hit[n] = true
			at := v.mftDisk(int64(n) * int64(v.geo.RecordSize))
			p := b[at : at+int64(v.geo.RecordSize)]
			old := bytes.Clone(p)
			undo = append(undo, func() { copy(p, old) })
			for range 1 + rnd.IntN(6) {
				mutate(rnd, p)
			}
		}
		begin := cpuTime()
		got := contents(t, b)
		took := cpuTime() - begin
		worst = max(worst, int64(took))
		if took > forgedTime {
			t.Errorf("round %d took %v", i, took)
		}
		kept, all := 0, 0
		for k, sum := range want {
			// A file is touched where one of its records was hit; entries 0 to 15
			// hold what all others need.
			if hit[k.record] || hit[k.first] {
				continue
			}
			all++
			if got[k] == sum {
				kept++
			}
		}
		share := float64(kept) / float64(all)
		system := false
		for n := range hit {
			system = system || n < 16
		}
		if !system {
			least = min(least, share)
		}
		if share < 0.95 {
			t.Errorf("round %d, entries %v: %d of %d streams kept", i, hit, kept, all)
		}
		for _, u := range slices.Backward(undo) {
			u()
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d rounds, at least %.1f %% of the other streams kept, longest %d ms, heap of %d MiB", times, 100*least, worst/1e6, m.HeapSys>>20)
	if m.HeapSys > forgedMemory {
		t.Errorf("heap of %d MiB", m.HeapSys>>20)
	}
}

// mutate changes a field of the record's header or of an attribute's.
func mutate(rnd *rand.Rand, p []byte) {
	at := rnd.IntN(56)
	if rnd.IntN(2) == 0 {
		r := Record{data: bytes.Clone(p), used: len(p), start: 56}
		var starts []int
		for a := range r.Attrs(nil) {
			starts = append(starts, a.Off)
		}
		if len(starts) > 0 {
			at = starts[rnd.IntN(len(starts))] + rnd.IntN(72)
		}
	}
	at = min(at, len(p)-8)
	switch rnd.IntN(4) {
	case 0:
		p[at] ^= 1 << rnd.IntN(8)
	case 1:
		p[at] = byte(rnd.Uint32())
	case 2:
		copy(p[at:], []byte{0xFF, 0xFF, 0xFF, 0x7F})
	default:
		for i := range 8 {
			p[at+i] = byte(rnd.Uint32())
		}
	}
}

type streamAt struct {
	record, first uint64 // of the file; of the piece that begins it
	name          string
}

// contents hashes every live stream, by record, and does all else that can be
// done with a volume.
func contents(t *testing.T, b []byte) map[streamAt]string {
	out := map[streamAt]string{}
	useAll(quiet{t}, bytes.NewReader(b), int64(len(b)))
	v, err := Open(bytes.NewReader(b), int64(len(b)), Options{})
	if err != nil {
		return out
	}
	c, err := v.Scan(context.Background())
	if err != nil {
		return out
	}
	for f := range c.Files() {
		if !f.InUse() {
			continue
		}
		for s := range f.Streams() {
			rd, err := s.Open(0)
			if err != nil || rd.Size() > int64(len(b)) {
				continue
			}
			data, err := io.ReadAll(io.NewSectionReader(rd, 0, rd.Size()))
			if err == nil {
				out[streamAt{uint64(f.n), s.Record(), string(s.Name())}] = fmt.Sprintf("%d %x", len(data), maphash.Bytes(seed, data))
			}
		}
	}
	return out
}
