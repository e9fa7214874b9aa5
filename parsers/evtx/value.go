package evtx

import (
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/filetime"
	"kanshiki/parsers/internal/utf16"
)

// Type is the type of a value ([MS-EVEN6] 2.2.17, libevtx "Value types").
type Type uint8

const (
	Null       Type = 0x00
	String     Type = 0x01 // UTF-16LE
	AnsiString Type = 0x02 // in a code page that the file does not tell
	Int8       Type = 0x03
	UInt8      Type = 0x04
	Int16      Type = 0x05
	UInt16     Type = 0x06
	Int32      Type = 0x07
	UInt32     Type = 0x08
	Int64      Type = 0x09
	UInt64     Type = 0x0a
	Real32     Type = 0x0b
	Real64     Type = 0x0c
	Bool       Type = 0x0d
	Binary     Type = 0x0e
	GUIDType   Type = 0x0f
	SizeT      Type = 0x10 // 4 or 8 bytes, by the writing machine
	FileTime   Type = 0x11
	SystemTime Type = 0x12
	SID        Type = 0x13
	HexInt32   Type = 0x14
	HexInt64   Type = 0x15
	EvtHandle  Type = 0x20
	BinXML     Type = 0x21
	EvtXML     Type = 0x23
	// UTF8 is text put together from parts of the record; no file has it.
	UTF8 Type = 0x7f

	// Array is added to the type of the items.
	Array Type = 0x80
)

// Value is a value as it stands in the record. Raw points into the chunk.
type Value struct {
	Type Type
	Raw  []byte
}

// IsNull is true where the record has no value.
func (v Value) IsNull() bool { return v.Type == Null || len(v.Raw) == 0 && v.Type != UTF8 }

// String is the value as text, as Windows renders it.
func (v Value) String() string { return string(v.Append(nil)) }

// Uint is the value as an unsigned number; text of digits, also hexadecimal,
// is one too.
func (v Value) Uint() (uint64, bool) {
	switch v.Type {
	case Int8, UInt8, Int16, UInt16, Int32, UInt32, Int64, UInt64, SizeT, HexInt32, HexInt64, Bool, FileTime, EvtHandle:
		return number(v.Raw)
	case String, UTF8, AnsiString:
		n, err := strconv.ParseUint(v.String(), 0, 64)
		return n, err == nil
	}
	return 0, false
}

// number reads a little-endian number of 1, 2, 4 or 8 bytes.
func number(b []byte) (uint64, bool) {
	c := cursor.New(b)
	switch len(b) {
	case 1:
		return uint64(c.U8("value")), true
	case 2:
		return uint64(c.U16("value")), true
	case 4:
		return uint64(c.U32("value")), true
	case 8:
		return c.U64("value"), true
	}
	return 0, false
}

// width is the size of an item of a fixed size, or 0.
func (t Type) width() int {
	switch t {
	case Int8, UInt8:
		return 1
	case Int16, UInt16:
		return 2
	case Int32, UInt32, Real32, Bool, HexInt32:
		return 4
	case Int64, UInt64, Real64, FileTime, HexInt64:
		return 8
	case GUIDType, SystemTime:
		return 16
	}
	return 0
}

// Append adds the value as text. A value whose size does not fit its type is
// shown as hexadecimal digits.
func (v Value) Append(dst []byte) []byte {
	b := v.Raw
	if len(b) == 0 {
		return dst
	}
	if v.Type&Array != 0 {
		return v.appendItems(dst)
	}
	switch v.Type {
	case UTF8:
		return append(dst, b...)
	case String, EvtXML:
		return utf16.Append(dst, trimUnits(b))
	case AnsiString:
		return appendLatin1(dst, b)
	case GUIDType:
		if len(b) == 16 {
			return appendGUID(dst, b)
		}
	case SID:
		if out, ok := appendSID(dst, b); ok {
			return out
		}
	case SystemTime:
		if out, ok := appendSystemTime(dst, b); ok {
			return out
		}
	case Binary, BinXML:
	default:
		if n, ok := number(b); ok {
			return appendNumber(dst, v.Type, n, len(b))
		}
	}
	return appendHex(dst, b)
}

func appendNumber(dst []byte, t Type, n uint64, size int) []byte {
	switch t {
	case Int8, Int16, Int32, Int64:
		shift := 64 - 8*size
		return strconv.AppendInt(dst, int64(n<<shift)>>shift, 10)
	case UInt8, UInt16, UInt32, UInt64:
		return strconv.AppendUint(dst, n, 10)
	case Real32:
		if size == 4 {
			return strconv.AppendFloat(dst, float64(math.Float32frombits(uint32(n))), 'g', -1, 32)
		}
	case Real64:
		if size == 8 {
			return strconv.AppendFloat(dst, math.Float64frombits(n), 'g', -1, 64)
		}
	case Bool:
		return strconv.AppendBool(dst, n != 0)
	case FileTime:
		if size == 8 {
			return AppendFileTime(dst, n)
		}
	}
	return strconv.AppendUint(append(dst, "0x"...), n, 16)
}

// trimUnits cuts zero units at the end, which are padding and terminators.
func trimUnits(b []byte) []byte {
	b = b[:len(b)&^1]
	for len(b) >= 2 && b[len(b)-1] == 0 && b[len(b)-2] == 0 {
		b = b[:len(b)-2]
	}
	return b
}

// appendLatin1 gives each byte above 0x7f the code point of the same number:
// the code page is not known here, and no byte is lost this way.
func appendLatin1(dst, b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	for _, c := range b {
		if c < 0x80 {
			dst = append(dst, c)
		} else {
			dst = append(dst, 0xc0|c>>6, 0x80|c&0x3f)
		}
	}
	return dst
}

func appendHex(dst, b []byte) []byte {
	at := len(dst)
	dst = hex.AppendEncode(dst, b)
	for i := at; i < len(dst); i++ {
		if dst[i] >= 'a' {
			dst[i] -= 'a' - 'A'
		}
	}
	return dst
}

func appendGUID(dst, b []byte) []byte {
	order := [...]int8{3, 2, 1, 0, -1, 5, 4, -1, 7, 6, -1, 8, 9, -1, 10, 11, 12, 13, 14, 15}
	const digits = "0123456789abcdef"
	dst = append(dst, '{')
	for _, i := range order {
		if i < 0 {
			dst = append(dst, '-')
			continue
		}
		dst = append(dst, digits[b[i]>>4], digits[b[i]&15])
	}
	return append(dst, '}')
}

// appendSID writes the text form of a security identifier, [MS-DTYP] 2.4.2.
func appendSID(dst, b []byte) ([]byte, bool) {
	c := cursor.New(b)
	rev, n := c.U8("revision"), int(c.U8("count"))
	high, low := c.U16BE("authority"), c.U32BE("authority")
	if c.Err() != nil || rev != 1 || n > 15 || c.Left() < 4*n {
		return dst, false
	}
	dst = append(dst, "S-1-"...)
	if auth := uint64(high)<<32 | uint64(low); high == 0 {
		dst = strconv.AppendUint(dst, auth, 10)
	} else {
		dst = strconv.AppendUint(append(dst, "0x"...), auth, 16)
	}
	for range n {
		dst = strconv.AppendUint(append(dst, '-'), uint64(c.U32("sub authority")), 10)
	}
	return dst, true
}

// AppendFileTime writes a FILETIME as Windows does in event XML.
func AppendFileTime(dst []byte, ft uint64) []byte {
	if ft > math.MaxInt64 {
		return strconv.AppendUint(dst, ft, 10)
	}
	const second = 10000000
	t := time.Unix(int64(ft/second)-filetime.Unix/second, int64(ft%second)*100).UTC()
	return t.AppendFormat(dst, "2006-01-02T15:04:05.0000000Z")
}

func appendSystemTime(dst, b []byte) ([]byte, bool) {
	if len(b) != 16 {
		return dst, false
	}
	c := cursor.New(b)
	y, m := c.U16("year"), c.U16("month")
	c.Skip(2, "weekday")
	d, h, min, s, ms := c.U16("day"), c.U16("hour"), c.U16("minute"), c.U16("second"), c.U16("millisecond")
	if filetime.FromCivil(int(y), int(m), int(d), int(h), int(min), int(s)) == 0 || ms > 999 {
		return dst, false
	}
	return time.Date(int(y), time.Month(m), int(d), int(h), int(min), int(s), int(ms)*1e6, time.UTC).AppendFormat(dst, "2006-01-02T15:04:05.000Z"), true
}

// Items yields the items of an array value, or the value itself.
func (v Value) Items(yield func(Value) bool) {
	if v.Type&Array == 0 || len(v.Raw) == 0 {
		yield(v)
		return
	}
	t, b := v.Type&^Array, v.Raw
	for len(b) > 0 {
		n := itemSize(t, b)
		if !yield(Value{t, b[:n]}) {
			return
		}
		b = b[n:]
	}
}

// itemSize is the size of the first item of an array, at least 1.
func itemSize(t Type, b []byte) int {
	switch t {
	case String, EvtXML: // each ends with a zero unit
		for i := 0; i+1 < len(b); i += 2 {
			if b[i] == 0 && b[i+1] == 0 {
				return i + 2
			}
		}
		return len(b)
	case AnsiString:
		for i, c := range b {
			if c == 0 {
				return i + 1
			}
		}
		return len(b)
	case SID:
		if len(b) >= 8 {
			return min(8+4*int(b[1]), len(b))
		}
		return len(b)
	}
	if w := t.width(); w > 0 {
		return min(w, len(b))
	}
	return len(b)
}

func (v Value) appendItems(dst []byte) []byte {
	first := true
	v.Items(func(item Value) bool {
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = item.Append(dst)
		return true
	})
	return dst
}
