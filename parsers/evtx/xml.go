package evtx

import (
	"unicode/utf8"

	"kanshiki/parsers/internal/cursor"
)

// AppendXML adds the event as XML text: what the record holds, with Windows'
// way of writing values, without line breaks and without what only Windows
// would add from its message files. A part that cannot be read ends the text
// with an error; what stands before it is right.
func (r *Record) AppendXML(dst []byte) ([]byte, error) {
	w := &xmlWriter{dst: dst, from: len(dst), at: r.Offset}
	d := r.d
	d.steps, d.vals = 0, d.vals[:0]
	err := d.fragment(r.start, r.end, true, 0, w)
	w.flush()
	return w.dst, err
}

type xmlWriter struct {
	dst   []byte
	from  int
	at    int64
	tags  []openTag
	attr  *name
	some  bool // the attribute has been begun
	start bool // inside of a start tag
}

// openTag is where a start tag stands, to repeat it for the items of an array.
type openTag struct {
	name     *name
	from, to int
}

func (w *xmlWriter) finishStart() {
	w.flush()
	if w.start {
		w.start = false
		w.dst = append(w.dst, '>')
		w.tags[len(w.tags)-1].to = len(w.dst)
	}
}

func (w *xmlWriter) open(n *name) error {
	w.finishStart()
	if len(w.tags) >= maxDepth {
		return cursor.Errorf(w.at, "more than %d open elements", maxDepth)
	}
	w.tags = append(w.tags, openTag{name: n, from: len(w.dst)})
	w.dst = append(append(w.dst, '<'), n.text...)
	w.start = true
	return w.bound()
}

func (w *xmlWriter) bound() error {
	if len(w.dst)-w.from > maxText {
		return cursor.Errorf(w.at, "event of more than %d bytes as text", maxText)
	}
	return nil
}

func (w *xmlWriter) attribute(n *name) {
	w.flush()
	w.attr, w.some = n, false
}

// flush ends the attribute that is being written.
func (w *xmlWriter) flush() {
	if w.attr != nil && w.some {
		w.dst = append(w.dst, '"')
	}
	w.attr = nil
}

func (w *xmlWriter) closeStart() { w.finishStart() }

func (w *xmlWriter) end(bool) {
	w.flush()
	if len(w.tags) == 0 {
		return
	}
	top := w.tags[len(w.tags)-1]
	w.tags = w.tags[:len(w.tags)-1]
	if w.start {
		w.start = false
		w.dst = append(w.dst, "/>"...)
		return
	}
	w.closeTag(top.name)
}

func (w *xmlWriter) closeTag(n *name) {
	w.dst = append(append(append(w.dst, "</"...), n.text...), '>')
}

func (w *xmlWriter) value(v Value, optional bool) error {
	if w.attr != nil {
		if v.IsNull() && optional {
			return nil
		}
		if !w.some {
			w.some = true
			w.dst = append(append(append(w.dst, ' '), w.attr.text...), `="`...)
		}
		w.dst = appendEscaped(w.dst, v)
		return w.bound()
	}
	w.finishStart()
	first := true
	for item := range v.Items {
		if n := len(w.tags); !first && n > 0 {
			top := w.tags[n-1]
			w.closeTag(top.name)
			w.dst = append(w.dst, w.dst[top.from:top.to]...)
		}
		first = false
		w.dst = appendEscaped(w.dst, item)
		if err := w.bound(); err != nil {
			return err
		}
	}
	return nil
}

func (w *xmlWriter) pi(n *name, v Value) {
	w.finishStart()
	if n != nil {
		w.dst = append(append(append(w.dst, "<?"...), n.text...), ' ')
		return
	}
	w.dst = append(v.Append(w.dst), "?>"...)
}

// appendEscaped writes a value as XML text. Characters that XML cannot hold
// become U+FFFD; the record itself has them.
func appendEscaped(dst []byte, v Value) []byte {
	at := len(dst)
	dst = v.Append(dst)
	plain := true
	for _, c := range dst[at:] {
		if c < 0x20 || c == '<' || c == '>' || c == '&' || c == '"' || c >= 0x80 {
			plain = false
			break
		}
	}
	if plain {
		return dst
	}
	text := string(dst[at:])
	dst = dst[:at]
	for _, r := range text { // a lone surrogate comes as U+FFFD
		switch {
		case r == '<':
			dst = append(dst, "&lt;"...)
		case r == '>':
			dst = append(dst, "&gt;"...)
		case r == '&':
			dst = append(dst, "&amp;"...)
		case r == '"':
			dst = append(dst, "&quot;"...)
		case r == '\r':
			dst = append(dst, "&#xD;"...)
		case r == '\n' || r == '\t' || r >= 0x20 && r != 0xfffe && r != 0xffff:
			dst = utf8.AppendRune(dst, r)
		default:
			dst = utf8.AppendRune(dst, 0xfffd)
		}
	}
	return dst
}
