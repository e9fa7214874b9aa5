package secondreader

import (
	"encoding/binary"
	"unicode/utf16"

	"kanshiki/forensics/filesystem"
	"kanshiki/parsers/ntfs"
)

// view is what the second reader sees of an entry: the attributes of its base
// record, and of other records those that it finds by the attribute list. It is
// made from our own decoding of the records.
type view struct {
	ok    bool // there is a record at all
	rec   ntfs.Record
	names []seenName
	data  []seenData
	si    bool
	// cut is why attributes in other records are not seen, "" where no list
	// keeps it from them.
	cut Cause
}

type seenName struct {
	record  uint64
	foreign bool // of a record that belongs to another entry
	ntfs.FileNameAttr
}

type seenData struct {
	record  uint64
	name    []byte // UTF-16LE
	size    int64  // as the second reader takes it: of a later piece what stands at that place
	low     uint64
	foreign bool
}

// view makes the view of one entry.
func (m *model) view(num uint64) *view {
	v := &view{}
	var err error
	if v.rec, err = m.vol.Record(num); err != nil {
		return v
	}
	v.ok = true
	for a := range v.rec.Attrs(nil) {
		if a.Type == ntfs.AttrAttributeList {
			m.follow(v, a)
		}
		v.add(num, a, false)
	}
	return v
}

// Of a resident value the second reader takes so much.
const residentLimit = 16 << 10

// follow adds what an attribute list leads to, as far as the second reader
// goes: an entry that it cannot find ends the list.
func (m *model) follow(v *view, list ntfs.Attr) {
	if list.NonResident {
		v.cut = NullList
		return
	}
	b := list.Value[:min(len(list.Value), residentLimit)]
	for off := 0; ; {
		var e [26]byte // what lies behind the value reads as zeros
		if off < len(b) {
			copy(e[:], b[off:])
		}
		kind, size := binary.LittleEndian.Uint32(e[:]), int(binary.LittleEndian.Uint16(e[4:]))
		ref := ntfs.Ref(binary.LittleEndian.Uint64(e[16:]))
		id := binary.LittleEndian.Uint16(e[24:])
		if ref.Record() != v.rec.Num && !m.direct(v, ref.Record(), kind, id) {
			v.cut = BrokenList
			return
		}
		if off += size; size == 0 || off >= int(list.Size) {
			return
		}
	}
}

// direct adds the attribute of another record with a type and an id.
func (m *model) direct(v *view, num uint64, kind uint32, id uint16) bool {
	rec, err := m.vol.Record(num)
	if err != nil {
		return false
	}
	for a := range rec.Attrs(nil) {
		if uint32(a.Type) == kind && a.ID == id {
			v.add(num, a, rec.Base.Record() != v.rec.Num || !sameSequence(rec.Base, &v.rec))
			return true
		}
	}
	return false
}

// sameSequence tells whether a base reference means the record: freeing it
// raised its number by one.
func sameSequence(base ntfs.Ref, r *ntfs.Record) bool {
	return base.Seq() == r.Seq || !r.InUse() && base.Seq()+1 == r.Seq
}

func (v *view) add(record uint64, a ntfs.Attr, foreign bool) {
	switch a.Type {
	case ntfs.AttrStandardInformation:
		v.si = true
	case ntfs.AttrFileName:
		if fn, ok := a.FileName(); ok {
			v.names = append(v.names, seenName{record, foreign, fn})
		}
	case ntfs.AttrData:
		v.data = append(v.data, seenData{record, a.Name, int64(a.Size), a.LowVCN, foreign})
	}
}

// shown are the names of which the second reader makes paths: DOS names only
// where there is nothing else.
func (v *view) shown() []seenName {
	var long []seenName
	for _, n := range v.names {
		if n.Namespace <= ntfs.NameWin32DOS && n.Namespace != ntfs.NameDOS {
			long = append(long, n)
		}
	}
	if len(long) == 0 {
		return v.names
	}
	return long
}

// nameLimit is how many bytes of a name the second reader takes.
const nameLimit = 1024

// secondName is a name as the second reader gives it, and the fault in that.
func secondName(units []byte) (string, Cause) {
	b := units[:min(len(units), nameLimit)]
	if len(b) < 2 {
		return "", ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	var cause Cause
	switch {
	case b[0] == 0xFF && b[1] == 0xFE:
		order, b, cause = binary.BigEndian, b[2:], ByteOrderMark
	case b[0] == 0xFE && b[1] == 0xFF:
		b, cause = b[2:], ByteOrderMark
	}
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = order.Uint16(b[2*i:])
	}
	s := string(utf16.Decode(u))
	if cause == "" && s != filesystem.Text(units) {
		cause = LoneSurrogate
	}
	return s, cause
}
