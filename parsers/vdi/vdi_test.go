package vdi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"kanshiki/parsers/container"
)

const block = 4096

// build makes a disk by the layout of VDICore.h: 16 blocks, of which some are
// stored in another order than they have on the medium.
func build(kind uint32) (file, media []byte) {
	h := make([]byte, headSize)
	le := binary.LittleEndian
	copy(h, "<<< made for a test >>>\n")
	copy(h[64:], Signature)
	le.PutUint32(h[68:], 1<<16|1)
	le.PutUint32(h[72:], 0x190)
	le.PutUint32(h[76:], kind)
	le.PutUint32(h[0x154:], headSize)      // the map
	le.PutUint32(h[0x158:], headSize+512)  // the data
	le.PutUint32(h[0x168:], 512)           // sector
	le.PutUint64(h[0x170:], 16*block-1024) // disk size
	le.PutUint32(h[0x178:], block)
	le.PutUint32(h[0x180:], 16)
	le.PutUint32(h[0x184:], 5)
	m := make([]byte, 512)
	stored := map[int]uint32{0: 2, 1: 3, 5: 0, 6: 1, 15: 4}
	media = make([]byte, 16*block)
	data := make([]byte, 5*block)
	for i := range 16 {
		at, ok := stored[i]
		switch {
		case ok:
			for k := range block {
				media[i*block+k] = byte(i + k/7)
			}
			copy(data[at*block:], media[i*block:][:block])
			le.PutUint32(m[4*i:], at)
		case i%2 == 0:
			le.PutUint32(m[4*i:], blockZero)
		default:
			le.PutUint32(m[4*i:], blockNone)
		}
	}
	return append(append(h, m...), data...), media[:16*block-1024]
}

func open(b []byte) (*Reader, error) {
	return Open(container.File{Name: "disk.vdi", R: bytes.NewReader(b), Size: int64(len(b))})
}

func read(r *Reader) ([]byte, []container.Range) {
	b := make([]byte, r.Size())
	_, err := r.ReadAt(b, 0)
	if e, ok := errors.AsType[*container.Error](err); ok {
		return b, e.Ranges
	}
	return b, nil
}

func TestRead(t *testing.T) {
	for _, kind := range []uint32{Dynamic, Fixed} {
		file, want := build(kind)
		r, err := open(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, bad := read(r); !bytes.Equal(got, want) || len(bad) > 0 {
			t.Errorf("type %d: other bytes, bad %v", kind, bad)
		}
		for off := 0; off < len(want); off += 1001 {
			p := make([]byte, 3000)
			n, _ := r.ReadAt(p, int64(off))
			if !bytes.Equal(p[:n], want[off:min(off+3000, len(want))]) {
				t.Errorf("other bytes at %d", off)
			}
		}
	}
}

// A differencing disk does not say where its parent is: what it does not store
// is not known.
func TestDifferencing(t *testing.T) {
	file, _ := build(Differencing)
	r, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[container.Kind]int64{}
	for x := range r.Ranges(0, r.Size()) {
		kinds[x.Kind] += x.Len
	}
	if kinds[container.Unknown] != 5*block || kinds[container.Data] != 5*block-1024 || kinds[container.Zero] != 6*block {
		t.Errorf("%v", kinds)
	}
}

func TestQEMU(t *testing.T) {
	qemu, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Skip("qemu-img is not installed (Debian: qemu-utils)")
	}
	dir := t.TempDir()
	want := make([]byte, 3<<20+512)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range want[:1<<20] {
		want[2<<20-1<<19+i] = byte(r.Uint32())
	}
	raw, vdi := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.vdi")
	if err := os.WriteFile(raw, want, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, static := range []string{"static=off", "static=on"} {
		if out, err := exec.Command(qemu, "convert", "-f", "raw", "-O", "vdi", "-o", static, raw, vdi).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b, err := os.ReadFile(vdi)
		if err != nil {
			t.Fatal(err)
		}
		d, err := open(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, bad := read(d); !bytes.Equal(got, want) || len(bad) > 0 {
			t.Errorf("%s: other bytes, bad %v", static, bad)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		off  int
		v    uint32
		what string
	}{
		"version":    {68, 2 << 16, "version 2.0 is not read yet"},
		"block size": {0x178, 100, "offset 0x178: blocks of 100 and 0 bytes"},
		"disk size":  {0x174, 1, "offset 0x170: a medium of 4295031808 bytes in 16 blocks of 4096"},
		"blocks":     {0x180, 1 << 30, "offset 0x180: a map of 1073741824 blocks at 0x200, in a file of 21504 bytes"},
	} {
		b, _ := build(Dynamic)
		binary.LittleEndian.PutUint32(b[c.off:], c.v)
		if _, err := open(b); err == nil || err.Error() != c.what {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever is cut off or points behind the end is a range, never zeros.
func TestDamaged(t *testing.T) {
	file, want := build(Dynamic)
	for n := range len(file) {
		r, err := open(file[:n])
		if err != nil {
			continue
		}
		got, bad := read(r)
		for _, x := range bad {
			copy(got[x.Off:x.Off+x.Len], want[x.Off:])
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("cut at %d: loss is silent", n)
		}
	}
	binary.LittleEndian.PutUint32(file[headSize+4:], 0x7FFFFFFF)
	r, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, bad := read(r); len(bad) != 1 || bad[0].Off != block || bad[0].Len != block || bad[0].Kind != container.Corrupt {
		t.Errorf("%v", bad)
	}
}

func FuzzOpen(f *testing.F) {
	for _, kind := range []uint32{Dynamic, Fixed, Differencing} {
		b, _ := build(kind)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := open(b)
		if err != nil {
			return
		}
		p := make([]byte, 20000)
		r.ReadAt(p, 0)
		r.ReadAt(p, max(r.Size()-1000, 0))
		n := 0
		for range r.Ranges(0, r.Size()) {
			if n++; n > 1000 {
				break
			}
		}
		r.Fields()
	})
}

func BenchmarkRead(b *testing.B) {
	file, want := build(Dynamic)
	r, err := open(file)
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, len(want))
	b.SetBytes(int64(len(want)))
	b.ReportAllocs()
	for b.Loop() {
		r.ReadAt(p, 0)
	}
}
