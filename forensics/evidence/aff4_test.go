package evidence_test

import (
	"context"
	"crypto/sha1"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/evidence"
)

// The stream of a volume with unreadable places is what was hashed; the SHA-1 is
// the one that the tests of pyaff4 state. The places stay named.
func TestAFF4Filling(t *testing.T) {
	path := corpus.Path(t, "images/aff4/aff4-reference/Base-Linear-ReadError.aff4")
	sum, err := hashMedium(path, sha1.New())
	if err != nil || sum != "67e245a640e2784ead30c1ff1a3f8d237b58310f" {
		t.Errorf("SHA-1 %s, %v", sum, err)
	}
	e, err := evidence.OpenImage(context.Background(), path, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var unread int64
	for x := range e.Image.Ranges(0, e.Image.Size()) {
		if x.Kind == evidence.Unreadable {
			unread += x.Len
		}
	}
	if unread != 2<<20 {
		t.Errorf("%d bytes unreadable", unread)
	}
	sums, err := evidence.Verify(context.Background(), e.Image, evidence.VerifyOptions{})
	if err != nil || sums[1].Verdict != evidence.Pass {
		t.Errorf("block hashes: %+v, %v", sums, err)
	}
}

// A changed byte of a chunk without a checksum of its own is found by the hash
// that the volume states of the chunk.
func TestAFF4Damaged(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "images/aff4/aff4-reference/Base-Linear-ReadError.aff4"))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	path := filepath.Join(t.TempDir(), "flipped.aff4")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if sum, err := hashMedium(path, sha1.New()); err == nil {
		t.Errorf("nothing said; SHA-1 %s", sum)
	}
	e, err := evidence.OpenImage(t.Context(), path, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	checks, err := evidence.Verify(t.Context(), e.Image, evidence.VerifyOptions{})
	if err != nil || checks[1].Verdict != evidence.Fail || !strings.Contains(checks[1].Detail, "flipped.aff4: chunk ") || !strings.Contains(checks[1].Detail, " is not the stated one") {
		t.Errorf("the cause is not told: %+v, %v", checks, err)
	}
}
