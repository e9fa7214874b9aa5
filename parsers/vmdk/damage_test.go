package vmdk_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/badblock"
	"kanshiki/parsers/vmdk"
)

// doubts counts problems that are more than a note.
func doubts(d *vmdk.Disk) (n int) {
	for _, p := range d.Problems() {
		if !p.Note {
			n++
		}
	}
	return n
}

// lawful opens a disk of damaged files and checks that nothing is lost in
// silence. It tells whether the disk could be opened and all of it was given.
func lawful(t *testing.T, m memory, name string, want []byte, what string, arg int) bool {
	t.Helper()
	d, err := m.disk(name)
	if err != nil {
		return false
	}
	defer d.Close()
	want = want[:min(int64(len(want)), d.Size())]
	places := slices.DeleteFunc(grains(), func(off int64) bool { return off >= int64(len(want)) })
	silent, bad := compare(t, d, want, places)
	if d.Size() != int64(len(media())) && doubts(d) == 0 {
		t.Errorf("%s %d: size %d without a word", what, arg, d.Size())
	}
	if silent > 0 && doubts(d) == 0 {
		t.Errorf("%s %d: %d places differ without a word", what, arg, silent)
	}
	return bad == 0 && silent == 0
}

// The truncation law: a shorter file gives less and says so.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"mono.vmdk", "stream.vmdk"} {
		m := samples(t, name)
		whole := m[name]
		r := rand.New(rand.NewPCG(3, 4))
		cuts := []int{0, 1, 4, 511, 512, 513, 1024, 10752, 65535, 65536, 65537, 131072, len(whole) - 512, len(whole) - 1}
		for range 60 {
			cuts = append(cuts, r.IntN(len(whole)))
		}
		for _, n := range cuts {
			m[name] = whole[:n]
			if lawful(t, m, name, media(), name+" cut at", n) && n < len(whole)/2 {
				t.Errorf("%s cut at %d: all is there", name, n)
			}
		}
	}
}

// Any one bit of the header, the descriptor and the tables.
func TestFlipped(t *testing.T) {
	stream := len(samples(t, "stream.vmdk")["stream.vmdk"])
	for _, c := range []struct {
		name             string
		from, to, stride int // bytes, bits
	}{
		{"mono.vmdk", 0, 79, 1}, {"mono.vmdk", 512, 900, 7}, {"mono.vmdk", 21 * 512, 21*512 + 16, 1}, {"mono.vmdk", copyTable, copyTable + 32, 1},
		{"mono.vmdk", 30 * 512, 30*512 + 16, 1}, {"mono.vmdk", firstTable, firstTable + 32, 1},
		{"stream.vmdk", 0, 79, 5}, {"stream.vmdk", 8, 12, 1}, {"stream.vmdk", 65536, 65560, 3}, {"stream.vmdk", 66000, stream, 9973},
		{"stream.vmdk", stream - 5*512, stream - 4*512, 31}, {"stream.vmdk", stream - 1024, stream - 1024 + 79, 3},
	} {
		m := samples(t, c.name)
		for i := c.from * 8; i < c.to*8; i += c.stride {
			m[c.name][i/8] ^= 1 << (i % 8)
			lawful(t, m, c.name, media(), c.name+" bit", i)
			m[c.name][i/8] ^= 1 << (i % 8)
		}
	}
}

// places of mono.vmdk, as xxd shows them: the copy of the directory at sector
// 21 names the table in sector 22, the first directory at 30 that in 31.
const (
	copyTable  = 22 * 512
	firstTable = 31 * 512
)

func TestTableAndCopy(t *testing.T) {
	one := func(what string, change func(b []byte), wantBad int64, wantDoubts int) {
		m := samples(t, "mono.vmdk")
		change(m["mono.vmdk"])
		d, err := m.disk("mono.vmdk")
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		silent, bad := compare(t, d, media(), grains())
		if silent != 0 || bad != wantBad || doubts(d) != wantDoubts {
			t.Errorf("%s: %d differ, %#x bad, want %#x; problems %v", what, silent, bad, wantBad, d.Problems())
		}
	}
	put := func(off int, v uint32) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint32(b[off:], v) }
	}
	one("as it was", func([]byte) {}, 0, 0)
	one("first entry outside the file", put(firstTable, 1<<30), 0, 1)
	one("copy's entry outside the file", put(copyTable, 1<<30), 0, 1)
	one("both outside", func(b []byte) { put(firstTable, 1<<30)(b); put(copyTable, 1<<29)(b) }, 1<<16, 1)
	one("first entry gone", put(firstTable, 0), 0, 1)
	one("copy's entry gone", put(copyTable, 0), 0, 1)
	one("two answers", put(firstTable, 256), 1<<16, 1)
	one("directory outside the file", put(30*512, 1<<30), 0, 1)
	one("directory lost", put(56, 1<<30), 0, 2) // one for each grain table
	one("both directories lost", func(b []byte) { put(56, 1<<30)(b); put(48, 1<<30)(b) }, 10*1<<16-(1<<17-70144), 0)
}

// Without its directory a stream is read by its markers. What is not met there
// is unknown, unless a grain table says that it is a hole.
func TestStreamWithoutDirectory(t *testing.T) {
	whole := stream(media())
	m := memory{"stream.vmdk": whole}
	end := len(whole) - 3*512 // footer's marker, footer, end
	m["stream.vmdk"] = whole[:end]
	d, err := m.disk("stream.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	silent, bad := compare(t, d, media(), grains())
	if silent != 0 || bad != 0 || doubts(d) == 0 {
		t.Errorf("without footer: %d differ, %#x bad, %v", silent, bad, d.Problems())
	}

	// Cut behind the first two grains: nothing tells what the others are.
	next := func(at int) int { return at + (12+int(binary.LittleEndian.Uint32(whole[at+8:]))+511)&^511 }
	second := next(128 * 512)
	m["stream.vmdk"] = whole[:next(second)]
	if d, err = m.disk("stream.vmdk"); err != nil {
		t.Fatal(err)
	}
	var got []container.Range
	for r := range d.Ranges(0, d.Size()) {
		got = append(got, r)
	}
	if len(got) != 2 || got[0].Kind != container.Data || got[0].Len != 1<<17 || got[1].Kind != container.Unknown {
		t.Errorf("cut: %+v", got)
	}

	// Rubbish between two grains is stepped over.
	rubbish := bytes.Repeat([]byte("not a marker of the stream. "), 100)[:1024]
	m["stream.vmdk"] = append(append(bytes.Clone(whole[:second]), rubbish...), whole[second:end]...)
	if d, err = m.disk("stream.vmdk"); err != nil {
		t.Fatal(err)
	}
	if silent, bad = compare(t, d, media(), []int64{0, 1 << 16, 3 << 16, 33 << 20}); silent != 0 || bad != 0 {
		t.Errorf("rubbish: %d differ, %#x bad", silent, bad)
	}

	// The directory itself is damaged: the grains are found all the same.
	m["stream.vmdk"] = bytes.Clone(whole)
	copy(m["stream.vmdk"][end-512:], bytes.Repeat([]byte{0xEE}, 8))
	if d, err = m.disk("stream.vmdk"); err != nil {
		t.Fatal(err)
	}
	if silent, bad = compare(t, d, media(), []int64{0, 1 << 16, 3 << 16, 33 << 20}); silent != 0 || bad != 0 {
		t.Errorf("directory: %d differ, %#x bad", silent, bad)
	}

	// So is one that is said to be behind the file's end.
	m["stream.vmdk"] = bytes.Clone(whole)
	binary.LittleEndian.PutUint64(m["stream.vmdk"][56:], 1<<40)
	if d, err = m.disk("stream.vmdk"); err != nil {
		t.Fatal(err)
	}
	if silent, bad = compare(t, d, media(), []int64{0, 1 << 16, 3 << 16, 33 << 20}); silent != 0 || bad != 0 {
		t.Errorf("directory outside: %d differ, %#x bad", silent, bad)
	}

	// Bytes behind the end, as tapes and downloads leave them.
	m["stream.vmdk"] = append(bytes.Clone(whole), make([]byte, 70000)...)
	if d, err = m.disk("stream.vmdk"); err != nil {
		t.Fatal(err)
	}
	if got := sum(t, d, d.Size()); got != mediaSum || doubts(d) != 1 {
		t.Errorf("bytes behind the end: %s, %v", got, d.Problems())
	}
}

// Two entries of a stream's table exchanged: each marker names its place, and
// the right grains are found by them.
func TestCrossedGrains(t *testing.T) {
	b := stream(media())
	at := bytes.Index(b, []byte{4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}) + 512 // behind the marker of the first table
	x := binary.LittleEndian.Uint32(b[at:])
	y := binary.LittleEndian.Uint32(b[at+4:])
	binary.LittleEndian.PutUint32(b[at:], y)
	binary.LittleEndian.PutUint32(b[at+4:], x)
	d, err := memory{"stream.vmdk": b}.disk("stream.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	silent, bad := compare(t, d, media(), grains())
	if silent != 0 || bad != 0 || doubts(d) != 2 || !strings.Contains(d.Problems()[0].What, "marker") {
		t.Errorf("%d differ, %#x bad, %v", silent, bad, d.Problems())
	}

	// The grains themselves exchanged, or one of them damaged: no marker helps.
	b = stream(media())
	b[128*512+40] ^= 1
	if d, err = (memory{"stream.vmdk": b}).disk("stream.vmdk"); err != nil {
		t.Fatal(err)
	}
	if silent, bad := compare(t, d, media(), grains()); silent != 0 || bad != 1<<16 {
		t.Errorf("%d differ, %#x bad", silent, bad)
	}
}

// A header that claims 2^53 sectors costs neither memory nor time.
func TestHugeClaim(t *testing.T) {
	for _, name := range []string{"mono.vmdk", "stream"} {
		m := memory{"stream": stream(media())}
		if name == "mono.vmdk" {
			m = samples(t, name)
		}
		binary.LittleEndian.PutUint64(m[name][12:], 1<<53)
		b := m[name]
		copy(b[512:21*512], make([]byte, 20*512))
		copy(b[512:], text("1", "ffffffff", "RW 9007199254740992 SPARSE \"x\""))
		if name == "stream" {
			m[name] = b[:len(b)-1024] // no footer
		}
		d, err := m.disk(name)
		if err != nil {
			t.Fatal(err)
		}
		n, bad := 0, int64(0)
		for r := range d.Ranges(0, d.Size()) {
			if n++; r.Kind.Bad() {
				bad += r.Len
			}
		}
		if d.Size() != 1<<62 || n > 2000 || bad < 1<<61 {
			t.Errorf("%s: size %#x, %d ranges, %#x bad", name, d.Size(), n, bad)
		}
		if silent, _ := compare(t, d, media(), grains()[:9]); silent != 0 {
			t.Errorf("%s: %d differ", name, silent)
		}
	}
}

// The bad block law: what lies in the block is named, the rest is given.
func TestBadBlock(t *testing.T) {
	for _, name := range []string{"mono.vmdk", "stream.vmdk"} {
		b := samples(t, name)[name]
		for off := int64(512); off < int64(len(b)); off += 4096 {
			f := container.File{Name: name, R: badblock.Reader{ReaderAt: bytes.NewReader(b), Off: off, Len: 512}, Size: int64(len(b))}
			d, err := vmdk.Open(f, vmdk.Options{})
			if err != nil {
				t.Errorf("%s, block at %#x: %v", name, off, err)
				continue
			}
			silent, bad := compare(t, d, media(), grains())
			if silent != 0 || off >= 65536 && off < int64(len(b))-70000 && bad == 0 && doubts(d) == 0 {
				t.Errorf("%s, block at %#x: %d differ, %#x bad, %v", name, off, silent, bad, d.Problems())
			}
			if name == "mono.vmdk" && bad > 512 && off >= 65536 {
				t.Errorf("%s, block at %#x: %#x bad", name, off, bad)
			}
			d.Close()
		}
	}
}
