package ewf2

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/inflate"
)

const (
	fileHeader = 32
	descriptor = 64
)

// Types of section.
const (
	deviceInfo  = 1
	caseData    = 2
	sectorData  = 3
	sectorTable = 4
	errorTable  = 5
	md5Hash     = 8
	sha1Hash    = 9
	lastNext    = 0xD
	lastDone    = 0xF
)

// header is that of a segment.
type header struct {
	method  uint16
	segment uint32
	set     [16]byte
}

// SegmentOf reads the number of a segment from its first 32 bytes.
func SegmentOf(head []byte) (number int, set [16]byte, err error) {
	h, err := parseHeader(head)
	return int(h.segment), h.set, err
}

func parseHeader(b []byte) (header, error) {
	c := cursor.New(b)
	if magic := c.Take(8, "signature"); c.Err() == nil && string(magic) != Magic {
		return header{}, cursor.Errorf(0, "signature: have % x", magic)
	}
	major := c.U8("version")
	c.U8("minor version")
	h := header{method: c.U16("compression"), segment: c.U32("segment")}
	copy(h.set[:], c.Take(16, "set identifier"))
	if c.Err() == nil && major != 2 {
		return h, fmt.Errorf("version %d %w", major, ErrUnsupported)
	}
	return h, c.Err()
}

// section is one of a segment.
type section struct {
	kind  uint32
	flags uint32
	at    int64 // of its data
	size  int64 // with the padding
	md5   [16]byte
}

// sections walks a segment from its end, and gives them in the file's order.
func sections(f container.File, problems *container.Problems) (out []section, last uint32, err error) {
	at := f.Size - descriptor
	for {
		if at < fileHeader {
			return nil, 0, cursor.Errorf(max(at, 0), "a section descriptor where the file begins")
		}
		b := make([]byte, descriptor)
		if n, err := f.R.ReadAt(b, at); n < len(b) {
			return nil, 0, fmt.Errorf("section descriptor at %#x: %w", at, err)
		}
		if inflate.Sum(b[:60]) != binary.LittleEndian.Uint32(b[60:]) {
			return nil, 0, cursor.Errorf(at, "section descriptor: its checksum is wrong")
		}
		c := cursor.At(b, at)
		s := section{kind: c.U32("type"), flags: c.U32("flags")}
		prev := c.U64("descriptor before")
		s.size = int64(min(c.U64("size"), 1<<62))
		c.Skip(8, "descriptor size, padding")
		copy(s.md5[:], c.Take(16, "MD5"))
		s.at = at - s.size
		if s.flags&2 != 0 {
			return nil, 0, fmt.Errorf("an encrypted section %w", ErrUnsupported)
		}
		if s.at < fileHeader || prev >= uint64(at) {
			return nil, 0, cursor.Errorf(at, "section of type %d: %d bytes, the one before at %#x", s.kind, s.size, prev)
		}
		if last == 0 {
			last = s.kind
		}
		if out = append(out, s); len(out) > MaxSections {
			return nil, 0, fmt.Errorf("more than %d sections", MaxSections)
		}
		if prev == 0 {
			break
		}
		at = int64(prev)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, last, nil
}

// data reads a small section, and compares its MD5 where it has one.
func (s section) data(f container.File, limit int64, problems *container.Problems) ([]byte, error) {
	if s.size > limit {
		return nil, cursor.Errorf(s.at, "section of type %d: %d bytes, limit %d", s.kind, s.size, limit)
	}
	b := make([]byte, s.size)
	if n, err := f.R.ReadAt(b, s.at); n < len(b) {
		return nil, fmt.Errorf("section of type %d at %#x: %w", s.kind, s.at, err)
	}
	return b, nil
}

// sealed cuts n bytes and their Adler-32 from the start of b.
func sealed(b []byte, n int, at int64, what string) ([]byte, error) {
	if n < 0 || n > len(b)-4 {
		return nil, cursor.Errorf(at, "%s: need %d bytes and a checksum, have %d", what, n, len(b))
	}
	if inflate.Sum(b[:n]) != binary.LittleEndian.Uint32(b[n:]) {
		return nil, cursor.Errorf(at, "%s: its checksum is wrong", what)
	}
	return b[:n], nil
}

// values decodes device information or case data: a table of text in UTF-16,
// compressed.
func (s section) values(f container.File, method uint16, problems *container.Problems) ([]container.Field, error) {
	b, err := s.data(f, maxText, problems)
	if err != nil {
		return nil, err
	}
	if s.flags&1 != 0 && md5.Sum(b) != s.md5 {
		problems.Report(container.Problem{File: f.Name, Off: s.at, What: fmt.Sprintf("section of type %d: its MD5 is wrong", s.kind)})
	}
	text := b
	if len(b) < 2 || b[0] != 0xFF || b[1] != 0xFE {
		text = make([]byte, maxText)
		var d inflate.Decoder
		n, _, err := d.Zlib(text, b)
		if err != nil {
			return nil, cursor.Errorf(s.at, "section of type %d: %v", s.kind, err)
		}
		text = text[:n]
	}
	var u []uint16
	for ; len(text) >= 2; text = text[2:] {
		u = append(u, binary.LittleEndian.Uint16(text))
	}
	lines := strings.Split(strings.TrimPrefix(string(utf16.Decode(u)), "\uFEFF"), "\n")
	for i, line := range lines {
		if line != "main" || i+2 >= len(lines) {
			continue
		}
		names, values := strings.Split(lines[i+1], "\t"), strings.Split(lines[i+2], "\t")
		var out []container.Field
		for j := range min(len(names), len(values)) {
			out = append(out, container.Field{Name: names[j], Value: values[j]})
		}
		return out, nil
	}
	return nil, cursor.Errorf(s.at, "section of type %d: no category main", s.kind)
}
