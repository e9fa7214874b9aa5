// Package inflate decodes whole zlib streams (RFC 1950, RFC 1951) between two
// buffers, over github.com/klauspost/compress, whose reader is kept and reset:
// images hold millions of small streams, and a new reader for each costs more
// than the stream.
package inflate

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/zlib"
)

// The ways in which a stream can be wrong beyond what the library says itself.
var (
	ErrCut     = errors.New("zlib: the stream ends too early")
	ErrTooLong = errors.New("zlib: inflates to more than expected")
)

// Decoder decodes one stream at a time. The zero value is ready.
type Decoder struct {
	in   bytes.Reader // gives single bytes, so that no byte behind the stream is used
	z    io.ReadCloser
	last [1]byte
}

// Zlib decodes the stream at the start of src into dst and tells how many
// bytes came out and how many were used. A stream that would fill more than
// dst is ErrTooLong. The stream's checksum has been compared where err is nil.
func (d *Decoder) Zlib(dst, src []byte) (n, used int, err error) {
	d.in.Reset(src)
	if d.z == nil {
		if d.z, err = zlib.NewReader(&d.in); err != nil {
			d.z = nil
			return 0, 0, cut(err)
		}
	} else if err = d.z.(zlib.Resetter).Reset(&d.in, nil); err != nil {
		return 0, 0, cut(err)
	}
	for n < len(dst) {
		k, err := d.z.Read(dst[n:])
		n += k
		if err == io.EOF {
			return n, len(src) - d.in.Len(), nil
		}
		if err != nil {
			return n, 0, cut(err)
		}
	}
	// The checksum is compared when the end is read.
	for {
		k, err := d.z.Read(d.last[:])
		switch {
		case k > 0:
			return n, 0, ErrTooLong
		case err == io.EOF:
			return n, len(src) - d.in.Len(), nil
		case err != nil:
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
