package device

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"unsafe"
)

func TestAlloc(t *testing.T) {
	for _, n := range []int{0, 1, 512, 4096, 1 << 20} {
		b := Alloc(n)
		if len(b) != n || cap(b) != n {
			t.Errorf("Alloc(%d): %d bytes, room for %d", n, len(b), cap(b))
		}
		if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%pageSize != 0 {
			t.Errorf("Alloc(%d) does not begin on a page", n)
		}
	}
}

// fake is a device that takes aligned reads only.
type fake struct {
	b    []byte
	now  int64
	fail error
}

func (f *fake) size() (int64, error) { return f.now, f.fail }
func (f *fake) close() error         { return nil }

func (f *fake) readAt(p []byte, off int64) (int, error) {
	if off%512 != 0 || len(p)%512 != 0 || uintptr(unsafe.Pointer(unsafe.SliceData(p)))%512 != 0 {
		return 0, errors.New("not aligned")
	}
	if off >= int64(len(f.b)) {
		return 0, io.EOF
	}
	return copy(p, f.b[off:]), nil
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func TestReadAtAligns(t *testing.T) {
	whole := pattern(64 << 10)
	d := &Device{h: &fake{b: whole, now: int64(len(whole))}, info: Info{Size: int64(len(whole)), Sector: 512}, align: 512}
	for _, c := range []struct{ off, n int }{{0, 512}, {1, 1}, {511, 2}, {513, 5000}, {60000, 10}, {len(whole) - 1, 1}, {4096, 8192}} {
		p := make([]byte, c.n+1)[1:] // an address that suits no device
		n, err := d.ReadAt(p, int64(c.off))
		if n != c.n || err != nil || !bytes.Equal(p, whole[c.off:c.off+c.n]) {
			t.Errorf("ReadAt(%d bytes at %d) = %d, %v", c.n, c.off, n, err)
		}
	}
	if n, err := d.ReadAt(make([]byte, 100), int64(len(whole))-40); n != 40 || err != io.EOF {
		t.Errorf("over the end: %d, %v; want 40, EOF", n, err)
	}
	if n, err := d.ReadAt(make([]byte, 100), int64(len(whole))); n != 0 || err != io.EOF {
		t.Errorf("behind the end: %d, %v; want 0, EOF", n, err)
	}
}

// A short answer inside the device is never its end.
func TestShortReadIsNoEnd(t *testing.T) {
	d := &Device{h: &fake{b: pattern(4096)}, info: Info{Size: 1 << 20, Sector: 512}, align: 512}
	if n, err := d.ReadAt(Alloc(8192), 0); n != 4096 || err != io.ErrUnexpectedEOF {
		t.Errorf("cut short: %d, %v; want 4096, %v", n, err, io.ErrUnexpectedEOF)
	}
	if n, err := d.ReadAt(Alloc(8192), 8192); n != 0 || err != io.ErrUnexpectedEOF {
		t.Errorf("nothing: %d, %v; want 0, %v", n, err, io.ErrUnexpectedEOF)
	}
}

func TestCheck(t *testing.T) {
	d := &Device{h: &fake{now: 4096}, info: Info{Size: 4096, Sector: 512}, align: 1}
	if err := d.Check(); err != nil {
		t.Errorf("a device that is there: %v", err)
	}
	// Linux gives a pulled disk the size 0.
	d.h = &fake{now: 0}
	if err := d.Check(); !Gone(err) {
		t.Errorf("size 0: %v is not known as gone", err)
	}
	d.h = &fake{now: 4096, fail: errors.New("no answer")}
	if err := d.Check(); !Gone(fmt.Errorf("disk: %w", err)) {
		t.Errorf("no answer: %v is not known as gone", err)
	}
}

func TestOpenFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk.raw")
	whole := pattern(100_003) // no whole number of sectors
	if err := os.WriteFile(name, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	info := d.Info()
	if info.Kind != File || d.Size() != 100_003 || d.Sector() != 512 || info.Direct || info.Buffered == "" {
		t.Errorf("info: %+v", info)
	}
	p := Alloc(1 << 17)
	n, err := d.ReadAt(p, 0)
	if n != len(whole) || err != io.EOF || !bytes.Equal(p[:n], whole) {
		t.Errorf("ReadAt = %d, %v", n, err)
	}
	if err := os.Truncate(name, 1000); err != nil {
		t.Fatal(err)
	}
	if err := d.Check(); !Gone(err) {
		t.Errorf("a file that shrank: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, empty, filepath.Join(dir, "missing"), os.DevNull} {
		if d, err := Open(name); err == nil {
			d.Close()
			t.Errorf("%s was opened", name)
		}
	}
	if _, err := Open(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestGoneIsNoBadSector(t *testing.T) {
	for _, err := range []error{nil, io.EOF, io.ErrUnexpectedEOF, errors.New("bad")} {
		if Gone(err) {
			t.Errorf("%v is taken for a device that is gone", err)
		}
	}
	if !Gone(fmt.Errorf("read: %w", ErrGone)) {
		t.Error("ErrGone is not known")
	}
}
