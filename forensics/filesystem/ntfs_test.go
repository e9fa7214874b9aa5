package filesystem_test

import (
	"bytes"
	"compress/bzip2"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/filesystem/filesystemtest"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

const testdata = "../../parsers/ntfs/testdata/"

func smallImage(t testing.TB) []byte { return image(t, "small.img.bz2") }

func image(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(testdata + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(bzip2.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t testing.TB, b []byte) *filesystem.NTFS {
	t.Helper()
	n, err := filesystem.OpenNTFS(t.Context(), bytes.NewReader(b), int64(len(b)), filesystem.Options{At: locator.Locator{Exhibit: "x", Volume: 1}, Base: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestContract(t *testing.T) {
	b := smallImage(t)
	filesystemtest.Run(t, func(t *testing.T) filesystem.FS { return open(t, b) })
}

func content(t *testing.T, n *filesystem.NTFS, path string) string {
	t.Helper()
	ref, stream, err := n.Lookup(t.Context(), path)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return ""
	}
	s, err := n.Open(t.Context(), ref, stream)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return ""
	}
	b, err := io.ReadAll(io.NewSectionReader(s, 0, s.Size()))
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

func TestLookup(t *testing.T) {
	n := open(t, smallImage(t))
	for _, c := range []struct{ path, want string }{
		{"resident.txt", "line 1 of resident.txt"},
		{"RESIDENT.TXT", "line 1 of resident.txt"},
		{"/folder/sub FOLDER/Inside.txt", "line 1 of inside.txt"},
		{"Case.txt", "line 1 of names"},
		{"notes.txt", "line 1 of notes.txt"},
		{"notes.txt:ads", "line 1 of colon"}, // the file of that very name
		{"notes.txt:ADS:$data", "line 1 of ads"},
		{"notes.txt:ads::$DATA", "line 1 of colon"},
		{"notes.txt::$DATA", "line 1 of notes.txt"},
		{"Folder:ondir", "line 1 of ondir"},
		{"FOLDER:OnDir:$DATA", "line 1 of ondir"},
		{"folder/Link Number 7 of the linked file", "line 1 of linked.txt"},
	} {
		if got := content(t, n, c.path); got != c.want {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
	for _, path := range []string{"no", "notes.txt:no", "notes.txt/x", "Folder/no:ads", "gone/small.txt", ":", "notes.txt:"} {
		if ref, s, err := n.Lookup(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v:%s, %v", path, ref, s, err)
		}
	}
	a, _, _ := n.Lookup(t.Context(), "Case.txt")
	b, _, _ := n.Lookup(t.Context(), "case.txt")
	if a == b {
		t.Error("Case.txt and case.txt are one")
	}
	if ref, _, err := n.LookupDeleted(t.Context(), "Gone/deep/left.txt"); err != nil {
		t.Error(err)
	} else if e, err := n.Entry(t.Context(), ref); err != nil || e.State != filesystem.Deleted || e.InUse || e.Names[0].Path != "gone/deep/left.txt" || e.Names[0].Proof != "plus-one" {
		t.Errorf("%+v, %v", e, err)
	}
	if ref, _, err := n.Lookup(t.Context(), "/"); err != nil || ref.Entry != 5 {
		t.Errorf("root: %v, %v", ref, err)
	}
}

func TestGlob(t *testing.T) {
	n := open(t, smallImage(t))
	for _, c := range []struct {
		patterns string
		want     string
	}{
		{"resident.TXT", "0 resident.txt"},
		{"*sident*", "0 resident.txt"},
		{"FOLDER/*/*.txt", "0 Folder/Sub Folder/inside.txt"},
		{"**/inside.txt", "0 Folder/Sub Folder/inside.txt"},
		{"**/resident.txt", "0 resident.txt"},
		{"folder/**/inside.txt", "0 Folder/Sub Folder/inside.txt"},
		{"folder/**/**/inside.txt", "0 Folder/Sub Folder/inside.txt"},
		{"folder/**", "0 Folder/Sub Folder/inside.txt,30 links"},
		{"notes.txt:a*", "0 notes.txt:ads"},
		{"**:ondir", "0 Folder:ondir"},
		{"$EXTEND/$usnjrnl:$j", "0 $Extend/$UsnJrnl:$J"},
		{"c?se.txt", "0 Case.txt,0 case.txt"},
		{"resident.txt|*.txt:ads|pl*n.txt", "0 resident.txt,1 notes.txt:ads,2 plain.txt"},
		{"gone/**", ""},
		{"Folder", ""},
	} {
		var got []string
		links := 0
		for m, err := range n.Glob(t.Context(), strings.Split(c.patterns, "|")) {
			if err != nil {
				t.Fatal(err)
			}
			s := fmt.Sprint(m.Pattern, " ", m.Entry.Names[m.Name].Path)
			if m.Stream != "" {
				s += ":" + m.Stream
			}
			if strings.Contains(s, "link number") {
				links++
				continue
			}
			got = append(got, s)
		}
		slices.Sort(got)
		if links > 0 {
			got = append(got, fmt.Sprint(links, " links"))
		}
		if g := strings.Join(got, ","); g != c.want {
			t.Errorf("%s: %s, want %s", c.patterns, g, c.want)
		}
	}
}

func TestEntry(t *testing.T) {
	n := open(t, smallImage(t))
	get := func(path string) *filesystem.Entry {
		ref, _, err := n.Lookup(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		e, err := n.Entry(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := get("plain.txt") // touched to 2011-08-24T00:31:07.184Z
	if got := e.SI.Modified.String(); got != "2011-08-24T00:31:07.1840000Z" {
		t.Errorf("modified %s", got)
	}
	if e.Names[0].Times.Modified == e.SI.Modified || e.Kind != filesystem.File || !e.InUse {
		t.Errorf("%+v", e)
	}
	if e := get("linked.txt"); len(e.Names) != 31 || len(e.Streams) != 1 {
		t.Errorf("%d names, %d streams", len(e.Names), len(e.Streams))
	}
	if e := get("gpj.\u202eexe"); !bytes.Equal(e.Names[0].UTF16, []byte("g\x00p\x00j\x00.\x00\x2e\x20e\x00x\x00e\x00")) {
		t.Errorf("%x", e.Names[0].UTF16)
	}
	if e := get("会議資料"); e.Names[0].UTF16 != nil {
		t.Errorf("a plain name has %x", e.Names[0].UTF16)
	}
	if e := get("packed/packed.txt"); !e.Streams[0].Compressed {
		t.Errorf("%+v", e.Streams)
	}
	if e := get("sparse.bin"); !e.Streams[0].Sparse || e.Streams[0].Size != 700005 {
		t.Errorf("%+v", e.Streams)
	}
}

func TestDiskOffset(t *testing.T) {
	b := smallImage(t)
	n := open(t, b)
	for _, path := range []string{"plain.txt", "resident.txt", "frag a"} {
		ref, _, err := n.Lookup(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := n.Open(t.Context(), ref, "")
		if err != nil {
			t.Fatal(err)
		}
		for off := int64(0); off < s.Size(); off += 97 {
			p := make([]byte, 1)
			s.ReadAt(p, off)
			at, ok := s.DiskOffset(off)
			if !ok || b[at-1<<20] != p[0] {
				t.Fatalf("%s: byte %d at %d, %v", path, off, at, ok)
			}
		}
	}
}

func TestChanges(t *testing.T) {
	n := open(t, smallImage(t))
	var got []string
	for c, err := range n.Changes(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%x %s %s", c.Reason, c.Path, c.Proof))
	}
	if len(got) != 9 || got[2] != "100 Folder/New folder/inside.tmp usn" || got[8] != "80000200 ?/8888-3/lost.exe unknown" {
		t.Errorf("%q", got)
	}
	count := 0
	for _, err := range open(t, grrImage(t)).Changes(t.Context()) {
		if count++; !errors.Is(err, filesystem.ErrNoJournal) {
			t.Error(err)
		}
	}
	if count != 1 {
		t.Errorf("%d errors", count)
	}
}

// grrImage is a volume at sector 63 of an image.
func grrImage(t *testing.T) []byte {
	b, err := os.ReadFile(corpus.Path(t, "images/ntfs/grr/ntfs_img.dd"))
	if err != nil {
		t.Fatal(err)
	}
	return b[63*512:]
}

// A stream ads of notes.txt and a file notes.txt:ads lie in one directory:
// entries 65 and 66.
func TestStreamOrFile(t *testing.T) {
	n := open(t, grrImage(t))
	want := map[string]string{}
	for _, row := range corpus.Truth(t, "ntfs_files") {
		if row["file"] == "images/ntfs/grr/ntfs_img.dd" {
			want[row["inode"]] = row["sha256"]
		}
	}
	for _, c := range []struct {
		path, stream, inode string
		entry               uint64
	}{
		{"Test Directory/notes.txt", "", "65-128-2", 65},
		{"Test Directory/notes.txt:ads", "", "66-128-2", 66},
		{"Test Directory/notes.txt:ads:$DATA", "ads", "65-128-4", 65},
	} {
		ref, stream, err := n.Lookup(t.Context(), c.path)
		if err != nil || ref.Entry != c.entry || stream != c.stream {
			t.Errorf("%s: %v:%s, %v", c.path, ref, stream, err)
			continue
		}
		s, err := n.Open(t.Context(), ref, stream)
		if err != nil {
			t.Error(err)
			continue
		}
		h := sha256.New()
		io.Copy(h, io.NewSectionReader(s, 0, s.Size()))
		if got := hex.EncodeToString(h.Sum(nil)); got != want[c.inode] {
			t.Errorf("%s: %s, want %s", c.path, got, want[c.inode])
		}
	}
}

// Each unreadable block that costs something is a problem whose place is known.
func TestProblems(t *testing.T) {
	b := smallImage(t)
	clean := open(t, b)
	if p := clean.Problems(); len(p) > 0 {
		t.Errorf("%+v", p)
	}
	ref, _, err := clean.Lookup(t.Context(), "plain.txt")
	if err != nil {
		t.Fatal(err)
	}
	f, _ := clean.Catalog().File(ref.Entry)
	bad := bytes.Clone(b)
	copy(bad[f.Offset():], "JUNK")
	n := open(t, bad)
	ps := n.Problems()
	if len(ps) == 0 {
		t.Fatal("no problem")
	}
	p := ps[0]
	if p.Source != "$MFT" || p.At.Entry != 0 || p.At.Offset != int64(ref.Entry)*1024 || p.Kind != problem.Malformed || p.At.Volume != 1 {
		t.Errorf("%+v", p)
	}
	e, err := n.Entry(t.Context(), filesystem.Ref{Entry: ref.Entry})
	if err != nil || e.State != filesystem.Damaged || len(e.Problems) == 0 {
		t.Errorf("%+v, %v", e, err)
	}
}

// badBlock cannot read one sector of the volume.
type badBlock struct {
	*bytes.Reader
	off int64
}

func (b badBlock) ReadAt(p []byte, off int64) (int, error) {
	if off < b.off+512 && off+int64(len(p)) > b.off {
		return 0, errors.New("bad sector")
	}
	return b.Reader.ReadAt(p, off)
}

// A bad sector below a stream is an error with an offset of the stream, behind
// all bytes that are good.
func TestBadSector(t *testing.T) {
	img := smallImage(t)
	clean := open(t, img)
	ref, _, err := clean.Lookup(t.Context(), "plain.txt")
	if err != nil {
		t.Fatal(err)
	}
	s, err := clean.Open(t.Context(), ref, "")
	if err != nil {
		t.Fatal(err)
	}
	at, _ := s.DiskOffset(5120)
	r := badBlock{bytes.NewReader(img), at - 1<<20}
	n, err := filesystem.OpenNTFS(t.Context(), r, int64(len(img)), filesystem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err = n.Open(t.Context(), ref, ""); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, s.Size())
	k, err := s.ReadAt(b, 0)
	var placed interface{ Offset() int64 }
	if k != 5120 || !errors.As(err, &placed) || placed.Offset() != 5120 {
		t.Errorf("%d bytes, %v", k, err)
	}
	p := problem.From(locator.Locator{Entry: ref.Entry}, problem.Unreadable, problem.Lost, err)
	if p.At.Offset != 5120 {
		t.Errorf("%+v", p)
	}
	if k, err := s.ReadAt(b[:100], 5632); k != 100 || err != nil {
		t.Errorf("behind the sector: %d, %v", k, err)
	}
}

func BenchmarkWalk(b *testing.B) {
	img := smallImage(b)
	n := open(b, img)
	b.SetBytes(int64(n.Info().Entries))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range n.Walk(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
