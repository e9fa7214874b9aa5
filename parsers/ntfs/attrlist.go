package ntfs

import (
	"iter"

	"kanshiki/parsers/internal/cursor"
)

// ListEntry is one entry of an $ATTRIBUTE_LIST: where a piece of an attribute
// lies.
type ListEntry struct {
	Type   AttrType
	Name   []byte // UTF-16LE
	LowVCN uint64
	Ref    Ref // the record that holds the piece; may be the base itself
	ID     uint16
}

// attrList is the content of an $ATTRIBUTE_LIST.
type attrList struct {
	b   []byte
	num uint64
	off int64
}

// attributeList reads the list of a base record, resident or not. An extension
// record never has one, so its runs all lie in the base record.
func (v *Volume) attributeList(rec *Record) (attrList, error) {
	l := attrList{num: rec.Num, off: -1}
	for a := range rec.Attrs(nil) {
		if a.Type != AttrAttributeList || a.NonResident && a.LowVCN != 0 {
			continue
		}
		b, err := v.value(rec, a, v.opt.MaxList)
		l.b, l.off = b, offAdd(rec.Off, a.Off)
		return l, err
	}
	return l, nil
}

// entries yields the list. A length that makes no sense ends it, since nothing
// behind can be found.
func (l attrList) entries() iter.Seq2[ListEntry, error] {
	return func(yield func(ListEntry, error) bool) {
		for p := 0; p < len(l.b); {
			c := cursor.New(l.b[p:])
			e := ListEntry{Type: AttrType(c.U32("type"))}
			n := int(c.U16("length"))
			nameLen, nameOff := int(c.U8("name length")), int(c.U8("name offset"))
			e.LowVCN = c.U64("lowest VCN")
			e.Ref = Ref(c.U64("reference"))
			e.ID = c.U16("attribute id")
			if nameLen > 0 {
				c.Seek(nameOff, "name")
				e.Name = c.Take(2*nameLen, "name")
			}
			if c.Err() != nil || n < 26 || n%8 != 0 || n > len(l.b)-p || e.Type == 0 {
				if e.Type == 0 && n == 0 && allZero(l.b[p:]) {
					return // zeros fill the rest
				}
				yield(e, &Damage{Kind: BadList, Record: l.num, Attr: AttrAttributeList, Off: l.off, Got: uint64(p), Want: uint64(n)})
				return
			}
			if !yield(e, nil) {
				return
			}
			p += n
		}
	}
}

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
