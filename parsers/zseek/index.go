package zseek

import (
	"encoding/binary"
	"io"

	"kanshiki/parsers/internal/cursor"
)

// index is what an index frame says.
type index struct {
	before, first int64
	entries       []entry // without raw
	size          int64   // of the whole frame
}

// own reads a skippable frame of our own: what it holds, and its whole size.
// Nothing from end on is read.
func own(r io.ReaderAt, at, end int64, magic uint32, tag string, most int64) ([]byte, int64, error) {
	head := make([]byte, skipHead+ownHead)
	if at < 0 || end-at < int64(len(head)) {
		return nil, 0, cursor.Errorf(at, "a frame %s outside the file", tag)
	}
	if err := readFull(r, head, at); err != nil {
		return nil, 0, cursor.Errorf(at, "a frame %s: %w", tag, err)
	}
	c := cursor.At(head, at)
	if m := c.U32("magic"); m != magic {
		return nil, 0, cursor.Errorf(at, "no frame %s: it begins with %#08x", tag, m)
	}
	n := int64(c.U32("frame size"))
	if string(c.Take(4, "tag")) != tag {
		return nil, 0, cursor.Errorf(at, "no frame %s: a skippable frame of another program", tag)
	}
	sum := c.U32("checksum")
	if n < ownHead || n > most || n > end-at-skipHead {
		return nil, 0, cursor.Errorf(at, "a frame %s of %d bytes", tag, n)
	}
	body := make([]byte, n-ownHead)
	if err := readFull(r, body, at+int64(len(head))); err != nil {
		return nil, 0, cursor.Errorf(at, "a frame %s: %w", tag, err)
	}
	if castagnoli(body) != sum {
		return nil, 0, cursor.Errorf(at, "a frame %s: wrong checksum", tag)
	}
	return body, skipHead + n, nil
}

const maxIndexBytes = ownHead + 16 + 8*indexFrames

func readIndex(r io.ReaderAt, at, end int64) (index, error) {
	b, size, err := own(r, at, end, magicIndex, tagIndex, maxIndexBytes)
	if err != nil {
		return index{}, err
	}
	c := cursor.At(b, at+skipHead+ownHead)
	ix := index{before: int64(c.U64("index before")), first: int64(c.U64("first frame")), size: size}
	if c.Err() != nil || c.Left()%8 != 0 || ix.before < 0 || ix.before >= at || ix.first < 0 {
		return index{}, cursor.Errorf(at, "an index of %d bytes, of frames from %d, after one at %#x", len(b), ix.first, ix.before)
	}
	for list := c.Take(c.Left(), "entries"); len(list) > 0; list = list[8:] {
		ix.entries = append(ix.entries, entry{stored: binary.LittleEndian.Uint32(list), sum: binary.LittleEndian.Uint32(list[4:])})
	}
	return ix, nil
}

// readFull reads all of p; a file that is too short is ErrUnexpectedEOF.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
