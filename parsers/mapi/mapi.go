// Package mapi decodes the property streams of Outlook messages in compound
// files.
//
// Source: [MS-OXMSG] 2.4 (property stream: header of 32, 24 or 8 bytes, then
// entries of 16), [MS-OXPROPS] for the tags, [MS-OXCDATA] 2.11 for the types.
// Values of variable length stand in streams of their own, __substg1.0_TTTTTTTT
// with the tag in hexadecimal; the caller gives them. Not decoded: named
// properties, multi-valued ones (their tags are listed), RTF.
package mapi

import (
	"fmt"

	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// Sizes of the header before the entries.
const (
	TopHeader       = 32 // of a message
	EmbeddedHeader  = 24 // of a message inside a message
	AttachmentEntry = 8  // of an attachment or a recipient
)

// Types of properties.
const (
	Integer16 = 0x0002
	Integer32 = 0x0003
	Boolean   = 0x000B
	Integer64 = 0x0014
	String8   = 0x001E
	Unicode   = 0x001F
	Time      = 0x0040
	Binary    = 0x0102
)

// Property is one entry.
type Property struct {
	ID    uint16
	Type  uint16
	Value uint64 // of fixed types; of others the declared length in bytes
}

// Decode reads a property stream behind its header of that many bytes.
func Decode(b []byte, header int) ([]Property, error) {
	c := cursor.New(b)
	c.Skip(header, "header")
	var out []Property
	for c.Left() >= 16 {
		kind, id := c.U16("type"), c.U16("id")
		c.Skip(4, "flags")
		v := c.U64("value")
		switch kind {
		case Integer16:
			v &= 0xFFFF
		case Integer32:
			v &= 0xFFFFFFFF
		case Boolean:
			v &= 1
		case String8, Unicode, Binary:
			v &= 0xFFFFFFFF
		}
		out = append(out, Property{id, kind, v})
	}
	if c.Err() == nil && c.Left() > 0 {
		c.Fail("%d bytes behind the last entry", c.Left())
	}
	return out, c.Err()
}

// Stream is the name of the stream that holds a property's value.
func (p Property) Stream() string { return fmt.Sprintf("__substg1.0_%04X%04X", p.ID, p.Type) }

// Text decodes the content of such a stream; page is the code page of String8
// (0: presumed).
func (p Property) Text(b []byte, page int) string {
	if p.Type == Unicode {
		return utf16.CString(b)
	}
	for i, x := range b {
		if x == 0 {
			b = b[:i]
			break
		}
	}
	return codepage.Decode(b, page)
}
