package xpress

import "kanshiki/parsers/internal/cursor"

// Plain fills dst from a plain LZ77 stream ([MS-XCA] 2.4.4). It returns how
// many bytes it wrote; fewer than len(dst) come with an error whose offset
// lies in src.
func Plain(dst, src []byte) (int, error) {
	c := cursor.New(src)
	var flags uint32
	left := 0    // flags not used yet
	nibble := -1 // place of a byte whose upper half is the next long length
	out := 0
	for out < len(dst) {
		if left == 0 {
			flags, left = c.U32("flags"), 32
		}
		left--
		if flags>>left&1 == 0 {
			b := c.U8("literal")
			if c.Err() != nil {
				return out, c.Err()
			}
			dst[out] = b
			out++
			continue
		}
		pair := int(c.U16("match"))
		length, distance := pair&7, pair>>3+1
		if length == 7 {
			length = plainLength(c, src, &nibble)
		}
		if c.Err() != nil {
			return out, c.Err()
		}
		var err error
		if out, err = copyMatch(dst, out, distance, length+3, c.Off()); err != nil {
			return out, err
		}
	}
	return out, nil
}

// plainLength reads a length of 7 and above: half a byte that two matches
// share, then a byte, two bytes, four bytes.
func plainLength(c *cursor.Cursor, src []byte, nibble *int) int {
	var n int
	if *nibble < 0 {
		*nibble = c.Off()
		n = int(c.U8("match length") & 15)
	} else {
		n = int(src[*nibble] >> 4)
		*nibble = -1
	}
	if n < 15 {
		return n + 7
	}
	if n = int(c.U8("match length")); n < 255 {
		return n + 15 + 7
	}
	if n = int(c.U16("match length")); n == 0 {
		n = int(min(c.U32("match length"), 1<<30)) // an int of 32 bits holds it
	}
	if n < 15+7 {
		c.Fail("match length %d stored in its long form", n)
	}
	return n
}
