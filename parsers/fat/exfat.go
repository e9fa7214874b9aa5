package fat

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"kanshiki/parsers/internal/utf16"
)

// Types of the slots of an exFAT directory; the highest bit says in use.
const (
	exBitmap = 0x81
	exUpcase = 0x82
	exLabel  = 0x83
	exFile   = 0x85
	exStream = 0xC0
	exName   = 0xC1
	inUse    = 0x80
)

// exReader gathers the slots of a directory of exFAT into sets.
type exReader struct {
	set   []slot
	want  int // slots of the set
	ended bool
	give  sink
	meta  func(s slot) // bitmap, upcase table, label
}

func (r *exReader) slot(s slot) {
	b := s.b
	kind := b[0] | inUse
	switch {
	case b[0] == 0:
		r.flush()
		r.ended = true
	case kind == exFile:
		r.flush()
		r.set, r.want = append(r.set, slot{bytes.Clone(b), s.off}), int(b[1])+1
	case b[0] == exBitmap || b[0] == exUpcase || b[0] == exLabel:
		r.flush()
		if !r.ended {
			r.meta(s)
		}
	case kind&0xC0 == 0xC0 && len(r.set) > 0 && len(r.set) < r.want && b[0]&inUse == r.set[0].b[0]&inUse:
		r.set = append(r.set, slot{bytes.Clone(b), s.off})
	case kind == exStream: // the head of its set was overwritten
		r.flush()
		const parts = 1 + 17 // of the longest name
		r.set, r.want = append(r.set, slot{bytes.Clone(b), s.off}), parts
	default:
		r.flush()
	}
	if len(r.set) > 0 && len(r.set) == r.want {
		r.flush()
	}
}

// flush decodes the set that was gathered, whole or not.
func (r *exReader) flush() {
	set := r.set
	r.set = r.set[:0]
	if len(set) == 0 {
		return
	}
	le := binary.LittleEndian
	h := set[0].b
	headless := h[0]|inUse != exFile
	e := Entry{Off: set[0].off, Deleted: h[0]&inUse == 0 || headless}
	if !headless {
		e.Attr = le.Uint16(h[4:])
		e.Created, e.Modified, e.Accessed = exTime(le.Uint32(h[8:]), h[20], h[22]), exTime(le.Uint32(h[12:]), h[21], h[23]), exTime(le.Uint32(h[16:]), 0, h[24])
	}
	length, streams := 0, 0
	for _, s := range set {
		switch b := s.b; b[0] | inUse {
		case exStream:
			if streams++; streams > 1 {
				continue
			}
			e.Straight = b[1]&2 != 0
			length = int(b[3])
			e.Valid, e.First, e.Size = int64(le.Uint64(b[8:])), le.Uint32(b[20:]), int64(le.Uint64(b[24:]))
		case exName:
			e.Units = append(e.Units, b[2:32]...)
		}
	}
	if streams == 0 && (r.ended || e.Deleted) {
		return // leftovers of a set: nothing says what it was
	}
	if length == 0 { // a driver let 256 characters become 0
		length = (len(bytes.TrimRight(e.Units, "\x00")) + 1) / 2
	}
	e.Units = e.Units[:min(len(e.Units), 2*length)]
	e.Name = utf16.String(e.Units)
	switch {
	case headless:
		e.Odd = "the head of the entry is lost: no times, no attributes"
	case len(set) < r.want || streams == 0 || len(e.Units) < 2*length:
		e.Odd = "parts of the entry are missing"
	case setSum(set) != le.Uint16(h[2:]):
		e.Odd = "the checksum of the entry does not fit"
	case e.Size < 0 || e.Valid < 0 || e.Valid > e.Size:
		e.Odd = "sizes that cannot be"
	}
	if e.Size < 0 || e.Valid < 0 || e.Valid > e.Size {
		e.Size, e.Valid = max(e.Size, 0), max(min(e.Valid, e.Size), 0)
	}
	r.give(e, r.ended)
}

// setSum is the checksum of a set as it was in use.
func setSum(set []slot) uint16 {
	var sum uint16
	for k, s := range set {
		for i, c := range s.b {
			if k == 0 && (i == 2 || i == 3) {
				continue
			}
			if i == 0 {
				c |= inUse
			}
			sum = bits.RotateLeft16(sum, -1) + uint16(c)
		}
	}
	return sum
}

// exTime is a time of exFAT. Bit 7 of zone says that the lower seven are the
// distance from UTC in quarters of an hour.
func exTime(stamp uint32, fine, zone byte) Time {
	t := local(uint16(stamp>>16), uint16(stamp), fine)
	if t.Ticks == 0 || zone&0x80 == 0 {
		return t
	}
	quarters := int64(int8(zone<<1) >> 1)
	const quarter = 15 * 60 * 10_000_000
	return Time{uint64(int64(t.Ticks) - quarters*quarter), true}
}
