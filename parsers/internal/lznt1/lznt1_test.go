package lznt1

import (
	"bytes"
	"os"
	"testing"

	"kanshiki/fixtures/corpus"
)

// The example of [MS-XCA] 3.3.
var (
	specPacked = []byte{
		0x38, 0xb0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xa2, 0x47, 0x01,
		0xa0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xc0, 0x45, 0x20, 0x05, 0x24,
		0x13, 0x88, 0x05, 0xb4, 0x02, 0x4a, 0x44, 0xef, 0x03, 0x58, 0x02, 0x8c, 0x09, 0x16, 0x01, 0x48,
		0x45, 0x00, 0xbe, 0x00, 0x9e, 0x00, 0x04, 0x01, 0x18, 0x90, 0x00,
	}
	specPlain = "F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# G F# E D E A F# F# G A A G F# E D D E F# E D D\x00"
)

func TestSpecification(t *testing.T) {
	dst := make([]byte, len(specPlain))
	n, err := Decompress(dst, specPacked)
	if err != nil || n != len(specPlain) || string(dst) != specPlain {
		t.Errorf("got %d bytes, error %v:\n%q", n, err, dst)
	}
}

func TestRealUnit(t *testing.T) {
	packed, err := os.ReadFile(corpus.Path(t, "images/ntfs-parts/ntfs-forensic/lznt1_real.bin"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := os.ReadFile(corpus.Path(t, "images/ntfs-parts/ntfs-forensic/lznt1_real.expected"))
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, len(plain))
	if n, err := Decompress(dst, packed); err != nil || n != len(plain) || !bytes.Equal(dst, plain) {
		t.Errorf("got %d of %d bytes, error %v", n, len(plain), err)
	}
}

func TestChunks(t *testing.T) {
	for _, tc := range []struct {
		name  string
		src   []byte
		room  int
		n     int
		bad   bool
		first string
	}{
		{"nothing", nil, 10, 0, false, ""},
		{"end mark", []byte{0, 0, 1, 2}, 10, 0, false, ""},
		{"stored", []byte{2, 0x30, 'a', 'b', 'c'}, 10, 3, false, "abc"},
		{"stored, cut", []byte{9, 0x30, 'a', 'b', 'c'}, 10, 3, true, "abc"},
		{"short chunk before another", append([]byte{2, 0x30, 'a', 'b', 'c'}, 0, 0x30, 'd'), 5000, 4097, false, "abc\x00"},
		{"reference before the chunk", []byte{3, 0xB0, 2, 'a', 0, 0xFF}, 10, 1, true, "a"},
		{"half a reference", []byte{2, 0xB0, 2, 'a', 0}, 10, 1, true, "a"},
		{"flags without data", []byte{0, 0xB0, 0}, 10, 0, false, ""},
		{"more than room", []byte{3, 0x30, 'a', 'b', 'c', 'd'}, 2, 2, false, "ab"},
	} {
		dst := make([]byte, tc.room)
		n, err := Decompress(dst, tc.src)
		if n != tc.n || (err != nil) != tc.bad || !bytes.HasPrefix(dst, []byte(tc.first)) {
			t.Errorf("%s: got %d bytes, error %v; want %d", tc.name, n, err, tc.n)
		}
	}
}

func TestTruncation(t *testing.T) {
	dst := make([]byte, len(specPlain))
	// The last two bytes of the example are the end mark.
	for i := 1; i < len(specPacked)-1; i++ {
		if n, err := Decompress(dst, specPacked[:i]); n == len(specPlain) && i < len(specPacked)-2 || n < len(specPlain) && err == nil && i > 1 {
			t.Errorf("cut at %d: %d bytes, error %v", i, n, err)
		}
	}
}

func FuzzDecompress(f *testing.F) {
	f.Add(specPacked)
	f.Add([]byte{2, 0x30, 'a', 'b', 'c'})
	f.Fuzz(func(t *testing.T, src []byte) {
		dst := make([]byte, 16*ChunkSize)
		if n, _ := Decompress(dst, src); n < 0 || n > len(dst) || !allZero(dst[n:]) {
			t.Errorf("%d bytes", n)
		}
	})
}

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

func BenchmarkDecompress(b *testing.B) {
	dst := make([]byte, ChunkSize)
	b.SetBytes(int64(len(specPlain)))
	b.ReportAllocs()
	for b.Loop() {
		Decompress(dst, specPacked)
	}
}
