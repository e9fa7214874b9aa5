package ese

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kanshiki/parsers/internal/xpress"
)

// longValue is a value that is kept in a tree of its own, in segments.
type longValue struct {
	size     uint32 // as declared
	segments []segment
}

type segment struct {
	at   uint32 // in the unpacked value
	off  int64  // in the file
	size int
}

// longValue finds a value by the number that the row holds (lv.cxx): the key is
// the number with its bytes turned round, alone for the head, with the place of
// a segment behind it for a segment.
func (f *File) longValue(t *Table, id []byte, compressed bool) ([]byte, error) {
	if len(id) != 4 && len(id) != 8 {
		return nil, fmt.Errorf("number of a long value of %d bytes", len(id))
	}
	if t.long == 0 {
		return nil, errors.New("the table has no long values")
	}
	index, ok := f.long[t.long]
	if !ok {
		index = f.readLong(t.long, len(id))
		f.long[t.long] = index
	}
	key := make([]byte, len(id))
	for i, c := range id {
		key[len(id)-1-i] = c
	}
	v := index[string(key)]
	if v == nil {
		return nil, errors.New("the long value is not there")
	}
	if v.size > maxLong {
		return nil, fmt.Errorf("long value of %d bytes, limit %d", v.size, maxLong)
	}
	var out []byte
	for _, s := range v.segments {
		b := make([]byte, s.size)
		if n, err := f.r.ReadAt(b, s.off); n < len(b) {
			return nil, &Error{Off: s.off, What: fmt.Sprintf("long value: %v", err), Err: err}
		}
		if int(s.at) != len(out) {
			return nil, fmt.Errorf("long value: segment at %d, %d bytes before it", s.at, len(out))
		}
		if compressed {
			plain, err := decompress(b)
			if err != nil {
				return nil, err
			}
			b = plain
		}
		if out = append(out, b...); len(out) > maxLong {
			return nil, fmt.Errorf("long value over %d bytes", maxLong)
		}
	}
	if int64(len(out)) < int64(v.size) {
		return nil, fmt.Errorf("long value: %d of %d bytes", len(out), v.size)
	}
	return out, nil
}

// readLong lists the segments of a tree of long values. What of it cannot be
// read is missed where a row asks for it.
func (f *File) readLong(root uint32, width int) map[string]*longValue {
	index := map[string]*longValue{}
	total := 0
	f.leaves(root, func(p *page, err error) bool {
		if err != nil {
			return true
		}
		for i := range p.nodes {
			n := &p.nodes[i]
			if n.err != nil || n.flags&nodeDeleted != 0 || len(n.key) < width {
				continue
			}
			v := index[string(n.key[:width])]
			if v == nil {
				v = &longValue{}
				index[string(n.key[:width])] = v
			}
			if total++; total > maxSegments {
				return false
			}
			switch len(n.key) {
			case width: // references, size
				if len(n.data) >= 8 {
					v.size = binary.LittleEndian.Uint32(n.data[4:])
				}
			case width + 4:
				v.segments = append(v.segments, segment{binary.BigEndian.Uint32(n.key[width:]), p.off + int64(n.off+n.size-len(n.data)), len(n.data)})
			}
		}
		return true
	})
	return index
}

// decompress unpacks a value; the upper bits of its first byte name the way.
func decompress(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return b, nil
	}
	switch b[0] >> 3 {
	case 1: // seven bits a character; the lower bits of the first byte count those of the last
		return sevenBits(b), nil
	case 2: // the same, for text whose upper bytes are all zero
		plain := sevenBits(b)
		wide := make([]byte, 2*len(plain))
		for i, c := range plain {
			wide[2*i] = c
		}
		return wide, nil
	case 3:
		if len(b) < 3 {
			return nil, fmt.Errorf("packed value of %d bytes", len(b))
		}
		out := make([]byte, binary.LittleEndian.Uint16(b[1:]))
		n, err := xpress.Plain(out, b[3:])
		if err != nil || n < len(out) {
			return nil, fmt.Errorf("packed value: %d of %d bytes: %w", n, len(out), errors.Join(err))
		}
		return out, nil
	}
	return nil, fmt.Errorf("compression %d is not read", b[0]>>3)
}

func sevenBits(b []byte) []byte {
	bits := (len(b)-2)*8 + int(b[0]&7) + 1
	out := make([]byte, 0, max(bits/7, 0))
	var acc uint32
	have := 0
	for _, c := range b[1:] {
		acc |= uint32(c) << have
		for have += 8; have >= 7 && len(out) < bits/7; have -= 7 {
			out = append(out, byte(acc&0x7f))
			acc >>= 7
		}
	}
	return out
}
