package packed

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// bzip2Format reads streams of bzip2 block by block: each of up to 900,000
// bytes is by itself, with a checksum, between two magic numbers that may begin
// at any bit.
type bzip2Format struct {
	r      io.ReaderAt
	size   int64
	report func(off int64, format string, args ...any)
}

func (f *bzip2Format) memory() int64 { return 16 << 20 }

func (f *bzip2Format) bare() bool { return false }

// open begins at a bit; at 0 with the header of a stream.
func (f *bzip2Format) open(at int64, mark func(int64)) decoder {
	return &bzip2Decoder{f: f, bit: at, mark: mark, level: '9', whole: at == 0}
}

type bzip2Decoder struct {
	f     *bzip2Format
	bit   int64 // where the next block, end or header is
	mark  func(int64)
	level byte
	whole bool // the stream was read from its beginning
	crc   uint32
	z     io.Reader
}

func (d *bzip2Decoder) Read(p []byte) (int, error) {
	for {
		if d.z == nil {
			if err := d.block(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := d.z.Read(p)
		if err == io.EOF {
			d.z = nil
			if err = nil; n == 0 {
				continue
			}
		}
		if err != nil {
			err = located(d.bit/8, err)
		}
		return n, err
	}
}

// block begins the next block, and passes over ends and headers of streams.
func (d *bzip2Decoder) block() error {
	if d.bit == 0 {
		return d.header(0)
	}
	at := d.bit
	head, err := d.bits(at, 80)
	if err != nil {
		return err
	}
	sum := binary.BigEndian.Uint32(head[6:])
	switch binary.BigEndian.Uint64(head[:8]) >> 16 {
	case endBits:
		if d.whole && sum != d.crc {
			d.f.report(at/8, "the stream's checksum is %08x, its blocks make %08x", sum, d.crc)
		}
		return d.header((at + 80 + 7) / 8)
	case blockBits:
	default:
		return located(at/8, errors.New("no block of bzip2 begins here"))
	}
	d.mark(at)
	next, _, err := nextMagic(d.f.r, d.f.size, at+80)
	if err != nil {
		return &cutError{located(at/8, err)}
	}
	if next < 0 {
		if d.f.size-at/8 < maxBlock {
			return &cutError{located(at/8, io.ErrUnexpectedEOF)}
		}
		return located(at/8, fmt.Errorf("a block of more than %d bytes", maxBlock))
	}
	body, err := d.bits(at, next-at)
	if err != nil {
		return err
	}
	d.crc = (d.crc<<1 | d.crc>>31) ^ sum
	d.z = bzip2.NewReader(bytes.NewReader(alone(d.level, body, next-at)))
	d.bit = next
	return nil
}

// header begins a stream at a byte, or ends at the file's end.
func (d *bzip2Decoder) header(at int64) error {
	b := make([]byte, min(10, d.f.size-at))
	if err := readFull(d.f.r, b, at); err != nil {
		return &cutError{located(at, err)}
	}
	empty := len(b) == 10 && string(b[:3]) == "BZh" && binary.BigEndian.Uint64(b[2:])&magicMask == endBits
	if Identify(b) != Bzip2 && !empty {
		if len(b) > 0 {
			d.f.report(at, "%d bytes behind the last stream are no bzip2; they are not read", d.f.size-at)
		}
		return io.EOF
	}
	d.level, d.crc, d.whole = b[3], 0, true
	d.bit = (at + 4) * 8
	return nil
}

func (d *bzip2Decoder) bits(at, n int64) ([]byte, error) {
	if at+n > d.f.size*8 {
		return nil, &cutError{located(d.f.size, io.ErrUnexpectedEOF)}
	}
	b, err := shifted(d.f.r, d.f.size, at, at+n)
	if err != nil {
		return nil, &cutError{located(at/8, err)}
	}
	return b, nil
}

func (d *bzip2Decoder) skip() int64 { return -1 }
