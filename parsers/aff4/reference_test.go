package aff4

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/container"
)

// references are the AFF4 project's images and the SHA-1 that the tests of its
// own reader (pyaff4, hashing_test.py) state of the medium, filling included.
var references = []struct {
	name, sha1 string
	bad        container.Kind
	beside     string
}{
	{"AFF4Std/Base-Linear.aff4", "7d3d27f667f95f7ec5b9d32121622c0f4b60b48d", 0, ""},
	{"AFF4Std/Base-Linear-AllHashes.aff4", "7d3d27f667f95f7ec5b9d32121622c0f4b60b48d", 0, ""},
	{"AFF4Std/Base-Allocated.aff4", "e8650e89b262cf0b4b73c025312488d5a6317a26", container.Unknown, ""},
	{"AFF4Std/Base-Linear-ReadError.aff4", "67e245a640e2784ead30c1ff1a3f8d237b58310f", container.Unreadable, ""},
	{"AFF4Std/Striped/Base-Linear_1.aff4", "7d3d27f667f95f7ec5b9d32121622c0f4b60b48d", 0, "Base-Linear_2.aff4"},
	{"AFF4Std/Striped/Base-Linear_2.aff4", "7d3d27f667f95f7ec5b9d32121622c0f4b60b48d", 0, "Base-Linear_1.aff4"},
}

func openFile(t *testing.T, path string, o Options) (*Reader, error) {
	t.Helper()
	return Open(fileOf(t, path), o)
}

func fileOf(t *testing.T, path string) container.File {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return container.File{Name: filepath.Base(path), R: bytes.NewReader(b), Size: int64(len(b))}
}

// images is a copy of the project's repository of reference images. The corpus
// has one of them; their licence is not stated, so the others are not in it.
func images(t *testing.T) string {
	dir := os.Getenv("KANSHIKI_AFF4")
	if dir == "" {
		t.Skip("KANSHIKI_AFF4 names no copy of github.com/aff4/ReferenceImages")
	}
	return dir
}

func TestReferences(t *testing.T) {
	dir := images(t)
	for _, x := range references {
		path := filepath.Join(dir, x.name)
		r, err := openFile(t, path, Options{Beside: func() []container.File {
			if x.beside == "" {
				t.Errorf("%s: looked for other volumes", x.name)
				return nil
			}
			return []container.File{fileOf(t, filepath.Join(filepath.Dir(path), x.beside))}
		}})
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		checkReference(t, x.name, r, x.sha1, x.bad)
	}
}

func checkReference(t *testing.T, name string, r *Reader, want string, bad container.Kind) {
	t.Helper()
	h := sha1.New()
	f := r.Filling()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, f.Size())); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != want {
		t.Errorf("%s: SHA-1 %s, stated %s", name, sum, want)
	}
	kinds := map[container.Kind]bool{}
	for x := range r.Ranges(0, r.Size()) {
		kinds[x.Kind] = true
	}
	for _, k := range []container.Kind{container.Unreadable, container.Unknown, container.Corrupt} {
		if kinds[k] != (k == bad) {
			t.Errorf("%s: %v: %v", name, k, kinds[k])
		}
	}
	r.Check()
	if p := r.Problems.Problems(); len(p) > 0 || !r.Checked() {
		t.Errorf("%s: compared %v, %v", name, r.Checked(), p)
	}
}

// The one that the corpus has.
func TestReference(t *testing.T) {
	r, err := openFile(t, corpus.Path(t, "images/aff4/aff4-reference/Base-Linear-ReadError.aff4"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkReference(t, "Base-Linear-ReadError", r, "67e245a640e2784ead30c1ff1a3f8d237b58310f", container.Unreadable)
}

// 2^63-512 bytes, as its README lays them out: 0xFF at either end, a small file
// system in the middle, nothing between.
func TestExabyte(t *testing.T) {
	r, err := openFile(t, filepath.Join(images(t), "Errata/Base-ExabyteSparse.aff4"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	const size = 0x7ffffffffffffe00
	const middle = size / 2
	if r.Size() != size || len(r.Problems.Problems()) > 0 {
		t.Fatalf("%d bytes, %v", r.Size(), r.Problems.Problems())
	}
	ff := bytes.Repeat([]byte{0xFF}, 1<<20)
	p := make([]byte, 1<<20)
	for _, off := range []int64{0, size - 1<<20} {
		if n, err := r.ReadAt(p, off); n != len(p) || err != nil && err != io.EOF || !bytes.Equal(p, ff) {
			t.Errorf("at %#x: %d, %v", off, n, err)
		}
	}
	if _, err := r.ReadAt(p, middle); err != nil || container.IsZero(p) {
		t.Errorf("the file system: %v", err)
	}
	for _, off := range []int64{1 << 20, middle - 1<<20, size - 2<<20} {
		if _, err := r.ReadAt(p, off); err != nil || !container.IsZero(p) {
			t.Errorf("at %#x: no zeros, %v", off, err)
		}
	}
	n := 0
	for range r.Ranges(0, r.Size()) {
		n++
	}
	if n > 200 {
		t.Errorf("%d ranges", n)
	}
}

// Volumes that are refused say what they are.
func TestForeign(t *testing.T) {
	dir := images(t)
	for name, want := range map[string]error{
		"AFF4PreStd/Base-Linear.af4": ErrUnsupported, "AFF4PreStd/Base-Allocated.af4": ErrUnsupported, "AFF4-L/dream.aff4": ErrNoDisk,
	} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			continue
		}
		if _, err := openFile(t, filepath.Join(dir, name), Options{}); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Log(err)
		}
	}
}
