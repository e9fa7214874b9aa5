package zseek

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/zframe"
)

// checker compares the table of a file of ours with its indexes, frame by frame.
type checker struct {
	r       io.ReaderAt
	size    int64
	frame   int64
	media   int64
	frames  int64
	pending []entry
	from    int64 // where the first pending one is
	damaged func(off int64, format string, args ...any)
}

func (c *checker) entry(e entry, at, media int64) error {
	if e.raw > 0 {
		if want := min(c.frame, c.media-media); int64(e.raw) != want {
			return fmt.Errorf("a frame of %d bytes of the medium where %d are next", e.raw, want)
		}
		if len(c.pending) == 0 {
			c.from = at
		}
		if len(c.pending) == indexFrames {
			return errors.New("an index is left out")
		}
		c.pending = append(c.pending, e)
		c.frames++
		return nil
	}
	if e.sum != emptySum {
		c.damaged(at, "the seek table has the checksum %08x of a frame that holds nothing", e.sum)
	}
	if len(c.pending) == 0 {
		return nil
	}
	defer func() { c.pending = c.pending[:0] }()
	ix, err := readIndex(c.r, at, c.size)
	if err != nil { // the frames themselves tell which is wrong, it or the table
		if werr := c.walk(); werr != nil {
			return werr
		}
		c.damaged(at, "%v", err)
		return nil
	}
	if ix.first != c.frames-int64(len(c.pending)) || len(ix.entries) != len(c.pending) {
		return fmt.Errorf("the index at %#x is of %d frames from %d", at, len(ix.entries), ix.first)
	}
	for i, e := range ix.entries {
		if p := c.pending[i]; p.stored != e.stored || p.sum != e.sum {
			return fmt.Errorf("frame %d has %d bytes and the checksum %08x, the index at %#x says %d and %08x",
				ix.first+int64(i), p.stored, p.sum, at, e.stored, e.sum)
		}
	}
	return nil
}

// walk compares the pending entries with the frames' own headers.
func (c *checker) walk() error {
	w := zframe.Walker{R: c.r, Size: c.size}
	at := c.from
	for _, e := range c.pending {
		stored, h, sum, err := w.Frame(at)
		if err != nil {
			return err
		}
		if h.Skip || stored != int64(e.stored) || h.Raw != int64(e.raw) || sum != e.sum {
			return fmt.Errorf("the frame at %#x has %d bytes for %d and the checksum %08x", at, stored, h.Raw, sum)
		}
		at += stored
	}
	return nil
}

// fullIndex is the size of the frame of an index that is not the last.
const fullIndex = skipHead + maxIndexBytes

// rebuildOwn makes the layout of a file of ours of its indexes; where one is
// damaged, of the frames' headers. from is where the first frame lies.
func rebuildOwn(r io.ReaderAt, size, from int64, meta Meta, damaged func(off int64, format string, args ...any)) *layout {
	l := &layout{r: r, size: size, unit: int64(meta.Frame), file: from, why: errors.New("neither the seek table nor an index tells where its frame is")}
	spread := int64(indexFrames)*(l.unit+l.unit/128+1024) + maxFrames
	for _, x := range indexesBack(r, size, from, spread) {
		start := x.at - x.stored
		media := x.first * l.unit
		if media < l.media || media >= meta.Size || start < l.file {
			continue
		}
		if start > l.file {
			l.walk(start, media, meta.Size)
		}
		if media > l.media {
			damaged(l.file, "frames of bytes %#x to %#x of the medium are not found", l.media, media)
			l.file = start
			l.add(group{kind: lost, n: 1}, 0, media-l.media)
		}
		l.file = start
		l.add(group{kind: inIndex, n: int32(x.n), list: x.at}, x.stored, min(x.n*l.unit, meta.Size-media))
		l.file = x.at + x.size
	}
	if l.media < meta.Size {
		if err := l.walk(size, meta.Size, meta.Size); err != nil {
			damaged(l.file, "the frames end: %v", err)
		}
	}
	return l
}

// found is an index that was found in the file.
type found struct {
	at, size  int64
	first, n  int64
	stored    int64 // bytes of its frames, which end where it begins
	precedent int64
}

// indexesBack finds the indexes of a file of ours, the first one first: the
// last by its tag, the others because each tells where the one before is.
func indexesBack(r io.ReaderAt, size, from, spread int64) (out []found) {
	for end := size; end > from; {
		x, ok := searchBack(r, size, end, max(end-spread, from), from)
		if !ok {
			break
		}
		for ok {
			out = append(out, x)
			if end = x.precedent; end == 0 {
				break
			}
			x, ok = asIndex(r, end, size, from) // if it is damaged, we know where it is
		}
	}
	slices.Reverse(out)
	return out
}

// asIndex takes an index only if its frames begin where the index before it
// ends, or with the first frame: an image of a disk may hold another image.
func asIndex(r io.ReaderAt, at, size, from int64) (x found, ok bool) {
	ix, err := readIndex(r, at, size)
	if err != nil || len(ix.entries) == 0 || len(ix.entries) > indexFrames || ix.first%indexFrames != 0 {
		return x, false
	}
	x = found{at: at, size: ix.size, first: ix.first, n: int64(len(ix.entries)), precedent: ix.before}
	for _, e := range ix.entries {
		x.stored += int64(e.stored)
	}
	if start := at - x.stored; ix.before == 0 {
		return x, ix.first == 0 && start == from
	} else {
		return x, start == ix.before+fullIndex
	}
}

const searchStep = 1 << 20

// searchBack looks for the last index that begins between low and end.
func searchBack(r io.ReaderAt, size, end, low, from int64) (found, bool) {
	magic := binary.LittleEndian.AppendUint32(nil, magicIndex)
	const over = skipHead + ownHead
	buf := make([]byte, searchStep+over)
	for end > low {
		off := max(end-searchStep, low)
		b := buf[:min(end-off+over, size-off)]
		if readFull(r, b, off) == nil {
			for i := min(len(b), int(end-off)); ; {
				if i = bytes.LastIndex(b[:i], magic); i < 0 {
					break
				}
				if x, ok := asIndex(r, off+int64(i), size, from); ok {
					return x, true
				}
			}
		}
		end = off
	}
	return found{}, false
}

// walk adds groups of frames by their headers, up to a place in the file and on
// the medium.
func (l *layout) walk(end, media, total int64) error {
	w := zframe.Walker{R: l.r, Size: l.size}
	for l.file < end && l.media < media {
		g := group{kind: inHeads, list: l.file}
		var stored, raw int64
		var err error
		for g.n < headGroup && l.file+stored < end && l.media+raw < media {
			var n int64
			var h zframe.Head
			if n, h, _, err = w.Frame(l.file + stored); err != nil {
				break
			}
			if want := min(l.unit, total-l.media-raw); !h.Skip && h.Raw != want {
				err = cursor.Errorf(l.file+stored, "a frame of %d bytes of the medium where %d are next", h.Raw, want)
				break
			}
			stored += n
			raw += h.Raw
			g.n++
		}
		l.add(g, stored, raw)
		if err != nil {
			return err
		}
	}
	if l.media < media {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// walkAll makes the layout of any file of its frames' headers. An error tells
// why it ended before the end.
func walkAll(r io.ReaderAt, size int64) (*layout, error) {
	l := &layout{r: r, size: size}
	w := zframe.Walker{R: r, Size: size}
	for count := 0; l.file < size; {
		g := group{kind: inHeads, list: l.file}
		var stored, raw int64
		var err error
		for g.n < headGroup && l.file+stored < size && err == nil {
			var n int64
			var h zframe.Head
			n, h, _, err = w.Frame(l.file + stored)
			switch {
			case err != nil:
				continue
			case h.Raw < 0 || h.Raw > MaxFrame || !h.Skip && n > maxInput:
				return nil, fmt.Errorf("%w: the frame at %#x", ErrUnsupported, l.file+stored)
			}
			if count++; count > maxFrames {
				return nil, fmt.Errorf("%w: more than %d frames", ErrUnsupported, maxFrames)
			}
			l.unit = max(l.unit, h.Raw)
			stored += n
			raw += h.Raw
			g.n++
		}
		l.add(g, stored, raw)
		if err != nil {
			return l, err
		}
	}
	return l, nil
}
