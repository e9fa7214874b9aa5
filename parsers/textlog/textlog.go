// Package textlog reads text files line by line, with the place of each line.
//
// The encoding is told by a byte order mark, else by the zeros of UTF-16 in
// the first bytes; lines of eight-bit text are UTF-8 where they are sound in
// it, else of the code page that the caller names. A line that is too long is
// given in pieces, a last line without an end is marked: a log that was cut
// shows it there. Nothing is known here of what a line means.
package textlog

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"unicode/utf8"

	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// MaxLine is the longest line that is given in one piece, in bytes.
const MaxLine = 1 << 20

// Encoding is how text is stored.
type Encoding int

// The encodings.
const (
	Bytes   Encoding = iota // UTF-8 or a code page, line by line
	UTF8                    // with a byte order mark
	UTF16LE                 // with a byte order mark or without
	UTF16BE                 // with a byte order mark
)

// Detect tells the encoding by the first bytes, and the length of the mark.
func Detect(head []byte) (Encoding, int) {
	switch {
	case bytes.HasPrefix(head, []byte{0xEF, 0xBB, 0xBF}):
		return UTF8, 3
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		return UTF16LE, 2
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		return UTF16BE, 2
	}
	zeros := 0
	n := min(len(head), 512) &^ 1
	for i := 1; i < n; i += 2 {
		if head[i] == 0 && head[i-1] != 0 {
			zeros++
		}
	}
	if n >= 8 && zeros*4 > n { // every second byte of half the pairs
		return UTF16LE, 0
	}
	return Bytes, 0
}

// Line is a line without its end.
type Line struct {
	Offset int64
	Length int64 // with its end
	Number int   // from 1
	Text   string
	Raw    []byte // without its end; good until the next line is read
	Open   bool   // the file ends without ending this line
	Piece  bool   // of a line longer than MaxLine; the rest follows as a line of the same number
}

// Options of Lines; the zero value presumes the code page.
type Options struct {
	CodePage int
}

// Lines gives the lines of a file of size bytes. An error is of a range that
// could not be read; lines behind it follow, the first of them from within.
func Lines(r io.ReaderAt, size int64, opt Options) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		l := &lines{r: r, size: size, page: opt.CodePage, yield: yield, number: 1}
		l.run()
	}
}

type lines struct {
	r      io.ReaderAt
	size   int64
	page   int
	yield  func(Line, error) bool
	number int
	enc    Encoding
	buf    []byte // from off on
	off    int64
	chunk  [1 << 16]byte
}

func (l *lines) run() {
	first := true
	for pos := int64(0); pos < l.size; {
		n := min(int64(len(l.chunk)), l.size-pos)
		got, err := l.r.ReadAt(l.chunk[:n], pos)
		if got == int(n) || err == io.EOF && got > 0 && pos+int64(got) >= l.size {
			err = nil
		}
		if first && got > 0 {
			var mark int
			l.enc, mark = Detect(l.chunk[:got])
			l.off = int64(mark)
			l.buf = append(l.buf, l.chunk[mark:got]...)
			first = false
		} else {
			l.buf = append(l.buf, l.chunk[:got]...)
		}
		if !l.split(false) {
			return
		}
		if err == nil && int64(got) < n {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			if !l.hole(pos+int64(got), err) {
				return
			}
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				break
			}
			l.buf, l.off = l.buf[:0], pos+n
		}
		pos += n
	}
	l.split(true)
}

// hole gives the line that the hole cuts, and the hole.
func (l *lines) hole(at int64, err error) bool {
	if len(l.buf) > 0 && !l.emit(len(l.buf), len(l.buf), Line{Open: true}) {
		return false
	}
	l.number++
	return l.yield(Line{Offset: at, Number: l.number}, cursor.Errorf(at, "text: %v", err))
}

// split gives the whole lines of the buffer, and at the end what is left.
func (l *lines) split(end bool) bool {
	for {
		i, n := l.newline()
		switch {
		case i >= 0 && i <= MaxLine:
			if !l.emit(i, i+n, Line{}) {
				return false
			}
			l.number++
		case len(l.buf) > MaxLine:
			if !l.emit(MaxLine, MaxLine, Line{Piece: true}) {
				return false
			}
		case end && len(l.buf) > 0:
			return l.emit(len(l.buf), len(l.buf), Line{Open: true})
		default:
			return true
		}
	}
}

// newline is the place of the next end of line and its length.
func (l *lines) newline() (int, int) {
	if l.enc != UTF16LE && l.enc != UTF16BE {
		return bytes.IndexByte(l.buf, '\n'), 1
	}
	low := 0
	if l.enc == UTF16BE {
		low = 1
	}
	for i := 0; i+1 < len(l.buf); {
		j := bytes.IndexByte(l.buf[i:], '\n')
		if j < 0 {
			break
		}
		at := (i + j) &^ 1
		if at+1 < len(l.buf) && l.buf[at+low] == '\n' && l.buf[at+1-low] == 0 {
			return at, 2
		}
		i = at + 2
	}
	return -1, 0
}

// emit gives n bytes of the buffer as a line and drops used of them.
func (l *lines) emit(n, used int, line Line) bool {
	raw := l.buf[:n]
	line.Offset, line.Length, line.Number = l.off, int64(used), l.number
	line.Text = l.decode(raw)
	if k := len(line.Text); !line.Piece && k > 0 && line.Text[k-1] == '\r' {
		line.Text = line.Text[:k-1]
		cr := 1
		if l.enc == UTF16LE || l.enc == UTF16BE {
			cr = 2
		}
		raw = raw[:len(raw)-cr]
	}
	line.Raw = raw
	l.buf = l.buf[used:]
	l.off += int64(used)
	return l.yield(line, nil)
}

func (l *lines) decode(b []byte) string {
	switch l.enc {
	case UTF16LE:
		return utf16.String(b)
	case UTF16BE:
		swapped := make([]byte, len(b)&^1)
		for i := 0; i+1 < len(b); i += 2 {
			swapped[i], swapped[i+1] = b[i+1], b[i]
		}
		return utf16.String(swapped)
	}
	if utf8.Valid(b) {
		return string(b)
	}
	return codepage.Decode(b, l.page)
}
