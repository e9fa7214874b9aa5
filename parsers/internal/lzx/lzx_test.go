package lzx

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"testing"
)

// samples are WofCompressedData streams made by another compressor; sizes and
// digests are those of the files before.
var samples = []struct {
	file, sha256 string
	size         int
}{
	{"wof_2.bin", "55914279ef9945dabf678eb1377eb9e59d0de1d0059cb8aefffdd60a670848e0", 32767},
	{"wof_9.bin", "6c7fea97f603f7711101dce37d057770e7e2d759cc30009c331c8bac3e454260", 45000},
	{"wof_10.bin", "78a77bba34f3ef0b3aab3c279e6f6f4a0e92c5b7f23afa16264335ab7d7198bb", 180000},
}

// chunks splits a stream by the table in front of it.
func chunks(t testing.TB, file string, size int) (packed [][]byte, plain []int) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	n := (size-1)/ChunkSize + 1
	data := b[4*(n-1):]
	at := 0
	for i := range n {
		end := len(data)
		if i < n-1 {
			end = int(binary.LittleEndian.Uint32(b[4*i:]))
		}
		packed = append(packed, data[at:end])
		plain = append(plain, min(ChunkSize, size-i*ChunkSize))
		at = end
	}
	return packed, plain
}

func TestDecompress(t *testing.T) {
	for _, s := range samples {
		packed, plain := chunks(t, s.file, s.size)
		h := sha256.New()
		for i, p := range packed {
			dst := make([]byte, plain[i])
			if n, err := Decompress(dst, p); err != nil || n != len(dst) {
				t.Errorf("%s: chunk %d: %d of %d bytes, %v", s.file, i, n, len(dst), err)
			}
			h.Write(dst)
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != s.sha256 {
			t.Errorf("%s: %s, want %s", s.file, got, s.sha256)
		}
	}
}

func TestTruncation(t *testing.T) {
	packed, plain := chunks(t, "wof_10.bin", 180000)
	for i := range packed[0] {
		dst := make([]byte, plain[0])
		n, err := Decompress(dst, packed[0][:i])
		// The last word may hold nothing but padding.
		if err == nil && i < len(packed[0])-2 || err != nil && n >= len(dst) {
			t.Errorf("cut at %d: %d bytes, %v", i, n, err)
		}
	}
	if _, err := Decompress(make([]byte, ChunkSize+1), nil); err == nil {
		t.Error("a chunk larger than the window")
	}
}

func FuzzDecompress(f *testing.F) {
	for _, s := range samples {
		packed, plain := chunks(f, s.file, s.size)
		f.Add(packed[0], uint16(plain[0]))
	}
	f.Fuzz(func(t *testing.T, src []byte, size uint16) {
		dst := make([]byte, min(int(size), ChunkSize))
		if n, err := Decompress(dst, src); n > len(dst) || err == nil && n != len(dst) {
			t.Errorf("%d of %d bytes, %v", n, len(dst), err)
		}
	})
}

func BenchmarkDecompress(b *testing.B) {
	packed, plain := chunks(b, "wof_9.bin", 45000)
	dst := make([]byte, plain[0])
	b.SetBytes(int64(len(dst)))
	b.ReportAllocs()
	for b.Loop() {
		Decompress(dst, packed[0])
	}
}
