package main

import (
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kanshiki/cmd/internal/cli"
	"kanshiki/fixtures/corpus"
)

// stick is the FAT32 volume of parsers/fat, whose content is known.
func stick(t *testing.T) string {
	t.Helper()
	f, err := os.Open("../../parsers/fat/testdata/fat32.img.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "stick.img")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFAT runs each command on a stick: what it shows, or a word that there is
// none of it.
func TestFAT(t *testing.T) {
	img := stick(t)
	// yes "PLAIN.TXT" | head -c 3000 | sha256sum
	plain := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Repeat("PLAIN.TXT\n", 300))))
	for _, c := range []struct {
		args string
		code int
		want []string // parts of what is printed, on either
	}{
		{"list --hash sha256 IMG", cli.Done, []string{plain, "live    file            2500  2026-11-27T12:", "Old/Attic/?eep.txt  [freed]  ! the first character of the name is lost"}},
		{"list --format csv IMG Work", cli.Done, []string{",file,live,Work/Deeper/inside.txt,live,,2500,2026-"}},
		{"list --format jsonl --zone Asia/Tokyo IMG PLAIN.TXT", cli.Done, []string{`"si_modified_zone":null`, `"si_accessed":"2026-11-27",`}},
		{"list --format mftecmd IMG", cli.Gaps, []string{"volume 0 is FAT32, which has no $MFT"}},
		{"list --format bodyfile IMG", cli.Done, []string{"as if they were UTC", "0|/PLAIN.TXT|"}},
		{"stat IMG 会議の資料.txt", cli.Done, []string{"zone is not known", "700 bytes", "short name "}},
		{"cat IMG plain.txt", cli.Done, []string{"PLAIN.TXT\nPLAIN.TXT\n"}},
		{"cat IMG ?one.txt", cli.Gaps, []string{"GONE.TXT\nGONE.TXT\n", "assumed to follow the first cluster"}},
		{"deleted IMG", cli.Done, []string{"Deleted long name.txt  unproven"}},
		{"coverage IMG", cli.Done, []string{"holds    of 68528; 27 belong to an entry", "sectors in which the two tables differ"}},
		{"usn IMG", cli.Failed, []string{"volume 0 is FAT32: there is no change journal"}},
		{"index IMG", cli.Done, []string{"there is no index of names"}},
		{"meta IMG", cli.Done, []string{"there is no metadata file"}},
		{"carve IMG", cli.Done, []string{"there is no search for NTFS records"}},
		{"timestomp IMG", cli.Done, []string{"there is no second set of times"}},
		{"list --second-reader IMG", cli.Done, []string{"there is no second reader for it"}},
		{"shadows IMG", cli.Done, []string{"no shadow copies"}},
	} {
		code, out, errs := walk(t, strings.Fields(strings.ReplaceAll(c.args, "IMG", img))...)
		if code != c.code {
			t.Errorf("%s: exit %d, want %d", c.args, code, c.code)
		}
		for _, w := range c.want {
			if !strings.Contains(out+errs, w) {
				t.Errorf("%s: no %q in\n%s%s", c.args, w, out, errs)
			}
		}
	}
}

func TestFATExtract(t *testing.T) {
	img, dir := stick(t), filepath.Join(t.TempDir(), "out")
	if code, out, errs := walk(t, "extract", img, "-o", dir); code != cli.Done {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	for path, size := range map[string]int{"PLAIN.TXT": 3000, "Long file name of the plan.txt": 5000, "会議の資料.txt": 700, "Work/Deeper/inside.txt": 2500} {
		b, err := os.ReadFile(filepath.Join(dir, path))
		text := filepath.Base(path) + "\n"
		if want := strings.Repeat(text, size/len(text)+1)[:size]; err != nil || string(b) != want {
			t.Errorf("%s: %d bytes, %v", path, len(b), err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "Old")); err == nil {
		t.Error("a deleted directory was written")
	}
}

// TestFATCorpus: a FAT16 and an NTFS volume on one disk.
func TestFATCorpus(t *testing.T) {
	img := corpus.Path(t, "images/made/disk.raw")
	code, out, errs := walk(t, "list", "--quiet", img, "**/*plan*", "noise.bin")
	if !strings.Contains(out, "Work/Long file name of the plan.txt") || !strings.Contains(out, "noise.bin") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	// What is not read is a row.
	code, out, _ = walk(t, "coverage", "--format", "csv", corpus.Path(t, "images/mbr/forensics-samples/fs.multiple.E01"))
	if code != cli.Gaps || !strings.Contains(out, ",,not read,unread,1,volume 1 is Btrfs\n") || !strings.Contains(out, "3,0,clusters in use,holds,15,") {
		t.Errorf("exit %d: %s", code, out)
	}
}
