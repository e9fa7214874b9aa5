package volumeboot

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"kanshiki/fixtures/corpus"
)

// sparse is a volume of which only some parts are not zero.
type sparse struct {
	size  int64
	parts map[int64][]byte
}

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.size {
		return 0, io.EOF
	}
	var err error
	if int64(len(p)) > s.size-off {
		p, err = p[:s.size-off], io.EOF
	}
	clear(p)
	for at, b := range s.parts {
		lo, hi := max(at, off), min(at+int64(len(b)), off+int64(len(p)))
		if lo < hi {
			copy(p[lo-off:hi-off], b[lo-at:hi-at])
		}
	}
	return len(p), err
}

func head(t testing.TB, name string) []byte {
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

func volume(t testing.TB, name string, size int64) sparse {
	return sparse{size, map[int64][]byte{0: head(t, name)}}
}

const mib = 1 << 20

var made = []struct {
	file string
	size int64
	want Head
}{
	{"xfs", 400 * mib, Head{Kind: XFS, Label: "xfslabel", ClusterSize: 4096, Size: 400 * mib}},
	{"btrfs", 128 * mib, Head{Kind: Btrfs, Label: "btrlabel", ClusterSize: 4096, Size: 128 * mib}},
	{"ext2", 8 * mib, Head{Kind: Ext, Detail: "ext2", Label: "e2label", ClusterSize: 1024, Size: 8 * mib}},
	{"ext3", 16 * mib, Head{Kind: Ext, Detail: "ext3", Label: "e3label", ClusterSize: 1024, Size: 16 * mib}},
	{"ext4", 16 * mib, Head{Kind: Ext, Detail: "ext4", Label: "e4label", ClusterSize: 1024, Size: 16 * mib}},
	{"swap", 4 * mib, Head{Kind: Swap, Label: "swaplabel", ClusterSize: 4096}},
	{"exfat", 8 * mib, Head{Kind: ExFAT, Serial: "EF07-7AE4", SectorSize: 512, ClusterSize: 4096, Size: 8 * mib}},
	{"fat12", 2 * mib, Head{Kind: FAT12, Label: "F12LABEL", Serial: "1234-ABCD", SectorSize: 512, ClusterSize: 2048, Size: 2 * mib}},
	{"fat16", 16 * mib, Head{Kind: FAT16, Label: "F16LABEL", Serial: "1234-ABCD", SectorSize: 512, ClusterSize: 2048, Size: 16 * mib}},
	{"fat32", 64 * mib, Head{Kind: FAT32, Label: "F32LABEL", Serial: "1234-ABCD", SectorSize: 512, ClusterSize: 512, Size: 64 * mib}},
	{"ntfs", 8 * mib, Head{Kind: NTFS, Serial: "36B653AE592B4920", SectorSize: 512, ClusterSize: 4096, Size: 8 * mib}},
	{"ntfs4k", 16 * mib, Head{Kind: NTFS, Serial: "36B653AE592B4920", SectorSize: 4096, ClusterSize: 4096, Size: 16 * mib}},
	{"luks1", 8 * mib, Head{Kind: LUKS, Detail: "version 1"}},
	{"luks2", 20 * mib, Head{Kind: LUKS, Detail: "version 2", Label: "lulabel"}},
	{"lvm", 8 * mib, Head{Kind: LVM, Detail: "LVM2 physical volume"}},
}

func TestMade(t *testing.T) {
	for _, c := range made {
		if got := Recognise(volume(t, c.file, c.size), c.size); got != c.want {
			t.Errorf("%s: %+v\nwant %+v", c.file, got, c.want)
		}
	}
}

// laid makes a volume of bytes laid down by hand, from the documents that the
// package names.
func laid(size int64, parts map[int64]string) sparse {
	s := sparse{size, map[int64][]byte{}}
	for off, b := range parts {
		s.parts[off] = []byte(b)
	}
	return s
}

func TestByHand(t *testing.T) {
	le := func(v uint32) string { return string(binary.LittleEndian.AppendUint32(nil, v)) }
	const size = 8*mib + 512
	for _, c := range []struct {
		name  string
		parts map[int64]string
		kind  Kind
		what  string
	}{
		{"empty", nil, Empty, ""},
		{"BitLocker", map[int64]string{3: "-FVE-FS-", 160: guidBitLocker}, BitLocker, "Windows 7 or later"},
		{"BitLocker, Vista", map[int64]string{3: "-FVE-FS-"}, BitLocker, "Windows Vista"},
		{"To Go", map[int64]string{0: "\xeb\x58\x90MSWIN4.1", 424: guidBitLocker}, BitLockerToGo, "behind a FAT decoy"},
		{"md 1.2", map[int64]string{4096: le(mdMagic) + le(1)}, RAIDMember, "Linux md 1.2"},
		{"md 1.1", map[int64]string{0: le(mdMagic) + le(1)}, RAIDMember, "Linux md 1.1"},
		{"md 1.0", map[int64]string{(size - 8192) &^ 4095: le(mdMagic) + le(1)}, RAIDMember, "Linux md 1.0 metadata at the end"},
		{"md 0.90", map[int64]string{size&^0xFFFF - 0x10000: le(mdMagic)}, RAIDMember, "Linux md 0.90 metadata at the end"},
		{"Intel", map[int64]string{size - 1024: "Intel Raid ISM Cfg Sig. 1.3.00"}, RAIDMember, "Intel Rapid Storage metadata at the end"},
		{"DDF", map[int64]string{size - 512: "\xde\x11\xde\x11"}, RAIDMember, "SNIA DDF metadata at the end"},
		{"dynamic disk", map[int64]string{6 * 512: "PRIVHEAD"}, DynamicDisk, "Logical Disk Manager"},
		{"Storage Spaces", map[int64]string{0: "SPACEDB "}, StorageSpaces, ""},
		{"APFS", map[int64]string{32: "NXSB" + le(4096) + le(2048)}, APFS, ""},
		{"HFS+", map[int64]string{1024: "H+\x00\x04", 1024 + 40: "\x00\x00\x10\x00\x00\x00\x08\x00"}, HFSPlus, "HFS+"},
		{"PGP", map[int64]string{0: "\xeb\x48\x90PGPGUARD"}, Unknown, "PGP Whole Disk Encryption boot sector"},
		{"text", map[int64]string{0: "This is text"}, Unknown, "begins with 54 68 69 73 20 69 73 20"},
		{"late", map[int64]string{9000: "x"}, Unknown, "zeros up to 0x2328"},
	} {
		if got := Recognise(laid(size, c.parts), size); got.Kind != c.kind || got.Detail+got.Tail != c.what {
			t.Errorf("%s: %s %q, want %s %q", c.name, got.Kind, got.Detail, c.kind, c.what)
		}
	}
}

// A mirror's member stays readable: the file system counts, the metadata is
// named beside it.
func TestFileSystemOnRAIDMember(t *testing.T) {
	v := volume(t, "ntfs", 8*mib)
	v.parts[8*mib-1024] = []byte("Intel Raid ISM Cfg Sig. 1.3.00")
	if h := Recognise(v, 8*mib); h.Kind != NTFS || h.Tail != "Intel Rapid Storage metadata at the end" {
		t.Errorf("%+v", h)
	}
}

// Where the first sector is damaged, the copy tells.
func TestCopies(t *testing.T) {
	for _, c := range []struct {
		file string
		size int64
		copy int64
		kind Kind
	}{{"ntfs", 8 * mib, 8*mib - 512, NTFS}, {"ntfs4k", 16 * mib, 16*mib - 4096, NTFS}, {"fat32", 64 * mib, 6 * 512, FAT32}, {"exfat", 8 * mib, 12 * 512, ExFAT}} {
		boot := head(t, c.file)[:512]
		v := sparse{c.size, map[int64][]byte{c.copy: boot, 0: []byte("damaged")}}
		if h := Recognise(v, c.size); h.Kind != c.kind || !h.Copy {
			t.Errorf("%s: %+v", c.file, h)
		}
	}
}

type unreadable struct{ from, to int64 }

func (u unreadable) ReadAt(p []byte, off int64) (int, error) {
	if off < u.to && off+int64(len(p)) > u.from {
		return int(max(u.from-off, 0)), errors.New("input/output error")
	}
	clear(p)
	return len(p), nil
}

func TestUnreadable(t *testing.T) {
	if h := Recognise(unreadable{0, 4096}, mib); h.Kind != Unread || h.Err == nil {
		t.Errorf("%+v", h)
	}
	if h := Recognise(unreadable{20000, 30000}, mib); h.Kind != Empty || h.Err == nil {
		t.Errorf("%+v", h)
	}
}

func TestReFSOfTheCorpus(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "images/refs-parts/refs-forensic/refs_boot_superblock.bin"))
	if err != nil {
		t.Fatal(err)
	}
	h := Recognise(bytes.NewReader(b), int64(len(b)))
	if h.Kind != ReFS || h.Detail != "version 3.14" || h.ClusterSize != 4096 || h.SectorSize != 512 {
		t.Errorf("%+v", h)
	}
}

// TestCut: a cut head is never recognised as another kind.
func TestCut(t *testing.T) {
	for _, c := range made {
		b := head(t, c.file)
		for _, n := range []int{0, 1, 11, 36, 90, 510, 511, 512, 1024, 1080, 1500, 4095, 4096, 65536, 65600, len(b) - 1} {
			h := Recognise(bytes.NewReader(b[:n]), int64(n))
			if h.Kind != c.want.Kind && h.Kind != Unknown && h.Kind != Empty {
				t.Errorf("%s cut at %d: %s", c.file, n, h.Kind)
			}
		}
	}
}

func FuzzRecognise(f *testing.F) {
	for _, c := range made {
		b := head(f, c.file)
		f.Add(b[:4096], int64(4096))
		f.Add(b, c.size)
	}
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		size = max(min(size, 1<<40), int64(len(b)))
		h := Recognise(sparse{size, map[int64][]byte{0: b}}, size)
		if h.Size < 0 || h.ClusterSize < 0 || h.SectorSize < 0 {
			t.Errorf("%+v", h)
		}
	})
}

func BenchmarkRecognise(b *testing.B) {
	v := bytes.NewReader(head(b, "fat32"))
	b.SetBytes(headSize)
	b.ReportAllocs()
	for b.Loop() {
		Recognise(v, v.Size())
	}
}
