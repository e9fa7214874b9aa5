package evidence_test

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/evidence/evidencetest"
)

func openTree(t *testing.T, name string, o evidence.Opener) *evidence.Evidence {
	t.Helper()
	e, err := evidence.Open(context.Background(), name, evidence.Options{Opener: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if e.Form != evidence.Folder || e.Tree == nil {
		t.Fatalf("form %s", e.Form)
	}
	return e
}

// The files of an AD1 are read like a folder's. Sizes and content are what
// dissect.evidence's tests state.
func TestAD1(t *testing.T) {
	for _, name := range []string{"ad1_test.ad1", "ad1_test_compressed.ad1"} {
		e := openTree(t, corpus.Path(t, "images/ad1/dissect.evidence/"+name), nil)
		files, skipped, err := e.Tree.Files(context.Background())
		if err != nil || len(skipped) > 0 {
			t.Errorf("%s: skipped %v, %v", name, skipped, err)
		}
		want := []evidence.TreeFile{{Path: "E/AD1_test/doc1.txt", Size: 17, Place: 1}, {Path: "E/AD1_test/doc2.txt", Size: 142, Place: 2}}
		if !slices.Equal(files, want) {
			t.Errorf("%s: %+v", name, files)
		}
		f, err := e.Tree.Open("E/AD1_test/doc1.txt")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if string(b) != "Inhoud document 1" || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := e.Tree.Open("../doc1.txt"); err == nil {
			t.Error("opens what is not listed")
		}
		if len(e.Notes) != 1 || e.Notes[0] != `AD1 version 4 of E:\AD1_test, 1 segment, 2 files` {
			t.Errorf("notes %q", e.Notes)
		}
	}
}

// What wants an array of sectors is told what the file is.
func TestAD1IsNoImage(t *testing.T) {
	_, err := evidence.OpenImage(context.Background(), corpus.Path(t, "images/ad1/dissect.evidence/ad1_test.ad1"), evidence.Options{})
	no, ok := errors.AsType[*evidence.NotAnImage](err)
	if !ok || !strings.Contains(no.What, "AD1") || !strings.Contains(no.What, "no array of sectors") || no.Unknown() {
		t.Errorf("error %v", err)
	}
}

func TestDamagedAD1(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "images/ad1/dissect.evidence/ad1_test.ad1"))
	if err != nil {
		t.Fatal(err)
	}
	b[0x2e5] ^= 1 // in the chunk of doc1.txt
	e := openTree(t, "x.ad1", evidencetest.Memory{"x.ad1": b})
	f, err := e.Tree.Open("E/AD1_test/doc1.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.ReadAt(make([]byte, 17), 0)
	if re, ok := errors.AsType[*evidence.RangeError](err); !ok || re.Ranges[0] != (evidence.Range{Len: 17, Kind: evidence.Corrupt}) || !strings.Contains(err.Error(), "0x2de") {
		t.Errorf("error %v", err)
	}

	e = openTree(t, "x.ad1", evidencetest.Memory{"x.ad1": b[:0x4c8]}) // before doc2.txt
	files, skipped, err := e.Tree.Files(context.Background())
	if len(files) != 1 || len(skipped) == 0 || err != nil {
		t.Errorf("cut: %v, %v, %v", files, skipped, err)
	}
	if _, err := evidence.Open(context.Background(), "x.ad1", evidence.Options{Opener: evidencetest.Memory{"x.ad1": b[:600]}}); err == nil {
		t.Error("opens a header that is cut")
	}
}

// Each file is held against the digests that FTK Imager stored for it.
func TestVerifyFiles(t *testing.T) {
	good, err := os.ReadFile(corpus.Path(t, "images/ad1/dissect.evidence/ad1_test_compressed.ad1"))
	if err != nil {
		t.Fatal(err)
	}
	flip := func(off int) []byte {
		b := slices.Clone(good)
		b[off] ^= 1
		return b
	}
	for what, c := range map[string]struct {
		b       []byte
		verdict [3]evidence.Verdict // structure, checksums, digests
		detail  string
	}{
		"as it is":           {good, [3]evidence.Verdict{evidence.Pass, evidence.Pass, evidence.Pass}, "4 digests as stated"},
		"a chunk":            {flip(0x2e2), [3]evidence.Verdict{evidence.Pass, evidence.Fail, evidence.Fail}, "doc1.txt"},
		"a digest":           {flip(0x461), [3]evidence.Verdict{evidence.Pass, evidence.Pass, evidence.Fail}, "doc1.txt: stated md5 963aab5c"},
		"a link of metadata": {flip(0x386), [3]evidence.Verdict{evidence.Fail, evidence.Pass, evidence.Pass}, ""},
	} {
		e := openTree(t, "x.ad1", evidencetest.Memory{"x.ad1": c.b})
		checks, err := evidence.VerifyFiles(context.Background(), e.Tree, nil)
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		for i, k := range checks {
			said += k.Detail + "\n"
			if k.Verdict != c.verdict[i] {
				t.Errorf("%s: %s %s: %s", what, k.Name, k.Verdict, k.Detail)
			}
		}
		if !strings.Contains(said, c.detail) {
			t.Errorf("%s: %s", what, said)
		}
	}
}
