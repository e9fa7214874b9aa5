package ewf

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"crypto/md5"
	"crypto/sha1"
)

// memFile is a segment in memory; room bounds it, and a set that is to fail
// counts what it is asked to do.
type memFile struct {
	b    []byte
	room int
	set  *set
}

var errFull = errors.New("no space left on device (injected)")

// fails tells whether this is the time to fail; after it, all does.
func (f *memFile) fails() bool {
	if f.set == nil || f.set.failAt == 0 {
		return false
	}
	if f.set.failAt > 1 {
		f.set.failAt--
		return false
	}
	return true
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if f.fails() {
		return 0, errFull
	}
	if f.room > 0 && int(off)+len(p) > f.room {
		return 0, errFull
	}
	if n := int(off) + len(p); n > len(f.b) {
		f.b = append(f.b, make([]byte, n-len(f.b))...)
	}
	return copy(f.b[off:], p), nil
}

func (f *memFile) Truncate(n int64) error {
	if f.fails() {
		return errFull
	}
	f.b = append(f.b[:min(int(n), len(f.b))], make([]byte, max(int(n)-len(f.b), 0))...)
	return nil
}

func (f *memFile) Sync() error {
	if f.fails() {
		return errFull
	}
	return nil
}

func (f *memFile) Close() error { return nil }

// set is the segments of an image in memory.
type set struct {
	files  []*memFile
	failAt int // the call of a file that fails, from 1; 0 for none
}

func (s *set) options(o WriterOptions) WriterOptions {
	o.Create = func(n int) (SegmentFile, error) {
		if n != len(s.files)+1 {
			return nil, fmt.Errorf("segment %d after %d", n, len(s.files))
		}
		s.files = append(s.files, &memFile{set: s})
		return s.files[n-1], nil
	}
	o.Reopen = func(n int) (SegmentFile, error) {
		s.files = s.files[:n]
		return s.files[n-1], nil
	}
	return o
}

func (s *set) open(t testing.TB) *Reader {
	t.Helper()
	var src []Source
	for i, f := range s.files {
		src = append(src, Source{fmt.Sprintf("d.%s", extension('E', i+1)), bytes.NewReader(f.b), int64(len(f.b))})
	}
	r, err := Open(src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func settings(media []byte) WriterOptions {
	return WriterOptions{Sectors: int64(len(media)) / 512, BytesPerSector: 512, SectorsPerChunk: 64, Physical: true, Level: Default,
		SegmentSize: MinSegment, GUID: [16]byte{1, 2, 3, 4, 5, 6, 0x40, 8, 0x80},
		Header: Header{Case: "2011-083", Exhibit: "7", Examiner: "鑑識 太郎", Description: "a\tb\r\nc", Notes: "検体", Model: "M", Serial: "S1",
			Tool: "kanshiki 1.0 and more", System: "linux", Acquired: time.Date(2026, 11, 23, 2, 16, 6, 0, time.UTC)}}
}

// noise is n bytes that do not compress, with a stretch of zeros.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{9}).Read(b)
	clear(b[n/3 : n/2])
	return b
}

// chunksOf encodes a medium.
func chunksOf(t testing.TB, media []byte, o WriterOptions) (stored [][]byte, compressed []bool) {
	t.Helper()
	e, err := NewEncoder(o.Level)
	if err != nil {
		t.Fatal(err)
	}
	for c := range slices.Chunk(media, o.SectorsPerChunk*o.BytesPerSector) {
		s, z := e.Encode(nil, c)
		stored, compressed = append(stored, s), append(compressed, z)
	}
	return stored, compressed
}

func writeAll(t testing.TB, media []byte, o WriterOptions, bad []SectorRun) *set {
	t.Helper()
	s := &set{}
	w, err := NewWriter(s.options(o))
	if err != nil {
		t.Fatal(err)
	}
	stored, compressed := chunksOf(t, media, o)
	for i := range stored {
		if err := w.Append(stored[i], compressed[i]); err != nil {
			t.Fatal(err)
		}
	}
	m, h := md5.Sum(media), sha1.Sum(media)
	if err := w.Finish(m[:], h[:], bad); err != nil {
		t.Fatal(err)
	}
	return s
}

func inflated(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The bytes at the start of an image, by the specification.
func TestWrittenBytes(t *testing.T) {
	media := make([]byte, 100*512)
	b := writeAll(t, media, settings(media), nil).files[0].b
	if got := hex.EncodeToString(b[:13]); got != "455646090d0aff00"+"01"+"0100"+"0000" {
		t.Errorf("file header %s", got)
	}
	var kinds []string
	for off := 13; ; {
		d := b[off : off+76]
		kind := string(bytes.TrimRight(d[:16], "\x00"))
		kinds = append(kinds, kind)
		next, size := int(binary.LittleEndian.Uint64(d[16:])), int(binary.LittleEndian.Uint64(d[24:]))
		if sum := adler32.Checksum(d[:72]); sum != binary.LittleEndian.Uint32(d[72:]) {
			t.Errorf("%s: checksum", kind)
		}
		if kind == "done" {
			if next != off || size != 0 || off+76 != len(b) {
				t.Errorf("done at %d: next %d, size %d, file of %d", off, next, size, len(b))
			}
			break
		}
		if next != off+size {
			t.Errorf("%s at %d: next %d, size %d", kind, off, next, size)
		}
		payload := b[off+76 : next]
		switch kind {
		case "header2":
			text := inflated(t, payload)
			want := "3\nmain\na\tc\tn\te\tt\tmd\tsn\tav\tov\tm\tu\tp\tdc\na b  c\t2011-083\t7\t鑑識 太郎\t検体\tM\tS1\tkanshiki 1.\tlinux\t1795400166\t1795400166\t0\t\n\nsrce\n"
			got, err := parseHeader(text, 0)
			if err != nil || len(got) != 13 || !bytes.HasPrefix(text, []byte{0xFF, 0xFE}) || !strings.HasPrefix(plain16(text), want) {
				t.Errorf("header2 %q", plain16(text))
			}
		case "header":
			if got := string(inflated(t, payload)); got != "1\r\nmain\r\nc\tn\ta\te\tt\tav\tov\tm\tu\tp\r\n2011-083\t7\ta b  c\t?? ??\t??\tkanshiki 1.\tlinux\t2026 11 23 2 16 6\t2026 11 23 2 16 6\t0\r\n\r\n" {
				t.Errorf("header %q", got)
			}
		case "volume", "data":
			if len(payload) != 1052 || payload[0] != 1 || binary.LittleEndian.Uint32(payload[4:]) != 2 || payload[8] != 64 ||
				binary.LittleEndian.Uint32(payload[12:]) != 512 || binary.LittleEndian.Uint64(payload[16:]) != 100 || payload[36] != 3 || payload[52] != 1 {
				t.Errorf("%s: % x", kind, payload[:80])
			}
		case "table", "table2":
			if n := binary.LittleEndian.Uint32(payload); n != 2 || binary.LittleEndian.Uint32(payload[24:]) != 0x4C|1<<31 {
				t.Errorf("%s: %d entries, the first %#x", kind, n, binary.LittleEndian.Uint32(payload[24:]))
			}
		}
		off = next
	}
	if got := strings.Join(kinds, " "); got != "header2 header2 header volume sectors table table2 data digest hash done" {
		t.Errorf("sections %s", got)
	}
}

func plain16(b []byte) string {
	var s strings.Builder
	for i := 2; i+1 < len(b); i += 2 {
		s.WriteRune(rune(binary.LittleEndian.Uint16(b[i:])))
	}
	return s.String()
}

func TestWriteAndRead(t *testing.T) {
	for name, media := range map[string][]byte{
		"one sector": noise(512), "one chunk": noise(32 << 10), "odd tail": noise(5<<20 + 512*7),
		"zeros": make([]byte, 3<<20), "two groups": make([]byte, (tableEntries+3)*1024),
	} {
		o := settings(media)
		if name == "two groups" {
			o.SectorsPerChunk = 2
		}
		bad := []SectorRun{{3, 1}, {5, 2}}
		if len(media) == 512 {
			bad = []SectorRun{{0, 1}}
		}
		s := writeAll(t, media, o, bad)
		r := s.open(t)
		got := make([]byte, r.Size())
		if n, err := r.ReadAt(got, 0); n != len(media) || err != nil || !bytes.Equal(got, media) {
			t.Errorf("%s: %d of %d bytes, %v", name, n, len(media), err)
		}
		if p := r.Problems(); len(p) > 0 {
			t.Errorf("%s: %+v", name, p)
		}
		if !slices.Equal(r.ReadErrors(), bad) || r.Variant() != "EnCase 6 or 7" || len(r.Digests()) != 3 {
			t.Errorf("%s: %v, %s, %v", name, r.ReadErrors(), r.Variant(), r.Digests())
		}
		for i, f := range s.files {
			if len(f.b) > MinSegment {
				t.Errorf("%s: segment %d has %d bytes", name, i+1, len(f.b))
			}
		}
		r.Close()
	}
}

func TestWriterRefuses(t *testing.T) {
	media := noise(64 << 10)
	small := settings(media)
	small.SegmentSize = 1000
	if _, err := NewWriter((&set{}).options(small)); err == nil {
		t.Error("segments of 1000 bytes")
	}
	odd := settings(media)
	odd.BytesPerSector = 520
	if _, err := NewWriter((&set{}).options(odd)); err == nil {
		t.Error("sectors of 520 bytes, which no reader takes")
	}
	long := settings(media)
	long.Header.Notes = strings.Repeat("検", maxField+1)
	if _, err := NewWriter((&set{}).options(long)); err == nil {
		t.Error("notes that would be cut")
	}
	s := &set{}
	w, err := NewWriter(s.options(settings(media)))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(nil, nil, nil); err == nil {
		t.Error("an end before all chunks were there")
	}
	stored, compressed := chunksOf(t, media, settings(media))
	if err := w.Append(stored[1][1:], false); err == nil {
		t.Error("a chunk without a byte of its own")
	}
	if err := w.Append(stored[1], true); err == nil {
		t.Error("a chunk that is said to be compressed")
	}
	for i := range stored {
		if err := w.Append(stored[i], compressed[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Append(stored[0], compressed[0]); err == nil {
		t.Error("a chunk too many")
	}
	if err := w.Finish(nil, nil, make([]SectorRun, MinSegment/8)); !errors.Is(err, ErrRuns) {
		t.Errorf("more runs than fit a segment: %v", err)
	}
	s.files[0].room = 1 // the disk is full from now on
	if _, err := w.State(); !errors.Is(err, errFull) {
		t.Errorf("full: %v", err)
	}
	if err := w.Finish(nil, nil, nil); !errors.Is(err, errFull) {
		t.Errorf("full: %v", err)
	}
}

// Thousands of bad places have a segment of their own, and are all read back.
func TestManyRuns(t *testing.T) {
	media := make([]byte, 64<<10)
	runs := make([]SectorRun, 100_000)
	for i := range runs {
		runs[i] = SectorRun{uint32(2 * i), 1}
	}
	s := writeAll(t, media, settings(media), runs)
	r := s.open(t)
	defer r.Close()
	if len(s.files) != 1 || !slices.Equal(r.ReadErrors(), runs) || len(r.Problems()) > 0 {
		t.Errorf("%d segments, %d runs, %v", len(s.files), len(r.ReadErrors()), r.Problems())
	}
	media = noise(1 << 20)
	s = writeAll(t, media, settings(media), runs)
	r = s.open(t)
	defer r.Close()
	if len(s.files) != 2 || len(s.files[1].b) > MinSegment || !slices.Equal(r.ReadErrors(), runs) || len(r.Problems()) > 0 {
		t.Errorf("%d segments, %d runs, %v", len(s.files), len(r.ReadErrors()), r.Problems())
	}
}

func TestChunkSectors(t *testing.T) {
	const tib = 1 << 40
	for _, c := range []struct {
		media  int64
		sector int
		want   int
	}{{1 << 30, 512, 64}, {4*tib - 32<<10, 512, 64}, {4 * tib, 512, 128}, {8 * tib, 512, 256}, {20 * tib, 512, 1024}, {1 << 30, 4096, 8}} {
		if got := ChunkSectors(c.media, c.sector); got != c.want {
			t.Errorf("%d bytes in sectors of %d: %d, expected %d", c.media, c.sector, got, c.want)
		}
	}
}

// What is stored inflates, by the standard library, to the chunk, and is no
// larger than it; noise in its middle does not keep a chunk from being compressed.
func TestEncode(t *testing.T) {
	noisy := noise(96 << 10)[:32<<10]
	text := bytes.Repeat([]byte("a line of text that compresses well enough\n"), 800)[:32<<10]
	middle := bytes.Clone(text)
	copy(middle[12<<10:], noisy[:8<<10])
	for name, c := range map[string]struct {
		chunk      []byte
		compressed bool
	}{
		"noise": {noisy, false}, "text": {text, true}, "noise in the middle": {middle, true}, "zeros": {make([]byte, 32<<10), true},
		"sector of noise": {noisy[:512], false}, "sector of zeros": {make([]byte, 512), true}, "nothing but one byte": {[]byte{0, 0, 0, 7}, false},
	} {
		for _, level := range []Level{None, Fast, Default, Best} {
			e, err := NewEncoder(level)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time from what the first one left
				out, compressed := e.Encode([]byte("before"), c.chunk)
				stored, ok := bytes.CutPrefix(out, []byte("before"))
				if !ok || compressed != (c.compressed && level != None) || len(stored) > len(c.chunk)+4 {
					t.Errorf("%s at level %d: %d bytes, compressed %t", name, level, len(stored), compressed)
				}
				if compressed && !bytes.Equal(inflated(t, stored), c.chunk) ||
					!compressed && !bytes.Equal(stored, binary.LittleEndian.AppendUint32(bytes.Clone(c.chunk), adler32.Checksum(c.chunk))) {
					t.Errorf("%s at level %d: other bytes", name, level)
				}
			}
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	text := bytes.Repeat([]byte("a line of text that compresses well enough\n"), 800)[:32<<10]
	for name, chunk := range map[string][]byte{"text": text, "noise": noise(96 << 10)[:32<<10], "zeros": make([]byte, 32<<10)} {
		for _, level := range []Level{Fast, Default, Best} {
			e, err := NewEncoder(level)
			if err != nil {
				b.Fatal(err)
			}
			var out []byte
			b.Run(fmt.Sprintf("%s/%d", name, level), func(b *testing.B) {
				b.SetBytes(int64(len(chunk)))
				b.ReportAllocs()
				for b.Loop() {
					out, _ = e.Encode(out[:0], chunk)
				}
			})
		}
	}
}
