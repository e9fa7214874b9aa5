package ntfs

import (
	"bytes"
	"encoding/binary"
	"testing"

	"kanshiki/parsers/internal/utf16"
)

// named finds a file of the root directory.
func named(t *testing.T, c *Catalog, name string) File {
	t.Helper()
	root, _ := c.File(RootRecord)
	for l, f := range root.Children() {
		if utf16.String(l.Name()) == name {
			return f
		}
	}
	t.Fatalf("no %s", name)
	return File{}
}

// TestMoved: attributes that stand in an extension record, or in clusters, are
// the file's as much as others. ntfsinfo shows where ntfs-3g put them.
func TestMoved(t *testing.T) {
	b := unpack(t, "testdata/moved.img.bz2")
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	for _, name := range []string{"junction", "long junction"} { // $REPARSE_POINT in clusters
		if f := named(t, c, name); f.ReparseTag() != TagMountPoint || !f.HasReparse() {
			t.Errorf("%s: tag %#x", name, f.ReparseTag())
		}
	}
	if r, ok, err := named(t, c, "junction").Reparse(); !ok || err != nil || r.Print != `C:\Windows` {
		t.Errorf("%+v, %v", r, err)
	}
	for name, first := range map[string]byte{"object": 1, "moved": 2} { // in the base record, in another
		o, ok, err := named(t, c, name).ObjectID()
		if !ok || err != nil || o.ID[0] != first || o.ID[15] != first+15 {
			t.Errorf("%s: %v %v %v", name, o, ok, err)
		}
	}
	if eas, err := named(t, c, "ea").EAs(); err != nil || len(eas) != 1 || eas[0].Name != "HELLO" || len(eas[0].Value) != 200 {
		t.Errorf("%v, %v", eas, err)
	}
	if len(c.Damage()) > 0 {
		t.Error(c.Damage())
	}
}

// TestMovedWOF makes the object id in an extension record a reparse point of
// WOF: the clusters of such a file are not its content.
func TestMovedWOF(t *testing.T) {
	b := unpack(t, "testdata/moved.img.bz2")
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	f := named(t, c, "moved")
	le := binary.LittleEndian
	for n := range f.records() {
		rec, err := c.v.Record(uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		for a := range rec.Attrs(nil) {
			at := rec.Off + int64(a.Off)
			switch a.Type {
			case AttrObjectID:
				if n == f.n {
					t.Fatal("it stands in the base record")
				}
				le.PutUint32(b[at:], uint32(AttrReparsePoint))
				le.PutUint32(b[at+24:], TagWOF)
				le.PutUint32(b[at+28:], 8)
				copy(b[at+32:], []byte{1, 0, 0, 0, 1, 0, 0, 0}) // of a WIM archive
			case AttrAttributeList:
				runs, _ := decodeRuns(nil, a.RunList, 0, a.HighVCN, 1, c.v.clusters)
				list := b[runs[0].LCN*int64(c.v.geo.ClusterSize):][:a.Size]
				for len(list) > 0 {
					if list[0] == byte(AttrObjectID) {
						list[0] = byte(AttrReparsePoint)
					}
					list = list[le.Uint16(list[4:]):]
				}
			}
		}
	}
	f = named(t, scan(t, bytes.NewReader(b), int64(len(b))), "moved")
	if s, ok := f.Stream(""); f.ReparseTag() != TagWOF || !ok || s.Elsewhere() == "" {
		t.Errorf("tag %#x, %v", f.ReparseTag(), ok)
	}
}
