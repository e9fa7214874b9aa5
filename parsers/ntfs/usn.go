package ntfs

import (
	"encoding/binary"
	"io"
	"iter"

	"kanshiki/parsers/internal/cursor"
)

// USNRecord is one record of a change journal, versions 2 to 4.
//
// Source: [MS-FSCC] 2.3 and the USN_RECORD_V2, V3, V4 structures of winioctl.h.
type USNRecord struct {
	Off              int64 // in the journal; the USN where the journal is whole
	Length           int64
	Major, Minor     uint16
	Ref, Parent      Ref
	High, ParentHigh uint64 // upper halves of 128-bit ids; 0 on NTFS
	USN              uint64
	Time             uint64 // FILETIME; 0 in version 4
	Reason           uint32
	Source           uint32
	SecurityID       uint32
	Attributes       uint32
	Name             []byte // UTF-16LE, valid until the next record; none in version 4
	Remaining        uint32 // version 4: extents in the records that follow
	Extents          []USNExtent
}

// USNExtent is a range of a file that was changed, in a version 4 record.
type USNExtent struct{ Off, Len int64 }

// Reasons of a record that this package itself needs.
const (
	ReasonFileCreate    = 0x00000100
	ReasonFileDelete    = 0x00000200
	ReasonRenameOldName = 0x00001000
	ReasonRenameNewName = 0x00002000
	ReasonClose         = 0x80000000
)

// IsDir tells whether the record is about a directory.
func (r *USNRecord) IsDir() bool { return r.Attributes&0x10 != 0 }

// Limits of a record. Version 4 grows by its extents; a page bounds it.
const (
	usnHead   = 60
	maxUSN    = 64 << 10
	usnBlock  = 1 << 20
	maxUSNExt = (maxUSN - 64) / 16
)

// ReadUSN yields the records of a change journal or of a piece of one. Zeros
// between pages are passed over; a range that holds no record gives one error
// with its place and length, and the sequence goes on at the next record.
func ReadUSN(r io.ReaderAt, size int64) iter.Seq2[USNRecord, error] {
	return readUSN(r, size, func(yield func(Extent) bool) { yield(Extent{Len: size}) }, false)
}

// readUSN reads the extents that are no holes. What lies nowhere is one error,
// however long a forged run list makes it. In a whole journal (exact) the USN of
// a record is its offset.
func readUSN(r io.ReaderAt, size int64, extents iter.Seq[Extent], exact bool) iter.Seq2[USNRecord, error] {
	return func(yield func(USNRecord, error) bool) {
		u := usnScanner{r: r, exact: exact, yield: yield, buf: make([]byte, min(usnBlock+maxUSN, max(size, 0)))}
		from, to, lost := int64(0), int64(0), false
		for x := range extents {
			if x.Disk == Hole || x.Off >= size {
				continue
			}
			if x.Off != to || (x.Disk == Lost) != lost {
				if !u.region(from, to, lost) {
					return
				}
				from, lost = x.Off, x.Disk == Lost
			}
			to = min(x.Off+x.Len, size)
		}
		u.region(from, to, lost)
	}
}

type usnScanner struct {
	r     io.ReaderAt
	buf   []byte
	exact bool
	delta int64 // USN minus offset, once known
	known bool
	bad   int64 // begin of a range without a record
	isBad bool
	yield func(USNRecord, error) bool
}

// region reads from byte from to byte to of the journal; lost says that no
// cluster holds any of it.
func (u *usnScanner) region(from, to int64, lost bool) bool {
	for pos := from; pos < to; {
		n := int(min(int64(len(u.buf)), to-pos))
		k, err := u.r.ReadAt(u.buf[:n], pos)
		if err == io.EOF && k == n {
			err = nil
		}
		used, ok := u.block(u.buf[:k], pos, err == nil && pos+int64(n) < to)
		if !ok {
			return false
		}
		pos += int64(used)
		if err == nil {
			if used == 0 {
				break
			}
			continue
		}
		// What cannot be read ends at the next page; records do not cross pages.
		next := min(to, (pos/4096+1)*4096)
		if re, ok := err.(*RangeError); ok && re.To > next {
			next = min(to, re.To)
		}
		if lost {
			next = to
		}
		if !u.flush(pos) {
			return false
		}
		d := asDamage(err)
		d.Attr, d.Len = AttrData, next-pos
		if !u.yield(USNRecord{Off: pos}, &d) {
			return false
		}
		pos = next
	}
	return u.flush(to)
}

// block yields the records of b and returns how much of it is done. more says
// that the journal goes on behind b.
func (u *usnScanner) block(b []byte, base int64, more bool) (int, bool) {
	p := 0
	for p+8 <= len(b) {
		if more && p >= usnBlock {
			return p, true
		}
		if binary.LittleEndian.Uint64(b[p:]) == 0 {
			p += 8
			continue
		}
		rec, ok := parseUSN(b[p:], base+int64(p))
		if ok && u.isBad && u.known && int64(rec.USN)-rec.Off != u.delta {
			ok = false // in a bad range only a record at its very place counts
		}
		if ok && u.exact && int64(rec.USN) != rec.Off {
			ok = false
		}
		if !ok {
			if !u.isBad {
				u.isBad, u.bad = true, base+int64(p)
			}
			p += 8
			continue
		}
		if !u.flush(rec.Off) {
			return p, false
		}
		u.delta, u.known = int64(rec.USN)-rec.Off, true
		if !u.yield(rec, nil) {
			return p, false
		}
		p += int(rec.Length+7) &^ 7
	}
	if rest := len(b) - min(p, len(b)); rest > 0 && !more && !allZero(b[len(b)-rest:]) && !u.isBad {
		u.isBad, u.bad = true, base+int64(p)
	}
	return len(b), true
}

// flush reports the range without a record that ends at to.
func (u *usnScanner) flush(to int64) bool {
	if !u.isBad {
		return true
	}
	u.isBad = false
	return u.yield(USNRecord{Off: u.bad}, &Damage{Kind: BadUSN, Attr: AttrData, Off: u.bad, Len: to - u.bad, Got: uint64(u.bad), Want: uint64(to - u.bad)})
}

// parseUSN decodes one record and checks whether it can be one. A journal holds
// millions: the fixed part is taken at once.
func parseUSN(b []byte, off int64) (USNRecord, bool) {
	if len(b) < usnHead {
		return USNRecord{}, false
	}
	le := binary.LittleEndian
	r := USNRecord{Off: off, Length: int64(le.Uint32(b)), Major: le.Uint16(b[4:]), Minor: le.Uint16(b[6:])}
	if r.Length < usnHead || r.Length > maxUSN || r.Length%8 != 0 || r.Length > int64(len(b)) || r.Minor != 0 {
		return r, false
	}
	b = b[:r.Length]
	rest := b[24:]
	switch r.Major {
	case 2:
		r.Ref, r.Parent = Ref(le.Uint64(b[8:])), Ref(le.Uint64(b[16:]))
	case 3, 4:
		if r.Major == 3 && len(b) < usnHead+16 {
			return r, false
		}
		r.Ref, r.High, r.Parent, r.ParentHigh = Ref(le.Uint64(b[8:])), le.Uint64(b[16:]), Ref(le.Uint64(b[24:])), le.Uint64(b[32:])
		rest = b[40:]
	default:
		return r, false
	}
	r.USN = le.Uint64(rest)
	if r.Major == 4 {
		return r, r.version4(cursor.At(rest[8:], off+int64(len(b)-len(rest)+8)))
	}
	r.Time, r.Reason, r.Source = le.Uint64(rest[8:]), le.Uint32(rest[16:]), le.Uint32(rest[20:])
	r.SecurityID, r.Attributes = le.Uint32(rest[24:]), le.Uint32(rest[28:])
	n, at := int(le.Uint16(rest[32:])), int(le.Uint16(rest[34:]))
	if head := len(b) - len(rest) + 36; at < head || n%2 != 0 || at+n > len(b) || r.USN >= 1<<63 {
		return r, false
	}
	r.Name = b[at : at+n : at+n]
	return r, true
}

// version4 decodes the rest of a range tracking record.
func (r *USNRecord) version4(c *cursor.Cursor) bool {
	r.Reason, r.Source = c.U32("reason"), c.U32("source")
	r.Remaining = c.U32("remaining extents")
	n, size := int(c.U16("extents")), int(c.U16("extent size"))
	if n > maxUSNExt || size != 16 && n > 0 || r.USN >= 1<<63 {
		return false
	}
	for range n {
		r.Extents = append(r.Extents, USNExtent{int64(c.U64("offset")), int64(c.U64("length"))})
		if c.Err() != nil {
			return false
		}
	}
	return c.Err() == nil
}
