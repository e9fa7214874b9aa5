package vmdk_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"kanshiki/parsers/container"
	"kanshiki/parsers/vmdk"
)

// esx makes a sparse extent of ESX ("Virtual Disk Format 1.1", ESX Server
// Sparse Extents): header of 4 sectors, grain directory, a grain table of 4096
// entries where one is needed, grains.
func esx(b []byte, grain int, hole []byte) []byte {
	size := grain * 512
	capacity := (len(b) + 511) / 512
	grains := (capacity + grain - 1) / grain
	tables := (grains + 4095) / 4096
	le := binary.LittleEndian
	out := make([]byte, 2048+(tables*4+511)&^511)
	copy(out, "COWD")
	for i, v := range []int{1, 3, capacity, grain, 4, tables, 0, 1, 16, 63} {
		le.PutUint32(out[4+4*i:], uint32(v))
	}
	for g := range grains {
		data := make([]byte, size)
		copy(data, b[g*size:])
		if bytes.Equal(data, make([]byte, size)) {
			continue
		}
		dir := 2048 + g/4096*4
		if le.Uint32(out[dir:]) == 0 {
			le.PutUint32(out[dir:], uint32(len(out)/512))
			out = append(out, make([]byte, 4096*4)...)
		}
		le.PutUint32(out[int(le.Uint32(out[dir:]))*512+g%4096*4:], uint32(len(out)/512))
		out = append(out, data...)
	}
	le.PutUint32(out[28:], uint32(len(out)/512))
	return append(out, hole...)
}

func TestESX(t *testing.T) {
	want := media()
	delta := esx(want, 1, nil)
	m := memory{"delta.vmdk": delta, "disk.vmdk": text("12345678", "ffffffff", `RW 67721 VMFSSPARSE "delta.vmdk"`)}
	d, err := m.disk("disk.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	if got := sum(t, d, d.Size()); got != mediaSum {
		t.Errorf("SHA-256 %s", got)
	}
	if p := d.Problems(); len(p) != 0 {
		t.Errorf("problems %v", p)
	}
	// An extent without its descriptor: what it stores is given, the holes may
	// be a parent's.
	bare, err := m.disk("delta.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	if silent, _ := compare(t, bare, want, grains()); silent != 0 {
		t.Errorf("bare: %d differ", silent)
	}
	if k := kinds(bare); k[container.Zero] != 0 || k[container.Data] == 0 || doubts(bare) == 0 {
		t.Errorf("bare: %v, %v", k, bare.Problems())
	}

	// What qemu-img makes of the same files.
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed")
	}
	dir := t.TempDir()
	for name, b := range m {
		if name == "disk.vmdk" {
			b = bytes.Replace(b, []byte("custom"), []byte("vmfsSparse"), 1)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw := filepath.Join(dir, "raw")
	if out, err := exec.Command("qemu-img", "convert", "-O", "raw", filepath.Join(dir, "disk.vmdk"), raw).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := os.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := sum(t, f, int64(len(want))); got != mediaSum {
		t.Errorf("qemu-img gives %s", got)
	}
}

// FuzzOpen opens any bytes as a disk, its extent and its parent.
func FuzzOpen(f *testing.F) {
	all, err := testdata()
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range all {
		f.Add(b[:min(len(b), 80000)], b[max(len(b)-4096, 0):])
	}
	f.Add(text("1", "2", "parentFileNameHint=\"b\"\nRW 9 SPARSE \"b\"\nRW 3 FLAT \"b\" 1\nRW 2 ZERO"), esx(bytes.Repeat([]byte("x"), 5000), 8, nil))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		m := memory{"a": a, "b": b}
		d, err := m.disk("a")
		if err != nil {
			return
		}
		defer d.Close()
		p := make([]byte, 5000)
		for _, off := range []int64{0, 1 << 16, d.Size() - 100} {
			off = max(off, 0)
			n, err := d.ReadAt(p, off)
			if n < 0 || n > len(p) || n < len(p) && err == nil {
				t.Errorf("%d bytes at %d: %v", n, off, err)
			}
		}
		at := int64(0)
		for r := range d.Ranges(0, min(d.Size(), 1<<30)) {
			if r.Off != at || r.Len < 1 {
				t.Fatalf("range %+v at %#x", r, at)
			}
			at += r.Len
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for _, name := range []string{"mono.vmdk", "stream.vmdk"} {
		b.Run(name, func(b *testing.B) {
			var d *vmdk.Disk
			m := samples(b, name)
			p := make([]byte, 1<<16)
			b.SetBytes(4 << 16)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if d, err = m.disk(name); err != nil {
					b.Fatal(err)
				}
				for _, off := range []int64{0, 1 << 16, 3 << 16, 33 << 20} {
					if _, err := d.ReadAt(p, off); err != nil {
						b.Fatal(err)
					}
				}
				d.Close()
			}
		})
	}
}
