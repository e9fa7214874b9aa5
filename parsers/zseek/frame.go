package zseek

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"kanshiki/parsers/internal/cursor"
)

// frameHead is the header of a frame (RFC 8878, 3.1.1.1), or of a skippable one.
type frameHead struct {
	skip     bool
	size     int64 // of the header; of the whole frame where it is skippable
	raw      int64 // content size, -1 where it is not said
	checksum bool  // 4 bytes follow the last block
}

const (
	headMost  = 18 // bytes of the longest header
	blockHead = 3
	blockMost = 128 << 10 // bytes of a block, stored or decoded
)

var errNoFrame = errors.New("no zstd frame begins here")

// parseHead reads a header at the start of b, which lies at off.
func parseHead(b []byte, off int64) (h frameHead, err error) {
	c := cursor.At(b, off)
	magic := c.U32("magic")
	if c.Err() != nil || magic&^15 != magicSkip && magic != magicFrame {
		return h, cursor.Errorf(off, "%w", errNoFrame)
	}
	if magic != magicFrame {
		return frameHead{skip: true, size: skipHead + int64(c.U32("frame size"))}, c.Err()
	}
	d := c.U8("descriptor")
	single := d&0x20 != 0
	h.checksum = d&4 != 0
	if d&8 != 0 {
		return h, cursor.Errorf(off, "a frame with the reserved bit set")
	}
	if !single {
		c.U8("window")
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
		h.raw = int64(c.U8("content size"))
	case d>>6 == 0:
		h.raw = -1
	case d>>6 == 1:
		h.raw = int64(c.U16("content size")) + 256
	case d>>6 == 2:
		h.raw = int64(c.U32("content size"))
	default:
		h.raw = int64(c.U64("content size"))
		if h.raw < 0 {
			return h, cursor.Errorf(off, "a frame of 2^63 bytes and more")
		}
	}
	h.size = int64(c.Off())
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

// inMemory checks that b is one whole frame and gives its header.
func inMemory(b []byte, off int64) (frameHead, error) {
	h, err := parseHead(b, off)
	if err != nil || h.skip {
		return h, err
	}
	at := h.size
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
	if h.checksum {
		at += 4
	}
	if at != int64(len(b)) {
		return h, cursor.Errorf(off, "the frame has %d bytes, not %d", at, len(b))
	}
	return h, nil
}

// walker goes from frame to frame of a file by their headers.
type walker struct {
	r    io.ReaderAt
	size int64
	buf  []byte
	from int64 // where buf lies
}

const walkBuffer = 4 << 10

// at gives up to n bytes at off; fewer at the end of the file only.
func (w *walker) at(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), max(w.size-off, 0)))
	if n == 0 {
		return nil, nil
	}
	if i := off - w.from; i < 0 || i+int64(n) > int64(len(w.buf)) {
		if w.buf == nil {
			w.buf = make([]byte, walkBuffer)
		}
		w.buf, w.from = w.buf[:min(walkBuffer, w.size-off)], off
		if err := readFull(w.r, w.buf, off); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	return w.buf[off-w.from:][:n], nil
}

// frame reads the headers of the frame at off: its bytes in the file, of the
// medium, and its checksum where it has one.
func (w *walker) frame(off int64) (stored int64, h frameHead, sum uint32, err error) {
	b, err := w.at(off, headMost)
	if err != nil {
		return 0, h, 0, cursor.Errorf(off, "%w", err)
	}
	if h, err = parseHead(b, off); err != nil {
		return 0, h, 0, err
	}
	at := off + h.size
	for last := h.skip; !last; {
		if b, err = w.at(at, blockHead); err != nil || len(b) < blockHead {
			return 0, h, 0, cursor.Errorf(off, "the frame ends in the middle: %w", cutBy(err))
		}
		var n int64
		if n, last, err = parseBlock(b); err != nil {
			return 0, h, 0, cursor.Errorf(at, "%v", err)
		}
		at += n
	}
	if h.checksum {
		if b, err = w.at(at, 4); err == nil && len(b) == 4 {
			sum = binary.LittleEndian.Uint32(b)
		}
		at += 4
	}
	if err != nil || at > w.size || at < off {
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
