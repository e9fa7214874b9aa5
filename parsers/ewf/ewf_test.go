package ewf_test

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/ewf"
)

// openSet opens all segments of a set that lie beside the first.
func openSet(t testing.TB, first string) []ewf.Source {
	t.Helper()
	var out []ewf.Source
	misses := 0
	for n := 1; misses < 4; n++ {
		name, ok := ewf.SegmentName(first, 1, n)
		if !ok {
			break
		}
		f, err := os.Open(name)
		if err != nil {
			misses++
			continue
		}
		t.Cleanup(func() { f.Close() })
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, ewf.Source{Name: filepath.Base(name), R: f, Size: st.Size()})
	}
	return out
}

func open(t testing.TB, first string) *ewf.Reader {
	t.Helper()
	r, err := ewf.Open(openSet(t, first), ewf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// digest hashes the whole media through Stream.
func digest(t testing.TB, r *ewf.Reader, h ...hash.Hash) (bad []ewf.Range) {
	t.Helper()
	at := int64(0)
	err := r.Stream(func(p *ewf.Piece) error {
		if p.Off != at {
			t.Fatalf("piece at %#x, expected %#x", p.Off, at)
		}
		at += p.Len
		for _, h := range h {
			h.Write(p.Data)
		}
		bad = append(bad, p.Bad...)
		p.Release()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if at != r.Size() {
		t.Fatalf("streamed %#x of %#x bytes", at, r.Size())
	}
	return bad
}

// damaged are the images of the table whose digest is not that of good media;
// they have tests of their own.
var damaged = map[string]bool{"bad-flip.E01": true, "bad-gap.E01": true,
	"fuzz-crash-parse_segment-add-overflow.E01": true, "zeros_128s.Ex01": true}

func TestCorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "containers") {
		base := filepath.Base(row["file"])
		if row["container"] != "ewf" || damaged[base] {
			continue
		}
		t.Run(base, func(t *testing.T) {
			size, err := strconv.ParseInt(row["media_size"], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if size > 32<<20 && os.Getenv("KANSHIKI_ALL") == "" {
				t.Skip("large: runs where KANSHIKI_ALL is set")
			}
			r := open(t, corpus.Path(t, row["file"]))
			if r.Size() != size {
				t.Errorf("size %d, want %d", r.Size(), size)
			}
			m, s := md5.New(), sha256.New()
			if bad := digest(t, r, m, s); len(bad) > 0 {
				t.Errorf("bad ranges: %v", bad)
			}
			if got := hex.EncodeToString(m.Sum(nil)); got != row["media_md5"] {
				t.Errorf("MD5 %s, want %s", got, row["media_md5"])
			}
			if got := hex.EncodeToString(s.Sum(nil)); got != row["media_sha256"] {
				t.Errorf("SHA-256 %s, want %s", got, row["media_sha256"])
			}
			stated := map[string]string{}
			for _, d := range r.Digests() {
				stated[d.Alg] = d.Sum
			}
			if stated["md5"] != row["stored_md5"] || stated["sha1"] != row["stored_sha1"] {
				t.Errorf("stored digests %v, want %s %s", stated, row["stored_md5"], row["stored_sha1"])
			}
			if n, _ := strconv.Atoi(row["segments"]); n != len(r.Segments()) {
				t.Errorf("%d segments, want %d", len(r.Segments()), n)
			}
			for _, p := range r.Problems() {
				if base != "ewf.E01" { // counts one byte less than it stores
					t.Errorf("problem: %+v", p)
				}
			}
		})
	}
}

func TestReadAt(t *testing.T) {
	want, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"encase6.E01", "seg-none.E01", "chunk16.E01", "encase1.E01"} {
		r := open(t, corpus.Path(t, "images/made/ewf/"+name))
		for _, c := range []struct{ off, n int64 }{
			{0, 512}, {0, 1 << 20}, {32767, 2}, {1<<20 - 1, 3<<20 + 2}, {24 << 20, 0}, {24<<20 - 1, 1},
			{24<<20 - 100, 100}, {5, 24<<20 - 5}, {24<<20 - 200000, 200000},
		} {
			p := make([]byte, c.n)
			n, err := r.ReadAt(p, c.off)
			if c.off < 24<<20 && (err != nil || int64(n) != c.n) {
				t.Errorf("%s: read %d at %d: %d, %v", name, c.n, c.off, n, err)
			}
			if string(p) != string(want[c.off:c.off+c.n]) {
				t.Errorf("%s: read %d at %d: wrong bytes", name, c.n, c.off)
			}
		}
		p := make([]byte, 200)
		if n, err := r.ReadAt(p, 24<<20-100); n != 100 || err != io.EOF {
			t.Errorf("%s: past the end: %d, %v", name, n, err)
		}
		if _, err := r.ReadAt(p, 24<<20); err != io.EOF {
			t.Errorf("%s: at the end: %v", name, err)
		}
		h := sha1.New()
		if _, err := io.Copy(h, io.NewSectionReader(r, 0, r.Size())); err != nil {
			t.Error(err)
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != "ee82bc9cd9714025267fb9b36da212c90ce778ec" {
			t.Errorf("%s: SHA-1 by small reads %s", name, got)
		}
	}
}

// The flipped bytes lie in one chunk; what ewfverify found is in the truth
// tables (images_expected).
func TestBadFlip(t *testing.T) {
	want, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, corpus.Path(t, "images/made/ewf/bad-flip.E01"))
	if bad := r.Bad(); len(bad) != 0 {
		t.Errorf("before reading: %v", bad)
	}
	p := make([]byte, r.Size())
	n, err := r.ReadAt(p, 0)
	bad, ok := errors.AsType[*ewf.RangeError](err)
	if !ok || n != 0x920000 || len(bad.Ranges) != 1 || bad.Ranges[0].Off != 0x920000 || bad.Ranges[0].Len != 0x8000 {
		t.Fatalf("n %#x, error %v", n, err)
	}
	clear(want[0x920000:0x928000])
	if string(p) != string(want) {
		t.Error("bytes beside the damage differ")
	}
	if got := r.Bad(); len(got) != 1 || got[0].Off != 0x920000 || got[0].Len != 0x8000 || got[0].Kind != ewf.Corrupt {
		t.Errorf("after reading: %v", got)
	}
	// A read that ends before the damage is good, one inside it gives nothing.
	if n, err := r.ReadAt(p[:0x1000], 0x91F000); n != 0x1000 || err != nil {
		t.Errorf("before the damage: %d, %v", n, err)
	}
	if n, err := r.ReadAt(p[:0x1000], 0x921000); n != 0 || err == nil {
		t.Errorf("in the damage: %d, %v", n, err)
	}
}

// Segments E03 and E06 to E25 are missing. E04 and E05 lie between two holes
// of unknown length, so their place cannot be told.
func TestBadGap(t *testing.T) {
	want, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, corpus.Path(t, "images/made/ewf/bad-gap.E01"))
	const cut = 62 * 32768
	bad := r.Bad()
	if len(bad) != 1 || bad[0].Off != cut || bad[0].Len != r.Size()-cut || bad[0].Kind != ewf.Missing {
		t.Fatalf("bad ranges %v", bad)
	}
	p := make([]byte, cut+100)
	if n, err := r.ReadAt(p, 0); n != cut || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
	if string(p[:cut]) != string(want[:cut]) {
		t.Error("bytes before the gap differ")
	}
	for _, p := range r.Problems() {
		t.Log(p)
	}
	if len(r.Problems()) != 4 {
		t.Errorf("%d problems, want 4", len(r.Problems()))
	}
}

// One hole and the last segment present: both sides are placed.
func TestOneMissingSegment(t *testing.T) {
	want, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	set := openSet(t, corpus.Path(t, "images/made/ewf/seg-none.E01"))
	set = append(set[:4:4], set[5:]...)
	r, err := ewf.Open(set, ewf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lo, hi := int64(4*31*32768), int64(5*31*32768)
	if bad := r.Bad(); len(bad) != 1 || bad[0].Off != lo || bad[0].Off+bad[0].Len != hi {
		t.Fatalf("bad ranges %v", bad)
	}
	p := make([]byte, r.Size())
	if n, _ := r.ReadAt(p, 0); int64(n) != lo {
		t.Errorf("good up to %#x", n)
	}
	clear(want[lo:hi])
	if string(p) != string(want) {
		t.Error("bytes beside the gap differ")
	}
}

func TestOverflowingHeader(t *testing.T) {
	path := corpus.Path(t, "images/ewf/ewf-forensic/fuzz-crash-parse_segment-add-overflow.E01")
	if _, err := ewf.Open(openSet(t, path), ewf.Options{}); err == nil {
		t.Error("opened")
	} else {
		t.Log(err)
	}
}

func TestSegmentName(t *testing.T) {
	for _, c := range []struct {
		name   string
		own, n int
		want   string
	}{
		{"disk.E01", 1, 2, "disk.E02"}, {"disk.E01", 1, 99, "disk.E99"}, {"disk.E01", 1, 100, "disk.EAA"},
		{"disk.E01", 1, 125, "disk.EAZ"}, {"disk.E01", 1, 126, "disk.EBA"}, {"disk.E01", 1, 775, "disk.EZZ"},
		{"disk.E01", 1, 776, "disk.FAA"}, {"disk.e05", 5, 100, "disk.eaa"}, {"a.b.s01", 1, 100, "a.b.saa"},
		{"disk.SAA", 100, 1, "disk.S01"}, {"disk.FAA", 776, 1, "disk.E01"}, {"disk.E01", 1, 14971, "disk.ZZZ"},
		{"disk.E01", 1, 14972, ""}, {"disk.raw", 1, 2, ""}, {"disk.E02", 1, 2, ""}, {"E01", 1, 2, ""},
	} {
		if got, _ := ewf.SegmentName(c.name, c.own, c.n); got != c.want {
			t.Errorf("%s (%d), segment %d: %q, want %q", c.name, c.own, c.n, got, c.want)
		}
	}
}
