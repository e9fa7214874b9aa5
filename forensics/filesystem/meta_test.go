package filesystem_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/volume"
)

func metaRows(t *testing.T, n *filesystem.NTFS) (out []string) {
	t.Helper()
	for m, err := range n.Meta(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimRight(fmt.Sprintf("%s %s %d %s", m.What, m.Value, m.Ref.Entry, m.Fault), " "))
	}
	return out
}

func sum(t *testing.T, n *filesystem.NTFS, what string) filesystem.CoverageLine {
	t.Helper()
	lines, err := n.Coverage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(lines, func(l filesystem.CoverageLine) bool { return l.What == what })
	if i < 0 {
		t.Fatalf("no line %s", what)
	}
	return lines[i]
}

// TestMeta: make-moved.sh gave two files an object id and two directories a
// junction.
func TestMeta(t *testing.T) {
	b := image(t, "moved.img.bz2")
	n := open(t, b)
	rows := metaRows(t, n)
	entry := func(path string) uint64 { return lookup(t, n, path).Entry }
	for _, want := range []string{
		"volume moved 0",
		fmt.Sprint("object id 04030201-0605-0807-090a-0b0c0d0e0f10 ", entry("object")),
		fmt.Sprint("object id 05040302-0706-0908-0a0b-0c0d0e0f1011 ", entry("moved")),
		fmt.Sprint("reparse point 0xa0000003 ", entry("junction")),
		fmt.Sprint("reparse point 0xa0000003 ", entry("long junction")),
	} {
		if !slices.Contains(rows, want) {
			t.Errorf("no %q in %q", want, rows)
		}
	}
	for _, what := range []string{"object ids in $ObjId", "reparse points in $Reparse"} {
		if l := sum(t, n, what); l.Verdict != filesystem.Holds || l.Count != 2 {
			t.Errorf("%+v", l)
		}
	}
	// One file is taken out of use behind the back of the index.
	p := patched{bytes.NewReader(b), int64(len(b)), map[int64]byte{}}
	gone := lookup(t, n, "object")
	p.field(t, n, gone, 22, 0)
	n = p.open(t)
	if rows := metaRows(t, n); !slices.Contains(rows, fmt.Sprintf("object id 04030201-0605-0807-090a-0b0c0d0e0f10 %d the entry is not in use", gone.Entry)) {
		t.Errorf("%q", rows)
	}
	if l := sum(t, n, "object ids in $ObjId"); l.Verdict != filesystem.Differs || !strings.Contains(l.Detail, fmt.Sprintf("not in use, has none: %d", gone.Entry)) {
		t.Errorf("%+v", l)
	}
}

// TestObjectIDTime: Python's uuid module reads the same time and node.
func TestObjectIDTime(t *testing.T) {
	v := volumeOf(t, corpus.Path(t, "images/ntfs/dfir_ntfs/ntfs_index.raw"), volume.NTFS)
	for m, err := range v.open(t).Meta(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Value != "4805add1-7318-11e9-bde3-525400123456" {
			continue
		}
		if m.Time.String() != "2019-05-10T11:39:33.6251857Z" || !strings.HasPrefix(m.Detail, "made on the machine with network address 52:54:00:12:34:56, birth volume c5fc9cb8-61b3-4acc-8d96-ba6aabec0ce1") {
			t.Errorf("%s %s", m.Time, m.Detail)
		}
		return
	}
	t.Error("not found")
}

// TestJournalMade changes $Max of the fixture, which stands in its entry: maximum
// size, allocation delta, id, lowest USN.
func TestJournalMade(t *testing.T) {
	row := func(p patched) filesystem.Meta {
		for m, err := range p.open(t).Meta(t.Context()) {
			if err == nil && m.What == "change journal" {
				return m
			}
		}
		t.Fatal("no row")
		return filesystem.Meta{}
	}
	p := fixtureVolume(t)
	n := p.open(t)
	f, _ := n.Catalog().File(lookup(t, n, "$Extend/$UsnJrnl").Entry)
	var at int64
	if s, ok := f.Stream("$Max"); ok {
		for x := range s.Extents() {
			at = x.Disk
		}
	}
	if at <= 0 {
		t.Fatal("no $Max")
	}
	put := func(off int64, v uint64) {
		size := int64(8)
		if off == 24 { // its last two bytes are the end of a stride: fixups
			size = 6
		}
		for i := range size {
			p.bytes[at+off+i] = byte(v >> (8 * i))
		}
	}
	if m := row(p); !strings.Contains(m.Fault, "begins later than its size asks for") || !strings.Contains(m.Detail, "begins at USN 60817408, the next is 60895840") {
		t.Errorf("%+v", m)
	}
	put(24, 0)
	if m := row(p); m.Fault != "" {
		t.Errorf("%+v", m)
	}
	put(16, 129577536000000000) // 2011-08-14
	if m := row(p); !strings.Contains(m.Fault, "made later than the volume") || m.Time.String() != "2011-08-14T00:00:00.0000000Z" {
		t.Errorf("%+v", m)
	}
	put(16, 0)
	if m := row(p); !strings.Contains(m.Fault, "cannot be read") {
		t.Errorf("%+v", m)
	}
}
