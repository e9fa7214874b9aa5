package msiecf

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func items(t testing.TB, b []byte) []Item {
	t.Helper()
	f, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	var out []Item
	for i, err := range f.Items() {
		if err != nil {
			t.Error(err)
		}
		out = append(out, i)
	}
	if len(f.Damage) > 0 {
		t.Error(f.Damage)
	}
	return out
}

func drain(b []byte) (n, errs int) {
	f, err := Parse(b)
	if err != nil {
		return 0, 1
	}
	for _, err := range f.Items() {
		if err != nil {
			errs++
		} else {
			n++
		}
	}
	return n, errs + len(f.Damage)
}

const second = 10000000

func TestSamples(t *testing.T) {
	daily := items(t, sample(t, "daily.dat"))
	if len(daily) != 23 {
		t.Fatalf("%d items", len(daily))
	}
	// 2013-03-10 09:38:51.619 and 10:38:51.619
	const nine = (1362908331*second + 116444736000000000) + 6190000
	if i := daily[0]; i.Location != ":2013031020130311: -@http://windowsupdate.microsoft.com/windowsupdate/v6/default.aspx" || i.Primary != nine || i.Secondary != nine+3600*second ||
		i.Checked != nine-6190000+second || i.DirIndex != 0xfe || i.Off != 20480 || i.Length != 256 || i.Hits != 1 {
		t.Errorf("%+v", i)
	}
	content := items(t, sample(t, "content.dat"))
	kinds := map[Kind]int{}
	for _, i := range content {
		kinds[i.Kind]++
	}
	if len(content) != 35 || kinds[URL] != 21 || kinds[Redirect] != 14 {
		t.Errorf("%v", kinds)
	}
	if i := content[0]; i.Location != "http://static-hp-neu.s-msn.com/sc/54/4f1880.ico" || i.File != "4f1880[1].ico" || i.Dir != "ENG3X4ZR" || i.Size != 4286 ||
		!strings.HasPrefix(string(i.Data), "HTTP/1.1 200 OK\r\n") {
		t.Errorf("%+v", i)
	}
}

// TestCorpus: items and recovered items by msiecfinfo.
func TestCorpus(t *testing.T) {
	for _, r := range corpus.Truth(t, "indexdat") {
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+r["file"]))
		if err != nil {
			t.Error(err)
			continue
		}
		live, recovered := 0, 0
		kinds := map[string]int{}
		for _, i := range items(t, b) {
			if i.Recovered {
				recovered++
				continue
			}
			live++
			kinds[map[Kind]string{URL: "url", Redirect: "redirected", Leak: "leak"}[i.Kind]]++
		}
		if strconv.Itoa(live) != r["items"] || strconv.Itoa(recovered) != r["recovered"] {
			t.Errorf("%s: %d and %d, want %s and %s", r["file"], live, recovered, r["items"], r["recovered"])
		}
		for _, part := range strings.Fields(r["item_types"]) {
			kind, n, _ := strings.Cut(part, ":")
			if strconv.Itoa(kinds[kind]) != n {
				t.Errorf("%s: %d of %s, want %s", r["file"], kinds[kind], kind, n)
			}
		}
	}
}

func TestTruncation(t *testing.T) {
	for _, name := range []string{"daily.dat", "content.dat"} {
		whole := sample(t, name)
		want, errs := drain(whole)
		if errs != 0 {
			t.Fatal(name, errs)
		}
		r := rand.New(rand.NewPCG(1, 2))
		cuts := []int{0, 1, 24, 28, 80, 0x250, 0x3fff, 0x4000}
		for range 200 {
			cuts = append(cuts, r.IntN(len(whole)))
		}
		for _, n := range cuts {
			if got, errs := drain(whole[:n]); got < want && errs == 0 {
				t.Errorf("%s cut at %d: %d of %d, loss is silent", name, n, got, want)
			}
		}
	}
}

// TestRecovered: a record whose blocks were freed comes back, one whose
// signature is gone is told.
func TestRecovered(t *testing.T) {
	b := bytes.Clone(sample(t, "daily.dat"))
	n := (20480 - blockArea) / blockSize
	b[bitmap+n/8] &^= 3 << (n % 8)
	got := items(t, b)
	if len(got) != 23 || !got[0].Recovered || got[0].Partial {
		t.Errorf("%d items, %+v", len(got), got[0])
	}
	b = bytes.Clone(sample(t, "daily.dat"))
	copy(b[20480:], "xxxx")
	if got, errs := drain(b); got != 22 || errs != 1 {
		t.Errorf("%d items, %d errors", got, errs)
	}
	b = bytes.Clone(sample(t, "daily.dat"))
	binary.LittleEndian.PutUint32(b[20480+4:], 1<<30)
	if got, errs := drain(b); got > 22 || errs == 0 {
		t.Errorf("%d items, %d errors", got, errs)
	}
	if _, err := Parse(append([]byte("Client UrlCache MMF Ver 4.7\x00"), make([]byte, 1000)...)); err == nil {
		t.Error("version 4.7 was read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample(f, "daily.dat"))
	f.Add(sample(f, "content.dat"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, _ := drain(b); n > len(b) {
			t.Fatalf("%d items of %d bytes", n, len(b))
		}
	})
}

func BenchmarkItems(b *testing.B) {
	data := sample(b, "content.dat")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if n, _ := drain(data); n != 35 {
			b.Fatal(n)
		}
	}
}
