package destlist

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

func sample(t testing.TB, name string) []byte {
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestParse holds the counts of the truth table and values read off the bytes.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		file    string
		version uint32
		entries int
		pinned  uint32
		first   Entry
		droid   string
	}{
		{"v1.destlist", 1, 4, 0, Entry{Host: "win81x64", ID: 4, Modified: 0x01d150a3f27df13f, Pin: -1,
			Path: `::{031E4825-7B94-4DC3-B131-E946B44C8DD5}\Videos.library-ms`}, "2238b21d-bc97-11e5-8250-00155d016d0d"},
		{"v3.destlist", 3, 9, 4, Entry{Host: "desktop-annfp9d", ID: 7, Modified: 0x01d126f71c53a075, Pin: -1, Count: 2,
			Path: `C:\Temp`}, "a21b9d4a-92da-11e5-88e1-00155d016d02"},
	} {
		l, err := Parse(sample(t, c.file))
		if err != nil || len(l.Damage) > 0 {
			t.Fatalf("%s: %v %v", c.file, err, l)
		}
		if l.Version != c.version || len(l.Entries) != c.entries || l.Pinned != c.pinned {
			t.Errorf("%s: version %d, %d entries, %d pinned", c.file, l.Version, len(l.Entries), l.Pinned)
		}
		e, w := l.Entries[0], c.first
		if e.Host != w.Host || e.ID != w.ID || e.Modified != w.Modified || e.Pin != w.Pin || e.Count != w.Count || e.Path != w.Path || e.File.String() != c.droid {
			t.Errorf("%s: first entry %+v, droid %s", c.file, e, e.File)
		}
		pinned := uint32(0)
		for _, e := range l.Entries {
			if e.Pin >= 0 {
				pinned++
			}
		}
		if pinned != l.Pinned {
			t.Errorf("%s: %d entries are pinned, header says %d", c.file, pinned, l.Pinned)
		}
	}
	if l, err := Parse(nil); err != nil || len(l.Entries) != 0 {
		t.Errorf("empty: %v %v", l, err)
	}
	b := sample(t, "v1.destlist")
	b[0] = 9
	if _, err := Parse(b); !errors.Is(err, ErrVersion) {
		t.Errorf("version 9: %v", err)
	}
}

// oneLink tells the length of the links in the custom sample by the class that
// begins the next one, or by the footer.
func oneLink(b []byte) int64 {
	if !bytes.HasPrefix(b, []byte{0x4C, 0, 0, 0}) || len(b) < 76 {
		return 0
	}
	for n := 76; n+4 <= len(b); n++ {
		if bytes.HasPrefix(b[n:], linkClass) || bytes.HasPrefix(b[n:], []byte{0xAB, 0xFB, 0xBF, 0xBA}) {
			return int64(n)
		}
	}
	return 0
}

const custom = "368d807282ccde9d.customDestinations-ms"

func TestCustom(t *testing.T) {
	f, err := ParseCustom(sample(t, custom), oneLink)
	if err != nil || len(f.Damage) > 0 {
		t.Fatal(err, f)
	}
	links := 0
	for _, c := range f.Categories {
		links += len(c.Links)
	}
	// Five categories by the header, three links by their signatures.
	if f.Declared != 5 || len(f.Categories) != 5 || links != 3 || f.Categories[0].Name != "My Category 1" {
		t.Errorf("%d categories, %d links: %+v", len(f.Categories), links, f.Categories)
	}
}

func TestTruncation(t *testing.T) {
	for _, name := range []string{"v1.destlist", "v3.destlist"} {
		whole := sample(t, name)
		for n := 1; n < len(whole); n++ {
			if l, err := Parse(whole[:n]); err == nil && len(l.Damage) == 0 {
				t.Errorf("%s cut at %d: loss is silent", name, n)
			}
		}
	}
	whole := sample(t, custom)
	for n := range whole {
		if f, err := ParseCustom(whole[:n], oneLink); err == nil && len(f.Damage) == 0 {
			t.Errorf("custom cut at %d: loss is silent", n)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample(f, "v1.destlist"))
	f.Add(sample(f, "v3.destlist"))
	f.Fuzz(func(t *testing.T, b []byte) { Parse(b) })
}

func FuzzParseCustom(f *testing.F) {
	f.Add(sample(f, custom))
	f.Fuzz(func(t *testing.T, b []byte) { ParseCustom(b, oneLink) })
}

func BenchmarkParse(b *testing.B) {
	data := sample(b, "v3.destlist")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
