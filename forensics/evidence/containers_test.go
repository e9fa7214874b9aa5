package evidence_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/evidence"
)

// damaged are the containers of the corpus that do not give all of their media,
// and in what the trouble must be found. The digests that the table has for them
// are of a peer's invented zeros.
var damaged = map[string]string{
	"images/made/ewf/bad-flip.E01":                                      "0x920000",
	"images/made/ewf/bad-gap.E01":                                       "segment 3 is missing",
	"images/ewf/dissect.evidence/ewf.E01":                               "",
	"images/ewf/ewf-forensic/fuzz-crash-parse_segment-add-overflow.E01": "",
	"images/vmdk/vmdk-forensic/ms3-win.vmdk":                            "",
	"images/aff4/aff4-reference/Base-Linear-ReadError.aff4":             "unreadable",
}

// parts are rows of one file of a set; TestSplitOfTheCorpus compares the set.
var parts = map[string]bool{"images/raw/dfvfs/ext2.splitraw.000": true}

// logical containers hold files and no medium; their own tests check the files.
var logical = map[string]bool{"ad1": true}

// limit keeps the test quick; KANSHIKI_ALL lifts it.
func limit() int64 {
	if os.Getenv("KANSHIKI_ALL") != "" {
		return 1 << 62
	}
	return 160 << 20
}

// Every container of the corpus gives the bytes whose digest the table states,
// as another program read them.
func TestContainersOfTheCorpus(t *testing.T) {
	var equal, located, left, open int
	for _, row := range corpus.Truth(t, "containers") {
		file := row["file"]
		if logical[row["container"]] || parts[file] {
			continue
		}
		path := corpus.Path(t, file)
		if size, err := strconv.ParseInt(row["media_size"], 10, 64); err == nil && size > limit() {
			left++
			continue
		}
		why, bad := damaged[file]
		check, count := func() error { return sameMedium(path, row) }, &equal
		if bad {
			check, count = func() error { return trouble(path, why) }, &located
		}
		if err := check(); err != nil {
			t.Errorf("%s: %v", file, err)
			count = &open
		}
		*count++
	}
	t.Logf("%d equal to the stated digest, %d damaged and located, %d too large for this run, %d open", equal, located, left, open)
}

// sameMedium compares with the strongest digest that the row has.
func sameMedium(path string, row map[string]string) error {
	h, want := hash.Hash(sha256.New()), row["media_sha256"]
	switch {
	case want != "":
	case row["media_md5"] != "":
		h, want = md5.New(), row["media_md5"]
	case row["libvhdi_sha256"] != "":
		want = row["libvhdi_sha256"]
	default:
		return whole(path)
	}
	sum, err := hashMedium(path, h)
	if err == nil && sum != want {
		err = fmt.Errorf("digest %s, stated %s", sum, want)
	}
	return err
}

func hashMedium(path string, h hash.Hash) (string, error) {
	e, err := evidence.OpenImage(context.Background(), path, evidence.Options{})
	if err != nil {
		return "", err
	}
	defer e.Close()
	err = evidence.Stream(context.Background(), e.Image, func(b *evidence.Block) error {
		defer b.Release()
		if len(b.Bad) > 0 {
			return &evidence.RangeError{Ranges: b.Bad}
		}
		h.Write(b.Data)
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// whole opens an image of which no digest is stated, and reads all of it.
func whole(path string) error {
	_, err := hashMedium(path, sha256.New())
	return err
}

// trouble tells whether a damaged container says what is wrong with it: an
// error, or problems of which one has the words.
func trouble(path, words string) error {
	e, err := evidence.OpenImage(context.Background(), path, evidence.Options{})
	if err != nil {
		if !strings.Contains(err.Error(), words) {
			return err
		}
		return nil
	}
	defer e.Close()
	checks, err := evidence.Verify(context.Background(), e.Image, evidence.VerifyOptions{})
	if err != nil {
		return err
	}
	var said []string
	for _, p := range e.Image.Problems() {
		said = append(said, fmt.Sprintf("%#x %s", p.At.Offset, p.Found))
	}
	for _, c := range checks {
		said = append(said, c.Detail)
	}
	if all := strings.Join(said, "\n"); len(e.Image.Problems()) == 0 || !strings.Contains(all, words) {
		return fmt.Errorf("%q is not said: %s", words, all)
	}
	return nil
}

// What is whole in a damaged image is given: all chunks but those that the
// damage hit.
func TestDamagedKeepTheRest(t *testing.T) {
	want, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	for name, lost := range map[string]int64{"bad-flip.E01": 32 << 10, "bad-gap.E01": 0, "bad-short.E01": 0} {
		path := filepath.Join(corpus.Dir(t), "images/made/ewf", name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		e, err := evidence.OpenImage(context.Background(), path, evidence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, e.Image.Size())
		e.Image.ReadAt(got, 0)
		var bad int64
		for r := range e.Image.Ranges(0, e.Image.Size()) {
			if r.Kind != evidence.Data && r.Kind != evidence.Zero {
				bad += r.Len
				copy(got[r.Off:r.Off+r.Len], want[r.Off:])
			}
		}
		if !bytes.Equal(got, want) || bad == 0 || lost > 0 && bad != lost {
			t.Errorf("%s: %d bytes named as lost, the rest equal: %v", name, bad, bytes.Equal(got, want))
		}
		e.Close()
	}
}

// KANSHIKI_CONTAINERS names the output of make-containers: the same disk in many
// containers, with its digest.
func TestMadeContainers(t *testing.T) {
	dir := os.Getenv("KANSHIKI_CONTAINERS")
	if dir == "" {
		t.Skip("KANSHIKI_CONTAINERS names no folder that make-containers made")
	}
	b, err := os.ReadFile(filepath.Join(dir, "made.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) < 6 || f[0] == "file" {
			continue
		}
		n++
		path := filepath.Join(dir, f[0])
		if strings.HasPrefix(f[5], "damaged") {
			err = trouble(path, "")
		} else {
			err = sameMedium(path, map[string]string{"media_sha256": f[3]})
		}
		if err != nil {
			t.Errorf("%s: %v", f[0], err)
		}
	}
	t.Logf("%d containers", n)
}
