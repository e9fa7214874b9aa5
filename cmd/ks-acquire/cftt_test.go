package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/custody"
	"kanshiki/forensics/evidence"
)

// The assertions of NIST's "Digital Data Acquisition Tool Test Assertions and
// Test Plan" (CFTT, 2005), each in a test of its name. Where another test holds
// an assertion, it is named here:
//
//	DA-AM-01 access interface     TestDA_AM_01; devices: TestBadDevice, scripts/wine-acquire
//	DA-AM-03 environment          scripts/test builds for three systems; scripts/wine-acquire
//	DA-AM-09 error reported       TestBadDevice (type and location of every sector)
//	DA-AM-10 benign fill          TestBadDevice
//	DA-AO-10 other destination    TestDiskFull of forensics/acquire
//
// They do not apply:
//
//	DA-AM-04, DA-AO-11 to 21      clones: no source is ever copied onto another device
//	DA-AM-07 hidden sectors       HPA and DCO are reported and left as they are (device.Hidden);
//	                              no disk that has them can be made for a test
type result struct {
	dir, image string
	code       int
	stdout     string
	record     custody.Sidecar
}

// imaged runs one acquisition in this process.
func imaged(t *testing.T, src, name string, options ...string) result {
	t.Helper()
	r := result{dir: t.TempDir()}
	r.image = filepath.Join(r.dir, name)
	var out, errs bytes.Buffer
	err := run(context.Background(), append([]string{src, "-o", r.image, "--progress", "none"}, options...), &out, &errs)
	r.code, r.stdout = cli.Code(err), out.String()
	if b, err := os.ReadFile(r.image + ".json"); err == nil {
		if err := json.Unmarshal(b, &r.record); err != nil {
			t.Fatal(err)
		}
	} else if r.code == 0 {
		t.Fatal(err, errs.String())
	}
	return r
}

// medium is what an image gives.
func (r result) medium(t *testing.T) []byte {
	t.Helper()
	e, err := evidence.OpenImage(t.Context(), r.image, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	b := make([]byte, e.Image.Size())
	if n, err := e.Image.ReadAt(b, 0); n < len(b) {
		t.Fatal(err)
	}
	return b
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fixtureDisk is the fixture's medium as a file: with a partition table, so that
// every format is recognised.
func fixtureDisk(t *testing.T) string {
	t.Helper()
	fixture := "../../fixtures/quarantined-pc/quarantined-pc.E01"
	if _, err := os.Stat(fixture); err != nil {
		t.Skip("the fixture is not built: ", err)
	}
	return imaged(t, fixture, "disk.raw", "--no-verify").image
}

// The source is read through the interface that is named, and acquired, with
// all its visible sectors, accurately.
func TestDA_AM_01_02_06_08(t *testing.T) {
	src := fixtureDisk(t)
	want := read(t, src)
	for _, name := range []string{"d.E01", "d.zst", "d.raw"} {
		r := imaged(t, src, name)
		if r.code != 0 || r.record.Source.Kind != "file" || r.record.Source.Size != int64(len(want)) || !bytes.Equal(r.medium(t), want) {
			t.Errorf("%s: exit %d, %+v", name, r.code, r.record.Source)
		}
	}
}

// An image file is made on the file system that is named; it represents the
// data, in the format that is asked for.
func TestDA_AM_05_DA_AO_01_02(t *testing.T) {
	src := fixtureDisk(t)
	for name, magic := range map[string]string{"d.E01": "EVF\x09\x0d\x0a\xff\x00", "d.zst": "\x50\x2a\x4d\x18"} {
		if b := read(t, imaged(t, src, name).image); !strings.HasPrefix(string(b), magic) {
			t.Errorf("%s begins with % x", name, b[:8])
		}
	}
	if r := imaged(t, src, "x", "--format", "raw"); r.code != 0 || !bytes.Equal(read(t, r.image), read(t, src)) {
		t.Errorf("raw: exit %d", r.code)
	}
}

// A write that fails, and too little room, are told.
func TestDA_AO_03_04(t *testing.T) {
	src := fixtureDisk(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "d.E01.partial.json.tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	err := run(context.Background(), []string{src, "-o", filepath.Join(dir, "d.E01"), "--progress", "none"}, io.Discard, io.Discard)
	if cli.Code(err) != cli.Failed || err.Error() == "" {
		t.Errorf("a folder in the way: %v", err)
	}
	// The room that is asked for before: TestDiskFull tells what happens after.
	big := filepath.Join(t.TempDir(), "big.raw")
	f, err := os.Create(big)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Write(read(t, src)[:4096])
	if err := f.Truncate(1 << 44); err != nil {
		t.Skip("no file of 16 TiB can be made here: ", err)
	}
	err = run(context.Background(), []string{big, "-o", filepath.Join(t.TempDir(), "d.raw"), "--progress", "none"}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "too little room") {
		t.Errorf("16 TiB: %v", err)
	}
}

// No file of a set is larger than asked for.
func TestDA_AO_05(t *testing.T) {
	src := fixtureDisk(t)
	for name, limit := range map[string]int64{"d.E01": 1 << 20, "d.001": 5 << 20} {
		r := imaged(t, src, name, "--segment-size", map[int64]string{1 << 20: "1MiB", 5 << 20: "5MiB"}[limit])
		if r.code != 0 || len(r.record.Image.Segments) < 4 {
			t.Errorf("%s: exit %d, %d files", name, r.code, len(r.record.Image.Segments))
		}
		for _, s := range r.record.Image.Segments {
			if st, err := os.Stat(filepath.Join(r.dir, s.Name)); err != nil || st.Size() > limit || st.Size() != s.Size {
				t.Errorf("%s: %v, %v", s.Name, st, err)
			}
		}
	}
}

// An unchanged image passes, a changed one does not, and the place is told.
func TestDA_AO_06_07_08(t *testing.T) {
	r := imaged(t, fixtureDisk(t), "d.E01")
	check := func() []evidence.Check {
		e, err := evidence.OpenImage(t.Context(), r.image, evidence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		rec, err := evidence.OpenRecord(r.image)
		if err != nil {
			t.Fatal(err)
		}
		defer rec.Close()
		checks, err := evidence.Verify(t.Context(), e.Image, evidence.VerifyOptions{Record: rec})
		if err != nil {
			t.Fatal(err)
		}
		return checks
	}
	for _, c := range check() {
		if c.Verdict != evidence.Pass {
			t.Errorf("unchanged: %+v", c)
		}
	}
	b := read(t, r.image)
	b[len(b)/2] ^= 1
	if err := os.WriteFile(r.image, b, 0o666); err != nil {
		t.Fatal(err)
	}
	located := false
	for _, c := range check() {
		located = located || c.Verdict == evidence.Fail && len(c.Ranges) == 1 && c.Ranges[0].Len <= 1<<20
	}
	if !located {
		t.Errorf("changed: %+v", check())
	}
}

// An image is converted into another format with the same data.
func TestDA_AO_09(t *testing.T) {
	src := fixtureDisk(t)
	e01 := imaged(t, src, "a.E01")
	zst := imaged(t, e01.image, "b.zst")
	raw := imaged(t, zst.image, "c.raw")
	if zst.code != 0 || raw.code != 0 || !bytes.Equal(read(t, raw.image), read(t, src)) {
		t.Errorf("exit %d and %d", zst.code, raw.code)
	}
	for _, d := range raw.record.CarriedOver.Digests {
		if d.Verdict != "pass" {
			t.Errorf("%+v", d)
		}
	}
}

// Digests of blocks, of 1 MiB.
func TestDA_AO_22(t *testing.T) {
	src := fixtureDisk(t)
	r := imaged(t, src, "d.zst")
	list, want := read(t, r.image+".sha256.bin"), read(t, src)
	for i := 0; i < len(want); i += 1 << 20 {
		if sum := sha256.Sum256(want[i:min(i+1<<20, len(want))]); !bytes.Equal(sum[:], list[i>>20*32:][:32]) {
			t.Errorf("MiB %d", i>>20)
		}
	}
	if root := sha256Hex(list); r.record.Blocks.Root != root {
		t.Errorf("root %s, the list has %s", r.record.Blocks.Root, root)
	}
}

// The record is accurate.
func TestDA_AO_23(t *testing.T) {
	src := fixtureDisk(t)
	r := imaged(t, src, "d.E01", "--examiner", "鑑識 太郎", "--case-number", "2011-083", "--exhibit", "7", "--write-blocker", "Tableau T35u")
	s := r.record
	if s.Actor.Examiner != "鑑識 太郎" || s.Case != "2011-083" || s.Exhibit != "7" || s.Source.WriteBlock != "Tableau T35u" ||
		s.State != "complete" || !s.Verification.Done || s.Verification.Verdict != "pass" || s.Source.Path != src {
		t.Errorf("%+v", s)
	}
	if s.Image.Segments[0].SHA256 != sha256Hex(read(t, r.image)) || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(s.Tool.SHA256) {
		t.Errorf("%+v %+v", s.Image.Segments, s.Tool)
	}
	for _, d := range s.Digests {
		if d.Alg == "sha256" && d.Sum != sha256Hex(read(t, src)) {
			t.Errorf("%+v", d)
		}
	}
	if s.Times.Ended.Before(s.Times.Started) || len(s.Source.Partitions) < 2 {
		t.Errorf("%+v %v", s.Times, s.Source.Partitions)
	}
}

// The source is not changed, and can be one that nobody may write to.
func TestDA_AO_24(t *testing.T) {
	src := fixtureDisk(t)
	before := sha256Hex(read(t, src))
	st, err := os.Stat(src)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(src, 0o444); err != nil {
		t.Fatal(err)
	}
	imaged(t, src, "d.E01")
	after, err := os.Stat(src)
	if err != nil || sha256Hex(read(t, src)) != before || !after.ModTime().Equal(st.ModTime()) {
		t.Error("the source is another file now")
	}
}
