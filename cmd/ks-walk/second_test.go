package main

import (
	"strings"
	"testing"

	"kanshiki/cmd/internal/cli"
	"kanshiki/fixtures/corpus"
)

// The NTFS volumes of the corpus in their containers: no difference is without
// a cause. Entries 27 to 30 of ntfs3.E01 were made by Linux' ntfs3 driver, which
// writes no number into its records.
func TestSecondReaderOnTheCorpus(t *testing.T) {
	for _, c := range []struct {
		image string
		code  int
		says  string // among the rows or the warnings
	}{
		{"images/ntfs/dfir_ntfs/ntfs3.E01", cli.Done, "entry: ours entry 27, theirs entry 0  [record-number]"},
		{"images/ntfs/ntfs-samples/ntfs-lastaccess.E01", cli.Done, "[size-64]"},
		{"images/ntfs/ntfs-samples/ntfs-ptrn.E01", cli.Done, "[size-64]"},
		{"images/ntfs/ntfs-samples/ntfs-si-vs-fn.E01", cli.Done, "[size-64]"},
		// It divides sectors by the bytes of a cluster and finds none.
		{"images/ntfs/grr/ntfs_img.dd", cli.Gaps, "second reader: could not open the volume: open volume: Volume size is 0"},
	} {
		t.Run(strings.TrimPrefix(c.image, "images/"), func(t *testing.T) {
			code, out, errs := walk(t, "list", "--second-reader", "--hash", "sha256", corpus.Path(t, c.image))
			if code != c.code || !strings.Contains(out+errs, c.says) || strings.Contains(out, "[not-known]") {
				t.Errorf("exit %d, want %d with %q:\n%s%s", code, c.code, c.says, out, errs)
			}
		})
	}
}
