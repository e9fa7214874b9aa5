package evidence_test

import (
	"bytes"
	"context"
	"os"
	"testing"

	"kanshiki/forensics/evidence"
	"kanshiki/forensics/evidence/evidencetest"
)

// FuzzOpen opens a file of any bytes under several names, as a set of two, and
// verifies what comes out.
func FuzzOpen(f *testing.F) {
	for _, name := range []string{"tail-fast.E01", "smart.s01"} {
		b, err := os.ReadFile(samples + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 5000)], uint8(0))
	}
	boot := make([]byte, 1024)
	boot[510], boot[511] = 0x55, 0xAA
	f.Add(boot, uint8(1))
	f.Add([]byte("KDMV"), uint8(2))
	f.Add([]byte("# Disk DescriptorFile\nCID=1\nparentCID=2\nparentFileNameHint=\"d.E02\"\nRW 1 FLAT \"d.002\" 0\nRW 3 SPARSE \"d.ab\"\nRW 2 ZERO"), uint8(4))
	f.Add(append([]byte("ADSEGMENTEDFILE\x00\x01\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02\x00\x00"), make([]byte, 600)...), uint8(4))
	names := []string{"d.E01", "d.001", "d.aa", "d.dd", "d"}
	f.Fuzz(func(t *testing.T, b []byte, which uint8) {
		name := names[int(which)%len(names)]
		m := evidencetest.Memory{name: b, "d.E02": bytes.Replace(b, []byte{1, 1, 0}, []byte{1, 2, 0}, 1), "d.002": b, "d.ab": b}
		e, err := evidence.Open(context.Background(), name, evidence.Options{Opener: m})
		if err != nil {
			return
		}
		defer e.Close()
		if e.Form != evidence.Disk {
			return
		}
		evidencetest.Ranges(t, e.Image)
		p := make([]byte, 5000)
		for _, off := range []int64{0, 511, e.Image.Size() - 100} {
			if n, err := e.Image.ReadAt(p, max(off, 0)); n < 0 || n > len(p) || n < len(p) && err == nil {
				t.Errorf("%d, %v", n, err)
			}
		}
		if e.Image.Size() < 1<<22 {
			if _, err := evidence.Verify(context.Background(), e.Image, evidence.VerifyOptions{Hashes: []string{"md5"}}); err != nil {
				t.Error(err)
			}
		}
	})
}
