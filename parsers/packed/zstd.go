package packed

import (
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"

	"kanshiki/parsers/internal/zframe"
)

const (
	zstdMagic = zframe.Magic
	zstdSkip  = zframe.MagicSkip
)

// zstdFormat reads frames of zstd, RFC 8878.
type zstdFormat struct {
	r         io.ReaderAt
	size      int64
	report    func(off int64, format string, args ...any)
	window    int64 // the largest that was met
	unchecked bool  // frames without a checksum were met
}

func (f *zstdFormat) memory() int64 { return 2*f.window + 1<<20 }

func (f *zstdFormat) bare() bool { return f.unchecked }

func (f *zstdFormat) open(at int64, mark func(int64)) decoder {
	return &zstdDecoder{f: f, w: zframe.Walker{R: f.r, Size: f.size}, next: at, mark: mark}
}

type zstdDecoder struct {
	f    *zstdFormat
	w    zframe.Walker
	next int64 // where the next frame is
	mark func(int64)
	z    *zstd.Decoder
	in   *input // of the frame that is open
	cut  bool   // the file ends in it
	raw  int64  // its content size, -1 where it is not said
}

func (d *zstdDecoder) Read(p []byte) (int, error) {
	for {
		if d.in == nil {
			if d.next >= d.f.size {
				return 0, io.EOF
			}
			if err := d.frame(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := d.z.Read(p)
		if err == io.EOF {
			d.in = nil
			if err = nil; n == 0 {
				continue
			}
		}
		if err != nil {
			err = d.in.fault(err, d.cut)
			d.in = nil
		}
		return n, err
	}
}

// frame begins the next frame that holds something.
func (d *zstdDecoder) frame() error {
	at := d.next
	n, h, _, err := d.w.Frame(at)
	d.raw, d.cut = h.Raw, false
	if errors.Is(err, io.ErrUnexpectedEOF) && h.Size > 0 && !h.Skip {
		n, err, d.cut = d.f.size-at, nil, true // it is cut: what is there can be decoded
	}
	if err != nil {
		d.mark(at)
		d.next, d.raw = d.f.size, -1
		if errors.Is(err, zframe.ErrNoFrame) && at > 0 {
			d.f.report(at, "%d bytes are no zstd; they are not read", d.f.size-at)
			return nil
		}
		return err
	}
	d.next = at + n
	if h.Skip {
		return nil
	}
	d.mark(at)
	if h.Window > maxWindow {
		return located(at, errors.New("the frame needs more memory than is given"))
	}
	// The first pass meets every frame; later ones only read this.
	if h.Window > d.f.window {
		d.f.window = h.Window
	}
	if !h.Checksum && !d.f.unchecked {
		d.f.unchecked = true
	}
	d.in = newInput(d.f.r, at, d.next)
	if d.z == nil {
		d.z, err = zstd.NewReader(d.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeBuffersBelow(0))
	} else {
		err = d.z.Reset(d.in)
	}
	if err != nil {
		d.z = nil
		return d.in.fault(err, d.cut)
	}
	return nil
}

// skip goes on with the next frame, whose place its own header told.
func (d *zstdDecoder) skip() int64 {
	if d.raw < 0 {
		d.next, d.in = d.f.size, nil
	}
	return d.raw
}
