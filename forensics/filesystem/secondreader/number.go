package secondreader

import (
	"encoding/binary"
	"io"
)

// numbers reads what the second reader takes for the number of an entry: the
// four bytes at 44 of its record. Records of NTFS before 3.1, and those of some
// drivers, have no number there but a part of the update sequence.
type numbers struct {
	r    io.ReaderAt
	size int64
	from int64 // of buf on the volume
	buf  []byte
}

const (
	numberOffset = 44
	numbersRoom  = 64 << 10
)

// at is the number in the record at a byte of the volume; false where it cannot
// be read.
func (n *numbers) at(record int64) (uint32, bool) {
	off := record + numberOffset
	if record < 0 || off+4 > n.size {
		return 0, false
	}
	if off < n.from || off+4 > n.from+int64(len(n.buf)) {
		b := n.buf[:cap(n.buf)]
		if b == nil {
			b = make([]byte, numbersRoom)
		}
		k, _ := n.r.ReadAt(b[:min(int64(len(b)), n.size-record)], record) // less than asked for is what can be read
		if n.from, n.buf = record, b[:k]; k < numberOffset+4 {
			return 0, false
		}
	}
	return binary.LittleEndian.Uint32(n.buf[off-n.from:]), true
}
