package zframe

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// Bytes by hand, after RFC 8878 3.1.
func TestWalk(t *testing.T) {
	file, err := hex.DecodeString(
		"28b52ffd2003190000616263" + // single segment, content size 3, one stored block
			"502a4d1803000000ffffff" + // skippable
			"28b52ffd0458" + "030000" + "78" + "99e9d851") // window 2 MiB, checksum, one block of no times "x"
	if err != nil {
		t.Fatal(err)
	}
	w := Walker{R: bytes.NewReader(file), Size: int64(len(file))}
	at := int64(0)
	for i, want := range []Head{{Size: 6, Raw: 3, Window: 3}, {Skip: true, Size: 11}, {Size: 6, Raw: -1, Window: 2 << 20, Checksum: true}} {
		n, h, sum, err := w.Frame(at)
		if err != nil || h != want {
			t.Fatalf("frame %d: %+v, %v", i, h, err)
		}
		if h.Checksum && sum != 0x51d8e999 {
			t.Errorf("checksum %08x", sum)
		}
		if !h.Skip {
			if got, err := Whole(file[at:at+n], at); err != nil || got != want {
				t.Errorf("frame %d in memory: %+v, %v", i, got, err)
			}
			if _, err := Whole(file[at:at+n-1], at); err == nil {
				t.Errorf("frame %d without its last byte is taken", i)
			}
		}
		at += n
	}
	if at != int64(len(file)) {
		t.Errorf("ends at %d of %d", at, len(file))
	}
	for i := range file {
		w := Walker{R: bytes.NewReader(file[:i]), Size: int64(i)}
		if n, _, _, err := w.Frame(0); err == nil && n > int64(i) {
			t.Errorf("a frame of %d bytes in %d", n, i)
		}
	}
}
