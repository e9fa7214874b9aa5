package evidence_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kanshiki/forensics/evidence"
	"kanshiki/forensics/evidence/evidencetest"
)

const qcow2Samples = "../../parsers/qcow2/testdata"

// A disk over a backing file, through the opener: its own clusters, zeros, the
// raw file below, and zeros behind that one's end.
func TestQCOW2(t *testing.T) {
	disk, err := os.ReadFile(filepath.Join(qcow2Samples, "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"v2.qcow2", "zlib.qcow2", "zstd.qcow2"} {
		t.Run(name, func(t *testing.T) { evidencetest.Run(t, opener(filepath.Join(qcow2Samples, name)), disk) })
	}
	over := append(append([]byte(nil), disk...), make([]byte, 4096)...)
	for i := range 5000 {
		over[20480+i] = 0x6b // as qemu-io wrote it
	}
	clear(over[40960:49152])
	t.Run("over", func(t *testing.T) { evidencetest.Run(t, opener(filepath.Join(qcow2Samples, "over.qcow2")), over) })
}

// A backing file is looked for beside the disk alone, whatever folder is named;
// without it what it holds is not acquired, and no zeros.
func TestQCOW2Backing(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(qcow2Samples, "over.qcow2"))
	if err != nil {
		t.Fatal(err)
	}
	named := []byte(strings.Replace(string(b), "disk.raw", "../d.raw", 1))
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "in"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"d.raw": make([]byte, 192<<10), "in/over.qcow2": named} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	e, err := evidence.OpenImage(t.Context(), filepath.Join(dir, "in", "over.qcow2"), evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	kinds := map[evidence.RangeKind]bool{}
	for r := range e.Image.Ranges(0, e.Image.Size()) {
		kinds[r.Kind] = true
	}
	if !kinds[evidence.Unknown] || !kinds[evidence.Data] || len(e.Image.Problems()) < 2 {
		t.Errorf("ranges %v, problems %v", kinds, e.Image.Problems())
	}
}
