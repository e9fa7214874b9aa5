// Package lzx decompresses LZX as Windows images and WOF files hold it: one
// chunk at a time, a window of 32 KiB, no state from chunk to chunk.
//
// Source: [MS-PATCH] for the bit stream; the notes of wimlib for what differs
// in chunks of Windows images (block size 32,768 in one bit, E8 translation
// with a file size of 12,000,000 that begins anew in every chunk). Larger
// windows (CAB, delta patches) are not decoded.
package lzx

import (
	"encoding/binary"

	"kanshiki/parsers/internal/cursor"
)

// ChunkSize is the largest chunk.
const ChunkSize = 32768

const (
	slots       = 30 // position slots of a window of 32 KiB
	mainSymbols = 256 + 8*slots
	lenSymbols  = 249
	preSymbols  = 20
	alignedSyms = 8
	maxCode     = 16
	minMatch    = 2
	e8FileSize  = 12000000
)

// Block types.
const (
	verbatim     = 1
	aligned      = 2
	uncompressed = 3
)

type decoder struct {
	bits
	recent  [3]uint32
	mainLen [mainSymbols]uint8
	lenLen  [lenSymbols]uint8
	main    code
	length  code
	aligned code
}

// Decompress fills dst, the whole chunk, from src. It returns the bytes that
// were decompressed; fewer than len(dst) come with a located error.
func Decompress(dst, src []byte) (int, error) {
	if len(dst) > ChunkSize {
		return 0, cursor.Errorf(0, "chunk of %d bytes, at most %d", len(dst), ChunkSize)
	}
	d := decoder{bits: bits{src: src}, recent: [3]uint32{1, 1, 1}}
	n, err := 0, error(nil)
	for n < len(dst) && err == nil {
		n, err = d.block(dst, n)
	}
	if err != nil {
		return n, err
	}
	undoE8(dst)
	return n, nil
}

func (d *decoder) fail(what string) error { return cursor.Errorf(int64(d.at), "%s", what) }

// block decodes one block behind the n bytes that are there.
func (d *decoder) block(dst []byte, n int) (int, error) {
	kind := d.read(3)
	size := ChunkSize
	if d.read(1) == 0 {
		size = int(d.read(16))
	}
	if d.over() {
		return n, d.fail("block header cut")
	}
	if size == 0 || size > len(dst)-n {
		return n, d.fail("block larger than the chunk, or empty")
	}
	end := n + size
	switch kind {
	case uncompressed:
		return d.stored(dst, n, end)
	case aligned:
		var lens [alignedSyms]uint8
		for i := range lens {
			lens[i] = uint8(d.read(3))
		}
		if !d.aligned.build(lens[:]) {
			return n, d.fail("code of aligned offsets")
		}
	case verbatim:
	default:
		return n, d.fail("unknown type of block")
	}
	ok := d.lengths(d.mainLen[:256]) && d.lengths(d.mainLen[256:]) && d.main.build(d.mainLen[:]) &&
		d.lengths(d.lenLen[:]) && d.length.build(d.lenLen[:])
	if !ok || d.over() {
		return n, d.fail("code lengths")
	}
	return d.matches(dst, n, end, kind == aligned)
}

// stored copies a block. The stream is aligned to 16 bits first; if it is
// already, 16 bits are passed over.
func (d *decoder) stored(dst []byte, n, end int) (int, error) {
	d.align()
	b := d.bytes(12)
	if b == nil {
		return n, d.fail("recent offsets cut")
	}
	for i := range d.recent {
		if d.recent[i] = binary.LittleEndian.Uint32(b[4*i:]); d.recent[i] == 0 {
			return n, d.fail("recent offset of 0")
		}
	}
	b = d.bytes(end - n)
	if b == nil {
		return n, d.fail("stored block cut")
	}
	copy(dst[n:], b)
	if (end-n)%2 != 0 {
		d.bytes(1)
	}
	return end, nil
}

// lengths reads code lengths as differences to those of the block before.
func (d *decoder) lengths(lens []uint8) bool {
	var pre [preSymbols]uint8
	for i := range pre {
		pre[i] = uint8(d.read(4))
	}
	var c code
	if !c.build(pre[:]) {
		return false
	}
	diff := func(i, sym int) uint8 { return uint8((int(lens[i]) - sym + 17) % 17) }
	for i := 0; i < len(lens); {
		sym := d.symbol(&c)
		run, v := 1, uint8(0)
		switch {
		case sym < 0 || d.over():
			return false
		case sym < 17:
			v = diff(i, sym)
		case sym == 17:
			run = 4 + int(d.read(4))
		case sym == 18:
			run = 20 + int(d.read(5))
		default:
			run = 4 + int(d.read(1))
			if sym = d.symbol(&c); sym < 0 || sym >= 17 {
				return false
			}
			v = diff(i, sym)
		}
		for ; run > 0 && i < len(lens); run-- {
			lens[i] = v
			i++
		}
	}
	return true
}

func (d *decoder) matches(dst []byte, n, end int, isAligned bool) (int, error) {
	for n < end {
		sym := d.symbol(&d.main)
		if sym < 0 || d.over() {
			return n, d.fail("no such code, or the chunk ends early")
		}
		if sym < 256 {
			dst[n] = byte(sym)
			n++
			continue
		}
		sym -= 256
		length, slot := sym&7+minMatch, sym>>3
		if sym&7 == 7 {
			l := d.symbol(&d.length)
			if l < 0 {
				return n, d.fail("no such code of a length")
			}
			length += l
		}
		off := d.offset(slot, isAligned)
		if off == 0 || int(off) > n || length > end-n || d.over() {
			return n, d.fail("match outside the chunk")
		}
		if from := n - int(off); int(off) >= length {
			copy(dst[n:n+length], dst[from:])
		} else {
			for i := range length {
				dst[n+i] = dst[from+i]
			}
		}
		n += length
	}
	return n, nil
}

// offset reads the distance of a match: one of the last three, or a new one.
func (d *decoder) offset(slot int, isAligned bool) uint32 {
	if slot < 3 {
		off := d.recent[slot]
		d.recent[slot] = d.recent[0]
		d.recent[0] = off
		return off
	}
	extra := uint(0)
	if slot >= 4 {
		extra = uint(slot/2 - 1)
	}
	// Slots come in pairs; the second begins half a power of two higher.
	base := uint32(slot)
	if slot >= 4 {
		base = (2 | uint32(slot&1)) << extra
	}
	off := base - 2
	if isAligned && extra >= 3 {
		off += d.read(extra-3) << 3
		a := d.symbol(&d.aligned)
		if a < 0 {
			return 0
		}
		off += uint32(a)
	} else {
		off += d.read(extra)
	}
	d.recent[2], d.recent[1], d.recent[0] = d.recent[1], d.recent[0], off
	return off
}

// undoE8 turns the targets of x86 calls back into relative ones.
func undoE8(b []byte) {
	for i := 0; i+10 < len(b); i++ {
		if b[i] != 0xE8 {
			continue
		}
		abs, pos := int32(binary.LittleEndian.Uint32(b[i+1:])), int32(i)
		switch {
		case abs >= 0 && abs < e8FileSize:
			binary.LittleEndian.PutUint32(b[i+1:], uint32(abs-pos))
		case abs < 0 && abs >= -pos:
			binary.LittleEndian.PutUint32(b[i+1:], uint32(abs+e8FileSize))
		}
		i += 4
	}
}
