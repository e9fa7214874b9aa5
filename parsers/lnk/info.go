package lnk

import (
	"bytes"
	"strings"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// Info is where the target was: on a volume, on a share, or both ([MS-SHLLINK]
// 2.3).
type Info struct {
	Flags   uint32  // 1: volume and local path, 2: share
	Volume  *Volume // nil where flag 1 is not set
	Local   Text    // path on this machine, or its beginning
	Share   *Share  // nil where there is none
	Suffix  Text    // rest of the path, behind Local or the share's name
	Unicode bool    // Local and Suffix were stored as UTF-16 too
}

// Volume is the volume of the target.
type Volume struct {
	Type   uint32 // 2 removable, 3 fixed, 4 remote, 5 optical, 6 RAM
	Serial uint32
	Label  Text
}

// Share is the network share of the target.
type Share struct {
	Flags    uint32
	Name     Text   // \\server\share
	Device   Text   // drive letter it was connected as
	Provider uint32 // WNNC_NET_…
}

// Path joins local path, or share, and suffix.
func (i *Info) Path() string {
	if i.Local.Text != "" || i.Share == nil {
		return join(i.Local.Text, i.Suffix.Text)
	}
	return i.NetworkPath()
}

// NetworkPath is the path by the share, or "".
func (i *Info) NetworkPath() string {
	if i.Share == nil || i.Share.Name.Text == "" {
		return ""
	}
	return join(i.Share.Name.Text, i.Suffix.Text)
}

func join(a, b string) string {
	if a == "" || b == "" || strings.HasSuffix(a, `\`) {
		return a + b
	}
	return a + `\` + b
}

// info reads the link info. Its offsets are from its own beginning; a part
// that does not fit is reported, the others are still read.
func (d *decoder) info() {
	if d.Flags&HasLinkInfo == 0 {
		return
	}
	at := d.c.Pos()
	size := d.c.U32("size of link info")
	if size == 0 || d.c.Err() != nil {
		return // Explorer takes an empty one as valid (liblnk, "corruption scenarios")
	}
	if size < 28 {
		d.c.Fail("link info of %d bytes", size)
		return
	}
	d.c.Seek(int(at), "link info")
	b := d.c.Take(int(min(size, MaxSize)), "link info")
	if b == nil {
		return
	}
	i := infoReader{decoder: d, b: b, base: at}
	d.Info = i.read()
}

type infoReader struct {
	*decoder
	b    []byte
	base int64
}

func (r *infoReader) read() *Info {
	c := cursor.At(r.b, r.base)
	c.Skip(4, "size")
	header := c.U32("size of header")
	i := &Info{Flags: c.U32("flags")}
	volume, local, share, suffix := c.U32("volume"), c.U32("local path"), c.U32("share"), c.U32("suffix")
	var local16, suffix16 uint32
	if header >= 0x24 {
		local16, suffix16 = c.U32("local path"), c.U32("suffix")
	}
	r.damage(c.Err())
	if i.Flags&1 != 0 {
		if volume != 0 {
			i.Volume = r.volume(volume)
		}
		i.Local = r.string(r.b, r.base, local, local16, "local path")
		i.Unicode = local16 != 0
	}
	if i.Flags&2 != 0 && share != 0 {
		i.Share = r.share(share)
	}
	i.Suffix = r.string(r.b, r.base, suffix, suffix16, "path suffix")
	return i
}

// string reads a string that ends with zero, in UTF-16 where its second offset
// is set; the bytes of the code page are kept beside it.
func (r *infoReader) string(b []byte, base int64, off, off16 uint32, what string) Text {
	var t Text
	if off != 0 {
		if raw, ok := r.from(b, base, off, what); ok {
			if !bytes.Contains(raw, []byte{0}) {
				r.damage(cursor.Errorf(base+int64(off), "%s: does not end within the link info", what))
			}
			t = r.text(raw)
		}
	}
	if off16 != 0 {
		if raw, ok := r.from(b, base, off16, what); ok {
			t.Text = utf16.CString(raw)
		}
	}
	return t
}

func (r *infoReader) from(b []byte, base int64, off uint32, what string) ([]byte, bool) {
	if int64(off) > int64(len(b)) {
		r.damage(cursor.Errorf(base, "%s: at %d, have %d bytes", what, off, len(b)))
		return nil, false
	}
	return b[off:], true
}

// part gives a structure that begins with its own size.
func (r *infoReader) part(off uint32, least int, what string) ([]byte, int64) {
	b, ok := r.from(r.b, r.base, off, what)
	if !ok {
		return nil, 0
	}
	base := r.base + int64(off)
	c := cursor.At(b, base)
	size := int64(c.U32("size of " + what))
	if c.Err() == nil && (size < int64(least) || size > int64(len(b))) {
		c.Fail("%s of %d bytes, have %d", what, size, len(b))
	}
	if c.Err() != nil {
		r.damage(c.Err())
		return nil, 0
	}
	return b[:size], base
}

func (r *infoReader) volume(off uint32) *Volume {
	b, base := r.part(off, 16, "volume")
	if b == nil {
		return nil
	}
	c := cursor.At(b, base)
	c.Skip(4, "size")
	v := &Volume{Type: c.U32("drive type"), Serial: c.U32("serial number")}
	label := c.U32("label")
	var label16 uint32
	if label == 0x14 { // then the offset of a UTF-16 label follows
		label, label16 = 0, c.U32("label")
	}
	v.Label = r.string(b, base, label, label16, "volume label")
	r.damage(c.Err())
	return v
}

func (r *infoReader) share(off uint32) *Share {
	b, base := r.part(off, 20, "network share")
	if b == nil {
		return nil
	}
	c := cursor.At(b, base)
	c.Skip(4, "size")
	s := &Share{Flags: c.U32("flags")}
	name, device := c.U32("share name"), c.U32("device name")
	s.Provider = c.U32("provider")
	var name16, device16 uint32
	if name > 0x14 {
		name16, device16 = c.U32("share name"), c.U32("device name")
	}
	if s.Flags&1 == 0 {
		device, device16 = 0, 0
	}
	s.Name = r.string(b, base, name, name16, "share name")
	s.Device = r.string(b, base, device, device16, "device name")
	r.damage(c.Err())
	return s
}
