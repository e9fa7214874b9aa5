package packed

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"kanshiki/parsers/internal/cursor"
)

// xzFormat reads blocks of xz, "The .xz File Format" 1.2.1. Each block is
// decoded as a stream of its own that is made around it: the library that
// decodes reads streams only, and takes all the memory that a block asks for,
// so that every block's header is looked at before.
type xzFormat struct {
	r         io.ReaderAt
	size      int64
	report    func(off int64, format string, args ...any)
	dict      int64 // the largest that was met
	unchecked bool  // streams without checks were met
}

func (f *xzFormat) memory() int64 { return f.dict + 1<<20 }

const (
	xzHeader = 12 // magic, flags, CRC-32
	xzFooter = 12 // CRC-32, index size, flags, magic
)

func (f *xzFormat) bare() bool { return f.unchecked }

// open begins at a block: its place in the upper bits, and in the lower 4 the
// kind of check of its stream.
func (f *xzFormat) open(at int64, mark func(int64)) decoder {
	d := &xzDecoder{f: f, next: at, mark: mark}
	if at > 0 {
		d.head, d.next, d.inside = at&15, at>>4, true
	}
	return d
}

type xzDecoder struct {
	f      *xzFormat
	next   int64 // where the next block, index or stream is
	inside bool  // of a stream
	head   int64 // kind of check of the stream
	mark   func(int64)
	z      io.Reader
	in     *input
	block  xzBlock
}

// xzBlock is what is known of a block without decoding it.
type xzBlock struct {
	at     int64
	header int64 // bytes of its header
	stored int64 // of what is compressed; -1: the file ends before
	raw    int64 // -1 where it is not known
	dict   int64
}

var checkSize = [16]int64{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}

func (d *xzDecoder) Read(p []byte) (n int, err error) {
	for {
		if d.z == nil {
			if err := d.begin(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := d.decode(p)
		if err == io.EOF {
			d.z, d.block.raw = nil, -1 // what fails next is not this block
			if err = nil; n == 0 {
				continue
			}
		}
		if err != nil {
			d.z = nil
			err = d.in.fault(err, d.block.stored < 0)
		}
		return n, err
	}
}

// decode reads of the block that is open. A panic of the library is damage of
// the block.
func (d *xzDecoder) decode(p []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, fmt.Errorf("the decoder failed: %v", r)
		}
	}()
	return d.z.Read(p)
}

// begin begins the next block, behind what stands before it.
func (d *xzDecoder) begin() error {
	at := d.next
	if !d.inside {
		return d.stream()
	}
	b := make([]byte, 1)
	if err := d.read(b, at); err != nil {
		return err
	}
	if b[0] == 0 {
		return d.index()
	}
	d.mark(at<<4 | d.head)
	d.block = xzBlock{at: at, stored: -1, raw: -1}
	err := d.blockHeader(int64(b[0])*4 + 4)
	if err == nil {
		err = d.walk()
	}
	if err != nil {
		d.next = d.f.size
		if stored, raw, ok := d.f.listed(at); ok {
			d.block.stored, d.block.raw, d.next = stored, raw, at+(stored+3)&^3
		}
		return err
	}
	if d.block.dict > maxDict {
		return located(at, fmt.Errorf("the block needs a dictionary of %d bytes, at most %d are given", d.block.dict, maxDict))
	}
	// The first pass meets every block; later ones only read this.
	if d.block.dict > d.f.dict {
		d.f.dict = d.block.dict
	}
	if d.head == 0 && !d.f.unchecked {
		d.f.unchecked = true
	}
	return d.craft()
}

// stream reads a stream's header, behind padding.
func (d *xzDecoder) stream() error {
	b := make([]byte, xzHeader)
	for {
		if d.next >= d.f.size {
			return io.EOF
		}
		if err := d.read(b[:4], d.next); err != nil {
			return err
		}
		if d.next == 0 || !bytes.Equal(b[:4], []byte{0, 0, 0, 0}) {
			break
		}
		d.next += 4
	}
	at := d.next
	if err := d.read(b, at); err != nil {
		return err
	}
	if Identify(b) != XZ || b[6] != 0 || b[7] > 15 || crc32.ChecksumIEEE(b[6:8]) != binary.LittleEndian.Uint32(b[8:]) {
		if at > 0 {
			d.f.report(at, "%d bytes behind the last stream are no xz; they are not read", d.f.size-at)
			d.next = d.f.size
			return io.EOF
		}
		return located(at, errors.New("the stream's header is damaged"))
	}
	d.head, d.next, d.inside = int64(b[7]), at+xzHeader, true
	return nil
}

// index passes over a stream's index and footer.
func (d *xzDecoder) index() error {
	at := d.next
	in := newInput(d.f.r, at+1, d.f.size)
	n, err := binary.ReadUvarint(in)
	for i := uint64(0); i < 2*n && err == nil; i++ { // ends with the file at the latest
		_, err = binary.ReadUvarint(in)
	}
	if err != nil {
		return in.fault(err, true)
	}
	end := at + (in.off()-at+3)&^3 + 4
	foot := make([]byte, xzFooter)
	if err := d.read(foot, end); err != nil {
		return err
	}
	if string(foot[10:]) != "YZ" || crc32.ChecksumIEEE(foot[4:10]) != binary.LittleEndian.Uint32(foot) ||
		int64(binary.LittleEndian.Uint32(foot[4:])+1)*4 != end-at {
		d.f.report(end, "the stream's footer is damaged")
	}
	d.next, d.inside = end+xzFooter, false
	return nil
}

// read reads all of b.
func (d *xzDecoder) read(b []byte, at int64) error {
	err := readFull(d.f.r, b, at)
	if err != nil {
		return &cutError{located(at, err)}
	}
	return nil
}

// blockHeader reads sizes and filters of a block: section 3.1.
func (d *xzDecoder) blockHeader(size int64) error {
	at := d.block.at
	b := make([]byte, size)
	if err := d.read(b, at); err != nil {
		return err
	}
	if crc32.ChecksumIEEE(b[:size-4]) != binary.LittleEndian.Uint32(b[size-4:]) {
		return located(at, errors.New("the block's header is damaged"))
	}
	c := cursor.At(b[:size-4], at)
	c.Skip(1, "size")
	flags := c.U8("flags")
	d.block.header = size
	if flags&0x40 != 0 {
		d.block.stored = varint(c)
	}
	if flags&0x80 != 0 {
		d.block.raw = varint(c)
	}
	id, props := varint(c), varint(c)
	if flags&3 != 0 || id != 0x21 || props != 1 {
		return located(at, fmt.Errorf("a filter other than LZMA2 (%d filters, the first is %#x)", flags&3+1, id))
	}
	dict, err := lzma.DecodeDictCap(c.U8("dictionary"))
	if err == nil {
		err = c.Err()
	}
	d.block.dict = dict
	if err != nil {
		return located(at, err)
	}
	return nil
}

// varint reads an integer of 7 bits a byte.
func varint(c *cursor.Cursor) int64 {
	x := int64(0)
	for i := 0; i < 9; i++ {
		b := c.U8("integer")
		x |= int64(b&0x7F) << (7 * i)
		if b < 0x80 {
			return x
		}
	}
	c.Fail("an integer of more than 63 bits")
	return 0
}

// walk finds the sizes of a block whose header does not tell them by the headers
// of its LZMA2 chunks.
func (d *xzDecoder) walk() error {
	b := &d.block
	from := b.at + b.header
	if b.stored < 0 || b.raw < 0 {
		in := newInput(d.f.r, from, d.f.size)
		raw := int64(0)
		for {
			n, r, err := chunk(in)
			if err != nil {
				if d.block.stored = -1; in.in.err == nil && (err == io.EOF || err == io.ErrUnexpectedEOF) {
					d.next = d.f.size
					b.raw = -1
					return nil // it is cut: what is there is decoded
				}
				return in.fault(err, true)
			}
			if n == 0 {
				break
			}
			raw += r
		}
		b.stored, b.raw = in.off()-from, raw
	}
	d.next = from + (b.stored+3)&^3 + checkSize[d.head]
	if b.stored > d.f.size-from || d.next > d.f.size || d.next < from {
		b.stored, d.next = -1, d.f.size
	}
	return nil
}

// chunk passes over an LZMA2 chunk: its bytes, 0 for the end, and what they
// decode to.
func chunk(in *input) (n, raw int64, err error) {
	c, err := in.ReadByte()
	if err != nil || c == 0 {
		return 0, 0, err
	}
	size := 2
	if c >= 0x80 {
		size = 4
	} else if c > 2 {
		return 0, 0, fmt.Errorf("no chunk of LZMA2: %#02x", c)
	}
	var b [4]byte
	if _, err := io.ReadFull(in, b[:size]); err != nil {
		return 0, 0, err
	}
	raw = int64(binary.BigEndian.Uint16(b[:])) + 1
	n = raw
	if c >= 0x80 {
		raw += int64(c&0x1F) << 16
		n = int64(binary.BigEndian.Uint16(b[2:])) + 1
		if c >= 0xC0 {
			n++ // properties
		}
	}
	_, err = in.Discard(int(n))
	return n, raw, err
}

// craft makes a stream around a block.
func (d *xzDecoder) craft() error {
	flags := []byte{0, byte(d.head)}
	head := binary.LittleEndian.AppendUint32(append([]byte("\xfd7zXZ\x00"), flags...), crc32.ChecksumIEEE(flags))
	s := &section{r: d.f.r, at: d.block.at, size: d.next}
	parts := []io.Reader{bytes.NewReader(head), s}
	if d.block.stored >= 0 {
		x := binary.AppendUvarint([]byte{0, 1}, uint64(d.block.header+d.block.stored+checkSize[d.head]))
		x = binary.AppendUvarint(x, uint64(d.block.raw))
		for len(x)%4 != 0 {
			x = append(x, 0)
		}
		x = binary.LittleEndian.AppendUint32(x, crc32.ChecksumIEEE(x))
		foot := append(binary.LittleEndian.AppendUint32(nil, uint32(len(x)/4-1)), flags...)
		x = binary.LittleEndian.AppendUint32(x, crc32.ChecksumIEEE(foot))
		parts = append(parts, bytes.NewReader(append(append(x, foot...), "YZ"...)))
	}
	d.in = &input{bufio.NewReaderSize(io.MultiReader(parts...), 64<<10), s}
	z, err := xz.ReaderConfig{SingleStream: true, DictCap: lzma.MinDictCap}.NewReader(d.in)
	if err != nil {
		return d.in.fault(err, d.block.stored < 0)
	}
	d.z = z
	return nil
}

// skip goes on with the next block.
func (d *xzDecoder) skip() int64 {
	d.z = nil
	if d.block.raw < 0 || d.block.stored < 0 || d.next >= d.f.size {
		d.next, d.inside = d.f.size, false
		return -1
	}
	return d.block.raw
}
