package vhd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/badblock"
)

const (
	headerAt = footerSize
	tableAt  = footerSize + headerSize
	firstAt  = tableAt + 1024 // of the blocks
)

func said(r *Reader) string {
	var all []string
	for _, p := range r.Problems() {
		all = append(all, fmt.Sprintf("%#x %s", p.Off, p.What))
	}
	return strings.Join(all, "\n")
}

// reseal puts right the checksums of the header and of both footers.
func reseal(b []byte) []byte {
	be := binary.BigEndian
	be.PutUint32(b[headerAt+36:], sum(b[headerAt:][:headerSize], 36))
	for _, at := range []int{0, len(b) - footerSize} {
		be.PutUint32(b[at+64:], sum(b[at:][:footerSize], 64))
	}
	return b
}

// In a dynamic disk a clear bit is a sector that was never written: libvhdi
// 20210425 gives zeros there, qemu-img 7.2 what is stored.
func TestNeverWritten(t *testing.T) {
	content := noise(6)
	half := func(s int) bool { return s < 40 }
	file := build(Dynamic, 1, content, []int{1}, map[int]func(int) bool{1: half}, 0, "")
	want := make([]byte, len(content))
	copy(want[block:], content[block:block+40*512])
	r, err := open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, bad := media(r); !bytes.Equal(got, want) || len(bad) > 0 || said(r) != fmt.Sprintf("%#x block 1: bytes are stored in sectors that its bitmap calls never written; they are given as zeros", firstAt) {
		t.Errorf("equal %v, bad %v, %s", bytes.Equal(got, want), bad, said(r))
	}
	clear(file[firstAt+bitmapOf+40*512:][:block-40*512])
	if r, err = open(file, Options{}); err != nil {
		t.Fatal(err)
	}
	if got, bad := media(r); !bytes.Equal(got, want) || len(bad) > 0 || said(r) != "" {
		t.Errorf("zeros there: equal %v, bad %v, %s", bytes.Equal(got, want), bad, said(r))
	}
}

// What each damage costs, and how it is told.
func TestDamaged(t *testing.T) {
	be := binary.BigEndian
	content := noise(1)
	whole := build(Dynamic, 1, content, []int{5, 0, 7}, nil, 0, "")
	size := len(whole)
	for name, c := range map[string]struct {
		harm func(b []byte) []byte
		says string
		bad  int64
	}{
		"copy's bit":            {func(b []byte) []byte { b[300] ^= 1; return b }, "0x0 the copy of the footer is not like the footer", 0},
		"copy's cookie":         {func(b []byte) []byte { b[0] ^= 1; return b }, "0x0 the copy of the footer: ", 0},
		"another's footer":      {func(b []byte) []byte { copy(b[size-512:], footer(Dynamic, int64(len(content)), 9)); return b }, "0x0 the copy of the footer is not like", 0},
		"blocks overlap partly": {func(b []byte) []byte { be.PutUint32(b[tableAt:], be.Uint32(b[tableAt+20:])+7); return b }, "0x600 blocks 5 and 0 overlap, at 0x1800", 0},
		"block over the table":  {func(b []byte) []byte { be.PutUint32(b[tableAt:], 3); return b }, "0x600 block 0 lies over the header or the table, at 0x600", 0},
		"behind the medium": {func(b []byte) []byte {
			be.PutUint64(b[48:], 7*block)
			be.PutUint64(b[size-512+48:], 7*block)
			return reseal(b)
		}, "0x61c block 7 is stored and lies behind the medium's end", 0},
		"table too short":   {func(b []byte) []byte { be.PutUint32(b[headerAt+28:], 6); return reseal(b) }, "0x21c the table has 6 blocks, the medium needs 8", 2*block - 1536},
		"table far away":    {func(b []byte) []byte { b[headerAt+16] = 0x7F; return reseal(b) }, "the table of blocks is cut by the end of the file", int64(len(content))},
		"version":           {func(b []byte) []byte { b[13], b[size-512+13] = 2, 2; return reseal(b) }, "footer: version 0x20000", 0},
		"header's version":  {func(b []byte) []byte { b[headerAt+25] = 2; return reseal(b) }, "0x218 header: version 0x20000", 0},
		"many of one place": {func(b []byte) []byte { clear(b[tableAt:][:32]); return b }, "block 6 lies over the header or the table, at 0x0", 0},
	} {
		r, err := open(c.harm(bytes.Clone(whole)), Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, bad := media(r)
		n := int64(0)
		for _, x := range bad {
			n += x.Len
		}
		if n != c.bad || !strings.Contains(said(r), c.says) {
			t.Errorf("%s: bad %v, %s", name, bad, said(r))
		}
	}
}

// A fixed disk gives what lies before its footer, and says what does not fit.
func TestFixedSizes(t *testing.T) {
	content := noise(2)
	long := append(append(bytes.Clone(content), make([]byte, 1000)...), footer(Fixed, int64(len(content)), 3)...)
	r, err := open(long, Options{})
	if err != nil || said(r) != fmt.Sprintf("%#x 1000 bytes between the medium and the footer", len(content)) {
		t.Errorf("%v, %v", err, r)
	}
	short := append(bytes.Clone(content[:7*block]), footer(Fixed, int64(len(content)), 3)...)
	if r, err = open(short, Options{}); err != nil {
		t.Fatal(err)
	}
	if _, bad := media(r); len(bad) != 1 || bad[0].Off != 7*block || bad[0].Kind != container.Corrupt {
		t.Errorf("the footer was given as content: %v", bad)
	}
	// What a fixed disk begins with is content, be it a disk in itself.
	inner := build(Dynamic, 1, content, []int{5}, nil, 0, "")
	outer := footer(Fixed, int64(len(inner)), 3)
	outer[80] ^= 1
	if r, err = open(append(bytes.Clone(inner), outer...), Options{}); err != nil {
		t.Fatal(err)
	}
	if got, bad := media(r); !bytes.Equal(got, inner) || len(bad) > 0 || r.Footer.Type != Fixed {
		t.Errorf("type %d, bad %v", r.Footer.Type, bad)
	}
}

// Blocks that are smaller than a sector's worth of bitmap have one all the same.
func TestTinyBlocks(t *testing.T) {
	be := binary.BigEndian
	content := noise(1)
	for _, size := range []int{512, 1024, 2048, 4096} {
		b := build(Differencing, 1, content, []int{5}, nil, 2, "p.vhd")
		be.PutUint32(b[headerAt+32:], uint32(size))
		for _, at := range []int{0, len(b) - footerSize} {
			be.PutUint64(b[at+48:], uint64(8*size))
		}
		r, err := open(reseal(b), Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, bad := media(r)
		if len(bad) != 2 || bad[0].Len != int64(5*size) || !bytes.Equal(got[5*size:6*size], content[5*block:5*block+size]) {
			t.Errorf("blocks of %d: bad %v", size, bad)
		}
	}
}

// One bad sector of the file costs what it tells of, and no more.
func TestBadSectors(t *testing.T) {
	content := noise(1)
	file := build(Dynamic, 1, content, []int{0, 1, 2, 3, 4, 5, 6, 7}, nil, 0, "")
	for at, want := range map[int64]struct {
		bad      int64
		problems int
	}{
		0: {0, 1}, int64(len(file)) - 512: {0, 1}, // the copy, the footer
		tableAt: {int64(len(content)), 1},
		firstAt: {0, 1}, firstAt + 512: {512, 0}, // the first block's bitmap, its first sector
	} {
		r, err := Open(container.File{R: badblock.Reader{ReaderAt: bytes.NewReader(file), Off: at, Len: 512}, Size: int64(len(file))}, Options{})
		if err != nil {
			t.Errorf("at %#x: %v", at, err)
			continue
		}
		got, bad := media(r)
		n := int64(0)
		for _, x := range bad {
			n += x.Len
			copy(got[x.Off:x.Off+x.Len], content[x.Off:])
			if !errors.Is(x.Err, badblock.Err) {
				t.Errorf("at %#x: %v", at, x.Err)
			}
		}
		if !bytes.Equal(got, content) || n != want.bad || len(r.Problems()) != want.problems {
			t.Errorf("at %#x: equal %v, bad %v, %s", at, bytes.Equal(got, content), bad, said(r))
		}
	}
	child := build(Differencing, 1, content, []int{5}, nil, 2, "p.vhd")
	r, err := Open(container.File{R: badblock.Reader{ReaderAt: bytes.NewReader(child), Off: firstAt, Len: 512}, Size: int64(len(child))}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, bad := media(r); len(bad) != 3 || bad[1].Kind != container.Corrupt || bad[1].Len != block {
		t.Errorf("bitmap of a differencing disk: %v", bad)
	}
}

// Any one bit of what tells where content is: nothing changes in silence.
func TestFlipped(t *testing.T) {
	content := noise(1)
	file := build(Dynamic, 1, content, []int{5, 0, 7, 1, 2, 3, 4, 6}, nil, 0, "")
	end := len(file) - footerSize
	for _, c := range []struct{ from, to, stride int }{{0, 512, 3}, {headerAt, tableAt, 7}, {tableAt, tableAt + 32, 1},
		{firstAt, firstAt + 16, 1}, {firstAt + 16, firstAt + 512, 501}, {end, end + 512, 3}} {
		for i := c.from * 8; i < c.to*8; i += c.stride {
			file[i/8] ^= 1 << (i % 8)
			if r, err := open(file, Options{}); err == nil {
				got, bad := media(r)
				if !bytes.Equal(got, content) && len(bad) == 0 && len(r.Problems()) == 0 {
					t.Errorf("byte %#x bit %d: other bytes in silence", i/8, i%8)
				}
			}
			file[i/8] ^= 1 << (i % 8)
		}
	}
}

// Parts of two disks put together, and their footers changed for each other.
func TestCrossed(t *testing.T) {
	a := build(Dynamic, 1, noise(1), []int{5, 0, 7}, nil, 0, "")
	b := append(bytes.Clone(noise(2)[:6*block]), footer(Fixed, 6*block, 3)...)
	c := build(Differencing, 4, noise(3), []int{1, 2}, nil, 2, "p.vhd")
	r := rand.New(rand.NewPCG(1, 9))
	for range 300 {
		x, y := [][]byte{a, b, c}[r.IntN(3)], [][]byte{a, b, c}[r.IntN(3)]
		n, m := r.IntN(len(x)), r.IntN(len(y))
		if r.IntN(2) == 0 {
			n, m = n&^511, m&^511
		}
		d, err := open(append(bytes.Clone(x[:n]), y[m:]...), Options{})
		if err != nil {
			continue
		}
		if d.Size() > 64<<20 {
			t.Fatalf("a medium of %d bytes", d.Size())
		}
		media(d)
	}
}

// A disk that names itself, and chains at the limit and above it.
func TestChains(t *testing.T) {
	content := noise(1)
	self := build(Differencing, 7, content, []int{0}, nil, 7, "self.vhd")
	r, err := open(self, Options{Open: func(string) (container.File, error) {
		return container.File{R: bytes.NewReader(self), Size: int64(len(self))}, nil
	}})
	if err != nil || len(r.Files()) != 1 || !strings.Contains(said(r), "the disk stands on itself") {
		t.Errorf("%v: %s", err, said(r))
	}
	for _, n := range []int{MaxParents, MaxParents + 1} {
		disks := map[string][]byte{"0": build(Dynamic, 100, content, []int{0, 1, 2, 3, 4, 5, 6, 7}, nil, 0, "")}
		for i := 1; i <= n; i++ {
			disks[fmt.Sprint(i)] = build(Differencing, byte(100+i), content, nil, nil, byte(99+i), fmt.Sprint(i-1))
		}
		r, err := open(disks[fmt.Sprint(n)], Options{Open: func(name string) (container.File, error) {
			b, ok := disks[strings.TrimPrefix(name, `.\`)]
			if !ok {
				return container.File{}, os.ErrNotExist
			}
			return container.File{Name: name, R: bytes.NewReader(b), Size: int64(len(b))}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		got, bad := media(r)
		if whole := bytes.Equal(got, content) && len(bad) == 0 && len(r.Files()) == n+1; whole != (n <= MaxParents) {
			t.Errorf("%d disks above one: %d files, bad %v", n, len(r.Files()), bad)
		}
		if n > MaxParents && (len(bad) != 1 || bad[0].Kind != container.Unknown || !strings.Contains(said(r), "more than 32 disks")) {
			t.Errorf("bad %v, %s", bad, said(r))
		}
	}
}

// The disks of other programs: what libvhdi 20210425 says of them.
func TestCorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "containers") {
		if row["container"] != "vpc" {
			continue
		}
		path := corpus.Path(t, row["file"])
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(container.File{Name: filepath.Base(path), R: f, Size: st.Size()}, Options{Open: func(string) (container.File, error) {
			return container.File{}, io.EOF
		}})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		kind := map[uint32]string{Fixed: "Fixed", Dynamic: "Dynamic", Differencing: "Differential"}[r.Footer.Type]
		for _, want := range []string{"Disk type=" + kind, "Identifier=" + uuid(r.Footer.UniqueID), fmt.Sprintf("(%d bytes)", r.Size())} {
			if !strings.Contains(row["detail"], want) {
				t.Errorf("%s: %s, libvhdi says %s", path, want, row["detail"])
			}
		}
		if r.Footer.Type == Differencing && (!strings.Contains(row["detail"], "Parent identifier="+uuid(r.h.parentID)) || filepath.Base(r.h.parents[0]) != "image.vhd") {
			t.Errorf("%s: parent %x %q", path, r.h.parentID, r.h.parents)
		}
	}
}
