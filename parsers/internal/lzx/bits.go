package lzx

import "encoding/binary"

// bits reads 16-bit little-endian words, most significant bit first. Behind the
// end it gives zeros; over tells.
type bits struct {
	src  []byte
	at   int // bytes taken into buf
	buf  uint64
	n    uint // bits in buf, at its top
	past int  // bits asked for behind the end
}

func (b *bits) fill(want uint) {
	for b.n < want {
		var w uint16
		if b.at+2 <= len(b.src) {
			w = binary.LittleEndian.Uint16(b.src[b.at:])
			b.at += 2
		} else {
			b.at = len(b.src)
			b.past += 16
		}
		b.buf |= uint64(w) << (48 - b.n)
		b.n += 16
	}
}

func (b *bits) peek(n uint) uint32 {
	b.fill(n)
	return uint32(b.buf >> (64 - n))
}

func (b *bits) drop(n uint) {
	b.buf <<= n
	b.n -= n
}

func (b *bits) read(n uint) uint32 {
	if n == 0 {
		return 0
	}
	v := b.peek(n)
	b.drop(n)
	return v
}

// over tells whether bits were used that are not there. What was only looked
// at, up to the longest code, does not count.
func (b *bits) over() bool { return b.past > int(b.n) }

// align goes to the next word, or past one whole word where it is at one.
func (b *bits) align() {
	if b.n == 0 {
		b.fill(16)
	}
	// Words that were taken but not begun go back.
	for b.n > 16 {
		b.n -= 16
		if b.past > 0 {
			b.past -= 16
		} else {
			b.at -= 2
		}
	}
	b.buf, b.n = 0, 0
}

// bytes takes whole bytes of an aligned stream.
func (b *bits) bytes(n int) []byte {
	if n > len(b.src)-b.at {
		return nil
	}
	b.at += n
	return b.src[b.at-n : b.at]
}

// code is a canonical Huffman code, shorter codes first.
type code struct {
	max   uint
	table []uint16 // symbol<<5 | length, by the next max bits
}

// build makes the table. A code without symbols is legal as long as none is
// asked for; one with too many is not.
func (c *code) build(lens []uint8) bool {
	var count [maxCode + 1]int
	c.max = 0
	for _, l := range lens {
		if l > maxCode {
			return false
		}
		count[l]++
		if l > 0 {
			c.max = max(c.max, uint(l))
		}
	}
	if c.max == 0 {
		c.table = c.table[:0]
		return true
	}
	size := 1 << c.max
	if cap(c.table) < size {
		c.table = make([]uint16, size)
	}
	c.table = c.table[:size]
	clear(c.table)
	at := 0
	for l := uint(1); l <= c.max; l++ {
		if count[l] == 0 {
			continue
		}
		step := 1 << (c.max - l)
		for sym, sl := range lens {
			if uint(sl) != l {
				continue
			}
			if at+step > size {
				return false
			}
			for i := range step {
				c.table[at+i] = uint16(sym)<<5 | uint16(l)
			}
			at += step
		}
	}
	return true
}

// symbol reads one, or gives -1 for a code that is not there.
func (d *decoder) symbol(c *code) int {
	if c.max == 0 {
		return -1
	}
	e := c.table[d.peek(c.max)]
	if e == 0 {
		return -1
	}
	d.drop(uint(e & 31))
	return int(e >> 5)
}
