//go:build unix

package evidence_test

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"

	"kanshiki/forensics/evidence"
)

// Opening a FIFO waits for a writer for ever.
func TestFIFO(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "pipe.E01")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	refusal(t, fifo, "is a FIFO, not a file")
	e, err := evidence.Open(context.Background(), dir, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if files, skipped, err := e.Tree.Files(context.Background()); len(files) != 0 || len(skipped) != 1 || err != nil {
		t.Errorf("files %v, skipped %v, %v", files, skipped, err)
	}
}
