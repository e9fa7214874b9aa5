package ntfs

import "strconv"

// Ref is a file reference: 48 bits of MFT entry number, 16 bits of sequence
// number. Sequence 0 in a reference means "do not check".
type Ref uint64

// MakeRef joins an entry number and a sequence number.
func MakeRef(record uint64, seq uint16) Ref { return Ref(record&(1<<48-1) | uint64(seq)<<48) }

// Record is the MFT entry number.
func (r Ref) Record() uint64 { return uint64(r) & (1<<48 - 1) }

// Seq is the sequence number.
func (r Ref) Seq() uint16 { return uint16(r >> 48) }

// String is "entry-sequence".
func (r Ref) String() string { return string(r.Append(nil)) }

// Append appends "entry-sequence".
func (r Ref) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, r.Record(), 10)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, uint64(r.Seq()), 10)
}

// nextSeq is the sequence number after s: 1 to 65535, 0 is skipped.
func nextSeq(s uint16) uint16 {
	if s == 65535 {
		return 1
	}
	return s + 1
}

// RootRecord is the MFT entry of the root directory.
const RootRecord = 5

// AttrType is the type code of an attribute.
type AttrType uint32

// Attribute types.
const (
	AttrStandardInformation AttrType = 0x10
	AttrAttributeList       AttrType = 0x20
	AttrFileName            AttrType = 0x30
	AttrObjectID            AttrType = 0x40
	AttrSecurityDescriptor  AttrType = 0x50
	AttrVolumeName          AttrType = 0x60
	AttrVolumeInformation   AttrType = 0x70
	AttrData                AttrType = 0x80
	AttrIndexRoot           AttrType = 0x90
	AttrIndexAllocation     AttrType = 0xA0
	AttrBitmap              AttrType = 0xB0
	AttrReparsePoint        AttrType = 0xC0
	AttrEAInformation       AttrType = 0xD0
	AttrEA                  AttrType = 0xE0
	AttrLoggedUtilityStream AttrType = 0x100

	attrEnd = 0xFFFFFFFF
)

var attrNames = map[AttrType]string{
	AttrStandardInformation: "$STANDARD_INFORMATION",
	AttrAttributeList:       "$ATTRIBUTE_LIST",
	AttrFileName:            "$FILE_NAME",
	AttrObjectID:            "$OBJECT_ID",
	AttrSecurityDescriptor:  "$SECURITY_DESCRIPTOR",
	AttrVolumeName:          "$VOLUME_NAME",
	AttrVolumeInformation:   "$VOLUME_INFORMATION",
	AttrData:                "$DATA",
	AttrIndexRoot:           "$INDEX_ROOT",
	AttrIndexAllocation:     "$INDEX_ALLOCATION",
	AttrBitmap:              "$BITMAP",
	AttrReparsePoint:        "$REPARSE_POINT",
	AttrEAInformation:       "$EA_INFORMATION",
	AttrEA:                  "$EA",
	AttrLoggedUtilityStream: "$LOGGED_UTILITY_STREAM",
}

// String is the name in $AttrDef, or the number.
func (t AttrType) String() string {
	if s, ok := attrNames[t]; ok {
		return s
	}
	return "attribute 0x" + strconv.FormatUint(uint64(t), 16)
}

// Flags of an attribute.
const (
	AttrCompressed = 0x0001 // LZNT1, where the mask 0x00FF gives 1
	AttrEncrypted  = 0x4000
	AttrSparse     = 0x8000
)

// Flags of an MFT entry.
const (
	FlagInUse     = 1
	FlagDirectory = 2
	FlagExtend    = 4
	FlagViewIndex = 8
)
