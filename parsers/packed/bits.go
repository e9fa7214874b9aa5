package packed

import (
	"encoding/binary"
	"io"
)

// The 48 bits before a block of bzip2, and before the end of a stream.
const (
	blockMagic = "\x31\x41\x59\x26\x53\x59"
	blockBits  = 0x314159265359
	endBits    = 0x177245385090
	magicMask  = 1<<48 - 1
)

// maxBlock is the most bytes that a block of bzip2 takes in the file: 900,000
// symbols of 20 bits at most would be more, but no block grows by so much.
const maxBlock = 2 << 20

// nextMagic finds the first block or end of stream at bit or behind it, looking
// through at most maxBlock bytes. bit is -1 where there is none.
func nextMagic(r io.ReaderAt, size, bit int64) (at int64, end bool, err error) {
	buf := make([]byte, 64<<10)
	var w uint64 // the last 64 bits
	first := bit / 8
	for off := first; off < size && off < first+maxBlock; off += int64(len(buf)) {
		buf = buf[:min(int64(cap(buf)), size-off)]
		if err := readFull(r, buf, off); err != nil {
			return -1, false, err
		}
		for i, c := range buf {
			w = w<<8 | uint64(c)
			for k := 7; k >= 0; k-- {
				v := w >> k & magicMask
				if v != blockBits && v != endBits {
					continue
				}
				if at := (off+int64(i)+1)*8 - int64(k) - 48; at >= bit {
					return at, v == endBits, nil
				}
			}
		}
	}
	return -1, false, nil
}

// shifted reads bits [from, to) of a file, the first one in the top of a byte.
func shifted(r io.ReaderAt, size, from, to int64) ([]byte, error) {
	b := make([]byte, (to+7)/8-from/8+1)
	n := min(int64(len(b)), size-from/8)
	if err := readFull(r, b[:n], from/8); err != nil {
		return nil, err
	}
	if s := from % 8; s > 0 {
		for i := range len(b) - 1 {
			b[i] = b[i]<<s | b[i+1]>>(8-s)
		}
	}
	bits := to - from
	b = b[:(bits+7)/8]
	if s := bits % 8; s > 0 {
		b[len(b)-1] &= 0xFF << (8 - s)
	}
	return b, nil
}

// appendBits appends n bits of v behind the first bits of b.
func appendBits(b []byte, bits int64, v uint64, n int) ([]byte, int64) {
	for n--; n >= 0; n-- {
		if bits%8 == 0 {
			b = append(b, 0)
		}
		b[bits/8] |= byte(v>>n&1) << (7 - bits%8)
		bits++
	}
	return b, bits
}

// alone makes a stream of one block.
func alone(level byte, block []byte, bits int64) []byte {
	crc := binary.BigEndian.Uint32(block[6:])
	b := append([]byte{'B', 'Z', 'h', level}, block...)
	b, n := appendBits(b, 32+bits, endBits, 48)
	b, _ = appendBits(b, n, uint64(crc), 32)
	return b
}
