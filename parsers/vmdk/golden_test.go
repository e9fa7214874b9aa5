package vmdk_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"kanshiki/parsers/container"
)

// testdata are the files of the folder, unpacked once.
var testdata = sync.OnceValues(func() (memory, error) {
	m := memory{}
	names, err := filepath.Glob("testdata/*.gz")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(z)
		f.Close()
		if err != nil {
			return nil, err
		}
		m[strings.TrimSuffix(filepath.Base(name), ".gz")] = b
	}
	return m, nil
})

// samples gives files of testdata that a test may change.
func samples(t testing.TB, names ...string) memory {
	t.Helper()
	all, err := testdata()
	if err != nil {
		t.Fatal(err)
	}
	m := memory{}
	for _, name := range names {
		if all[name] == nil {
			t.Fatalf("no %s in testdata", name)
		}
		m[name] = bytes.Clone(all[name])
	}
	return m
}

// media is what the samples were made of.
var media = sync.OnceValue(func() []byte {
	x := uint32(0x2545F491)
	next := func() uint32 {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		return x
	}
	b := make([]byte, 0, 33<<20+70144)
	for len(b) < 100000 {
		b = fmt.Appendf(b, "line %06d of a text that compresses well\n", len(b))
	}
	b = append(b[:100000], make([]byte, 100000)...)
	for len(b) < 220000 {
		b = append(b, byte(next()))
	}
	b = b[:33<<20]
	for len(b) < 33<<20+70000 {
		b = append(b, byte(next()&7))
	}
	return b[:33<<20+70144]
})

// Digests of `qemu-img convert -O raw`, and of the medium before.
const (
	mediaSum = "ce0e5bc92e29cc7fd9c0c98fd543563e1012c7b94082d0fef354d274108bb8fb"
	snapSum  = "7db7c24252c7c4e462c9a0bf1513ead5a86d9ff70d2fca9dca64d14a64b2e23d"
	snap2Sum = "0fc27ed39c2e2cf4e6212f0dd26a0585b11250755a0566d73de73988ec8b72e9"
	zeroSum  = "7b2e7b8787c55f102d2fea9fb0724bb675f81a7dabc4b97cb9d7b77906d2fa72"
)

func TestGolden(t *testing.T) {
	m := samples(t, "mono.vmdk", "stream.vmdk", "split.vmdk", "split-s001.vmdk", "snap.vmdk", "snap2.vmdk", "zg.vmdk")
	if got := sum(t, bytes.NewReader(media()), int64(len(media()))); got != mediaSum {
		t.Fatalf("the generator gives %s", got)
	}
	for _, c := range []struct {
		name, sum, files string
		size             int64
	}{
		{"mono.vmdk", mediaSum, "mono.vmdk", 33<<20 + 70144}, {"stream.vmdk", mediaSum, "stream.vmdk", 33<<20 + 70144},
		{"split.vmdk", mediaSum, "split.vmdk split-s001.vmdk", 33<<20 + 70144},
		{"snap.vmdk", snapSum, "snap.vmdk mono.vmdk", 33<<20 + 70144},
		{"snap2.vmdk", snap2Sum, "snap2.vmdk snap.vmdk mono.vmdk", 40 << 20},
		{"zg.vmdk", zeroSum, "zg.vmdk mono.vmdk", 33<<20 + 70144},
	} {
		d, err := m.disk(c.name)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if d.Size() != c.size {
			t.Errorf("%s: size %d, want %d", c.name, d.Size(), c.size)
		}
		if got := sum(t, d, d.Size()); got != c.sum {
			t.Errorf("%s: SHA-256 %s, want %s", c.name, got, c.sum)
		}
		if got := strings.Join(d.Files(), " "); got != c.files {
			t.Errorf("%s: files %s, want %s", c.name, got, c.files)
		}
		for _, p := range d.Problems() {
			t.Errorf("%s: %+v", c.name, p)
		}
		at := int64(0)
		for r := range d.Ranges(0, d.Size()) {
			if r.Off != at || r.Kind.Bad() {
				t.Errorf("%s: range %+v at %#x", c.name, r, at)
			}
			at += r.Len
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Holes are told from stored bytes by the grain: 64 KiB.
func TestRanges(t *testing.T) {
	m := samples(t, "mono.vmdk", "stream.vmdk")
	want := []container.Range{
		{Off: 0, Len: 0x20000, Kind: container.Data}, {Off: 0x20000, Len: 0x10000, Kind: container.Zero},
		{Off: 0x30000, Len: 0x10000, Kind: container.Data}, {Off: 0x40000, Len: 33<<20 - 0x40000, Kind: container.Zero},
		{Off: 33 << 20, Len: 70144, Kind: container.Data}}
	for name := range m {
		d, err := m.disk(name)
		if err != nil {
			t.Fatal(err)
		}
		var got []container.Range
		for r := range d.Ranges(0, d.Size()) {
			got = append(got, r)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		d.Close()
	}
}

func TestFields(t *testing.T) {
	d, err := samples(t, "snap.vmdk", "mono.vmdk").disk("snap.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range d.Fields() {
		got[f.Name] = f.Value
	}
	for name, want := range map[string]string{"version": "1", "CID": "4704a56f", "createType": "monolithicSparse",
		"parentFileNameHint": "mono.vmdk", "ddb.geometry.cylinders": "67", "ddb.adapterType": "ide", "ddb.toolsVersion": "2147483647",
		"extent 1": "RW 67721 SPARSE snap.vmdk", "parent 1": "mono.vmdk, CID " + got["parentCID"]} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
}

// compare reads a disk in places and tells what is wrong with it: how much
// differs without an error, and how much is named as bad.
func compare(t testing.TB, d io.ReaderAt, want []byte, places []int64) (silent, bad int64) {
	t.Helper()
	const n = 1 << 16
	p := make([]byte, n)
	for _, off := range places {
		part := want[off:min(off+n, int64(len(want)))]
		for i := range p {
			p[i] = 0xA5
		}
		_, err := d.ReadAt(p[:len(part)], off)
		e, ok := errors.AsType[*container.Error](err)
		switch {
		case err == nil || err == io.EOF:
		case !ok:
			t.Errorf("at %#x: %v", off, err)
		default:
			part = bytes.Clone(part)
			for _, r := range e.Ranges {
				clear(part[r.Off-off : r.Off-off+r.Len])
				bad += r.Len
			}
		}
		if !bytes.Equal(p[:len(part)], part) {
			silent++
		}
	}
	return silent, bad
}

// grains are where the medium holds something, and some places where not.
func grains() []int64 {
	return []int64{0, 1 << 16, 2 << 16, 3 << 16, 4 << 16, 31 << 20, 32 << 20, 33<<20 - 1<<16, 33 << 20, 33<<20 + 1<<16}
}
