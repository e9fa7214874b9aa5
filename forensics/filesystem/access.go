package filesystem

import (
	"fmt"
	"strings"

	"kanshiki/parsers/ntfs"
	"kanshiki/parsers/securitydescriptor"
)

// Access is who may do what with an entry, from its security descriptor. It
// says what Windows would allow, not what was done: whoever holds the privilege
// to back up files, an administrator's service, or the disk itself, reads past
// it.
type Access struct {
	From    string // where the descriptor stands
	Owner   string // SID
	Group   string
	Open    bool // no list at all: everybody may do everything
	Entries []AccessEntry
	d       *securitydescriptor.Descriptor
}

// AccessEntry is one line of the list, in its order, which counts.
type AccessEntry struct {
	Kind      string // "allow", "deny", or another type as it is named
	SID       string
	Rights    string
	Inherited bool
	OnlyBelow bool // counts for what is below, not for the entry itself
}

// Access reads the descriptor of an entry; false where it has none.
func (n *NTFS) Access(ref Ref) (Access, bool, error) {
	f, err := n.file(ref)
	if err != nil {
		return Access{}, false, err
	}
	b, from, err := n.descriptor(f)
	if b == nil {
		return Access{}, false, err
	}
	d, err := securitydescriptor.Parse(b)
	a := Access{From: from, Owner: string(d.Owner), Group: string(d.Group), Open: d.DACL == nil, d: d}
	if d.DACL != nil {
		for _, e := range d.DACL.Entries {
			a.Entries = append(a.Entries, AccessEntry{Kind: aceKind(e.Type), SID: string(e.SID), Rights: rights(securitydescriptor.FileRights(e.Mask)),
				Inherited: e.Flags&securitydescriptor.Inherited != 0, OnlyBelow: e.Flags&securitydescriptor.InheritOnly != 0})
		}
	}
	return a, true, err
}

// descriptor finds the bytes: in $Secure by the id of $STANDARD_INFORMATION, or
// in the entry itself.
func (n *NTFS) descriptor(f ntfs.File) (b []byte, from string, err error) {
	if i, ok := f.Info(); ok && i.SecurityID != 0 {
		sec, ok, err := n.security()
		if err != nil || !ok {
			return nil, "", err
		}
		b, ok, err := sec.Descriptor(i.SecurityID)
		if err == nil && !ok {
			err = fmt.Errorf("security id %d is not in $Secure:$SDS", i.SecurityID)
		}
		return b, fmt.Sprintf("$Secure, id %d", i.SecurityID), err
	}
	b, _, err = f.Descriptor()
	return b, "the entry's own attribute", err
}

// security is $Secure, opened once; false where there is none.
func (n *NTFS) security() (*ntfs.Security, bool, error) {
	n.secOnce.Do(func() { n.sec, n.secOK, n.secErr = n.cat.Security() })
	return n.sec, n.secOK, n.secErr
}

// Reader is a user or group that may read the content of an entry.
type Reader struct {
	SID string
	// Condition says that it may only where an entry's condition holds, which
	// the disk does not tell.
	Condition bool
}

// Readers are the users and groups of the list that may read the content, in the
// order of the list, each as if it were member of Everyone and of nothing else.
// Who is member of a group is not known here.
func (a Access) Readers() []Reader {
	if a.d == nil || a.d.DACL == nil {
		return nil
	}
	const everyone = "S-1-1-0"
	var out []Reader
	seen := map[string]bool{}
	for _, e := range a.Entries {
		if seen[e.SID] || e.OnlyBelow {
			continue
		}
		seen[e.SID] = true
		given, doubt := a.d.Access([]securitydescriptor.SID{securitydescriptor.SID(e.SID), everyone}, securitydescriptor.ReadData)
		if may := given&securitydescriptor.ReadData != 0; may || doubt {
			out = append(out, Reader{e.SID, !may})
		}
	}
	return out
}

// wellKnown names the SIDs that are the same on every machine ([MS-DTYP]
// 2.4.2.4).
var wellKnown = map[string]string{
	"S-1-1-0": "Everyone", "S-1-3-0": "Creator Owner", "S-1-3-4": "Owner Rights", "S-1-5-2": "Network", "S-1-5-4": "Interactive", "S-1-5-6": "Service",
	"S-1-5-7": "Anonymous", "S-1-5-11": "Authenticated Users", "S-1-5-18": "SYSTEM", "S-1-5-19": "Local Service", "S-1-5-20": "Network Service",
	"S-1-5-32-544": "Administrators", "S-1-5-32-545": "Users", "S-1-5-32-546": "Guests", "S-1-5-32-547": "Power Users", "S-1-5-32-551": "Backup Operators",
	"S-1-15-2-1": "All Application Packages", "S-1-15-2-2": "All Restricted Application Packages",
	"S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464": "TrustedInstaller",
}

// SIDName is a SID with its name where all machines have the same.
func SIDName(sid string) string {
	if n, ok := wellKnown[sid]; ok {
		return sid + " (" + n + ")"
	}
	return sid
}

func aceKind(t uint8) string {
	switch t {
	case securitydescriptor.Allow, securitydescriptor.AllowObject:
		return "allow"
	case securitydescriptor.Deny, securitydescriptor.DenyObject:
		return "deny"
	case securitydescriptor.AllowCallback, securitydescriptor.AllowCallbackObject:
		return "allow on a condition"
	case securitydescriptor.DenyCallback, securitydescriptor.DenyCallbackObject:
		return "deny on a condition"
	}
	return fmt.Sprintf("type %#x", t)
}

// rights names the usual sets of rights as Windows shows them.
func rights(mask uint32) string {
	const full, modify, readExecute, read, write = 0x1F01FF, 0x1301BF, 0x1200A9, 0x120089, 0x100116
	for _, s := range []struct {
		mask uint32
		name string
	}{{full, "full control"}, {modify, "modify"}, {readExecute | write, "read, write and execute"}, {readExecute, "read and execute"}, {read, "read"}} {
		if mask&s.mask == s.mask {
			return s.name
		}
	}
	var out []string
	for _, s := range []struct {
		bit  uint32
		name string
	}{{securitydescriptor.ReadData, "read data"}, {securitydescriptor.WriteData, "write data"}, {securitydescriptor.AppendData, "append"},
		{securitydescriptor.Execute, "execute"}, {securitydescriptor.Delete, "delete"}, {securitydescriptor.WriteDAC, "change permissions"},
		{securitydescriptor.WriteOwner, "take ownership"}} {
		if mask&s.bit != 0 {
			out = append(out, s.name)
		}
	}
	if len(out) == 0 {
		return fmt.Sprintf("%#x", mask)
	}
	return strings.Join(out, ", ")
}
