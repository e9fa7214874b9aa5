// Package utf16 decodes the UTF-16LE text of Windows structures.
//
// Names are arrays of 16-bit units, not Unicode: a lone surrogate is kept as
// its own three bytes (WTF-8), so that two different names never become one.
// U+FEFF is an ordinary unit; no byte order is ever detected.
package utf16

import "unicode/utf8"

// Append decodes UTF-16LE bytes and appends them to dst as WTF-8. An odd last
// byte is ignored.
func Append(dst, b []byte) []byte {
	for i := 0; i+1 < len(b); i += 2 {
		u := rune(b[i]) | rune(b[i+1])<<8
		switch {
		case u < 0x80:
			dst = append(dst, byte(u))
		case u >= 0xD800 && u < 0xDC00 && i+3 < len(b):
			if v := rune(b[i+2]) | rune(b[i+3])<<8; v >= 0xDC00 && v < 0xE000 {
				dst = utf8.AppendRune(dst, (u-0xD800)<<10|(v-0xDC00)+0x10000)
				i += 2
				continue
			}
			dst = appendUnit(dst, u)
		default:
			dst = appendUnit(dst, u)
		}
	}
	return dst
}

func appendUnit(dst []byte, u rune) []byte {
	if u < 0x800 {
		return append(dst, 0xC0|byte(u>>6), 0x80|byte(u&63))
	}
	return append(dst, 0xE0|byte(u>>12), 0x80|byte(u>>6&63), 0x80|byte(u&63))
}

// String decodes all units of b.
func String(b []byte) string { return string(Append(nil, b)) }

// CString decodes b up to the first zero unit, or all of it.
func CString(b []byte) string {
	for i := 0; i+1 < len(b); i += 2 {
		if b[i] == 0 && b[i+1] == 0 {
			return String(b[:i])
		}
	}
	return String(b)
}

// Units turns WTF-8 text back into UTF-16LE bytes; it is the inverse of
// String for every sequence of units.
func Units(s string) []byte {
	out := make([]byte, 0, len(s)*2)
	put := func(u rune) { out = append(out, byte(u), byte(u>>8)) }
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			if i+2 < len(s) && s[i]&0xF0 == 0xE0 {
				put(rune(s[i]&15)<<12 | rune(s[i+1]&63)<<6 | rune(s[i+2]&63))
				i += 3
				continue
			}
			put(rune(s[i]))
			i++
			continue
		}
		i += n
		if r >= 0x10000 {
			r -= 0x10000
			put(0xD800 + r>>10)
			put(0xDC00 + r&0x3FF)
			continue
		}
		put(r)
	}
	return out
}
