package volume_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"kanshiki/forensics/problem"
	"kanshiki/forensics/volume"
)

// disk is an image in memory, with a part that cannot be read.
type disk struct {
	b        []byte
	sector   int
	from, to int64
}

func (d disk) Size() int64     { return int64(len(d.b)) }
func (d disk) SectorSize() int { return d.sector }

func (d disk) ReadAt(p []byte, off int64) (int, error) {
	if off < d.to && off+int64(len(p)) > d.from {
		n, _ := bytes.NewReader(d.b).ReadAt(p[:max(d.from-off, 0)], off)
		return n, errors.New("input/output error")
	}
	return bytes.NewReader(d.b).ReadAt(p, off)
}

// made is a disk or volume head of the parsers' testdata, at least size long.
func made(t *testing.T, path string, size int) []byte {
	t.Helper()
	f, err := os.Open("../../parsers/" + path + ".gz")
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
	return append(b, make([]byte, max(size-len(b), 0))...)
}

func putMBR(b []byte, slot int, kind byte, first, count uint32) {
	e := b[446+16*slot:]
	e[4] = kind
	binary.LittleEndian.PutUint32(e[8:], first)
	binary.LittleEndian.PutUint32(e[12:], count)
	b[510], b[511] = 0x55, 0xAA
}

// short prints a listing in one line: number scheme kind off+len in sectors.
func short(vols []volume.Volume) string {
	var s []string
	for _, v := range vols {
		word := string(v.Kind)
		if v.Scheme != "gap" {
			word = string(rune('0'+v.Number)) + " " + v.Scheme + " " + word
		}
		s = append(s, word)
	}
	return strings.Join(s, ", ")
}

func TestGPTWithBothSectorSizes(t *testing.T) {
	for _, name := range []string{"gpt512", "gpt4096"} {
		b := made(t, "gpt/testdata/"+name, 0)
		vols, problems := volume.List(disk{b: b, sector: 512}, "x", "t")
		if got := short(vols); got != "reserved, 1 GPT empty, 2 GPT reserved, unallocated, reserved" || len(problems) != 0 {
			t.Errorf("%s: %s, %v", name, got, problems)
		}
		if v := vols[1]; v.Label != "Windows ボリューム" || v.TypeCode != "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7" {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// The primary table is gone: the backup gives the same partitions.
func TestBackupGPT(t *testing.T) {
	b := made(t, "gpt/testdata/gpt512", 0)
	copy(b[34*512:], made(t, "volumeboot/testdata/ntfs", 0)[:512])
	clear(b[512 : 34*512])
	vols, problems := volume.List(disk{b: b, sector: 512}, "x", "t")
	if got := short(vols); got != "reserved, 1 GPT NTFS, 2 GPT reserved, unallocated, reserved" {
		t.Error(got)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Found, "the backup is used") || problems[0].Severity != problem.Doubt {
		t.Errorf("%v", problems)
	}
}

func TestBothGPTsLost(t *testing.T) {
	b := made(t, "gpt/testdata/gpt512", 0)
	clear(b[512 : 34*512])
	clear(b[len(b)-512:])
	_, problems := volume.List(disk{b: b, sector: 512}, "x", "t")
	if len(problems) == 0 || problems[0].Severity != problem.Lost {
		t.Errorf("%v", problems)
	}
}

// A GPT behind an ordinary MBR is not what Windows sees; it is named.
func TestHiddenGPT(t *testing.T) {
	b := made(t, "gpt/testdata/gpt512", 0)
	clear(b[446:510])
	putMBR(b, 0, 7, 3000, 1000)
	vols, problems := volume.List(disk{b: b, sector: 512}, "x", "t")
	if got := short(vols); got != "reserved, 1 MBR empty, unallocated" || len(problems) != 1 || !strings.Contains(problems[0].Found, "hidden") {
		t.Errorf("%s, %v", got, problems)
	}
}

func TestMBRKinds(t *testing.T) {
	b := make([]byte, 2<<20)
	putMBR(b, 0, 7, 128, 500)
	putMBR(b, 1, 0x42, 700, 500)
	putMBR(b, 2, 0xE7, 1300, 500)
	ntfs := made(t, "volumeboot/testdata/ntfs", 0)[:512]
	copy(b[128*512:], ntfs)
	copy(b[700*512:], ntfs)
	copy(b[2000*512:], ntfs) // of a deleted partition, but not at the start of a gap
	vols, problems := volume.List(disk{b: b, sector: 512}, "x", "t")
	want := "reserved, 1 MBR NTFS, unallocated, 2 MBR dynamic disk (LDM), unallocated, 3 MBR Storage Spaces, unallocated"
	if got := short(vols); got != want || len(problems) != 0 {
		t.Errorf("%s, %v", got, problems)
	}
	if d := vols[3].Detail; !strings.Contains(d, "NTFS begins here") {
		t.Errorf("dynamic disk: %q", d)
	}
}

// A partition that was deleted from the table leaves its boot sector.
func TestDeletedPartition(t *testing.T) {
	b := make([]byte, 2<<20)
	putMBR(b, 0, 7, 128, 500)
	copy(b[628*512:], made(t, "volumeboot/testdata/fat16", 0)[:512])
	vols, _ := volume.List(disk{b: b, sector: 512}, "x", "t")
	if v := vols[len(vols)-1]; v.Kind != volume.Unallocated || !strings.HasPrefix(v.Detail, "FAT16 begins here") {
		t.Errorf("%+v", v)
	}
}

// The sector size of an MBR is found by what the partitions begin with.
func TestMBRWith4096(t *testing.T) {
	b := made(t, "volumeboot/testdata/ntfs4k", 0)
	d := make([]byte, 64*4096, 64*4096+len(b))
	d = append(d, b...)
	putMBR(d, 0, 7, 64, 16)
	vols, _ := volume.List(disk{b: d, sector: 512}, "x", "t")
	if got := short(vols); got != "reserved, 1 MBR NTFS" && !strings.HasPrefix(got, "reserved, 1 MBR NTFS") {
		t.Error(got)
	}
	if v := vols[1]; v.Off != 64*4096 || v.SectorSize != 4096 {
		t.Errorf("%+v", v)
	}
}

func TestWholeDiskOfARAID(t *testing.T) {
	b := make([]byte, 2<<20)
	putMBR(b, 0, 7, 128, 500)
	copy(b[len(b)-1024:], "Intel Raid ISM Cfg Sig. 1.3.00")
	vols, _ := volume.List(disk{b: b, sector: 512}, "x", "t")
	found := false
	for _, v := range vols {
		found = found || v.Kind == volume.RAIDMember && v.Len == int64(len(b)) && strings.Contains(v.Detail, "Intel")
	}
	if !found {
		t.Errorf("%+v", vols)
	}
}

func TestNothing(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{make([]byte, 4096), "0 bare empty"},
		{[]byte("a text that somebody called disk.dd"), "0 bare not recognised"},
		{nil, "0 bare empty"},
	} {
		vols, _ := volume.List(disk{b: c.b, sector: 512}, "x", "t")
		if got := short(vols); got != c.want {
			t.Errorf("%q: %s", c.b, got)
		}
	}
}

// TestBadBlockLaw makes each sector of the tables unreadable in turn: what it
// held is still known from its copy, or a problem says that it is not.
func TestBadBlockLaw(t *testing.T) {
	for _, name := range []string{"gpt/testdata/gpt512", "mbr/testdata/mbr512"} {
		b := made(t, name, 0)
		whole, _ := volume.List(disk{b: b, sector: 512}, "x", "t")
		for _, sector := range []int64{0, 1, 2, 5, 33, 34, 2048, 4096, 8192, 11264, int64(len(b)/512) - 1} {
			if sector*512 >= int64(len(b)) {
				continue
			}
			vols, problems := volume.List(disk{b: b, sector: 512, from: sector * 512, to: sector*512 + 512}, "x", "t")
			if len(problems) == 0 && short(vols) != short(whole) {
				t.Errorf("%s: sector %d: %s without a word", name, sector, short(vols))
			}
			if len(problems) > 0 && problems[0].At.Exhibit != "x" {
				t.Errorf("%s: problem without its exhibit: %+v", name, problems[0])
			}
		}
	}
}

func FuzzList(f *testing.F) {
	b := make([]byte, 8192)
	putMBR(b, 0, 7, 1, 4)
	putMBR(b, 1, 5, 6, 4)
	f.Add(b)
	g := make([]byte, 8192)
	copy(g[512:], "EFI PART")
	f.Add(g)
	f.Fuzz(func(t *testing.T, b []byte) {
		vols, _ := volume.List(disk{b: b, sector: 512}, "x", "t")
		if len(vols) == 0 {
			t.Error("nothing listed")
		}
		for _, v := range vols {
			if v.Off < 0 || v.Len < 0 || v.Kind == "" {
				t.Errorf("%+v", v)
			}
		}
	})
}

func BenchmarkList(b *testing.B) {
	d := make([]byte, 2<<20)
	putMBR(d, 0, 7, 128, 500)
	b.SetBytes(int64(len(d)))
	b.ReportAllocs()
	for b.Loop() {
		volume.List(disk{b: d, sector: 512}, "x", "t")
	}
}
