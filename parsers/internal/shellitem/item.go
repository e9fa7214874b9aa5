package shellitem

import (
	"bytes"
	"strings"

	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/filetime"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/utf16"
)

// delegateClass stands behind the inner data of every delegate item.
var delegateClass = []byte{0x74, 0x1A, 0x59, 0x5E, 0x96, 0xDF, 0xD3, 0x48, 0x8D, 0x67, 0x17, 0x33, 0xBC, 0xEE, 0x28, 0xBA}

// One reads a single item with its size. It never fails: what does not fit the
// kind that the item seems to be leaves it with its class and bytes.
func One(raw []byte, base int64, page int) Item {
	it := Item{Offset: base, Kind: Unknown, Raw: raw}
	if len(raw) < 3 {
		return it
	}
	it.Class = raw[2]
	r := reader{it: &it, b: raw, page: page}
	switch {
	case r.delegate():
	case it.Class == 0x1F:
		r.root()
	case it.Class&0x70 == 0x20:
		r.volume()
	case it.Class&0x70 == 0x30:
		it.Kind = File
		r.file(raw, 0)
	case it.Class&0x70 == 0x40:
		r.network()
	case it.Class == 0x61:
		r.address()
	case it.Class == 0x71:
		r.controlPanel()
	default:
		r.signed()
	}
	return it
}

// reader fills one item.
type reader struct {
	it   *Item
	b    []byte
	page int
}

// ansi reads a string that ends with zero, or with b.
func (r *reader) ansi(b []byte) Text {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return Text{codepage.Decode(b, r.page), b}
}

func (r *reader) guidAt(off int) bool {
	if len(r.b) < off+16 {
		return false
	}
	r.it.GUID = guid.From(r.b[off:])
	return true
}

func (r *reader) root() {
	if r.guidAt(4) {
		r.it.Kind = Root
		r.extensions(20)
	}
}

func (r *reader) volume() {
	switch {
	case r.it.Class&1 == 0: // without a name: an identifier
		if r.guidAt(4) {
			r.it.Kind = Volume
		}
	case len(r.b) >= 4:
		r.it.Kind = Volume
		r.it.Short = r.ansi(r.b[3:min(23, len(r.b))])
		r.it.Name = r.it.Short.Text
		if len(r.b) >= 41 {
			r.guidAt(25)
			r.extensions(41)
		}
	}
}

// file reads a file entry that begins at b; shift is where b begins in the
// whole item. The two last bytes of an item tell where its first extension
// block begins; before XP there is none, and a second name stands there.
func (r *reader) file(b []byte, shift int) {
	c := cursor.New(b)
	c.Skip(4, "head")
	r.it.Size = c.U32("size")
	date, clock := c.U16("date"), c.U16("time")
	r.it.Modified = filetime.FromDOS(date, clock)
	r.it.Attributes = c.U16("attributes")
	if c.Err() != nil {
		return
	}
	first := r.firstExtension()
	rest := b[c.Off():]
	if first > shift+c.Off() && first-shift <= len(b) {
		rest = b[c.Off() : first-shift]
	}
	if r.it.Class&4 != 0 {
		r.it.Name = utf16.CString(rest)
	} else {
		r.it.Short = r.ansi(rest)
		r.it.Name = r.it.Short.Text
		// Before XP the second name, behind the first and its zero, is the short one.
		if n := len(r.it.Short.Raw) + 1; first == 0 && n < len(rest) {
			if second := r.ansi(rest[n:]); second.Text != "" && len(second.Raw) <= 12 {
				r.it.Short = second
			}
		}
	}
	if first > 0 {
		r.extensions(first)
	}
}

// firstExtension is the place of the first extension block by the last two
// bytes of the item, or 0 where there is none.
func (r *reader) firstExtension() int {
	if len(r.b) < 16 {
		return 0
	}
	off := int(r.b[len(r.b)-2]) | int(r.b[len(r.b)-1])<<8
	if off < 4 || off+8 > len(r.b) || r.b[off+7] != 0xBE || r.b[off+6] != 0xEF {
		return 0
	}
	return off
}

func (r *reader) network() {
	if len(r.b) < 6 {
		return
	}
	r.it.Kind = Network
	r.it.Short = r.ansi(r.b[5:])
	r.it.Name = r.it.Short.Text
}

func (r *reader) address() {
	c := cursor.New(r.b)
	c.Skip(3, "head")
	flags := c.U8("flags")
	c.Skip(int(c.U16("size of data")), "data")
	if c.Err() != nil {
		return
	}
	r.it.Kind = Address
	rest := r.b[c.Off():]
	if flags&0x80 != 0 {
		r.it.Name = utf16.CString(rest)
		return
	}
	r.it.Short = r.ansi(rest)
	r.it.Name = r.it.Short.Text
}

func (r *reader) controlPanel() {
	if r.guidAt(14) {
		r.it.Kind = ControlPanel
	}
}

// delegate recognises an item by the class behind its inner data and reads the
// file entry or volume that it holds.
func (r *reader) delegate() bool {
	if len(r.b) < 38 {
		return false
	}
	inner := int(r.b[4]) | int(r.b[5])<<8
	end := 6 + inner
	if end+32 > len(r.b) || !bytes.Equal(r.b[end:end+16], delegateClass) {
		return false
	}
	r.it.Kind = Delegate
	r.guidAt(end + 16)
	if inner >= 8 {
		switch body := r.b[10:end]; string(r.b[6:10]) {
		case "CFSF":
			r.it.Kind = File
			r.it.Class = body[2]
			r.file(body, 10)
		case "\x10\xB7\xA6\xF5":
			r.it.Class = body[2]
			r.it.Kind = Volume
			if len(body) > 3 {
				r.it.Short = r.ansi(body[3:])
				r.it.Name = r.it.Short.Text
			}
		}
	}
	if len(r.it.Extensions) == 0 {
		r.extensions(end + 32)
	}
	return true
}

// signed reads the items that are known by a signature and not by their class.
func (r *reader) signed() {
	c := cursor.New(r.b)
	c.Skip(4, "head")
	size := int(c.U16("size of data"))
	sig := c.U32("signature")
	if c.Err() != nil {
		return
	}
	switch sig {
	case 0x23FEBBEE: // users property view of a known folder
		c.Skip(4, "sizes")
		if g := c.Take(16, "known folder"); g != nil {
			r.it.Kind, r.it.GUID = KnownFolder, guid.From(g)
		}
		r.extensions(6 + size)
	case 0x10312005: // volume of a portable device
		r.device(54, 38)
	case 0x07192006: // folder or file of a portable device
		r.device(74, 62)
	default:
		r.member()
	}
}

// device reads the first name of a portable device's item: its length in
// characters stands at size, its text at text.
func (r *reader) device(text, size int) {
	c := cursor.New(r.b)
	c.Seek(size, "size of name")
	n := c.U32("size of name")
	c.Seek(text, "name")
	if b := c.Take(int(min(n, 1<<16))*2, "name"); c.Err() == nil {
		r.it.Kind, r.it.Name = Device, utf16.CString(b)
	}
}

// member reads what the shell of Windows 10 notes of a member of a ZIP
// archive: no signature, but a date as text at a fixed place.
func (r *reader) member() {
	if len(r.b) < 100 || r.it.Class > 1 {
		return
	}
	date := utf16.CString(r.b[36:78])
	if date != "N/A" && (len(date) < 16 || date[2] != '/' || date[5] != '/') {
		return
	}
	c := cursor.New(r.b)
	c.Seek(84, "size of name")
	n := c.U32("size of name")
	c.Skip(4, "size of second name")
	if b := c.Take(int(min(n, 1<<16))*2, "name"); c.Err() == nil && n > 0 {
		r.it.Kind, r.it.Name = Member, utf16.CString(b)
	}
}

// extensions walks the blocks from off on.
func (r *reader) extensions(off int) {
	for off > 0 && off+8 <= len(r.b) {
		c := cursor.New(r.b[off:])
		size, version, sig := int(c.U16("size")), c.U16("version"), c.U32("signature")
		if size < 8 || off+size > len(r.b) || sig>>16 != 0xBEEF {
			return
		}
		data := r.b[off+8 : off+size]
		r.it.Extensions = append(r.it.Extensions, Extension{off, version, sig, data})
		if sig == 0xBEEF0004 {
			r.entry(data, version)
		}
		off += size
	}
}

// entry reads the extension block of a file entry. Its size fields differ by
// version; only what the version has is read.
func (r *reader) entry(b []byte, version uint16) {
	c := cursor.New(b)
	cd, ct := c.U16("created"), c.U16("created")
	ad, at := c.U16("accessed"), c.U16("accessed")
	c.Skip(2, "identifier")
	if c.Err() != nil {
		return
	}
	r.it.Created, r.it.Accessed = filetime.FromDOS(cd, ct), filetime.FromDOS(ad, at)
	if version >= 7 {
		c.Skip(2, "unknown")
		r.it.Ref = c.U64("file reference")
		c.Skip(8, "unknown")
	}
	if version < 3 {
		return
	}
	localized := c.U16("size of names")
	if version >= 9 {
		c.Skip(4, "unknown")
	}
	if version >= 8 {
		c.Skip(4, "unknown")
	}
	rest := c.Take(c.Left(), "long name")
	if len(rest) < 2 {
		return
	}
	rest = rest[:len(rest)-2] // the place of the first block
	long := utf16.CString(rest)
	if long != "" {
		r.it.Name = long
	}
	if n := len(utf16.Units(long)) + 2; localized > 0 && n < len(rest) {
		if version >= 7 {
			r.it.Localized = utf16.CString(rest[n:])
		} else {
			r.it.Localized = r.ansi(rest[n:]).Text
		}
	}
	r.it.Localized = strings.TrimRight(r.it.Localized, "\x00")
}
