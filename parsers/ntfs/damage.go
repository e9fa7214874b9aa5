package ntfs

import "fmt"

// Kind is what is wrong with a structure.
type Kind uint8

// The kinds of damage. Got and Want of a Damage hold the numbers named here.
const (
	_                 Kind = iota
	BootDamaged            // the boot sector at Off cannot be used; its backup or a search gave the geometry
	BootDiffers            // boot sector and backup disagree; Got, Want: field values
	BadSignature           // neither FILE nor BAAD nor zero; Got: the four bytes
	TornRecord             // marked BAAD by chkdsk: a torn write
	BadFixup               // update sequence array outside the record; Got: its offset, Want: its count
	TornStride             // end mark differs; Got: mark found, Want: update sequence number
	RecordNumber           // the record names another number than its place; Got, Want
	BadUsedSize            // bytes used do not fit the record; Got: bytes used
	BadAttribute           // attribute header does not fit; Got: type, Want: length
	BadValue               // resident value outside the attribute; Got: offset, Want: length
	BadName                // name outside the attribute or too short; Got: offset, Want: length
	BadRuns                // mapping pairs cannot be decoded; Got: clusters decoded, Want: clusters expected
	RunsBeyond             // mapping pairs go beyond the highest VCN; Got: clusters decoded, Want: clusters expected
	RunOutside             // run outside the volume; Got: LCN, Want: clusters of the volume
	BadUnit                // compression unit; Got: its logarithm
	BadCompression         // LZNT1 unit cannot be decompressed whole; Got: bytes decompressed, Want: bytes of the unit
	MissingPiece           // part of a stream is described nowhere; Got: VCN reached, Want: next VCN described
	DuplicatePiece         // part of a stream is described twice; Got: VCN, Want: record
	BadList                // attribute list entry does not fit; Got: offset in the list
	MissingExtension       // the attribute list names a record that does not belong to this entry; Got: reference
	UnlistedExtension      // a record claims this base, whose list does not name it; Got: record
	LostBase               // an extension record whose base is gone or reused; Got: base reference
	Unreadable             // the medium gave an error or ended; Want: bytes wanted
	SizeBeyond             // data size beyond the clusters described; Got: data size, Want: bytes described
	TooLong                // over a limit of Options; Got: value, Want: limit
	BadUSN                 // a change journal record does not fit; Got: USN, Want: length
	NotHere                // content is stored elsewhere or in a way that is not decoded; Got: reparse tag
	NoVolume               // a lone $MFT: clusters are not at hand
	MirrorDiffers          // entry 0 and its copy in $MFTMirr tell different runs or sizes; Got, Want: data sizes
	BadIndex               // index record or entry does not fit; Got, Want: see the text
)

var kindText = [...]string{
	BootDamaged:       "boot sector cannot be used",
	BootDiffers:       "boot sector and backup disagree",
	BadSignature:      "MFT entry without FILE signature",
	TornRecord:        "MFT entry marked BAAD, a torn write",
	BadFixup:          "update sequence array outside the entry",
	TornStride:        "512 bytes of a torn write",
	RecordNumber:      "MFT entry names another number than its place",
	BadUsedSize:       "bytes used do not fit the MFT entry",
	BadAttribute:      "attribute does not fit the MFT entry",
	BadValue:          "resident value outside its attribute",
	BadName:           "name outside its attribute",
	BadRuns:           "run list does not describe the clusters it claims",
	RunsBeyond:        "run list goes beyond the highest VCN",
	RunOutside:        "run outside the volume",
	BadUnit:           "impossible compression unit",
	BadCompression:    "compressed unit cannot be decompressed whole",
	MissingPiece:      "part of the stream is described nowhere",
	DuplicatePiece:    "part of the stream is described twice",
	BadList:           "attribute list entry does not fit",
	MissingExtension:  "attribute list names a record that does not belong to the entry",
	UnlistedExtension: "extension record is not in the attribute list of its base",
	LostBase:          "extension record whose base is gone",
	Unreadable:        "cannot be read",
	SizeBeyond:        "data size beyond the clusters described",
	TooLong:           "over the limit",
	BadUSN:            "change journal record does not fit",
	NotHere:           "content is not stored as plain clusters, not decoded",
	NoVolume:          "clusters are not at hand, only the $MFT",
	MirrorDiffers:     "the $MFT and its mirror disagree about where the $MFT lies",
	BadIndex:          "index record or entry does not fit",
}

// kindValues says what Got (1) and Want (2) are.
var kindValues = [len(kindText)]string{
	BootDiffers:       " (serial number %#[1]x, %#[2]x)",
	BadSignature:      " (%#[1]x)",
	BadFixup:          " (at %[1]d, %[2]d words)",
	TornStride:        " (ends in %[1]d, not %[2]d)",
	RecordNumber:      " (%[1]d at place %[2]d)",
	BadUsedSize:       " (%[1]d of %[2]d)",
	BadAttribute:      " (type %#[1]x, length %[2]d)",
	BadValue:          " (at %[1]d, %[2]d bytes)",
	BadName:           " (at %[1]d, %[2]d bytes)",
	BadRuns:           " (%[1]d of %[2]d clusters)",
	RunsBeyond:        " (%[1]d clusters, not %[2]d)",
	RunOutside:        " (cluster %[1]d of %[2]d)",
	BadUnit:           " (2 to the power of %[1]d clusters)",
	BadCompression:    " (%[1]d of %[2]d bytes)",
	MissingPiece:      " (cluster %[1]d of the stream, next is %[2]d)",
	DuplicatePiece:    " (cluster %[1]d of the stream)",
	BadList:           " (at %[1]d, length %[2]d)",
	MissingExtension:  " (reference %#[1]x)",
	UnlistedExtension: " (entry %[1]d)",
	LostBase:          " (reference %#[1]x)",
	Unreadable:        " (%[2]d bytes)",
	SizeBeyond:        " (%[1]d bytes, %[2]d described)",
	TooLong:           " (%[1]d, limit %[2]d)",
	BadUSN:            " (at %#[1]x, %[2]d bytes)",
	NotHere:           " (reparse tag %#[1]x)",
	MirrorDiffers:     " (%[1]d bytes, by the mirror %[2]d)",
	BadIndex:          " (%#[1]x, %#[2]x)",
}

// String is a short sentence.
func (k Kind) String() string {
	if int(k) < len(kindText) && kindText[k] != "" {
		return kindText[k]
	}
	return fmt.Sprintf("damage %d", uint8(k))
}

// Doubt tells kinds of damage that lose nothing by themselves from those that
// lose data.
func (k Kind) Doubt() bool {
	switch k {
	case BootDiffers, RunsBeyond, RecordNumber, UnlistedExtension, TornRecord:
		return true
	}
	return false
}

// Damage says what is wrong, and where. It is a value to be kept, and an
// error where a call can give nothing else.
type Damage struct {
	Kind      Kind
	Record    uint64   // MFT entry number of the record in question
	Attr      AttrType // attribute in question, or 0
	Off       int64    // byte offset on the volume, or in the change journal for BadUSN; -1 if it has none
	Len       int64    // bytes in doubt from Off; 0 if not known
	Got, Want uint64   // see the constants of Kind
	Err       error    // of the reader below, if any
}

func (d *Damage) Error() string {
	s := fmt.Sprintf("MFT entry %d", d.Record)
	if d.Attr != 0 {
		s += " " + d.Attr.String()
	}
	s += ": " + d.Kind.String()
	if f := kindValues[d.Kind]; f != "" {
		s += fmt.Sprintf(f, d.Got, d.Want)
	}
	if d.Err != nil {
		s += ": " + d.Err.Error()
	}
	return s
}

// Offset is the place of the damage on the volume.
func (d *Damage) Offset() int64 { return d.Off }

func (d *Damage) Unwrap() error { return d.Err }
