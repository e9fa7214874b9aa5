package inflate

import (
	"encoding/binary"

	"github.com/klauspost/compress/flate"
)

// Encoder makes whole zlib streams (RFC 1950) of small buffers. Its compressor
// is kept and reset, so that a stream depends on its own bytes alone. One
// goroutine uses one Encoder.
type Encoder struct {
	w    *flate.Writer
	out  appender
	head [2]byte
}

type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// NewEncoder makes an Encoder of a level of the library, 1 to 9.
func NewEncoder(level int) (*Encoder, error) {
	e := &Encoder{head: [2]byte{0x78, 0x9C}}
	var err error
	if e.w, err = flate.NewWriter(&e.out, level); err != nil {
		return nil, err
	}
	switch { // FLEVEL, and FCHECK to make the two bytes a multiple of 31
	case level < 2:
		e.head[1] = 0x01
	case level < 6:
		e.head[1] = 0x5E
	case level > 6:
		e.head[1] = 0xDA
	}
	return e, nil
}

// Zlib appends the stream of src, whose Adler-32 is sum, to dst.
func (e *Encoder) Zlib(dst, src []byte, sum uint32) []byte {
	e.out.b = append(dst, e.head[:]...)
	e.w.Reset(&e.out)
	e.w.Write(src) // appending to memory does not fail
	e.w.Close()
	out := binary.BigEndian.AppendUint32(e.out.b, sum)
	e.out.b = nil
	return out
}
