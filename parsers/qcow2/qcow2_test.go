package qcow2

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/badblock"
)

// samples are the files of testdata and the SHA-256 of their media, as
// qemu-img reads them.
var samples = []struct{ name, snapshot, sum string }{
	{"v2.qcow2", "", "434b015b404fa89599689db78bd535de73b519347605c1077613db39650b7d21"},
	{"v3.qcow2", "", "434b015b404fa89599689db78bd535de73b519347605c1077613db39650b7d21"},
	{"zlib.qcow2", "", "434b015b404fa89599689db78bd535de73b519347605c1077613db39650b7d21"},
	{"zstd.qcow2", "", "434b015b404fa89599689db78bd535de73b519347605c1077613db39650b7d21"},
	{"over.qcow2", "", "bd92235bbdf36797d27005a6885807bb6410e2ca741f70ed0cea4bea34e9c84c"},
	{"sub.qcow2", "", "f973e7d8b91884293d4d3536a97e4ff9fef7655e1515b37b7b049e4e5ed2ec5d"},
	{"ext.qcow2", "", "444b1e747476c39c29a57a6ec67d796fc0b3c56d7f5be140dfd0308b9bb66edb"},
	{"snap.qcow2", "", "1e5d82a4620f839f5d8e0762efb2dd08a059ed046d71b3b076e5dec1d074435c"},
	{"snap.qcow2", "before", "434b015b404fa89599689db78bd535de73b519347605c1077613db39650b7d21"},
	{"snap.qcow2", "1", "434b015b404fa89599689db78bd535de73b519347605c1077613db39650b7d21"},
}

func load(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// beside opens the files of testdata by name.
func beside(name, _ string) (container.File, error) {
	b, err := os.ReadFile(filepath.Join("testdata", filepath.Base(name)))
	return container.File{Name: name, R: bytes.NewReader(b), Size: int64(len(b))}, err
}

func open(b []byte, snapshot string) (*Reader, error) {
	return Open(container.File{Name: "disk", R: bytes.NewReader(b), Size: int64(len(b))}, Options{Open: beside, Snapshot: snapshot})
}

// media reads all of a disk, and the ranges that cannot be given.
func media(r *Reader) ([]byte, []container.Range) {
	b := make([]byte, r.Size())
	_, err := r.ReadAt(b, 0)
	if e, ok := errors.AsType[*container.Error](err); ok {
		return b, e.Ranges
	}
	return b, nil
}

func TestSamples(t *testing.T) {
	for _, s := range samples {
		r, err := open(load(t, s.name), s.snapshot)
		if err != nil {
			t.Fatal(s.name, err)
		}
		b, bad := media(r)
		sum := sha256.Sum256(b)
		if hex.EncodeToString(sum[:]) != s.sum || len(bad) > 0 || len(r.Problems()) > 0 {
			t.Errorf("%s %s: %x, bad %v, problems %v", s.name, s.snapshot, sum, bad, r.Problems())
		}
		// Small reads at odd places, as a file system makes them.
		rnd := rand.New(rand.NewPCG(1, 1))
		for range 300 {
			off := rnd.Int64N(int64(len(b)))
			p := make([]byte, rnd.IntN(9000))
			n, _ := r.ReadAt(p, off)
			if !bytes.Equal(p[:n], b[off:min(off+int64(len(p)), int64(len(b)))]) {
				t.Fatalf("%s: other bytes at %d", s.name, off)
			}
		}
		r.Close()
	}
}

func TestSnapshots(t *testing.T) {
	r, err := open(load(t, "snap.qcow2"), "")
	if err != nil {
		t.Fatal(err)
	}
	s := r.Snapshots()
	if len(s) != 1 || s[0].ID != "1" || s[0].Name != "before" || s[0].Size != 192<<10 {
		t.Errorf("%+v", s)
	}
	if _, err := open(load(t, "snap.qcow2"), "after"); err == nil {
		t.Error("a snapshot that is not there")
	}
}

// What lies in a file that is missing is not known, and no zeros.
func TestMissing(t *testing.T) {
	for _, c := range []struct {
		name   string
		stored int64 // where the disk stores something itself
	}{{"over.qcow2", 20480}, {"ext.qcow2", -1}} {
		b := load(t, c.name)
		r, err := Open(container.File{R: bytes.NewReader(b), Size: int64(len(b))},
			Options{Open: func(string, string) (container.File, error) { return container.File{}, fs.ErrNotExist }})
		if err != nil {
			t.Fatal(err)
		}
		_, bad := media(r)
		if len(bad) == 0 || bad[0].Kind != container.Unknown || len(r.Problems()) == 0 {
			t.Errorf("%s: bad %v, problems %v", c.name, bad, r.Problems())
		}
		if c.stored >= 0 {
			p := make([]byte, 5000)
			if n, err := r.ReadAt(p, c.stored); n != len(p) || err != nil || p[0] != 0x6b {
				t.Errorf("%s: its own clusters: %d, %v", c.name, n, err)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	set := func(off int, v ...byte) []byte {
		b := bytes.Clone(load(t, "v3.qcow2"))
		copy(b[off:], v)
		return b
	}
	for name, c := range map[string]struct {
		b    []byte
		what string
		by   bool // name
	}{
		"version 1":       {set(4, 0, 0, 0, 1), "version 1 is not read yet", true},
		"AES":             {set(32, 0, 0, 0, 1), "AES encryption is not read yet", true},
		"LUKS":            {set(32, 0, 0, 0, 2), "LUKS encryption is not read yet", true},
		"feature":         {set(78, 1), "incompatible feature bits 0x100: what they mean is not known, so the disk is not read yet", true},
		"cluster bits":    {set(20, 0, 0, 0, 63), "offset 0x14: clusters of 2^63 bytes", false},
		"size":            {set(24, 0xFF), "offset 0x18: a medium of 18374686479671820288 bytes", false},
		"L1 far away":     {set(40, 0x40), "offset 0x28: an L1 table of 8 bytes at 0x4000000000003000, in a file of 167936", false},
		"backing's name":  {set(8, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF), "offset 0x8: a backing file's name of 4278190080 bytes at 0x1", false},
		"header's length": {set(100, 0, 0, 0, 9), "offset 0x64: a header of 9 bytes", false},
	} {
		_, err := open(c.b, "")
		if err == nil || err.Error() != c.what || errors.Is(err, ErrUnsupported) != c.by {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := load(t, "v3.qcow2")
	binary.BigEndian.PutUint64(b[72:], bitCorrupt)
	if r, err := open(b, ""); err != nil || len(r.Problems()) != 1 {
		t.Errorf("marked corrupt: %v", err)
	}
}

// A prefix of a disk gives what it has; what it lacks is a range.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"v3.qcow2", "zlib.qcow2", "zstd.qcow2", "sub.qcow2", "over.qcow2"} {
		b := load(t, name)
		whole, err := open(b, "")
		if err != nil {
			t.Fatal(err)
		}
		want, _ := media(whole)
		r := rand.New(rand.NewPCG(3, 3))
		for i := range 120 {
			n := r.IntN(len(b))
			if i == 0 {
				n = len(b) - 1
			}
			d, err := open(b[:n], "")
			if err != nil {
				continue
			}
			got, bad := media(d)
			if !covered(want, got, bad) {
				t.Errorf("%s cut at %d: loss is silent", name, n)
			}
		}
	}
}

// covered tells whether all that differs lies in a range that is named.
func covered(want, got []byte, bad []container.Range) bool {
	if len(got) != len(want) {
		return false
	}
	got = bytes.Clone(got)
	for _, r := range bad {
		copy(got[r.Off:r.Off+r.Len], want[r.Off:])
	}
	return bytes.Equal(got, want)
}

func TestBadBlock(t *testing.T) {
	for _, name := range []string{"v3.qcow2", "zstd.qcow2", "sub.qcow2"} {
		b := load(t, name)
		whole, err := open(b, "")
		if err != nil {
			t.Fatal(err)
		}
		want, _ := media(whole)
		for at := int64(0); at < int64(len(b)); at += 7 * 512 {
			d, err := Open(container.File{R: badblock.Reader{ReaderAt: bytes.NewReader(b), Off: at, Len: 512}, Size: int64(len(b))}, Options{})
			if err != nil {
				continue
			}
			if got, bad := media(d); !covered(want, got, bad) {
				t.Errorf("%s, bad sector at %d: loss is silent", name, at)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, s := range samples {
		f.Add(load(f, s.name)[:min(len(load(f, s.name)), 40000)], s.snapshot)
	}
	f.Fuzz(func(t *testing.T, b []byte, snapshot string) {
		r, err := Open(container.File{R: bytes.NewReader(b), Size: int64(len(b))}, Options{Snapshot: snapshot})
		if err != nil {
			return
		}
		p := make([]byte, 70000)
		for _, off := range []int64{0, r.Size() / 2, r.Size() - 1000} {
			if off >= 0 {
				r.ReadAt(p, off)
			}
		}
		at, n := int64(0), 0
		for x := range r.Ranges(0, r.Size()) {
			if x.Off != at || x.Len <= 0 {
				t.Fatalf("range %+v, expected from %d", x, at)
			}
			at += x.Len
			if n++; n > 1000 {
				return
			}
		}
		fmt.Fprint(discard{}, r.Fields(), r.Problems())
		r.Close()
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkRead(b *testing.B) {
	for _, name := range []string{"v3.qcow2", "zlib.qcow2", "zstd.qcow2"} {
		r, err := open(load(b, name), "")
		if err != nil {
			b.Fatal(err)
		}
		p := make([]byte, r.Size())
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				r.ReadAt(p, 0)
			}
		})
	}
}
