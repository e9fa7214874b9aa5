package packed

import (
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/gzip"

	"kanshiki/parsers/container"
)

// gzipFormat reads members of gzip, RFC 1952.
type gzipFormat struct {
	r      io.ReaderAt
	size   int64
	report func(off int64, format string, args ...any)
}

func (f *gzipFormat) memory() int64 { return 256 << 10 }

func (f *gzipFormat) bare() bool { return false }

func (f *gzipFormat) open(at int64, mark func(int64)) decoder {
	return &gzipDecoder{f: f, in: newInput(f.r, at, f.size), mark: mark}
}

type gzipDecoder struct {
	f    *gzipFormat
	in   *input
	mark func(int64)
	z    *gzip.Reader
	open bool // in a member
	done bool
}

func (d *gzipDecoder) Read(p []byte) (int, error) {
	for {
		if d.done {
			return 0, io.EOF
		}
		if !d.open {
			if err := d.member(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := d.z.Read(p)
		if err == io.EOF {
			d.open = false
			if err = nil; n == 0 {
				continue
			}
		}
		if err != nil {
			err = d.in.fault(err, true)
		}
		return n, err
	}
}

// member begins the next member. Zeros may follow the last one; anything else
// that does is told.
func (d *gzipDecoder) member() error {
	at := d.in.off()
	b, err := d.in.Peek(2)
	if d.z != nil && (len(b) < 2 || b[0] != 0x1f || b[1] != 0x8b) {
		d.done = true
		if d.in.in.err != nil {
			return d.in.fault(err, true)
		}
		return d.rest(at)
	}
	d.mark(at)
	if d.z == nil {
		d.z, err = gzip.NewReader(d.in.Reader)
	} else {
		err = d.z.Reset(d.in.Reader)
	}
	if err != nil {
		d.z = nil
		return d.in.fault(err, true)
	}
	d.z.Multistream(false)
	d.open = true
	return nil
}

func (d *gzipDecoder) rest(at int64) error {
	for {
		b, err := d.in.ReadByte()
		if err != nil {
			return nil
		}
		if b != 0 {
			d.f.report(at, "%d bytes behind the last member are no gzip; they are not read", d.f.size-at)
			return nil
		}
	}
}

func (d *gzipDecoder) skip() int64 {
	d.done = true
	return -1
}

// stated makes the medium as long as the member's last bytes say it is, modulo
// 2^32, where one member was damaged in the middle.
func (d *Disk) stated(f *gzipFormat) {
	if len(d.bad) != 1 || d.bad[0].Off+d.bad[0].Len != d.size || len(d.points) != 1 || f.size < 18 {
		return
	}
	b := make([]byte, 4)
	if readFull(f.r, b, f.size-4) != nil {
		return
	}
	bad := &d.bad[0]
	size := d.size&^(1<<32-1) | int64(binary.LittleEndian.Uint32(b))
	if size < d.size-512 {
		size += 1 << 32
	}
	const mostRatio = 1032 // of deflate
	if size <= bad.Off || size%512 != 0 || size > min(f.size*mostRatio, d.most) {
		return
	}
	*bad = container.Range{Off: bad.Off, Len: size - bad.Off, Kind: bad.Kind, Err: bad.Err}
	d.size = size
	d.Reportf(f.size-4, "the size of %d bytes is what the last member states", size)
}
