// Package securitydescriptor decodes self-relative security descriptors, as
// NTFS and the registry keep them: owner, group, and the lists of who may do
// what.
//
// Source: [MS-DTYP] 2.4.2 (SID), 2.4.4 (ACE), 2.4.5 (ACL), 2.4.6 (descriptor).
//
// Conditions of callback ACEs and resource attributes are kept as bytes, not
// evaluated.
package securitydescriptor

import (
	"strconv"

	"kanshiki/parsers/internal/cursor"
)

// Control bits of a descriptor.
const (
	DACLPresent   = 0x0004
	SACLPresent   = 0x0010
	DACLProtected = 0x1000
	SelfRelative  = 0x8000
)

// Descriptor is a decoded security descriptor.
type Descriptor struct {
	Revision uint8
	Control  uint16
	Owner    SID // "" for none
	Group    SID
	DACL     *ACL // nil where DACLPresent is not set, and for the null list that gives all rights to all
	SACL     *ACL
}

// ACL is a list of entries in their order, which counts.
type ACL struct {
	Revision uint8
	Entries  []ACE
}

// SID is a security identifier in text: S-1-5-18.
type SID string

// ACE is one entry of a list.
type ACE struct {
	Type  uint8
	Flags uint8
	Mask  uint32
	SID   SID
	Off   int // in the descriptor
	// ObjectType and InheritedType are set where the type is an object's and
	// the entry has them.
	ObjectType, InheritedType *[16]byte
	More                      []byte // behind the SID: a condition, a resource attribute
}

// Types of entries.
const (
	Allow               = 0x00
	Deny                = 0x01
	Audit               = 0x02
	AllowObject         = 0x05
	DenyObject          = 0x06
	AuditObject         = 0x07
	AllowCallback       = 0x09
	DenyCallback        = 0x0A
	AllowCallbackObject = 0x0B
	DenyCallbackObject  = 0x0C
	MandatoryLabel      = 0x11
)

// Flags of an entry.
const (
	InheritOnly = 0x08 // counts for what is below, not here
	Inherited   = 0x10
)

// maxACEs bounds the entries of a list; 64 KiB hold no more.
const maxACEs = 65536 / 8

// Parse decodes a descriptor. What could be decoded is given beside the error.
func Parse(b []byte) (*Descriptor, error) {
	c := cursor.New(b)
	d := &Descriptor{Revision: c.U8("revision")}
	c.Skip(1, "resource manager control")
	d.Control = c.U16("control")
	owner, group := int64(c.U32("owner")), int64(c.U32("group"))
	sacl, dacl := int64(c.U32("SACL")), int64(c.U32("DACL"))
	if c.Err() != nil {
		return d, c.Err()
	}
	if d.Revision != 1 || d.Control&SelfRelative == 0 {
		return d, cursor.Errorf(0, "no self-relative descriptor: revision %d, control %#x", d.Revision, d.Control)
	}
	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	for _, x := range []struct {
		at  int64
		sid *SID
	}{{owner, &d.Owner}, {group, &d.Group}} {
		if x.at == 0 {
			continue
		}
		if x.at >= int64(len(b)) {
			keep(cursor.Errorf(x.at, "SID outside %d bytes", len(b)))
			continue
		}
		s, _, err := ParseSID(b[x.at:])
		keep(cursor.AddBase(err, x.at))
		*x.sid = s
	}
	for _, x := range []struct {
		at  int64
		bit uint16
		acl **ACL
	}{{dacl, DACLPresent, &d.DACL}, {sacl, SACLPresent, &d.SACL}} {
		if d.Control&x.bit == 0 || x.at == 0 {
			continue
		}
		if x.at >= int64(len(b)) {
			keep(cursor.Errorf(x.at, "ACL outside %d bytes", len(b)))
			continue
		}
		acl, err := parseACL(b, int(x.at))
		keep(err)
		*x.acl = acl
	}
	return d, first
}

// ParseSID decodes a SID at the beginning of b and tells its length.
func ParseSID(b []byte) (SID, int, error) {
	c := cursor.New(b)
	rev, n := c.U8("SID revision"), int(c.U8("count"))
	high, low := c.U16BE("authority"), c.U32BE("authority")
	if c.Err() == nil && (rev != 1 || n > 15) {
		c.Fail("SID: revision %d, %d sub authorities", rev, n)
	}
	text := append(make([]byte, 0, 64), "S-1-"...)
	if high == 0 {
		text = strconv.AppendUint(text, uint64(low), 10)
	} else {
		text = strconv.AppendUint(append(text, "0x"...), uint64(high)<<32|uint64(low), 16)
	}
	for range n {
		text = strconv.AppendUint(append(text, '-'), uint64(c.U32("sub authority")), 10)
	}
	if c.Err() != nil {
		return "", 0, c.Err()
	}
	return SID(text), c.Off(), nil
}

// parseACL decodes the list at a place of the descriptor. It ends at the first
// entry that does not fit, since sizes chain.
func parseACL(b []byte, at int) (*ACL, error) {
	c := cursor.At(b[at:], int64(at))
	l := &ACL{Revision: c.U8("ACL revision")}
	c.Skip(1, "padding")
	size := int(c.U16("ACL size"))
	count := int(c.U16("entries"))
	c.Skip(2, "padding")
	if c.Err() != nil {
		return l, c.Err()
	}
	if size < 8 || size > len(b)-at || count > maxACEs {
		return l, cursor.Errorf(int64(at), "ACL of %d bytes with %d entries, have %d bytes", size, count, len(b)-at)
	}
	p := 8
	for range count {
		if p+8 > size {
			return l, cursor.Errorf(int64(at+p), "ACE: %d of %d entries", len(l.Entries), count)
		}
		h := b[at+p:]
		n := int(h[2]) | int(h[3])<<8
		if n < 8 || n > size-p {
			return l, cursor.Errorf(int64(at+p), "ACE of %d bytes, have %d", n, size-p)
		}
		a, err := parseACE(h[:n], at+p)
		l.Entries = append(l.Entries, a)
		if err != nil {
			return l, err
		}
		p += n
	}
	return l, nil
}

func parseACE(b []byte, off int) (ACE, error) {
	c := cursor.At(b, int64(off))
	a := ACE{Type: c.U8("type"), Flags: c.U8("flags"), Off: off}
	c.Skip(2, "size")
	a.Mask = c.U32("mask")
	switch a.Type {
	case AllowObject, DenyObject, AuditObject, AllowCallbackObject, DenyCallbackObject:
		flags := c.U32("object flags")
		for _, x := range []struct {
			bit uint32
			to  **[16]byte
		}{{1, &a.ObjectType}, {2, &a.InheritedType}} {
			if g := c.Take(int(flags&x.bit/x.bit)*16, "object type"); len(g) == 16 {
				*x.to = (*[16]byte)(g)
			}
		}
	}
	rest := c.Take(c.Left(), "SID")
	if c.Err() != nil {
		return a, c.Err()
	}
	s, n, err := ParseSID(rest)
	if err != nil {
		return a, cursor.AddBase(err, int64(off+len(b)-len(rest)))
	}
	a.SID, a.More = s, rest[n:]
	return a, nil
}
