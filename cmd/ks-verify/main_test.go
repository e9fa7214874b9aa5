package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kanshiki/cmd/internal/cli"
	"kanshiki/fixtures/corpus"
)

// workdir holds copies of two small images, damaged as the test wants.
func workdir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"encase6.E01", "smart.s01"} {
		b, err := os.ReadFile(filepath.Join("../../parsers/ewf/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, b)
	}
	write(t, dir, "notes.txt", []byte("This is a text.\n"))
	write(t, dir, "empty.E01", nil)
	t.Chdir(dir)
	return dir
}

func write(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// expect runs the command and looks for each pattern; those that begin with
// "stderr:" are looked for there.
func expect(t *testing.T, code int, args string, patterns ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := cli.Start(name, run, strings.Fields(args), &out, &errs); got != code {
		t.Errorf("%s: exit %d, want %d\n%s%s", args, got, code, &out, &errs)
	}
	for _, p := range patterns {
		in := out.String()
		if rest, ok := strings.CutPrefix(p, "stderr:"); ok {
			p, in = rest, errs.String()
		}
		if !regexp.MustCompile("(?m)" + p).MatchString(in) {
			t.Errorf("%s: no %q in\n%s", args, p, in)
		}
	}
}

func TestGood(t *testing.T) {
	workdir(t)
	expect(t, 0, "encase6.E01",
		`^encase6.E01  E01, EnCase 6 or 7, 102,400 bytes, 512-byte sectors$`,
		`^  structure  pass +1 segment, all sections intact$`,
		`^  checksums  pass +all chunks are intact$`,
		`^  digests    pass +md5 f5634d95274d69e115c4d6f0be1331bb \(digest and hash sections\); sha1 3499bebe7650a2f7c8efd40a2746c6c143a578ad \(digest section\)$`,
		`stderr:^$`)
	expect(t, 0, "--format jsonl encase6.E01 smart.s01",
		`^{"image":"encase6.E01","check":"structure","verdict":"pass","detail":"1 segment, all sections intact","ranges":\[\]}$`,
		`^{"image":"smart.s01","check":"digests","verdict":"pass",`)
	expect(t, 0, "--format csv smart.s01",
		`^image,check,verdict,detail,ranges$`, `^smart.s01,checksums,pass,all chunks are intact,$`)
	expect(t, 0, "--quiet encase6.E01", `\A\z`)
	expect(t, 0, "--expect 3499BEBE7650A2F7C8EFD40A2746C6C143A578AD smart.s01", `sha1 3499bebe7650a2f7c8efd40a2746c6c143a578ad \(--expect\)`)
	expect(t, 4, "--expect 00000000000000000000000000000000 smart.s01",
		`digests    FAIL .*md5: stated 00000000000000000000000000000000 \(--expect\), calculated f5634d95274d69e115c4d6f0be1331bb`)
	expect(t, 0, "--hash sha256 smart.s01", `sha256 [0-9a-f]{64} \(calculated, nothing to compare with\)`)
	expect(t, 0, "--verbose encase6.E01", `^  case number +2011-083$`, `^  notes +notes: 日本$`, `^  segments +1, encase6.E01 to encase6.E01$`)
	expect(t, 0, "--formats", `^read\n  E01, S01`, `^  VMDK \(flat`, `^  AD1 `, `^  DMG$`)
	expect(t, 0, "--help", `^    ks-verify fixtures/quarantined-pc/quarantined-pc.E01$`)
}

// A flipped bit costs one chunk, whose sectors are named.
func TestDamagedChunk(t *testing.T) {
	dir := workdir(t)
	b, err := os.ReadFile("encase6.E01")
	if err != nil {
		t.Fatal(err)
	}
	b[0x8000] ^= 4
	write(t, dir, "encase6.E01", b)
	expect(t, 4, "encase6.E01",
		`^  structure  pass `,
		`^  checksums  FAIL +8192 bytes in 1 range are damaged; the first: corrupt: encase6.E01: offset 0x[0-9a-f]+: `,
		`^ +sectors 48 to 63 corrupt \(8,192 bytes at 0x6000\)$`,
		`^  digests    FAIL +md5 f5634d95274d69e115c4d6f0be1331bb cannot match: 1 range is damaged or missing`)
	expect(t, 4, "--format jsonl encase6.E01",
		`"check":"checksums","verdict":"fail",.*"ranges":\[{"offset":24576,"length":8192,"first_sector":48,"sectors":16,"kind":"corrupt"}\]`)
	expect(t, 4, "--format csv encase6.E01", `,"?0x6000\+0x2000 corrupt"?$`)
}

// What is there of a cut image is given, the rest is named.
func TestCut(t *testing.T) {
	dir := workdir(t)
	b, err := os.ReadFile("smart.s01")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "smart.s01", b[:20000])
	expect(t, 4, "smart.s01", `^  structure  FAIL `, `^ +sectors 32 to 199 `)
	write(t, dir, "smart.s01", b[:100])
	expect(t, 4, "smart.s01", `^  structure  FAIL +no volume section: `)
}

func TestRefused(t *testing.T) {
	workdir(t)
	expect(t, 1, "notes.txt", `stderr:^ks-verify: warning: notes.txt: no image, volume or file system that I know \(it begins with 54 68 69 73\); formats: ks-verify --formats$`)
	expect(t, 1, "empty.E01", `stderr:empty.E01: is empty`)
	expect(t, 1, "missing.E01", `stderr:missing.E01: no such file`)
	expect(t, 1, ".", `stderr:is a folder, not an image`)
	expect(t, 1, "notes.txt encase6.E01", `^  digests    pass`, `stderr:notes.txt`)
}

func TestWrongUse(t *testing.T) {
	workdir(t)
	expect(t, 2, "", `stderr:\Aks-verify: name the image to verify, for example ks-verify disk.E01\n\z`)
	expect(t, 2, "--hash crc32 encase6.E01", `stderr:there are md5, sha1, sha256`)
	expect(t, 2, "--expect xyz encase6.E01", `stderr:it has 32, 40 or 64 hexadecimal digits`)
	expect(t, 2, "--expect 00000000000000000000000000000000 encase6.E01 smart.s01", `stderr:goes with one image`)
	expect(t, 2, "--jsonl encase6.E01", `stderr:no option --jsonl; there are`)
}

// A logical image has no sectors: its files are checked.
func TestLogical(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "images/ad1/dissect.evidence/ad1_test.ad1"))
	if err != nil {
		t.Fatal(err)
	}
	dir := workdir(t)
	write(t, dir, "good.ad1", b)
	b[0x2e5] ^= 1 // in the chunk of doc1.txt
	write(t, dir, "bad.ad1", b)
	write(t, dir, "cut.ad1", b[:600])
	expect(t, 0, "good.ad1", `^good.ad1  AD1, version 4, files, no sectors$`, `^  structure  pass +1 segment, all 2 files reached$`,
		`^  checksums  pass `, `^  digests    pass +4 digests as stated$`, `stderr:^ks-verify: AD1 version 4 of E:\\AD1_test, 1 segment, 2 files$`)
	expect(t, 4, "bad.ad1", `^  checksums  FAIL +1 file damaged: E/AD1_test/doc1.txt: .*0x2de`, `^  digests    FAIL +2 digests as stated; E/AD1_test/doc1.txt: cannot match`)
	expect(t, 4, "cut.ad1", `^  structure  FAIL `)
	expect(t, 1, "--hash md5 good.ad1", `stderr:AD1 \(AccessData logical image\) holds files and no array of sectors`)
}
