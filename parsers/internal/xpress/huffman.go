package xpress

import (
	"encoding/binary"
	"sync"

	"kanshiki/parsers/internal/cursor"
)

const (
	symbols    = 512   // 256 literals and 256 pairs of length and distance
	tableBytes = 256   // a code length of four bits for each symbol
	longest    = 15    // bits of the longest code
	chunk      = 65536 // each 64 KiB of output begin with a table of their own
)

const (
	fast     = 10 // codes up to this length are looked up at once
	allCodes = 1 << longest
)

// codes decode one chunk. Codes are given in the order of (length, symbol), so
// those of one length are neighbours: short ones fill a table by their first
// bits, long ones are found by where their length begins.
type codes struct {
	table  [1 << fast]uint16   // symbol<<4 | length, by the next bits; 0 for a longer code
	sorted [symbols]uint16     // symbols by (length, symbol)
	first  [longest + 2]uint32 // first code of a length, as fifteen bits
	index  [longest + 2]uint16 // and its place in sorted
}

var decoders = sync.Pool{New: func() any { return new(huffman) }}

// Huffman fills dst from an LZ77+Huffman stream ([MS-XCA] 2.2.4). It returns
// how many bytes it wrote; fewer than len(dst) come with an error whose offset
// lies in src.
func Huffman(dst, src []byte) (int, error) {
	d := decoders.Get().(*huffman)
	defer decoders.Put(d)
	d.src, d.dst, d.in, d.out = src, dst, 0, 0
	defer func() { d.src, d.dst = nil, nil }()
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
	codes    codes

	bits  uint32 // the next bits, from the top
	spare int    // bits held beyond the sixteen that are always there
	pad   int    // bits that were made up because src had ended
}

// build makes the codes of a chunk from the lengths that it begins with. A set
// of lengths that leaves codes unused or uses them twice is not valid (2.2.4:
// "the table must be full").
func (d *huffman) build() error {
	if len(d.src)-d.in < tableBytes {
		return cursor.Errorf(int64(d.in), "code lengths of the chunk that gives byte %d: need %d bytes, have %d", d.out, tableBytes, len(d.src)-d.in)
	}
	var counts [longest + 1]int
	lengths := d.src[d.in : d.in+tableBytes]
	for _, b := range lengths {
		counts[b&15]++
		counts[b>>4]++
	}
	c := &d.codes
	var next [longest + 1]uint16
	code, index := 0, 0
	for bits := 1; bits <= longest; bits++ {
		c.first[bits], c.index[bits], next[bits] = uint32(code), uint16(index), uint16(index)
		code += counts[bits] << (longest - bits)
		index += counts[bits]
	}
	c.first[longest+1] = uint32(code)
	if code != allCodes {
		return cursor.Errorf(int64(d.in), "code lengths give %d of %d codes", code, allCodes)
	}
	for i, b := range lengths {
		if n := b & 15; n > 0 {
			c.sorted[next[n]] = uint16(2 * i)
			next[n]++
		}
		if n := b >> 4; n > 0 {
			c.sorted[next[n]] = uint16(2*i + 1)
			next[n]++
		}
	}
	at := 0
	for bits := 1; bits <= fast; bits++ {
		for _, sym := range c.sorted[c.index[bits]:c.index[bits+1]] {
			v := sym<<4 | uint16(bits)
			for end := at + 1<<(fast-bits); at < end; at++ {
				c.table[at] = v
			}
		}
	}
	clear(c.table[at:])
	d.in += tableBytes
	return nil
}

// symbol takes the next code.
func (d *huffman) symbol() int {
	if v := d.codes.table[d.bits>>(32-fast)]; v != 0 {
		d.drop(int(v & 15))
		return int(v >> 4)
	}
	code, n := d.bits>>(32-longest), fast+1
	for code >= d.codes.first[n+1] {
		n++
	}
	d.drop(n)
	return int(d.codes.sorted[int(d.codes.index[n])+int(code-d.codes.first[n])>>(longest-n)])
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
		sym := d.symbol()
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
