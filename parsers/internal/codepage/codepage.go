// Package codepage decodes text that Windows stored in the code page of the
// machine ("ANSI"), which the text itself does not name.
//
// Decoding never fails: what a code page does not know becomes U+FFFD, so the
// caller keeps the raw bytes beside the text. Tables: golang.org/x/text, which
// this package owns.
package codepage

import (
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// Presume asks for a presumption: 932 where the bytes are sound in it and hold
// a two-byte character or are plain ASCII, else 1252.
const Presume = 0

var pages = map[int]encoding.Encoding{
	437: charmap.CodePage437, 850: charmap.CodePage850, 852: charmap.CodePage852,
	866: charmap.CodePage866, 874: charmap.Windows874, 932: japanese.ShiftJIS,
	936: simplifiedchinese.GBK, 949: korean.EUCKR, 950: traditionalchinese.Big5,
	1250: charmap.Windows1250, 1251: charmap.Windows1251, 1252: charmap.Windows1252,
	1253: charmap.Windows1253, 1254: charmap.Windows1254, 1255: charmap.Windows1255,
	1256: charmap.Windows1256, 1257: charmap.Windows1257, 1258: charmap.Windows1258,
	20932: japanese.EUCJP,
}

// Known tells whether Decode has a table for a code page.
func Known(page int) bool { return pages[page] != nil || page == Presume || page == 65001 }

// Decode turns text of a code page into UTF-8. An unknown page decodes ASCII
// and gives U+FFFD for the rest.
func Decode(b []byte, page int) string {
	if ascii(b) {
		return string(b)
	}
	if page == Presume {
		page = Presumed(b)
	}
	if page == 65001 {
		return string([]rune(string(b)))
	}
	enc := pages[page]
	if enc == nil {
		out := make([]rune, len(b))
		for i, c := range b {
			if out[i] = rune(c); c >= 0x80 {
				out[i] = utf8.RuneError
			}
		}
		return string(out)
	}
	s, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return Decode(b, -1)
	}
	return string(s)
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// Presumed is the code page that Presume takes for b. It tells 932 by its
// two-byte characters: a lead byte with a trail
// byte that fits. Single half-width katakana alone do not count, since 0xA1 to
// 0xDF are letters and signs in 1252 too.
func Presumed(b []byte) int {
	pairs := 0
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c < 0x80, c >= 0xA1 && c <= 0xDF:
		case (c >= 0x81 && c <= 0x9F || c >= 0xE0 && c <= 0xFC) && i+1 < len(b) && trail(b[i+1]):
			pairs++
			i++
		default:
			return 1252
		}
	}
	if pairs == 0 {
		return 1252
	}
	return 932
}

func trail(c byte) bool { return c >= 0x40 && c <= 0x7E || c >= 0x80 && c <= 0xFC }
