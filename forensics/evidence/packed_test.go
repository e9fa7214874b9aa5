package evidence_test

import (
	"bytes"
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

// packFile compresses bytes by the tool itself.
func packFile(t testing.TB, name string, b []byte, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("%s is not installed", args[0])
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPacked(t *testing.T) {
	media, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("zst", func(t *testing.T) {
		evidencetest.Run(t, opener(corpus.Path(t, "images/made/raw/disk.raw.zst")), media)
	})
	t.Run("gz", func(t *testing.T) {
		evidencetest.Run(t, opener(packFile(t, "disk.raw.gz", media, "gzip", "-1")), media)
	})
	t.Run("xz", func(t *testing.T) { // one that can be read from many places
		evidencetest.Run(t, opener(packFile(t, "x.xz", media[:2<<20], "xz", "-0", "--block-size=524288")), media[:2<<20])
	})
	t.Run("bz2", func(t *testing.T) {
		e, err := evidence.Open(context.Background(), packFile(t, "x.bz2", media[:2<<20], "bzip2"), evidence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		got := make([]byte, 2<<20)
		if n, err := e.Image.ReadAt(got, 0); n != len(got) || err != nil || !bytes.Equal(got, media[:2<<20]) {
			t.Errorf("%d, %v", n, err)
		}
		evidencetest.Ranges(t, e.Image)
	})
}

// A wiped disk is one by its name; a log is none.
func TestPackedByName(t *testing.T) {
	wiped := make([]byte, 2<<20)
	log := []byte(strings.Repeat("a line of a log\n", 1<<17))
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"wiped.dd.gz", wiped, ""}, {"wiped.gz", wiped, "no disk image"}, {"messages.gz", log, "no disk image"},
	} {
		e, err := evidence.Open(context.Background(), packFile(t, c.name, c.b, "gzip", "-1"), evidence.Options{})
		switch {
		case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", c.name, err)
		case err == nil && c.want != "":
			t.Errorf("%s is opened", c.name)
		case err == nil && e.Image.Size() != int64(len(c.b)):
			t.Errorf("%s: %d bytes", c.name, e.Image.Size())
		}
		if err == nil {
			e.Close()
		}
	}
}

// The end of an examiner's patience ends the first pass.
func TestPackedCancelled(t *testing.T) {
	path := packFile(t, "wiped.dd.gz", make([]byte, 64<<20), "gzip", "-1")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := evidence.Open(ctx, path, evidence.Options{}); err == nil {
		t.Error("opened after the end")
	}
}
