package packed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sort"

	"kanshiki/parsers/container"
)

// Kind is how a file is compressed.
type Kind uint8

// The kinds.
const (
	None Kind = iota
	Gzip
	Zstd
	XZ
	Bzip2
)

func (k Kind) String() string { return [...]string{"not compressed", "gzip", "zstd", "xz", "bzip2"}[k] }

// Identify tells a file's compression by its first bytes.
func Identify(head []byte) Kind {
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b\x08")):
		return Gzip
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		return XZ
	case len(head) >= 10 && string(head[:3]) == "BZh" && head[3] >= '1' && head[3] <= '9' && string(head[4:10]) == blockMagic:
		return Bzip2
	case len(head) >= 4:
		if m := binary.LittleEndian.Uint32(head); m == zstdMagic || m&^15 == zstdSkip {
			return Zstd
		}
	}
	return None
}

// Options change how a file is read. The zero value works.
type Options struct {
	CacheBytes int64 // decoded bytes that are kept; 0 is 32 MiB
	Workers    int   // goroutines that decode ahead; 0 is GOMAXPROCS
	// MaxSize is how many bytes are decoded; 0 is 64 TiB. What would be behind
	// them is told as a problem.
	MaxSize int64
	// Each is called while Open decodes, with the bytes of the medium so far; an
	// error ends it.
	Each func(done int64) error
}

// Limits.
const (
	maxSize     = 64 << 40  // bytes of a medium
	maxPoints   = 1 << 16   // places where decoding can begin
	unitSize    = 1 << 20   // bytes of the medium that are kept or forgotten together
	maxWindow   = 128 << 20 // bytes of a zstd decoder
	maxDict     = 64 << 20  // bytes of an xz decoder
	maxParked   = 8         // decoders that wait where they stopped
	parkedBytes = 192 << 20 // of all of them
	maxRanges   = 1 << 16   // damaged parts
)

// Disk is what a file holds. It is safe for concurrent use.
type Disk struct {
	*container.Disk
	container.Problems
	kind   Kind
	size   int64
	most   int64 // of size
	bad    []container.Range
	points []point
	pool   *pool
	bare   bool
}

// point is where decoding can begin.
type point struct {
	at    int64 // in the format's own measure: bytes, or bits of bzip2
	media int64
}

// format opens decoders of a file.
type format interface {
	// open begins at a point of the file; 0 is the first. mark is called before
	// the first byte of every further point is given, and of the first.
	open(at int64, mark func(at int64)) decoder
	// memory is what one decoder needs at most.
	memory() int64
	// bare tells whether parts without a checksum were met.
	bare() bool
}

// decoder gives the medium in order. A Read does not reach over a point.
type decoder interface {
	io.Reader
	// skip goes on behind a damaged part that began at the last point: how many
	// bytes of the medium it has, -1 where that is not known.
	skip() int64
}

// cutError says that a file ends, or cannot be read on: what came before it is
// not in doubt.
type cutError struct{ err error }

func (e *cutError) Error() string { return e.err.Error() }
func (e *cutError) Unwrap() error { return e.err }

// Open decodes a file once. An error is that of Each, or says that nothing of it
// can be decoded.
func Open(r io.ReaderAt, size int64, o Options) (*Disk, error) {
	d := &Disk{}
	f, err := d.formatOf(r, size)
	if err != nil {
		return nil, err
	}
	d.most = maxSize
	if o.MaxSize > 0 {
		d.most = min(o.MaxSize, maxSize)
	}
	if err := d.pass(f, o.Each); err != nil {
		return nil, err
	}
	d.bare = f.bare()
	if g, ok := f.(*gzipFormat); ok {
		d.stated(g)
	}
	if d.size == 0 {
		if len(d.bad) > 0 {
			return nil, d.bad[0].Err
		}
		return nil, errors.New("nothing is in it")
	}
	d.pool = newPool(f, d.points, d.size, d.bad)
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	d.Disk = container.New(container.Layout{Size: d.size, Span: d.span, UnitSize: unitSize, Decode: d.pool.unit,
		CacheBytes: o.CacheBytes, Workers: min(workers, maxParked/2)})
	return d, nil
}

func (d *Disk) formatOf(r io.ReaderAt, size int64) (format, error) {
	head := make([]byte, min(size, 64))
	if err := readFull(r, head, 0); err != nil {
		return nil, err
	}
	d.kind = Identify(head)
	switch d.kind {
	case Gzip:
		return &gzipFormat{r, size, d.Reportf}, nil
	case Zstd:
		return &zstdFormat{r: r, size: size, report: d.Reportf}, nil
	case XZ:
		return &xzFormat{r: r, size: size, report: d.Reportf}, nil
	case Bzip2:
		return &bzip2Format{r, size, d.Reportf}, nil
	}
	return nil, errors.New("not compressed in a way that is read")
}

// Head decodes the first n bytes of what a file holds; fewer where there are no
// more, or damage is before. They were not checked.
func Head(r io.ReaderAt, size int64, n int) []byte {
	f, err := new(Disk).formatOf(r, size)
	if err != nil {
		return nil
	}
	b := make([]byte, n)
	n, _ = io.ReadFull(f.open(0, func(int64) {}), b)
	return b[:n]
}

// Kind is how the file is compressed.
func (d *Disk) Kind() Kind { return d.kind }

// Bare tells whether parts of it have no checksum.
func (d *Disk) Bare() bool { return d.bare }

// Points is at how many places decoding can begin.
func (d *Disk) Points() int { return len(d.points) }

// pass decodes the whole file.
func (d *Disk) pass(f format, each func(int64) error) error {
	began := int64(0) // what was decoded up to the last point
	spacing := int64(unitSize)
	dec := f.open(0, func(at int64) {
		began = d.size
		if k := len(d.points); k > 0 && d.size < d.points[k-1].media+spacing {
			return
		}
		if d.points = append(d.points, point{at, d.size}); len(d.points) == maxPoints {
			for i := range maxPoints / 2 {
				d.points[i] = d.points[2*i]
			}
			d.points = d.points[:maxPoints/2]
			spacing *= 2
		}
	})
	buf := make([]byte, 256<<10)
	for told := int64(0); ; {
		n, err := dec.Read(buf)
		d.size += int64(n)
		if each != nil && d.size >= told {
			told = d.size + 16<<20
			if err := each(d.size); err != nil {
				return err
			}
		}
		switch {
		case d.size > d.most:
			d.Reportf(0, "it holds more than %d bytes; what is behind them is not read", d.most)
			d.size = d.most
			return nil
		case err == io.EOF:
			return nil
		case err != nil:
			if !d.damage(dec, began, err) {
				return nil
			}
		}
	}
}

// damage notes what cannot be given, and tells whether decoding goes on.
func (d *Disk) damage(dec decoder, began int64, err error) bool {
	from := began
	if _, ok := errors.AsType[*cutError](err); ok {
		from = d.size
	}
	n := min(dec.skip(), d.most)
	off := int64(0)
	if p, ok := errors.AsType[interface {
		error
		Offset() int64
	}](err); ok {
		off = p.Offset()
	}
	d.Reportf(off, "%v", err)
	end := began + n
	if n < 0 || len(d.bad) == maxRanges {
		n = -1
		end = (d.size/512 + 1) * 512 // at least a sector is lost; how many is not known
	}
	if end = min(max(end, from+1), d.most); end <= from {
		return false
	}
	d.bad = append(d.bad, container.Range{Off: from, Len: end - from, Kind: container.Corrupt, Err: err})
	d.size = end
	return n >= 0 && end < d.most
}

func (d *Disk) span(off, limit int64) container.Span {
	i := sort.Search(len(d.bad), func(i int) bool { return d.bad[i].Off+d.bad[i].Len > off })
	if i < len(d.bad) {
		if b := d.bad[i]; b.Off <= off {
			return container.Span{Len: min(limit, b.Off+b.Len-off), Kind: b.Kind, Err: b.Err}
		} else {
			limit = min(limit, b.Off-off)
		}
	}
	skip := off % unitSize
	return container.Span{Len: min(limit, unitSize-skip), Unit: off / unitSize, Skip: skip}
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

// located says where in the file an error was met.
func located(off int64, err error) error { return &placed{off, err} }

type placed struct {
	off int64
	err error
}

func (e *placed) Error() string { return fmt.Sprintf("offset %#x: %v", e.off, e.err) }
func (e *placed) Unwrap() error { return e.err }
func (e *placed) Offset() int64 { return e.off }
