package qcow2

import (
	"encoding/binary"
	"fmt"
	"io"

	"kanshiki/parsers/container"
)

// newTables keeps the L2 tables that were used last, in the bytes of the file.
func newTables(r io.ReaderAt, size int64) *container.Kept[int64, []byte] {
	return container.NewKept(tableBytes/size, func(off int64) ([]byte, error) {
		b := make([]byte, size)
		if n, err := r.ReadAt(b, off); n < len(b) {
			return nil, fmt.Errorf("L2 table at %#x: %d of %d bytes: %w", off, n, len(b), err)
		}
		return b, nil
	})
}

// entry is what an L2 entry says of a cluster.
type entry struct {
	v   uint64
	sub uint64 // subclusters: low half allocated, high half zero
}

func (r *Reader) entry(l2 []byte, i int64) entry {
	n := r.h.entrySize()
	e := entry{v: binary.BigEndian.Uint64(l2[i*n:])}
	if n == 16 {
		e.sub = binary.BigEndian.Uint64(l2[i*n+8:])
	}
	return e
}

// The bits of an L2 entry (qcow2.txt, "Cluster mapping").
const (
	maskOffset    = 0x00FFFFFFFFFFFE00
	bitCompressed = 1 << 62
	bitZero       = 1
)

func (e entry) compressed() bool { return e.v&bitCompressed != 0 }
func (e entry) offset() int64    { return int64(e.v & maskOffset) }

// packed is where the bytes of a compressed cluster may lie: from an offset on,
// in so many sectors, of which the first and the last are shared with others.
func (e entry) packed(clusterBits uint32) (off, n int64) {
	x := 62 - (clusterBits - 8)
	off = int64(e.v & (1<<x - 1))
	sectors := int64(e.v>>x&(1<<(62-x)-1)) + 1
	return off, sectors*512 - off&511
}
