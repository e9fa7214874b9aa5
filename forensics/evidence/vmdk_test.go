package evidence_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/evidence/evidencetest"
)

// The disks that qemu-img made of disk.raw.
func TestVMDK(t *testing.T) {
	want, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mono-sparse.vmdk", "2g-sparse.vmdk", "stream.vmdk"} {
		t.Run(name, func(t *testing.T) {
			evidencetest.Run(t, opener(corpus.Path(t, "images/made/vm/"+name)), want)
		})
	}
}

func TestVMDKFlat(t *testing.T) {
	path := corpus.Path(t, "images/vmdk/vmdk-forensic/flat.vmdk")
	want, err := os.ReadFile(corpus.Path(t, "images/vmdk/vmdk-forensic/flat-f001.vmdk"))
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Run(t, opener(path), want)
}

// An extent opens its set, and the note says so.
func TestVMDKByExtent(t *testing.T) {
	for path, note := range map[string]string{
		"images/made/vm/2g-sparse-s001.vmdk":        "2g-sparse-s001.vmdk is an extent; opened the set from 2g-sparse.vmdk",
		"images/vmdk/vmdk-forensic/flat-f001.vmdk":  "flat-f001.vmdk is an extent; opened the set from flat.vmdk",
		"images/vmdk/vmdk-forensic/stream_opt.vmdk": "",
	} {
		e, err := evidence.Open(context.Background(), corpus.Path(t, path), evidence.Options{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := strings.Join(e.Notes, "; "); got != note || e.Image.Info().Format != "VMDK" {
			t.Errorf("%s: %s, note %q, want %q", path, e.Image.Info().Format, got, note)
		}
		e.Close()
	}
}

// A descriptor whose extents are all missing is broken, and says which.
func TestVMDKWithoutExtents(t *testing.T) {
	_, err := evidence.Open(context.Background(), corpus.Path(t, "images/vmdk/vmdk-forensic/ms3-win.vmdk"), evidence.Options{})
	if err == nil || !strings.Contains(err.Error(), "disk-s001.vmdk") {
		t.Errorf("error %v", err)
	}
}

// qemu makes a snapshot, writes into it, and says what the whole holds.
func TestVMDKSnapshot(t *testing.T) {
	dir := t.TempDir()
	base, snap, raw := filepath.Join(dir, "base.vmdk"), filepath.Join(dir, "snap.vmdk"), filepath.Join(t.TempDir(), "raw")
	qemu(t, "qemu-img", "convert", "-O", "vmdk", corpus.Path(t, "images/made/disk.raw"), base)
	qemu(t, "qemu-img", "create", "-f", "vmdk", "-b", base, "-F", "vmdk", snap)
	qemu(t, "qemu-io", "-c", "write -P 0x5A 1M 200k", "-c", "write -P 0 9M 64k", snap)
	qemu(t, "qemu-img", "convert", "-O", "raw", snap, raw)
	want, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Run(t, opener(snap), want)
	t.Run("folder", func(t *testing.T) { evidencetest.Run(t, opener(dir), want) })

	e, err := evidence.Open(context.Background(), base, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if note := strings.Join(e.Notes, ";"); !strings.Contains(note, "snap.vmdk is a snapshot on top of base.vmdk") {
		t.Errorf("note %q", note)
	}

	if err := os.Remove(base); err != nil {
		t.Fatal(err)
	}
	alone, err := evidence.Open(context.Background(), snap, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	kinds := map[evidence.RangeKind]int64{}
	for r := range alone.Image.Ranges(0, alone.Image.Size()) {
		kinds[r.Kind] += r.Len
	}
	// 1 MiB is on the border of a grain of 64 KiB: 200 KiB lie in 4 of them.
	if kinds[evidence.Data] != 5<<16 || kinds[evidence.Unknown] != alone.Image.Size()-5<<16 {
		t.Errorf("without the parent: %v", kinds)
	}
	if len(alone.Notes) != 1 || !strings.Contains(alone.Notes[0], "base.vmdk") {
		t.Errorf("notes %q", alone.Notes)
	}
}

func qemu(t testing.TB, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("%s is not installed", args[0])
	}
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// A sparse disk has no checksums, and the verdict does not claim any.
func TestVMDKVerdict(t *testing.T) {
	for name, want := range map[string]evidence.Verdict{
		"images/vmdk/vmdk-forensic/minimal.vmdk":    evidence.NotCheckable,
		"images/vmdk/vmdk-forensic/flat.vmdk":       evidence.NotCheckable,
		"images/vmdk/vmdk-forensic/stream_opt.vmdk": evidence.Pass,
	} {
		e, err := evidence.Open(context.Background(), corpus.Path(t, name), evidence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		checks, err := evidence.Verify(context.Background(), e.Image, evidence.VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range checks {
			if c.Name == "checksums" && c.Verdict != want || c.Name == "structure" && c.Verdict != evidence.Pass {
				t.Errorf("%s: %+v", name, c)
			}
		}
		e.Close()
	}
}
