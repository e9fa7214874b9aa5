package zip

import (
	stdzip "archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kanshiki/parsers/internal/badblock"
)

// sample is made by the standard library: the independent writer.
func sample(t testing.TB) ([]byte, map[string]string) {
	t.Helper()
	want := map[string]string{"a.txt": "hello", "条約/文書.doc": strings.Repeat("text ", 1000), "empty": "", "stored.bin": "\x00\x01\x02"}
	var b bytes.Buffer
	w := stdzip.NewWriter(&b)
	for _, name := range []string{"a.txt", "条約/文書.doc", "empty", "stored.bin"} {
		h := &stdzip.FileHeader{Name: name, Method: stdzip.Deflate}
		if name == "stored.bin" {
			h.Method = stdzip.Store
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(want[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), want
}

func TestMembers(t *testing.T) {
	b, want := sample(t)
	a, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(a.Members) != len(want) || len(a.Damage) != 0 {
		t.Fatalf("%d members, %v, %v", len(a.Members), err, a.Damage)
	}
	for i := range a.Members {
		m := &a.Members[i]
		got, err := a.Content(m, 1<<20)
		if err != nil || string(got) != want[m.Name] || m.Size != int64(len(want[m.Name])) {
			t.Errorf("%s: %d bytes, %v", m.Name, len(got), err)
		}
	}
	if _, err := a.Content(&a.Members[1], 100); err == nil {
		t.Error("a member over the limit was unpacked")
	}
}

// TestEncrypted compares with the zip program, where it is installed.
func TestEncrypted(t *testing.T) {
	if _, err := exec.LookPath("zip"); err != nil {
		t.Skip("zip is not installed")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret.txt"), []byte(strings.Repeat("secret ", 200)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("zip", "-q", "-P", "0824", "s.zip", "secret.txt")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "s.zip"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil || !a.Members[0].Encrypted() {
		t.Fatalf("%v", err)
	}
	if _, err := a.Content(&a.Members[0], 1<<20, "wrong", "1234"); !errors.Is(err, ErrPassword) {
		t.Errorf("wrong password: %v", err)
	}
	if got, err := a.Content(&a.Members[0], 1<<20, "wrong", "0824"); err != nil || string(got) != strings.Repeat("secret ", 200) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestTruncation: a prefix either holds everything or says that it does not.
func TestTruncation(t *testing.T) {
	b, want := sample(t)
	for n := range b {
		a, err := NewReader(bytes.NewReader(b[:n]), int64(n))
		if err == nil && len(a.Members) < len(want) && len(a.Damage) == 0 {
			t.Fatalf("cut at %d: %d members, the loss is silent", n, len(a.Members))
		}
	}
}

func TestBadBlock(t *testing.T) {
	b, want := sample(t)
	for at := int64(0); at+16 <= int64(len(b)); at += 16 {
		a, err := NewReader(badblock.Reader{ReaderAt: bytes.NewReader(b), Off: at, Len: 16}, int64(len(b)))
		if err == nil {
			lost := len(a.Damage) > 0
			for i := range a.Members {
				if _, err := a.Content(&a.Members[i], 1<<20); err != nil {
					lost = true
				}
			}
			if !lost && len(a.Members) < len(want) {
				t.Errorf("bad block at %d: silent", at)
			}
		}
	}
}

func FuzzZip(f *testing.F) {
	b, _ := sample(f)
	f.Add(b)
	f.Add(b[:len(b)-30])
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for i := range a.Members[:min(len(a.Members), 50)] {
			got, err := a.Content(&a.Members[i], 1<<20, "0824")
			if err == nil && int64(len(got)) != a.Members[i].Size {
				t.Error("size", fmt.Sprint(len(got)))
			}
		}
	})
}

func BenchmarkZip(b *testing.B) {
	data, _ := sample(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewReader(bytes.NewReader(data), int64(len(data))); err != nil {
			b.Fatal(err)
		}
	}
}
