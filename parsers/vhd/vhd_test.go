package vhd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"kanshiki/parsers/container"
)

const (
	block    = 64 << 10 // of the disks that are built here
	bitmapOf = 512
)

// footer makes one by the specification.
func footer(kind uint32, size int64, id byte) []byte {
	be := binary.BigEndian
	b := make([]byte, footerSize)
	copy(b, footerMagic)
	be.PutUint32(b[8:], 2)
	be.PutUint32(b[12:], 1<<16)
	be.PutUint64(b[16:], footerSize)
	if kind == Fixed {
		be.PutUint64(b[16:], 1<<64-1)
	}
	be.PutUint32(b[24:], 365*86400) // 2000-12-31
	copy(b[28:], "test")
	copy(b[36:], "Wi2k")
	be.PutUint64(b[40:], uint64(size))
	be.PutUint64(b[48:], uint64(size))
	be.PutUint32(b[60:], kind)
	for i := range 16 {
		b[68+i] = id
	}
	be.PutUint32(b[64:], sum(b, 64))
	return b
}

// build makes a dynamic or differencing disk of 8 blocks, of which some are
// stored, in the order in which they are listed. bits gives each one's bitmap.
func build(kind uint32, id byte, content []byte, stored []int, bits map[int]func(s int) bool, parentID byte, parent string) []byte {
	be := binary.BigEndian
	size := int64(len(content))
	f := footer(kind, size, id)
	h := make([]byte, headerSize)
	copy(h, headerMagic)
	be.PutUint64(h[8:], 1<<64-1)
	be.PutUint64(h[16:], footerSize+headerSize)
	be.PutUint32(h[24:], 1<<16)
	be.PutUint32(h[28:], 8)
	be.PutUint32(h[32:], block)
	bat := bytes.Repeat([]byte{0xFF}, 512)
	at := uint32((footerSize + headerSize + 1024) / 512) // a sector for the parent's name
	var data []byte
	for _, i := range stored {
		be.PutUint32(bat[4*i:], at)
		m := make([]byte, bitmapOf)
		for s := range block / 512 {
			if bits == nil || bits[i] == nil || bits[i](s) {
				m[s/8] |= 0x80 >> (s % 8)
			}
		}
		b := make([]byte, block)
		copy(b, content[i*block:])
		data = append(append(data, m...), b...)
		at += (bitmapOf + block) / 512
	}
	name := make([]byte, 512)
	if kind == Differencing {
		for i := range 16 {
			h[40+i] = parentID
		}
		n := 0
		for _, u := range utf16.Encode([]rune(`.\` + parent)) {
			binary.LittleEndian.PutUint16(name[n:], u)
			n += 2
		}
		copy(h[576:], "W2ru")
		be.PutUint32(h[580:], 512)
		be.PutUint32(h[584:], uint32(n))
		be.PutUint64(h[592:], footerSize+headerSize+512)
	}
	be.PutUint32(h[36:], sum(h, 36))
	out := append(append(append(append(f, h...), bat...), name...), data...)
	return append(out, f...)
}

func open(b []byte, o Options) (*Reader, error) {
	return Open(container.File{Name: "disk.vhd", R: bytes.NewReader(b), Size: int64(len(b))}, o)
}

func media(r *Reader) ([]byte, []container.Range) {
	b := make([]byte, r.Size())
	_, err := r.ReadAt(b, 0)
	if e, ok := errors.AsType[*container.Error](err); ok {
		return b, e.Ranges
	}
	return b, nil
}

func noise(seed byte) []byte {
	b := make([]byte, 8*block-1536)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func TestDynamic(t *testing.T) {
	content := noise(1)
	want := make([]byte, len(content))
	for _, i := range []int{5, 0, 7} {
		copy(want[i*block:min((i+1)*block, len(want))], content[i*block:])
	}
	file := build(Dynamic, 1, content, []int{5, 0, 7}, nil, 0, "")
	r, err := open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, bad := media(r); !bytes.Equal(got, want) || len(bad) > 0 || len(r.Problems()) > 0 {
		t.Errorf("equal %v, bad %v, %v", bytes.Equal(got, want), bad, r.Problems())
	}
	if r.Footer.Variant() != "dynamic" || r.Footer.Time().Format("2006-01-02") != "2000-12-31" {
		t.Errorf("%s %v", r.Footer.Variant(), r.Footer.Time())
	}
	for name, c := range map[string]struct {
		harm  func(b []byte) []byte
		fails bool
		says  string
		bad   int64
	}{
		"no footer":         {func(b []byte) []byte { return b[:len(b)-footerSize] }, false, "its copy at the start is used", 0},
		"footer's checksum": {func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, false, "its checksum is wrong", 0},
		"both checksums":    {func(b []byte) []byte { b[len(b)-1] ^= 1; b[511] ^= 1; return b }, false, "its checksum is wrong", 0},
		"both cookies":      {func(b []byte) []byte { b[len(b)-512] ^= 1; b[0] ^= 1; return b }, true, "", 0},
		"header's checksum": {func(b []byte) []byte { b[512+700] ^= 1; return b }, false, "header: its checksum is wrong", 0},
		"header's cookie":   {func(b []byte) []byte { b[512] ^= 1; return b }, true, "", 0},
		"block far away":    {func(b []byte) []byte { b[1536] = 0x70; return b }, false, "", block},
		"one place twice":   {func(b []byte) []byte { copy(b[1536:1540], b[1536+20:]); return b }, false, "blocks 0 and 5 overlap, at 0xa00", 0},
	} {
		r, err := open(c.harm(bytes.Clone(file)), Options{})
		if (err != nil) != c.fails {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		var n int64
		_, bad := media(r)
		for _, x := range bad {
			n += x.Len
		}
		said := ""
		for _, p := range r.Problems() {
			said += p.What + "\n"
		}
		if n != c.bad || !strings.Contains(said, c.says) || c.says == "" && said != "" {
			t.Errorf("%s: bad %v, %q", name, bad, said)
		}
	}
}

func TestFixed(t *testing.T) {
	content := noise(2)
	for _, cut := range []int{0, 1} { // 511 bytes of footer before Virtual PC 2004
		r, err := open(append(bytes.Clone(content), footer(Fixed, int64(len(content)), 3)[:footerSize-cut]...), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, bad := media(r); !bytes.Equal(got, content) || len(bad) > 0 {
			t.Errorf("bad %v", bad)
		}
	}
}

// A child gives its own sectors, and the parent's between them.
func TestDifferencing(t *testing.T) {
	below, above := noise(3), noise(4)
	parent := build(Dynamic, 7, below, []int{0, 1, 2, 3, 4, 5, 6, 7}, nil, 0, "")
	third := func(s int) bool { return s%3 == 0 }
	child := build(Differencing, 8, above, []int{2, 6}, map[int]func(int) bool{2: third}, 7, "base.vhd")
	want := bytes.Clone(below)
	copy(want[6*block:7*block], above[6*block:])
	for s := range block / 512 {
		if third(s) {
			at := 2*block + 512*s
			copy(want[at:at+512], above[at:])
		}
	}
	serve := func(b []byte) func(string) (container.File, error) {
		return func(name string) (container.File, error) {
			if name != `.\base.vhd` {
				t.Errorf("asked for %q", name)
			}
			return container.File{Name: "base.vhd", R: bytes.NewReader(b), Size: int64(len(b))}, nil
		}
	}
	r, err := open(child, Options{Open: serve(parent)})
	if err != nil {
		t.Fatal(err)
	}
	if got, bad := media(r); !bytes.Equal(got, want) || len(bad) > 0 || len(r.Problems()) > 0 {
		t.Errorf("equal %v, bad %v, %v", bytes.Equal(got, want), bad, r.Problems())
	}
	other := build(Dynamic, 9, below, []int{0}, nil, 0, "")
	for name, open2 := range map[string]func(string) (container.File, error){
		"missing": func(string) (container.File, error) { return container.File{}, fs.ErrNotExist },
		"another": serve(other),
		"itself":  serve(child),
	} {
		r, err := open(child, Options{Open: open2})
		if err != nil {
			t.Fatal(err)
		}
		got, bad := media(r)
		if len(bad) == 0 || bad[0].Kind != container.Unknown || len(r.Problems()) == 0 || !bytes.Equal(got[6*block:7*block], above[6*block:7*block]) {
			t.Errorf("%s: bad %v, %v", name, bad, r.Problems())
		}
	}
}

func TestQEMU(t *testing.T) {
	qemu, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Skip("qemu-img is not installed (Debian: qemu-utils)")
	}
	dir := t.TempDir()
	want := make([]byte, 9<<20)
	rand.NewChaCha8([32]byte{5}).Read(want[3<<20 : 5<<20])
	raw, name := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.vhd")
	if err := os.WriteFile(raw, want, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"dynamic", "fixed"} {
		if out, err := exec.Command(qemu, "convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on,subformat="+kind, raw, name).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := open(b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, bad := media(r); !bytes.Equal(got, want) || len(bad) > 0 || r.Footer.Variant() != kind || len(r.Problems()) > 0 {
			t.Errorf("%s: equal %v, bad %v, %v", kind, bytes.Equal(got, want), bad, r.Problems())
		}
	}
}

// A prefix gives what it has; what it lacks is a range.
func TestTruncated(t *testing.T) {
	content := noise(1)
	file := build(Dynamic, 1, content, []int{1, 0, 2, 3, 4, 5, 6, 7}, nil, 0, "")
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		n := r.IntN(len(file))
		d, err := open(file[:n], Options{})
		if err != nil {
			continue
		}
		got, bad := media(d)
		for _, x := range bad {
			copy(got[x.Off:x.Off+x.Len], content[x.Off:])
		}
		if !bytes.Equal(got, content) {
			t.Errorf("cut at %d: loss is silent", n)
		}
	}
}

// The input changes eight bytes at each of some places of a disk; then the
// checksums are put right, so that it gets behind them.
func FuzzOpen(f *testing.F) {
	bases := [][]byte{build(Dynamic, 1, noise(1), []int{5}, nil, 0, ""), build(Differencing, 1, noise(1), []int{5}, nil, 2, "p.vhd"),
		append(noise(2)[:5000], footer(Fixed, 5000, 3)...)}
	for i, b := range bases {
		for _, at := range []int{16, 48, 60, headerAt + 16, headerAt + 28, headerAt + 32, headerAt + 580, tableAt + 20, firstAt, len(b) - 512 + 48} {
			f.Add(byte(i), binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, uint32(at)), 1<<40+7))
		}
	}
	f.Fuzz(func(t *testing.T, base byte, changes []byte) {
		b := bytes.Clone(bases[int(base)%len(bases)])
		for ; len(changes) >= 12; changes = changes[12:] {
			copy(b[int(binary.LittleEndian.Uint32(changes))%len(b):], changes[4:12])
		}
		reseal(b)
		opened := 0
		r, err := open(b, Options{Open: func(string) (container.File, error) {
			opened++
			return container.File{R: bytes.NewReader(b), Size: int64(len(b))}, nil
		}})
		if opened > 10*MaxParents {
			t.Fatalf("%d parents opened", opened)
		}
		if err != nil {
			return
		}
		p := make([]byte, 100<<10)
		r.ReadAt(p, 0)
		r.ReadAt(p[:1000], max(r.Size()-1000, 0))
		n := 0
		for range r.Ranges(0, r.Size()) {
			if n++; n > 1000 {
				break
			}
		}
		r.Fields()
		r.Problems()
	})
}

func BenchmarkRead(b *testing.B) {
	r, err := open(build(Dynamic, 1, noise(1), []int{5, 0, 1, 2}, nil, 0, ""), Options{})
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 4*block)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		r.ReadAt(p, 100)
	}
}
