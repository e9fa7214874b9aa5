package ewf

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/inflate"
	"kanshiki/parsers/internal/utf16"
)

// Value is one field of the header, in the words of its writer. Times are as
// stated: seconds since 1970 in header2, local calendar time without a zone in
// header.
type Value struct {
	ID   string // "c", "n", "a" … as stored, or the element's name in xheader
	Text string
}

// fieldNames are the meanings of the identifiers (specification, "Header section").
var fieldNames = map[string]string{
	"c": "case number", "n": "evidence number", "a": "description", "e": "examiner",
	"t": "notes", "md": "model", "sn": "serial number", "l": "device label",
	"av": "acquisition software", "ov": "acquisition system", "m": "acquired", "u": "system time",
	"p": "password hash", "pid": "process", "dc": "dc", "ext": "extents", "r": "compression level",
}

// Name is the meaning of the identifier, or the identifier itself.
func (v Value) Name() string {
	if n, ok := fieldNames[v.ID]; ok {
		return n
	}
	return v.ID
}

// inflateHeader inflates a header section up to MaxHeader bytes, and tells how
// many bytes of the section that took.
func inflateHeader(b []byte, off int64, what string) (text []byte, used int, err error) {
	var d inflate.Decoder
	for size := 1 << 14; ; size *= 8 {
		out := make([]byte, min(size, MaxHeader))
		n, used, err := d.Zlib(out, b)
		switch {
		case err == inflate.ErrTooLong && len(out) < MaxHeader:
			continue
		case err == inflate.ErrTooLong:
			return nil, len(b), cursor.Errorf(off, "%s: inflates to more than %d bytes", what, MaxHeader)
		case err != nil:
			return out[:n], len(b), cursor.Errorf(off, "%s: %v", what, err)
		}
		return out[:n], used, nil
	}
}

// parseHeader decodes the text of a header or header2 section: a line of
// identifiers and a line of values, both separated by tabs, in the category
// "main". header2 begins with a byte order mark and is UTF-16.
func parseHeader(text []byte, off int64) ([]Value, error) {
	var s string
	switch {
	case bytes.HasPrefix(text, []byte{0xFF, 0xFE}):
		s = utf16.String(text[2:])
	case bytes.HasPrefix(text, []byte{0xFE, 0xFF}):
		return nil, cursor.Errorf(off, "header: UTF-16 with the most significant byte first")
	default:
		s = plain(text)
	}
	lines := strings.Split(strings.ReplaceAll(s, "\r", ""), "\n")
	for i, line := range lines {
		if line != "main" {
			continue
		}
		if i+2 >= len(lines) {
			break
		}
		ids, values := strings.Split(lines[i+1], "\t"), strings.Split(lines[i+2], "\t")
		out := make([]Value, 0, len(ids))
		for j, id := range ids {
			if j < len(values) {
				out = append(out, Value{id, values[j]})
			}
		}
		if len(ids) != len(values) {
			return out, cursor.Errorf(off, "header: %d identifiers, %d values", len(ids), len(values))
		}
		return out, nil
	}
	return nil, cursor.Errorf(off, "header: no category main with identifiers and values")
}

// plain is 8-bit text of a code page that the format does not name: what is not
// UTF-8 is shown as hexadecimal, not guessed.
func plain(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&s, `\x%02x`, b[0])
		} else {
			s.WriteRune(r)
		}
		b = b[n:]
	}
	return s.String()
}

// parseXML decodes the flat documents of xheader and xhash (libewf's EWF-X).
func parseXML(text []byte, off int64) ([]Value, error) {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("a character set other than UTF-8")
	}
	var out []Value
	depth := 0
	for {
		t, err := d.Token()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, cursor.Errorf(off, "XML: %v", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth++; depth == 2 {
				out = append(out, Value{ID: t.Name.Local})
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 2 {
				out[len(out)-1].Text += strings.TrimSpace(string(t))
			}
		}
	}
}
