package fat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/filetime"
	"kanshiki/parsers/internal/utf16"
)

// shortReader gathers the slots of a directory of FAT: parts of a long name, and
// the short entry that they belong to.
type shortReader struct {
	v     *Volume
	parts []slot // of a long name, in the order of the medium
	ended bool   // the end mark was passed
	give  sink
	label func(string)
}

func (r *shortReader) slot(s slot) {
	b := s.b
	switch {
	case b[0] == 0:
		r.ended = true
		r.parts = r.parts[:0]
		return
	case b[11]&0x3F == attrLong:
		if len(r.parts) == 20 { // a long name has at most 20 parts
			r.parts = append(r.parts[:0], r.parts[1:]...)
		}
		r.parts = append(r.parts, slot{bytes.Clone(b), s.off})
		return
	case b[11]&attrLabel != 0:
		if b[0] != 0xE5 && !r.ended && r.label != nil {
			r.label(labelText(b[:11]))
		}
		r.parts = r.parts[:0]
		return
	case b[0] == '.':
		r.parts = r.parts[:0]
		return // the directory itself and the one above it
	}
	if r.ended && !plausible(b) {
		r.parts = r.parts[:0]
		return
	}
	e := r.entry(b, s.off)
	r.parts = r.parts[:0]
	r.give(e, r.ended)
}

// entry decodes a short entry, with the long name before it.
func (r *shortReader) entry(b []byte, off int64) Entry {
	le := binary.LittleEndian
	e := Entry{Off: off, Short: bytes.Clone(b[:11]), Attr: uint16(b[11]), Size: int64(le.Uint32(b[28:])), First: uint32(le.Uint16(b[26:]))}
	if r.v.geo.Kind == FAT32 {
		e.First |= uint32(le.Uint16(b[20:])) << 16
	}
	e.Valid = e.Size
	if e.IsDir() {
		e.Size, e.Valid = 0, 0 // not kept there
	}
	e.Created = local(le.Uint16(b[16:]), le.Uint16(b[14:]), b[13])
	e.Modified = local(le.Uint16(b[24:]), le.Uint16(b[22:]), 0)
	e.Accessed = local(le.Uint16(b[18:]), 0, 0)
	e.Deleted = b[0] == 0xE5
	e.Name = shortName(b, e.Deleted)
	if units, first, ok := longName(r.parts, e.Short, e.Deleted); ok {
		e.Units, e.Name = units, utf16.String(units)
		if e.Deleted {
			e.Short[0] = first
		}
		return e
	}
	if e.Deleted {
		e.Odd = "the first character of the name is lost"
	} else if name := looseName(r.parts); name != "" {
		e.Odd = fmt.Sprintf("the long name before it, %q, has the checksum of another short name", name)
	}
	return e
}

// looseName is what parts in use hold that belong to no short entry.
func looseName(parts []slot) string {
	var units []byte
	for _, p := range slices.Backward(parts) {
		if p.b[0] == 0xE5 {
			return ""
		}
		units = append(units, partText(p.b)...)
	}
	return utf16.String(units)
}

// partText are the units of a part up to its end mark.
func partText(b []byte) []byte {
	text := append(append(bytes.Clone(b[1:11]), b[14:26]...), b[28:32]...)
	for i := 0; i < len(text); i += 2 {
		if text[i]|text[i+1] == 0 {
			return text[:i]
		}
	}
	return text
}

// plausible tells whether a slot behind the end mark may be an old entry: there
// may be anything.
func plausible(b []byte) bool {
	if b[11]&0xC0 != 0 || b[0] < 0x20 && b[0] != 0x05 {
		return false
	}
	for _, c := range b[1:11] {
		if c < 0x20 || bytes.IndexByte([]byte(`"*+,./:;<=>?[\]|`), c) >= 0 {
			return false
		}
	}
	date := binary.LittleEndian.Uint16(b[24:])
	return date == 0 || filetime.FromDOS(date, 0) != 0
}

// labelText is the label of a volume.
func labelText(b []byte) string {
	b = bytes.TrimRight(bytes.Clone(b), " \x00")
	if len(b) > 0 && b[0] == 0x05 {
		b[0] = 0xE5
	}
	return codepage.Decode(b, codepage.Presume)
}

// ShortName is the short name with its dot, "" for none.
func (e *Entry) ShortName() string {
	if len(e.Short) < 11 {
		return ""
	}
	return shortName(append(bytes.Clone(e.Short), 0, 0), e.Short[0] == 0xE5)
}

// shortName is the name of eleven bytes with its dot. The two case marks of NT
// stand in byte 12.
func shortName(b []byte, deleted bool) string {
	name := bytes.Clone(b[:11])
	switch {
	case deleted:
		name[0] = '?'
	case name[0] == 0x05:
		name[0] = 0xE5
	}
	base, ext := bytes.TrimRight(name[:8], " "), bytes.TrimRight(name[8:], " ")
	if b[12]&0x08 != 0 {
		base = lower(base)
	}
	if b[12]&0x10 != 0 {
		ext = lower(ext)
	}
	if len(ext) > 0 {
		base = append(append(base[:len(base):len(base)], '.'), ext...)
	}
	for _, c := range base {
		if c >= 0x80 {
			return codepage.Decode(base, codepage.Presume)
		}
	}
	return string(base)
}

func lower(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 32
		}
	}
	return out
}

// longName puts the parts before a short entry together. They count where each
// holds the checksum of the short name. The first byte of a deleted short name
// follows from the checksum; it must fit the first character of the long name.
func longName(parts []slot, short []byte, deleted bool) (units []byte, first byte, ok bool) {
	first = short[0]
	for k := len(parts) - 1; k >= 0; k-- {
		b := parts[k].b
		number := len(parts) - k
		switch {
		case b[0] == 0xE5 != deleted:
			return nil, first, false
		case !deleted && int(b[0]&0x3F) != number:
			return nil, first, false
		case k == len(parts)-1 && deleted:
			first = firstByte(short, b[13])
		}
		if sum(first, short) != b[13] {
			return nil, first, false
		}
		const partSize = 26
		text := partText(b)
		last := len(text) < partSize || !deleted && b[0]&0x40 != 0
		units = append(units, text...)
		// A name of a multiple of 13 characters has no end mark: of a deleted
		// one the parts go on as long as the checksum fits.
		if last || deleted && (k == 0 || parts[k-1].b[0] != 0xE5 || parts[k-1].b[13] != b[13]) {
			if len(units) == 0 || deleted && !fits(first, units) {
				return nil, first, false
			}
			return units, first, true
		}
	}
	return nil, first, false
}

// sum is the checksum of a short name whose first byte is first.
func sum(first byte, short []byte) byte {
	s := first
	for _, c := range short[1:11] {
		s = s>>1 | s<<7
		s += c
	}
	return s
}

// firstByte is the one that gives the checksum: each step can be taken back.
func firstByte(short []byte, want byte) byte {
	for i := 10; i >= 1; i-- {
		want -= short[i]
		want = want<<1 | want>>7
	}
	return want
}

// fits tells whether a short name that begins with this byte may have been made
// for a long name.
func fits(first byte, units []byte) bool {
	c := rune(0) // a short name leaves out dots and spaces at the beginning
	for i := 0; i < len(units) && (c == 0 || c == '.' || c == ' '); i += 2 {
		c = rune(units[i]) | rune(units[i+1])<<8
	}
	switch {
	case first >= 0x80:
		return c >= 0x80
	case c >= 'a' && c <= 'z':
		return rune(first) == c-32
	case c < 0x80 && c > 0x20:
		return rune(first) == c || first == '_'
	}
	return first > 0x20 // of another script Windows makes up a name
}

// local is a time of FAT; fine counts 10 ms.
func local(date, clock uint16, fine byte) Time {
	t := filetime.FromDOS(date, clock)
	if t != 0 && fine < 200 {
		t += uint64(fine) * 100000
	}
	return Time{Ticks: t}
}
