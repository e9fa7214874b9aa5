package xpress

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

func fromHex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const alphabet = "abcdefghijklmnopqrstuvwxyz"

// plainVectors are the examples of [MS-XCA] 3.1 and 3.2 for plain LZ77.
var plainVectors = []struct{ packed, want string }{
	{"3f 00 00 00 6162636465666768696a6b6c6d6e6f707172737475767778797a", alphabet},
	{"ff ff ff 1f 61 62 63 17 00 0f ff 26 01", strings.Repeat("abc", 100)},
}

func TestPlain(t *testing.T) {
	for _, v := range plainVectors {
		src := fromHex(t, v.packed)
		dst := make([]byte, len(v.want))
		if n, err := Plain(dst, src); err != nil || string(dst[:n]) != v.want {
			t.Errorf("%q, %v", dst[:n], err)
		}
		for cut := range len(src) {
			if n, err := Plain(dst, src[:cut]); err == nil || !strings.HasPrefix(v.want, string(dst[:n])) {
				t.Errorf("cut at %d: %q, %v", cut, dst[:n], err)
			}
		}
	}
}

// packed are streams made by libwim 1.13.6 (level 50), with the digests of
// what it was given.
var packed = []struct {
	name string
	size int
	sum  string
}{
	{"text", 11000, "554fffa1f761a0c72529e0c8fec94e118810276715b94cfadcaac12f43e46c9d"},
	{"zeros", 65536, "de2f256064a0af797747c2b97505dc0b9f3df0de4f489eac731c23ae9ca9cc31"},
	{"runs", 65536, "74c24919da60867597c734d1e89c2fab8b5490d96a51d0f9af31a1f64c36310a"},
}

func sample(t testing.TB, name string) []byte {
	b, err := os.ReadFile("testdata/" + name + ".xh")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHuffman(t *testing.T) {
	for _, p := range packed {
		dst := make([]byte, p.size)
		n, err := Huffman(dst, sample(t, p.name))
		if sum := fmt.Sprintf("%x", sha256.Sum256(dst)); err != nil || n != p.size || sum != p.sum {
			t.Errorf("%s: %d bytes, %v, digest %s", p.name, n, err, sum)
		}
	}
}

// TestHuffmanCut: a stream that ends early gives an error, and only bytes that
// are right. (The last bytes of a stream may hold nothing that is needed.)
func TestHuffmanCut(t *testing.T) {
	src := sample(t, "text")
	whole := make([]byte, 11000)
	if _, err := Huffman(whole, src); err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < len(src); cut++ {
		if cut == 300 {
			cut = len(src) - 100 // what lies between is no border of the format
		}
		dst := make([]byte, len(whole))
		if n, err := Huffman(dst, src[:cut]); err == nil && n < len(dst) || !bytes.Equal(dst[:n], whole[:n]) {
			t.Fatalf("cut at %d: %d bytes, %v", cut, n, err)
		}
	}
}

func TestHuffmanRefuses(t *testing.T) {
	full := bytes.Repeat([]byte{0x99}, 256) // 512 codes of nine bits: a full table
	over := append([]byte{0x11}, bytes.Repeat([]byte{0x99}, 255)...)
	under := append([]byte{0x90}, full[1:]...)
	// Nine bits of the first word are the code; 0x1FF is symbol 511, a match
	// that reaches 32 KiB or more back.
	far := append(append([]byte(nil), full...), 0xFF, 0xFF, 0xFF, 0xFF, 1, 0xFF, 0xFF)
	for _, c := range []struct {
		name string
		src  []byte
		want string
	}{
		{"too many codes", over, "of 32768 codes"},
		{"codes unused", under, "of 32768 codes"},
		{"no codes", make([]byte, 256), "of 32768 codes"},
		{"match before the start", far, "back"},
		{"short table", full[:200], "need 256 bytes"},
	} {
		if _, err := Huffman(make([]byte, 100), c.src); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func FuzzHuffman(f *testing.F) {
	for _, p := range packed {
		f.Add(sample(f, p.name), uint32(p.size))
	}
	f.Fuzz(func(t *testing.T, src []byte, size uint32) {
		dst := make([]byte, size%(1<<18))
		if n, err := Huffman(dst, src); (err == nil) != (n == len(dst)) {
			t.Errorf("%d of %d bytes, %v", n, len(dst), err)
		}
	})
}

func FuzzPlain(f *testing.F) {
	for _, v := range plainVectors {
		f.Add(fromHex(f, v.packed), uint32(len(v.want)))
	}
	f.Fuzz(func(t *testing.T, src []byte, size uint32) {
		dst := make([]byte, size%(1<<18))
		if n, err := Plain(dst, src); (err == nil) != (n == len(dst)) {
			t.Errorf("%d of %d bytes, %v", n, len(dst), err)
		}
	})
}

func BenchmarkHuffman(b *testing.B) {
	for _, p := range packed {
		b.Run(p.name, func(b *testing.B) {
			src, dst := sample(b, p.name), make([]byte, p.size)
			b.SetBytes(int64(p.size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Huffman(dst, src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
