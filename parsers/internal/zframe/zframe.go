// Package zframe reads the headers of zstd frames (RFC 8878), whole or skippable
// ones, and goes from one to the next without decoding them.
package zframe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"kanshiki/parsers/internal/cursor"
)

// Head is the header of a frame (RFC 8878, 3.1.1.1), or of a skippable one.
type Head struct {
	Skip     bool
	Size     int64 // of the header; of the whole frame where it is skippable
	Raw      int64 // content size, -1 where it is not said, 0 of a skippable frame
	Window   int64 // bytes that a decoder must keep
	Checksum bool  // 4 bytes follow the last block
}

// The magic numbers of frames; the low 4 bits of a skippable one are free.
const (
	Magic     = 0xFD2FB528
	MagicSkip = 0x184D2A50
)

const (
	headMost  = 18 // bytes of the longest header
	blockHead = 3
	skipHead  = 8
	blockMost = 128 << 10 // bytes of a block, stored or decoded
)

// ErrNoFrame says that something else stands where a frame should begin.
var ErrNoFrame = errors.New("no zstd frame begins here")

// parseHead reads a header at the start of b, which lies at off.
func parseHead(b []byte, off int64) (h Head, err error) {
	c := cursor.At(b, off)
	magic := c.U32("magic")
	if c.Err() != nil || magic&^15 != MagicSkip && magic != Magic {
		return h, cursor.Errorf(off, "%w", ErrNoFrame)
	}
	if magic != Magic {
		return Head{Skip: true, Size: skipHead + int64(c.U32("frame size"))}, c.Err()
	}
	d := c.U8("descriptor")
	single := d&0x20 != 0
	h.Checksum = d&4 != 0
	if d&8 != 0 {
		return h, cursor.Errorf(off, "a frame with the reserved bit set")
	}
	if !single {
		w := c.U8("window")
		base := int64(1) << (10 + w>>3)
		h.Window = base + base/8*int64(w&7)
	}
	if n := [4]int{0, 1, 2, 4}[d&3]; n > 0 {
		for _, x := range c.Take(n, "dictionary") {
			if x != 0 {
				return h, cursor.Errorf(off, "the frame needs a dictionary")
			}
		}
	}
	switch {
	case d>>6 == 0 && single:
		h.Raw = int64(c.U8("content size"))
	case d>>6 == 0:
		h.Raw = -1
	case d>>6 == 1:
		h.Raw = int64(c.U16("content size")) + 256
	case d>>6 == 2:
		h.Raw = int64(c.U32("content size"))
	default:
		h.Raw = int64(c.U64("content size"))
		if h.Raw < 0 {
			return h, cursor.Errorf(off, "a frame of 2^63 bytes and more")
		}
	}
	if single {
		h.Window = h.Raw
	}
	h.Size = int64(c.Off())
	return h, c.Err()
}

// parseBlock reads a block's header: how many bytes the block takes, with it.
func parseBlock(b []byte) (size int64, last bool, err error) {
	x := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	n := int64(x >> 3)
	if n > blockMost || x>>1&3 == 3 {
		return 0, false, fmt.Errorf("a block of type %d and %d bytes", x>>1&3, n)
	}
	if x>>1&3 == 1 { // one byte, repeated
		n = 1
	}
	return blockHead + n, x&1 != 0, nil
}

// Whole checks that b is one whole frame and gives its header.
func Whole(b []byte, off int64) (Head, error) {
	h, err := parseHead(b, off)
	if err != nil || h.Skip {
		return h, err
	}
	at := h.Size
	for last := false; !last; {
		if int64(len(b))-at < blockHead {
			return h, cursor.Errorf(off, "the frame does not end at its %d bytes", len(b))
		}
		var n int64
		if n, last, err = parseBlock(b[at:]); err != nil {
			return h, cursor.Errorf(off+at, "%v", err)
		}
		at += n
	}
	if h.Checksum {
		at += 4
	}
	if at != int64(len(b)) {
		return h, cursor.Errorf(off, "the frame has %d bytes, not %d", at, len(b))
	}
	return h, nil
}

// Walker goes from frame to frame of a file by their headers.
type Walker struct {
	R    io.ReaderAt
	Size int64
	buf  []byte
	from int64 // where buf lies
}

const walkBuffer = 4 << 10

// At gives up to n bytes at off; fewer at the end of the file only.
func (w *Walker) At(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), max(w.Size-off, 0)))
	if n == 0 {
		return nil, nil
	}
	if i := off - w.from; i < 0 || i+int64(n) > int64(len(w.buf)) {
		if w.buf == nil {
			w.buf = make([]byte, walkBuffer)
		}
		w.buf, w.from = w.buf[:min(walkBuffer, w.Size-off)], off
		if err := readFull(w.R, w.buf, off); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	return w.buf[off-w.from:][:n], nil
}

// Frame reads the headers of the frame at off: its bytes in the file, of the
// medium, and its checksum where it has one.
func (w *Walker) Frame(off int64) (stored int64, h Head, sum uint32, err error) {
	b, err := w.At(off, headMost)
	if err != nil {
		return 0, h, 0, cursor.Errorf(off, "%w", err)
	}
	if h, err = parseHead(b, off); err != nil {
		return 0, h, 0, err
	}
	at := off + h.Size
	for last := h.Skip; !last; {
		if b, err = w.At(at, blockHead); err != nil || len(b) < blockHead {
			return 0, h, 0, cursor.Errorf(off, "the frame ends in the middle: %w", cutBy(err))
		}
		var n int64
		if n, last, err = parseBlock(b); err != nil {
			return 0, h, 0, cursor.Errorf(at, "%v", err)
		}
		at += n
	}
	if h.Checksum {
		if b, err = w.At(at, 4); err == nil && len(b) == 4 {
			sum = binary.LittleEndian.Uint32(b)
		}
		at += 4
	}
	if err != nil || at > w.Size || at < off {
		return 0, h, 0, cursor.Errorf(off, "the frame ends in the middle: %w", cutBy(err))
	}
	return at - off, h, sum, nil
}

func cutBy(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
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
