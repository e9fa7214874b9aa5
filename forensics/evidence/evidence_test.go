package evidence_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/evidence/evidencetest"
)

func opener(path string) evidencetest.Opener {
	return func(o evidence.Opener) (evidence.Image, error) {
		e, err := evidence.OpenImage(context.Background(), path, evidence.Options{Opener: o})
		if err != nil {
			return nil, err
		}
		return e.Image, nil
	}
}

// media are the bytes that the images in parsers/ewf/testdata hold, by the
// generator that their ORIGIN.md names.
func media(t testing.TB) []byte {
	t.Helper()
	x := uint32(0x2545F491)
	next := func() uint32 {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		return x
	}
	var b []byte
	for range 8192 {
		b = binary.LittleEndian.AppendUint32(b, next())
	}
	for len(b) < 65536 {
		b = fmt.Appendf(b, "line %06d of a text that compresses well\n", len(b))
	}
	b = append(b[:65536], make([]byte, 32768)...)
	for len(b) < 102400 {
		b = append(b, byte(next()&7))
	}
	if sum := md5.Sum(b); hex.EncodeToString(sum[:]) != "f5634d95274d69e115c4d6f0be1331bb" { // as ewfacquire stored it
		t.Fatal("the generator does not give the media")
	}
	return b
}

func TestImages(t *testing.T) {
	want := media(t)
	large := bytes.Repeat(want, 12)[:1<<20+512]
	dir := t.TempDir()
	put := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("disk.dd", large)
	for i := range 5 { // as split(1) makes them
		part := want[i*20480 : (i+1)*20480]
		put(fmt.Sprintf("split.%03d", i+1), part)
		put("letters.a"+string(rune('a'+i)), part)
	}
	for _, c := range []struct {
		name, path string
		want       []byte
	}{
		{"raw", filepath.Join(dir, "disk.dd"), large},
		{"split", filepath.Join(dir, "split.003"), want}, {"letters", filepath.Join(dir, "letters.aa"), want},
		{"E01", samples + "encase6.E01", want}, {"EnCase 1", samples + "encase1.E01", want},
		{"EWF", samples + "ewf.e01", want}, {"SMART", samples + "smart.s01", want}, {"EWF-X", samples + "ewfx.e01", want},
	} {
		t.Run(c.name, func(t *testing.T) { evidencetest.Run(t, opener(c.path), c.want) })
	}
}

// A set of 25 segments of the corpus.
func TestSet(t *testing.T) {
	path := corpus.Path(t, "images/made/ewf/seg-none.E07")
	want, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Run(t, opener(path), want)
}

func TestSegmentNote(t *testing.T) {
	e, err := evidence.Open(context.Background(), corpus.Path(t, "images/made/ewf/many/many.EAC"), evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if want := "many.EAC is segment 102; opened the set from many.E01"; len(e.Notes) != 1 || e.Notes[0] != want {
		t.Errorf("notes %q, want %q", e.Notes, want)
	}
	if n := len(e.Image.Info().Segments); n != 108 {
		t.Errorf("%d segments", n)
	}
}

func TestExhibitIsTheEvidencesOwn(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile(corpus.Path(t, "images/made/ewf/encase6.E01"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, name := range []string{"a.E01", "other.E01"} {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := evidence.Open(context.Background(), p, evidence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.Exhibit)
		e.Close()
	}
	if ids[0] != ids[1] || len(ids[0]) != 12 {
		t.Errorf("exhibits %q", ids)
	}
	e, err := evidence.Open(context.Background(), filepath.Join(dir, "a.E01"), evidence.Options{Exhibit: "2011-083/4 Disk"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Exhibit != "2011-083-4-disk" {
		t.Errorf("given exhibit became %q", e.Exhibit)
	}
}

func write(t *testing.T, name, data string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, path, want string }{
		{"folder", t.TempDir(), "is a folder, not an image"},
		{"empty", write(t, "disk.E01", ""), "is empty"},
		{"text", write(t, "notes.txt", "This is not an image, it is a text that says so."), "no image, volume or file system that I know (it begins with 54 68 69 73)"},
		{"nothing", filepath.Join(t.TempDir(), "missing.E01"), "no such file"},
		{"cut signature", write(t, "x.E01", "EVF\x09\x0d\x0a\xff\x00\x01"), "segment number"},
		{"only a header", write(t, "x.E01", "EVF\x09\x0d\x0a\xff\x00\x01\x01\x00\x00\x00"), "no volume section"},
		{"zip", write(t, "x.zip", "PK\x03\x04aaaa"), "zip archive unpack it first"},
	} {
		t.Run(c.name, func(t *testing.T) { refusal(t, c.path, c.want) })
	}
}

// refusal checks that a path is refused, with a sentence, and at once.
func refusal(t *testing.T, path, want string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		e, err := evidence.OpenImage(context.Background(), path, evidence.Options{})
		if err == nil {
			e.Close()
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("hangs")
	}
}

func TestMissingPart(t *testing.T) {
	dir := t.TempDir()
	boot := make([]byte, 1024)
	boot[510], boot[511] = 0x55, 0xAA
	for _, name := range []string{"d.001", "d.002", "d.004"} {
		if err := os.WriteFile(filepath.Join(dir, name), boot, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := evidence.Open(context.Background(), filepath.Join(dir, "d.001"), evidence.Options{})
	if err == nil || !strings.Contains(err.Error(), "1 part is missing: a split image is no disk without d.003") {
		t.Errorf("error %v", err)
	}
}

// Rotated logs are named like the parts of a split image.
func TestRotatedLogs(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"proxy.log.001", "proxy.log.002", "proxy.log.003"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("line\n", 1000+i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := evidence.Open(context.Background(), filepath.Join(dir, "proxy.log.002"), evidence.Options{})
	if err != nil || e.Form != evidence.Loose {
		t.Errorf("%v, %v", e, err)
	}
}

func TestSplitOfTheCorpus(t *testing.T) {
	e, err := evidence.Open(context.Background(), corpus.Path(t, "images/raw/dfvfs/ext2.splitraw.001"), evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Form != evidence.Disk || e.Image.Size() != 4<<20 || len(e.Notes) != 1 {
		t.Errorf("%s of %d bytes, notes %q", e.Form, e.Image.Size(), e.Notes)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	os.MkdirAll(filepath.Join(dir, "C", "Windows"), 0o700)
	for _, p := range []string{"C/Windows/setupapi.log", "C/a.txt", "proxy.log"} {
		os.WriteFile(filepath.Join(dir, p), []byte(p), 0o600)
	}
	os.Symlink("/etc/passwd", filepath.Join(dir, "C", "link"))
	e, err := evidence.Open(context.Background(), dir, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, skipped, err := e.Tree.Files(context.Background())
	if err != nil || e.Form != evidence.Folder {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Path)
	}
	if got := strings.Join(names, " "); got != "C/Windows/setupapi.log C/a.txt proxy.log" {
		t.Errorf("files %q", got)
	}
	if len(skipped) != 1 {
		t.Errorf("skipped %v", skipped)
	}
	f, err := e.Tree.Open("C/a.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, f.Size())
	if f.ReadAt(b, 0); string(b) != "C/a.txt" {
		t.Errorf("content %q", b)
	}
	if _, err := e.Tree.Open("../../etc/passwd"); err == nil {
		t.Error("a path out of the evidence was opened")
	}
}

func TestDamagedSet(t *testing.T) {
	e, err := evidence.Open(context.Background(), corpus.Path(t, "images/made/ewf/bad-gap.E01"), evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	evidencetest.Ranges(t, e.Image)
	var got []evidence.Range
	for x := range e.Image.Ranges(0, e.Image.Size()) {
		got = append(got, x)
	}
	const cut = 62 * 32768
	if len(got) != 2 || got[1] != (evidence.Range{Off: cut, Len: 24<<20 - cut, Kind: evidence.Unknown}) {
		t.Errorf("ranges %v", got)
	}
	b := make([]byte, 512)
	_, err = e.Image.ReadAt(b, cut)
	if re, ok := errors.AsType[*evidence.RangeError](err); !ok || re.Ranges[0].Kind != evidence.Unknown {
		t.Errorf("error %v", err)
	}
}

// A folder that holds one set is that image.
func TestFolderOfASet(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"E01", "E02"} {
		b, err := os.ReadFile(corpus.Path(t, "images/ewf/plaso/image-split."+n))
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(dir, "PC."+n), b, 0o600)
	}
	os.WriteFile(filepath.Join(dir, "PC.E01.txt"), []byte("acquired"), 0o600)
	e, err := evidence.OpenImage(context.Background(), dir, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if e.Form != evidence.Disk || len(e.Image.Info().Segments) != 2 || len(e.Notes) != 1 {
		t.Errorf("%s, %v", e.Form, e.Notes)
	}
	e.Close()
	os.WriteFile(filepath.Join(dir, "other.dat"), []byte("x"), 0o600)
	if e, err := evidence.Open(context.Background(), dir, evidence.Options{}); err != nil || e.Form != evidence.Folder {
		t.Errorf("%v, %v", e, err)
	}
}

// Files of Windows are no disks, whatever bytes they hold where a disk would
// sign itself; the corpus also has some volumes and starts of volumes, which are.
func TestLooseFilesOfTheCorpus(t *testing.T) {
	root := corpus.Dir(t)
	n := 0
	err := filepath.WalkDir(filepath.Join(root, "artifacts"), func(p string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if in, _ := d.Info(); in.Size() == 0 {
			return nil
		}
		e, err := evidence.Open(context.Background(), p, evidence.Options{})
		if err != nil {
			if _, ok := errors.AsType[*evidence.NotAnImage](err); !ok {
				t.Errorf("%v", err)
			}
			return nil
		}
		base := strings.ToLower(filepath.Base(p))
		if e.Form == evidence.Disk && !strings.Contains(base, "boot") && !strings.HasPrefix(base, "volume_start") && base != "file_4k.bin" {
			t.Errorf("%s is opened as a disk", p)
		}
		n++
		return e.Close()
	})
	if err != nil || n < 500 {
		t.Errorf("%d files, %v", n, err)
	}
}
