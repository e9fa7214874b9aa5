package gpt

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func disk(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".gz"))
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

// cases are the disks with what sfdisk says of them.
var cases = []struct {
	file                 string
	sector               int
	first, last          uint64 // usable sectors
	start1, end1, s2, e2 uint64 // of the two partitions
}{
	{"gpt512", 512, 34, 8158, 34, 34 + 2047, 2082, 2082 + 1023},
	{"gpt4096", 4096, 6, 1018, 6, 6 + 255, 262, 262 + 127},
}

// check compares the partitions of a table with sfdisk's.
func check(t *testing.T, tab *Table, i int) {
	t.Helper()
	c := cases[i]
	if tab.Disk.String() != "11111111-2222-3333-4444-555555555555" || tab.Usable != [2]uint64{c.first, c.last} || len(tab.Partitions) != 2 {
		t.Fatalf("%s: %+v", c.file, tab)
	}
	p, q := tab.Partitions[0], tab.Partitions[1]
	if p.Number != 1 || p.First != c.start1 || p.Last != c.end1 || p.Name != "Windows ボリューム" ||
		p.ID.String() != "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee" || TypeName(p.Type) != "Microsoft basic data" {
		t.Errorf("%s: first %+v", c.file, p)
	}
	if q.Number != 2 || q.First != c.s2 || q.Last != c.e2 || q.Name != "MSR" || TypeName(q.Type) != "Microsoft reserved" {
		t.Errorf("%s: second %+v", c.file, q)
	}
}

func TestGood(t *testing.T) {
	for i, c := range cases {
		b := disk(t, c.file)
		tab, err := Read(bytes.NewReader(b), int64(len(b)), c.sector)
		if err != nil {
			t.Fatal(err)
		}
		check(t, tab, i)
		if len(tab.Problems) != 0 || tab.FromBackup {
			t.Errorf("%s: problems %v", c.file, tab.Problems)
		}
		if _, err := Read(bytes.NewReader(b), int64(len(b)), 4608-c.sector); err == nil {
			t.Errorf("%s: read with the other sector size", c.file)
		}
	}
}

// Any byte of the primary table may be damaged: the backup gives the same.
func TestBackup(t *testing.T) {
	for i, c := range cases {
		whole := disk(t, c.file)
		for _, off := range []int{c.sector, c.sector + 9, c.sector + 17, c.sector + 24, c.sector + 72, c.sector + 80, c.sector + 91, 2 * c.sector, 2*c.sector + 40, 2*c.sector + 127*128} {
			b := bytes.Clone(whole)
			b[off] ^= 0x10
			tab, err := Read(bytes.NewReader(b), int64(len(b)), c.sector)
			if err != nil {
				t.Fatalf("%s at %#x: %v", c.file, off, err)
			}
			check(t, tab, i)
			if !tab.FromBackup || len(tab.Problems) == 0 {
				t.Errorf("%s at %#x: from backup %v, problems %v", c.file, off, tab.FromBackup, tab.Problems)
			}
		}
		b := bytes.Clone(whole) // and the backup: a problem, no more
		b[len(b)-c.sector+20] ^= 1
		tab, err := Read(bytes.NewReader(b), int64(len(b)), c.sector)
		if err != nil || tab.FromBackup || len(tab.Problems) != 1 || !strings.Contains(tab.Problems[0].Error(), "backup") {
			t.Errorf("%s: %v, %+v", c.file, err, tab)
		} else {
			check(t, tab, i)
		}
	}
}

// An image that was made larger has its backup in the middle.
func TestEnlarged(t *testing.T) {
	b := append(disk(t, "gpt512"), make([]byte, 1<<20)...)
	tab, err := Read(bytes.NewReader(b), int64(len(b)), 512)
	if err != nil || len(tab.Problems) != 0 || tab.Backup != 8191 {
		t.Errorf("%v, %+v", err, tab)
	}
}

func TestTruncationLaw(t *testing.T) {
	whole := disk(t, "gpt512")
	for _, n := range []int{0, 1, 511, 512, 513, 1023, 1024, 1535, 1536, 2048, 17407, 17408, 17409, len(whole) - 512, len(whole) - 1} {
		tab, err := Read(bytes.NewReader(whole[:n]), int64(n), 512)
		if err == nil && len(tab.Problems) == 0 {
			t.Errorf("cut at %d: no word", n)
		}
	}
}

// badBlock cannot read one sector.
type badBlock struct {
	io.ReaderAt
	off int64
}

func (b badBlock) ReadAt(p []byte, off int64) (int, error) {
	if off < b.off+512 && off+int64(len(p)) > b.off {
		return 0, errors.New("input/output error")
	}
	return b.ReaderAt.ReadAt(p, off)
}

func TestBadBlockLaw(t *testing.T) {
	b := disk(t, "gpt512")
	for off := int64(512); off < 34*512; off += 512 {
		tab, err := Read(badBlock{bytes.NewReader(b), off}, int64(len(b)), 512)
		if err != nil || !tab.FromBackup || len(tab.Problems) == 0 {
			t.Errorf("block %#x: %v, %+v", off, err, tab)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, c := range cases {
		b := disk(f, c.file)
		f.Add(append(b[:6*c.sector:6*c.sector], b[len(b)-5*c.sector:]...), c.sector == 4096)
	}
	f.Fuzz(func(t *testing.T, b []byte, large bool) {
		ss := 512
		if large {
			ss = 4096
		}
		tab, err := Read(bytes.NewReader(b), int64(len(b)), ss)
		if err != nil {
			return
		}
		for _, p := range tab.Partitions {
			if p.Last < p.First || int64(p.Last)*4096 < 0 {
				t.Errorf("%+v", p)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	d := disk(b, "gpt512")
	b.SetBytes(2 * 33 * 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(bytes.NewReader(d), int64(len(d)), 512); err != nil {
			b.Fatal(err)
		}
	}
}
