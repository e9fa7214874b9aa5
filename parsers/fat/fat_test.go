package fat

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/internal/badblock"
)

func made(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".img.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func scan(t testing.TB, r io.ReaderAt, size int64) *Catalog {
	t.Helper()
	v, err := Open(r, size)
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// path is where an entry lies, "?" for a directory that nothing leads to.
func path(c *Catalog, e *Entry) string {
	out := e.Name
	for range 1000 {
		if e.Parent == 0 {
			return out
		}
		p, ok := c.Entry(e.Parent)
		if !ok {
			return "?/" + out
		}
		out, e = p.Name+"/"+out, p
	}
	return "…/" + out
}

func find(t *testing.T, c *Catalog, name string) *Entry {
	t.Helper()
	for i := range c.Entries() {
		if e := &c.Entries()[i]; path(c, e) == name {
			return e
		}
	}
	t.Fatalf("no %s", name)
	return nil
}

// want is what make-fat.sh put on a volume, and what it took away again.
var want = []struct {
	path    string
	size    int64
	deleted bool
}{
	{"PLAIN.TXT", 3000, false},
	{"Long file name of the plan.txt", 5000, false},
	{"会議の資料.txt", 700, false},
	{"Work", 0, false}, {"Work/Deeper", 0, false}, {"Work/Deeper/inside.txt", 2500, false},
	{"Old", 0, true}, {"Old/Attic", 0, true}, {"Old/?etter.txt", 1200, true}, {"Old/Attic/?eep.txt", 600, true},
	{"?ONE.TXT", 4000, true}, {"Deleted long name.txt", 3000, true}, {"?ost.txt", 1500, true},
}

func TestMade(t *testing.T) {
	for _, name := range []string{"fat12", "fat32"} {
		b := made(t, name)
		c := scan(t, bytes.NewReader(b), int64(len(b)))
		if g := c.Volume().Geometry(); !strings.EqualFold(g.Kind.String(), name) || g.Serial != 0x12345678 || g.ClusterSize != 512 {
			t.Errorf("%s: %+v", name, g)
		}
		if list, _ := c.Problems(); len(list) > 0 || len(c.Volume().Problems()) > 0 {
			t.Errorf("%s: %v %v", name, list, c.Volume().Problems())
		}
		if len(c.Entries()) != len(want) {
			t.Errorf("%s: %d entries, want %d", name, len(c.Entries()), len(want))
		}
		for _, w := range want {
			e := find(t, c, w.path)
			if e.Size != w.size || e.Deleted != w.deleted || e.Assumed != w.deleted {
				t.Errorf("%s: %s: %+v", name, w.path, e)
			}
			if w.size == 0 {
				continue
			}
			// What follows the first character is known of a lost name.
			text := filepath.Base(strings.NewReplacer("?ONE", "GONE", "?ost", "lost", "?etter", "letter", "?eep", "deep").Replace(w.path)) + "\n"
			whole := strings.Repeat(text, int(w.size)/len(text)+1)[:w.size]
			got := make([]byte, w.size)
			if n, err := c.Open(e).ReadAt(got, 0); int64(n) != w.size || err != nil || string(got) != whole {
				t.Errorf("%s: %s: %d bytes, %v, %.20q", name, w.path, n, err, got)
			}
			if w.deleted {
				if p := c.Pieces(e); len(p) != 1 || p[0].Fate != Free || p[0].Len != w.size {
					t.Errorf("%s: %s: %+v", name, w.path, p)
				}
			}
		}
		if u, err := c.Usage(t.Context()); err != nil || u.Lost+u.NotMarked+u.Double+u.Unread > 0 || u.Used != u.Owned || u.Used == 0 {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
		if n, ok, err := c.Volume().TablesDiffer(); n != 0 || !ok || err != nil {
			t.Errorf("%s: tables differ in %d sectors, %v %v", name, n, ok, err)
		}
		if want := map[string]string{"fat12": "FLOPPY", "fat32": "STICK"}[name]; c.Label() != want {
			t.Errorf("label %q", c.Label())
		}
	}
}

// What is written over a deleted file is told, and by whom.
func TestOverwritten(t *testing.T) {
	b := made(t, "fat12")
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	gone, plain := find(t, c, "?ONE.TXT"), find(t, c, "PLAIN.TXT")
	// The second cluster of the deleted file becomes the one behind the last of
	// a live one, which grows by it.
	g := c.Volume().Geometry()
	x, err := c.Extents(plain)
	if err != nil {
		t.Fatal(err)
	}
	last := uint32((x[len(x)-1].Disk+x[len(x)-1].Len-g.DataOff)/g.ClusterSize) + 1
	set := func(cluster, value uint32) {
		at := g.FATOff + int64(cluster)*3/2
		n := uint32(b[at]) | uint32(b[at+1])<<8
		if cluster&1 == 0 {
			n = n&0xF000 | value
		} else {
			n = n&0x000F | value<<4
		}
		b[at], b[at+1] = byte(n), byte(n>>8)
	}
	set(last, gone.First+1)
	set(gone.First+1, 0xFFF)
	size := plain.Size + 512
	b[plain.Off+28], b[plain.Off+29] = byte(size), byte(size>>8)
	c = scan(t, bytes.NewReader(b), int64(len(b)))
	p := c.Pieces(find(t, c, "?ONE.TXT"))
	if len(p) != 3 || p[1].Fate != Reused || p[1].Off != 512 || p[1].Len != 512 || p[1].Owner == nil || p[1].Owner.Name != "PLAIN.TXT" || p[2].Fate != Free {
		t.Errorf("%+v", p)
	}
	if n, _, _ := c.Volume().TablesDiffer(); n == 0 {
		t.Error("the second table was not changed, and nothing tells")
	}
}

func TestChains(t *testing.T) {
	b := made(t, "fat32")
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	g := c.Volume().Geometry()
	e := find(t, c, "Long file name of the plan.txt")
	next := func(cluster, value uint32) []byte {
		out := bytes.Clone(b)
		at := g.FATOff + int64(cluster)*4
		out[at], out[at+1], out[at+2], out[at+3] = byte(value), byte(value>>8), byte(value>>16), byte(value>>24)
		return out
	}
	for what, x := range map[string]struct {
		image []byte
		want  string
	}{
		"loop":       {next(e.First+2, e.First), "comes back"},
		"bad":        {next(e.First+2, 0x0FFFFFF7), "bad cluster after 3"},
		"early end":  {next(e.First+2, 0x0FFFFFFF), "end of the chain after 3"},
		"free":       {next(e.First+2, 0), "free cluster after 3"},
		"beyond":     {next(e.First+2, 0x0ABCDEF0), "no cluster 180150000, after 3"},
		"upper bits": {next(e.First+2, 0xF0000000|(e.First+3)), ""}, // reserved, not a part of the number
	} {
		c := scan(t, bytes.NewReader(x.image), int64(len(b)))
		_, err := c.Extents(find(t, c, e.Name))
		if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("%s: %v", what, err)
		}
		if x.want == "" {
			continue
		}
		if what == "loop" { // seen only where the chain came round
			continue
		}
		got := make([]byte, e.Size)
		n, err := c.Open(find(t, c, e.Name)).ReadAt(got, 0)
		re, ok := err.(*RangeError)
		if n != 3*512 || !ok || re.From != 3*512 || re.To != e.Size {
			t.Errorf("%s: %d bytes, %v", what, n, err)
		}
	}
}

// A directory below itself ends, and is told.
func TestDirectoryLoop(t *testing.T) {
	b := made(t, "fat32")
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	work, deeper := find(t, c, "Work"), find(t, c, "Work/Deeper")
	b[deeper.Off+26], b[deeper.Off+27] = byte(work.First), byte(work.First>>8)
	c = scan(t, bytes.NewReader(b), int64(len(b)))
	list, _ := c.Problems()
	if len(list) != 1 || !strings.Contains(list[0].Error(), "another's, or one above itself") {
		t.Errorf("%v", list)
	}
}

func TestBackupBoot(t *testing.T) {
	b := made(t, "fat32")
	clear(b[:512])
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	if p := c.Volume().Problems(); !c.Volume().Geometry().FromBackup || len(p) != 1 || len(c.Entries()) != len(want) {
		t.Errorf("%v, %d entries", p, len(c.Entries()))
	}
}

// A cut volume is opened; what is behind the end is told.
func TestCut(t *testing.T) {
	whole := made(t, "fat12")
	for _, size := range []int{0, 100, 511, 512, 5000, 9000, 20000, 40000, len(whole) - 1} {
		v, err := Open(bytes.NewReader(whole[:size]), int64(size))
		if size < 512 {
			if err == nil {
				t.Errorf("%d bytes are a volume", size)
			}
			continue
		}
		if err != nil || len(v.Problems()) == 0 {
			t.Errorf("%d bytes: %v, %v", size, v.Problems(), err)
			continue
		}
		c, err := v.Scan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		list, _ := c.Problems()
		if size < 10000 && len(list) == 0 {
			t.Errorf("%d bytes: nothing is missing", size)
		}
	}
}

// An unreadable sector takes away what stands in it, and is told.
func TestBadBlock(t *testing.T) {
	b := made(t, "fat12")
	g := scan(t, bytes.NewReader(b), int64(len(b))).Volume().Geometry()
	for at := int64(512); at < g.DataOff+40*512; at += 512 {
		c := scan(t, badblock.Reader{ReaderAt: bytes.NewReader(b), Off: at, Len: 512}, int64(len(b)))
		list, _ := c.Problems()
		told := len(list) > 0
		found := 0
		for i := range c.Entries() {
			e := &c.Entries()[i]
			found++
			if e.Deleted || e.IsDir() {
				continue
			}
			got := make([]byte, e.Size)
			if _, err := c.Open(e).ReadAt(got, 0); err != nil {
				told = true
			}
		}
		if found < len(want) && !told {
			t.Errorf("sector %d: %d of %d entries, and nothing is told", at/512, found, len(want))
		}
	}
}

// Mutated volumes: no panic, and an end.
func TestMutated(t *testing.T) {
	for _, name := range []string{"fat12", "fat32"} {
		whole := made(t, name)
		v, _ := Open(bytes.NewReader(whole), int64(len(whole)))
		seed := uint32(1)
		random := func(n int64) int64 {
			seed = seed*1664525 + 1013904223
			return int64(seed>>8) % n
		}
		for round := range 150 {
			b := whole
			undo := map[int64]byte{}
			for range 1 + random(4) {
				at := []int64{random(90), v.geo.FATOff + random(200), v.geo.FATOff + random(v.geo.FATSize), v.geo.RootOff + random(2048), v.geo.DataOff + random(20000)}[random(5)]
				if _, again := undo[at]; !again {
					undo[at] = b[at]
				}
				b[at] = byte(random(256))
			}
			from := time.Now()
			useAll(t, b)
			for at, v := range undo {
				b[at] = v
			}
			if d := time.Since(from); d > 5*time.Second {
				t.Fatalf("%s round %d took %v", name, round, d)
			}
		}
	}
}

func useAll(t testing.TB, b []byte) {
	v, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return
	}
	c, err := v.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for i := range c.Entries() {
		e := &c.Entries()[i]
		_, _ = c.Open(e).ReadAt(buf, max(0, e.Size-100))
		if i < 100 && e.Size < 1<<20 {
			c.Pieces(e)
		}
	}
	_, _ = c.Usage(t.Context())
	_, _, _ = v.TablesDiffer()
	_, _, _ = v.FreeCount()
}

func FuzzScan(f *testing.F) {
	f.Add(made(f, "fat12")[:64<<10])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 1<<20 {
			useAll(t, b)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	img := made(b, "fat32")
	b.SetBytes(int64(len(img)))
	b.ReportAllocs()
	for b.Loop() {
		scan(b, bytes.NewReader(img), int64(len(img)))
	}
}

// The long name of a multiple of 13 characters has no end mark.
func TestLongNames(t *testing.T) {
	short := []byte("NAME    TXT")
	part := func(number byte, text string) slot {
		b := bytes.Repeat([]byte{0xFF}, 32)
		b[0], b[11], b[12], b[13], b[26], b[27] = number, 0x0F, 0, sum(short[0], short), 0, 0
		at := []int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30}
		for i, p := range at {
			switch {
			case i < len(text):
				b[p], b[p+1] = text[i], 0
			case i == len(text):
				b[p], b[p+1] = 0, 0
			}
		}
		return slot{b: b}
	}
	gone := func(s slot) slot { s.b = bytes.Clone(s.b); s.b[0] = 0xE5; return s }
	a, b13 := part(0x42, "second part.."), part(0x01, "name of parts")
	for _, c := range []struct {
		what    string
		parts   []slot
		deleted bool
		want    string
	}{
		{"two full parts", []slot{a, b13}, false, "name of partssecond part.."},
		{"wrong number", []slot{a, part(0x03, "name of parts")}, false, ""},
		{"one part", []slot{part(0x41, "name.txt")}, false, "name.txt"},
		{"no first mark", []slot{b13}, false, ""},
		{"deleted", []slot{gone(a), gone(b13)}, true, "name of partssecond part.."},
		{"deleted, one in use", []slot{gone(a), b13}, true, ""},
		{"deleted, of another", []slot{gone(part(0x41, "other.txt"))}, true, ""},
	} {
		units, first, ok := longName(c.parts, short, c.deleted)
		got := strings.ReplaceAll(string(units), "\x00", "")
		if got != c.want || ok != (c.want != "") || ok && first != 'N' {
			t.Errorf("%s: %q %v %q", c.what, got, ok, first)
		}
	}
}

// exFAT: the checksum of a set, and times with their distance from UTC.
func TestExTime(t *testing.T) {
	const stamp = (2021-1980)<<25 | 9<<21 | 14<<16 | 18<<11 | 30<<5 | 10 // 2021-09-14 18:30:20
	for _, c := range []struct {
		zone byte
		want string
		utc  bool
	}{{0, "2021-09-14T18:30:21.5", false}, {0x80, "2021-09-14T18:30:21.5", true}, {0x80 | 36, "2021-09-14T09:30:21.5", true}, {0x80 | 0x7C, "2021-09-14T19:30:21.5", true}} {
		got := exTime(stamp, 150, c.zone)
		at := time.Unix(int64(got.Ticks/10_000_000)-11644473600, int64(got.Ticks%10_000_000)*100).UTC().Format("2006-01-02T15:04:05.9")
		if at != c.want || got.UTC != c.utc {
			t.Errorf("zone %#x: %s %v", c.zone, at, got.UTC)
		}
	}
}

// TestAgainstFls compares the paths with those of The Sleuth Kit, whose ways to
// differ are named.
func TestAgainstFls(t *testing.T) {
	corpus.Dir(t)
	if _, err := exec.LookPath("fls"); err != nil {
		t.Skip("no fls")
	}
	for name, differs := range map[string]int{
		"fat/dfir_ntfs/fat12.raw": 0, "fat/dfir_ntfs/fat16.raw": 0, "fat/dfir_ntfs/fat_unusual_label.raw": 0, "fat/go-fat/fat12.dd": 0,
		"fat/util-linux/fat32_cp850_O_tilde.img": 0, "fat/velociraptor/fat_very_small.dd": 0,
		"exfat/dfir_ntfs/exfat_encrypted.raw": 0, "exfat/dfir_ntfs/exfat_win.raw": 0, "exfat/util-linux/exfat.img": 0,
	} {
		img := corpus.Path(t, "images/"+name)
		b, err := os.ReadFile(img)
		if err != nil {
			t.Fatal(err)
		}
		c := scan(t, bytes.NewReader(b), int64(len(b)))
		var ours []string
		for i := range c.Entries() {
			if e := &c.Entries()[i]; !e.Deleted {
				ours = append(ours, path(c, e))
			}
		}
		out, err := exec.Command("fls", "-r", "-p", "-u", img).Output()
		if err != nil {
			t.Fatal(err)
		}
		var theirs []string
		for line := range strings.Lines(string(out)) {
			kind, p, _ := strings.Cut(strings.TrimRight(line, "\n"), ":\t")
			if strings.HasPrefix(kind, "v/") || strings.HasPrefix(kind, "V/") || strings.HasPrefix(p, "$") || strings.HasSuffix(p, "(Volume Label Entry)") {
				continue
			}
			theirs = append(theirs, p)
		}
		slices.Sort(ours)
		slices.Sort(theirs)
		if got := difference(ours, theirs); got != differs {
			t.Errorf("%s: %d of ours, %d of fls, %d differ", name, len(ours), len(theirs), got)
		}
	}
}

func difference(a, b []string) int {
	count := map[string]int{}
	for _, s := range a {
		count[s]++
	}
	for _, s := range b {
		count[s]--
	}
	n := 0
	for _, k := range count {
		n += max(k, -k)
	}
	return n
}

// TestExDeleted: the deleted files of a volume of Windows and of one of macOS;
// fls finds the same, of which it calls some orphans without a name.
func TestExDeleted(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "images/exfat/dfir_ntfs/exfat_encrypted.raw"))
	if err != nil {
		t.Fatal(err)
	}
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	var got []string
	for i := range c.Entries() {
		if e := &c.Entries()[i]; e.Deleted && strings.HasPrefix(path(c, e), "encrypted_dir/") {
			got = append(got, fmt.Sprint(e.Name, " ", e.Size, e.Odd))
		}
	}
	if want := []string{"1.bin 4096", "3.bin 4096", "15.bin 4096", "16.bin 4096", "17.bin 4096", "18.bin 4096", "32.bin 4096", "31.bin 4096"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// An empty volume of mkfs.exfat: bitmap, table of capital letters and checksums
// are read and fit.
func TestExEmpty(t *testing.T) {
	b := made(t, "exfat")
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	list, _ := c.Problems()
	for _, err := range c.Volume().Problems() {
		t.Error(err)
	}
	if g := c.Volume().Geometry(); g.Kind != ExFAT || len(list) > 0 || c.Label() != "EMPTY" || len(c.Entries()) != 0 || c.Upper('ä') != 'Ä' || c.Upper('a') != 'A' {
		t.Errorf("%+v, %v, %d entries, %c", g, list, len(c.Entries()), rune(c.Upper('ä')))
	}
	if u, err := c.Usage(t.Context()); err != nil || u.Used == 0 || u.Used != u.Owned || u.Lost+u.NotMarked+u.Unread > 0 {
		t.Errorf("%+v, %v", u, err)
	}
	// A changed letter is told by the checksum of the table.
	b[c.upcaseAt[0].Disk+100] ^= 1
	if list, _ := scan(t, bytes.NewReader(b), int64(len(b))).Problems(); len(list) != 1 || !strings.Contains(list[0].Error(), "table of capital letters: checksum") {
		t.Errorf("%v", list)
	}
}

// A set of entries by the specification's example of a checksum: each byte but the
// sum's own, rotated to the right.
func TestExSet(t *testing.T) {
	set := make([]byte, 3*slotSize)
	set[0], set[1], set[4] = 0x85, 2, 0x20
	set[32], set[33], set[35] = 0xC0, 0x03, 5 // in a row
	set[52], set[56], set[40] = 9, 200, 100   // cluster 9, 200 bytes, 100 written
	set[64] = 0xC1
	for i, c := range "a.txt" {
		set[66+2*i] = byte(c)
	}
	var sum uint16
	for i, c := range set {
		if i != 2 && i != 3 {
			sum = sum<<15 | sum>>1
			sum += uint16(c)
		}
	}
	read := func(b []byte) (out []Entry) {
		r := exReader{give: func(e Entry, residue bool) { out = append(out, e) }, meta: func(slot) {}}
		for p := 0; p < len(b); p += slotSize {
			r.slot(slot{b[p : p+slotSize], int64(p)})
		}
		r.flush()
		return out
	}
	for _, c := range []struct {
		what   string
		change func(b []byte)
		odd    string
		gone   bool
	}{
		{"whole", func(b []byte) {}, "", false},
		{"deleted", func(b []byte) { b[0], b[32], b[64] = 0x05, 0x40, 0x41 }, "", true},
		{"changed", func(b []byte) { b[52]++ }, "the checksum of the entry does not fit", false},
		{"no head", func(b []byte) { b[0] = 0xA1 }, "the head of the entry is lost: no times, no attributes", true},
		{"name lost", func(b []byte) { b[64] = 0xA1 }, "parts of the entry are missing", false},
	} {
		b := bytes.Clone(set)
		b[2], b[3] = byte(sum), byte(sum>>8)
		c.change(b)
		got := read(b)
		if len(got) != 1 || got[0].Odd != c.odd || got[0].Deleted != c.gone || !got[0].Straight || got[0].Size != 200 || got[0].Valid != 100 ||
			c.what != "name lost" && got[0].Name != "a.txt" {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}
