package ntfs

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
)

func TestClusterSize(t *testing.T) {
	for _, c := range []struct {
		sector uint32
		spc    uint8
		want   uint32
	}{
		{512, 1, 512}, {512, 8, 4096}, {512, 128, 65536}, {512, 0xF8, 128 << 10}, {512, 0xF4, 2 << 20}, {4096, 1, 4096}, {4096, 0xF9, 512 << 10},
		{256, 1, 256}, {512, 0, 0}, {512, 3, 0}, {512, 0x81, 0}, {512, 0xF3, 0}, {4096, 0xF4, 0}, {512, 0xFF, 1024},
	} {
		if got := clusterSize(c.sector, c.spc); got != c.want {
			t.Errorf("%d-byte sectors, %#x: %d, want %d", c.sector, c.spc, got, c.want)
		}
	}
}

func TestRecordSize(t *testing.T) {
	for _, c := range []struct {
		cluster uint32
		v       uint8
		want    uint32
	}{
		{4096, 0xF6, 1024}, {4096, 1, 4096}, {512, 2, 1024}, {65536, 0xF4, 4096}, {2 << 20, 0xF6, 1024},
		{4096, 0x80, 0}, {4096, 0, 0}, {4096, 0xE0, 0}, {4096, 0xFF, 0}, {4096, 3, 0}, {65536, 127, 0},
	} {
		if got := recordSize(c.cluster, c.v); got != c.want {
			t.Errorf("%d-byte clusters, %#x: %d, want %d", c.cluster, c.v, got, c.want)
		}
	}
}

// Boot sectors of real volumes; the cluster size stands in the name.
func TestBootCorpus(t *testing.T) {
	for name, want := range map[string]uint32{"512": 512, "4k": 4096, "128k": 128 << 10} {
		b, err := os.ReadFile(corpus.Path(t, "images/ntfs-parts/dfir_ntfs/"+name+".boot"))
		if err != nil {
			t.Fatal(err)
		}
		g, err := ParseBoot(b, 0)
		if err != nil || g.ClusterSize != want {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
}

func TestBootTruncation(t *testing.T) {
	whole := smallVolume(t)
	want, err := ParseBoot(whole[:512], 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 512 {
		if g, err := ParseBoot(whole[:i], 0); err == nil && g != want {
			t.Errorf("cut at %d: %+v", i, g)
		}
	}
}

// The boot sector is lost in steps: the backup, then the $MFT itself gives the
// geometry, and the source is told.
func TestGeometrySources(t *testing.T) {
	whole := smallVolume(t)
	open := func(b []byte) (*Volume, error) { return Open(bytes.NewReader(b), int64(len(b)), Options{}) }
	v, err := open(whole)
	if err != nil || v.Source() != FromBoot || len(v.Findings()) != 0 {
		t.Fatal(v.Source(), err, v.Findings())
	}
	want := v.Geometry()

	b := bytes.Clone(whole)
	clear(b[:512])
	v, err = open(b)
	if err != nil || v.Source() != FromBackup || v.Geometry() != want || len(v.Findings()) == 0 {
		t.Errorf("backup: %v %+v", err, v)
	}

	b = bytes.Clone(whole)
	b[0x48]++ // serial number
	v, err = open(b)
	if err != nil || len(v.Findings()) != 1 || v.Findings()[0].Kind != BootDiffers {
		t.Errorf("serial number: %v %v", err, v.Findings())
	}

	b = bytes.Clone(whole)
	clear(b[len(b)-512:])
	clear(b[0x0B:0x60]) // only the name is left
	v, err = open(b)
	if err != nil || v.Source() != FromSearch || v.Geometry().ClusterSize != want.ClusterSize || v.Geometry().MFTCluster != want.MFTCluster {
		t.Errorf("search: %v", err)
	}

	clear(b[:512])
	if _, err = open(b); !errors.Is(err, ErrNotNTFS) {
		t.Errorf("nothing left: %v", err)
	}
	copy(b[3:], "-FVE-FS-")
	if _, err = open(b); !errors.Is(err, ErrBitLocker) {
		t.Errorf("BitLocker: %v", err)
	}
}

// Entry 0 is taken from the mirror where it is lost.
func TestMirror(t *testing.T) {
	b := smallVolume(t)
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	off := c.Volume().mftDisk(0)
	clear(b[off : off+1024])
	v, err := Open(bytes.NewReader(b), int64(len(b)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if v.Entries() != c.Volume().Entries() || len(v.Findings()) == 0 || !strings.Contains(v.Findings()[0].Error(), "boot sector") {
		t.Errorf("%d of %d entries, findings %v", v.Entries(), c.Volume().Entries(), v.Findings())
	}
}

func FuzzBoot(f *testing.F) {
	f.Add(smallVolume(f)[:512])
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := ParseBoot(b, 1<<30)
		if err == nil && (g.ClusterSize == 0 || g.RecordSize < minRecord || g.SectorSize < minSector) {
			t.Errorf("%+v", g)
		}
	})
}
