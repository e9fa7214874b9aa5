package vmdk_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// stream makes a stream-optimised extent as VMware writes it ("Virtual Disk
// Format 1.1", Stream-Optimized Compressed Sparse Extents): grain markers, a
// marked grain table behind the grains it names, a marked grain directory,
// footer, end. qemu-img reads such streams, but writes its tables in front.
func stream(b []byte) []byte { return streamOf(b, true) }

func streamOf(b []byte, markers bool) []byte {
	const grain = 128 * 512
	le := binary.LittleEndian
	capacity := len(b) / 512
	header := func(gd uint64) []byte {
		h := make([]byte, 512)
		copy(h, "KDMV")
		le.PutUint32(h[4:], 3)
		le.PutUint32(h[8:], 0x30001)
		if !markers {
			le.PutUint32(h[8:], 0x10001)
		}
		for i, v := range []uint64{uint64(capacity), 128, 1, 20} {
			le.PutUint64(h[12+8*i:], v)
		}
		le.PutUint32(h[44:], 512)
		le.PutUint64(h[56:], gd)
		le.PutUint64(h[64:], 128)
		copy(h[73:], "\n \r\n\x01")
		return h
	}
	out := append(header(1<<64-1), make([]byte, 127*512)...)
	copy(out[512:], text("0badcafe", "ffffffff", fmt.Sprintf("RW %d SPARSE \"stream.vmdk\"", capacity)))
	copy(out[512:], bytes.Replace(out[512:1024], []byte("\"custom\"\n"), []byte("\"streamOptimized\"\n"), 1))
	marker := func(sectors, kind int, b []byte) {
		m := make([]byte, 512)
		le.PutUint64(m, uint64(sectors))
		le.PutUint32(m[12:], uint32(kind))
		out = append(append(out, m...), b...)
	}
	directory := make([]byte, 512)
	for t := 0; t*512*grain < len(b); t++ {
		table := make([]byte, 2048)
		for i := range 512 {
			off := (t*512 + i) * grain
			if off >= len(b) {
				break
			}
			part := make([]byte, grain)
			copy(part, b[off:])
			if bytes.Equal(part, make([]byte, grain)) {
				continue
			}
			le.PutUint32(table[4*i:], uint32(len(out)/512))
			var z bytes.Buffer
			w := zlib.NewWriter(&z)
			w.Write(part)
			w.Close()
			var head [12]byte
			le.PutUint64(head[:], uint64(off/512))
			le.PutUint32(head[8:], uint32(z.Len()))
			if markers {
				out = append(out, head[:]...)
			}
			out = append(out, z.Bytes()...)
			out = append(out, make([]byte, -len(out)&511)...)
		}
		le.PutUint32(directory[4*t:], uint32(len(out)/512+1))
		marker(4, 1, table)
	}
	gd := uint64(len(out)/512 + 1)
	marker(1, 2, directory)
	marker(1, 3, header(gd))
	marker(0, 0, nil)
	return out
}

func TestStream(t *testing.T) {
	for _, markers := range []bool{true, false} {
		b := streamOf(media(), markers)
		d, err := memory{"stream.vmdk": b}.disk("stream.vmdk")
		if err != nil {
			t.Fatal(err)
		}
		if got := sum(t, d, d.Size()); got != mediaSum {
			t.Errorf("markers %v: SHA-256 %s", markers, got)
		}
		if p := d.Problems(); len(p) != 0 {
			t.Errorf("markers %v: problems %v", markers, p)
		}
		d.Close()
		qemuAgrees(t, b)
	}
}

// qemuAgrees reads the same bytes with qemu-img, where it is installed.
func qemuAgrees(t *testing.T, b []byte) {
	t.Helper()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Log("qemu-img is not installed")
		return
	}
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	if err := os.WriteFile(filepath.Join(dir, "stream.vmdk"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("qemu-img", "convert", "-f", "vmdk", "-O", "raw", filepath.Join(dir, "stream.vmdk"), raw).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, media()) {
		t.Error("qemu-img gives other bytes")
	}
}

// A compressed extent that is a snapshot: its holes are the parent's.
func TestStreamWithParent(t *testing.T) {
	base := bytes.Repeat([]byte{0xB5}, len(media()))
	b := stream(media())
	b = bytes.Replace(b, []byte("parentCID=ffffffff\n"), []byte("parentCID=00000007\nparentFileNameHint=\"base.vmdk\"\n"), 1)
	m := memory{"base.bin": base, "base.vmdk": text("00000007", "ffffffff", fmt.Sprintf("RW %d FLAT \"base.bin\" 0", len(base)/512))}
	m["stream.vmdk"] = fixed(stream(media()), b)
	d, err := m.disk("stream.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want := bytes.Clone(media())
	for off := 0; off < len(want); off += 1 << 16 {
		part := want[off:min(off+1<<16, len(want))]
		if bytes.Equal(part, make([]byte, len(part))) {
			copy(part, base)
		}
	}
	got := make([]byte, len(want))
	if n, err := d.ReadAt(got, 0); n != len(got) || err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v, equal %v", n, err, bytes.Equal(got, want))
	}
}

// fixed puts the descriptor of one stream into another.
func fixed(to, from []byte) []byte {
	copy(to[512:21*512], from[512:])
	return to
}
