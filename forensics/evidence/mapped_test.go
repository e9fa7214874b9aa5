package evidence_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kanshiki/forensics/evidence"
	"kanshiki/forensics/evidence/evidencetest"
)

// sectors is a raw disk of n bytes, none of them zero, that signs itself.
func sectors(n int) []byte {
	b := bytes.Repeat([]byte("sector! "), n/8)
	b[510], b[511] = 0x55, 0xAA
	return b
}

// mapText is a map in ddrescue's form with a bad sector, a failed block and a
// part that was not tried at the end.
const mapText = `# Mapfile. Created by GNU ddrescue version 1.27
# current_pos  current_status  current_pass
0x00180000     ?               1
#      pos        size  status
0x00000000  0x00100000  +
0x00100000  0x00000200  -
0x00100200  0x00000E00  /
0x00101000  0x0007F000  +
0x00180000  0x00080000  ?
`

func TestMapBesideRaw(t *testing.T) {
	disk := sectors(2 << 20)
	want := []evidence.Range{{Off: 0, Len: 1 << 20, Kind: evidence.Data}, {Off: 1 << 20, Len: 4096, Kind: evidence.Unreadable},
		{Off: 1<<20 + 4096, Len: 0x7F000, Kind: evidence.Data}, {Off: 0x180000, Len: 0x80000, Kind: evidence.Unknown}}
	for _, c := range []struct {
		name string
		o    evidence.Options
	}{
		{"disk.raw.map", evidence.Options{}}, {"disk.raw.mapfile", evidence.Options{}},
		{"disk.map", evidence.Options{}}, {"disk.mapfile", evidence.Options{}}, {"elsewhere.txt", evidence.Options{Map: "elsewhere.txt"}},
	} {
		c.o.Opener = evidencetest.Memory{"disk.raw": disk, c.name: []byte(mapText)}
		e, err := evidence.OpenImage(t.Context(), "disk.raw", c.o)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		img := e.Image
		if got := slices.Collect(img.Ranges(0, img.Size())); !slices.Equal(got, want) {
			t.Errorf("%s: ranges %v", c.name, got)
		}
		evidencetest.Ranges(t, img)
		if img.Info().Format != "mapped raw" || len(e.Notes) != 1 || !strings.Contains(e.Notes[0], "528384 bytes of 2097152") {
			t.Errorf("%s: %+v, %v", c.name, img.Info(), e.Notes)
		}
		b := make([]byte, 2<<20)
		n, err := img.ReadAt(b, 0)
		re, ok := errors.AsType[*evidence.RangeError](err)
		if n != 1<<20 || !ok || !slices.Equal(re.Ranges, []evidence.Range{want[1], want[3]}) {
			t.Errorf("%s: ReadAt = %#x, %v", c.name, n, err)
		}
		masked := bytes.Clone(disk)
		clear(masked[1<<20 : 1<<20+4096])
		clear(masked[0x180000:])
		if !bytes.Equal(b, masked) {
			t.Errorf("%s: not the medium's bytes", c.name)
		}
		lost := 0
		for _, p := range img.Problems() {
			lost += int(p.Length)
		}
		if lost != 528384 {
			t.Errorf("%s: problems of %d bytes: %v", c.name, lost, img.Problems())
		}
		// A stream gives what was hashed: in failed sectors, what the file holds.
		clear(masked[0x180000:])
		copy(masked[1<<20:], disk[1<<20:1<<20+4096])
		var got []byte
		var bad []evidence.Range
		err = evidence.Stream(context.Background(), img, func(b *evidence.Block) error {
			got = append(got, b.Data...)
			bad = append(bad, b.Bad...)
			b.Release()
			return nil
		})
		if err != nil || !bytes.Equal(got, masked) || !slices.Equal(bad, want[3:]) {
			t.Errorf("%s: stream: %v, bad %v", c.name, err, bad)
		}
		e.Close()
	}
}

func TestBrokenMap(t *testing.T) {
	disk := sectors(2 << 20)
	broken := strings.Replace(mapText, "0x00101000", "0x00100F00", 1) // overlaps
	o := evidence.Options{Opener: evidencetest.Memory{"disk.raw": disk, "disk.raw.map": []byte(broken)}}
	e, err := evidence.OpenImage(t.Context(), "disk.raw", o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Image.Info().Format != "raw" || len(e.Notes) != 1 || !strings.Contains(e.Notes[0], "no ddrescue map") {
		t.Errorf("%+v, %v", e.Image.Info(), e.Notes)
	}
	for _, name := range []string{"disk.raw.map", "missing.map"} {
		o.Map = name
		if e, err := evidence.OpenImage(t.Context(), "disk.raw", o); err == nil {
			e.Close()
			t.Errorf("with %s, which was asked for, it was opened", name)
		}
	}
	// A line that is none says nothing of its block.
	o.Map = ""
	o.Opener = evidencetest.Memory{"disk.raw": disk, "disk.raw.map": []byte(strings.Replace(mapText, "0x0007F000  +", "0x0007F000", 1))}
	e, err = evidence.OpenImage(t.Context(), "disk.raw", o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if n, err := e.Image.ReadAt(make([]byte, 512), 0x110000); n != 0 || err == nil {
		t.Errorf("a block that the map does not name: %d, %v", n, err)
	}
	if n := len(e.Image.Problems()); n < 3 {
		t.Errorf("problems: %v", e.Image.Problems())
	}
}

func TestMappedImage(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "disk.raw")
	disk := sectors(1 << 20)
	if err := os.WriteFile(name, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name+".map", fmt.Appendf(nil, "0 + 1\n0 %d +\n", len(disk)), 0o600); err != nil {
		t.Fatal(err)
	}
	evidencetest.Run(t, func(o evidence.Opener) (evidence.Image, error) {
		e, err := evidence.OpenImage(t.Context(), name, evidence.Options{Opener: o})
		if err != nil {
			return nil, err
		}
		return e.Image, nil
	}, disk)
}
