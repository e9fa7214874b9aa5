package packed

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// listed asks the index of the file's last stream for the block at a place, of
// which its own header and chunks do not tell the size: its bytes without the
// padding, and those of the medium.
func (f *xzFormat) listed(at int64) (stored, raw int64, ok bool) {
	foot := make([]byte, xzFooter)
	end := f.size - xzFooter
	if end < 0 || readFull(f.r, foot, end) != nil || string(foot[10:]) != "YZ" ||
		crc32.ChecksumIEEE(foot[4:10]) != binary.LittleEndian.Uint32(foot) {
		return 0, 0, false
	}
	size := (int64(binary.LittleEndian.Uint32(foot[4:])) + 1) * 4
	if size < 8 || size > end || !f.intact(end-size, size) {
		return 0, 0, false
	}
	// Where the first block is follows from the sum of all, so go through twice.
	block := end - size
	f.records(end-size, func(n, _ int64) { block -= (n + 3) &^ 3 })
	found := false
	f.records(end-size, func(n, r int64) {
		if block == at {
			stored, raw, found = n, r, true
		}
		block += (n + 3) &^ 3
	})
	return stored, raw, found && block == end-size
}

// intact compares the checksum of an index.
func (f *xzFormat) intact(at, size int64) bool {
	h := crc32.NewIEEE()
	sum := make([]byte, 4)
	_, err := io.Copy(h, io.NewSectionReader(f.r, at, size-4))
	return err == nil && readFull(f.r, sum, at+size-4) == nil && bytes.Equal(sum, binary.LittleEndian.AppendUint32(nil, h.Sum32()))
}

// records calls fn for each block that an index lists, up to the first record
// that makes no sense.
func (f *xzFormat) records(at int64, fn func(stored, raw int64)) {
	in := newInput(f.r, at+1, f.size-xzFooter)
	n, err := binary.ReadUvarint(in)
	for ; n > 0 && err == nil; n-- { // ends with the index at the latest
		var stored, raw uint64
		if stored, err = binary.ReadUvarint(in); err != nil {
			return
		}
		if raw, err = binary.ReadUvarint(in); err != nil || stored > uint64(f.size) || raw > maxSize {
			return
		}
		fn(int64(stored), int64(raw))
	}
}
