package ewf2

import (
	"bytes"
	"compress/zlib"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/adler32"
	"math/rand/v2"
	"os"
	"testing"
	"unicode/utf16"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/container"
)

const sectors = 64 // of a chunk

// writer makes segments by the specification.
type writer struct {
	b    []byte
	prev uint64
}

func newSegment(n uint32) *writer {
	w := &writer{b: []byte(Magic)}
	w.b = append(w.b, 2, 1, 1, 0)
	w.b = binary.LittleEndian.AppendUint32(w.b, n)
	w.b = append(w.b, bytes.Repeat([]byte{7}, 16)...)
	return w
}

func (w *writer) section(kind uint32, data []byte) {
	pad := (16 - len(data)%16) % 16
	w.b = append(append(w.b, data...), make([]byte, pad)...)
	d := make([]byte, descriptor)
	le := binary.LittleEndian
	le.PutUint32(d, kind)
	le.PutUint64(d[8:], w.prev)
	le.PutUint64(d[16:], uint64(len(data)+pad))
	le.PutUint32(d[24:], descriptor)
	le.PutUint32(d[28:], uint32(pad))
	le.PutUint32(d[60:], adler32.Checksum(d[:60]))
	w.prev = uint64(len(w.b))
	w.b = append(w.b, d...)
}

func packed(b []byte) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func table16(names, values string) []byte {
	b := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune("1\nmain\n" + names + "\n" + values + "\n\n")) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return packed(b)
}

func sealed32(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, adler32.Checksum(b)) }

// build makes a set of n segments of a medium: chunks compressed, checksummed
// and, where all bytes are the same, a pattern.
func build(media []byte, n int, bad []run) (out [][]byte) {
	le := binary.LittleEndian
	var chunks [][]byte
	for rest := media; len(rest) > 0; {
		k := min(sectors*512, len(rest))
		chunks, rest = append(chunks, rest[:k]), rest[k:]
	}
	per := (len(chunks) + n - 1) / n
	for s := range n {
		w := newSegment(uint32(s + 1))
		if s == 0 {
			w.section(deviceInfo, table16("sn\tts\tbp", fmt.Sprintf("S1\t%d\t512", len(media)/512)))
			w.section(caseData, table16("nm\tex\tsb", "検体\texaminer\t64"))
		}
		first := s * per
		mine := chunks[min(first, len(chunks)):min(first+per, len(chunks))]
		start := len(w.b)
		var body, entries []byte
		for i, c := range mine {
			b, flags, off := c, uint32(checksummed), uint64(start+len(body))
			switch {
			case bytes.Equal(c, bytes.Repeat(c[:1], len(c))):
				off, b, flags = uint64(c[0])*0x0101010101010101, nil, pattern
			case i%2 == 0:
				b, flags = packed(c), compressed
			default:
				b = sealed32(bytes.Clone(c))
			}
			entries = le.AppendUint64(entries, off)
			entries = le.AppendUint32(entries, uint32(len(b)))
			entries = le.AppendUint32(entries, flags)
			body = append(append(body, b...), make([]byte, (16-len(b)%16)%16)...)
		}
		w.section(sectorData, body)
		head := sealed32(le.AppendUint32(le.AppendUint32(le.AppendUint64(nil, uint64(first)), uint32(len(mine))), 0))
		w.section(sectorTable, append(append(head, make([]byte, 12)...), sealed32(entries)...))
		if s < n-1 {
			w.section(lastNext, nil)
		} else {
			if bad != nil {
				e := sealed32(append(le.AppendUint32(nil, uint32(len(bad))), make([]byte, 12)...))
				var body []byte
				for _, x := range bad {
					body = le.AppendUint64(body, uint64(x.First))
					body = le.AppendUint32(le.AppendUint32(body, uint32(x.Count)), 0)
				}
				w.section(errorTable, append(append(e, make([]byte, 12)...), sealed32(body)...))
			}
			sum := md5.Sum(media)
			w.section(md5Hash, sealed32(sum[:]))
			w.section(lastDone, nil)
		}
		out = append(out, w.b)
	}
	return out
}

func open(segments ...[]byte) (*Reader, error) {
	var files []container.File
	for i, b := range segments {
		files = append(files, container.File{Name: fmt.Sprintf("d.Ex%02d", i+1), R: bytes.NewReader(b), Size: int64(len(b))})
	}
	return Open(files, Options{})
}

func read(d *container.Disk) ([]byte, []container.Range) {
	b := make([]byte, d.Size())
	_, err := d.ReadAt(b, 0)
	if e, ok := errors.AsType[*container.Error](err); ok {
		return b, e.Ranges
	}
	return b, nil
}

func medium() []byte {
	b := make([]byte, 9*sectors*512+512*5)
	rand.NewChaCha8([32]byte{6}).Read(b[:4*sectors*512])
	for i := 5 * sectors * 512; i < len(b); i++ {
		b[i] = byte(i / 777)
	}
	for i := 7 * sectors * 512; i < 8*sectors*512; i++ {
		b[i] = 0xEE
	}
	return b
}

func TestRead(t *testing.T) {
	want := medium()
	for _, n := range []int{1, 3} {
		segments := build(want, n, nil)
		for i, j := 0, len(segments)-1; i < j; i, j = i+1, j-1 { // in any order
			segments[i], segments[j] = segments[j], segments[i]
		}
		r, err := open(segments...)
		if err != nil {
			t.Fatal(err)
		}
		if got, bad := read(r.Disk); !bytes.Equal(got, want) || len(bad) > 0 || len(r.Problems.Problems()) > 0 {
			t.Errorf("%d segments: equal %v, bad %v, %v", n, bytes.Equal(got, want), bad, r.Problems.Problems())
		}
		sum := md5.Sum(want)
		if d := r.Digests(); len(d) != 1 || d[0].Sum != hex.EncodeToString(sum[:]) || r.Fields()[3].Value != "検体" {
			t.Errorf("%v %v", d, r.Fields())
		}
	}
}

// Sectors that could not be read are apart; the filling is there to be hashed.
func TestReadErrors(t *testing.T) {
	want := medium()
	r, err := open(build(want, 1, []run{{100, 3}, {2, 1}})...)
	if err != nil {
		t.Fatal(err)
	}
	_, bad := read(r.Disk)
	if len(bad) != 2 || bad[0].Off != 1024 || bad[0].Len != 512 || bad[1].Off != 51200 || bad[1].Len != 1536 || bad[0].Kind != container.Unreadable {
		t.Errorf("%v", bad)
	}
	if got, bad := read(r.Filling()); !bytes.Equal(got, want) || len(bad) > 0 {
		t.Errorf("the filling: bad %v", bad)
	}
}

// Another writer's image: 128 sectors of zeros, as its maker says.
func TestSample(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "images/ewf/ewf-forensic/zeros_128s.Ex01"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := open(b)
	if err != nil {
		t.Fatal(err)
	}
	got, bad := read(r.Disk)
	sum := md5.Sum(got)
	if !bytes.Equal(got, make([]byte, 128*512)) || len(bad) > 0 || len(r.Problems.Problems()) > 0 || r.Digests()[0].Sum != hex.EncodeToString(sum[:]) {
		t.Errorf("bad %v, %v, %v", bad, r.Problems.Problems(), r.Digests())
	}
}

// What is lost is a range, wherever the damage is.
func TestDamaged(t *testing.T) {
	want := medium()
	good := build(want, 3, nil)
	r := rand.New(rand.NewPCG(5, 5))
	check := func(what string, segments ...[]byte) {
		x, err := open(segments...)
		if err != nil || x.Size() != int64(len(want)) {
			return
		}
		got, bad := read(x.Disk)
		for _, y := range bad {
			copy(got[y.Off:y.Off+y.Len], want[y.Off:])
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: loss is silent", what)
		}
	}
	check("a segment is missing", good[0], good[2])
	check("the last is missing", good[0], good[1])
	for range 300 {
		s := r.IntN(3)
		b := bytes.Clone(good[s])
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		damaged := [][]byte{good[0], good[1], good[2]}
		damaged[s] = b
		check("a flipped bit", damaged...)
		damaged[s] = good[s][:r.IntN(len(good[s]))]
		check("a cut", damaged...)
	}
	x, err := open(good[0], good[2])
	if err != nil {
		t.Fatal(err)
	}
	if _, bad := read(x.Disk); len(bad) != 1 || bad[0].Kind != container.Unknown || len(x.Problems.Problems()) == 0 {
		t.Errorf("a segment is missing: %v", bad)
	}
	encrypted := bytes.Clone(good[0])
	at := len(encrypted) - descriptor
	encrypted[at+4] = 2
	binary.LittleEndian.PutUint32(encrypted[at+60:], adler32.Checksum(encrypted[at:at+60]))
	if _, err := open(encrypted); !errors.Is(err, ErrUnsupported) {
		t.Errorf("encrypted: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	for _, s := range build(medium()[:3*sectors*512], 2, []run{{1, 1}}) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := open(b)
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
	})
}

func BenchmarkRead(b *testing.B) {
	r, err := open(build(medium(), 1, nil)...)
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, r.Size())
	b.SetBytes(r.Size())
	b.ReportAllocs()
	for b.Loop() {
		r.ReadAt(p, 0)
	}
}
