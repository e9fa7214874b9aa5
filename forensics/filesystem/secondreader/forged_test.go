package secondreader

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"kanshiki/parsers/ntfs"
)

// attr finds an attribute of a record by its type.
func attr(rec []byte, kind ntfs.AttrType) []byte {
	for at := int(binary.LittleEndian.Uint16(rec[20:])); at+8 < len(rec); {
		size := int(binary.LittleEndian.Uint32(rec[at+4:]))
		if ntfs.AttrType(binary.LittleEndian.Uint32(rec[at:])) == kind {
			return rec[at : at+size]
		}
		if size == 0 {
			break
		}
		at += size
	}
	return nil
}

// fileName is the value of the first $FILE_NAME.
func fileName(rec []byte) []byte { return attr(rec, ntfs.AttrFileName)[24:] }

func setRef(b []byte, entry uint64, seq uint16) {
	binary.LittleEndian.PutUint64(b, entry|uint64(seq)<<48)
}

// Each fault of the second reader, made by hand in one record: the difference
// has that cause, and nothing is without one.
func TestCausesMadeByHand(t *testing.T) {
	whole := smallImage(t)
	for _, c := range []struct {
		cause Cause
		path  string // of the entry that is changed
		forge func(rec []byte, entry uint64)
		want  string // a part of the row
	}{
		{ParentZero, "plain.txt", func(rec []byte, _ uint64) { setRef(fileName(rec), 0, 1) }, `path "$MFT/plain.txt" "plain.txt"`},
		{ParentReused, "Folder/Sub Folder", func(rec []byte, _ uint64) { rec[16]++ }, // the index of Folder still names it
			`path "Folder/Sub Folder/inside.txt" "<Err>\\<Parent `},
		{RootSequence, "plain.txt", func(rec []byte, _ uint64) { setRef(fileName(rec), 5, 9) }, `path "?/5-9/plain.txt" "plain.txt"`},
		{ParentSequence, "Folder/Sub Folder/inside.txt", func(rec []byte, _ uint64) {
			fn := fileName(rec)
			setRef(fn, binary.LittleEndian.Uint64(fn)&0xFFFFFFFFFFFF, 0)
		},
			`path "Folder/Sub Folder/inside.txt" "<Err>\\<Parent `},
		{TooDeep, "Folder", func(rec []byte, entry uint64) { setRef(fileName(rec), entry, binary.LittleEndian.Uint16(rec[16:])) }, `<DirTooDeep>`},
		{NumberInRecord, "plain.txt", func(rec []byte, _ uint64) { binary.LittleEndian.PutUint32(rec[44:], 5) }, `entry "entry `},
		{LoneSurrogate, "plain.txt", func(rec []byte, _ uint64) { copy(fileName(rec)[66:], "\x00\xD8") }, `lain.txt" "` + "\uFFFD" + `lain.txt"`},
		{ByteOrderMark, "plain.txt", func(rec []byte, _ uint64) { copy(fileName(rec)[66:], "\xFE\xFF") }, `"lain.txt"`},
		{TimeOverflow, "plain.txt", func(rec []byte, _ uint64) {
			binary.LittleEndian.PutUint64(attr(rec, ntfs.AttrStandardInformation)[24:], 2650467743999999999) // the last of 9999
		}, `si_created "9999-12-31T23:59:59.9999999Z" "1816-03-30T05:56:08.066277276Z"`},
		{NothingToShow, "plain.txt", func(rec []byte, _ uint64) { // another type in its place
			binary.LittleEndian.PutUint32(attr(rec, ntfs.AttrStandardInformation), 0x18)
		}, `entry "live" ""`},
		{DamagedRecord, "plain.txt", func(rec []byte, _ uint64) { rec[510]++ }, `entry "live" ""`},
	} {
		t.Run(string(c.cause), func(t *testing.T) {
			b := slices.Clone(whole)
			n := open(t, bytes.NewReader(whole), int64(len(whole)))
			ref, _, err := n.Lookup(t.Context(), c.path)
			if err != nil {
				t.Fatal(err)
			}
			f, _ := n.Catalog().File(ref.Entry)
			c.forge(b[f.Offset():f.Offset()+1024], ref.Entry)
			s, lines := compare(t, open(t, bytes.NewReader(b), int64(len(b))), Options{})
			hit := slices.ContainsFunc(lines, func(l string) bool {
				return strings.Contains(l, string(c.cause)) && strings.Contains(l, c.want)
			})
			if !hit || s.Unexplained > 0 || s.End.Kind != Complete {
				t.Errorf("no row with %s; %+v", c.want, s)
				for _, l := range lines {
					t.Logf("%.300s", l)
				}
			}
		})
	}
}

func TestSecondName(t *testing.T) {
	for _, c := range []struct {
		units, want string
		cause       Cause
	}{
		{"a\x00b\x00", "ab", ""},
		{"", "", ""},
		{"\xFF\xFEa\x00", "愀", ByteOrderMark}, // U+6100: the two bytes swapped
		{"\xFE\xFFa\x00", "a", ByteOrderMark},
		{"a\x00\xFF\xFE", "a\uFEFF", ""},
		{"\x00\xD8a\x00", "\uFFFDa", LoneSurrogate},
		{"\x3D\xD8\x00\xDE", "😀", ""},
		{"\xFD\xFF", "\uFFFD", ""},
	} {
		if got, cause := secondName([]byte(c.units)); got != c.want || cause != c.cause {
			t.Errorf("%x: %q %s, want %q %s", c.units, got, cause, c.want, c.cause)
		}
	}
}

// The unit is 16 clusters; what is kept was worked out by hand from
// consumeRuns, and the lengths are those that notes/ntfs.md measured.
func TestKeptUnits(t *testing.T) {
	const hole = ntfs.Hole
	for _, c := range []struct {
		what string
		runs []ntfs.Run
		want []keptRun
	}{
		{"compressed, compressed", []ntfs.Run{{LCN: 100, Len: 5}, {LCN: hole, Len: 11}, {LCN: 105, Len: 5}, {LCN: hole, Len: 11}},
			[]keptRun{{ntfs.Run{Len: 16}, 0, true}, {ntfs.Run{Len: 16}, 16, true}}},
		{"compressed, zeros: one hole for both", []ntfs.Run{{LCN: 100, Len: 5}, {LCN: hole, Len: 27}}, nil},
		{"plain, compressed", []ntfs.Run{{LCN: 100, Len: 16}, {LCN: 200, Len: 3}, {LCN: hole, Len: 13}},
			[]keptRun{{ntfs.Run{LCN: 100, Len: 16}, 0, false}, {ntfs.Run{Len: 16}, 16, true}}},
		{"plain in two runs, compressed", []ntfs.Run{{LCN: 100, Len: 5}, {LCN: 300, Len: 11}, {LCN: 105, Len: 5}, {LCN: hole, Len: 11}, {LCN: 110, Len: 5}, {LCN: hole, Len: 11}},
			[]keptRun{{ntfs.Run{Len: 16}, 16, true}, {ntfs.Run{LCN: hole, Len: 11}, 37, false}}},
	} {
		if got := keptUnits(c.runs, 16); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

// A page with sectors that cannot be read: the child gives the bytes before
// them and an error, and all other sectors.
func TestPages(t *testing.T) {
	b := bytes.Repeat([]byte("0123456789ABCDEF"), 3*pageSize/16)
	b = b[:len(b)-100]
	src := &changed{b: b, then: func(p []byte, off int64) error {
		if bad := int64(pageSize + 1024); off < bad+sectorSize && bad < off+int64(len(p)) {
			return errUnreadable
		}
		return nil
	}}
	r := newReader(int64(len(b)))
	go func() {
		for a := range r.answers {
			req, _ := readPage(src, int64(binary.LittleEndian.Uint64(a.b[1:])), r.size)
			r.pages <- req[1:]
		}
	}()
	defer close(r.answers)
	for _, c := range []struct {
		off, n, want int64
		fails        bool
	}{
		{0, 16, 16, false},
		{pageSize - 8, 16, 16, false},
		{pageSize + 1000, 100, 24, true},
		{pageSize + 1024, 1, 0, true},
		{pageSize + 1536, 512, 512, false},
		{pageSize - 100, 4096, 1124, true},
		{int64(len(b)) - 10, 10, 10, false},
		{int64(len(b)) - 10, 20, 10, true},
		{int64(len(b)), 1, 0, true},
		{-1, 1, 0, true},
	} {
		p := make([]byte, c.n)
		n, err := r.ReadAt(p, c.off)
		if int64(n) != c.want || (err != nil) != c.fails || c.off >= 0 && c.off < int64(len(b)) && !bytes.Equal(p[:n], b[c.off:c.off+int64(n)]) {
			t.Errorf("%d at %d: %d, %v", c.n, c.off, n, err)
		}
	}
}

// FuzzTake gives the parent what a child might, about a volume with a changed
// record: nothing may panic or run without end, and every difference has a cause
// with a reason.
func FuzzTake(f *testing.F) {
	whole := smallImage(f)
	first, _ := json.Marshal(batch{To: 97, Done: true, Rows: []row{{Entry: 0}, {Entry: 5, Paths: []string{"."}}, {Entry: 71, Streams: []stream{{"ads", 64}}}, {Entry: 79, Paths: []string{"x"}}, {Entry: 4}}})
	f.Add(uint16(79), uint16(0x30), []byte("\xFF"), first)
	f.Add(uint16(0), uint16(22), []byte("\x00"), first)
	base := open(f, bytes.NewReader(whole), int64(len(whole)))
	f.Fuzz(func(t *testing.T, entry, at uint16, with, answer []byte) {
		var b batch
		if json.Unmarshal(answer, &b) != nil || b.To < b.From || b.To-b.From > window {
			return
		}
		image := slices.Clone(whole)
		if e, ok := base.Catalog().File(uint64(entry)); ok && at < 1024 {
			copy(image[e.Offset()+int64(at):e.Offset()+1024], with)
		}
		n := open(t, bytes.NewReader(image), int64(len(image)))
		c := newComparer(t.Context(), n, Options{Hash: true, Progress: func(int) {}}, int64(len(image)), func(d Difference) error {
			if len(d.Causes) == 0 || d.Causes[0].Reason() == "" {
				t.Errorf("%+v", d)
			}
			return nil
		})
		defer c.stop()
		if err := c.take(b); err != nil {
			t.Error(err)
		}
		if err := c.rest(); err != nil {
			t.Error(err)
		}
		if s := c.summary(); s.Compared != s.Agree+s.Differ {
			t.Errorf("%+v", s)
		}
	})
}

func BenchmarkRun(b *testing.B) {
	image := smallImage(b)
	n := open(b, bytes.NewReader(image), int64(len(image)))
	b.SetBytes(int64(n.Slots()) * 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Run(b.Context(), n, Options{}, func(Difference) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
