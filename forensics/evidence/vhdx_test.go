package evidence_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/evidence/evidencetest"
)

// The disks that qemu-img made of disk.raw.
func TestVHDX(t *testing.T) {
	want, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	path := corpus.Path(t, "images/made/vm/dynamic-1m.vhdx")
	evidencetest.Run(t, opener(path), want)
	e, err := evidence.OpenImage(t.Context(), path, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if in := e.Image.Info(); in.Format != "VHDX" || in.Variant != "dynamic" || e.Image.SectorSize() != 512 {
		t.Errorf("%+v, sectors of %d", in, e.Image.SectorSize())
	}
}

// A disk that was not closed gives what it holds when its log is replayed: the
// digest is of qemu-img's replay on a copy. The file stays as it is, and the
// examiner is told.
func TestVHDXLog(t *testing.T) {
	const file = "images/vhdx/discutils/vhdx-log-replay.vhdx"
	path := corpus.Path(t, file)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := evidence.OpenImage(t.Context(), path, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if !strings.Contains(strings.Join(e.Notes, "; "), "2 entries of its log replayed in memory") {
		t.Errorf("notes %q", e.Notes)
	}
	for _, row := range corpus.Truth(t, "containers") {
		if row["file"] == file {
			if err := sameMedium(path, row); err != nil {
				t.Error(err)
			}
		}
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}
}
