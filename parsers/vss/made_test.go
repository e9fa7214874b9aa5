package vss

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"kanshiki/parsers/internal/badblock"
)

// A volume of 64 blocks with two stores, made here. Block n of today is filled
// with n; what was saved is filled with 100 and more.
const (
	made  = 64 * blockSize
	catAt = 10 * blockSize
)

type desc struct {
	orig, rel, data int64 // in blocks; rel of an overlay is 1 for "extends"
	flags, bitmap   uint32
}

func fill(b []byte, n int, v byte) {
	for i := range blockSize {
		b[n*blockSize+i] = v
	}
}

func putBlock(b []byte, n int, kind uint32, next int64) []byte {
	p := b[n*blockSize : (n+1)*blockSize]
	clear(p)
	copy(p, identifier[:])
	le := binary.LittleEndian
	le.PutUint32(p[16:], 1)
	le.PutUint32(p[20:], kind)
	le.PutUint64(p[32:], uint64(n*blockSize))
	le.PutUint64(p[40:], uint64(next*blockSize))
	return p
}

// putStore writes a store whose parts begin at block n: header, list, bitmap.
func putStore(b []byte, n int, id byte, list []desc, free []int) {
	le := binary.LittleEndian
	h := putBlock(b, n, typeStore, 0)
	h[blockHead+16], h[blockHead+32] = id, id
	le.PutUint32(h[blockHead+56:], 0x00020009)
	p := putBlock(b, n+1, typeList, 0)
	for i, d := range list {
		e := p[blockHead+32*i:]
		le.PutUint64(e, uint64(d.orig*blockSize))
		le.PutUint64(e[8:], uint64(d.rel*blockSize))
		le.PutUint64(e[16:], uint64(d.data*blockSize))
		le.PutUint32(e[24:], d.flags)
		le.PutUint32(e[28:], d.bitmap)
	}
	p = putBlock(b, n+2, typeBitmap, 0)
	for _, f := range free {
		p[blockHead+f/8] |= 1 << (f % 8)
	}
}

func putEntries(b []byte, at int, id byte, n int, created uint64) {
	le := binary.LittleEndian
	e := b[catAt+blockHead+at*entrySize:]
	le.PutUint64(e, 2)
	le.PutUint64(e[8:], made)
	e[16] = id
	le.PutUint64(e[48:], created)
	e = e[entrySize:]
	le.PutUint64(e, 3)
	le.PutUint64(e[8:], uint64((n+1)*blockSize))
	e[16] = id
	le.PutUint64(e[32:], uint64(n*blockSize))
	le.PutUint64(e[48:], uint64((n+2)*blockSize))
}

func madeVolume() []byte {
	b := make([]byte, made)
	for n := range 64 {
		fill(b, n, byte(n))
	}
	h := b[headerAt : headerAt+512]
	clear(h)
	copy(h, identifier[:])
	le := binary.LittleEndian
	le.PutUint32(h[16:], 1)
	le.PutUint32(h[20:], typeVolume)
	le.PutUint64(h[48:], catAt)
	h[64], h[80] = 7, 7
	putBlock(b, catAt/blockSize, typeCatalogue, 0)
	putEntries(b, 0, 1, 12, 1000) // the older
	putEntries(b, 2, 2, 16, 2000)
	for i, v := range []byte{101, 102, 103, 104, 105, 106} {
		fill(b, 20+i, v)
	}
	putStore(b, 12, 1, []desc{
		{orig: 30, data: 20},                                    // saved
		{orig: 31, rel: 40, flags: flagForwarder},               // moved to 40, which the newer store saved
		{orig: 33, data: 21, flags: flagOverlay, bitmap: 0x6},   // sectors 1 and 2
		{orig: 33, rel: 1, flags: flagOverlay, bitmap: 1 << 31}, // and the last
		{orig: 34, data: 22, flags: flagUnused},
	}, nil)
	putStore(b, 16, 2, []desc{
		{orig: 40, data: 23},
		{orig: 41, data: 24, flags: flagOverlay, bitmap: 1},
		{orig: 42, data: 22},
		{orig: 42, data: 25}, // replaces
	}, []int{50, 51, 40})
	return b
}

func build() ([]byte, []*Snapshot) {
	b := madeVolume()
	v, err := Open(bytes.NewReader(b), made, Options{})
	if err != nil {
		panic(err)
	}
	var out []*Snapshot
	for _, s := range v.Stores {
		n, err := s.Open()
		if err != nil {
			panic(err)
		}
		out = append(out, n)
	}
	return b, out
}

// The rules of "Reading snapshot data", one block each.
func TestRules(t *testing.T) {
	b, got := build()
	old, young := bytes.Clone(b), bytes.Clone(b)
	fill(young, 40, 104)
	for i := range 512 {
		young[41*blockSize+i] = 105
	}
	fill(young, 42, 106)
	fill(young, 50, 0) // not used then
	fill(young, 51, 0)
	fill(old, 30, 101)
	fill(old, 31, 104) // block 40 as the newer store has it
	fill(old, 40, 104)
	fill(old, 42, 106)
	for _, s := range []int{1, 2, 31} {
		for i := range 512 {
			old[33*blockSize+512*s+i] = 102
		}
	}
	// An overlay counts in its own store only: block 41 is as today in the old one.
	for i, want := range [][]byte{old, young} {
		all, err := io.ReadAll(io.NewSectionReader(got[i], 0, made))
		if err != nil {
			t.Fatal(err)
		}
		for n := range 64 {
			if !bytes.Equal(all[n*blockSize:(n+1)*blockSize], want[n*blockSize:(n+1)*blockSize]) {
				t.Errorf("store %d: block %d", i+1, n)
			}
		}
		// In pieces that keep to no border.
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 200 {
			off := rnd.IntN(made)
			p := make([]byte, rnd.IntN(3*blockSize))
			n, err := got[i].ReadAt(p, int64(off))
			if (err != nil && err != io.EOF) || !bytes.Equal(p[:n], want[off:off+n]) {
				t.Fatalf("store %d: %d bytes at %d: %v", i+1, n, off, err)
			}
		}
	}
	var changed []Range
	for r := range got[1].Changed() {
		changed = append(changed, r)
	}
	want := []Range{{40 * blockSize, blockSize + 512}, {42 * blockSize, blockSize}, {50 * blockSize, 2 * blockSize}}
	if len(changed) != 3 || changed[0] != want[0] || changed[1] != want[1] || changed[2] != want[2] {
		t.Errorf("changed %v", changed)
	}
}

// told counts what a volume and its stores say to be wrong, and reads both.
func told(r io.ReaderAt, size int64) (all [][]byte, n int, places []int64) {
	v, err := Open(r, size, Options{})
	if err != nil {
		return nil, 1, nil
	}
	for _, p := range v.Problems() {
		n++
		places = append(places, p.Off)
	}
	for _, s := range v.Stores {
		snap, err := s.Open()
		if err != nil {
			n++
			continue
		}
		b := make([]byte, made)
		k, err := snap.ReadAt(b, 0)
		var p *Problem
		if errors.As(err, &p) {
			places = append(places, p.Off)
		}
		if err != nil && err != io.EOF {
			n++
		}
		all = append(all, b[:k])
		for _, p := range s.Problems() {
			n++
			places = append(places, p.Off)
		}
		if !s.Complete() {
			n++
		}
	}
	return all, n, places
}

func TestTruncationLaw(t *testing.T) {
	whole := madeVolume()
	want, n, _ := told(bytes.NewReader(whole), made)
	if n != 0 {
		t.Fatalf("%d things wrong with the whole", n)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		cut := rnd.IntN(64)*blockSize + rnd.IntN(3) - 1
		got, n, _ := told(bytes.NewReader(whole[:max(cut, 0)]), int64(max(cut, 0)))
		lost := len(got) != len(want)
		for i := range got {
			lost = lost || !bytes.Equal(got[i], want[i][:min(len(want[i]), len(got[i]))])
		}
		if lost && n == 0 {
			t.Errorf("cut at %d: lost in silence", cut)
		}
	}
}

func TestBadBlockLaw(t *testing.T) {
	whole := madeVolume()
	want, _, _ := told(bytes.NewReader(whole), made)
	for n := range 64 {
		off := int64(n * blockSize)
		got, k, places := told(badblock.Reader{ReaderAt: bytes.NewReader(whole), Off: off, Len: blockSize}, made)
		differs := len(got) != len(want)
		for i := range got {
			differs = differs || !bytes.Equal(got[i], want[i])
		}
		inside := k == 1 && places == nil // the volume header: nothing is read then
		for _, p := range places {
			inside = inside || p >= off && p < off+blockSize
		}
		if differs && (k == 0 || !inside) {
			t.Errorf("block %d: %d told, at %v", n, k, places)
		}
	}
}

// What a descriptor that makes no sense costs: its own block, or the trust in
// the store where it cannot be told for which block it was.
func TestForged(t *testing.T) {
	list := 17*blockSize + blockHead
	for what, harm := range map[string]func(b []byte){
		"data outside":    func(b []byte) { binary.LittleEndian.PutUint64(b[list+16:], 1<<40) },
		"orig outside":    func(b []byte) { binary.LittleEndian.PutUint64(b[list:], 1<<40) },
		"orig not whole":  func(b []byte) { b[list] = 1 },
		"list to itself":  func(b []byte) { binary.LittleEndian.PutUint64(b[17*blockSize+40:], 17*blockSize) },
		"list of another": func(b []byte) { binary.LittleEndian.PutUint64(b[17*blockSize+32:], 0) },
		"no list":         func(b []byte) { b[17*blockSize] ^= 1 },
		"catalogue loop":  func(b []byte) { binary.LittleEndian.PutUint64(b[catAt+40:], catAt) },
	} {
		b := madeVolume()
		harm(b)
		if _, n, _ := told(bytes.NewReader(b), made); n == 0 {
			t.Errorf("%s: nothing told", what)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(uint32(17*blockSize+blockHead), uint64(1<<40))
	f.Add(uint32(headerAt+48), uint64(0x4000))
	f.Fuzz(func(_ *testing.T, at uint32, v uint64) {
		b := madeVolume()
		binary.LittleEndian.PutUint64(b[at%(made-8):], v)
		v2, err := Open(bytes.NewReader(b), made, Options{Search: true})
		if err != nil {
			return
		}
		p := make([]byte, made)
		for _, s := range v2.Stores {
			if n, err := s.Open(); err == nil {
				n.ReadAt(p, 0)
				for range n.Changed() {
				}
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	_, got := build()
	p := make([]byte, made)
	b.SetBytes(made)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := got[0].ReadAt(p, 0); err != nil {
			b.Fatal(err)
		}
	}
}
