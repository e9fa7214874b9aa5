package vmdk_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/container"
	"kanshiki/parsers/vmdk"
)

// folder opens files of a folder by their base names.
func folder(t testing.TB, dir string) vmdk.Options {
	return vmdk.Options{Open: func(name string) (container.File, error) {
		base := name[strings.LastIndexAny(name, `/\`)+1:]
		return file(t, filepath.Join(dir, base))
	}}
}

func file(t testing.TB, path string) (container.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return container.File{}, err
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	return container.File{Name: filepath.Base(path), R: f, Size: st.Size()}, err
}

func open(t testing.TB, path string) *vmdk.Disk {
	t.Helper()
	f, err := file(t, path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := vmdk.Open(f, folder(t, filepath.Dir(path)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// memory is a folder in memory.
type memory map[string][]byte

func (m memory) open(name string) (container.File, error) {
	base := name[strings.LastIndexAny(name, `/\`)+1:]
	b, ok := m[base]
	if !ok {
		return container.File{}, fmt.Errorf("%s: %w", base, fs.ErrNotExist)
	}
	return container.File{Name: base, R: bytes.NewReader(b), Size: int64(len(b))}, nil
}

func (m memory) disk(name string) (*vmdk.Disk, error) {
	f, err := m.open(name)
	if err != nil {
		return nil, err
	}
	return vmdk.Open(f, vmdk.Options{Open: m.open})
}

func sum(t testing.TB, r io.ReaderAt, size int64) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, size)); err != nil {
		t.Error(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// The digests and sizes are those that qemu-img gave.
func TestCorpus(t *testing.T) {
	n := 0
	for _, row := range corpus.Truth(t, "containers") {
		if row["container"] != "vmdk" || row["media_size"] == "" {
			continue
		}
		n++
		t.Run(filepath.Base(row["file"]), func(t *testing.T) {
			d := open(t, corpus.Path(t, row["file"]))
			if size, _ := strconv.ParseInt(row["media_size"], 10, 64); d.Size() != size {
				t.Errorf("size %d, want %d", d.Size(), size)
			}
			if got := sum(t, d, d.Size()); got != row["media_sha256"] {
				t.Errorf("SHA-256 %s, want %s", got, row["media_sha256"])
			}
			said := fmt.Sprintf("vmdk cid=%d parent-cid=%d create-type=%s", d.Descriptor().CID, d.Descriptor().ParentCID, d.Descriptor().CreateType)
			if said != row["format"] {
				t.Errorf("%s, want %s", said, row["format"])
			}
			for _, p := range d.Problems() {
				t.Errorf("problem: %+v", p)
			}
		})
	}
	if n < 8 {
		t.Errorf("%d disks in the table", n)
	}
}
