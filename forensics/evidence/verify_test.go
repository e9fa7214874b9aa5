package evidence_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/adler32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/evidence/evidencetest"
)

const samples = "../../parsers/ewf/testdata/"

func verify(t *testing.T, path string, o evidence.Options, v evidence.VerifyOptions) []evidence.Check {
	t.Helper()
	e, err := evidence.OpenImage(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	checks, err := evidence.Verify(context.Background(), e.Image, v)
	if err != nil {
		t.Fatal(err)
	}
	return checks
}

func verdicts(checks []evidence.Check) string {
	var s []string
	for _, c := range checks {
		s = append(s, c.Name+" "+string(c.Verdict))
	}
	return strings.Join(s, ", ")
}

// Verify says of every E01 of the corpus what ewfverify said.
func TestVerifyCorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "containers") {
		if row["container"] != "ewf" || strings.HasSuffix(row["file"], ".Ex01") || strings.Contains(row["file"], "fuzz-crash") {
			continue
		}
		if size, _ := strconv.ParseInt(row["media_size"], 10, 64); size > 32<<20 && os.Getenv("KANSHIKI_ALL") == "" {
			continue
		}
		checks := verify(t, corpus.Path(t, row["file"]), evidence.Options{}, evidence.VerifyOptions{})
		ok := true
		for _, c := range checks {
			ok = ok && c.Verdict != evidence.Fail
		}
		if want := strings.Contains(row["verify"], "ewfverify rc=0"); ok != want {
			t.Errorf("%s: %s; ewfverify: %v", row["file"], verdicts(checks), want)
		}
	}
}

func TestVerifyNamesTheChunk(t *testing.T) {
	checks := verify(t, corpus.Path(t, "images/made/ewf/bad-flip.E01"), evidence.Options{}, evidence.VerifyOptions{})
	if got := verdicts(checks); got != "structure pass, checksums fail, digests fail" {
		t.Error(got)
	}
	if r := checks[1].Ranges; len(r) != 1 || r[0] != (evidence.Range{Off: 0x920000, Len: 0x8000, Kind: evidence.Corrupt}) {
		t.Errorf("ranges %v", r)
	}
}

// A container on a failing disk: the chunks on the bad block are named.
func TestVerifyUnreadableContainer(t *testing.T) {
	o := evidence.Options{Opener: evidencetest.Faults{Opener: evidence.OS{}, Bad: []evidencetest.Bad{{Name: "encase6.E01", Off: 0x5000, Len: 512}}}}
	checks := verify(t, samples+"encase6.E01", o, evidence.VerifyOptions{})
	if got := verdicts(checks); got != "structure pass, checksums fail, digests fail" {
		t.Error(got)
	}
	if r := checks[1].Ranges; len(r) != 1 || r[0].Len != 8192 {
		t.Errorf("ranges %v", r)
	}
}

func TestVerifyRaw(t *testing.T) {
	p := filepath.Join(t.TempDir(), "disk.dd")
	if err := os.WriteFile(p, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	// The digests of 1 MiB of zeros, by md5sum and sha256sum.
	checks := verify(t, p, evidence.Options{}, evidence.VerifyOptions{Expect: []evidence.Digest{
		{Alg: "md5", Sum: "b6d81b360a5672d80c27430f39153e2c"},
		{Alg: "sha256", Sum: "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58"}}})
	if got := verdicts(checks); got != "structure not-checkable, checksums not-checkable, digests pass" {
		t.Errorf("%s: %+v", got, checks)
	}
}

func TestVerifyInterrupted(t *testing.T) {
	e, err := evidence.OpenImage(context.Background(), samples+"encase6.E01", evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := evidence.Verify(ctx, e.Image, evidence.VerifyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// Sectors that could not be read when they were acquired are not the medium's
// own bytes, though the container is intact and its digests agree.
func TestReadErrorsOfTheAcquisition(t *testing.T) {
	b, err := os.ReadFile(samples + "encase6.E01")
	if err != nil {
		t.Fatal(err)
	}
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, adler32.Checksum(b)) }
	section := func(kind string, next, size int) []byte {
		d := make([]byte, 72)
		copy(d, kind)
		binary.LittleEndian.PutUint64(d[16:], uint64(next))
		binary.LittleEndian.PutUint64(d[24:], uint64(size))
		return sum(d)
	}
	payload := make([]byte, 516)
	payload[0] = 1 // one run: 3 sectors from 20 on
	payload = append(sum(payload), sum([]byte{20, 0, 0, 0, 3, 0, 0, 0})...)
	at := len(b) - 76 // in the place of done
	next := at + 76 + len(payload)
	b = append(append(b[:at], section("error2", next, 76+len(payload))...), payload...)
	b = append(b, section("done", next, 0)...)
	p := filepath.Join(t.TempDir(), "e.E01")
	if err := os.WriteFile(p, b, 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := evidence.OpenImage(context.Background(), p, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	want := evidence.Range{Off: 20 * 512, Len: 3 * 512, Kind: evidence.Unreadable}
	buf := bytes.Repeat([]byte{1}, 4096)
	n, err := e.Image.ReadAt(buf, 19*512)
	re, ok := errors.AsType[*evidence.RangeError](err)
	if !ok || n != 512 || len(re.Ranges) != 1 || re.Ranges[0] != want || !bytes.Equal(buf[512:4*512], make([]byte, 3*512)) {
		t.Errorf("%d, %v", n, err)
	}
	evidencetest.Ranges(t, e.Image)
	if p := e.Image.Problems(); len(p) != 1 || p[0].At.Offset != want.Off || p[0].Length != want.Len {
		t.Errorf("problems %v", p)
	}
	checks := verify(t, p, evidence.Options{}, evidence.VerifyOptions{})
	if got := verdicts(checks); got != "structure pass, checksums pass, digests pass" || len(checks[0].Ranges) != 1 || checks[0].Ranges[0] != want {
		t.Errorf("%s %+v", got, checks[0])
	}
}

// A container that is known but gives nothing is another error than a file
// that is no image.
func TestBroken(t *testing.T) {
	b, err := os.ReadFile(samples + "smart.s01")
	if err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(t.TempDir(), "cut.s01")
	if err := os.WriteFile(p, b[:150], 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = evidence.OpenImage(context.Background(), p, evidence.Options{})
	if broken, ok := errors.AsType[*evidence.Broken](err); !ok || broken.Name != p {
		t.Errorf("error %v", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	path := corpus.Path(b, "images/made/ewf/enc6-fast.E01")
	b.SetBytes(24 << 20)
	b.ReportAllocs()
	for b.Loop() {
		e, err := evidence.OpenImage(context.Background(), path, evidence.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := evidence.Verify(context.Background(), e.Image, evidence.VerifyOptions{}); err != nil {
			b.Fatal(err)
		}
		e.Close()
	}
}

// ewfacquire hashes a half sector that it does not count.
func TestVerifyTail(t *testing.T) {
	for _, name := range []string{"tail-fast.E01", "tail-none.E01"} {
		checks := verify(t, samples+name, evidence.Options{}, evidence.VerifyOptions{})
		if got := verdicts(checks); got != "structure fail, checksums pass, digests pass" || !strings.Contains(checks[2].Detail, "uncounted") {
			t.Errorf("%s: %s, %s", name, got, checks[2].Detail)
		}
	}
}
