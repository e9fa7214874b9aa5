package ewf

import (
	"bytes"
	"fmt"
	"io"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/inflate"
)

// Signatures of segment files, 8 bytes at offset 0.
var (
	sigPhysical = []byte("EVF\x09\x0d\x0a\xff\x00")
	sigLogical  = []byte("LVF\x09\x0d\x0a\xff\x00")
	sigEVF2     = []byte("EVF2\x0d\x0a\x81\x00")
	sigLEF2     = []byte("LEF2\x0d\x0a\x81\x00")
)

// Format is what the first bytes of a file say.
type Format uint8

// Formats that Identify tells apart. Only Physical can be opened.
const (
	NotEWF   Format = iota
	Physical        // E01, S01
	Logical         // L01
	Version2        // Ex01
	Logical2        // Lx01
)

func (f Format) String() string {
	return [...]string{"not EWF", "E01", "L01", "Ex01", "Lx01"}[f]
}

// Identify tells the format from the first 8 bytes of a file.
func Identify(head []byte) Format {
	for _, s := range []struct {
		sig []byte
		f   Format
	}{{sigPhysical, Physical}, {sigLogical, Logical}, {sigEVF2, Version2}, {sigLEF2, Logical2}} {
		if bytes.HasPrefix(head, s.sig) {
			return s.f
		}
	}
	return NotEWF
}

const (
	fileHeaderSize = 13
	descriptorSize = 76
)

// SegmentOf reads the segment number from the first 13 bytes of a segment file.
func SegmentOf(head []byte) (int, error) {
	if f := Identify(head); f != Physical {
		return 0, cursor.Errorf(0, "segment file signature: have %s", f)
	}
	c := cursor.New(head)
	c.Skip(8, "signature")
	c.U8("fields start")
	n := int(c.U16("segment number"))
	c.U16("fields end")
	if c.Err() == nil && n == 0 {
		c.Fail("segment number 0")
	}
	return n, c.Err()
}

// section is one section of a segment, its descriptor checked.
type section struct {
	kind string
	off  int64 // of the descriptor in its segment
	next int64 // of the next descriptor; own offset in the last one
	size int64 // with the descriptor, as far as the file reaches
	full int64 // the size that the descriptor claims
	cut  bool  // that is more than the file has
}

func (s section) data() int64 { return s.off + descriptorSize }
func (s section) end() int64  { return s.off + s.size }
func (s section) last() bool  { return s.kind == "next" || s.kind == "done" }

var knownSections = []string{
	"header2", "header", "volume", "disk", "data", "sectors", "table2", "table",
	"next", "done", "digest", "hash", "error2", "session", "xheader", "xhash",
	"ltree", "ltypes", "incomplete",
}

// parseDescriptor decodes the 76 bytes at off. The checksum is checked first:
// without it a descriptor is only a guess.
func parseDescriptor(b []byte, off, fileSize int64) (section, error) {
	c := cursor.At(b, off)
	name := c.Take(16, "section name")
	next := c.U64("next section")
	size := c.U64("section size")
	c.Skip(40, "padding")
	sum := c.U32("section checksum")
	if c.Err() != nil {
		return section{}, c.Err()
	}
	if have := inflate.Sum(b[:72]); have != sum {
		return section{}, cursor.Errorf(off, "section descriptor: checksum %08x, calculated %08x", sum, have)
	}
	if i := bytes.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	s := section{kind: string(name), off: off}
	if next > uint64(1)<<62 || size > uint64(1)<<62 {
		return s, cursor.Errorf(off+16, "section %q: next %#x, size %#x", s.kind, next, size)
	}
	s.next, s.size = int64(next), int64(size)
	if s.size < descriptorSize { // 0 in next and done, and everywhere in Expert Witness 1.35
		s.size = descriptorSize
		if s.next > off && !s.last() {
			s.size = s.next - off
		}
	}
	s.full = s.size
	if s.end() > fileSize {
		s.size, s.cut = max(fileSize-off, descriptorSize), true
	}
	return s, nil
}

// sections follows the chain of one segment. A broken link is reported and the
// rest of the file is searched for the next intact descriptor, so that one bad
// byte does not hide what comes after it. The chain only ever goes forward.
func (r *Reader) sections(seg *segment) (out []section, ended bool) {
	off := int64(fileHeaderSize)
	var b [descriptorSize]byte
	for off < seg.size {
		if r.nsections++; r.nsections > MaxSections {
			r.report(seg, off, fmt.Sprintf("more than %d sections: the rest is not read", MaxSections))
			return out, true
		}
		n, err := readFull(seg.r, b[:min(descriptorSize, seg.size-off)], off)
		if err != nil {
			r.report(seg, off, fmt.Sprintf("read section descriptor: %v", err))
			return out, false
		}
		s, err := parseDescriptor(b[:n], off, seg.size)
		if err != nil {
			r.reportErr(seg, err)
			found := r.search(seg, off+1)
			if found < 0 {
				return out, false
			}
			r.report(seg, off, fmt.Sprintf("%d bytes hold no section, the next one is at %#x", found-off, found))
			off = found
			continue
		}
		out = append(out, s)
		if s.last() {
			if n := seg.size - s.data(); n > 0 {
				r.report(seg, s.data(), fmt.Sprintf("%d bytes behind section %q, the last", n, s.kind))
			}
			return out, true
		}
		if s.cut {
			r.report(seg, s.off, fmt.Sprintf("section %q is cut by the end of the file", s.kind))
			return out, false
		}
		if s.next <= off {
			r.report(seg, off+16, fmt.Sprintf("section %q: next section at %#x is not after it", s.kind, s.next))
			s.next = s.end()
		}
		switch end := s.end(); {
		case s.next > end:
			r.report(seg, end, fmt.Sprintf("%d bytes between section %q and the next belong to none", s.next-end, s.kind))
		case s.next < end:
			r.report(seg, s.next, fmt.Sprintf("section %q overlaps the next by %d bytes", s.kind, end-s.next))
		}
		off = s.next
	}
	r.report(seg, min(off, seg.size), "the chain of sections ends without next or done")
	return out, false
}

// search looks for an intact descriptor at or after off; -1 if there is none.
func (r *Reader) search(seg *segment, off int64) int64 {
	const window = 1 << 20
	buf := make([]byte, window+descriptorSize)
	for off < seg.size {
		n, _ := readFull(seg.r, buf[:min(int64(len(buf)), seg.size-off)], off)
		if at := searchDescriptor(buf[:n], off, seg.size); at >= 0 {
			return at
		}
		off += window // also past a part that cannot be read
	}
	return -1
}

func searchDescriptor(b []byte, base, fileSize int64) int64 {
	best := -1
	for _, name := range knownSections {
		key := append([]byte(name), make([]byte, 16-len(name))...)
		for i := 0; ; {
			j := bytes.Index(b[i:], key)
			if j < 0 || best >= 0 && i+j >= best || i+j+descriptorSize > len(b) {
				break
			}
			i += j
			if _, err := parseDescriptor(b[i:i+descriptorSize], base+int64(i), fileSize); err == nil {
				best = i
				break
			}
			i++
		}
	}
	if best < 0 {
		return -1
	}
	return base + int64(best)
}

// payload reads the whole payload of a section up to limit bytes.
func (r *Reader) payload(seg *segment, s section, limit int64) ([]byte, error) {
	n := s.size - descriptorSize
	if n > limit {
		return nil, cursor.Errorf(s.off, "section %q: %d bytes, limit %d", s.kind, n, limit)
	}
	b := make([]byte, n)
	if _, err := readFull(seg.r, b, s.data()); err != nil {
		return nil, cursor.Errorf(s.data(), "section %q: %v", s.kind, err)
	}
	return b, nil
}

// spare reports the bytes of a payload behind what its kind of section holds: no
// checksum covers them.
func (r *Reader) spare(seg *segment, s section, used int64) {
	if n := s.size - descriptorSize - used; n > 0 {
		r.report(seg, s.data()+used, fmt.Sprintf("section %q: %d bytes behind what it holds", s.kind, n))
	}
}

// readFull reads len(b) bytes; a short read is an error whatever the reader
// says of it.
func readFull(r io.ReaderAt, b []byte, off int64) (int, error) {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return n, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// checked splits the Adler-32 off the end of b and compares it.
func checked(b []byte, off int64, what string) ([]byte, error) {
	if len(b) < 4 {
		return nil, cursor.Errorf(off, "%s: need 4 bytes for the checksum, have %d", what, len(b))
	}
	c := cursor.New(b[len(b)-4:])
	b = b[:len(b)-4]
	if sum, have := c.U32("checksum"), inflate.Sum(b); sum != have {
		return b, cursor.Errorf(off, "%s: checksum %08x, calculated %08x", what, sum, have)
	}
	return b, nil
}
