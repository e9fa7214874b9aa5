package mbr

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"
)

func disk(t testing.TB) []byte {
	t.Helper()
	f, err := os.Open("testdata/mbr512.gz")
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

func read(t testing.TB, b []byte) *Table {
	t.Helper()
	tab, err := Read(bytes.NewReader(b), int64(len(b)), 512)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestGood(t *testing.T) {
	tab := read(t, disk(t))
	want := []Partition{
		{Number: 1, Type: 7, Status: 0x80, First: 2048, Sectors: 2048},
		{Number: 5, Logical: true, Type: 7, First: 6144, Sectors: 1024, Table: 4096},
		{Number: 6, Logical: true, Type: 0xB, First: 10240, Sectors: 1024, Table: 8192},
		{Number: 7, Logical: true, Type: 0x83, First: 13312, Sectors: 1024, Table: 11264},
	}
	if tab.Signature != 0x12345678 || len(tab.Problems) != 0 || len(tab.Partitions) != len(want) ||
		len(tab.Extended) != 1 || tab.Extended[0] != (Extended{4096, 12288}) {
		t.Fatalf("%+v", tab)
	}
	for i, p := range tab.Partitions {
		if w := want[i]; p.Number != w.Number || p.Logical != w.Logical || p.Type != w.Type || p.Status != w.Status ||
			p.First != w.First || p.Sectors != w.Sectors {
			t.Errorf("%+v, want %+v", p, w)
		}
	}
	if TypeName(tab.Partitions[0].Type) != "NTFS or exFAT" {
		t.Error(TypeName(tab.Partitions[0].Type))
	}
}

// put lays down an entry: status 0, type, first, count.
func put(b []byte, sector, slot int, kind byte, first, count uint32) {
	e := b[sector*512+446+16*slot:]
	e[4] = kind
	binary.LittleEndian.PutUint32(e[8:], first)
	binary.LittleEndian.PutUint32(e[12:], count)
	b[sector*512+510], b[sector*512+511] = 0x55, 0xAA
}

// A chain of extended records that leads back to itself ends.
func TestLoop(t *testing.T) {
	b := make([]byte, 100*512)
	put(b, 0, 0, 0x0F, 10, 80)
	put(b, 10, 0, 7, 1, 5)
	put(b, 10, 1, 5, 20, 10) // to 30
	put(b, 30, 0, 7, 1, 5)
	put(b, 30, 1, 5, 0, 10) // and back to 10
	tab := read(t, b)
	if len(tab.Partitions) != 2 || len(tab.Problems) != 1 {
		t.Errorf("%+v", tab)
	}
}

// A chain that leads out of the disk, or to a sector without a signature, is
// a problem and costs nothing that came before.
func TestBrokenChain(t *testing.T) {
	for _, next := range []uint32{500, 40} {
		b := make([]byte, 100*512)
		put(b, 0, 0, 0x0F, 10, 80)
		put(b, 10, 0, 7, 1, 5)
		put(b, 10, 1, 5, next, 10)
		if tab := read(t, b); len(tab.Partitions) != 1 || len(tab.Problems) != 1 {
			t.Errorf("%+v", tab)
		}
	}
}

func TestLongChainEnds(t *testing.T) {
	b := make([]byte, 2000*512)
	put(b, 0, 0, 5, 10, 1900)
	for i := range 900 {
		put(b, 10+i, 0, 7, 1, 1)
		put(b, 10+i, 1, 5, uint32(i+1), 1)
	}
	if tab := read(t, b); len(tab.Partitions) != maxLogical || len(tab.Problems) != 1 {
		t.Errorf("%d partitions, %v", len(tab.Partitions), tab.Problems)
	}
}

func TestProtective(t *testing.T) {
	b := make([]byte, 4096)
	put(b, 0, 0, 0xEE, 1, 7)
	if tab := read(t, b); !tab.Protective || len(tab.Partitions) != 0 {
		t.Errorf("%+v", tab)
	}
}

func TestPlausible(t *testing.T) {
	if !Plausible(disk(t)[:512]) {
		t.Error("a table is not plausible")
	}
	boot := bytes.Repeat([]byte{0x90, 0xEB, 0x12}, 171)[:512]
	boot[510], boot[511] = 0x55, 0xAA
	if Plausible(boot) || Plausible(make([]byte, 512)) || Plausible(nil) {
		t.Error("boot code, zeros or nothing is plausible")
	}
}

func TestTruncationLaw(t *testing.T) {
	whole := disk(t)
	for _, n := range []int{0, 1, 445, 509, 511, 512, 4096 * 512, 4096*512 + 511, 8192*512 - 1, 8192*512 + 511, 11264*512 + 511} {
		tab, err := Read(bytes.NewReader(whole[:n]), int64(n), 512)
		if err == nil && len(tab.Partitions) < 4 && len(tab.Problems) == 0 {
			t.Errorf("cut at %d: %d partitions and no word", n, len(tab.Partitions))
		}
	}
}

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
	b := disk(t)
	for _, sector := range read(t, b).Tables {
		off := int64(sector) * 512
		tab, err := Read(badBlock{bytes.NewReader(b), off}, int64(len(b)), 512)
		if err == nil && len(tab.Problems) == 0 {
			t.Errorf("block %#x: no word", off)
		}
		if err == nil {
			if p, ok := tab.Problems[0].(interface{ Offset() int64 }); !ok || p.Offset() != off {
				t.Errorf("block %#x: %v", off, tab.Problems)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	b := disk(f)
	f.Add(b[:512])
	small := make([]byte, 20*512)
	put(small, 0, 0, 5, 2, 18)
	put(small, 2, 0, 7, 1, 2)
	put(small, 2, 1, 5, 4, 4)
	put(small, 6, 0, 7, 1, 2)
	f.Add(small)
	f.Fuzz(func(t *testing.T, b []byte) {
		Plausible(b)
		for _, ss := range []int{512, 4096} {
			if tab, err := Read(bytes.NewReader(b), int64(len(b)), ss); err == nil && len(tab.Partitions) > 4*4*(maxLogical+1) {
				t.Error(len(tab.Partitions))
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	d := disk(b)
	b.SetBytes(4 * 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(bytes.NewReader(d), int64(len(d)), 512); err != nil {
			b.Fatal(err)
		}
	}
}
