package securitydescriptor

import "slices"

// Rights of a file. Source: [MS-DTYP] 2.4.3 and winnt.h.
const (
	ReadData    = 0x00000001 // of a directory: list it
	WriteData   = 0x00000002
	AppendData  = 0x00000004
	Execute     = 0x00000020
	Delete      = 0x00010000
	ReadControl = 0x00020000
	WriteDAC    = 0x00040000
	WriteOwner  = 0x00080000
)

// FileRights spells out the generic rights, as they count for a file.
func FileRights(mask uint32) uint32 {
	const (
		genericRead, genericWrite, genericExecute, genericAll = 1 << 31, 1 << 30, 1 << 29, 1 << 28
		fileRead, fileWrite, fileExecute, fileAll             = 0x120089, 0x120116, 0x1200A0, 0x1F01FF
	)
	for _, g := range []struct{ generic, file uint32 }{{genericRead, fileRead}, {genericWrite, fileWrite}, {genericExecute, fileExecute}, {genericAll, fileAll}} {
		if mask&g.generic != 0 {
			mask = mask&^g.generic | g.file
		}
	}
	return mask
}

// Access tells which of the wanted rights the list gives to a token that holds
// these SIDs, in the order in which Windows asks the entries ([MS-DTYP]
// 2.5.3.2): an entry that denies counts for what is not yet given. The owner
// may always read and change the list. Entries with a condition are taken as
// not met, but denials; doubt says that there was one.
func (d *Descriptor) Access(token []SID, want uint32) (given uint32, doubt bool) {
	if d.Owner != "" && slices.Contains(token, d.Owner) && !d.ownerRights() {
		given |= (ReadControl | WriteDAC) & want
	}
	if d.DACL == nil {
		return want, false // no list at all: everything is allowed
	}
	var denied uint32
	for i := range d.DACL.Entries {
		a := &d.DACL.Entries[i]
		if a.Flags&InheritOnly != 0 || !slices.Contains(token, a.SID) {
			continue
		}
		m := FileRights(a.Mask) & want
		switch a.Type {
		case Allow, AllowObject:
			given |= m &^ denied
		case Deny, DenyObject:
			denied |= m &^ given
		case AllowCallback, AllowCallbackObject:
			doubt = doubt || m&^denied&^given != 0
		case DenyCallback, DenyCallbackObject:
			doubt = doubt || m&^given != 0
			denied |= m &^ given
		}
	}
	return given, doubt
}

// ownerRights tells whether the list says itself what the owner may do.
func (d *Descriptor) ownerRights() bool {
	const owner = "S-1-3-4"
	return d.DACL != nil && slices.ContainsFunc(d.DACL.Entries, func(a ACE) bool { return a.SID == owner && a.Flags&InheritOnly == 0 })
}
