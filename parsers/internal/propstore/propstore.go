// Package propstore reads serialized property stores, which shell links and
// shell items carry.
//
// Source: [MS-PROPSTORE] 2.2 (version 1, "1SPS"), [MS-OLEPS] 2.15 for the
// typed values. Read: strings, numbers, booleans, times, identifiers; a value
// of another type keeps its raw bytes.
package propstore

import (
	"strconv"
	"strings"

	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/utf16"
)

// Property is one value.
type Property struct {
	Format guid.GUID // the set it belongs to
	ID     uint32    // where the set is numbered
	Name   string    // where the set is named ({D5CDD505-…})
	Type   uint16    // VARTYPE
	Value  string    // as text; "" where Raw is kept
	Ticks  uint64    // VT_FILETIME
	Raw    []byte    // of a type that is not decoded
}

// Key is the set and the number or name: "46588ae2-…/4".
func (p Property) Key() string {
	if p.Name != "" {
		return p.Format.String() + "/" + p.Name
	}
	return p.Format.String() + "/" + strconv.FormatUint(uint64(p.ID), 10)
}

// named is the set whose properties have names.
const named = "d5cdd505-2e9c-101b-9397-08002b2cf9ae"

// Parse reads storages until the empty one that ends them, or the end of b;
// base is the offset of b in its source. What was read before an error is
// returned with it.
func Parse(b []byte, base int64) ([]Property, error) {
	var out []Property
	c := cursor.At(b, base)
	for c.Left() >= 4 {
		at := c.Pos()
		size := int64(c.U32("property storage"))
		if size == 0 {
			return out, nil
		}
		if size < 24 || size-4 > int64(c.Left()) {
			return out, cursor.Errorf(at, "property storage: size %d, have %d bytes", size, c.Left()+4)
		}
		props, err := storage(c.Take(int(size)-4, "property storage"), at+4)
		out = append(out, props...)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func storage(b []byte, base int64) ([]Property, error) {
	c := cursor.At(b, base)
	if sig := c.Take(4, "signature"); string(sig) != "1SPS" {
		return nil, cursor.Errorf(base, "property storage: signature %q", sig)
	}
	format := guid.From(c.Take(16, "format"))
	var out []Property
	for c.Left() >= 4 {
		at := c.Pos()
		size := int64(c.U32("property"))
		if size == 0 {
			break
		}
		if size < 9 || size-4 > int64(c.Left()) {
			return out, cursor.Errorf(at, "property: size %d, have %d bytes", size, c.Left()+4)
		}
		p := Property{Format: format}
		v := cursor.At(c.Take(int(size)-4, "property"), at+4)
		if id := v.U32("property id"); format.String() == named {
			v.Skip(1, "reserved")
			p.Name = utf16.CString(v.Take(int(min(id, 1<<20)), "property name"))
		} else {
			p.ID = id
			v.Skip(1, "reserved")
		}
		p.value(v)
		out = append(out, p)
		if v.Err() != nil {
			return out, v.Err()
		}
	}
	return out, c.Err()
}

// value reads a typed value.
func (p *Property) value(c *cursor.Cursor) {
	if c.Left() < 4 { // an empty value
		return
	}
	p.Type = c.U16("type")
	c.Skip(2, "padding")
	number := func(n uint64) { p.Value = strconv.FormatUint(n, 10) }
	switch p.Type {
	case 0, 1: // VT_EMPTY, VT_NULL
	case 2: // VT_I2
		p.Value = strconv.Itoa(int(int16(c.U16("value"))))
	case 3, 22: // VT_I4, VT_INT
		p.Value = strconv.Itoa(int(int32(c.U32("value"))))
	case 11: // VT_BOOL
		p.Value = strconv.FormatBool(c.U16("value") != 0)
	case 17: // VT_UI1
		number(uint64(c.U8("value")))
	case 18: // VT_UI2
		number(uint64(c.U16("value")))
	case 19, 23: // VT_UI4, VT_UINT
		number(uint64(c.U32("value")))
	case 20: // VT_I8
		p.Value = strconv.FormatInt(int64(c.U64("value")), 10)
	case 21: // VT_UI8
		number(c.U64("value"))
	case 64: // VT_FILETIME
		p.Ticks = c.U64("value")
		number(p.Ticks)
	case 72: // VT_CLSID
		p.Value = guid.From(c.Take(16, "value")).String()
	case 8, 30: // VT_BSTR, VT_LPSTR: a size in bytes
		b := c.Take(int(min(c.U32("size"), 1<<30)), "value")
		s, _, _ := strings.Cut(string(b), "\x00")
		p.Value = codepage.Decode([]byte(s), codepage.Presume)
	case 31: // VT_LPWSTR: a size in characters
		p.Value = utf16.CString(c.Take(int(min(c.U32("size"), 1<<29))*2, "value"))
	default:
		p.Raw = c.Take(c.Left(), "value")
	}
}
