package inflate

import (
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// plain are buffers of many kinds.
func plain() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 40000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	nibble := make([]byte, 33000)
	for i := range nibble {
		nibble[i] = byte(r.ExpFloat64() * 9)
	}
	var text strings.Builder
	for i := range 900 {
		fmt.Fprintf(&text, "line %d: %x went to %d\n", i, r.Uint32()>>20, r.IntN(100))
	}
	short := make([]byte, 0, 4000)
	for len(short) < 4000 {
		short = append(short, "abcdefg"[:1+r.IntN(7)]...)
		short = append(short, bytes.Repeat([]byte{'x', 'y', 'z'}[:1+r.IntN(3)], r.IntN(90))...)
	}
	return map[string][]byte{"empty": {}, "one": {7}, "zeros": make([]byte, 32768), "noise": noise,
		"nibble": nibble, "text": []byte(text.String()), "short": short, "mixed": append(append(bytes.Clone(noise[:3000]), text.String()...), make([]byte, 5000)...)}
}

func deflate(t testing.TB, b []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zlib.NewWriterLevel(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func TestAgainstTheStandardLibrary(t *testing.T) {
	var d Decoder
	for name, want := range plain() {
		for level := -2; level <= 9; level++ {
			z := deflate(t, want, level)
			for _, tail := range []string{"", "x", "tail of other bytes, twenty or more"} {
				got := make([]byte, len(want))
				n, used, err := d.Zlib(got, append(bytes.Clone(z), tail...))
				if err != nil || n != len(want) || used != len(z) || !bytes.Equal(got, want) {
					t.Errorf("%s level %d: %d of %d bytes, used %d of %d, %v", name, level, n, len(want), used, len(z), err)
				}
			}
			if len(want) > 0 {
				if _, _, err := d.Zlib(make([]byte, len(want)-1), z); !errors.Is(err, ErrTooLong) {
					t.Errorf("%s level %d, small buffer: %v", name, level, err)
				}
			}
			if n, _, err := d.Zlib(make([]byte, len(want)+1000), z); n != len(want) || err != nil {
				t.Errorf("%s level %d, large buffer: %d, %v", name, level, n, err)
			}
		}
	}
}

// Streams that zlib made (libz 1.2.13, by Python): fixed codes and stored
// blocks.
func TestMadeByZlib(t *testing.T) {
	for _, c := range []struct{ z, plain string }{
		{"789ccb48cdc9c9574884020027ad053d", "hello aaaaaaaa"},
		{"7801010300fcff616263024d0127", "abc"},
		{"789c030000000001", ""},
	} {
		z, err := hex.DecodeString(c.z)
		if err != nil {
			t.Fatal(err)
		}
		var d Decoder
		got := make([]byte, 100)
		if n, used, err := d.Zlib(got, z); err != nil || string(got[:n]) != c.plain || used != len(z) {
			t.Errorf("%s: %q, used %d, %v", c.z, got[:n], used, err)
		}
	}
}

// Any cut is an error, and so is any flipped bit that changes the output.
func TestDamage(t *testing.T) {
	var d Decoder
	r := rand.New(rand.NewPCG(2, 2))
	for name, want := range plain() {
		z := deflate(t, want, 6)
		got := make([]byte, len(want))
		for range 300 {
			if _, _, err := d.Zlib(got, z[:r.IntN(len(z))]); err == nil {
				t.Errorf("%s: a cut stream is taken", name)
			}
			b := bytes.Clone(z)
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			if n, _, err := d.Zlib(got, b); err == nil && !bytes.Equal(got[:n], want) {
				t.Errorf("%s: a damaged stream is taken", name)
			}
		}
	}
}

// Sum is what the standard library says, at every length, for bytes that fill
// the lanes too.
func TestSum(t *testing.T) {
	full := bytes.Repeat([]byte{0xFF}, 3<<20)
	noise := plain()["noise"]
	for n := range 2000 {
		for _, b := range [][]byte{full[:n], noise[:n], noise[n%7 : 20*n%40000+7]} {
			if got, want := Sum(b), adler32.Checksum(b); got != want {
				t.Fatalf("%d bytes: %08x, expected %08x", len(b), got, want)
			}
		}
	}
	for _, b := range [][]byte{full, noise, nil} {
		if got, want := Sum(b), adler32.Checksum(b); got != want {
			t.Errorf("%d bytes: %08x, expected %08x", len(b), got, want)
		}
	}
	if got := Sum([]byte("Wikipedia")); got != 0x11E60398 { // by hand
		t.Errorf("%08x", got)
	}
}

func BenchmarkSum(b *testing.B) {
	chunk := plain()["noise"][:32<<10]
	for name, sum := range map[string]func([]byte) uint32{"here": Sum, "standard library": adler32.Checksum} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(chunk)))
			for b.Loop() {
				sum(chunk)
			}
		})
	}
}

// FuzzZlib compares with the standard library: what one takes the other takes,
// with the same bytes.
func FuzzZlib(f *testing.F) {
	for _, b := range plain() {
		for _, level := range []int{-2, 0, 1, 9} {
			f.Add(deflate(f, b[:min(len(b), 3000)], level))
		}
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, b []byte) {
		const size = 5000
		got := make([]byte, size)
		n, used, err := d.Zlib(got, b)
		if used < 0 || used > len(b) || n > size {
			t.Fatalf("%d of %d used, %d out", used, len(b), n)
		}
		r, e := zlib.NewReader(bytes.NewReader(b))
		if e != nil {
			if err == nil {
				t.Errorf("the standard library refuses this: %v", e)
			}
			return
		}
		want, e := io.ReadAll(io.LimitReader(r, size+1))
		if len(want) > size {
			return
		}
		if (e == nil) != (err == nil) || e == nil && !bytes.Equal(got[:n], want) {
			t.Errorf("the standard library: %d bytes, %v; here %d bytes, %v", len(want), e, n, err)
		}
	})
}

func BenchmarkZlib(b *testing.B) {
	for _, name := range []string{"text", "nibble", "zeros", "noise"} {
		want := plain()[name]
		z := deflate(b, want, 6)
		b.Run(name, func(b *testing.B) {
			var d Decoder
			got := make([]byte, len(want))
			b.SetBytes(int64(len(want)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := d.Zlib(got, z); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
