package aff4

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/pierrec/lz4/v4"

	"kanshiki/parsers/container"
)

const (
	volumeName = "aff4://11111111-0000-4000-8000-000000000001"
	image      = "aff4://11111111-0000-4000-8000-000000000002"
	mapped     = "aff4://11111111-0000-4000-8000-000000000003"
	data       = "aff4://11111111-0000-4000-8000-000000000004"
	chunk      = 4096
)

// pack stores chunks as a writer would: what does not become smaller is stored,
// in full length.
func pack(t testing.TB, method string, b []byte) []byte {
	var out bytes.Buffer
	full := append(bytes.Clone(b), make([]byte, chunk-len(b))...)
	switch method {
	case "http://code.google.com/p/snappy/":
		return snappy.Encode(nil, b)
	case "https://github.com/lz4/lz4":
		z := make([]byte, lz4.CompressBlockBound(len(b)))
		n, err := lz4.CompressBlock(b, z, nil)
		if err != nil || n == 0 {
			return full
		}
		return z[:n]
	case "https://www.ietf.org/rfc/rfc1950.txt":
		w := zlib.NewWriter(&out)
		w.Write(b)
		w.Close()
	case "https://www.ietf.org/rfc/rfc1951.txt":
		w, err := flate.NewWriter(&out, 6)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(b)
		w.Close()
	default:
		return full
	}
	if out.Len() >= len(b) {
		return full
	}
	return out.Bytes()
}

// build makes a volume with a stream of content and, unless entries is nil, a
// map over it.
func build(t testing.TB, method string, content []byte, size int64, entries []run, targets []string) []byte {
	t.Helper()
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	z.SetComment(volumeName)
	put := func(name string, b []byte) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: strings.NewReplacer(":", "%3A", "/", "%2F").Replace(strings.Split(name, "|")[0]) + strings.TrimPrefix(name, strings.Split(name, "|")[0]+"|"), Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		w.Write(b)
	}
	put("|container.description", []byte(volumeName))
	const perBevy = 3
	for i := 0; i*perBevy*chunk < len(content); i++ {
		var bevy, index []byte
		part := content[i*perBevy*chunk : min((i+1)*perBevy*chunk, len(content))]
		for len(part) > 0 {
			n := min(chunk, len(part))
			s := pack(t, method, part[:n])
			index = binary.LittleEndian.AppendUint64(index, uint64(len(bevy)))
			index = binary.LittleEndian.AppendUint32(index, uint32(len(s)))
			bevy = append(bevy, s...)
			part = part[n:]
		}
		put(fmt.Sprintf("%s|/%08d", data, i), bevy)
		put(fmt.Sprintf("%s|/%08d.index", data, i), index)
	}
	stream := data
	rdf := fmt.Sprintf("@prefix aff4: <%s> .\n@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n"+
		"<%s> a aff4:ImageStream ; aff4:chunkSize \"%d\"^^xsd:int ; aff4:chunksInSegment 3 ;\n aff4:compressionMethod <%s> ; aff4:size \"%d\"^^xsd:long .\n",
		schema, data, chunk, method, len(content))
	if entries != nil {
		stream = mapped
		var m []byte
		for _, e := range entries {
			m = binary.LittleEndian.AppendUint64(m, uint64(e.off))
			m = binary.LittleEndian.AppendUint64(m, uint64(e.n))
			m = binary.LittleEndian.AppendUint64(m, uint64(e.at))
			m = binary.LittleEndian.AppendUint32(m, e.target)
		}
		put(mapped+"|/map", m)
		put(mapped+"|/idx", []byte(strings.Join(targets, "\n")))
		rdf += fmt.Sprintf("<%s> a aff4:Map ; aff4:size \"%d\"^^xsd:long ; aff4:mapGapDefaultStream aff4:Zero .\n", mapped, size)
	}
	rdf += fmt.Sprintf("# the image\n<%s> a aff4:DiskImage , aff4:Image ; aff4:dataStream <%s> ; aff4:blockSize 512 ; aff4:diskModel \"\"\"a \"model\" x\"\"\" .\n", image, stream)
	put("|information.turtle", []byte(rdf))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func open(b []byte) (*Reader, error) {
	return Open(container.File{Name: "d.aff4", R: bytes.NewReader(b), Size: int64(len(b))}, Options{})
}

func media(r *Reader) ([]byte, []container.Range) {
	b := make([]byte, r.Size())
	_, err := r.ReadAt(b, 0)
	if e, ok := errors.AsType[*container.Error](err); ok {
		return b, e.Ranges
	}
	return b, nil
}

func content() []byte {
	b := []byte(strings.Repeat("text of the medium, again and again. ", 600))
	noise := make([]byte, 9000)
	rand.NewChaCha8([32]byte{4}).Read(noise)
	return append(b, noise...)
}

var allMethods = []string{"http://code.google.com/p/snappy/", "https://github.com/lz4/lz4", "https://www.ietf.org/rfc/rfc1950.txt",
	"https://www.ietf.org/rfc/rfc1951.txt", "http://aff4.org/Schema#NullCompressor"}

func TestStreams(t *testing.T) {
	want := content()
	for _, method := range allMethods {
		r, err := open(build(t, method, want, 0, nil, nil))
		if err != nil {
			t.Fatal(method, err)
		}
		if got, bad := media(r); !bytes.Equal(got, want) || len(bad) > 0 || len(r.Problems.Problems()) > 0 {
			t.Errorf("%s: equal %v, bad %v, %v", method, bytes.Equal(got, want), bad, r.Problems.Problems())
		}
		for off := 0; off < len(want); off += 1777 {
			p := make([]byte, 5000)
			n, _ := r.ReadAt(p, int64(off))
			if !bytes.Equal(p[:n], want[off:min(off+5000, len(want))]) {
				t.Errorf("%s: other bytes at %d", method, off)
			}
		}
		if r.SectorSize() != 512 || len(r.Fields()) != 2 || r.Fields()[1].Value != `a "model" x` {
			t.Errorf("%d %v", r.SectorSize(), r.Fields())
		}
	}
}

// A map: parts of the stream in another order, each symbolic stream, a gap, a
// stream of another volume, and a medium of 2^63-512 bytes.
func TestMap(t *testing.T) {
	src := content()
	const size = 1<<63 - 512
	other := "aff4://99999999-0000-4000-8000-000000000009"
	targets := []string{data, schema + "Zero", schema + "SymbolicStreamA5", schema + "UnknownData", schema + "UnreadableData", other}
	r, err := open(build(t, allMethods[0], src, size, []run{
		{0, 5000, 3000, 0}, {5000, 512, 0, 1}, {5512, 1000, 0, 2}, {6512, 512, 0, 3}, {7024, 512, 0, 4}, {10000, 2000, 0, 0}, {12000, 100, 0, 5},
		{size - 512, 512, 100, 0},
	}, targets))
	if err != nil {
		t.Fatal(err)
	}
	want := append(bytes.Clone(src[3000:8000]), make([]byte, 512)...)
	want = append(want, bytes.Repeat([]byte{0xA5}, 1000)...)
	got := make([]byte, 6512)
	if n, err := r.ReadAt(got, 0); n != len(got) || err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d, %v", n, err)
	}
	var kinds []string
	for x := range r.Ranges(0, size) {
		kinds = append(kinds, fmt.Sprintf("%d+%d %s", x.Off, x.Len, x.Kind))
	}
	if s := strings.Join(kinds, ", "); s != "0+5000 data, 5000+512 zero, 5512+1000 data, 6512+512 unknown, 7024+512 unreadable, 7536+2464 zero, "+
		"10000+2000 data, 12000+100 unknown, 12100+9223372036854762684 zero, 9223372036854774784+512 data" {
		t.Error(s)
	}
	last := make([]byte, 512)
	if _, err := r.ReadAt(last, size-512); err != nil || !bytes.Equal(last, src[100:612]) {
		t.Errorf("the last sector: %v", err)
	}
	if p := r.Problems.Problems(); len(p) == 0 || !strings.Contains(p[0].What, other) {
		t.Errorf("%v", p)
	}
}

func TestRefused(t *testing.T) {
	good := build(t, allMethods[0], content(), 0, nil, nil)
	for name, c := range map[string]struct {
		b  []byte
		by bool
	}{
		"no zip":      {[]byte("PK\x03\x04 and nothing"), false},
		"compression": {bytes.Replace(good, []byte("http://code.google.com/p/snappy/"), []byte("http://code.google.com/p/snippy/"), 1), true},
		"no image":    {bytes.Replace(good, []byte("aff4:DiskImage , aff4:Image"), []byte("aff4:DiskImaga , aff4:Imaga"), 1), false},
		"chunk size":  {bytes.Replace(good, []byte(`aff4:chunkSize "4096"`), []byte(`aff4:chunkSize "4x96"`), 1), false},
	} {
		// The zip's own checksum would find these: it is made anew.
		if _, err := open(reseal(t, c.b)); err == nil || errors.Is(err, ErrUnsupported) != c.by {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// reseal copies the members of a zip whose content was changed.
func reseal(t *testing.T, b []byte) []byte {
	in, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return b
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	z.SetComment(in.Comment)
	for _, f := range in.File {
		off, err := f.DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		w.Write(b[off : off+int64(f.UncompressedSize64)])
	}
	z.Close()
	return out.Bytes()
}

// A chunk that does not decode is a range; the rest is given.
func TestDamaged(t *testing.T) {
	want := content()
	good := build(t, allMethods[0], want, 0, nil, nil)
	r := rand.New(rand.NewPCG(2, 2))
	for range 400 {
		b := bytes.Clone(good)
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		if r.IntN(3) == 0 {
			b = b[:r.IntN(len(b))]
		}
		x, err := open(b)
		if err != nil {
			continue
		}
		got, bad := media(x)
		for _, y := range bad {
			if y.Off+y.Len > int64(len(want)) || y.Off+y.Len > int64(len(got)) {
				t.Fatalf("range %+v", y)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(build(f, allMethods[0], content(), 0, nil, nil))
	f.Add(build(f, allMethods[1], content(), 20000, []run{{0, 5000, 3000, 0}, {5000, 512, 0, 1}}, []string{data, schema + "UnknownData"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := open(b)
		if err != nil {
			return
		}
		p := make([]byte, 20000)
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

func FuzzTurtle(f *testing.F) {
	f.Add("@prefix a: <b> .\n<c> a a:D ; a:e \"f\"^^a:g , 'h' ; <i> \"\"\"j\"\"\" .\n# k")
	f.Fuzz(func(t *testing.T, s string) { parseTurtle(s) })
}

func BenchmarkRead(b *testing.B) {
	r, err := open(build(b, allMethods[0], content(), 0, nil, nil))
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
