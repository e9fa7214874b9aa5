package filesystem_test

import (
	"bytes"
	"io"
	"testing"

	"kanshiki/parsers/securitydescriptor"
)

// TestReaders changes the one entry of a list, which allows everything to
// Everyone, and asks who may read.
func TestReaders(t *testing.T) {
	everyone := []byte{1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}
	const aceHead = 8 // type, flags, size, mask
	for _, c := range []struct {
		name        string
		kind, flags byte
		mask        byte // its lowest byte
		may, doubt  bool
	}{
		{"allow", securitydescriptor.Allow, 0, 0xFF, true, false},
		{"deny", securitydescriptor.Deny, 0, 0xFF, false, false},
		{"allow on a condition", securitydescriptor.AllowCallback, 0, 0xFF, false, true},
		{"write only", securitydescriptor.Allow, 0, 0xFE, false, false},
		{"below only", securitydescriptor.Allow, securitydescriptor.InheritOnly, 0xFF, false, false},
	} {
		p := fixtureVolume(t)
		n := p.open(t)
		ref := lookup(t, n, "Windows/System32/drivers/etc/hosts")
		f, _ := n.Catalog().File(ref.Entry)
		rec := make([]byte, 1024)
		if _, err := io.NewSectionReader(p, f.Offset(), 1024).ReadAt(rec, 0); err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(rec, everyone)
		if at < aceHead {
			t.Fatal("no such entry in the record")
		}
		ace := f.Offset() + int64(at) - aceHead
		p.bytes[ace], p.bytes[ace+1], p.bytes[ace+4] = c.kind, c.flags, c.mask
		a, ok, err := p.open(t).Access(ref)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		r := a.Readers()
		if !c.may && !c.doubt {
			if len(r) != 0 {
				t.Errorf("%s: %+v", c.name, r)
			}
			continue
		}
		if len(r) != 1 || r[0].SID != "S-1-1-0" || r[0].Condition != c.doubt {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}
