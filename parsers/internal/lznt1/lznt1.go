// Package lznt1 decompresses LZNT1, the compression of NTFS files and of some
// registry and memory structures.
//
// Source: [MS-XCA] 2.5. Cases that the text does not name (a chunk without
// data, a chunk cut at the end) are those of libyal's NTFS documentation.
package lznt1

import (
	"kanshiki/parsers/internal/cursor"
)

// ChunkSize is what one chunk decompresses to.
const ChunkSize = 4096

// Decompress fills dst from src: chunk after chunk until dst is full, src
// ends, or a chunk header of 0 ends the data. A chunk shorter than ChunkSize is
// padded with zeros when another follows. It returns the bytes that were
// decompressed; the rest of dst is zero. The error, a located one, says that
// src made no sense from some chunk on: that chunk keeps what it gave.
func Decompress(dst, src []byte) (int, error) {
	clear(dst)
	c := cursor.New(src)
	out := 0
	for c.Left() >= 2 && out < len(dst) {
		at := c.Pos()
		h := c.U16("chunk header")
		if h == 0 {
			return out, nil
		}
		size := int(h&0x0FFF) + 1
		var cut error
		if size > c.Left() {
			cut = cursor.Errorf(at, "chunk of %d bytes, have %d", size, c.Left())
			size = c.Left()
		}
		data := c.Take(size, "chunk")
		room := dst[out:min(out+ChunkSize, len(dst))]
		if h&0x8000 == 0 {
			out += copy(room, data)
			if cut != nil {
				return out, cut
			}
			// Only the last chunk may be short.
			if c.Left() >= 2 {
				out += min(ChunkSize-size, len(room)-min(size, len(room)))
			}
			continue
		}
		n, err := chunk(room, data, at+2)
		if err == nil {
			err = cut
		}
		if err != nil {
			return out + n, err
		}
		out += n
		if n < len(room) && c.Left() >= 2 && more(src[c.Off():]) {
			out += len(room) - n
		}
	}
	return out, nil
}

// more tells whether another chunk follows.
func more(b []byte) bool { return b[0] != 0 || b[1] != 0 }

// chunk decompresses one chunk into dst.
func chunk(dst, src []byte, at int64) (int, error) {
	out := 0
	// The further into the chunk, the more bits the displacement needs; the
	// length has what is left of 16.
	shift, limit := uint(12), 16
	for i := 0; i < len(src); {
		flags := src[i]
		i++
		if flags == 0 && len(src)-i >= 8 && len(dst)-out >= 8 {
			copy(dst[out:out+8], src[i:i+8])
			i += 8
			out += 8
			continue
		}
		for bit := 0; bit < 8 && i < len(src); bit++ {
			if out >= len(dst) {
				return out, nil
			}
			if flags>>bit&1 == 0 {
				dst[out] = src[i]
				i++
				out++
				continue
			}
			if i+2 > len(src) {
				return out, cursor.Errorf(at+int64(i), "back reference: need 2 bytes, have %d", len(src)-i)
			}
			ref := int(src[i]) | int(src[i+1])<<8
			i += 2
			for out > limit {
				limit <<= 1
				shift--
			}
			dist, n := ref>>shift+1, ref&(1<<shift-1)+3
			if dist > out {
				return out, cursor.Errorf(at+int64(i-2), "back reference %d bytes before the chunk", dist-out)
			}
			n = min(n, len(dst)-out)
			if dist >= n {
				copy(dst[out:out+n], dst[out-dist:])
			} else {
				for k := range n {
					dst[out+k] = dst[out-dist+k]
				}
			}
			out += n
		}
	}
	return out, nil
}
