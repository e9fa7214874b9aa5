package pe

import (
	"fmt"

	"kanshiki/parsers/internal/cursor"
)

// VersionString is one text of a version resource, in the resource's order.
type VersionString struct{ Language, Key, Value string }

const maxVersionStrings = 256

// readVersion reads every version resource (VS_VERSIONINFO, "Version
// Information" in the Win32 reference). The fixed numbers become the keys
// "#file" and "#product".
func (f *File) readVersion() {
	for _, r := range f.Resources {
		if r.Type == ResourceVersion && r.TypeName == "" {
			off, _ := f.Offset(r.Address)
			f.versionNode(cursor.At(r.Data, off), 0, fmt.Sprintf("%04x", r.Language))
		}
	}
}

// versionNode reads one node: length, value length, type, key, value, children,
// each aligned to four bytes from the start of the resource. The levels are
// VS_VERSION_INFO, StringFileInfo, language, text.
func (f *File) versionNode(c *cursor.Cursor, level int, language string) {
	for c.Left() >= 6 && len(f.Version) < maxVersionStrings && c.Err() == nil {
		start := c.Off()
		length, valueLength, kind := int(c.U16("length")), int(c.U16("value length")), c.U16("type")
		if length == 0 {
			return
		}
		if length < 6 {
			f.damage(c.Pos(), "version resource: a node of %d bytes", length)
			return
		}
		end := min(start+length, start+6+c.Left())
		key, after := f.versionKey(c, end)
		valueAt := min((after+3)&^3, end)
		if kind == 1 {
			valueLength *= 2 // in characters
		}
		if level == 3 {
			c.Seek(valueAt, "value")
			// Many linkers count bytes where characters are meant: the text ends
			// at its zero or with the node.
			value := wide(c.Take(end-valueAt, "value"))
			f.Version = append(f.Version, VersionString{language, key, value})
		} else {
			f.versionInner(c, level, language, key, valueAt, min(valueAt+valueLength, end), end)
		}
		next := (start + length + 3) &^ 3
		if next > c.Off()+c.Left() {
			return
		}
		c.Seek(next, "next node")
	}
}

// versionInner reads the value and the children of a node that is no text.
func (f *File) versionInner(c *cursor.Cursor, level int, language, key string, valueAt, valueEnd, end int) {
	if level == 0 && valueEnd-valueAt >= 24 {
		c.Seek(valueAt, "fixed version")
		if c.U32("signature") == 0xfeef04bd {
			c.Skip(4, "structure version")
			for _, k := range []string{"#file", "#product"} {
				hi, lo := c.U32("version"), c.U32("version")
				f.Version = append(f.Version, VersionString{language, k, fmt.Sprintf("%d.%d.%d.%d", hi>>16, hi&0xffff, lo>>16, lo&0xffff)})
			}
		}
	}
	if level == 1 && key != "StringFileInfo" {
		return
	}
	if level == 2 {
		language = key
	}
	from := min((valueEnd+3)&^3, end)
	if level > 0 {
		from = valueAt
	}
	c.Seek(from, "children")
	base := c.Pos()
	f.versionNode(cursor.At(c.Take(end-from, "children"), base), level+1, language)
}

// versionKey reads the key and gives the place behind its zero.
func (f *File) versionKey(c *cursor.Cursor, end int) (string, int) {
	var units []byte
	for c.Off()+2 <= end {
		u := c.Take(2, "key")
		if u[0] == 0 && u[1] == 0 {
			break
		}
		units = append(units, u...)
	}
	return wide(units), c.Off()
}

// VersionText is the first value of a key, "" where there is none.
func (f *File) VersionText(key string) string {
	for _, v := range f.Version {
		if v.Key == key {
			return v.Value
		}
	}
	return ""
}
