// Package der walks ASN.1 values in DER, and in the BER forms that signing
// tools of the nineties wrote: indefinite lengths and lengths longer than they
// need be (ITU-T X.690, 8.1). Nothing is decoded into Go structures: a field
// that an encoder got wrong (a negative serial number, an unknown string type)
// must not hide the others.
//
// Not read: tags above 30, values of more than 1 GiB.
package der

import (
	"strconv"
	"strings"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// MaxDepth bounds nested values.
const MaxDepth = 64

// Universal tags.
const (
	Integer     = 2
	BitString   = 3
	OctetString = 4
	OID         = 6
	UTF8String  = 12
	Sequence    = 16
	Set         = 17
	UTCTime     = 23
	GeneralTime = 24
	BMPString   = 30
)

// Value is one tag, length and value.
type Value struct {
	Off         int64 // of its tag in the source
	Class       uint8 // 0 universal, 2 context
	Tag         uint8
	Constructed bool
	Full        []byte // tag, length and value
	Body        []byte // the value alone
	bodyOff     int64
}

// Read reads the value at the start of b, whose first byte lies at base of its
// source, and gives what follows it.
func Read(b []byte, base int64) (Value, []byte, error) { return read(b, base, 0) }

func read(b []byte, base int64, depth int) (Value, []byte, error) {
	c := cursor.At(b, base)
	t := c.U8("tag")
	v := Value{Off: base, Class: t >> 6, Constructed: t&0x20 != 0, Tag: t & 0x1f}
	if v.Tag == 0x1f {
		c.Fail("a tag above 30")
	}
	n := int(c.U8("length"))
	switch {
	case n == 0x80:
		if c.Err() != nil {
			break
		}
		return indefinite(v, b, base, depth)
	case n > 0x80:
		k := n & 0x7f
		n = 0
		for range k {
			if n > 1<<22 {
				c.Fail("a length of %d bytes", k)
				break
			}
			n = n<<8 | int(c.U8("length"))
		}
	}
	v.bodyOff = c.Pos()
	v.Body = c.Take(n, "value")
	if c.Err() != nil {
		return Value{}, nil, c.Err()
	}
	v.Full = b[:c.Off():c.Off()]
	return v, b[c.Off():], nil
}

// indefinite reads a value that ends with two zeros.
func indefinite(v Value, b []byte, base int64, depth int) (Value, []byte, error) {
	if !v.Constructed || depth >= MaxDepth {
		return Value{}, nil, cursor.Errorf(base, "an indefinite length that cannot be, or deeper than %d", MaxDepth)
	}
	rest := b[2:]
	for {
		at := base + int64(len(b)-len(rest))
		if len(rest) >= 2 && rest[0] == 0 && rest[1] == 0 {
			n := len(b) - len(rest)
			v.bodyOff, v.Body, v.Full = base+2, b[2:n:n], b[:n+2:n+2]
			return v, rest[2:], nil
		}
		_, next, err := read(rest, at, depth+1)
		if err != nil {
			return Value{}, nil, err
		}
		rest = next
	}
}

// Is tells whether the value has this universal tag.
func (v Value) Is(tag uint8) bool { return v.Class == 0 && v.Tag == tag }

// Context tells whether the value has this context-specific tag.
func (v Value) Context(tag uint8) bool { return v.Class == 2 && v.Tag == tag }

// Children reads the values inside. An error belongs to the first that does
// not fit; those before it are given.
func (v Value) Children() ([]Value, error) {
	var out []Value
	rest := v.Body
	for len(rest) > 0 {
		c, next, err := Read(rest, v.bodyOff+int64(len(v.Body)-len(rest)))
		if err != nil {
			return out, err
		}
		out = append(out, c)
		rest = next
	}
	return out, nil
}

// Kids gives the values inside, as far as they fit.
func (v Value) Kids() []Value {
	k, _ := v.Children()
	return k
}

// Inner is the first value inside, a zero Value where there is none.
func (v Value) Inner() Value {
	if k := v.Kids(); len(k) > 0 {
		return k[0]
	}
	return Value{}
}

// OID prints an object identifier in dots, "" where it is none.
func (v Value) OID() string {
	if !v.Is(OID) || len(v.Body) == 0 {
		return ""
	}
	var out []string
	var n uint64
	for i, b := range v.Body {
		if n >= 1<<56 {
			return ""
		}
		n = n<<7 | uint64(b&0x7f)
		if b&0x80 != 0 {
			if i == len(v.Body)-1 {
				return ""
			}
			continue
		}
		if out == nil {
			first := min(n/40, 2)
			out = append(out, strconv.FormatUint(first, 10))
			n -= first * 40
		}
		out = append(out, strconv.FormatUint(n, 10))
		n = 0
	}
	return strings.Join(out, ".")
}

// Octets is the content of an octet string, also of one that BER splits.
func (v Value) Octets() []byte {
	if !v.Constructed {
		return v.Body
	}
	var out []byte
	for _, k := range v.Kids() {
		out = append(out, k.Body...)
	}
	return out
}

// Text decodes a string by its tag; BMPString is UTF-16BE.
func (v Value) Text() string {
	if v.Is(BMPString) {
		return BMP(v.Body)
	}
	return string(v.Body)
}

// BMP decodes UTF-16BE.
func BMP(b []byte) string {
	le := make([]byte, len(b)&^1)
	for i := 0; i+1 < len(b); i += 2 {
		le[i], le[i+1] = b[i+1], b[i]
	}
	return utf16.String(le)
}

// MaxValues bounds the values that Check accepts.
const MaxValues = 1 << 16

// Check tells whether a value can be given to a reader that recurses and makes
// an object of every value.
func Check(b []byte) error {
	left := MaxValues
	return check(b, 0, 0, &left)
}

func check(b []byte, base int64, depth int, left *int) error {
	if depth > MaxDepth {
		return cursor.Errorf(base, "values nested deeper than %d", MaxDepth)
	}
	for len(b) > 0 {
		v, rest, err := read(b, base, depth)
		if err != nil {
			return err
		}
		if *left--; *left < 0 {
			return cursor.Errorf(base, "more than %d values", MaxValues)
		}
		if v.Constructed {
			if err := check(v.Body, v.bodyOff, depth+1, left); err != nil {
				return err
			}
		}
		base += int64(len(b) - len(rest))
		b = rest
	}
	return nil
}

// Encode makes a value of a tag and the parts of its body.
func Encode(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := []byte{tag}
	switch {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 1<<16:
		out = append(out, 0x82, byte(n>>8), byte(n))
		if n < 1<<8 {
			out = []byte{tag, 0x81, byte(n)}
		}
	default:
		out = append(out, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		if n < 1<<24 {
			out = []byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}
		}
	}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
