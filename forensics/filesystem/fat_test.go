package filesystem_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/filesystem/filesystemtest"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/volume"
)

func fatImage(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("../../parsers/fat/testdata/" + name + ".img.gz")
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
	return b
}

func openFAT(t testing.TB, r io.ReaderAt, size int64) *filesystem.FAT {
	t.Helper()
	f, err := filesystem.OpenFAT(t.Context(), r, size, filesystem.Options{At: locator.Locator{Exhibit: "x", Volume: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFATContract(t *testing.T) {
	for _, name := range []string{"fat12", "fat32"} {
		b := fatImage(t, name)
		filesystemtest.Run(t, func(t *testing.T) filesystem.FS { return openFAT(t, bytes.NewReader(b), int64(len(b))) })
	}
	v := volumeOf(t, corpus.Path(t, "images/ewf/ewf-forensic/exfat1.E01"), volume.ExFAT)
	filesystemtest.Run(t, func(t *testing.T) filesystem.FS { return openFAT(t, v, v.size) })
}

// TestFATEntries: what make-fat.sh put there; fls -r -p finds the same.
func TestFATEntries(t *testing.T) {
	b := fatImage(t, "fat32")
	f := openFAT(t, bytes.NewReader(b), int64(len(b)))
	var got []string
	for e, err := range f.Walk(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(e.Names[0].Path, " ", e.State, " ", e.Names[0].Proof))
		if e.Ref.Entry != 2 && (!e.Clock.Local[1] || e.Clock.Precision[1] != event.TwoSecond || !e.SI.Modified.Valid()) {
			t.Errorf("%s: %+v %s", e.Names[0].Path, e.Clock, e.SI.Modified)
		}
	}
	for _, want := range []string{" live live", "Work/Deeper/inside.txt live live", "Old deleted live", "Old/Attic/?eep.txt deleted freed", "Deleted long name.txt deleted live"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	for path, want := range map[string]string{"work/DEEPER/Inside.TXT": "inside.txt", "/会議の資料.txt": "会議の資料.txt", "PLAIN.TXT::$DATA": "PLAIN.TXT"} {
		ref, _, err := f.Lookup(t.Context(), path)
		if err != nil {
			t.Error(err)
			continue
		}
		s, err := f.Open(t.Context(), ref, "")
		if err != nil {
			t.Fatal(err)
		}
		line := make([]byte, len(want))
		if _, err := s.ReadAt(line, 0); string(line) != want {
			t.Errorf("%s: %q %v", path, line, err)
		}
	}
	ref, _, err := f.LookupDeleted(t.Context(), "old/attic/?EEP.txt")
	if err != nil {
		t.Fatal(err)
	}
	// 600 bytes are two clusters: the second is assumed. Its number is below
	// 65,536 on a volume with more clusters, so the first is in doubt, too.
	if r, err := f.Recovery(ref, ""); err != nil || r.Verdict != "unproven" || len(r.Ranges) != 2 || r.Own != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	i := f.Info()
	if i.Kind != "FAT32" || i.Label != "STICK" || i.Serial != 0x12345678 || i.LiveCount != 7 || i.Deleted != 7 {
		t.Errorf("%+v", i)
	}
	lines, err := f.Coverage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l.Verdict == filesystem.Differs || l.Verdict == filesystem.Unread {
			t.Errorf("%+v", l)
		}
	}
}

// The directory of which no entry is left, and its files.
func TestFATOrphans(t *testing.T) {
	v := volumeOf(t, corpus.Path(t, "images/ewf/ewf-forensic/exfat1.E01"), volume.ExFAT)
	f := openFAT(t, v, v.size)
	n := 0
	for e, err := range f.Walk(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.State == filesystem.Orphan {
			if n++; !strings.HasPrefix(e.Names[0].Path, "?/cluster ") || e.Names[0].Proof != "unknown" {
				t.Errorf("%+v", e)
			}
			if ref, _, err := f.LookupDeleted(t.Context(), e.Names[0].Path); err != nil || ref != e.Ref {
				t.Errorf("%s: %v %v", e.Names[0].Path, ref, err)
			}
		}
	}
	if n < 20 { // fls shows the same files in $OrphanFiles
		t.Errorf("%d orphans", n)
	}
}
