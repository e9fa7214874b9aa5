// Package inflate decodes whole zlib streams (RFC 1950, RFC 1951) between two
// buffers, over github.com/klauspost/compress, whose reader is kept and reset:
// images hold millions of small streams, and a new reader for each costs more
// than the stream.
package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
)

// The ways in which a stream can be wrong beyond what the library says itself.
var (
	ErrHeader   = errors.New("zlib: invalid header")
	ErrChecksum = errors.New("zlib: invalid checksum")
	ErrCut      = errors.New("zlib: the stream ends too early")
	ErrTooLong  = errors.New("zlib: inflates to more than expected")
)

// Decoder decodes one stream at a time. The zero value is ready.
type Decoder struct {
	in   bytes.Reader // gives single bytes, so that no byte behind the stream is used
	z    io.ReadCloser
	last [1]byte
}

const (
	headSize = 2 // CMF and FLG
	sumSize  = 4
)

// Zlib decodes the stream at the start of src into dst and tells how many
// bytes came out and how many were used. A stream that would fill more than
// dst is ErrTooLong. The stream's checksum has been compared where err is nil.
func (d *Decoder) Zlib(dst, src []byte) (n, used int, err error) {
	if len(src) < headSize {
		return 0, 0, ErrCut
	}
	// RFC 1950, section 2.2: deflate, a window of 32 KiB at most, a multiple of
	// 31, no preset dictionary.
	if h := binary.BigEndian.Uint16(src); h>>8&0x0F != 8 || h>>12 > 7 || h%31 != 0 || h&0x20 != 0 {
		return 0, 0, ErrHeader
	}
	if n, used, err = d.deflate(dst, src[headSize:]); err != nil {
		return n, 0, err
	}
	used += headSize
	if len(src) < used+sumSize {
		return n, 0, ErrCut
	}
	if binary.BigEndian.Uint32(src[used:]) != Sum(dst[:n]) {
		return n, 0, ErrChecksum
	}
	return n, used + sumSize, nil
}

// deflate decodes the bare stream (RFC 1951) at the start of src.
func (d *Decoder) deflate(dst, src []byte) (n, used int, err error) {
	d.in.Reset(src)
	if d.z == nil {
		d.z = flate.NewReader(&d.in)
	} else if err := d.z.(flate.Resetter).Reset(&d.in, nil); err != nil {
		return 0, 0, err
	}
	for {
		to := dst[n:]
		if len(to) == 0 {
			to = d.last[:] // the end is still to be read
		}
		k, err := d.z.Read(to)
		if n == len(dst) && k > 0 {
			return n, 0, ErrTooLong
		}
		n += k
		if err == io.EOF {
			return n, len(src) - d.in.Len(), nil
		}
		if err != nil {
			return n, 0, cut(err)
		}
	}
}

func cut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return ErrCut
	}
	return err
}
