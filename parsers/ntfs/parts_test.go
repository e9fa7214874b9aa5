package ntfs

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/internal/utf16"
)

// The parts of NTFS in the corpus that are no volume, against what their makers
// say of them: the tests of dfir_ntfs (msuhanov, commit ec3ae08, test_cases.py)
// and of go-ntfs (Velocidex, commit b5897ad, tests/*.golden), where nothing else
// is named.

// part is a file of images/ntfs-parts.
func part(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(corpus.Path(t, "images/ntfs-parts/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// table is a $MFT without a volume, or a single entry as a $MFT of one.
func table(t *testing.T, name string) *Catalog {
	t.Helper()
	b := part(t, "dfir_ntfs/"+name)
	v, err := OpenMFT(bytes.NewReader(b), int64(len(b)), Options{})
	if err != nil {
		t.Fatal(name, err)
	}
	c, err := v.Scan(t.Context())
	if err != nil {
		t.Fatal(name, err)
	}
	return c
}

// runsOf writes the runs of a stream as cluster+count, holes as a dash.
func runsOf(t *testing.T, f File, stream string) string {
	t.Helper()
	s, ok := f.Stream(stream)
	if !ok {
		return "no stream"
	}
	var out []string
	for r := range s.Runs() {
		if r.LCN == Hole {
			out = append(out, fmt.Sprintf("-+%d", r.Len))
		} else {
			out = append(out, fmt.Sprintf("%d+%d", r.LCN, r.Len))
		}
	}
	return strings.Join(out, " ")
}

func TestPartsRuns(t *testing.T) {
	for _, c := range []struct{ file, path, stream, want string }{
		{"mapping_pairs_1.mft", "test_dir/empty.txt", "", ""},
		{"mapping_pairs_1.mft", "test_dir/entirely_sparse", "", "-+32"},
		{"mapping_pairs_1.mft", "test_dir/partially_sparse", "", "-+10 1216+1 -+9 1226+1 -+9 1236+1"},
		{"mapping_pairs_1.mft", "test_dir/simple", "", "154+1"},
		{"mapping_pairs_1.mft", "test_dir/partially_sparse_2", "", "137+16"},
		{"mapping_pairs_1.mft", "test_dir/partially_sparse_3", "", "1278+1 -+3 1282+1"},
		{"mapping_pairs_1.mft", "test_dir/fragmented.txt", "", "1222+4 1227+9 1897+150 1237+41"},
		{"mapping_pairs_2.mft", "$Extend/$RmMetadata/$Repair", "$Corrupt", "38+512"},
		{"mapping_pairs_2.mft", "$Extend/$RmMetadata/$Repair", "$Verify", "550+75"},
		{"mapping_pairs_2.mft", "test_dir/test_file.txt", "", "2004+16"},
	} {
		if got := runsOf(t, fileAt(t, table(t, c.file), c.path), c.stream); got != c.want {
			t.Errorf("%s %s:%s: %s, want %s", c.file, c.path, c.stream, got, c.want)
		}
	}
}

func TestPartsSizes(t *testing.T) {
	c := table(t, "../../../artifacts/mft/msuhanov+dfir_ntfs/compressed_sparse.mft")
	want := map[string]int64{"compressed.txt": 22308, "sparse": 1048582}
	for f := range c.Files() {
		l, ok := f.Primary()
		if !ok {
			continue
		}
		name := utf16.String(l.Name())
		if s, ok := f.Stream(""); ok && want[name] == s.Size() {
			delete(want, name)
		}
	}
	if len(want) > 0 {
		t.Errorf("not found, or of another size: %v", want)
	}
}

func TestPartsBoot(t *testing.T) {
	for _, c := range []struct {
		file string
		want Geometry
	}{
		{"images/ntfs-parts/dfir_ntfs/4k.boot", Geometry{SectorSize: 512, ClusterSize: 4096, TotalSectors: 124700671, MFTCluster: 786432, MirrCluster: 2, Serial: 0x7EFEEEDBFEEE8B2B}},
		{"artifacts/ntfsmisc/msuhanov+dfir_ntfs/64k.boot", Geometry{SectorSize: 512, ClusterSize: 64 << 10}},
		{"images/ntfs-parts/dfir_ntfs/128k.boot", Geometry{SectorSize: 512, ClusterSize: 128 << 10, TotalSectors: 67102719, MFTCluster: 24576}},
		{"images/ntfs-parts/dfir_ntfs/512.boot", Geometry{SectorSize: 512, ClusterSize: 512, Serial: 0xA6EE1E1BEE1DE479}},
		{"images/ntfs-parts/dfir_ntfs/nobootcode.boot", Geometry{SectorSize: 512}},
	} {
		b, err := os.ReadFile(corpus.Path(t, c.file))
		if err != nil {
			t.Fatal(err)
		}
		g, err := ParseBoot(b, 0)
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		w := c.want
		w.RecordSize, w.IndexSize = 1024, 4096 // of all of them
		for _, unsaid := range []struct{ want, got *uint64 }{{&w.TotalSectors, &g.TotalSectors}, {&w.MFTCluster, &g.MFTCluster}, {&w.MirrCluster, &g.MirrCluster}, {&w.Serial, &g.Serial}} {
			if *unsaid.want == 0 {
				*unsaid.got = 0
			}
		}
		if w.ClusterSize == 0 {
			g.ClusterSize = 0
		}
		if g != w {
			t.Errorf("%s: %+v, want %+v", c.file, g, w)
		}
	}
}

func TestPartsMirror(t *testing.T) {
	for _, file := range []string{"boot.mftmirr", "4k-large.mftmirr"} {
		var names []string
		for f := range table(t, file).Files() {
			if l, ok := f.Primary(); ok {
				names = append(names, utf16.String(l.Name()))
			}
		}
		if got := strings.Join(names, " "); got != "$MFT $MFTMirr $LogFile $Volume" {
			t.Errorf("%s: %s", file, got)
		}
	}
}

// Names behind the last attribute of a directory's entry. In slack-2 upstream
// carves a third, t2.txt: its parent and its times are overwritten, so nothing
// says that it was in this directory, and it is not given.
func TestPartsSlack(t *testing.T) {
	for file, want := range map[string][]string{
		"slack.mft":   {"New Text Document - Copy (3).txt", "New Text Document - Copy.txt", "New Text Document.txt"},
		"slack-2.mft": {"t3.txt", "t3.txt"},
	} {
		f, ok := table(t, file).File(39)
		if !ok {
			t.Fatal(file)
		}
		var got []string
		for e, err := range f.Index() {
			if err == nil && e.State == IndexMFTSlack {
				got = append(got, utf16.String(e.Name))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

func TestPartsDeleted(t *testing.T) {
	for f := range table(t, "deleted.mft").Files() {
		for l := range f.Links() {
			if p, proof := l.PathString(); p == "1/2/3/4/file.txt" && f.State() == Deleted && proof == ProofPlusOne {
				return
			}
		}
	}
	t.Error("no deleted 1/2/3/4/file.txt")
}

func TestPartsOrphans(t *testing.T) {
	c := table(t, "orphan.mft")
	var got []string
	for f := range c.Files() {
		for l := range f.Links() {
			if p, proof := l.PathString(); proof == ProofUnknown {
				got = append(got, p[strings.LastIndexByte(p, '/')+1:])
			}
		}
	}
	slices.Sort(got)
	if strings.Join(got, " ") != "2.txt 3.txt 4.txt 5.txt" {
		t.Errorf("orphans %q", got)
	}
	if info, err := c.Volume().Info(); err != nil || info.Label != "тест-test" {
		t.Errorf("label %q, %v", info.Label, err)
	}
}

// The index of the directory has an older last access than the entry, and all
// other times alike.
func TestPartsLastAccess(t *testing.T) {
	c := table(t, "different_la.mft")
	e := indexed(t, fileAt(t, c, "ts_la"), "test_la.txt")
	info, ok := fileAt(t, c, "ts_la/test_la.txt").Info()
	if !ok || len(e) != 1 {
		t.Fatalf("%v, %+v", ok, e)
	}
	a, b := info.Times, e[0].Times
	if b.Accessed >= a.Accessed {
		t.Errorf("accessed %d in the index, %d in the entry", b.Accessed, a.Accessed)
	}
	a.Accessed = b.Accessed
	if a != b {
		t.Errorf("%+v, want %+v", b, a)
	}
}

func TestPartsResident(t *testing.T) {
	c := table(t, "4k-large.mft")
	for path, want := range map[string]string{"1.txt": "a75a25c964f50df4ea9398d8ccf6afbd", "2.txt": "d6fbed685c98416fb7388dad7503811c"} {
		s, _ := fileAt(t, c, path).Stream("")
		rd, err := s.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		h := md5.New()
		if _, err := rd.WriteTo(h); err != nil {
			t.Error(err)
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// A base entry whose attributes lie elsewhere: its list names six, all of them.
func TestPartsRecord(t *testing.T) {
	rec := decodeRecord(part(t, "dfir_ntfs/frs.bin"), 11072, -1, nil)
	if !rec.InUse() || rec.Seq != 2 || rec.Links != 1 || rec.Base != 0 || rec.LSN != 31832129 || rec.Number != 11072 {
		t.Errorf("%+v", rec)
	}
	var types []AttrType
	for a := range rec.Attrs(nil) {
		types = append(types, a.Type)
	}
	if want := []AttrType{AttrStandardInformation, AttrAttributeList, AttrFileName, AttrObjectID}; !slices.Equal(types, want) {
		t.Errorf("attributes %v, want %v", types, want)
	}
}

// exact is a FILETIME with all its digits.
func exact(t uint64) string {
	return fmt.Sprintf("%s.%07d", seconds(t), t%10000000)
}

// The bytes as Python's struct reads them; upstream's floats are a microsecond off.
func TestPartsTimes(t *testing.T) {
	si := Attr{Type: AttrStandardInformation, Value: part(t, "dfir_ntfs/standard_information.bin")}
	ts, ok := si.Times()
	if got := fmt.Sprint(exact(ts.Created), " ", exact(ts.Modified), " ", exact(ts.EntryModified), " ", exact(ts.Accessed)); !ok ||
		got != "2004-08-20 15:09:02.7825632 2004-08-20 15:09:02.7925776 2004-08-20 15:11:35.4220480 2004-08-26 15:11:12.6829552" {
		t.Errorf("$SI %v: %s", ok, got)
	}
	fn := Attr{Type: AttrFileName, Value: part(t, "dfir_ntfs/file_name.bin")}
	n, ok := fn.FileName()
	if got := fmt.Sprint(utf16.String(n.Name), " ", exact(n.Times.Created), " ", exact(n.Times.Modified), " ", exact(n.Times.EntryModified), " ", exact(n.Times.Accessed)); !ok ||
		got != "sseriffr.fon 2004-08-19 17:01:03.3310672 2001-08-23 18:00:00.0000000 2004-08-19 17:01:03.3410816 2004-08-19 17:01:03.3410816" {
		t.Errorf("$FN %v: %s", ok, got)
	}
}

// What WSL keeps: LXATTRB and LXXATTR, with the values that upstream set.
func TestPartsEAs(t *testing.T) {
	for file, want := range map[string]struct {
		names  string
		values []string
	}{
		"frs-81151.bin": {"LXATTRB LXXATTR", []string{"user.1", "11", "user.2", "22", "user.3", "33", "user.4444", "attrval"}},
	} {
		f, ok := table(t, file).File(0)
		if !ok {
			t.Fatal(file)
		}
		eas, err := f.EAs()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		var all []byte
		for _, x := range eas {
			names, all = append(names, x.Name), append(all, x.Value...)
			if x.Need {
				t.Errorf("%s: flags of %s", file, x.Name)
			}
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want.names {
			t.Errorf("%s: %q, want %q", file, got, want.names)
		}
		for _, v := range want.values {
			if !bytes.Contains(all, []byte(v)) {
				t.Errorf("%s: no %s", file, v)
			}
		}
	}
	f, _ := table(t, "frs_ea.bin").File(0)
	if v, ok, err := f.Value(AttrEA); err != nil || !ok || len(v) != 160 {
		t.Errorf("frs_ea: %d bytes of $EA, %v, %v", len(v), ok, err)
	}
}

func TestPartsReparse(t *testing.T) {
	f, _ := table(t, "rp.bin").File(0)
	r, ok, err := f.Reparse()
	sum := md5.Sum(r.Data)
	if got := hex.EncodeToString(sum[:]); err != nil || !ok || got != "a8ac63b71e1af29121c6d3c3c438926b" {
		t.Errorf("%v, %v, %s", ok, err, got)
	}
}

func TestPartsUSN(t *testing.T) {
	for file, want := range map[string]string{ // version, USN, reason, file, parent, name or extents
		"dfir_ntfs/usn_1170953448.bin": "2.1170953448 80000001 78418-13 2539-6 large_file.txt",
		"dfir_ntfs/usn_1170989584.bin": "4.1170989584 80000102 81384-4 4214-4 [{0 2162688}]",
		"dfir_ntfs/usn_1170955904.bin": "4.1170955904 80000001 20928-2 4198-4 [{0 16384} {6242304 32768}]",
	} {
		b := part(t, file)
		n := 0
		for r, err := range ReadUSN(bytes.NewReader(b), int64(len(b))) {
			n++
			got := fmt.Sprintf("%d.%d %08x %v %v %s", r.Major, r.USN, r.Reason, r.Ref, r.Parent, utf16.String(r.Name))
			if r.Major == 4 {
				got += fmt.Sprint(r.Extents)
			}
			if err != nil || got != want {
				t.Errorf("%s: %s, %v; want %s", file, got, err, want)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d records", file, n)
		}
	}
}

// Two streams whose attributes have the same type and id: ids are unique within
// a record only.
func TestPartsSameIDs(t *testing.T) {
	b := part(t, "go-ntfs/ads_with_same_ids.img")
	v, err := Open(bytes.NewReader(b), int64(len(b)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f, ok := c.File(38)
	if !ok {
		t.Fatal("no entry 38")
	}
	var got []string
	for s := range f.Streams() {
		got = append(got, fmt.Sprintf("%s:%d", utf16.String(s.Name()), s.Size()))
	}
	slices.Sort(got)
	l, _ := f.Primary()
	if p, _ := l.PathString(); p != "Nine.txt" || f.Ref().Seq() != 2 || strings.Join(got, " ") != "111:5005 222:56 333:6005 :5000" {
		t.Errorf("%s, sequence %d, streams %q", p, f.Ref().Seq(), got)
	}
}

// Pieces of $MFT in many entries of $MFT. Only some pages of the volume are there.
func TestPartsFragmentedMFT(t *testing.T) {
	r, size := imageReader(t, "images/ntfs-parts/go-ntfs/highly_fragmented_mft.qcow2")
	v, err := Open(r, size, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const bytesOfMFT, clusters = 7203717120, (1758629 + 91)
	if v.Entries() != bytesOfMFT/1024 {
		t.Errorf("%d entries, want %d", v.Entries(), bytesOfMFT/1024)
	}
	runs := v.mft.runs
	if len(runs) != 171 || v.mft.end() != clusters || runs[0].LCN != 786432 || runs[len(runs)-1].LCN != 14200996 {
		t.Errorf("%d runs of %d clusters", len(runs), v.mft.end())
	}
}

// What the makers of these images say of single facts (truth/images_expected).
func TestPartsExpected(t *testing.T) {
	c := imageAt(t, "images/ntfs/ntfs-samples/ntfs-ptrn.E01", 65536)
	s, _ := fileAt(t, c, "2.txt").Stream("")
	rd, err := s.Open(Raw)
	if err != nil {
		t.Fatal(err)
	}
	var tail []byte
	for _, x := range s.Residues() {
		b := make([]byte, x.Len)
		if _, err := rd.ReadAt(b, x.Off); err != nil && err != io.EOF {
			t.Error(err)
		}
		tail = append(tail, b...)
	}
	if !bytes.Contains(tail, []byte("PTRNPTRN")) {
		t.Errorf("the slack of 2.txt is %.32q, %d bytes", tail, len(tail))
	}
	// Both are allocated and were never written: what the disk held shows.
	repair := fileAt(t, c, "$Extend/$RmMetadata/$Repair")
	for _, name := range []string{"$Corrupt", "$Verify"} {
		s, ok := repair.Stream(name)
		if !ok {
			t.Fatal(name)
		}
		rd, err := s.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, s.Size())
		if _, err := rd.ReadAt(b, 0); err != nil && err != io.EOF || !bytes.Contains(b, []byte("PTRNPTRN")) {
			t.Errorf("%s: %.32q, %v", name, b, err)
		}
	}

	c = imageAt(t, "images/vss/ntfs-samples/ntfs.qcow2", 1048576)
	for path, want := range map[string]struct{ entry, index string }{
		"test_dir_2/file_2_1.txt": {"2020-07-25 12:49:21", "2020-07-25 12:35:48"},
		"test_dir/file_1.txt":     {"2020-07-25 12:35:24", "2020-07-25 12:33:24"},
	} {
		dir, name, _ := strings.Cut(path, "/")
		e := indexed(t, fileAt(t, c, dir), name)
		info, _ := fileAt(t, c, path).Info()
		if len(e) == 0 || seconds(info.Accessed) != want.entry || seconds(e[0].Times.Accessed) != want.index {
			t.Errorf("%s: %s in the entry, %+v in the index", path, seconds(info.Accessed), e)
		}
	}
}

// The directory of truth/i30 before and after files were deleted.
func TestPartsI30(t *testing.T) {
	for _, row := range corpus.Truth(t, "i30") {
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for x, err := range Carve(bytes.NewReader(b), all(len(b))) {
			if err != nil || x.Kind != CarvedIndex {
				t.Errorf("%v, %v", x.Kind, err)
				continue
			}
			got = append(got, fmt.Sprintf("%s(ns%d)", utf16.String(x.Index.Name), x.Index.Namespace))
		}
		want := strings.Split(row["active_names"], " | ")
		if fmt.Sprint(len(got)) != row["active_entries"] {
			t.Errorf("%s: %d names, want %s", row["file"], len(got), row["active_entries"])
		}
		for i, w := range want { // the table cuts the list
			if i < len(got) && !strings.HasPrefix(got[i], w) {
				t.Errorf("%s: %s, want %s", row["file"], got[i], w)
			}
		}
	}
}

// A $SII of Windows 11 as a file of its own: 147 records with 4,141 ids, each once,
// by a count of the entries up to the end that each node's head states. artemis
// (puffyCid, test_parse_sii) counts 11,113: it goes on into the slack.
func TestPartsSII(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "artifacts/ntfsmisc/puffyCid+artemis/$SII"))
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	ids, records := map[string]bool{}, 0
	n := 0
	for off := 0; off+page <= len(b); off += page {
		if string(b[off:off+4]) != "INDX" {
			continue
		}
		records++
		node := recordNode(bytes.Clone(b[off:off+page]), int64(off), func(k Kind, at int, got, want uint64) { t.Errorf("record at %#x: %v", off, k) })
		if d := node.head(); d != nil {
			t.Errorf("record at %#x: %v", off, d)
		}
		if _, whole := node.entries(func(raw rawEntry) bool { n++; ids[string(raw.key)] = true; return true }); !whole {
			t.Errorf("record at %#x is not whole", off)
		}
	}
	if records != 147 || n != 4141 || len(ids) != n {
		t.Errorf("%d records, %d entries, %d ids", records, n, len(ids))
	}
}
