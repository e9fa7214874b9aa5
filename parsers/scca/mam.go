package scca

import (
	"hash/crc32"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/xpress"
)

// unpack reads a MAM file: "MAM", a byte with the method in its low half and
// 0x80 where a checksum follows, the unpacked size, the checksum, the packed
// data. What came out before an error is returned with it.
func unpack(b []byte) ([]byte, error) {
	c := cursor.New(b)
	c.Skip(3, "signature")
	method := c.U8("method")
	size := c.U32("unpacked size")
	var sum uint32
	if method&0x80 != 0 {
		sum = c.U32("checksum")
	}
	if c.Err() != nil {
		return nil, c.Err()
	}
	if size > MaxSize {
		return nil, cursor.Errorf(4, "unpacked size %d is more than a prefetch file has", size)
	}
	// Data that packs to less than a hundredth is not a prefetch file; the
	// bound keeps a small file from claiming sixteen mebibytes.
	if left := c.Left(); int64(size) > 1024+int64(left)*1000 {
		return nil, cursor.Errorf(4, "unpacked size %d from %d packed bytes", size, left)
	}
	if method&0xF != 4 {
		return nil, cursor.Errorf(3, "packing method %d is not LZ77+Huffman", method&0xF)
	}
	at := c.Pos()
	dst := make([]byte, size)
	n, err := xpress.Huffman(dst, b[at:])
	if err != nil {
		return dst[:n], cursor.AddBase(err, at)
	}
	if method&0x80 != 0 {
		// The checksum covers the file with its own place zeroed.
		got := crc32.Update(crc32.ChecksumIEEE(b[:8]), crc32.IEEETable, make([]byte, 4))
		if got = crc32.Update(got, crc32.IEEETable, b[12:]); got != sum {
			return dst, cursor.Errorf(8, "checksum %#x, want %#x", got, sum)
		}
	}
	return dst, nil
}
