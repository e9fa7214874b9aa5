package zseek

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/SaveTheRbtz/zstd-seekable-format-go/pkg"
	"github.com/klauspost/compress/zstd"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/container"
)

func open(t testing.TB, file []byte) *Image {
	t.Helper()
	m, err := Open(bytes.NewReader(file), int64(len(file)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// readAll gives the medium, bad ranges in zeros, and the error that names them.
func readAll(m *Image) ([]byte, *container.Error) {
	b := make([]byte, m.Size())
	_, err := m.ReadAt(b, 0)
	e, _ := errors.AsType[*container.Error](err)
	if e == nil && err != nil {
		e = &container.Error{Ranges: []container.Range{{Len: m.Size(), Kind: container.Corrupt, Err: err}}}
	}
	return b, e
}

// honest checks that every byte is right or named as bad, and gives the number
// of bad ones.
func honest(t testing.TB, what string, m *Image, want []byte) int64 {
	t.Helper()
	got, bad := readAll(m)
	lost := int64(max(len(want)-len(got), 0))
	masked := make([]byte, len(got)) // what is more than wanted must be named
	copy(masked, want)
	named := int64(len(want))
	if bad != nil {
		for _, r := range bad.Ranges {
			lost += r.Len
			clear(masked[r.Off : r.Off+r.Len])
			if r.Off <= named {
				named = max(named, r.Off+r.Len)
			}
		}
	}
	if !bytes.Equal(got, masked) || int64(len(got)) > named {
		t.Errorf("%s: wrong bytes without an error (%v)", what, bad)
	}
	return lost
}

func TestRead(t *testing.T) {
	media := medium(3*indexFrames*256 + 77)
	m := open(t, write(t, media, 256))
	defer m.Close()
	// A run that could not be read: the medium does not have these bytes.
	masked := bytes.Clone(media)
	clear(masked[512:1536])
	got, bad := readAll(m)
	if !bytes.Equal(got, masked) || bad == nil || len(bad.Ranges) != 1 || bad.Ranges[0].Off != 512 || bad.Ranges[0].Len != 1024 ||
		bad.Ranges[0].Kind != container.Unreadable {
		t.Errorf("bad %v, equal %v", bad, bytes.Equal(got, masked))
	}
	f := m.Filling()
	defer f.Close()
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, media) {
		t.Errorf("what was hashed: %v", err)
	}
	if p := m.Problems.Problems(); len(p) != 0 {
		t.Errorf("problems %v", p)
	}
	if !m.Own() || m.Meta().Sector != 512 || m.Meta().Fields[0] != (Field{"case", "2026-11 事件"}) || m.Digests()[0].Sum != "00" {
		t.Errorf("%+v %+v", m.Meta(), m.End())
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		off := 2048 + r.IntN(len(media)-2048)
		b := make([]byte, min(1+r.IntN(3000), len(media)-off))
		if n, err := m.ReadAt(b, int64(off)); n != len(b) || err != nil || !bytes.Equal(b, media[off:off+n]) {
			t.Fatalf("%d at %d: %d, %v", len(b), off, n, err)
		}
	}
}

// good makes a small image with two indexes and no bad run.
func good(t testing.TB) (file, media []byte) {
	defer func(was End) { end = was }(end)
	end = End{Digests: end.Digests}
	media = medium(100*indexFrames/99*64 + 13)
	return write(t, media, 64), media
}

// Any bit that is flipped is found, or changes nothing of the medium.
func TestFlips(t *testing.T) {
	file, media := good(t)
	r := rand.New(rand.NewPCG(7, 8))
	table, err := findTable(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	silent := 0
	for i := range 400 {
		at := r.IntN(len(file))
		if i%2 == 0 { // the table and the end
			at = int(table.start) - 200 + r.IntN(len(file)-int(table.start)+200)
		}
		bad := bytes.Clone(file)
		bad[at] ^= 1 << r.IntN(8)
		m, err := Open(bytes.NewReader(bad), int64(len(bad)), Options{})
		if err != nil {
			t.Errorf("flip at %#x: %v", at, err)
			continue
		}
		lost := honest(t, "flip", m, media)
		if lost > 64 {
			t.Errorf("flip at %#x: %d bytes are lost", at, lost)
		}
		if at >= int(table.start) && lost > 0 {
			t.Errorf("flip at %#x in the table: %d bytes are lost", at, lost)
		}
		if lost == 0 && len(m.Problems.Problems()) == 0 {
			silent++
			if at >= int(table.start) && at != len(file)-5 {
				t.Errorf("flip at %#x of the table of %#x is not noticed", at, table.start)
			}
		}
		m.Close()
	}
	if silent > 8 {
		t.Errorf("%d flips leave no trace", silent)
	}
}

// A flip of a size in the table of others moves all that follows.
func TestFlipsOfOthers(t *testing.T) {
	media := medium(40_000)
	var uniform, mixed bytes.Buffer
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		out   *bytes.Buffer
		sizes []int
	}{{&uniform, []int{4096}}, {&mixed, []int{1000, 3000, 7000}}} {
		w, err := seekable.NewWriter(x.out, enc)
		if err != nil {
			t.Fatal(err)
		}
		for i, off := 0, 0; off < len(media); i++ {
			n := min(x.sizes[i%len(x.sizes)], len(media)-off)
			if _, err := w.Write(media[off : off+n]); err != nil {
				t.Fatal(err)
			}
			off += n
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		file := x.out.Bytes()
		m := open(t, file)
		if honest(t, "good", m, media) != 0 || len(m.Problems.Problems()) != 0 || m.Own() {
			t.Errorf("sizes %v: %v", x.sizes, m.Problems.Problems())
		}
		table, err := findTable(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(9, 1))
		for range 400 {
			bad := bytes.Clone(file)
			at := int(table.start) + r.IntN(len(file)-int(table.start))
			bad[at] ^= 1 << r.IntN(8)
			m, err := Open(bytes.NewReader(bad), int64(len(bad)), Options{})
			if err != nil {
				continue
			}
			lost := honest(t, fmt.Sprintf("sizes %v: flip at -%d", x.sizes, len(file)-at), m, media)
			if lost == 0 && len(m.Problems.Problems()) == 0 && at != len(file)-5 {
				t.Errorf("sizes %v: flip at -%d is not noticed: %08b", x.sizes, len(file)-at, bad[at])
			}
		}
	}
}

// The same frames, their places changed: each proves itself.
func TestSwappedFrames(t *testing.T) {
	file, media := good(t)
	m := open(t, file)
	all, err := m.l.frames(0)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	for i := 1; i < len(all) && done < 20; i++ {
		a, b := all[i-1], all[i]
		if a.stored != b.stored || a.sum == b.sum {
			continue
		}
		bad := bytes.Clone(file)
		copy(bad[a.at:], file[b.at:][:b.stored])
		copy(bad[b.at:], file[a.at:][:a.stored])
		if lost := honest(t, "swapped", open(t, bad), media); lost != 128 {
			t.Errorf("frames %d and %d swapped: %d bytes named", i-1, i, lost)
		}
		done++
	}
	if done == 0 {
		t.Error("no two frames of one size")
	}
}

// Every cut is told, and all frames before it are read.
func TestTruncation(t *testing.T) {
	file, media := good(t)
	m := open(t, file)
	all, err := m.l.frames(0)
	if err != nil {
		t.Fatal(err)
	}
	table, _ := findTable(bytes.NewReader(file), int64(len(file)))
	cuts := []int{len(file) - 1, len(file) - 9, len(file) - 10, int(table.start), int(table.start) + 1, int(table.start) - 1}
	for _, i := range []int{0, 1, 700} {
		cuts = append(cuts, int(all[i].at)-1, int(all[i].at), int(all[i].at)+1)
	}
	r := rand.New(rand.NewPCG(1, 9))
	for range 100 {
		cuts = append(cuts, r.IntN(len(file)))
	}
	for _, cut := range cuts {
		m, err := Open(bytes.NewReader(file[:cut]), int64(cut), Options{})
		if err != nil {
			if cut > int(all[0].at) {
				t.Errorf("cut at %#x: %v", cut, err)
			}
			continue
		}
		lost := honest(t, "cut", m, media)
		if len(m.Problems.Problems()) == 0 {
			t.Errorf("cut at %#x is silent", cut)
		}
		if m.Size() != int64(len(media)) {
			t.Errorf("cut at %#x: size %d", cut, m.Size())
		}
		if whole := m.l.media; cut < int(table.start)-200 && lost != int64(len(media))-whole {
			t.Errorf("cut at %#x: %d of %d lost", cut, lost, whole)
		}
	}
}

// fault makes a part of a file unreadable.
type fault struct {
	io.ReaderAt
	off, n int64
}

func (f fault) ReadAt(p []byte, off int64) (int, error) {
	if off < f.off+f.n && off+int64(len(p)) > f.off {
		return 0, errors.New("input/output error")
	}
	return f.ReaderAt.ReadAt(p, off)
}

// Without table, without an index, without both: all is read.
func TestLostStructure(t *testing.T) {
	media := medium(3*indexFrames*64 + 64*100 + 13)
	defer func(was End) { end = was }(end)
	end = End{}
	file := write(t, media, 64)
	table, _ := findTable(bytes.NewReader(file), int64(len(file)))
	_, first, err := own(bytes.NewReader(file), 0, int64(len(file)), magicMeta, tagMeta, maxMetaBytes)
	if err != nil {
		t.Fatal(err)
	}
	x := indexesBack(bytes.NewReader(file), int64(len(file)), first, int64(len(file)))
	if len(x) != 4 {
		t.Fatalf("%d indexes", len(x))
	}
	for _, c := range []struct {
		name string
		hurt []int64
	}{
		{"table", []int64{table.start + 4000}},
		{"footer", []int64{int64(len(file)) - 3}},
		{"first index", []int64{x[0].at + 20}},
		{"last index", []int64{x[3].at + 5}},
		{"table, first index", []int64{table.start, x[0].at + 20}},
		{"table, middle indexes", []int64{table.start, x[1].at + 3000, x[2].at + 1}},
		{"table, last indexes", []int64{table.start, x[3].at, x[2].at + 100}},
		{"table, all indexes", []int64{table.start + 9, x[0].at + 100, x[1].at + 100, x[2].at + 100, x[3].at + 100}},
	} {
		bad := bytes.Clone(file)
		for _, at := range c.hurt {
			bad[at] ^= 0x10
		}
		m := open(t, bad)
		if lost := honest(t, c.name, m, media); lost != 0 {
			t.Errorf("%s: %d bytes lost", c.name, lost)
		}
		if len(m.Problems.Problems()) == 0 {
			t.Errorf("%s: no problem", c.name)
		}
	}
	// A frame's header in a part that no index tells of.
	bad := bytes.Clone(file)
	bad[table.start] ^= 1
	bad[x[1].at+50] ^= 1
	bad[x[0].at+x[0].size+2*64] ^= 0xFF
	m := open(t, bad)
	if lost := honest(t, "gap", m, media); lost == 0 || lost > indexFrames*64 {
		t.Errorf("a damaged frame in a part without an index: %d bytes lost", lost)
	}
	for i := 0; i < len(file); i += len(file) / 40 {
		r := fault{bytes.NewReader(file), int64(i), 100}
		if m, err := Open(r, int64(len(file)), Options{}); err == nil {
			honest(t, "bad block", m, media)
		}
	}
}

// Frames that do not say their size, and have no checksum but the table's.
func TestBareFrames(t *testing.T) {
	media := medium(5000)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := seekable.NewWriter(&file, enc)
	if err != nil {
		t.Fatal(err)
	}
	for off := 0; off < len(media); off += 1000 {
		w.Write(media[off : off+1000])
	}
	w.Close()
	if lost := honest(t, "bare", open(t, file.Bytes()), media); lost != 0 {
		t.Errorf("%d bytes lost", lost)
	}
	// Only the table's checksums can tell.
	bad := file.Bytes()
	for at := range bad {
		flipped := bytes.Clone(bad)
		flipped[at] ^= 4
		if m, err := Open(bytes.NewReader(flipped), int64(len(flipped)), Options{}); err == nil {
			honest(t, "flip of a bare frame", m, media)
		}
	}
}

func TestUnsupported(t *testing.T) {
	b := binary.LittleEndian.AppendUint32(nil, magicTable)
	b = binary.LittleEndian.AppendUint32(b, 8+footerSize)
	for _, x := range []uint32{0, MaxFrame + 1} {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.LittleEndian.AppendUint32(append(b, 0), magicSeekable)
	if _, err := Open(bytes.NewReader(b), int64(len(b)), Options{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

// The disk of the corpus, through our writer and zstd.
func TestDisk(t *testing.T) {
	media, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer func(was End) { end = was }(end)
	end = End{}
	file := write(t, media, FrameSize(int64(len(media))))
	if lost := honest(t, "disk", open(t, file), media); lost != 0 {
		t.Errorf("%d bytes lost", lost)
	}
	others(t, file, media)
}

func FuzzOpen(f *testing.F) {
	file := write(f, medium(700), 64)
	f.Add(file)
	f.Add(file[:len(file)-20])
	f.Add(file[:len(file)/2])
	f.Add(file[120:]) // as another program's
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Open(bytes.NewReader(b), int64(len(b)), Options{Workers: 1})
		if err != nil {
			return
		}
		defer m.Close()
		p := make([]byte, min(m.Size(), 1<<20))
		m.ReadAt(p, 0)
		m.ReadAt(p, m.Size()-int64(len(p)))
		n := int64(0)
		for r := range m.Ranges(0, min(m.Size(), 1<<24)) {
			n += r.Len
		}
		if n != min(m.Size(), 1<<24) {
			t.Errorf("ranges of %d bytes cover %d", m.Size(), n)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	media := medium(16 << 20)
	m := open(b, write(b, media, 128<<10))
	p := make([]byte, 1<<20)
	b.SetBytes(int64(len(media)))
	b.ReportAllocs()
	for b.Loop() {
		for off := int64(0); off < int64(len(media)); off += 1 << 20 {
			m.ReadAt(p, off)
		}
	}
}
