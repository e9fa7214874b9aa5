package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"kanshiki/forensics/acquire/faulty"
	"kanshiki/forensics/acquire/faulty/mounted"
	"kanshiki/parsers/container"
	"kanshiki/parsers/ddrescue"
)

// A device with 77 bad sectors in 5 places, through the kernel: exit 3, and the
// map says which they are, no more and no fewer.
func TestBadDevice(t *testing.T) {
	src := &faulty.Source{Data: faulty.Medium(40 << 20), Faults: faulty.Plan()}
	name, _ := mounted.File(t, src)
	dev := mounted.Loop(t, name)
	var want []container.Range
	for _, f := range src.Faults {
		want = append(want, container.Range{Off: f.First * 512, Len: f.Count * 512, Kind: container.Unreadable})
	}
	for _, format := range []string{"E01", "zst", "raw"} {
		image := filepath.Join(t.TempDir(), "d."+format)
		out, err := command(t, dev, "-o", image, "--write-blocker", "none").CombinedOutput()
		if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != 3 {
			t.Errorf("%s: %v, not exit 3\n%s", format, err, out)
			continue
		}
		b, err := os.ReadFile(image + ".map")
		if err != nil {
			t.Fatal(err)
		}
		m, err := ddrescue.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		got := m.Bad(src.Size())
		for i := range got {
			got[i].Err = nil
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: the map calls bad %v, want %v", format, got, want)
		}
	}
}
