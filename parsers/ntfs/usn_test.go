package ntfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/internal/utf16"
)

// Counts and ends are those of the corpus' truth table; the fsutil listing
// gives every USN.
func TestUSNCorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "usnjrnl") {
		if strings.HasSuffix(row["file"], ".txt") {
			continue
		}
		t.Run(row["file"], func(t *testing.T) {
			b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
			if err != nil {
				t.Fatal(err)
			}
			var n [5]int
			var first, last USNRecord
			var firstName, lastName string
			for r, err := range ReadUSN(bytes.NewReader(b), int64(len(b))) {
				if err != nil {
					t.Error(err)
					continue
				}
				if n[2]+n[3]+n[4] == 0 {
					first, firstName = r, utf16.String(r.Name)
				}
				n[r.Major]++
				last = r
				if r.Major != 4 {
					lastName = utf16.String(r.Name)
				}
			}
			got := fmt.Sprint(n[2], n[3], n[4], first.USN, last.USN, firstName, lastName)
			want := fmt.Sprint(row["records_v2"], row["records_v3"], row["records_v4"], row["usn_first"], row["usn_last"], row["first_name"], row["last_name"])
			if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
	}
}

func TestUSNListing(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "images/ntfs-parts/dfir_ntfs/usnjrnlj.bin"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(corpus.Path(t, "images/ntfs-parts/dfir_ntfs/usnjrnlj.fsutil.txt"))
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ name, reason, id, parent string }
	got := map[string]row{}
	for r, err := range ReadUSN(bytes.NewReader(b), int64(len(b))) {
		if err != nil {
			t.Error(err)
			continue
		}
		got[strconv.FormatUint(r.USN, 10)] = row{utf16.String(r.Name), fmt.Sprintf("0x%08x", r.Reason), fmt.Sprintf("%032x", uint64(r.Ref)), fmt.Sprintf("%032x", uint64(r.Parent))}
	}
	n := 0
	for _, block := range strings.Split("\n"+strings.ReplaceAll(string(text), "\r", ""), "\nUsn ")[1:] {
		f := map[string]string{}
		for _, line := range strings.Split("Usn "+block, "\n") {
			if k, v, ok := strings.Cut(line, ":"); ok {
				f[strings.TrimSpace(k)] = strings.TrimSpace(v)
			}
		}
		n++
		reason, _, _ := strings.Cut(f["Reason"], ":")
		g, ok := got[f["Usn"]]
		if want := (row{f["File name"], reason, f["File ID"], f["Parent file ID"]}); !ok || f["Major version"] != "4" && g != want {
			t.Errorf("USN %s: got %+v, want %+v", f["Usn"], g, want)
		}
	}
	if n != 268 || len(got) != 271 {
		t.Errorf("%d records, the listing has %d", len(got), n)
	}
}

func TestBuiltJournal(t *testing.T) {
	for _, name := range builtVolumes(t) {
		if _, err := os.Stat(name + ".usn.tsv"); err != nil {
			continue
		}
		f, size := openImage(t, name)
		v, err := Open(f, size, Options{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := v.Scan(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		j, ok, err := c.Journal()
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		data, err := os.ReadFile(name + ".usn.tsv")
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(strings.TrimRight(string(data), "\n"), "\n")[1:]
		i := 0
		h := j.History()
		for r, err := range j.Records() {
			if err != nil {
				t.Error(err)
				continue
			}
			got := fmt.Sprintf("%d\t%d\t%d\t%d\t%08x\t%s", r.USN, r.Ref.Record(), r.Parent.Record(), r.Time, r.Reason, escapeUnits(r.Name))
			if i >= len(want) || got != want[i] {
				t.Errorf("record %d: got %q", i, got)
			}
			if p, proof := h.Path(nil, r); i < 3 {
				t.Logf("%s: %s %v", want[i], escapeUnits(p), proof)
			}
			i++
		}
		if i != len(want) {
			t.Errorf("%d of %d records", i, len(want))
		}
	}
}

// makeUSN writes a version 2 record by the layout of USN_RECORD_V2.
func makeUSN(usn uint64, ref, parent Ref, reason, attributes uint32, name string) []byte {
	n := utf16.Units(name)
	b := make([]byte, (60+len(n)+7)&^7)
	le := binary.LittleEndian
	le.PutUint32(b, uint32(len(b)))
	le.PutUint16(b[4:], 2)
	le.PutUint64(b[8:], uint64(ref))
	le.PutUint64(b[16:], uint64(parent))
	le.PutUint64(b[24:], usn)
	le.PutUint64(b[32:], 131000000000000000+usn)
	le.PutUint32(b[40:], reason)
	le.PutUint32(b[52:], attributes)
	le.PutUint16(b[56:], uint16(len(n)))
	le.PutUint16(b[58:], 60)
	copy(b[60:], n)
	return b
}

func makeJournal() (b []byte, records int) {
	for records < 90 {
		r := makeUSN(uint64(len(b)), MakeRef(uint64(40+records), 1), MakeRef(5, 5), ReasonFileCreate, 0x20, "file "+strconv.Itoa(records))
		if len(b)/4096 != (len(b)+len(r)-1)/4096 { // records do not cross pages
			b = append(b, make([]byte, 4096-len(b)%4096)...)
			continue
		}
		b = append(b, r...)
		records++
	}
	return b, records
}

func drainUSN(r io.ReaderAt, size int64) (records, errs int) {
	for _, err := range ReadUSN(r, size) {
		if err != nil {
			errs++
		} else {
			records++
		}
	}
	return records, errs
}

func TestUSNTruncation(t *testing.T) {
	b, _ := makeJournal()
	for i := range b {
		n, errs := drainUSN(bytes.NewReader(b[:i]), int64(i))
		whole := 0 // records that end before the cut
		cut := false
		for p := 0; p < i; {
			l := int(binary.LittleEndian.Uint32(b[p:]))
			if l == 0 {
				p += 8
				continue
			}
			if p+l <= i {
				whole++
			} else {
				cut = i-p >= 8
			}
			p += l
		}
		if n != whole || cut && errs == 0 {
			t.Fatalf("cut at %d: %d records of %d, %d errors", i, n, whole, errs)
		}
	}
}

func TestUSNDamage(t *testing.T) {
	b, records := makeJournal()
	copy(b[4096+160:], bytes.Repeat([]byte{0xAA}, 200))
	n, errs := 0, 0
	for _, err := range ReadUSN(bytes.NewReader(b), int64(len(b))) {
		if err == nil {
			n++
			continue
		}
		errs++
		d, ok := err.(*Damage)
		if !ok || d.Off > 4096+160 || d.Off+d.Len < 4096+360 {
			t.Errorf("damage %v", err)
		}
	}
	if errs != 1 || n < records-5 || n >= records {
		t.Errorf("%d of %d records, %d errors", n, records, errs)
	}
	bad := badReader{bytes.NewReader(b), 4096, 512}
	if n, errs := drainUSN(bad, int64(len(b))); errs != 1 || n < 40 {
		t.Errorf("bad block: %d records, %d errors", n, errs)
	}
}

// A forged run list claims an exbibyte that lies nowhere between two pages of
// the journal: that is one error with its length, not one for each page.
func TestUSNLost(t *testing.T) {
	b, records := makeJournal()
	const gap = 1 << 60
	extents := slices.Values([]Extent{{0, 0, 4096}, {4096, Lost, gap}, {4096 + gap, 4096, int64(len(b)) - 4096}})
	n, reads := 0, 0
	r := gapReader{bytes.NewReader(b), 4096, gap, &reads}
	var errs []Damage
	for _, err := range readUSN(r, int64(len(b))+gap, extents, false) {
		if err == nil {
			n++
			continue
		}
		errs = append(errs, asDamage(err))
	}
	if len(errs) != 1 || errs[0].Len != gap || n != records || reads > 8 {
		t.Errorf("%d of %d records, %d reads, %v", n, records, reads, errs)
	}
}

// gapReader has n bytes that are not there.
type gapReader struct {
	r       io.ReaderAt
	from, n int64
	reads   *int
}

func (g gapReader) ReadAt(p []byte, off int64) (int, error) {
	*g.reads++
	switch {
	case off >= g.from+g.n:
		return g.r.ReadAt(p, off-g.n)
	case off+int64(len(p)) <= g.from:
		return g.r.ReadAt(p, off)
	}
	k, _ := g.r.ReadAt(p[:max(0, g.from-off)], off)
	return k, &RangeError{From: off + int64(k), To: off + int64(len(p)), Damage: Damage{Kind: MissingPiece, Off: -1}}
}

// badReader cannot read one block.
type badReader struct {
	r      io.ReaderAt
	off, n int64
}

func (b badReader) ReadAt(p []byte, off int64) (int, error) {
	if off < b.off+b.n && off+int64(len(p)) > b.off {
		n := max(0, b.off-off)
		k, _ := b.r.ReadAt(p[:n], off)
		return k, fmt.Errorf("sector %d: bad", b.off/512)
	}
	return b.r.ReadAt(p, off)
}

// A directory is renamed, then deleted, and its parent is renamed: each record
// has the path of its time. Entry numbers are beyond the empty $MFT, so only
// the journal knows them.
func TestRewind(t *testing.T) {
	root, a, d := MakeRef(5, 5), MakeRef(100, 1), MakeRef(101, 3)
	type step struct {
		ref, parent Ref
		reason      uint32
		attributes  uint32
		name, want  string
	}
	steps := []step{
		{a, root, ReasonFileCreate, 0x10, "a", "a"},
		{d, a, ReasonFileCreate, 0x10, "d", "a/d"},
		{MakeRef(200, 1), d, ReasonFileCreate, 0x20, "f", "a/d/f"},
		{d, a, ReasonRenameOldName, 0x10, "d", "a/d"},
		{d, a, ReasonRenameNewName, 0x10, "e", "a/e"},
		{MakeRef(200, 1), d, ReasonFileDelete, 0x20, "f", "a/e/f"},
		{a, root, ReasonRenameOldName, 0x10, "a", "a"},
		{a, root, ReasonRenameNewName, 0x10, "b", "b"},
		{d, a, ReasonFileDelete, 0x10, "e", "b/e"},
		{MakeRef(101, 4), root, ReasonFileCreate, 0x10, "new", "new"},
		{MakeRef(201, 1), MakeRef(101, 4), ReasonFileCreate, 0x20, "g", "new/g"},
		{MakeRef(202, 1), MakeRef(300, 7), ReasonFileCreate, 0x20, "h", "?/300-7/h"},
	}
	h := &PathHistory{c: &Catalog{v: &Volume{opt: Options{}.withDefaults()}}, dirs: map[Ref][]dirEvent{}}
	var recs []USNRecord
	for i, s := range steps {
		r, ok := parseUSN(makeUSN(uint64(i)*80, s.ref, s.parent, s.reason, s.attributes, s.name), int64(i)*80)
		if !ok {
			t.Fatal("no record")
		}
		recs = append(recs, r)
		h.add(r)
	}
	h.findEdges()
	for i, r := range recs {
		p, proof := h.Path(nil, r)
		if got := utf16.String(p); got != steps[i].want || (proof == ProofUnknown) != strings.HasPrefix(got, "?") {
			t.Errorf("record %d: %s (%v), want %s", i, got, proof, steps[i].want)
		}
	}
}

func FuzzUSN(f *testing.F) {
	b, _ := makeJournal()
	f.Add(b[:1024])
	f.Add(makeUSN(0, 1, 2, 3, 4, "x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var end int64
		for r, err := range ReadUSN(bytes.NewReader(b), int64(len(b))) {
			if err == nil && (r.Off < end || r.Off+r.Length > int64(len(b))) {
				t.Errorf("record at %d, the one before ends at %d", r.Off, end)
			}
			end = r.Off + r.Length
		}
	})
}

func BenchmarkUSN(b *testing.B) {
	j, _ := makeJournal()
	r := bytes.NewReader(j)
	b.SetBytes(int64(len(j)))
	b.ReportAllocs()
	for b.Loop() {
		drainUSN(r, int64(len(j)))
	}
}
