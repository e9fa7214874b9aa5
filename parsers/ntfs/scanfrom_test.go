package ntfs

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"
)

// shape is everything that a catalogue says, a line each.
func shape(c *Catalog) []string {
	var out []string
	for f := range c.Files() {
		i, _ := f.Info()
		out = append(out, fmt.Sprint(f.Ref(), f.State(), f.Flags(), f.LSN(), f.ReparseTag(), f.HasObjectID(), f.HasDamage(), i, slices.Collect(f.Records())))
		for l := range f.Links() {
			p, proof := l.Path(nil)
			out = append(out, fmt.Sprintf(" %x %v %v %d", p, proof, l.Times(), l.Record()))
		}
		for s := range f.Streams() {
			out = append(out, fmt.Sprintf(" %x %d %d %d %v", s.Name(), s.Size(), s.Initialized(), s.Allocated(), slices.Collect(s.Runs())))
		}
	}
	for _, d := range c.Damage() {
		out = append(out, d.Error())
	}
	return append(out, fmt.Sprint(c.Coverage(), c.byKind))
}

// blocks yields the blocks of 16 KiB in which two volumes differ.
func blocks(a, b []byte) iter.Seq2[int64, int64] {
	const size = 16 << 10
	return func(yield func(int64, int64) bool) {
		for at := 0; at < len(a); at += size {
			end := min(at+size, len(a))
			if !bytes.Equal(a[at:end], b[at:end]) && !yield(int64(at), int64(end-at)) {
				return
			}
		}
	}
}

// TestScanFrom: what is made from another catalogue and the changed blocks is what
// reading everything gives. The volume of today is a mutated one, and the other
// way round.
func TestScanFrom(t *testing.T) {
	seed := uint32(7)
	random := func(n int) int {
		seed = seed*1664525 + 1013904223
		return int(seed>>8) % n
	}
	shared := 0
	for _, name := range []string{"small", "moved"} {
		whole := unpack(t, "testdata/"+name+".img.bz2")
		v, err := Open(bytes.NewReader(whole), int64(len(whole)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for round := range 60 {
			b := bytes.Clone(whole)
			for range random(12) {
				rec := v.mftDisk(int64(random(int(v.Entries()))) * int64(v.geo.RecordSize))
				if round%2 == 0 { // whole records of others: new names, extension records moved
					from := v.mftDisk(int64(random(int(v.Entries()))) * int64(v.geo.RecordSize))
					copy(b[rec:rec+int64(v.geo.RecordSize)], whole[from:])
				}
				b[rec+int64(random(300))] ^= byte(1 << random(8))
			}
			for _, pair := range [][2][]byte{{whole, b}, {b, whole}} {
				then, today := pair[0], pair[1]
				vt, err := Open(bytes.NewReader(then), int64(len(then)), Options{})
				if err != nil {
					continue
				}
				vd, err := Open(bytes.NewReader(today), int64(len(today)), Options{})
				if err != nil {
					continue
				}
				base, err := vd.Scan(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				before := shape(base)
				got, err := vt.ScanFrom(context.Background(), base, blocks(then, today))
				if err != nil {
					t.Fatal(err)
				}
				want := scan(t, bytes.NewReader(then), int64(len(then)))
				if g, w := shape(got), shape(want); !slices.Equal(g, w) {
					t.Errorf("%s round %d: %s", name, round, firstDifference(g, w))
				}
				if !slices.Equal(shape(base), before) {
					t.Errorf("%s round %d: the catalogue it was made from has changed", name, round)
				}
				if got.differs != nil {
					shared++
				}
				// Two are made from one, as of two shadow copies.
				if second, err := vd.ScanFrom(context.Background(), base, blocks(today, today)); err != nil || !slices.Equal(shape(second), before) {
					t.Errorf("%s round %d: a second one: %v", name, round, err)
				}
			}
		}
	}
	if shared < 100 {
		t.Errorf("only %d were made from another one", shared)
	}
}

func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%.300s\nwant %.300s", a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}

// TestDiffers: a file differs where a record of it does.
func TestDiffers(t *testing.T) {
	then := smallVolume(t)
	today := bytes.Clone(then)
	c := scan(t, bytes.NewReader(then), int64(len(then)))
	var want []uint64
	extension := false
	for f := range c.Files() {
		if records := slices.Collect(f.Records()); len(records) > 1 && !extension {
			extension = true
			at := c.v.mftDisk(int64(records[1]) * int64(c.v.geo.RecordSize))
			today[at+8]++ // its LSN
			want = append(want, records[0])
		} else if f.n == 70 {
			today[f.Offset()+8]++
			want = append(want, uint64(f.n))
		}
	}
	base := scan(t, bytes.NewReader(today), int64(len(today)))
	got, err := c.v.ScanFrom(context.Background(), base, blocks(then, today))
	if err != nil {
		t.Fatal(err)
	}
	var differ []uint64
	for f := range got.Files() {
		if f.Differs() {
			differ = append(differ, uint64(f.n))
		}
	}
	slices.Sort(want)
	if !slices.Equal(differ, want) || len(want) != 2 {
		t.Errorf("%v, want %v", differ, want)
	}
}
