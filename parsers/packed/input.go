package packed

import (
	"bufio"
	"io"
)

// input reads a file on from a place, byte by byte where it must be, and knows
// where it is. It keeps what the file itself said.
type input struct {
	*bufio.Reader
	in *section
}

type section struct {
	r    io.ReaderAt
	at   int64
	size int64
	err  error // of the file, its end apart
}

func (s *section) Read(p []byte) (int, error) {
	if s.at >= s.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), s.size-s.at)]
	n, err := s.r.ReadAt(p, s.at)
	s.at += int64(n)
	if n == len(p) {
		err = nil
	} else if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && s.err == nil {
		s.err = err
	}
	return n, err
}

func newInput(r io.ReaderAt, at, size int64) *input {
	s := &section{r: r, at: at, size: size}
	return &input{bufio.NewReaderSize(s, 64<<10), s}
}

// off is where the next byte lies.
func (in *input) off() int64 { return in.in.at - int64(in.Buffered()) }

// fault makes of a decoder's error one that says where, and that it is a cut if
// the file ends where more was wanted: ends tells whether it does.
func (in *input) fault(err error, ends bool) error {
	if in.in.err != nil {
		return &cutError{located(in.in.at, in.in.err)}
	}
	if ends && (err == io.EOF || err == io.ErrUnexpectedEOF) {
		return &cutError{located(in.off(), io.ErrUnexpectedEOF)}
	}
	return located(in.off(), err)
}
