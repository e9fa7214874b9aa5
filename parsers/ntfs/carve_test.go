package ntfs

import (
	"bytes"
	"errors"
	"iter"
	"testing"

	"kanshiki/parsers/internal/utf16"
)

func all(size int) iter.Seq2[int64, int64] {
	return func(yield func(int64, int64) bool) { yield(0, int64(size)) }
}

// Everything that a walk finds in its place is found by its form as well.
func TestCarve(t *testing.T) {
	whole := smallVolume(t)
	c := scan(t, bytes.NewReader(whole), int64(len(whole)))
	cov := c.Coverage()
	want := map[string]bool{}
	for f := range c.Files() {
		for e, err := range f.Index() {
			if err == nil && e.State == IndexLive && e.Block >= 0 {
				want[e.Ref.String()+utf16.String(e.Name)] = true
			}
		}
	}
	names := len(want)
	records, usn := 0, 0
	for x, err := range Carve(bytes.NewReader(whole), all(len(whole))) {
		if err != nil {
			t.Fatal(err)
		}
		switch x.Kind {
		case CarvedRecord:
			records++
		case CarvedIndex:
			delete(want, x.Index.Ref.String()+utf16.String(x.Index.Name))
		case CarvedUSN:
			usn++
		}
	}
	const mirrored = 4
	if n := int(cov.Live+cov.Deleted+cov.Extensions+cov.Leftover+cov.Blank) + mirrored; records != n || names == 0 || len(want) > 0 {
		t.Errorf("%d MFT entries, want %d; %d of %d names missing", records, n, len(want), names)
	}
	j, ok, err := c.Journal()
	if err == nil && ok {
		n := 0
		for _, err := range j.Records() {
			if err == nil {
				n++
			}
		}
		if usn != n {
			t.Errorf("%d journal records, want %d", usn, n)
		}
	}
}

// Free ranges are what the bitmap calls free, no more and no less.
func TestFreeRanges(t *testing.T) {
	whole := smallVolume(t)
	c, a := account(t, whole)
	var free int64
	told := 0
	for from, to := range c.FreeRanges(func(Damage) { told++ }) {
		free += to - from
	}
	if told > 0 {
		t.Errorf("%d damages of a whole volume", told)
	}
	if want := int64(a.Clusters.Clusters-a.Clusters.Allocated) * int64(c.v.geo.ClusterSize); free != want {
		t.Errorf("%d bytes free, want %d", free, want)
	}
}

// A $Bitmap that cannot be read is told once a page, and nothing is free there.
func TestFreeRangesLost(t *testing.T) {
	whole := smallVolume(t)
	c, _ := account(t, whole)
	at := streamOf(t, c, 6).DiskOffset(0)
	c = scan(t, badReader{bytes.NewReader(whole), at, 512}, int64(len(whole)))
	var told []Damage
	for from, to := range c.FreeRanges(func(d Damage) { told = append(told, d) }) {
		t.Errorf("%#x to %#x is free", from, to)
	}
	if len(told) != 1 || told[0].Kind != Unreadable || told[0].Off != at {
		t.Errorf("%+v, $Bitmap is at %#x", told, at)
	}
}

// A block that cannot be read is told, and what lies behind it is found.
func TestCarveBadBlock(t *testing.T) {
	whole := smallVolume(t)
	count := func(r badReader) (n, told int) {
		for x, err := range Carve(r, all(len(whole))) {
			var d *Damage
			switch {
			case errors.As(err, &d):
				told++
			case x.Kind == CarvedRecord:
				n++
			}
		}
		return n, told
	}
	most, _ := count(badReader{bytes.NewReader(whole), int64(len(whole)) + 1, 0})
	n, told := count(badReader{bytes.NewReader(whole), 0x6000, 4096})
	if told == 0 || n < most-5 || n >= most {
		t.Errorf("%d of %d entries, told %d", n, most, told)
	}
}

func FuzzCarve(f *testing.F) {
	whole := smallVolume(f)
	f.Add(whole[0x4000:0x6000])
	f.Fuzz(func(_ *testing.T, b []byte) {
		for x := range Carve(bytes.NewReader(b), all(len(b))) {
			for a := range x.Record.Attrs(nil) {
				a.FileName()
			}
		}
	})
}

func BenchmarkCarve(b *testing.B) {
	whole := smallVolume(b)
	b.SetBytes(int64(len(whole)))
	for b.Loop() {
		for range Carve(bytes.NewReader(whole), all(len(whole))) {
		}
	}
}
