package evt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/internal/utf16"
)

// log writes a file by [MS-EVEN] 2.2.3: records from first on, in a ring that
// begins at start. The end-of-file record stands behind the last.
type log struct {
	b    []byte
	size int
	pos  int
	ends Ends
}

var le = binary.LittleEndian

func record(number, id uint32, strs ...string) []byte {
	z := func(s string) []byte { return append(utf16.Units(s), 0, 0) }
	names := append(z("Source"), z("PC")...)
	for len(names)%4 != 0 {
		names = append(names, 0)
	}
	sid := []byte{1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0}
	var text []byte
	for _, s := range strs {
		text = append(text, z(s)...)
	}
	b := make([]byte, 0, 256)
	stringsAt := fixedSize + len(names) + len(sid)
	data := []byte{1, 2, 3}
	size := stringsAt + len(text) + len(data)
	pad := (4 - size%4) % 4
	size += pad + 4
	for _, v := range []uint32{uint32(size), 0x654c664c, number, 1300000000 + number, 1300000001 + number, id,
		TypeAuditSuccess | uint32(len(strs))<<16, 2, 0, uint32(stringsAt), uint32(len(sid)), uint32(fixedSize + len(names)),
		uint32(len(data)), uint32(stringsAt + len(text))} {
		b = le.AppendUint32(b, v)
	}
	b = append(append(append(append(b, names...), sid...), text...), data...)
	b = append(b, make([]byte, pad)...)
	return le.AppendUint32(b, uint32(size))
}

func newLog(size, start int) *log {
	l := &log{b: make([]byte, size), size: size, pos: start}
	l.ends.First = uint32(start)
	return l
}

func (l *log) put(b []byte) {
	if l.size-l.pos < fixedSize {
		for i := l.pos; i < l.size; i++ {
			l.b[i] = 0x27
		}
		l.pos = headerSize
	}
	n := copy(l.b[l.pos:], b)
	if l.pos += n; n < len(b) {
		l.pos = headerSize + copy(l.b[headerSize:], b[n:])
	}
}

// close writes the end-of-file record, and the header with old ends.
func (l *log) close(oldest, next uint32, old Ends) []byte {
	l.ends.Oldest, l.ends.Next, l.ends.End = oldest, next, uint32(l.pos)
	tail := []byte(tailMagic)
	for _, v := range []uint32{l.ends.First, l.ends.End, next, oldest, tailSize} {
		tail = le.AppendUint32(tail, v)
	}
	copy(l.b[l.pos:], tail)
	head := le.AppendUint32(nil, headerSize)
	head = append(head, magic...)
	for _, v := range []uint32{1, 1, old.First, old.End, old.Next, old.Oldest, uint32(l.size), FlagDirty | FlagWrapped, 0, headerSize} {
		head = le.AppendUint32(head, v)
	}
	copy(l.b, head)
	return l.b
}

// wrapped is a log whose ring is half full, with one record over its end.
func wrapped() []byte {
	l := newLog(4096, 2980)
	for n := range uint32(16) {
		l.put(record(100+n, 528, "user", strings.Repeat("x", int(n))))
	}
	return l.close(100, 116, Ends{First: 2980, End: 3100, Next: 101, Oldest: 100})
}

func read(t testing.TB, b []byte) (recs []*Record, errs []error, c Counts) {
	t.Helper()
	f, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, []error{err}, c
	}
	for r, err := range f.Records() {
		if err != nil {
			errs = append(errs, err)
		}
		if r != nil {
			recs = append(recs, r)
		}
	}
	c = f.Counts()
	if c.Declared != c.Live+c.Damaged+c.Resynced+c.Lost || c.Errors != len(errs) {
		t.Errorf("%d errors, counts %+v", len(errs), c)
	}
	return recs, errs, c
}

func TestRing(t *testing.T) {
	recs, errs, c := read(t, wrapped())
	if len(errs) > 0 || c.Live != 16 || c.Declared != 16 {
		t.Fatalf("%v, %+v", errs, c)
	}
	over := 0
	for i, r := range recs {
		if r.Wrapped {
			over++
		}
		if r.Number != uint32(100+i) || r.Generated != 1300000000+r.Number || r.Code() != 528 || r.Type != TypeAuditSuccess ||
			r.Category != 2 || r.Source != "Source" || r.Computer != "PC" || len(r.SID) != 12 || string(r.Data) != "\x01\x02\x03" {
			t.Errorf("%+v", r)
		}
		if len(r.Strings) != 2 || r.Strings[0] != "user" || r.Strings[1] != strings.Repeat("x", i) {
			t.Errorf("strings %q", r.Strings)
		}
	}
	if over != 1 {
		t.Errorf("%d records go over the end of the file", over)
	}
}

func TestBrokenChain(t *testing.T) {
	whole := wrapped()
	recs, _, _ := read(t, whole)
	for _, c := range []struct {
		name      string
		off       int
		bytes     string
		resynced  int
		lost, bad int
	}{
		{"signature", 4, "XXXX", 10, 1, 0},
		{"size", 0, "\x00\x00\x00\x00", 10, 1, 0},
		{"second size", recs[5].Length - 4, "\x01", 10, 0, 1},
	} {
		b := bytes.Clone(whole)
		copy(b[int(recs[5].Offset)+c.off:], c.bytes)
		_, errs, got := read(t, b)
		// The record over the end of the file cannot be found by signature
		// once the chain is broken before it.
		over := 0
		for _, r := range recs[6:] {
			if r.Wrapped {
				over = 1
			}
		}
		if got.Live != 5 || got.Resynced != c.resynced-over || got.Lost != c.lost+over || got.Damaged != c.bad || len(errs) == 0 {
			t.Errorf("%s: %+v, %v", c.name, got, errs)
		}
	}
}

func TestTruncation(t *testing.T) {
	whole := wrapped()
	for cut := range whole {
		recs, errs, _ := read(t, whole[:cut])
		if len(recs) < 16 && len(errs) == 0 {
			t.Errorf("cut at %d: %d of 16 records, loss is silent", cut, len(recs))
		}
	}
}

type holey struct {
	*bytes.Reader
	from, to int64
}

var errBad = errors.New("bad sector")

func (h holey) ReadAt(p []byte, off int64) (int, error) {
	if end := off + int64(len(p)); off < h.to && end > h.from {
		n := max(0, h.from-off)
		h.Reader.ReadAt(p[:n], off)
		return int(n), errBad
	}
	return h.Reader.ReadAt(p, off)
}

func TestBadBlock(t *testing.T) {
	l := newLog(65536, headerSize)
	for n := range uint32(300) {
		l.put(record(1+n, 540, "someone"))
	}
	b := l.close(1, 301, Ends{First: headerSize, Next: 301, Oldest: 1})
	for from := int64(4096); from < 45000; from += 4096 {
		f, err := NewReader(holey{bytes.NewReader(b), from, from + 512}, int64(len(b)))
		if err != nil {
			t.Errorf("bad block at %d: %v", from, err)
			continue
		}
		in, n := false, 0
		for r, err := range f.Records() {
			if e, ok := errors.AsType[*Error](err); ok && e.Off >= from && e.Off < from+512 && errors.Is(err, errBad) {
				in = true
			}
			if r != nil {
				n++
			}
		}
		if !in || n < 260 {
			t.Errorf("bad block at %d: error there %v, %d records", from, in, n)
		}
	}
}

func TestNoEventLog(t *testing.T) {
	for _, b := range [][]byte{nil, []byte("0\x00\x00\x00LfL"), make([]byte, 500), []byte(strings.Repeat("text ", 100))} {
		if _, err := NewReader(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrFormat) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

// TestTruth compares with libevt. It counts the record at the border of the
// hole as recovered, which here is a torn one.
func TestTruth(t *testing.T) {
	for _, row := range corpus.Truth(t, "evt") {
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		recs, errs, c := read(t, b)
		live, _ := strconv.Atoi(row["libevt_records"])
		recovered, _ := strconv.Atoi(row["libevt_recovered"])
		if c.Live != live || c.Recovered()+c.Damaged != recovered {
			t.Errorf("%s: %+v, want %d and %d", row["file"], c, live, recovered)
		}
		ids := map[string]int{}
		for _, r := range recs {
			if r.Origin == Live && !r.Torn {
				ids[strconv.Itoa(int(r.Code()))]++
			}
		}
		for want := range strings.FieldsSeq(row["event_ids"]) {
			id, n, _ := strings.Cut(want, ":")
			if got := strconv.Itoa(ids[id]); got != n && row["state"] == "" {
				t.Errorf("%s: event %s %s times, want %s", row["file"], id, got, n)
			}
		}
		for _, err := range errs[:min(3, len(errs))] {
			t.Log(err)
		}
		t.Logf("%s: %+v, %d errors", row["file"], c, len(errs))
	}
}

// TestAgainstEvtexport compares every live record with what libevt prints.
func TestAgainstEvtexport(t *testing.T) {
	tool, err := exec.LookPath("evtexport")
	if err != nil {
		t.Skip("no evtexport (Debian package libevt-utils)")
	}
	path := corpus.Path(t, "artifacts/evt/log2timeline+plaso/SysEvent.Evt")
	out, err := exec.Command(tool, path).Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.Split(string(out), "\nEvent number\t\t\t: ")[1:]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	recs, _, _ := read(t, b)
	for i, text := range theirs {
		r := recs[i]
		for _, want := range append([]string{
			strconv.Itoa(int(r.Number)) + "\n",
			"Source name\t\t\t: " + r.Source + "\n",
			"Computer name\t\t\t: " + r.Computer + "\n",
			"Event identifier\t\t: 0x" + hex8(r.EventID) + " (",
		}, r.Strings...) {
			if !strings.Contains(text, strings.TrimRight(want, " \r\n")) {
				t.Fatalf("%v: %q is not in\n%s", r, want, text)
			}
		}
	}
	t.Logf("%d records", len(theirs))
}

func hex8(v uint32) string {
	s := strconv.FormatUint(uint64(v), 16)
	return strings.Repeat("0", 8-len(s)) + s
}

func FuzzRecords(f *testing.F) {
	f.Add(wrapped())
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		b := wrapped()
		for range 4 {
			b[rng.IntN(len(b))] = byte(rng.IntN(256))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		recs, _, _ := read(t, b)
		for _, r := range recs {
			if r.Offset < 0 || r.Offset > int64(len(b)) || r.Length > len(b) {
				t.Fatalf("%v: %d bytes", r, r.Length)
			}
		}
	})
}

func BenchmarkRecords(b *testing.B) {
	l := newLog(512<<10, headerSize)
	for n := range uint32(3000) {
		l.put(record(1+n, 540, "someone", "somewhere", "(0x0,0x3E7)"))
	}
	data := l.close(1, 3001, Ends{First: headerSize, Next: 3001, Oldest: 1})
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for range f.Records() {
			n++
		}
		if n != 3000 {
			b.Fatal(n)
		}
	}
}
