// Package evidencetest holds what every reader of images must keep to, and an
// opener that makes files fail where a test wants it.
package evidencetest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"kanshiki/forensics/evidence"
)

// Bad is a part of a file that cannot be read.
type Bad struct {
	Name     string // base name of the file
	Off, Len int64
}

// ErrBadBlock is what a read over a Bad part returns.
var ErrBadBlock = errors.New("input/output error (injected)")

// Faults opens files of another Opener in which parts cannot be read.
type Faults struct {
	evidence.Opener
	Bad []Bad
}

// Open opens a file with its bad parts.
func (o Faults) Open(name string) (evidence.File, error) {
	f, err := o.Opener.Open(name)
	if err != nil {
		return nil, err
	}
	var bad []Bad
	for _, b := range o.Bad {
		if b.Name == filepath.Base(name) {
			bad = append(bad, b)
		}
	}
	return faultFile{f, bad}, nil
}

type faultFile struct {
	evidence.File
	bad []Bad
}

// ReadAt gives the bytes before the first bad one.
func (f faultFile) ReadAt(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	hit := false
	for _, b := range f.bad {
		if b.Off < end && b.Off+b.Len > off {
			end, hit = max(b.Off, off), true
		}
	}
	n, err := f.File.ReadAt(p[:end-off], off)
	if hit && err == nil {
		err = ErrBadBlock
	}
	return n, err
}

// Memory is a folder of files in memory; names have no folder before them.
type Memory map[string][]byte

// Stat finds a file.
func (m Memory) Stat(name string) (fs.FileInfo, error) { return fs.Stat(m.fs(), filepath.Base(name)) }

// ReadDir lists all files.
func (m Memory) ReadDir(string) ([]fs.DirEntry, error) { return fs.ReadDir(m.fs(), ".") }

// Open opens a file.
func (m Memory) Open(name string) (evidence.File, error) {
	b, ok := m[filepath.Base(name)]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return memoryFile{bytes.NewReader(b)}, nil
}

func (m Memory) fs() fs.FS {
	f := fstest.MapFS{}
	for name, b := range m {
		f[name] = &fstest.MapFile{Data: b, Mode: 0o444}
	}
	return f
}

type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

// Opener says what Run needs: how to open the image through an Opener.
type Opener func(evidence.Opener) (evidence.Image, error)

// Run checks an image whose media is want.
func Run(t *testing.T, open Opener, want []byte) {
	t.Helper()
	img, err := open(evidence.OS{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	t.Run("whole", func(t *testing.T) { whole(t, img, want) })
	t.Run("edges", func(t *testing.T) { edges(t, img, want) })
	t.Run("concurrent", func(t *testing.T) { concurrent(t, img, want) })
	t.Run("ranges", func(t *testing.T) { Ranges(t, img) })
	t.Run("fault", func(t *testing.T) { faults(t, open, img, want) })
}

func whole(t *testing.T, img evidence.Image, want []byte) {
	if img.Size() != int64(len(want)) {
		t.Fatalf("size %d, want %d", img.Size(), len(want))
	}
	steps := []int{1 << 22, 70001, 997}
	if len(want) > 2<<20 {
		steps = steps[:2]
	}
	for _, step := range steps {
		got := make([]byte, 0, len(want))
		buf := make([]byte, step)
		for off := 0; off < len(want); off += step {
			n, err := img.ReadAt(buf[:min(step, len(want)-off)], int64(off))
			if err != nil && err != io.EOF {
				t.Fatalf("read at %#x: %v", off, err)
			}
			got = append(got, buf[:n]...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("reads of %d bytes give other bytes", step)
		}
	}
	if n := len(img.Problems()); n != 0 {
		t.Errorf("problems of a good image: %v", img.Problems())
	}
}

func edges(t *testing.T, img evidence.Image, want []byte) {
	size := img.Size()
	b := make([]byte, 100)
	if n, err := img.ReadAt(b, size-50); n != 50 || err != io.EOF {
		t.Errorf("over the end: %d, %v", n, err)
	}
	for _, off := range []int64{size, size + 1, 1 << 62} {
		if n, err := img.ReadAt(b, off); n != 0 || err != io.EOF {
			t.Errorf("at %d: %d, %v", off, n, err)
		}
	}
	if n, err := img.ReadAt(b, -1); n != 0 || err == nil {
		t.Errorf("at -1: %d, %v", n, err)
	}
	if n, err := img.ReadAt(nil, 0); n != 0 || err != nil {
		t.Errorf("nothing at 0: %d, %v", n, err)
	}
	if s := img.SectorSize(); s < 512 || s&(s-1) != 0 {
		t.Errorf("sector size %d", s)
	}
	if in := img.Info(); in.Format == "" || len(in.Segments) == 0 {
		t.Errorf("info %+v", in)
	}
}

func concurrent(t *testing.T, img evidence.Image, want []byte) {
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 7))
			for range 50 {
				off := r.IntN(len(want))
				b := make([]byte, min(1+r.IntN(200_000), len(want)-off))
				if n, err := img.ReadAt(b, int64(off)); n != len(b) || err != nil || !bytes.Equal(b, want[off:off+len(b)]) {
					t.Errorf("read %d at %d: %d, %v", len(b), off, n, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Ranges checks that the ranges of an image cover it exactly, in order, merged.
func Ranges(t *testing.T, img evidence.Image) {
	t.Helper()
	at := int64(0)
	last := evidence.RangeKind("")
	for x := range img.Ranges(0, img.Size()) {
		if x.Off != at || x.Len <= 0 || x.Kind == last {
			t.Errorf("range %+v at %#x after %q", x, at, last)
		}
		at, last = x.Off+x.Len, x.Kind
	}
	if at != img.Size() {
		t.Errorf("ranges end at %#x of %#x", at, img.Size())
	}
	for x := range img.Ranges(100, 50) {
		if x.Off < 100 || x.Off+x.Len > 150 {
			t.Errorf("range %+v outside what was asked", x)
		}
	}
}

// faults makes one block of a segment unreadable at a time, and checks the bad
// block law: good bytes are given, all others are named.
func faults(t *testing.T, open Opener, good evidence.Image, want []byte) {
	segments := good.Info().Segments
	sizes := sizesOf(t, open, len(want))
	r := rand.New(rand.NewPCG(1, 2))
	hits := 0
	for range 8 {
		if hits == 3 {
			break
		}
		name := segments[r.IntN(len(segments))]
		o := Faults{evidence.OS{}, []Bad{{name, r.Int64N(max(sizes[name]/2048, 1)) * 2048, 4096}}}
		img, err := open(o)
		if err != nil {
			continue // a block that the structure needs
		}
		b := make([]byte, len(want))
		for i := range b {
			b[i] = 0xAA
		}
		n, err := img.ReadAt(b, 0)
		checkFault(t, img, b, want, n, err)
		if err != nil {
			hits++
		}
		Ranges(t, img)
		img.Close()
	}
	if hits == 0 {
		t.Error("no injected fault was met")
	}
}

// sized notes the sizes of the files that are opened, by base name.
type sized struct {
	evidence.Opener
	mu    *sync.Mutex
	sizes map[string]int64
}

func (o sized) Open(name string) (evidence.File, error) {
	f, err := o.Opener.Open(name)
	if err == nil {
		o.mu.Lock()
		o.sizes[filepath.Base(name)] = f.Size()
		o.mu.Unlock()
	}
	return f, err
}

// sizesOf reads an image once to learn the sizes of its files.
func sizesOf(t *testing.T, open Opener, size int) map[string]int64 {
	o := sized{evidence.OS{}, &sync.Mutex{}, map[string]int64{}}
	img, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if _, err := img.ReadAt(make([]byte, size), 0); err != nil {
		t.Error(err)
	}
	return o.sizes
}

func checkFault(t *testing.T, img evidence.Image, b, want []byte, n int, err error) {
	t.Helper()
	if err == nil {
		if !bytes.Equal(b, want) {
			t.Error("wrong bytes without an error")
		}
		return
	}
	re, ok := errors.AsType[*evidence.RangeError](err)
	if !ok {
		t.Errorf("error %v is no *RangeError", err)
		return
	}
	masked := bytes.Clone(want)
	for _, x := range re.Ranges {
		clear(masked[x.Off : x.Off+x.Len])
	}
	if int64(n) != re.Ranges[0].Off || !bytes.Equal(b, masked) {
		t.Errorf("n %#x, first bad %#x; good bytes equal: %v", n, re.Ranges[0].Off, bytes.Equal(b, masked))
	}
	found := false
	for _, p := range img.Problems() {
		found = found || p.At.Offset >= re.Ranges[0].Off && p.At.Offset < re.Ranges[0].Off+re.Ranges[0].Len && p.Length > 0
	}
	if !found {
		t.Errorf("no problem lies in %+v: %v", re.Ranges[0], img.Problems())
	}
}
