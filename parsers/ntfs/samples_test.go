package ntfs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"kanshiki/fixtures/corpus"
)

// samplesImage is Debian's forensics-samples-ntfs, unpacked for the test.
func samplesImage(t testing.TB) (string, int64) {
	const packed = "/usr/share/forensics-samples/fs.ntfs.xz"
	if _, err := os.Stat(packed); err != nil {
		t.Skip("Debian package forensics-samples-ntfs is not installed")
	}
	name := filepath.Join(t.TempDir(), "fs.ntfs")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("xz", "-dc", packed)
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		t.Skip("xz: ", err)
	}
	return name, 2048 * 512
}

// Of the 18 deleted files of the image 17 equal the originals of the package
// forensics-samples-files byte for byte. The 18th, pic2/d-debian.png, and two
// PNGs that were never deleted differ from them in one place only: the tIME
// chunk says 2020 in the image and 2022 in the package, which was made again
// after the image. No cluster of the 18th has been used again.
func TestDebianSamples(t *testing.T) {
	name, start := samplesImage(t)
	f, size := openImage(t, name)
	v, err := Open(io.NewSectionReader(f, start, size-start), size-start, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Scan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]Stream{}
	for f := range c.Files() {
		for l := range f.Links() {
			if p, proof := l.PathString(); proof <= ProofPlusOne {
				if s, ok := f.Stream(""); ok {
					files[p] = s
				}
			}
		}
	}
	var deleted, same int
	for _, row := range corpus.Truth(t, "forensics_samples") {
		if row["image"] != "fs.ntfs" {
			continue
		}
		s, ok := files[row["path"]]
		if !ok {
			t.Errorf("%s: not found", row["path"])
			continue
		}
		var b bytes.Buffer
		rd, err := s.Open(0)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := rd.WriteTo(&b); err != nil {
			t.Error(err)
		}
		sum := sha256.Sum256(b.Bytes())
		equal := hex.EncodeToString(sum[:]) == row["sha256"]
		want := Live
		if row["state"] == "deleted" {
			deleted++
			want = Deleted
			if equal {
				same++
			}
			for _, r := range s.Remnants() {
				if r.Fate != Free {
					t.Errorf("%s: %+v", row["path"], r)
				}
			}
		}
		if s.File().State() != want {
			t.Errorf("%s: state %v, want %v", row["path"], s.File().State(), want)
		}
		if !equal && !equalButTime(t, b.Bytes(), row["path"]) {
			t.Errorf("%s: content differs from the original", row["path"])
		}
	}
	if deleted != 18 || same != 17 {
		t.Errorf("%d deleted files, %d equal", deleted, same)
	}
}

// equalButTime compares a PNG with the original of the package, the time of
// its tIME chunk and the checksum behind it left out.
func equalButTime(t *testing.T, got []byte, path string) bool {
	want, err := os.ReadFile("/usr/share/forensics-samples/original-files/" + path)
	if err != nil {
		t.Skip("Debian package forensics-samples-files is not installed")
	}
	i, j := bytes.Index(got, []byte("tIME")), bytes.Index(want, []byte("tIME"))
	const chunk = 4 + 7 + 4
	return i > 0 && i == j && len(got) == len(want) && bytes.Equal(got[:i], want[:j]) && bytes.Equal(got[i+chunk:], want[j+chunk:])
}
