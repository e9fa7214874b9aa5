package custody

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"aead.dev/minisign"
)

// What we sign minisign verifies, and the other way round; a changed byte, a
// changed comment and another key are refused.
func TestSign(t *testing.T) {
	tool, err := exec.LookPath("minisign")
	if err != nil {
		t.Skip("minisign is not installed")
	}
	dir := t.TempDir()
	name := func(s string) string { return filepath.Join(dir, s) }
	run := func(args ...string) error {
		c := exec.Command(tool, args...)
		c.Dir = dir
		return c.Run()
	}
	for _, k := range []string{"a", "b"} {
		if err := run("-G", "-W", "-p", k+".pub", "-s", k+".key"); err != nil {
			t.Fatal(err)
		}
	}
	read := func(s string) []byte {
		b, err := os.ReadFile(name(s))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	paper := []byte("{\"schema\": 1}\n")
	none := func() (string, error) { return "", errors.New("asked for a password") }
	sig, err := Sign(paper, read("a.key"), "examiner 7", none)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(name("paper"), paper, 0o666)
	os.WriteFile(name("paper.minisig"), sig, 0o666)
	if err := run("-V", "-m", "paper", "-p", "a.pub"); err != nil {
		t.Errorf("minisign refuses ours: %v", err)
	}
	if c, err := VerifySignature(paper, sig, read("a.pub")); err != nil || c != "examiner 7" {
		t.Errorf("ours: %q, %v", c, err)
	}
	if _, err := VerifySignature(paper, sig, read("b.pub")); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if _, err := VerifySignature(append(paper, ' '), sig, read("a.pub")); !errors.Is(err, ErrSignature) {
		t.Errorf("another paper: %v", err)
	}
	if err := run("-S", "-m", "paper", "-s", "b.key", "-t", "theirs"); err != nil {
		t.Fatal(err)
	}
	if c, err := VerifySignature(paper, read("paper.minisig"), read("b.pub")); err != nil || c != "theirs" {
		t.Errorf("theirs: %q, %v", c, err)
	}
}

// A password costs some seconds by design.
func TestSignWithPassword(t *testing.T) {
	if os.Getenv("KANSHIKI_ALL") == "" {
		t.Skip("KANSHIKI_ALL is not set")
	}
	pub, key, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := minisign.EncryptKey("correct", key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := pub.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	sig, err := Sign([]byte("x"), text, "", func() (string, error) { return "correct", nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifySignature([]byte("x"), sig, public); err != nil {
		t.Error(err)
	}
	if _, err := Sign([]byte("x"), text, "", func() (string, error) { return "wrong", nil }); err == nil {
		t.Error("a wrong password")
	}
}
