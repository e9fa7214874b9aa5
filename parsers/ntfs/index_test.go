package ntfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/container"
	"kanshiki/parsers/ewf"
	"kanshiki/parsers/internal/utf16"
	"kanshiki/parsers/qcow2"
)

// imageAt opens a volume inside an image of the corpus.
func imageAt(t testing.TB, rel string, off int64) *Catalog {
	t.Helper()
	r, size := imageReader(t, rel)
	return scan(t, io.NewSectionReader(r, off, size-off), size-off)
}

// imageReader is the medium of an image of the corpus.
func imageReader(t testing.TB, rel string) (io.ReaderAt, int64) {
	t.Helper()
	f, size := openImage(t, corpus.Path(t, rel))
	var r io.ReaderAt = f
	switch {
	case strings.HasSuffix(rel, ".qcow2"):
		q, err := qcow2.Open(container.File{R: f, Size: size}, qcow2.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, size = q, q.Size()
	case strings.HasSuffix(rel, ".E01"):
		e, err := ewf.Open([]ewf.Source{{Name: rel, R: f, Size: size}}, ewf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, size = e, e.Size()
	}
	return r, size
}

func fileAt(t testing.TB, c *Catalog, path string) File {
	t.Helper()
	for f := range c.Files() {
		for l := range f.Links() {
			if p, _ := l.PathString(); p == path && f.InUse() {
				return f
			}
		}
	}
	t.Fatalf("no %s", path)
	return File{}
}

// indexed finds the entries of a name in a directory's index.
func indexed(t testing.TB, dir File, name string) []IndexEntry {
	t.Helper()
	var out []IndexEntry
	for e, err := range dir.Index() {
		if err != nil {
			t.Error(err)
			continue
		}
		if utf16.String(e.Name) == name {
			e.Name = bytes.Clone(e.Name)
			out = append(out, e)
		}
	}
	return out
}

// seconds is a FILETIME without its fraction, as upstream gives the times.
func seconds(t uint64) string {
	return time.Unix(int64(t/10000000)-11644473600, 0).UTC().Format("2006-01-02 15:04:05")
}

// What the makers of these images say of their indexes (truth/images_expected).
func TestIndexCorpus(t *testing.T) {
	c := imageAt(t, "images/ntfs/ntfs-samples/ntfs-si-vs-fn.E01", 65536)
	if e := indexed(t, fileAt(t, c, "test"), "test.txt"); len(e) != 1 || seconds(e[0].Times.Created)[:10] != "2016-09-24" {
		t.Errorf("test.txt: %+v, want created 2016-09-24", e)
	}
	c = imageAt(t, "images/ntfs/ntfs-samples/ntfs-lastaccess.E01", 65536)
	if e := indexed(t, fileAt(t, c, "test"), "1.txt"); len(e) != 1 || seconds(e[0].Times.Accessed) != "2019-03-03 12:35:17" {
		t.Errorf("1.txt: %+v", e)
	}
	c = imageAt(t, "images/vss/ntfs-samples/ntfs.qcow2", 1048576)
	dir := fileAt(t, c, "test_dir")
	if e := indexed(t, dir, "file_hidden.txt"); len(e) != 1 || e[0].State != IndexMFTSlack {
		t.Errorf("file_hidden.txt: %+v", e)
	}
	if e := indexed(t, dir, "file_1.txt"); len(e) == 0 || seconds(e[0].Times.Accessed) != "2020-07-25 12:33:24" {
		t.Errorf("file_1.txt: %+v", e)
	}
}

// A name that the directory's index does not hold is found: The Sleuth Kit
// 4.11.1 lists no test/1.txt on this volume, which Linux' ntfs3 wrote.
func TestNotIndexed(t *testing.T) {
	c := imageAt(t, "images/ntfs/dfir_ntfs/ntfs3.E01", 0)
	var got []string
	for d, err := range fileAt(t, c, "test").CheckIndex() {
		if err != nil {
			t.Fatal(err)
		}
		if d.Fault == Agrees {
			continue
		}
		got = append(got, d.Fault.String()+" "+d.Ref.String()+" "+utf16.String(d.Name))
	}
	if len(got) != 1 || got[0] != "not in the index 28-1 1.txt" {
		t.Errorf("%q", got)
	}
}

// WSL keeps owner, group and mode (drwxr-xr-x) of a directory; the list ends with
// the offset of its end.
func TestEAs(t *testing.T) {
	eas, err := fileAt(t, imageAt(t, "images/ntfs/dfir_ntfs/ntfs3.E01", 0), "test").EAs()
	if err != nil {
		t.Error(err)
	}
	got := ""
	for _, x := range eas {
		got += fmt.Sprintf("%s=%x ", x.Name, x.Value)
	}
	if got != "$LXUID=00000000 $LXGID=00000000 $LXMOD=ed410000 " {
		t.Error(got)
	}
}

// Every name of the volume stands in an index and every live entry of an index
// in the $MFT, as ntfs-3g wrote both.
func TestIndexAgrees(t *testing.T) {
	b := smallVolume(t)
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	names, live, stale := 0, 0, 0
	for f := range c.Files() {
		if !f.IsDir() || !f.InUse() {
			continue
		}
		for range f.eachNameBelow() {
			names++
		}
		for e, err := range f.Index() {
			switch {
			case err != nil:
				t.Error(err)
			case e.State == IndexLive:
				live++
			default:
				stale++
			}
		}
		for d, err := range f.CheckIndex() {
			if d.Fault != Agrees || err != nil {
				t.Errorf("%v: %+v, %v", f.Ref(), d, err)
			}
		}
	}
	if names != live || live < 60 || stale == 0 {
		t.Errorf("%d names, %d live entries, %d in slack", names, live, stale)
	}
}

// A damaged index record costs its entries, is told with its place, and its
// names are not called hidden.
func TestIndexDamage(t *testing.T) {
	whole := smallVolume(t)
	c := scan(t, bytes.NewReader(whole), int64(len(whole)))
	var dir File
	for f := range c.Files() {
		if x, ok := f.openIndex("$I30"); ok && f.InUse() && x.alloc != nil && f.n >= firstUserRecord {
			dir = f
			break
		}
	}
	x, _ := dir.openIndex("$I30")
	at := x.alloc.DiskOffset(0)
	rnd := rand.New(rand.NewPCG(7, 8))
	for what, harm := range map[string]func(b []byte){
		"signature": func(b []byte) { b[at] = 'X' },
		"torn":      func(b []byte) { b[at+1022] ^= 1 },
		"entries":   func(b []byte) { binary.LittleEndian.PutUint32(b[at+24:], 1<<20) },
		"length": func(b []byte) {
			binary.LittleEndian.PutUint16(b[at+24+int64(binary.LittleEndian.Uint32(b[at+24:]))+8:], 9)
		},
		"bytes": func(b []byte) {
			for range 50 {
				b[at+24+int64(rnd.IntN(4000))] ^= byte(1 + rnd.IntN(255))
			}
		},
	} {
		b := bytes.Clone(whole)
		harm(b)
		c := scan(t, bytes.NewReader(b), int64(len(b)))
		f, _ := c.File(uint64(dir.n))
		told := 0
		for _, err := range f.Index() {
			var d *Damage
			if errors.As(err, &d) {
				told++
				if d.Off < at || d.Off >= at+4096 || d.Record != uint64(dir.n) {
					t.Errorf("%s: %v at %#x, the record is at %#x", what, d, d.Off, at)
				}
			}
		}
		if told == 0 && what != "bytes" {
			t.Errorf("%s: nothing told", what)
		}
		for d, err := range f.CheckIndex() {
			if told > 0 && err == nil && d.Fault == NotIndexed {
				t.Errorf("%s: %q is called hidden", what, utf16.String(d.Name))
			}
		}
	}
	bad := badReader{bytes.NewReader(whole), at, 4096}
	c = scan(t, bad, int64(len(whole)))
	f, _ := c.File(uint64(dir.n))
	told := 0
	for _, err := range f.Index() {
		var d *Damage
		if errors.As(err, &d) && d.Kind == Unreadable && d.Off >= at && d.Off < at+4096 {
			told++
		}
	}
	if told == 0 {
		t.Error("an unreadable index record is lost in silence")
	}
}

const firstUserRecord = 64

// What lies behind the bytes used is found: the last $DATA of a record whose
// end was drawn in front of it, and its $FILE_NAME where that is behind too.
func TestRecordSlack(t *testing.T) {
	whole := smallVolume(t)
	c := scan(t, bytes.NewReader(whole), int64(len(whole)))
	tried := 0
	for f := range c.Files() {
		if f.n < firstUserRecord || !f.InUse() || f.e().ext != 0 || f.e().marks&markList != 0 {
			continue
		}
		rec, err := c.v.Record(uint64(f.n))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(slices.Collect(rec.Slack())); n != 0 && tried == 0 {
			t.Logf("entry %d holds %d older attributes", f.n, n)
		}
		for a := range rec.Attrs(nil) {
			cut := rec
			cut.used = a.Off
			var found []AttrType
			for old := range cut.Slack() {
				found = append(found, old.Type)
				if fn, ok := old.FileName(); old.Type == AttrFileName && (!ok || len(fn.Name) == 0) {
					t.Errorf("entry %d: $FILE_NAME %+v", f.n, fn)
				}
			}
			// What makes no sense whole, such as an empty $DATA, may be passed over.
			if a.Type == AttrStandardInformation || a.Type == AttrFileName || a.Type == AttrData && a.NonResident {
				if len(found) == 0 || found[0] != a.Type {
					t.Errorf("entry %d cut before %v at %d: %v", f.n, a.Type, a.Off, found)
				}
				tried++
			}
		}
	}
	if tried < 50 {
		t.Errorf("only %d tried", tried)
	}
}

// FuzzIndex reads a volume whose index records were changed.
func FuzzIndex(f *testing.F) {
	f.Add(uint16(24), uint32(0xFFFFFFFF))
	f.Add(uint16(40), uint32(0))
	whole := smallVolume(f)
	c := scan(f, bytes.NewReader(whole), int64(len(whole)))
	var at []int64
	for d := range c.Files() {
		if x, ok := d.openIndex("$I30"); ok && x.alloc != nil {
			at = append(at, x.alloc.DiskOffset(0))
		}
	}
	f.Fuzz(func(t *testing.T, off uint16, v uint32) {
		b := bytes.Clone(whole)
		for _, a := range at {
			binary.LittleEndian.PutUint32(b[a+int64(off%4092):], v)
		}
		c := scan(t, bytes.NewReader(b), int64(len(b)))
		for d := range c.Files() {
			for range d.CheckIndex() {
			}
		}
	})
}

func BenchmarkIndex(b *testing.B) {
	whole := smallVolume(b)
	c := scan(b, bytes.NewReader(whole), int64(len(whole)))
	n := 0
	for b.Loop() {
		n = 0
		for f := range c.Files() {
			for range f.Index() {
				n++
			}
		}
	}
	b.ReportMetric(float64(n), "entries")
}
