package ewf_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"math/rand/v2"
	"strings"
	"testing"

	"kanshiki/parsers/ewf"
)

// builder lays down segments section by section, as the specification has
// them, so that a test can make what no writer makes on purpose.
type builder struct{ b []byte }

func segment(number uint16) *builder {
	b := append([]byte("EVF\x09\x0d\x0a\xff\x00\x01"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint16(b[9:], number)
	return &builder{b}
}

func sum(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, adler32.Checksum(b)) }

// section appends a section; next is where it leads, 0 for what follows it.
func (s *builder) section(kind string, payload []byte, next int64) int {
	at := len(s.b)
	d := make([]byte, 72)
	copy(d, kind)
	if next == 0 {
		next = int64(at + 76 + len(payload))
		if kind == "done" || kind == "next" {
			next = int64(at)
		}
	}
	binary.LittleEndian.PutUint64(d[16:], uint64(next))
	binary.LittleEndian.PutUint64(d[24:], uint64(76+len(payload)))
	s.b = append(append(s.b, sum(d)...), payload...)
	return at
}

func volumeOf(chunks, sectorsPerChunk uint32, sectors uint64, guid byte) []byte {
	v := make([]byte, 1048)
	v[0] = 1
	binary.LittleEndian.PutUint32(v[4:], chunks)
	binary.LittleEndian.PutUint32(v[8:], sectorsPerChunk)
	binary.LittleEndian.PutUint32(v[12:], 512)
	binary.LittleEndian.PutUint64(v[16:], sectors)
	v[64] = guid
	return sum(v)
}

// chunks lays down raw chunks and their two tables; each chunk is filled with
// its own number.
func (s *builder) chunks(size int, numbers ...byte) {
	var data []byte
	base := len(s.b)
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(numbers)))
	head = append(head, make([]byte, 4)...)
	head = binary.LittleEndian.AppendUint64(head, uint64(base))
	table := sum(append(head, make([]byte, 4)...))
	var entries []byte
	for _, n := range numbers {
		entries = binary.LittleEndian.AppendUint32(entries, uint32(76+len(data)))
		data = append(data, sum(bytes.Repeat([]byte{n}, size))...)
	}
	s.section("sectors", data, 0)
	table = append(table, sum(entries)...)
	s.section("table", table, 0)
	s.section("table2", table, 0)
}

func openBuilt(t *testing.T, segments ...*builder) *ewf.Reader {
	t.Helper()
	var src []ewf.Source
	for i, s := range segments {
		src = append(src, ewf.Source{Name: "t.E0" + string(rune('1'+i)), R: bytes.NewReader(s.b), Size: int64(len(s.b))})
	}
	r, err := ewf.Open(src, ewf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// firsts reads the first byte of each chunk of 512 bytes; a bad one is '-'.
func firsts(r *ewf.Reader) string {
	var out []byte
	b := make([]byte, 1)
	for off := int64(0); off < r.Size(); off += 512 {
		if _, err := r.ReadAt(b, off); err != nil {
			b[0] = '-'
		}
		out = append(out, b[0])
	}
	return string(out)
}

func said(r *ewf.Reader, what string) bool {
	for _, p := range r.Problems() {
		if strings.Contains(p.What, what) {
			return true
		}
	}
	return false
}

func good() (a, b, c *builder) {
	a, b, c = segment(1), segment(2), segment(3)
	a.section("volume", volumeOf(6, 1, 6, 9), 0)
	a.chunks(512, 'a', 'b')
	a.section("next", nil, 0)
	b.section("data", volumeOf(6, 1, 6, 9), 0)
	b.chunks(512, 'c', 'd')
	b.section("next", nil, 0)
	c.section("data", volumeOf(6, 1, 6, 9), 0)
	c.chunks(512, 'e', 'f')
	return a, b, c
}

func TestBuilt(t *testing.T) {
	a, b, c := good()
	errs := make([]byte, 516)
	binary.LittleEndian.PutUint32(errs, 2)
	errs = append(sum(errs), sum([]byte{1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0})...)
	c.section("error2", errs, 0)
	c.section("done", nil, 0)
	r := openBuilt(t, c, a, b) // in any order
	if got := firsts(r); got != "abcdef" || len(r.Problems()) != 0 {
		t.Errorf("%s, %v", got, r.Problems())
	}
	if e := r.ReadErrors(); len(e) != 2 || e[0] != (ewf.SectorRun{First: 1, Count: 1}) || e[1] != (ewf.SectorRun{First: 4, Count: 2}) {
		t.Errorf("read errors %v", e)
	}
}

func TestForeignSegment(t *testing.T) {
	a, _, c := good()
	c.section("done", nil, 0)
	b := segment(2)
	b.section("data", volumeOf(6, 1, 6, 8), 0) // another set
	b.chunks(512, 'x', 'y')
	b.section("next", nil, 0)
	r := openBuilt(t, a, b, c)
	if got := firsts(r); got != "ab--ef" || !said(r, "belongs to another set") {
		t.Errorf("%s, %v", got, r.Problems())
	}
}

func TestTwoHoles(t *testing.T) {
	a, b, _ := good()
	binary.LittleEndian.PutUint16(b.b[9:], 3) // 2 is missing, and all after 3
	r := openBuilt(t, a, b)
	if got := firsts(r); got != "ab----" || !said(r, "segment 2 is missing") || !said(r, "place in the media cannot be told") {
		t.Errorf("%s, %v", got, r.Problems())
	}
}

// A chain that leads back, or nowhere, ends; what lies behind is searched.
func TestChains(t *testing.T) {
	for _, next := range []int64{13, 1, 1 << 40} {
		a := segment(1)
		a.section("volume", volumeOf(2, 1, 2, 9), next)
		a.chunks(512, 'a', 'b')
		a.section("done", nil, 0)
		r := openBuilt(t, a)
		if len(r.Problems()) == 0 {
			t.Errorf("next %d: no word", next)
		}
		if got := firsts(r); next != 1<<40 && got != "ab" {
			t.Errorf("next %d: %s, %v", next, got, r.Problems())
		}
	}
}

// A damaged descriptor of sectors does not take the chunks with it.
func TestLostSectorsDescriptor(t *testing.T) {
	a := segment(1)
	at := a.section("volume", volumeOf(2, 1, 2, 9), 0)
	a.chunks(512, 'a', 'b')
	a.section("done", nil, 0)
	i := at + 76 + 1052
	if !bytes.HasPrefix(a.b[i:], []byte("sectors")) {
		t.Fatal("no sectors there")
	}
	a.b[i+30] ^= 1
	r := openBuilt(t, a)
	if got := firsts(r); got != "ab" || len(r.Problems()) == 0 {
		t.Errorf("%s, %v", got, r.Problems())
	}
}

// The volume section is repeated in data.
func TestLostVolume(t *testing.T) {
	a := segment(1)
	at := a.section("volume", volumeOf(2, 1, 2, 9), 0)
	a.chunks(512, 'a', 'b')
	a.section("data", volumeOf(2, 1, 2, 9), 0)
	a.section("done", nil, 0)
	a.b[at+76+5] ^= 0xFF // the number of chunks
	r := openBuilt(t, a)
	if got := firsts(r); got != "ab" || !said(r, "checksum") {
		t.Errorf("%s, %v", got, r.Problems())
	}
}

// EnCase 6.7.1 let offsets run over 2 GiB; the data here is sparse.
func TestOffsetsOver2GiB(t *testing.T) {
	const far = int64(0x7FFFFF00)
	a := segment(1)
	a.section("volume", volumeOf(3, 1, 3, 9), 0)
	base := int64(len(a.b))
	chunk := func(c byte) []byte { return sum(bytes.Repeat([]byte{c}, 512)) }
	parts := map[int64][]byte{base + 76: chunk('a'), base + far: chunk('b'), base + far + 516: chunk('c')}
	end := base + far + 2*516
	d := make([]byte, 72)
	copy(d, "sectors")
	binary.LittleEndian.PutUint64(d[16:], uint64(end))
	binary.LittleEndian.PutUint64(d[24:], uint64(end-base))
	a.b = append(a.b, sum(d)...)
	parts[0] = a.b
	tail := &builder{}
	head := binary.LittleEndian.AppendUint32(nil, 3)
	head = append(head, make([]byte, 4)...)
	head = sum(append(binary.LittleEndian.AppendUint64(head, uint64(base)), make([]byte, 4)...))
	entries := binary.LittleEndian.AppendUint32(nil, 76)
	entries = binary.LittleEndian.AppendUint32(entries, uint32(far))
	entries = binary.LittleEndian.AppendUint32(entries, uint32(far+516)) // the top bit is offset, not compression
	table := append(head, sum(entries)...)
	tail.section("table", table, end+76+int64(len(table)))
	tail.section("done", nil, end+76+int64(len(table)))
	parts[end] = tail.b
	size := end + int64(len(tail.b))
	r, err := ewf.Open([]ewf.Source{{Name: "t.E01", R: sparse{size, parts}, Size: size}}, ewf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := firsts(r); got != "abc" {
		t.Errorf("%s, %v", got, r.Problems())
	}
}

// sparse is a file of which only some parts are not zero.
type sparse struct {
	size  int64
	parts map[int64][]byte
}

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	for at, b := range s.parts {
		lo, hi := max(at, off), min(at+int64(len(b)), off+int64(len(p)))
		if lo < hi {
			copy(p[lo-off:hi-off], b[lo-at:hi-at])
		}
	}
	return len(p), nil
}

// An image that claims 2^29 chunks costs no memory for them, and a missing
// petabyte no time.
func TestHugeClaims(t *testing.T) {
	a := segment(1)
	a.section("volume", volumeOf(1<<31, 1024, 1<<41, 9), 0)
	a.chunks(512*1024, 'a')
	a.section("next", nil, 0)
	r := openBuilt(t, a)
	if r.Size() != 1<<50 {
		t.Fatalf("size %d", r.Size())
	}
	pieces := 0
	if err := r.Stream(func(p *ewf.Piece) error { pieces++; p.Release(); return nil }); err != nil || pieces != 2 {
		t.Errorf("%d pieces, %v", pieces, err)
	}
	b := make([]byte, 4096)
	if n, err := r.ReadAt(b, 1<<49); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := r.ReadAt(b, 1000); n != 4096 || err != nil || b[0] != 'a' {
		t.Errorf("%d, %v", n, err)
	}
}

// What is bad, and why, does not depend on the order of the reads nor on what
// was decoded ahead.
func TestBadRangesDoNotDependOnTheOrder(t *testing.T) {
	build := func() *ewf.Reader {
		a := segment(1)
		a.section("volume", volumeOf(40, 1, 40, 9), 0)
		at := len(a.b) + 76
		var numbers []byte
		for i := range 40 {
			numbers = append(numbers, byte(i))
		}
		a.chunks(512, numbers...)
		a.section("done", nil, 0)
		for _, chunk := range []int{3, 4, 5, 9, 20, 21, 39} {
			a.b[at+chunk*516+10] ^= 1
		}
		return openBuilt(t, a)
	}
	print := func(r *ewf.Reader) string {
		var s strings.Builder
		for _, x := range r.Bad() {
			fmt.Fprintf(&s, "%d+%d %v; ", x.Off/512, x.Len/512, x.Err)
		}
		return s.String()
	}
	r := build()
	r.Stream(func(p *ewf.Piece) error { p.Release(); return nil })
	want := print(r)
	if !strings.HasPrefix(want, "3+3 ") || strings.Count(want, ";") != 4 {
		t.Fatal(want)
	}
	rnd := rand.New(rand.NewPCG(7, 7))
	for range 20 {
		r := build()
		b := make([]byte, 512*6)
		for _, k := range rnd.Perm(40) {
			r.ReadAt(b[:512*(1+rnd.IntN(6))], int64(k)*512)
		}
		r.ReadAt(b[:1], 0)
		for k := range 40 {
			r.ReadAt(b[:1], int64(k)*512)
		}
		if got := print(r); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	// Read ahead of the damage and never into it: nothing is said.
	r = build()
	b := make([]byte, 1)
	for k := range 3 {
		r.ReadAt(b, int64(k)*512)
	}
	r.Close()
	if got := print(r); got != "" {
		t.Errorf("not read, but reported: %s", got)
	}
}
