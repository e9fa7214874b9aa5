package evidence_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	seekable "github.com/SaveTheRbtz/zstd-seekable-format-go/pkg"
	"github.com/klauspost/compress/zstd"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/evidence/evidencetest"
	"kanshiki/parsers/zseek"
)

// makeZst writes a medium as ks-acquire does.
func makeZst(t testing.TB, media []byte, bad ...zseek.Run) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.zst")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	frame := zseek.FrameSize(int64(len(media)))
	w, err := zseek.NewWriter(zseek.WriterOptions{File: f, Media: int64(len(media)), Sector: 512, Fields: []zseek.Field{{Name: "case number", Value: "4711"}}})
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zseek.NewEncoder(zseek.Fast, frame)
	if err != nil {
		t.Fatal(err)
	}
	for off := 0; off < len(media); off += frame {
		unit := media[off:min(off+frame, len(media))]
		if err := w.Append(enc.Encode(nil, unit), len(unit)); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.Sum256(media)
	if err := w.Finish(zseek.End{Digests: []zseek.Digest{{Alg: "sha256", Sum: hex.EncodeToString(sum[:])}}, Bad: bad}); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestZseek(t *testing.T) {
	media, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Run(t, opener(makeZst(t, media)), media)
}

// Sectors that could not be read are not given, but were hashed as zeros.
func TestZseekUnreadable(t *testing.T) {
	media, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	clear(media[1<<20 : 1<<20+1024])
	e, err := evidence.Open(context.Background(), makeZst(t, media, zseek.Run{Off: 1 << 20, Len: 1024}), evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var bad []evidence.Range
	for r := range e.Image.Ranges(0, e.Image.Size()) {
		if r.Kind != evidence.Data {
			bad = append(bad, r)
		}
	}
	if len(bad) != 1 || bad[0] != (evidence.Range{Off: 1 << 20, Len: 1024, Kind: evidence.Unreadable}) {
		t.Errorf("ranges %v", bad)
	}
	checks, err := evidence.Verify(context.Background(), e.Image, evidence.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if c.Verdict != evidence.Pass {
			t.Errorf("%+v", c)
		}
	}
	if f := e.Image.Info().Fields; len(f) != 1 || f[0].Value != "4711" {
		t.Errorf("fields %v", f)
	}
}

// A file of another program is an image if it holds a disk, else refused.
func TestZseekOfOthers(t *testing.T) {
	media, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	media = media[:2<<20]
	make := func(b []byte) evidence.Options {
		var out bytes.Buffer
		enc, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := seekable.NewWriter(&out, enc)
		if err != nil {
			t.Fatal(err)
		}
		for off := 0; off < len(b); off += 100_000 {
			if _, err := w.Write(b[off:min(off+100_000, len(b))]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return evidence.Options{Opener: evidencetest.Memory{"x.zst": out.Bytes()}}
	}
	e, err := evidence.Open(context.Background(), "x.zst", make(media))
	if err != nil {
		t.Fatal(err)
	}
	got := bytes.Repeat([]byte{1}, len(media))
	if _, err := e.Image.ReadAt(got, 0); err != nil || !bytes.Equal(got, media) {
		t.Errorf("%v, equal %v", err, bytes.Equal(got, media))
	}
	e.Close()
	_, err = evidence.Open(context.Background(), "x.zst", make([]byte(strings.Repeat("a line of a log\n", 10000))))
	if err == nil || !strings.Contains(err.Error(), "no disk image") {
		t.Errorf("a log: %v", err)
	}
}
