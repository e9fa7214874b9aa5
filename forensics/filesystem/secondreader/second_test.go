package secondreader

import (
	"bytes"
	"compress/bzip2"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/filesystem"
	"kanshiki/parsers/ntfs"
)

func TestMain(m *testing.M) {
	Serve()
	os.Exit(m.Run())
}

// smallImage is the volume of parsers/ntfs/testdata, whose content is known.
func smallImage(t testing.TB) []byte {
	t.Helper()
	f, err := os.Open("../../../parsers/ntfs/testdata/small.img.bz2")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(bzip2.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t testing.TB, r io.ReaderAt, size int64) *filesystem.NTFS {
	t.Helper()
	n, err := filesystem.OpenNTFS(context.Background(), r, size, filesystem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// compare runs both readers and gives the differences as lines.
func compare(t testing.TB, n *filesystem.NTFS, o Options) (*Summary, []string) {
	t.Helper()
	var lines []string
	s, err := Run(context.Background(), n, o, func(d Difference) error {
		lines = append(lines, fmt.Sprintf("%d %s:%s %s %q %q %v", d.Entry, d.Path, d.Stream, d.Field, d.Ours, d.Theirs, d.Causes))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, lines
}

// The rows follow from small.tsv, which ntfs-3g wrote and icat reads, and from
// the source of go-ntfs. The three names with a freed parent and the 27 names
// in extension records are those that fls shows and go-ntfs' own tool does not.
func TestSmallVolume(t *testing.T) {
	b := smallImage(t)
	s, lines := compare(t, open(t, bytes.NewReader(b), int64(len(b))), Options{Hash: true})
	for _, want := range []string{
		`71 notes.txt:ads stream_size "441" "64" [size-64]`,
		`68 Folder: size "0" "671" [first-data]`,
		"75 \uFEFFbom: path \"\\ufeffbom\" \"戀漀洀\" [byte-order-mark]",
		`79 Folder/link number 30 of the linked file: path "Folder/link number 30 of the linked file" "" [null-list]`,
		`95 gone/deep/left.txt: path "gone/deep/left.txt" "<Err>\\<Parent 94-2 need 1>\\left.txt" [parent-freed]`,
		`12 : entry "live" "" [no-name-or-times]`,
		`0 $MFT: si_created "not set" "2185-07-21T23:34:33.709551616Z" [time-overflow]`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no row %s", want)
		}
	}
	if s.End.Kind != Complete || s.Unexplained != 0 || s.NotReached != 0 || s.OnlyTheirs != 0 || s.Hashed == 0 || s.Compared != s.Agree+s.Differ {
		t.Errorf("%+v\n%s", s, strings.Join(lines, "\n"))
	}
	if s.Reached != s.Places {
		t.Errorf("reached %d of %d", s.Reached, s.Places)
	}
	for _, k := range s.Causes {
		if k.Cause.Reason() == "" {
			t.Errorf("%s has no reason", k.Cause)
		}
	}
}

// changed is a medium that becomes another once our reader has read it.
type changed struct {
	b    []byte
	then func(p []byte, off int64) error
}

func (c *changed) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(c.b).ReadAt(p, off)
	if c.then != nil {
		if e := c.then(p[:n], off); e != nil {
			return 0, e
		}
	}
	return n, err
}

// patch makes bytes at an offset of the volume others.
func patch(at int64, with []byte) func(p []byte, off int64) error {
	return func(p []byte, off int64) error {
		for i, b := range with {
			if k := at + int64(i) - off; k >= 0 && k < int64(len(p)) {
				p[k] = b
			}
		}
		return nil
	}
}

// A difference that no known fault makes must not be given a cause: the second
// reader is shown other bytes than ours was.
func TestUnexplained(t *testing.T) {
	b := smallImage(t)
	for _, c := range []struct {
		what string
		path string // of the entry that is changed
		at   func(rec []byte) int
		with []byte
		want Field
	}{
		{"a time", "plain.txt", func(rec []byte) int { return bytes.Index(rec, []byte{0x10, 0, 0, 0}) + 24 + 8 }, []byte{1, 2, 3}, "si_modified"},
		{"a letter of a name", "plain.txt", func(rec []byte) int { return bytes.Index(rec, []byte("p\x00l\x00a\x00i\x00n\x00")) }, []byte("q"), Path},
		{"the flag of use", "plain.txt", func([]byte) int { return 22 }, []byte{0}, InUse},
		{"the sequence number", "resident.txt", func([]byte) int { return 16 }, []byte{77}, Sequence},
		{"resident content", "resident.txt", func(rec []byte) int { return bytes.Index(rec, []byte{0x80, 0, 0, 0}) + 24 + 40 }, []byte("?"), Content},
		{"a record that is gone", "plain.txt", func([]byte) int { return 28 }, []byte{0, 0}, Presence},
	} {
		t.Run(c.what, func(t *testing.T) {
			m := &changed{b: b}
			n := open(t, m, int64(len(b)))
			ref, _, err := n.Lookup(t.Context(), c.path)
			if err != nil {
				t.Fatal(err)
			}
			f, _ := n.Catalog().File(ref.Entry)
			at := f.Offset() + int64(c.at(b[f.Offset():f.Offset()+1024]))
			change := patch(at, c.with)
			page := at / pageSize * pageSize
			m.then = func(p []byte, off int64) error {
				if off == page && len(p) == pageSize { // as the child asks; our own reader takes less
					return change(p, off)
				}
				return nil
			}
			s, lines := compare(t, n, Options{Hash: true})
			hit := slices.IndexFunc(lines, func(l string) bool {
				return strings.HasPrefix(l, fmt.Sprintf("%d ", ref.Entry)) && strings.Contains(l, ": "+string(c.want)+" ") && strings.HasSuffix(l, "[not-known]")
			})
			if hit < 0 || s.Unexplained == 0 {
				t.Errorf("%+v\n%s", s, strings.Join(lines, "\n"))
			}
		})
	}
}

// Bytes that cannot be read are told to the second reader as errors, counted,
// and lose it the entries that lie there.
func TestUnreadable(t *testing.T) {
	b := smallImage(t)
	m := &changed{b: b}
	n := open(t, m, int64(len(b)))
	ref, _, err := n.Lookup(t.Context(), "plain.txt")
	if err != nil {
		t.Fatal(err)
	}
	f, _ := n.Catalog().File(ref.Entry)
	bad := f.Offset()
	m.then = func(p []byte, off int64) error {
		if off < bad+512 && bad < off+int64(len(p)) && (len(p) == pageSize || len(p) == sectorSize) {
			return errors.New("medium error")
		}
		return nil
	}
	s, lines := compare(t, n, Options{})
	if s.BadBytes != sectorSize || s.End.Kind != Complete || !slices.ContainsFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, fmt.Sprintf(`%d plain.txt: entry "live" ""`, ref.Entry))
	}) {
		t.Errorf("%+v\n%s", s, strings.Join(lines, "\n"))
	}
}

// endless is the small volume on a medium of a tebibyte, with a file that says
// it has half of that and nothing written: the second reader hashes zeros for
// minutes.
func endless(t *testing.T) *filesystem.NTFS {
	b := smallImage(t)
	n := open(t, bytes.NewReader(b), int64(len(b)))
	ref, _, err := n.Lookup(t.Context(), "plain.txt")
	if err != nil {
		t.Fatal(err)
	}
	f, _ := n.Catalog().File(ref.Entry)
	rec := b[f.Offset() : f.Offset()+1024]
	data := rec[bytes.Index(rec, []byte{0x80, 0, 0, 0}):]
	binary.LittleEndian.PutUint64(data[48:], 1<<39)
	binary.LittleEndian.PutUint64(data[56:], 0)
	return open(t, &changed{b: b}, 1<<40)
}

// Limits end the child, and what it gave until then stands.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		what string
		o    Options
		kind EndKind
		says string
	}{
		{"time", Options{Time: 2 * time.Second}, Stopped, "the time limit"},
		{"bytes", Options{Bytes: pageSize}, Stopped, "the limit of bytes read"},
		{"memory", Options{Memory: 1 << 10}, Died, "memory limit"},
		{"processor", Options{CPU: time.Second}, Died, "processor time limit"},
	} {
		t.Run(c.what, func(t *testing.T) {
			n := endless(t)
			c.o.Hash = true
			begin := time.Now()
			s, _ := compare(t, n, c.o)
			if s.End.Kind != c.kind || s.End.Reason != c.says || s.NotReached == 0 {
				t.Errorf("%+v", s)
			}
			if s.End.Repeatable == (c.what == "time" || c.what == "processor") {
				t.Errorf("repeatable: %v", s.End.Repeatable)
			}
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	b := smallImage(t)
	n := open(t, bytes.NewReader(b), int64(len(b)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, n, Options{}, func(Difference) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	full := errors.New("no room for rows")
	if _, err := Run(t.Context(), n, Options{}, func(Difference) error { return full }); err != full {
		t.Error(err)
	}
}

// forge makes the volume one of those on which go-ntfs by itself has no end.
func TestForgedInHand(t *testing.T) {
	whole := smallImage(t)
	mft := open(t, bytes.NewReader(whole), int64(len(whole)))
	entry, _ := mft.Catalog().File(0)
	data := entry.Offset() + int64(bytes.Index(whole[entry.Offset():entry.Offset()+1024], []byte{0x80, 0, 0, 0}))
	for _, c := range []struct {
		what string
		at   int64
		with []byte
		kind EndKind
		says string
	}{
		{"record size of 0 for go-ntfs", 0x40, []byte{0x80}, Refused, "it reads a record size of 0 from the boot sector"},
		{"$MFT of a petabyte", data + 48, []byte{0, 0, 0, 0, 0, 0, 4, 0}, Endless, "it takes the $MFT for 1125899906842624 bytes"},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := slices.Clone(whole)
			copy(b[c.at:], c.with)
			s, lines := compare(t, open(t, bytes.NewReader(b), int64(len(b))), Options{})
			if s.End.Kind != c.kind || !strings.HasPrefix(s.End.Reason, c.says) || !s.End.Repeatable || s.Unexplained > 0 {
				t.Errorf("%+v\n%s", s, strings.Join(lines, "\n"))
			}
			if c.kind == Endless && (s.NotReached > 0 || s.Compared < 40) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestForgedVolumes compares on the volumes of build-ntfs-volume --forge KIND:
// whatever they do to go-ntfs, the parent goes on and no difference is without
// a cause. KANSHIKI_NTFS_FORGED names their folder.
func TestForgedVolumes(t *testing.T) {
	dir := os.Getenv("KANSHIKI_NTFS_FORGED")
	if dir == "" {
		t.Skip("no forged volumes: KANSHIKI_NTFS_FORGED names a folder of them")
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.img"))
	if len(names) == 0 {
		t.Fatal("no volumes in ", dir)
	}
	ends := map[string]EndKind{"bootrec": Refused, "bootspc": Refused, "bootmft": Refused, "mftsize": Endless, "mftrun": Endless}
	for _, name := range names {
		kind := strings.TrimSuffix(filepath.Base(name), ".img")
		t.Run(kind, func(t *testing.T) {
			s := compareFile(t, name)
			want := Complete
			if e, ok := ends[kind]; ok {
				want = e
			}
			if s.End.Kind != want {
				t.Errorf("ended as %s, not %s: %s", s.End.Kind, want, s.End.Reason)
			}
		})
	}
}

// TestBuiltVolumes compares on volumes of build-ntfs-volume, which
// KANSHIKI_NTFS_SMALL names with ":" between.
func TestBuiltVolumes(t *testing.T) {
	v := os.Getenv("KANSHIKI_NTFS_SMALL")
	if v == "" {
		t.Skip("no built volume: KANSHIKI_NTFS_SMALL names one made by build-ntfs-volume")
	}
	for _, name := range strings.Split(v, ":") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			// Clusters over 64 KiB it refuses: notes of its IsValid.
			if s := compareFile(t, name); s.End.Kind != Complete && !strings.Contains(s.End.Reason, "Invalid cluster size") {
				t.Errorf("%+v", s)
			}
		})
	}
}

func compareFile(t *testing.T, name string) *Summary {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	s, lines := compare(t, open(t, f, st.Size()), Options{Hash: true})
	if s.Unexplained > 0 {
		for _, l := range lines {
			if strings.HasSuffix(l, "[not-known]") {
				t.Errorf("%.300s", l)
			}
		}
	}
	t.Logf("%d entries compared, %d agree, %d differ in %d values; %s %s", s.Compared, s.Agree, s.Differ, s.Differences, s.End.Kind, s.End.Reason)
	return s
}

// Volumes that others made. Those in containers are compared in cmd/ks-walk.
func TestCorpusVolumes(t *testing.T) {
	for _, name := range []string{"images/ntfs/colinfinck/testfs1", "images/ntfs/util-linux/ntfs.img", "images/ntfs/dfir_ntfs/ntfs_index.raw"} {
		t.Run(name, func(t *testing.T) {
			if s := compareVolume(t, corpus.Path(t, name)); s.End.Kind != Complete || s.Compared < 10 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// compareVolume finds the NTFS volume in a raw image by its boot sector.
func compareVolume(t *testing.T, name string) *Summary {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for off := 0; off+512 <= len(b); off += 512 {
		if ntfs.Recognize(b[off : off+512]) {
			s, lines := compare(t, open(t, bytes.NewReader(b[off:]), int64(len(b)-off)), Options{Hash: true})
			if s.Unexplained > 0 {
				t.Error(strings.Join(lines, "\n"))
			}
			return s
		}
	}
	t.Fatal("no NTFS volume")
	return nil
}
