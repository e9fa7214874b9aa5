package propstore

import (
	"encoding/hex"
	"strings"
	"testing"
)

// store holds one string in the set of application identifiers (AppUserModel,
// number 5), laid out by hand after [MS-PROPSTORE] 2.2 and 2.3.
const store = "3d000000 31535053 55284c9f799f394ba8d0e1d42de1d5f3" +
	"21000000 05000000 00 1f00 0000 05000000 610062006300640000000000" + "00000000" + "00000000"

func bytesOf(t testing.TB) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(store, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	b[0] = byte(len(b) - 4)
	return b
}

func TestParse(t *testing.T) {
	props, err := Parse(bytesOf(t), 0)
	if err != nil || len(props) != 1 {
		t.Fatal(props, err)
	}
	if p := props[0]; p.Key() != "9f4c2855-9f79-4b39-a8d0-e1d42de1d5f3/5" || p.Value != "abcd" || p.Type != 31 {
		t.Errorf("%+v", p)
	}
}

func TestTruncation(t *testing.T) {
	whole := bytesOf(t)
	for n := 4; n < len(whole)-4; n++ { // a store may end without the empty storage
		if props, err := Parse(whole[:n], 0); err == nil {
			t.Errorf("cut at %d: %v, loss is silent", n, props)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(bytesOf(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		props, _ := Parse(b, 0)
		if len(props) > len(b)/9 {
			t.Errorf("%d properties in %d bytes", len(props), len(b))
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data := bytesOf(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data, 0); err != nil {
			b.Fatal(err)
		}
	}
}
