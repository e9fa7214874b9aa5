package olecf

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// sample is a jump list of Windows 10 with a DestList and nine links.
func sample(t testing.TB) []byte {
	b, err := os.ReadFile("testdata/nine.automaticDestinations-ms")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(b []byte) (*File, error) { return Open(bytes.NewReader(b), int64(len(b))) }

const want = "1 2 3 4 5 6 7 8 9 DestList" // in the order of the tree

// TestSample holds what olecfinfo 20181231 prints.
func TestSample(t *testing.T) {
	f, err := open(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range f.Entries {
		names = append(names, e.FullName())
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("entries %s", got)
	}
	for _, c := range []struct {
		name string
		size int64
	}{{"DestList", 1812}, {"1", 678}} {
		e, ok := f.Stream(c.name)
		if !ok || e.Size != c.size {
			t.Fatalf("%s: %v %v", c.name, ok, e)
		}
		b, err := e.Read(0)
		if err != nil || int64(len(b)) != c.size {
			t.Errorf("%s: %d bytes, %v", c.name, len(b), err)
		}
		if b, err := e.Read(10); err == nil || len(b) != 10 {
			t.Errorf("%s over the limit: %d bytes, %v", c.name, len(b), err)
		}
	}
	if _, ok := f.Stream("destlist"); !ok {
		t.Error("names are compared by case")
	}
}

// TestTruncation: a file that is cut does not open, or its streams say what
// they lost.
func TestTruncation(t *testing.T) {
	whole := sample(t)
	for n := 0; n < len(whole)-511; n += 97 {
		f, err := open(whole[:n])
		if err != nil {
			continue
		}
		lost := false
		for _, e := range f.Entries {
			if _, err := e.Read(0); err != nil {
				lost = true
			}
		}
		if !lost && len(f.Entries) < strings.Count(want, " ")+1 {
			t.Errorf("cut at %d: %d entries, loss is silent", n, len(f.Entries))
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(sample(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := open(b)
		if err != nil {
			return
		}
		for _, e := range file.Entries[:min(len(file.Entries), 64)] {
			if b2, _ := e.Read(0); len(b2) > len(b) {
				t.Errorf("%s: %d bytes of a file of %d", e.FullName(), len(b2), len(b))
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	data := sample(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := open(data)
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range f.Entries {
			if _, err := e.Read(0); err != nil {
				b.Fatal(err)
			}
		}
	}
}
