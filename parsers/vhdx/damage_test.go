package vhdx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/badblock"
)

func said(r *Reader) string {
	var all []string
	for _, p := range r.Problems() {
		all = append(all, fmt.Sprintf("%#x %s", p.Off, p.What))
	}
	return strings.Join(all, "\n")
}

// One bad sector of the file costs what it tells of, and no more.
func TestBadSectors(t *testing.T) {
	d := build(200, 512, "", map[int64]uint64{0: 4<<20 | fullyHere, 70: 5<<20 | fullyHere})
	fill(d.b[firstAt:], 1)
	whole, err := d.open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := media(t, whole)
	for at, c := range map[int64]struct {
		bad      int64
		problems int
		fails    bool
	}{
		0: {fails: true}, header1: {0, 1, false}, header2: {0, 1, false}, regions1: {0, 1, false}, regions2: {0, 1, false},
		metaAt: {fails: true}, metaAt + 512: {0, 0, false}, batAt: {64 * mib, 0, false}, batAt + 512: {64 * mib, 0, false}, batAt + 1024: {64 * mib, 0, false},
		batAt + 4096: {0, 0, false}, firstAt + 1024: {512, 0, false},
	} {
		r, err := Open(container.File{R: badblock.Reader{ReaderAt: bytes.NewReader(d.b), Off: at, Len: 512}, Size: int64(len(d.b))}, Options{})
		if c.fails {
			if !errors.Is(err, badblock.Err) {
				t.Errorf("at %#x: %v", at, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("at %#x: %v", at, err)
			continue
		}
		got, bad := media(t, r)
		n := int64(0)
		for _, x := range bad {
			n += x.Len
			copy(got[x.Off:x.Off+x.Len], want[x.Off:])
		}
		ranges := int64(0)
		for x := range r.Ranges(0, r.Size()) {
			if x.Kind.Bad() {
				ranges += x.Len
			}
		}
		if !bytes.Equal(got, want) || n != c.bad || ranges != c.bad || len(r.Problems()) != c.problems {
			t.Errorf("at %#x: equal %v, bad %v, %d in ranges, %s", at, bytes.Equal(got, want), bad, ranges, said(r))
		}
	}
}

// shared makes a parent, a child that has every third sector of one block, and
// what both together give.
func shared() (parent, child *disk, want []byte) {
	parent = build(3, 512, "", map[int64]uint64{0: 4<<20 | fullyHere, 1: 5<<20 | fullyHere, 2: 6<<20 | fullyHere})
	fill(parent.b[firstAt:], 1)
	const ratio = 1 << 23 * 512 / mib
	child = build(3, 512, "parent.vhdx", map[int64]uint64{1: 4<<20 | partlyHere, ratio: 5<<20 | bitmapHere})
	fill(child.b[firstAt:firstAt+mib], 2)
	want = bytes.Clone(parent.b[firstAt : firstAt+3*mib-8192])
	for s := 0; s < 2048; s += 3 {
		child.b[firstAt+mib+256+int64(s/8)] |= 1 << (s % 8)
		copy(want[mib+512*s:][:512], child.b[firstAt+int64(512*s):])
	}
	return parent, child, want
}

func serve(d *disk) func(string) (container.File, error) {
	return func(string) (container.File, error) {
		return container.File{Name: "parent.vhdx", R: bytes.NewReader(d.b), Size: int64(len(d.b))}, nil
	}
}

// The sector bitmap of a block: what cannot be read or is not there costs the
// sectors of which it tells.
func TestSectorBitmap(t *testing.T) {
	parent, child, want := shared()
	for name, c := range map[string]struct {
		harm func()
		at   int64 // of the bad sector
		bad  int64
	}{
		"whole":               {func() {}, -512, 0},
		"unreadable":          {func() {}, firstAt + mib, mib},
		"another's":           {func() {}, firstAt + mib + 512, 0},
		"its entry":           {func() {}, batAt + 8*4096, mib},
		"not present":         {func() { binary.LittleEndian.PutUint64(child.b[batAt+8*4096:], 5<<20) }, -512, mib},
		"behind the file":     {func() { binary.LittleEndian.PutUint64(child.b[batAt+8*4096:], 1<<30|bitmapHere) }, -512, mib},
		"at 2^64":             {func() { binary.LittleEndian.PutUint64(child.b[batAt+8*4096:], 1<<64-1<<20|bitmapHere) }, -512, mib},
		"behind the file too": {func() { binary.LittleEndian.PutUint64(child.b[batAt+8:], 1<<30|partlyHere) }, -512, 683 * 512},
	} {
		_, child, _ = shared()
		c.harm()
		r, err := Open(container.File{R: badblock.Reader{ReaderAt: bytes.NewReader(child.b), Off: c.at, Len: 512}, Size: int64(len(child.b))}, Options{Open: serve(parent)})
		if err != nil {
			t.Fatal(name, err)
		}
		got, bad := media(t, r)
		n := int64(0)
		for _, x := range bad {
			n += x.Len
			copy(got[x.Off:x.Off+x.Len], want[x.Off:])
			if x.Kind != container.Corrupt {
				t.Errorf("%s: %+v", name, x)
			}
		}
		if !bytes.Equal(got, want) || n != c.bad {
			t.Errorf("%s: equal %v, %d bad: %v", name, bytes.Equal(got, want), n, bad)
		}
	}
}

// Any one bit of what tells where content is, of a disk without a parent:
// nothing changes in silence.
func TestFlipped(t *testing.T) {
	d := build(4, 512, "", map[int64]uint64{0: 5<<20 | fullyHere, 1: 4<<20 | fullyHere, 2: 7<<20 | fullyHere, 3: 6<<20 | fullyHere})
	fill(d.b[firstAt:], 1)
	whole, err := d.open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := media(t, whole)
	silent := map[int]bool{}
	for _, c := range []struct{ from, to, stride int64 }{{0, 8, 5}, {header1, header1 + 80, 29}, {header2, header2 + 80, 29},
		{regions1, regions1 + 80, 31}, {regions2, regions2 + 80, 31}, {batAt, batAt + 32, 5}, {metaAt, metaAt + 160, 13}} {
		for i := c.from * 8; i < c.to*8; i += c.stride {
			d.b[i/8] ^= 1 << (i % 8)
			if r, err := d.open(Options{}); err == nil {
				got, bad := media(t, r)
				if !bytes.Equal(got, want) && len(bad) == 0 && len(r.Problems()) == 0 {
					silent[int(i/8)] = true
				}
			}
			d.b[i/8] ^= 1 << (i % 8)
		}
	}
	// The three low bits of an entry are its state: that of a block of zeros is
	// one bit from that of a stored block, and nothing in the format tells them.
	for at := range silent {
		if int64(at) < batAt || int64(at) >= batAt+32 || at%8 != 0 {
			t.Errorf("byte %#x: other bytes in silence", at)
		}
	}
}

// A log that claims as many entries as it has sectors, each as long as the log.
func TestHostileLog(t *testing.T) {
	d := dirty(nil)
	for at := int64(0); at < mib; at += sector {
		e := d.b[logAt+at:]
		copy(e, "loge")
		binary.LittleEndian.PutUint32(e[8:], mib)
		binary.LittleEndian.PutUint64(e[16:], uint64(at/sector))
		copy(e[32:], logID[:])
		seal(d.b[logAt+at:logAt+mib], 4)
	}
	r, err := d.open(Options{})
	if err != nil || !strings.Contains(said(r), "no whole sequence") {
		t.Errorf("%v: %s", err, said(r))
	}
	// And one that is whole from end to end, of entries that change nothing.
	entries := map[int64][]byte{}
	for at := int64(0); at < mib; at += sector {
		entries[at] = logEntry(uint64(100+at/sector), 0, 0)
	}
	d = dirty(entries)
	if r, err = d.open(Options{}); err != nil || r.Replayed != 256 {
		t.Errorf("%v: %d entries replayed, %s", err, r.Replayed, said(r))
	}
}

// A bad sector of the log costs the entries that lie in it.
func TestLogBadSector(t *testing.T) {
	a := make([]byte, sector)
	fill(a, 10)
	d := dirty(map[int64][]byte{0: logEntry(5, 0, 0, op{firstAt, sector, a}), 8192: logEntry(6, 0, 0, op{firstAt + sector, sector, a})})
	for at, c := range map[int64]struct {
		replayed int
		says     string
	}{0: {0, "1 sectors of the log cannot be read: offset 0x100000"}, 8192: {1, "1 sectors of the log cannot be read: offset 0x102000"}, 1 << 16: {2, "1 sectors"}} {
		r, err := Open(container.File{R: badblock.Reader{ReaderAt: bytes.NewReader(d.b), Off: logAt + at, Len: 512}, Size: int64(len(d.b))}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := media(t, r); r.Replayed != c.replayed || bytes.Equal(got[:sector], a) != (c.replayed > 0) || !strings.Contains(said(r), c.says) {
			t.Errorf("at %#x: %d replayed, %s", at, r.Replayed, said(r))
		}
	}
}

// A read of the overlay gives what one pass over all operations gives.
func TestOverlay(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const size = 40 * sector
	for range 50 {
		file := make([]byte, size-3*sector)
		fill(file, byte(r.Uint32()))
		want := append(bytes.Clone(file), make([]byte, 3*sector)...)
		var ops []op
		for range r.IntN(30) {
			x := op{at: r.Int64N(40) * sector, size: sector}
			if r.IntN(2) == 0 {
				x.size = (1 + r.Int64N(40-x.at/sector)) * sector
				clear(want[x.at : x.at+x.size])
			} else {
				x.b = make([]byte, sector)
				fill(x.b, byte(r.Uint32()))
				copy(want[x.at:], x.b)
			}
			ops = append(ops, x)
		}
		o := newOverlay(bytes.NewReader(file), int64(len(file)), size, ops)
		for range 20 {
			off := r.Int64N(size)
			p := make([]byte, 1+r.IntN(5*sector))
			n, err := o.ReadAt(p, off)
			if n != int(min(int64(len(p)), size-off)) || (n < len(p)) != (err != nil) || !bytes.Equal(p[:n], want[off:off+int64(n)]) {
				t.Fatalf("read %d at %d: %d, %v", len(p), off, n, err)
			}
		}
	}
}

// Parts of two disks put together.
func TestCrossed(t *testing.T) {
	_, child, _ := shared()
	all := []*disk{build(4, 512, "", map[int64]uint64{0: 5<<20 | fullyHere}), child, build(4, 4096, "", map[int64]uint64{2: 4<<20 | fullyHere}),
		dirty(map[int64][]byte{0: logEntry(5, 0, 0, op{firstAt, sector, make([]byte, sector)})})}
	r := rand.New(rand.NewPCG(1, 9))
	for range 60 {
		x, y := all[r.IntN(4)], all[r.IntN(4)]
		n := r.IntN(9) << 20
		if r.IntN(2) == 0 {
			n = r.IntN(5) << 16
		}
		z := disk{b: append(bytes.Clone(x.b[:n]), y.b[min(n, len(y.b)):]...)}
		d, err := z.open(Options{Open: serve(all[r.IntN(4)])})
		if err == nil {
			media(t, d)
		}
	}
}

// What the metadata may say of the parent, and chains without end.
func TestParents(t *testing.T) {
	parent, _, want := shared()
	itemAt := metaAt + 64<<10
	locator := itemAt + 8 + 8 + 4 + 4 // behind the other items
	for name, c := range map[string]struct {
		harm  func(b []byte)
		says  string
		whole bool
	}{
		"no flag":         {func(b []byte) { b[itemAt+4] = 0 }, "a flag says that there is none", true},
		"another type":    {func(b []byte) { b[locator] ^= 1 }, "which is not VHDX's", true},
		"key outside":     {func(b []byte) { b[locator+23] = 0x80 }, "parent locator: 28 bytes at", false},
		"another linkage": {func(b []byte) { b[locator+20+24+28+2] ^= 1 }, "parent.vhdx has changed or is another disk", false},
	} {
		_, child, _ := shared()
		c.harm(child.b)
		r, err := child.open(Options{Open: serve(parent)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, bad := media(t, r)
		for _, x := range bad {
			if x.Kind != container.Unknown {
				t.Errorf("%s: %+v", name, x)
			}
		}
		if !strings.Contains(said(r), c.says) || c.whole != (len(bad) == 0 && bytes.Equal(got, want)) {
			t.Errorf("%s: bad %v, %s", name, bad, said(r))
		}
	}
	self := func(b []byte) {
		for _, at := range []int{header1, header2} {
			copy(b[at+32:], dataID[:])
			seal(b[at:][:headSize], 4)
		}
	}
	_, child, _ := shared()
	self(child.b)
	r, err := child.open(Options{Open: serve(child)})
	if err != nil || len(r.Files()) != 1 || !strings.Contains(said(r), "the disk stands on itself") {
		t.Errorf("%v: %s", err, said(r))
	}
	if r, err = child.open(Options{Open: func(string) (container.File, error) { return container.File{}, fs.ErrNotExist }}); err != nil || r.lost == nil {
		t.Errorf("%v", err)
	}
}

func TestQEMU(t *testing.T) {
	qemu, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Skip("qemu-img is not installed (Debian: qemu-utils)")
	}
	dir := t.TempDir()
	want := make([]byte, 9*mib)
	fill(want[3*mib:5*mib], 5)
	raw, name := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.vhdx")
	if err := os.WriteFile(raw, want, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ options, variant string }{{"subformat=dynamic", "dynamic"}, {"subformat=dynamic,block_size=1M", "dynamic"}, {"subformat=fixed", "fixed"}} {
		if out, err := exec.Command(qemu, "convert", "-f", "raw", "-O", "vhdx", "-o", c.options, raw, name).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d := disk{b: b}
		r, err := d.open(Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, bad := media(t, r); !bytes.Equal(got, want) || len(bad) > 0 || r.Variant() != c.variant || len(r.Problems()) > 0 {
			t.Errorf("%s: equal %v, bad %v, %s, %v", c.options, bytes.Equal(got, want), bad, r.Variant(), r.Problems())
		}
	}
}

// The disks of other programs: what libvhdi 20210425 says of them.
func TestCorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "containers") {
		if row["container"] != "vhdx" {
			continue
		}
		f, err := os.Open(corpus.Path(t, row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(container.File{R: f, Size: st.Size()}, Options{})
		if err != nil {
			t.Errorf("%s: %v", row["file"], err)
			continue
		}
		if id := "Identifier=" + r.h.dataID.String(); strings.Contains(row["detail"], "Identifier=") && !strings.Contains(row["detail"], id) {
			t.Errorf("%s: %s, libvhdi says %s", row["file"], id, row["detail"])
		}
		if fmt.Sprint(r.Size()) != row["media_size"] {
			t.Errorf("%s: %d bytes, stated %s", row["file"], r.Size(), row["media_size"])
		}
		for _, p := range r.Problems() {
			if !p.Note {
				t.Errorf("%s: %s", row["file"], p.What)
			}
		}
	}
}
