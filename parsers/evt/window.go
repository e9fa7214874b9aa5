package evt

import (
	"bytes"
	"io"
	"iter"
)

// window reads a file through one buffer. What cannot be read is zero, and
// told once as an error in bad.
type window struct {
	r    io.ReaderAt
	size int64
	at   int64 // of buf in the file
	buf  []byte
	bad  []*Error
}

const windowSize = 1 << 20

// bytes returns up to n bytes from off; fewer only at the end of the file. They
// are valid until the next call.
func (w *window) bytes(off int64, n int) []byte {
	if off < 0 || off >= w.size {
		return nil
	}
	n = int(min(int64(n), w.size-off))
	if off < w.at || off+int64(n) > w.at+int64(len(w.buf)) {
		w.fill(off)
	}
	from := int(off - w.at)
	return w.buf[from : from+n : from+n]
}

func (w *window) fill(off int64) {
	size := min(windowSize, w.size-off)
	if int64(cap(w.buf)) < size {
		w.buf = make([]byte, size)
	}
	w.at, w.buf = off, w.buf[:size]
	n, err := w.r.ReadAt(w.buf, off)
	if n == len(w.buf) {
		return
	}
	const step = 4096
	for at := n / step * step; at < len(w.buf); at += step {
		part := w.buf[at:min(at+step, len(w.buf))]
		n, err2 := w.r.ReadAt(part, off+int64(at))
		if n == len(part) {
			continue
		}
		if err2 == nil {
			err2 = err
		}
		clear(part[n:])
		w.note(&Error{Off: off + int64(at+n), Len: int64(len(part) - n), Weight: Unread, What: "cannot be read", Err: err2})
	}
}

// note keeps one error for each unreadable range; a range is often read twice.
func (w *window) note(e *Error) {
	for _, b := range w.bad {
		if e.Off >= b.Off && e.Off+e.Len <= b.Off+b.Len {
			return
		}
		if b.Off+b.Len == e.Off {
			b.Len += e.Len
			return
		}
	}
	w.bad = append(w.bad, e)
}

// find yields the places of a pattern between two places of the file.
func (w *window) find(from, to int64, pattern []byte) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for to = min(to, w.size); from < to; {
			b := w.bytes(from, int(min(windowSize, to-from)))
			i := bytes.Index(b, pattern)
			if i < 0 {
				if int64(len(b)) >= to-from || len(b) < len(pattern) {
					return
				}
				from += int64(len(b) - len(pattern) + 1)
				continue
			}
			if !yield(from + int64(i)) {
				return
			}
			from += int64(i + 1)
		}
	}
}
