package event

import (
	"strconv"
	"unicode/utf8"
)

// Field is one named value of a record. The list keeps the record's order, so
// that the same evidence gives the same bytes.
type Field struct {
	Name string
	text string
	kind byte // 's' text, 'n' number as written, 'b' bool, 'r' ready JSON
}

// Str is a field of text.
func Str(name, value string) Field { return Field{name, value, 's'} }

// Int is a field of a whole number.
func Int[T ~int | ~int8 | ~int16 | ~int32 | ~int64](name string, v T) Field {
	return Field{name, strconv.FormatInt(int64(v), 10), 'n'}
}

// Uint is a field of a whole number without sign.
func Uint[T ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64](name string, v T) Field {
	return Field{name, strconv.FormatUint(uint64(v), 10), 'n'}
}

// Hex is a field of flags or codes, written as text "0x1f".
func Hex[T ~uint8 | ~uint16 | ~uint32 | ~uint64](name string, v T) Field {
	return Field{name, "0x" + strconv.FormatUint(uint64(v), 16), 's'}
}

// Bool is a field of yes or no.
func Bool(name string, v bool) Field { return Field{name, strconv.FormatBool(v), 'b'} }

// When is a field of a further time of the record; an unset or impossible one
// is kept as its raw number.
func When(name string, t Ticks) Field {
	if t.Valid() {
		return Field{name, t.String(), 's'}
	}
	return Field{name, strconv.FormatUint(uint64(t), 10), 'n'}
}

// List is a field of several texts.
func List(name string, v []string) Field {
	b := []byte{'['}
	for i, s := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendJSON(b, s)
	}
	return Field{name, string(append(b, ']')), 'r'}
}

// Raw is a field whose value is JSON already.
func Raw(name, json string) Field { return Field{name, json, 'r'} }

// Text is the value as plain text.
func (f Field) Text() string { return f.text }

// AppendFields writes the fields as one JSON object.
func AppendFields(dst []byte, fields []Field) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendJSON(dst, f.Name), ':')
		if f.kind == 's' {
			dst = AppendJSON(dst, f.text)
		} else {
			dst = append(dst, f.text...)
		}
	}
	return append(dst, '}')
}

// AppendJSON writes s as a JSON string. Bytes that are no UTF-8, among them
// the three bytes of a lone surrogate, become \ufffd; exact units are kept
// beside such names (path_utf16).
func AppendJSON(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), `\ufffd`...)
				i++
				start = i
				continue
			}
			if r == 0x2028 || r == 0x2029 { // end a line for JavaScript
				dst = append(append(dst, s[start:i]...), `\u202`...)
				dst = append(dst, hex[r&15])
				i += n
				start = i
				continue
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' && c != 0x7F {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
