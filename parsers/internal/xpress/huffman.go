package xpress

import (
	"encoding/binary"

	"kanshiki/parsers/internal/cursor"
)

const (
	symbols    = 512   // 256 literals and 256 pairs of length and distance
	tableBytes = 256   // a code length of four bits for each symbol
	longest    = 15    // bits of the longest code
	chunk      = 65536 // each 64 KiB of output begin with a table of their own
)

// table maps the next fifteen bits to a symbol and the length of its code,
// packed as symbol<<4 | length.
type table [1 << longest]uint16

// Huffman fills dst from an LZ77+Huffman stream ([MS-XCA] 2.2.4). It returns
// how many bytes it wrote; fewer than len(dst) come with an error whose offset
// lies in src.
func Huffman(dst, src []byte) (int, error) {
	d := &huffman{src: src, dst: dst}
	for d.out < len(dst) {
		if err := d.chunk(); err != nil {
			return d.out, err
		}
	}
	return d.out, nil
}

type huffman struct {
	src, dst []byte
	in, out  int
	codes    table

	bits  uint32 // the next bits, from the top
	spare int    // bits held beyond the sixteen that are always there
	pad   int    // bits that were made up because src had ended
}

// build makes the decoding table of one chunk. Codes are given in the order of
// (length, symbol), so that filling the table by length gives them without
// computing them. A set of lengths that leaves codes unused or uses them twice
// is not valid (2.2.4: "the table must be full").
func (d *huffman) build() error {
	if len(d.src)-d.in < tableBytes {
		return cursor.Errorf(int64(d.in), "code lengths of the chunk that gives byte %d: need %d bytes, have %d", d.out, tableBytes, len(d.src)-d.in)
	}
	lengths := d.src[d.in : d.in+tableBytes]
	next := 0
	for bits := 1; bits <= longest; bits++ {
		for sym := 0; sym < symbols; sym++ {
			if int(lengths[sym>>1]>>(4*(sym&1))&15) != bits {
				continue
			}
			n := 1 << (longest - bits)
			if next+n > len(d.codes) {
				return cursor.Errorf(int64(d.in), "code lengths give more codes than fit")
			}
			v := uint16(sym<<4 | bits)
			for i := next; i < next+n; i++ {
				d.codes[i] = v
			}
			next += n
		}
	}
	if next != len(d.codes) {
		return cursor.Errorf(int64(d.in), "code lengths leave %d of %d codes unused", len(d.codes)-next, len(d.codes))
	}
	d.in += tableBytes
	return nil
}

// word reads the next sixteen bits. The format reads ahead of what it needs,
// so the end of src gives zeros here and is an error only once one of those
// bits was used. An odd last byte is the half of a word: nothing else may be
// read from it.
func (d *huffman) word() uint32 {
	if len(d.src)-d.in >= 2 {
		d.in += 2
		return uint32(binary.LittleEndian.Uint16(d.src[d.in-2:]))
	}
	d.in = len(d.src)
	d.pad += 16
	return 0
}

func (d *huffman) drop(n int) {
	d.bits <<= n
	if d.spare -= n; d.spare < 0 {
		d.bits |= d.word() << -d.spare
		d.spare += 16
	}
}

// chunk decodes up to 64 KiB of output.
func (d *huffman) chunk() error {
	if err := d.build(); err != nil {
		return err
	}
	d.bits, d.spare, d.pad = 0, 0, 0
	d.bits = d.word() << 16
	d.bits |= d.word()
	d.spare = 16

	end := min(d.out+chunk, len(d.dst))
	for d.out < end {
		code := d.codes[d.bits>>(32-longest)]
		d.drop(int(code & 15))
		sym := int(code >> 4)
		if d.spare+16 < d.pad {
			return cursor.Errorf(int64(len(d.src)), "stream ends at byte %d of %d unpacked", d.out, len(d.dst))
		}
		if sym < 256 {
			d.dst[d.out] = byte(sym)
			d.out++
			continue
		}
		if err := d.match(sym - 256); err != nil {
			return err
		}
	}
	return nil
}

// match copies what symbol s, already less 256, and the bytes after it say.
func (d *huffman) match(s int) error {
	length, err := d.length(s & 15)
	if err != nil {
		return err
	}
	n := s >> 4
	distance := 1 << n
	if n > 0 {
		distance += int(d.bits >> (32 - n))
		d.drop(n)
	}
	if d.spare+16 < d.pad {
		return cursor.Errorf(int64(len(d.src)), "stream ends at byte %d of %d unpacked", d.out, len(d.dst))
	}
	d.out, err = copyMatch(d.dst, d.out, distance, length, d.in)
	return err
}

// length reads the bytes that lengths of 15 and above add, between the words.
func (d *huffman) length(n int) (int, error) {
	if n < 15 {
		return n + 3, nil
	}
	c := cursor.New(d.src)
	c.Seek(d.in, "match length")
	if n = int(c.U8("match length")); n < 255 {
		n += 15
	} else {
		if n = int(c.U16("match length")); n == 0 {
			n = int(min(c.U32("match length"), 1<<30)) // an int of 32 bits holds it
		}
		if n < 15 && c.Err() == nil {
			c.Fail("match length %d stored in its long form", n)
		}
	}
	d.in = c.Off()
	return n + 3, c.Err()
}

// copyMatch repeats length bytes from distance back; the two may overlap,
// which is how runs are stored. A match may reach beyond its chunk, not beyond
// the declared size.
func copyMatch(dst []byte, out, distance, length, at int) (int, error) {
	if distance > out {
		return out, cursor.Errorf(int64(at), "match reaches %d bytes back at byte %d of the output", distance, out)
	}
	if length > len(dst)-out {
		return out, cursor.Errorf(int64(at), "match of %d bytes at byte %d goes beyond the %d declared", length, out, len(dst))
	}
	for length > 0 {
		n := copy(dst[out:out+length], dst[out-distance:out])
		out, length, distance = out+n, length-n, distance+n
	}
	return out, nil
}
