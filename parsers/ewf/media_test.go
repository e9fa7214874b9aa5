package ewf_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"kanshiki/parsers/ewf"
	"kanshiki/parsers/internal/badblock"
)

// media are the bytes that the images in testdata hold: noise, text, zeros,
// and noise of three bits.
func media() []byte {
	x := uint32(0x2545F491)
	next := func() uint32 {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		return x
	}
	var b []byte
	for range 8192 {
		v := next()
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	for len(b) < 65536 {
		b = append(b, fmt.Sprintf("line %06d of a text that compresses well\n", len(b))...)
	}
	b = append(b[:65536], make([]byte, 32768)...)
	for len(b) < 102400 {
		b = append(b, byte(next()&7))
	}
	return b
}

// The digests that ewfacquire stored.
const (
	mediaMD5  = "f5634d95274d69e115c4d6f0be1331bb"
	mediaSHA1 = "3499bebe7650a2f7c8efd40a2746c6c143a578ad"
)

var samples = []string{"encase1.E01", "encase6.E01", "ewf.e01", "ewfx.e01", "smart.s01"}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func source(b []byte) []ewf.Source {
	return []ewf.Source{{Name: "t.E01", R: bytes.NewReader(b), Size: int64(len(b))}}
}

func TestSamples(t *testing.T) {
	want := media()
	if sum := md5.Sum(want); hex.EncodeToString(sum[:]) != mediaMD5 {
		t.Fatal("the generator does not give the media")
	}
	for _, name := range samples {
		r, err := ewf.Open(source(sample(t, name)), ewf.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := make([]byte, r.Size())
		if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: media of %d bytes, %v", name, len(got), err)
		}
		for _, d := range r.Digests() {
			if d.Alg == "md5" && d.Sum != mediaMD5 || d.Alg == "sha1" && d.Sum != mediaSHA1 {
				t.Errorf("%s: stored %+v", name, d)
			}
		}
		r.Check()
		if p := r.Problems(); len(p) != 0 {
			t.Errorf("%s: %v", name, p)
		}
		r.Close()
	}
}

func TestHeaders(t *testing.T) {
	for _, c := range []struct{ file, variant, notes string }{
		{"encase6.E01", "EnCase 6 or 7", "notes: 日本"},
		{"ewfx.e01", "EWF-X", "notes: 日本"},
		{"encase1.E01", "EnCase 1", "notes: \x1a\x1a"}, // what ewfacquire makes of them in 8 bits
		{"ewf.e01", "EWF", "notes: \x1a\x1a"},
		{"smart.s01", "SMART", "notes: \x1a\x1a"},
	} {
		r, err := ewf.Open(source(sample(t, c.file)), ewf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, v := range r.Headers() {
			got[v.Name()] = v.Text
		}
		for k, v := range map[string]string{"case number": "2011-083", "description": "disk of a PC",
			"examiner": "examiner", "evidence number": "4", "notes": c.notes} {
			if got[k] != v {
				t.Errorf("%s: %s is %q, want %q", c.file, k, got[k], v)
			}
		}
		if r.Variant() != c.variant {
			t.Errorf("%s: variant %q, want %q", c.file, r.Variant(), c.variant)
		}
		v := r.Volume()
		if v.BytesPerSector != 512 || v.SectorsPerChunk != 16 || v.Sectors != 200 || v.Chunks != 13 {
			t.Errorf("%s: volume %+v", c.file, v)
		}
	}
}

// law reads a damaged image whole and checks that every byte is right or
// named; where word is set, also that damage does not pass without a word.
func law(t *testing.T, what string, sources []ewf.Source, want []byte, word bool) {
	t.Helper()
	r, err := ewf.Open(sources, ewf.Options{Workers: 2})
	if err != nil {
		return // said, and nothing given
	}
	defer r.Close()
	r.Check()
	got := bytes.Repeat([]byte{0xA5}, len(want))
	n, err := r.ReadAt(got, 0)
	var bad []ewf.Range
	if re, ok := errors.AsType[*ewf.RangeError](err); ok {
		bad = re.Ranges
		if int64(n) != bad[0].Off {
			t.Errorf("%s: %d bytes good, first bad at %d", what, n, bad[0].Off)
		}
	} else if err != nil && err != io.EOF {
		t.Errorf("%s: %v", what, err)
	}
	size := int(min(r.Size(), int64(len(want))))
	masked := bytes.Clone(want[:size])
	for _, x := range bad {
		if x.Off < 0 || x.Off+x.Len > r.Size() || x.Err == nil {
			t.Fatalf("%s: range %+v", what, x)
		}
		clear(masked[min(int(x.Off), size):min(int(x.Off+x.Len), size)])
	}
	if !bytes.Equal(got[:size], masked) {
		t.Errorf("%s: wrong bytes that are not named", what)
	}
	if word && len(bad) == 0 && len(r.Problems()) == 0 {
		t.Errorf("%s: damage without a word", what)
	}
}

// borders are places around which a file is cut: section borders and noise.
func borders(b []byte, n int) []int {
	var out []int
	for i := 13; i+76 < len(b); i++ {
		if bytes.HasPrefix(b[i:], []byte("table")) || bytes.HasPrefix(b[i:], []byte("sectors\x00")) || bytes.HasPrefix(b[i:], []byte("hash\x00")) ||
			bytes.HasPrefix(b[i:], []byte("data\x00")) || bytes.HasPrefix(b[i:], []byte("done\x00")) || bytes.HasPrefix(b[i:], []byte("volume\x00")) {
			out = append(out, i-1, i, i+1, i+75, i+76, i+77)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range n {
		out = append(out, r.IntN(len(b)))
	}
	return append(out, 0, 1, 12, 13, 14, len(b)-1)
}

func TestTruncationLaw(t *testing.T) {
	want := media()
	for _, name := range samples {
		whole := sample(t, name)
		for _, cut := range borders(whole, 150) {
			law(t, fmt.Sprintf("%s cut at %d", name, cut), source(whole[:cut]), want, true)
		}
	}
}

func TestFlipLaw(t *testing.T) {
	want := media()
	r := rand.New(rand.NewPCG(5, 6))
	for _, name := range samples {
		whole := sample(t, name)
		for _, at := range borders(whole, 400) {
			if at >= len(whole) || at == 8 || at >= 9 && at < 13 {
				continue // the segment number and the bytes around it have no checksum
			}
			b := bytes.Clone(whole)
			b[at] ^= byte(1 << r.IntN(8))
			// In a chunk of zeros a flip may change a distance and no byte.
			word := at < 1909 || at > len(whole)-1700
			law(t, fmt.Sprintf("%s flipped at %#x", name, at), source(b), want, word)
		}
	}
}

func TestBadBlockLaw(t *testing.T) {
	want := media()
	for _, name := range samples {
		whole := sample(t, name)
		for off := int64(0); off < int64(len(whole)); off += 512 {
			src := source(whole)
			src[0].R = badblock.Reader{ReaderAt: src[0].R, Off: off, Len: min(512, int64(len(whole))-off)}
			law(t, fmt.Sprintf("%s block %#x", name, off), src, want, true)
		}
	}
}

// Two damaged tables leave the chunks findable.
func TestBothTablesLost(t *testing.T) {
	b := sample(t, "encase6.E01")
	for _, name := range []string{"table\x00", "table2\x00"} {
		i := bytes.Index(b, []byte(name))
		clear(b[i+76+30 : i+76+60])
	}
	r, err := ewf.Open(source(b), ewf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, r.Size())
	if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, media()) {
		t.Errorf("walking the chunks: %v", err)
	}
	if len(r.Problems()) == 0 {
		t.Error("no problem")
	}
}

// One damaged table is replaced by its copy.
func TestTableCopy(t *testing.T) {
	for _, lost := range []string{"table\x00", "table2\x00"} {
		b := sample(t, "encase6.E01")
		i := bytes.Index(b, []byte(lost))
		b[i+76+33] ^= 0x40
		r, err := ewf.Open(source(b), ewf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, r.Size())
		if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, media()) {
			t.Errorf("%q: %v", lost, err)
		}
		r.Check()
		if p := r.Problems(); len(p) != 1 {
			t.Errorf("%q: problems %v", lost, p)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, name := range samples {
		b := sample(f, name)
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ewf.Open(source(b), ewf.Options{CacheBytes: 1 << 20})
		if err != nil {
			return
		}
		defer r.Close()
		p := make([]byte, 100_000)
		for _, off := range []int64{0, 8191, r.Size() - 50_000, r.Size() / 2} {
			if off < 0 {
				continue
			}
			one, err1 := r.ReadAt(p, off)
			small := make([]byte, 700)
			n, err2 := r.ReadAt(small, off)
			if n > one || err1 == nil && err2 != nil || !bytes.Equal(small[:n], p[:n]) {
				t.Errorf("at %d: %d, %v; in a small read %d, %v", off, one, err1, n, err2)
			}
		}
		for _, x := range r.Bad() {
			if x.Off < 0 || x.Len <= 0 || x.Off+x.Len > r.Size() {
				t.Errorf("range %+v of %d", x, r.Size())
			}
		}
	})
}

func BenchmarkStream(b *testing.B) {
	src := source(sample(b, "encase6.E01"))
	b.SetBytes(102400)
	b.ReportAllocs()
	for b.Loop() {
		r, err := ewf.Open(src, ewf.Options{})
		if err != nil {
			b.Fatal(err)
		}
		digest(b, r)
		r.Close()
	}
}

func BenchmarkReadAt4K(b *testing.B) {
	r, err := ewf.Open(source(sample(b, "encase6.E01")), ewf.Options{})
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 4096)
	b.SetBytes(4096)
	b.ReportAllocs()
	off := int64(0)
	for b.Loop() {
		if _, err := r.ReadAt(p, off); err != nil {
			b.Fatal(err)
		}
		off = (off + 4096) % (96 << 10)
	}
}

// The half sector behind the media is there, and in the stored digest.
func TestTail(t *testing.T) {
	want := media()[32768:42768]
	for _, name := range []string{"tail-fast.E01", "tail-none.E01"} {
		r, err := ewf.Open(source(sample(t, name)), ewf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, r.Size())
		if _, err := r.ReadAt(got, 0); err != nil || r.Size() != 19*512 || !bytes.Equal(got, want[:19*512]) {
			t.Errorf("%s: %d bytes, %v", name, r.Size(), err)
		}
		if tail := r.Tail(); !bytes.Equal(tail, want[19*512:]) {
			t.Errorf("%s: tail of %d bytes", name, len(tail))
		}
		sum := md5.Sum(append(got, r.Tail()...))
		if d := r.Digests(); len(d) == 0 || d[0].Sum != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: stored %v", name, d)
		}
		r.Check()
		if p := r.Problems(); len(p) != 1 {
			t.Errorf("%s: %v", name, p)
		}
	}
}
