package ntfs

import (
	"bytes"
	"testing"
)

// The descriptors that Windows wrote: every id of the index is in the store,
// every file's id as well, and each store has as many as fsntfsinfo 20200921
// -F '/$Secure' leads to ($SII of the volume).
func TestSecurity(t *testing.T) {
	for rel, want := range map[string]struct {
		off int64
		ids int
	}{
		"images/ntfs/ntfs-samples/ntfs-si-vs-fn.E01":   {65536, 10},
		"images/ntfs/ntfs-samples/ntfs-lastaccess.E01": {65536, 13},
		"images/ntfs/dfir_ntfs/ntfs_index.raw":         {65536, 14},
		"images/vss/ntfs-samples/ntfs.qcow2":           {1048576, 16},
	} {
		c := imageAt(t, rel, want.off)
		s, ok, err := c.Security()
		if !ok || err != nil || len(s.Damage()) > 0 {
			t.Fatalf("%s: %v, %v, %v", rel, ok, err, s.Damage())
		}
		ids := map[uint32]bool{}
		f, _ := c.File(secureRecord)
		for v, err := range f.view("$SII") {
			if err != nil || len(v.key) != 4 || len(v.data) != 20 {
				t.Fatalf("%s: %v, %v", rel, v, err)
			}
			ids[uint32(v.key[0])|uint32(v.key[1])<<8] = true
		}
		if len(ids) != s.Len() || s.Len() != want.ids {
			t.Errorf("%s: %d ids in $SII, %d descriptors, want %d", rel, len(ids), s.Len(), want.ids)
		}
		for id, err := range c.MissingDescriptors(s) {
			t.Errorf("%s: id %d missing, %v", rel, id, err)
		}
		for f := range c.Files() {
			i, ok := f.Info()
			if !ok || i.SecurityID == 0 || !f.InUse() {
				continue
			}
			b, ok, err := s.Descriptor(i.SecurityID)
			if !ok || err != nil || sdsHash(b) != s.ids[i.SecurityID].hash {
				t.Errorf("%s: entry %d, id %d: %v, %v", rel, f.n, i.SecurityID, ok, err)
			}
		}
	}
}

// A descriptor that is damaged is read from its copy 256 KiB further on; with
// both gone its id is missing, and that is told.
func TestSecurityCopy(t *testing.T) {
	whole := smallVolume(t)
	c := scan(t, bytes.NewReader(whole), int64(len(whole)))
	s, ok, err := c.Security()
	if !ok || err != nil || s.Len() == 0 {
		t.Fatalf("%v, %v", ok, err)
	}
	for id, e := range s.ids {
		want, _, _ := s.Descriptor(id)
		b := bytes.Clone(whole)
		b[s.rd.DiskOffset(e.off+sdsHead)] ^= 1
		c := scan(t, bytes.NewReader(b), int64(len(b)))
		again, _, _ := c.Security()
		if got, ok, err := again.Descriptor(id); !ok || err != nil || !bytes.Equal(got, want) || again.ids[id].off != e.off+sdsBlock {
			t.Errorf("id %d: %v, %v, at %#x", id, ok, err, again.ids[id].off)
		}
		b[s.rd.DiskOffset(e.off+sdsBlock+sdsHead)] ^= 1
		c = scan(t, bytes.NewReader(b), int64(len(b)))
		again, _, _ = c.Security()
		missing := 0
		for x := range c.MissingDescriptors(again) {
			if x == id {
				missing++
			}
		}
		if missing != 1 || again.Len() != s.Len()-1 {
			t.Errorf("id %d: missing %d times, %d of %d left", id, missing, again.Len(), s.Len())
		}
		break
	}
}
