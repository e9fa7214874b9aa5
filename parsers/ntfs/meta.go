package ntfs

import (
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/utf16"
)

// VolumeInfo is what the $Volume entry says.
type VolumeInfo struct {
	Label        string // WTF-8
	Major, Minor uint8
	Flags        uint16
	Created      uint64 // $SI created of $Volume: when the volume was formatted
	ObjectID     [16]byte
}

// Flags of a volume.
const (
	VolumeDirty  = 0x0001
	VolumeChkdsk = 0x4000 // chkdsk ran and changed something
)

// Info reads $VOLUME_NAME and $VOLUME_INFORMATION.
func (v *Volume) Info() (VolumeInfo, error) {
	const volumeRecord = 3
	var info VolumeInfo
	rec, err := v.Record(volumeRecord)
	if err != nil {
		return info, err
	}
	have := false
	for a := range rec.Attrs(nil) {
		switch a.Type {
		case AttrStandardInformation:
			info.Created = cursor.New(a.Value).U64("created")
		case AttrVolumeName:
			info.Label = utf16.String(a.Value)
		case AttrObjectID:
			copy(info.ObjectID[:], a.Value)
		case AttrVolumeInformation:
			c := cursor.New(a.Value)
			c.Skip(8, "reserved")
			info.Major, info.Minor = c.U8("major version"), c.U8("minor version")
			info.Flags = c.U16("flags")
			have = c.Err() == nil
		}
	}
	if !have {
		return info, &Damage{Kind: MissingPiece, Record: volumeRecord, Attr: AttrVolumeInformation, Off: rec.Off}
	}
	return info, nil
}

// maxValue bounds the attributes that are read whole; Windows keeps reparse
// data under 16 KiB and extended attributes under 64 KiB.
const maxValue = 256 << 10

// Value reads the content of the first attribute of a type without a name, of
// those that fit into one record or one run list.
func (f File) Value(t AttrType) ([]byte, bool, error) { return f.namedValue(t, "") }

func (f File) namedValue(t AttrType, name string) ([]byte, bool, error) {
	for n := range f.records() {
		rec, err := f.c.v.Record(uint64(n))
		if err != nil {
			return nil, false, err
		}
		for a := range rec.Attrs(nil) {
			if a.Type == t && (!a.NonResident || a.LowVCN == 0) && (name == "" && len(a.Name) == 0 || asciiEqual(a.Name, name)) {
				b, err := f.c.v.value(&rec, a, maxValue)
				return b, true, err
			}
		}
	}
	return nil, false, nil
}

// Reparse tags with a meaning for content. Source: [MS-FSCC] 2.1.2.1.
const (
	TagMountPoint  = 0xA0000003
	TagHSM         = 0xC0000004
	TagHSM2        = 0x80000006
	TagSIS         = 0x80000007
	TagDFS         = 0x8000000A
	TagSymlink     = 0xA000000C
	TagDFSR        = 0x80000012
	TagDedup       = 0x80000013
	TagWOF         = 0x80000017
	TagWCI         = 0x80000018
	TagCloud       = 0x9000001A // 0x9000x01A, where x counts up
	TagAppExecLink = 0x8000001B
	TagProjFS      = 0x9000001C
	TagLXSymlink   = 0xA000001D
	TagAFUnix      = 0x80000023
	TagLXFIFO      = 0x80000024
	TagLXChr       = 0x80000025
	TagLXBlk       = 0x80000026
	TagWCILink     = 0xA0000027
)

var tagNames = map[uint32]string{
	TagMountPoint: "mount point", TagHSM: "HSM", TagHSM2: "HSM2", TagSIS: "single instance storage", TagDFS: "DFS",
	TagSymlink: "symbolic link", TagDFSR: "DFSR", TagDedup: "deduplicated", TagWOF: "WOF", TagWCI: "container layer",
	TagCloud: "cloud file", TagAppExecLink: "app execution link", TagProjFS: "ProjFS", TagLXSymlink: "LX symbolic link",
	TagAFUnix: "AF_UNIX socket", TagLXFIFO: "LX FIFO", TagLXChr: "LX character device", TagLXBlk: "LX block device", TagWCILink: "container link",
}

// TagName is a short name of a reparse tag, or "".
func TagName(tag uint32) string {
	if tag&0xFFFF0FFF == TagCloud {
		tag = TagCloud
	}
	return tagNames[tag]
}

// Reparse is a decoded reparse point.
type Reparse struct {
	Tag        uint32
	GUID       [16]byte // of third-party tags
	Data       []byte   // behind the header
	Substitute string   // target of mount points and symbolic links, WTF-8
	Print      string
	Relative   bool
}

// Reparse reads the reparse point of the file, if it has one.
func (f File) Reparse() (Reparse, bool, error) {
	b, ok, err := f.Value(AttrReparsePoint)
	if !ok {
		return Reparse{}, false, err
	}
	r := Reparse{}
	c := cursor.New(b)
	r.Tag = c.U32("reparse tag")
	n := int(c.U16("data length"))
	c.Skip(2, "reserved")
	if r.Tag&0x80000000 == 0 { // not Microsoft's
		copy(r.GUID[:], c.Take(16, "GUID"))
	}
	r.Data = c.Take(min(n, max(c.Left(), 0)), "reparse data")
	if c.Err() == nil && len(r.Data) < n {
		c.Fail("reparse data: %d bytes, have %d", n, len(r.Data))
	}
	if r.Tag == TagMountPoint || r.Tag == TagSymlink {
		r.names(cursor.New(r.Data))
	}
	if err == nil {
		err = c.Err()
	}
	return r, true, err
}

// names decodes the two paths of [MS-FSCC] 2.1.2.4 and 2.1.2.5.
func (r *Reparse) names(c *cursor.Cursor) {
	so, sn := int(c.U16("offset")), int(c.U16("length"))
	po, pn := int(c.U16("offset")), int(c.U16("length"))
	if r.Tag == TagSymlink {
		r.Relative = c.U32("flags")&1 != 0
	}
	text := c.Off()
	c.Seek(text+so, "substitute name")
	r.Substitute = utf16.String(c.Take(sn, "substitute name"))
	c.Seek(text+po, "print name")
	r.Print = utf16.String(c.Take(pn, "print name"))
}

// ObjectID is a decoded $OBJECT_ID: 16 or 64 bytes. An id of version 1 holds the
// time at which it was made and the network address of the machine.
type ObjectID struct {
	ID, BirthVolume, BirthObject, Domain guid.GUID
	Birth                                bool // the last three are there
}

// HasObjectID tells whether the record has an object id.
func (f File) HasObjectID() bool { return f.e().marks&markObject != 0 }

// ObjectID reads the object id of the file, if it has one.
func (f File) ObjectID() (ObjectID, bool, error) {
	if !f.HasObjectID() {
		return ObjectID{}, false, nil
	}
	b, ok, err := f.Value(AttrObjectID)
	if !ok || err != nil {
		return ObjectID{}, false, err
	}
	var o ObjectID
	c := cursor.New(b)
	copy(o.ID[:], c.Take(16, "object id"))
	if c.Left() >= 48 {
		o.Birth = true
		copy(o.BirthVolume[:], c.Take(16, "birth volume id"))
		copy(o.BirthObject[:], c.Take(16, "birth object id"))
		copy(o.Domain[:], c.Take(16, "domain id"))
	}
	return o, c.Err() == nil, c.Err()
}

func (s Stream) unnamed() bool { return s.Type() == AttrData && len(s.Name()) == 0 }

// wofHere tells whether the file itself holds its content compressed.
func (s Stream) wofHere() bool {
	_, ok := s.f.Stream(wofStream)
	return ok
}

// Elsewhere tells why the content of a stream is not what its clusters hold,
// or "": it is deduplicated, in the cloud, offline.
func (s Stream) Elsewhere() string {
	if !s.unnamed() {
		return ""
	}
	const offline = 0x1000
	switch tag := s.f.ReparseTag(); {
	case tag == TagWOF && !s.wofHere():
		return "content is kept by WOF in another file, or in a way that is not decoded"
	case tag == TagDedup:
		return "content is deduplicated, stored in another file"
	case tag&0xFFFF0FFF == TagCloud:
		if i, ok := s.f.Info(); ok && (i.Attributes&(offline|0x400000) != 0) {
			return "content is in the cloud, not on this disk"
		}
	case tag == TagHSM || tag == TagHSM2:
		return "content was moved to other storage"
	case tag == TagSIS:
		return "content is kept once in the single instance store"
	}
	return ""
}
