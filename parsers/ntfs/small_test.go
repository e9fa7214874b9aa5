package ntfs

import (
	"bytes"
	"compress/bzip2"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"kanshiki/parsers/internal/utf16"
)

// smallVolume is the volume that testdata/make-small.sh made.
func smallVolume(t testing.TB) []byte { return unpack(t, "testdata/small.img.bz2") }

func unpack(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
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

func scan(t testing.TB, r io.ReaderAt, size int64) *Catalog {
	t.Helper()
	v, err := Open(r, size, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Scan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type smallRow struct{ state, path, stream, size, sha256 string }

func smallTruth(t testing.TB) []smallRow {
	t.Helper()
	b, err := os.ReadFile("testdata/small.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var out []smallRow
	for _, line := range strings.Split(strings.TrimRight(string(b), "\n"), "\n")[1:] {
		f := strings.Split(line, "\t")
		out = append(out, smallRow{f[0], f[1], f[2], f[3], f[4]})
	}
	return out
}

func TestSmallVolume(t *testing.T) {
	b := smallVolume(t)
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	if f := c.Volume().Findings(); len(f) > 0 || len(c.Damage()) > 0 {
		t.Errorf("findings %v, damage %v", f, c.Damage())
	}
	want := map[smallRow]bool{}
	for _, r := range smallTruth(t) {
		want[r] = true
	}
	const firstUser = 64
	for f := range c.Files() {
		if f.Ref().Record() < firstUser {
			continue
		}
		for l := range f.Links() {
			p, proof := l.PathString()
			for s := range f.Streams() {
				r := smallRow{f.State().String(), p, utf16.String(s.Name()), fmt.Sprint(s.Size()), hashStream(t, s)}
				if want[r] {
					delete(want, r)
				} else if f.State() == Live && !strings.HasPrefix(p, "$Extend/") {
					t.Errorf("not in the table: %+v", r)
				}
				if f.State() == Live && proof != ProofLive || proof > ProofPlusOne {
					t.Errorf("%s: %v", p, proof)
				}
			}
		}
	}
	for r := range want {
		t.Errorf("missing: %+v", r)
	}
	info, err := c.Volume().Info()
	if err != nil || info.Label != "small volume" || info.Major != 3 || info.Minor != 1 {
		t.Errorf("%+v, %v", info, err)
	}
}

// first.txt was deleted and keeper.txt was written into its clusters.
func TestSmallOverwritten(t *testing.T) {
	b := smallVolume(t)
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	found := false
	for f := range c.Files() {
		l, ok := f.Primary()
		if !ok || f.State() != Deleted || utf16.String(l.Name()) != "first.txt" {
			continue
		}
		found = true
		s, _ := f.Stream("")
		var reused int64 // by keeper.txt; one cluster went to the journal
		for _, r := range s.Remnants() {
			if o, ok := c.Lookup(r.Owner); ok && r.Fate == Reused {
				if ol, _ := o.Primary(); utf16.String(ol.Name()) == "keeper.txt" {
					reused += r.Len
				}
			}
		}
		if reused == 0 {
			t.Errorf("nothing reused: %+v", s.Remnants())
		}
	}
	if !found {
		t.Error("first.txt is not in the catalogue")
	}
}

func TestSmallJournal(t *testing.T) {
	b := smallVolume(t)
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	j, ok, err := c.Journal()
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	if j.MaxSize != 1<<20 || j.ID != 129000000000000000 {
		t.Errorf("%+v", j)
	}
	want := []string{
		"65536 Folder live", // the proof is that of the directory, here the root
		"65608 Folder/New folder live",
		"65688 Folder/New folder/inside.tmp usn",
		"65768 Folder/New folder/inside.tmp usn",
		"65848 Folder/New folder/inside.txt usn",
		"65928 Folder/New folder live",
		"66008 Folder/Sub Folder live",
		"66088 Folder/Sub Folder/inside.txt live",
		"66168 ?/8888-3/lost.exe unknown",
	}
	h := j.History()
	i := 0
	for r, err := range j.Records() {
		if err != nil {
			t.Fatal(err)
		}
		p, proof := h.Path(nil, r)
		if got := fmt.Sprint(r.USN, " ", utf16.String(p), " ", proof); i >= len(want) || got != want[i] {
			t.Errorf("record %d: %s", i, got)
		}
		i++
	}
	if i != len(want) {
		t.Errorf("%d records", i)
	}
}

// The place of a resident stream is that of its bytes, also behind a name.
func TestResidentPlace(t *testing.T) {
	b := smallVolume(t)
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	named := 0
	for f := range c.Files() {
		for s := range f.Streams() {
			if !s.Resident() || s.Size() == 0 || !f.InUse() {
				continue
			}
			rd, err := s.Open(0)
			if err != nil {
				t.Fatal(err)
			}
			want := make([]byte, min(s.Size(), 16))
			if _, err := rd.ReadAt(want, 0); err != nil && err != io.EOF {
				t.Fatal(err)
			}
			for x := range s.Extents() {
				got := bytes.Clone(b[x.Disk : x.Disk+int64(len(want))])
				for i := range got {
					if (x.Disk+int64(i))%512 >= 510 { // the update sequence stands there
						got[i] = want[i]
					}
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%v %x: %q at %#x, want %q", f.Ref(), s.Name(), got, x.Disk, want)
				}
			}
			if len(s.Name()) > 0 {
				named++
			}
		}
	}
	if named == 0 {
		t.Error("no named one")
	}
}
