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
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crypto/md5"
	"crypto/sha1"
)

// memFile is a segment in memory; room bounds it.
type memFile struct {
	b    []byte
	room int
}

var errFull = errors.New("no space left on device (injected)")

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if f.room > 0 && int(off)+len(p) > f.room {
		return 0, errFull
	}
	if n := int(off) + len(p); n > len(f.b) {
		f.b = append(f.b, make([]byte, n-len(f.b))...)
	}
	return copy(f.b[off:], p), nil
}

func (f *memFile) Truncate(n int64) error {
	f.b = append(f.b[:min(int(n), len(f.b))], make([]byte, max(int(n)-len(f.b), 0))...)
	return nil
}
func (f *memFile) Sync() error  { return nil }
func (f *memFile) Close() error { return nil }

// set is the segments of an image in memory.
type set struct{ files []*memFile }

func (s *set) options(o WriterOptions) WriterOptions {
	o.Create = func(n int) (SegmentFile, error) {
		if n != len(s.files)+1 {
			return nil, fmt.Errorf("segment %d after %d", n, len(s.files))
		}
		s.files = append(s.files, &memFile{})
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
		"zeros": make([]byte, 3<<20), "two groups": make([]byte, (tableEntries+3)*32<<10),
	} {
		o := settings(media)
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

// From every State the same bytes come out, whatever was written behind it.
func TestResumeWriter(t *testing.T) {
	media := noise(3<<20 + 512)
	o := settings(media)
	want := writeAll(t, media, o, nil)
	stored, compressed := chunksOf(t, media, o)
	m, h := md5.Sum(media), sha1.Sum(media)
	for stop := 0; stop <= len(stored); stop += 7 {
		s := &set{}
		w, err := NewWriter(s.options(o))
		if err != nil {
			t.Fatal(err)
		}
		var state State
		for i := range stored {
			if i == stop {
				if state, err = w.State(); err != nil {
					t.Fatal(err)
				}
			}
			if i > stop+20 {
				break
			}
			w.Append(stored[i], compressed[i])
		}
		if stop == len(stored) {
			if state, err = w.State(); err != nil {
				t.Fatal(err)
			}
		}
		w.flush()
		if w, err = ResumeWriter(s.options(o), state); err != nil {
			t.Fatal(err)
		}
		for i := int(state.Chunks); i < len(stored); i++ {
			if err := w.Append(stored[i], compressed[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Finish(m[:], h[:], nil); err != nil {
			t.Fatal(err)
		}
		for i := range want.files {
			if i >= len(s.files) || !bytes.Equal(s.files[i].b, want.files[i].b) {
				t.Fatalf("stopped after %d chunks: segment %d differs", stop, i+1)
			}
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	media := noise(64 << 10)
	small := settings(media)
	small.SegmentSize = 1000
	if _, err := NewWriter((&set{}).options(small)); err == nil {
		t.Error("segments of 1000 bytes")
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
	for i := range stored {
		if err := w.Append(stored[i], compressed[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Append(stored[0], compressed[0]); err == nil {
		t.Error("a chunk too many")
	}
	s.files[0].room = 1 // the disk is full from now on
	if _, err := w.State(); !errors.Is(err, errFull) {
		t.Errorf("full: %v", err)
	}
	if err := w.Finish(nil, nil, nil); !errors.Is(err, errFull) {
		t.Errorf("full: %v", err)
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

// What libewf says of ours: more than a hundred segments, an odd tail, sectors
// of 4096 bytes, errors, Japanese.
func TestAcceptedByLibewf(t *testing.T) {
	for _, tool := range []string{"ewfverify", "ewfinfo"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (Debian: ewf-tools)", tool)
		}
	}
	many := settings(noise(104<<20 + 512*3))
	large := settings(noise(1 << 20))
	large.BytesPerSector, large.Sectors, large.SectorsPerChunk = 4096, 256, 8
	for name, c := range map[string]struct {
		o     WriterOptions
		media []byte
	}{"many": {many, noise(104<<20 + 512*3)}, "sectors of 4096": {large, noise(1 << 20)}} {
		if testing.Short() && name == "many" {
			continue
		}
		c.o.Level = None
		s := writeAll(t, c.media, c.o, []SectorRun{{128, 4}})
		dir := t.TempDir()
		for i, f := range s.files {
			if err := os.WriteFile(filepath.Join(dir, "d."+extension('E', i+1)), f.b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		first := filepath.Join(dir, "d.E01")
		if out, err := exec.Command("ewfverify", "-q", "-d", "sha1", first).CombinedOutput(); err != nil {
			t.Errorf("%s, %d segments: %v\n%s", name, len(s.files), err, out)
		}
		out, err := exec.Command("ewfinfo", first).CombinedOutput()
		for _, want := range []string{"EnCase 6", "鑑識 太郎", "128 - 131 number: 4", "Nov 23 02:16:06 2026"} {
			if err != nil || !bytes.Contains(out, []byte(want)) {
				t.Errorf("%s: ewfinfo does not say %q: %v\n%s", name, want, err, out)
				break
			}
		}
	}
}

// A flipped bit anywhere is noticed without any other paper, unless it changes
// nothing: some bits of deflate streams are not read, others copy the same bytes
// from another place. quiet has compared the medium then.
func TestEveryFlipIsNoticed(t *testing.T) {
	media := append(noise(8<<10), bytes.Repeat([]byte("text of the medium\n"), 1700)...)
	media = media[:len(media)/512*512]
	o := settings(media)
	s := writeAll(t, media, o, []SectorRun{{1, 1}})
	b := s.files[0].b
	type flip struct {
		at  int
		bit byte
	}
	var silent []flip
	for i := range b {
		if i > 2200 && i < len(b)-2600 && i%211 != 0 {
			continue
		}
		bit := []byte{1, 0x80}[i%2]
		b[i] ^= bit
		if quiet(b, media) {
			silent = append(silent, flip{i, bit})
		}
		b[i] ^= bit
	}
	for _, f := range silent {
		if !inStream(b, f.at) {
			t.Errorf("byte %d of %d, bit %#x is silent", f.at, len(b), f.bit)
		}
	}
	t.Logf("%d bits of deflate streams that change nothing of what they hold", len(silent))
}

// inStream tells whether a byte lies in the payload of a section that is a
// deflate stream or made of them. Nothing else has bits without a meaning.
func inStream(b []byte, at int) bool {
	for off := 13; ; {
		kind := string(bytes.TrimRight(b[off:off+16], "\x00"))
		next := int(binary.LittleEndian.Uint64(b[off+16:]))
		if kind == "done" {
			return false
		}
		if at >= off+76 && at < next {
			return kind == "header" || kind == "header2" || kind == "sectors"
		}
		off = next
	}
}

// quiet tells whether a reader finds nothing wrong.
func quiet(b, media []byte) bool {
	r, err := Open([]Source{{"d.E01", bytes.NewReader(b), int64(len(b))}}, Options{CacheBytes: 1, Workers: 1})
	if err != nil {
		return false
	}
	defer r.Close()
	got := make([]byte, r.Size())
	if _, err := r.ReadAt(got, 0); err != nil {
		return false
	}
	r.Check()
	m, h := md5.Sum(got), sha1.Sum(got)
	for _, d := range r.Digests() {
		if d.Sum != map[string]string{"md5": hex.EncodeToString(m[:]), "sha1": hex.EncodeToString(h[:])}[d.Alg] {
			return false
		}
	}
	return len(r.Problems()) == 0 && bytes.Equal(got, media) && len(r.Digests()) == 3
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
