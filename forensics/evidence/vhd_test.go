package evidence_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/evidence/evidencetest"
)

// The disks that qemu-img made of disk.raw.
func TestVHD(t *testing.T) {
	want, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"fixed", "dynamic"} {
		path := corpus.Path(t, "images/made/vm/"+kind+".vhd")
		t.Run(kind, func(t *testing.T) { evidencetest.Run(t, opener(path), want) })
		e, err := evidence.OpenImage(t.Context(), path, evidence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if in := e.Image.Info(); in.Format != "VHD" || in.Variant != kind {
			t.Errorf("%s: %+v", kind, in)
		}
		e.Close()
	}
}

// A differencing disk of the corpus beside its parent, and without it. Both have
// a wrong checksum: that is a doubt, and they are read.
func TestVHDParent(t *testing.T) {
	child, parent := corpus.Path(t, "images/vhd/dfvfs/image-differential.vhd"), corpus.Path(t, "images/vhd/dfvfs/image.vhd")
	e, err := evidence.OpenImage(t.Context(), child, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var said []string
	for _, p := range e.Image.Problems() {
		said = append(said, p.Source+": "+p.Found)
	}
	if in := e.Image.Info(); in.Variant != "differencing" || len(in.Segments) != 2 || in.Segments[1] != filepath.Base(parent) {
		t.Errorf("%+v", in)
	}
	if all := strings.Join(said, "\n"); len(said) != 3 || strings.Count(all, "checksum is wrong") != 3 {
		t.Errorf("problems %q", said)
	}
	b, err := os.ReadFile(child)
	if err != nil {
		t.Fatal(err)
	}
	alone := filepath.Join(t.TempDir(), "child.vhd")
	if err := os.WriteFile(alone, b, 0o666); err != nil {
		t.Fatal(err)
	}
	lonely, err := evidence.OpenImage(t.Context(), alone, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer lonely.Close()
	// All bits of the child's one bitmap are set: nothing of it is the parent's.
	got, want := make([]byte, lonely.Image.Size()), make([]byte, e.Image.Size())
	if _, err := lonely.Image.ReadAt(got, 0); err != nil {
		t.Error(err)
	}
	if _, err := e.Image.ReadAt(want, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("without its parent it gives other bytes: %v", err)
	}
	if n := len(lonely.Image.Problems()); n != 3 || !strings.Contains(lonely.Image.Problems()[1].Found, "the parent: image.vhd") {
		t.Errorf("without its parent: %v", lonely.Image.Problems())
	}
}
