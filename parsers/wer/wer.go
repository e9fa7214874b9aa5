// Package wer reads the reports of Windows Error Reporting (Report.wer, *.wer):
// UTF-16LE text, with a byte order mark or (Windows 7) without, of lines
// "name=value" with CR LF. Names may have an index and a part: Sig[0].Name.
// Microsoft documents the meaning of the report's parts ("WER settings",
// WER_REPORT_INFORMATION), not the file; the form is read off files of Windows
// 7 to 11.
//
// A file that ends between two lines does not show that others followed.
package wer

import (
	"bytes"
	"errors"
	"iter"
	"strconv"
	"strings"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// MaxSize bounds a report: those that are known have some ten KiB.
const MaxSize = 8 << 20

// Line is one line of a report.
type Line struct {
	Name, Value string
	Offset      int64
	Length      int
}

// Report is what a file says.
type Report struct {
	Lines  []Line
	Damage []error // lines that are none; each has its offset
}

// ErrNone says that the file is no report.
var ErrNone = errors.New("no error report: it does not begin with Version=")

// Parse reads a report.
func Parse(b []byte) (*Report, error) {
	c := cursor.New(b)
	if bytes.HasPrefix(b, []byte{0xff, 0xfe}) {
		c.Skip(2, "byte order mark")
	}
	if begin := utf16.Units("Version="); !bytes.HasPrefix(b[c.Off():], begin) {
		return nil, ErrNone
	}
	r := &Report{}
	for c.Left() > 0 {
		at := c.Off()
		n, ended := lineLength(b[at:])
		raw := c.Take(n, "line")
		text := strings.TrimRight(utf16.String(raw[:n&^1]), "\r\n\x00")
		name, value, ok := strings.Cut(text, "=")
		switch {
		case !ended:
			r.Damage = append(r.Damage, cursor.Errorf(int64(at), "the last line has no end: %.80q", text))
		case text == "":
			continue
		case !ok:
			r.Damage = append(r.Damage, cursor.Errorf(int64(at), "a line without =: %.80q", text))
		}
		if ok {
			r.Lines = append(r.Lines, Line{name, value, int64(at), n})
		}
	}
	return r, nil
}

// lineLength is that of the first line with its end.
func lineLength(b []byte) (n int, ended bool) {
	for i := 0; i+1 < len(b); i += 2 {
		if b[i] == '\n' && b[i+1] == 0 {
			return i + 2, true
		}
	}
	return len(b), false
}

// Value gives the value of a name, "" where there is none.
func (r *Report) Value(name string) string {
	for i := range r.Lines {
		if strings.EqualFold(r.Lines[i].Name, name) {
			return r.Lines[i].Value
		}
	}
	return ""
}

// Number gives the value of a name as a number; ok is false where it is none.
func (r *Report) Number(name string) (v uint64, ok bool) {
	v, err := strconv.ParseUint(r.Value(name), 10, 64)
	return v, err == nil
}

// All gives the values of name[0], name[1] … in the order of the file.
func (r *Report) All(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range r.Lines {
			if base, part, ok := indexed(r.Lines[i].Name); ok && part == "" && strings.EqualFold(base, name) && !yield(r.Lines[i].Value) {
				return
			}
		}
	}
}

// Pairs gives the pairs name[n].Name (or .Key) and name[n].Value in the order of
// the file.
func (r *Report) Pairs(name string) iter.Seq2[string, string] {
	return func(yield func(k, v string) bool) {
		key, of := "", ""
		for i := range r.Lines {
			index, part, ok := strings.Cut(r.Lines[i].Name, "].")
			base, _, _ := strings.Cut(index, "[")
			if !ok || !strings.EqualFold(base, name) {
				continue
			}
			switch strings.ToLower(part) {
			case "name", "key":
				key, of = r.Lines[i].Value, index
			case "value":
				if of == index && !yield(key, r.Lines[i].Value) {
					return
				}
			}
		}
	}
}

// Pair gives the value of one pair, "" where there is none.
func (r *Report) Pair(name, key string) string {
	for k, v := range r.Pairs(name) {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	return ""
}

// indexed cuts "UI[2]" and "Sig[0].Name".
func indexed(name string) (base, part string, ok bool) {
	base, rest, ok := strings.Cut(name, "[")
	if !ok {
		return "", "", false
	}
	_, part, ok = strings.Cut(rest, "]")
	return base, part, ok
}
