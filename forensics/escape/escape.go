// Package escape makes text from evidence safe to look at. Names in evidence
// are hostile: control characters move cursors, direction marks turn a program
// into a document, zero-width characters make twins.
package escape

import (
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Text shows every character that could mislead a reader as ⟨U+XXXX⟩ and
// leaves all other text as it is. Bytes that are no UTF-8 are shown as
// ⟨0xNN⟩, lone surrogates (three bytes of WTF-8) as ⟨U+DXXX⟩.
func Text(s string) string {
	if Plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			if u, ok := surrogate(s[i:]); ok {
				fmt.Fprintf(&b, "⟨U+%04X⟩", u)
				i += 3
				continue
			}
			fmt.Fprintf(&b, "⟨0x%02X⟩", s[i])
		case hidden(r):
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// Plain tells whether Text would change nothing.
func Plain(s string) bool {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < 0x20 || c == 0x7F {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || hidden(r) {
			return false
		}
		i += n
	}
	return true
}

// hidden holds for what has no picture of its own or changes that of others:
// controls, format characters (direction, zero width, soft hyphen, tags),
// line and paragraph separators, private use, unassigned and the brackets
// that we write ourselves.
func hidden(r rune) bool {
	if r < 0x10000 {
		return basic()[r>>6]>>(r&63)&1 != 0
	}
	return hides(r)
}

// basic holds the answer for each character of the basic plane: every name of
// a volume is asked for, and the tables of package unicode are slow.
var basic = sync.OnceValue(func() *[1024]uint64 {
	var t [1024]uint64
	for r := range rune(0x10000) {
		if hides(r) {
			t[r>>6] |= 1 << (r & 63)
		}
	}
	return &t
})

func hides(r rune) bool {
	switch r {
	case '⟨', '⟩', 0x034F, 0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800:
		return true
	}
	if r >= 0xFE00 && r <= 0xFE0F || r >= 0xE0100 && r <= 0xE01EF { // variation selectors
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co, unicode.Zl, unicode.Zp) || !unicode.IsGraphic(r)
}

func surrogate(s string) (rune, bool) {
	if len(s) < 3 || s[0] != 0xED || s[1]&0xE0 != 0xA0 || s[2]&0xC0 != 0x80 {
		return 0, false
	}
	return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), true
}

// CSV makes a cell that no spreadsheet runs as a formula, and that keeps its
// text: a leading =, +, -, @, tab or carriage return gets an apostrophe.
func CSV(s string) string {
	s = Text(s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}
