package ad1_test

import (
	"bytes"
	"compress/zlib"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/ad1"
	"kanshiki/parsers/container"
)

// node is what an image is made of in tests.
type node struct {
	name    string
	content []byte
	folder  bool
	below   []node
}

func tree() []node {
	big := make([]byte, 200_000)
	for i := range big {
		big[i] = byte(i >> 7 * 31)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := 20_000; i < 180_000; i++ {
		big[i] = byte(r.Uint32())
	}
	return []node{
		{name: "Windows", folder: true, below: []node{
			{name: "System32", folder: true, below: []node{{name: "config.dat", content: []byte("hive")}, {name: "empty"}}},
			{name: "表.txt", content: bytes.Repeat([]byte("a line of a text\r\n"), 300)}}},
		{name: "big.bin", content: big},
		{name: "nothing in it", folder: true},
		{name: "last.txt", content: []byte("the end")}}
}

// image builds an AD1 by the layout in the package's documentation; only its
// addresses are those of no real image. It is cut into segments of 64 KiB.
func image(version uint32, nodes []node) [][]byte {
	le := binary.LittleEndian
	name := "E:\\case"
	start := 48
	if version == 4 {
		start = 92
	}
	b := make([]byte, start)
	copy(b, "ADLOGICALIMAGE")
	le.PutUint32(b[16:], version)
	le.PutUint32(b[20:], 1)
	le.PutUint32(b[24:], 65536)
	le.PutUint32(b[44:], uint32(len(name)))
	if version == 4 {
		copy(b[48:], "AD")
		le.PutUint64(b[52:], 92)
	}
	b = append(b, name...)
	le.PutUint64(b[36:], uint64(len(b)))
	put := func(nodes []node) {}
	parent := uint64(0)
	put = func(nodes []node) {
		for i, n := range nodes {
			at := len(b)
			b = append(b, make([]byte, 48)...)
			b = append(b, n.name...)
			b = le.AppendUint64(b, parent)
			le.PutUint64(b[at+32:], uint64(len(n.content)))
			le.PutUint32(b[at+44:], uint32(len(n.name)))
			if n.folder {
				le.PutUint32(b[at+40:], ad1.Folder)
			}
			if len(n.content) > 0 {
				le.PutUint64(b[at+24:], uint64(len(b)))
				b = chunks(b, n.content)
			}
			le.PutUint64(b[at+16:], uint64(len(b)))
			m, s := md5.Sum(n.content), sha1.Sum(n.content)
			b = metadata(b, []ad1.Meta{{Category: 3, Key: 3, Value: fmt.Sprint(len(n.content))},
				{Category: ad1.Digests, Key: ad1.MD5, Value: hex.EncodeToString(m[:])},
				{Category: ad1.Digests, Key: ad1.SHA1, Value: hex.EncodeToString(s[:])}})
			if len(n.below) > 0 {
				le.PutUint64(b[at+8:], uint64(len(b)))
				up := parent
				parent = uint64(at)
				put(n.below)
				parent = up
			}
			if i+1 < len(nodes) {
				le.PutUint64(b[at:], uint64(len(b)))
			}
		}
	}
	put(nodes)
	if version == 4 {
		le.PutUint64(b[60:], uint64(len(b)))
		b = append(b, "ATTRGUID\x00\x00\x00\x00\x00\x00\x00\x00"...)
		le.PutUint64(b[76:], uint64(len(b)))
		b = append(b, "LOCSGUID\x00\x00\x00\x00\x00\x00\x00\x00"...)
	}
	return segments(b)
}

func chunks(b, content []byte) []byte {
	le := binary.LittleEndian
	n := (len(content)-1)/65536 + 1
	b = le.AppendUint64(b, uint64(n))
	table := len(b)
	b = append(b, make([]byte, 8*(n+1))...)
	for i := range n {
		le.PutUint64(b[table+8*i:], uint64(len(b)))
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		w.Write(content[i*65536 : min((i+1)*65536, len(content))])
		w.Close()
		b = append(b, z.Bytes()...)
	}
	le.PutUint64(b[table+8*n:], uint64(len(b)))
	return b
}

func metadata(b []byte, all []ad1.Meta) []byte {
	le := binary.LittleEndian
	for i, m := range all {
		next := 0
		if i+1 < len(all) {
			next = len(b) + 20 + len(m.Value)
		}
		b = le.AppendUint64(b, uint64(next))
		b = le.AppendUint32(b, m.Category)
		b = le.AppendUint32(b, m.Key)
		b = append(le.AppendUint32(b, uint32(len(m.Value))), m.Value...)
	}
	return b
}

func segments(b []byte) (out [][]byte) {
	const size = 65536 - 512
	count := (len(b) + size - 1) / size
	for i := range count {
		h := make([]byte, 512)
		copy(h, "ADSEGMENTEDFILE")
		le := binary.LittleEndian
		le.PutUint32(h[16:], 1)
		le.PutUint32(h[20:], 2)
		le.PutUint32(h[24:], uint32(i+1))
		le.PutUint32(h[28:], uint32(count))
		le.PutUint32(h[34:], 1)
		le.PutUint32(h[40:], 512)
		out = append(out, append(h, b[i*size:min((i+1)*size, len(b))]...))
	}
	return out
}

func files(segments [][]byte) (out []container.File) {
	for i, b := range segments {
		if b != nil {
			out = append(out, container.File{Name: fmt.Sprintf("image.ad%d", i+1), R: bytes.NewReader(b), Size: int64(len(b))})
		}
	}
	return out
}

// flat lists the files of a tree by their paths.
func flat(nodes []node, at string, out map[string][]byte) map[string][]byte {
	for _, n := range nodes {
		if !n.folder {
			out[at+n.name] = n.content
		}
		flat(n.below, at+n.name+"/", out)
	}
	return out
}

// read gives the files of an image; those that cannot be read are nil.
func read(im *ad1.Image) (out map[string][]byte, bad int) {
	out = map[string][]byte{}
	for i, it := range im.Items() {
		if it.Type == ad1.Folder {
			continue
		}
		p := strings.Join(im.Path(i), "/")
		if it.Size > 1<<22 {
			out[p] = nil
			bad++
			continue
		}
		b := make([]byte, it.Size)
		if n, err := im.Content(i).ReadAt(b, 0); n < len(b) || err != nil && err != io.EOF {
			b = nil
			bad++
		}
		out[p] = b
	}
	return out, bad
}

func TestTree(t *testing.T) {
	want := flat(tree(), "", map[string][]byte{})
	for _, version := range []uint32{3, 4} {
		segs := image(version, tree())
		if len(segs) < 2 {
			t.Fatalf("%d segments", len(segs))
		}
		f := files(segs)
		f[0], f[1] = f[1], f[0] // in any order
		im, err := ad1.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		got, bad := read(im)
		if len(got) != len(want) || bad > 0 || len(im.Problems()) > 0 {
			t.Errorf("version %d: %d files, %d bad, problems %v", version, len(got), bad, im.Problems())
		}
		for p, b := range want {
			if !bytes.Equal(got[p], b) {
				t.Errorf("version %d: %s differs", version, p)
			}
		}
		if im.Version() != int(version) || im.Name() != "E:\\case" || len(im.Items()) != 8 {
			t.Errorf("version %d, name %q, %d items", im.Version(), im.Name(), len(im.Items()))
		}
	}
}

// What dissect.evidence's own tests state of its samples, and the digests that
// FTK Imager stored for each file.
func TestCorpus(t *testing.T) {
	for _, name := range []string{"ad1_test.ad1", "ad1_test_compressed.ad1"} {
		b, err := os.ReadFile(corpus.Path(t, "images/ad1/dissect.evidence/"+name))
		if err != nil {
			t.Fatal(err)
		}
		im, err := ad1.Open([]container.File{{Name: name, R: bytes.NewReader(b), Size: int64(len(b))}})
		if err != nil {
			t.Fatal(err)
		}
		if im.Name() != `E:\AD1_test` || len(im.Items()) != 2 || im.Items()[0].Name != "doc1.txt" || len(im.Problems()) > 0 {
			t.Errorf("%s: %q, %+v, %v", name, im.Name(), im.Items(), im.Problems())
		}
		all, _ := read(im)
		if got := string(all["doc1.txt"]); got != "Inhoud document 1" {
			t.Errorf("%s: doc1.txt holds %q", name, got)
		}
		for i := range im.Items() {
			digests(t, im, i)
		}
	}
}

// A set of four segments that the pyad1 project has, where KANSHIKI_AD1 names
// its first file.
func TestSet(t *testing.T) {
	first := os.Getenv("KANSHIKI_AD1")
	if first == "" {
		t.Skip("KANSHIKI_AD1 names no image")
	}
	names, err := filepath.Glob(first[:len(first)-1] + "?")
	if err != nil {
		t.Fatal(err)
	}
	var set []container.File
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		set = append(set, container.File{Name: filepath.Base(name), R: bytes.NewReader(b), Size: int64(len(b))})
	}
	im, err := ad1.Open(set)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range im.Problems() {
		t.Errorf("%+v", p)
	}
	for i := range im.Items() {
		digests(t, im, i)
	}
}

// digests compares a file's content with what the image states of it.
func digests(t *testing.T, im *ad1.Image, i int) {
	t.Helper()
	m, s := md5.New(), sha1.New()
	c := im.Content(i)
	if _, err := io.Copy(io.MultiWriter(m, s), io.NewSectionReader(c, 0, c.Size())); err != nil {
		t.Errorf("%v: %v", im.Path(i), err)
	}
	all, err := im.Metadata(i)
	if err != nil {
		t.Error(err)
	}
	found := 0
	for _, x := range all {
		have := map[uint32]string{ad1.MD5: hex.EncodeToString(m.Sum(nil)), ad1.SHA1: hex.EncodeToString(s.Sum(nil))}[x.Key]
		if x.Category != ad1.Digests || have == "" {
			continue
		}
		if found++; x.Value != have {
			t.Errorf("%v: stated %s, calculated %s", im.Path(i), x.Value, have)
		}
	}
	if it := im.Items()[i]; it.Type == ad1.File && found != 2 {
		t.Errorf("%v: %d digests", im.Path(i), found)
	}
}

// lawful checks that nothing of a damaged image is lost or changed in silence.
func lawful(t *testing.T, nodes []node, set []container.File, what string, arg int) {
	t.Helper()
	want := flat(nodes, "", map[string][]byte{})
	im, err := ad1.Open(set)
	if err != nil {
		return
	}
	got, bad := read(im)
	same := 0
	for _, b := range want { // names have no checksum: contents are compared
		for _, x := range got {
			if x != nil && bytes.Equal(x, b) {
				same++
				break
			}
		}
	}
	if same < len(want) && bad == 0 && len(im.Problems()) == 0 {
		t.Errorf("%s %d: %d of %d files without a word", what, arg, same, len(want))
	}
}

func TestTruncated(t *testing.T) {
	segs := image(4, tree())
	last := segs[len(segs)-1]
	r := rand.New(rand.NewPCG(5, 6))
	for k := range 150 {
		n := k
		if k >= 50 {
			n = r.IntN(len(last))
		}
		segs[len(segs)-1] = last[:n]
		lawful(t, tree(), files(segs), "cut at", n)
	}
}

// Any one bit: names, types, times and the tables at the end have nothing that
// they could be held against; links, sizes and contents have.
func TestFlipped(t *testing.T) {
	nodes := append(tree()[:1], tree()[2:]...)
	segs := image(4, nodes)
	if len(segs) != 1 {
		t.Fatalf("%d segments", len(segs))
	}
	for i := range len(segs[0]) * 8 {
		if i/8 > 48 && i/8 < 512 {
			continue // nothing
		}
		segs[0][i/8] ^= 1 << (i % 8)
		lawful(t, nodes, files(segs), "bit", i)
		segs[0][i/8] ^= 1 << (i % 8)
	}
}

// A link that is lost does not hide what follows.
func TestLostLink(t *testing.T) {
	want := flat(tree(), "", map[string][]byte{})
	for what, link := range map[string]uint64{"zero": 0, "outside": 1 << 40, "into the middle": 700} {
		segs := image(4, tree())
		first := binary.LittleEndian.Uint64(segs[0][512+36:])
		binary.LittleEndian.PutUint64(segs[0][512+first:], link)
		im, err := ad1.Open(files(segs))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		got, _ := read(im)
		for p, b := range want {
			if !bytes.Equal(got[p], b) {
				t.Errorf("%s: %s is lost", what, p)
			}
		}
		if len(im.Problems()) == 0 {
			t.Errorf("%s: no problem", what)
		}
	}
}

func TestMissingSegment(t *testing.T) {
	want := flat(tree(), "", map[string][]byte{})
	segs := image(4, tree())
	segs[1] = nil
	im, err := ad1.Open(files(segs))
	if err != nil {
		t.Fatal(err)
	}
	got, bad := read(im)
	if !bytes.Equal(got["Windows/System32/config.dat"], want["Windows/System32/config.dat"]) || bad != 1 || got["big.bin"] != nil {
		t.Errorf("%d files, %d bad", len(got), bad)
	}
	for i, it := range im.Items() {
		if it.Name != "big.bin" {
			continue
		}
		var ranges []string
		for r := range im.Content(i).Ranges(0, it.Size) {
			ranges = append(ranges, fmt.Sprintf("%#x %s", r.Len, r.Kind))
		}
		if s := strings.Join(ranges, ", "); !strings.Contains(s, "unknown") {
			t.Errorf("ranges %s", s)
		}
	}
	if p := im.Problems(); len(p) == 0 || !strings.Contains(p[0].What, "segment 2 of 3 is missing") {
		t.Errorf("problems %v", p)
	}
	segs[0] = nil
	if _, err := ad1.Open(files(segs)); err == nil {
		t.Error("opens without its first segment")
	}
}

func TestRefused(t *testing.T) {
	segs := image(4, tree())
	segs[0][512+16] = 5
	if _, err := ad1.Open(files(segs)); !errors.Is(err, ad1.ErrUnsupported) {
		t.Errorf("version 5: %v", err)
	}
	segs = image(4, tree())
	binary.LittleEndian.PutUint32(segs[0][28:], 1<<16) // together more than 2^63 bytes
	binary.LittleEndian.PutUint32(segs[0][34:], 1<<32-1)
	if _, err := ad1.Open(files(segs[:1])); err == nil {
		t.Error("opens 65536 segments of 2^48 bytes")
	}
	if _, err := ad1.Open(nil); err == nil {
		t.Error("no segments")
	}
}

func FuzzOpen(f *testing.F) {
	for _, v := range []uint32{3, 4} {
		segs := image(v, tree()[:1])
		f.Add(segs[0], segs[0])
		segs = image(v, tree()[3:])
		f.Add(segs[0], []byte{})
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		im, err := ad1.Open(files([][]byte{a, b}))
		if err != nil {
			return
		}
		for i := range im.Items() {
			if _, err := im.Metadata(i); err != nil {
				continue
			}
			if len(im.Path(i)) > ad1.MaxDepth+1 {
				t.Errorf("path of %d names", len(im.Path(i)))
			}
			if i < 10 {
				p := make([]byte, 3000)
				if n, err := im.Content(i).ReadAt(p, 0); n < len(p) && err == nil {
					t.Errorf("%d bytes without an error", n)
				}
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	segs := image(4, tree())
	b.SetBytes(200_000)
	b.ReportAllocs()
	p := make([]byte, 200_000)
	for b.Loop() {
		im, err := ad1.Open(files(segs))
		if err != nil {
			b.Fatal(err)
		}
		for i, it := range im.Items() {
			if it.Name != "big.bin" {
				continue
			}
			if _, err := im.Content(i).ReadAt(p, 0); err != nil && err != io.EOF {
				b.Fatal(err)
			}
		}
	}
}
