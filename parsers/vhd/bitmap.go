package vhd

import (
	"fmt"
	"io"

	"kanshiki/parsers/container"
)

// maps are the bitmaps of blocks, by their places in the file. A bit tells
// whether a sector is the disk's own, the highest bit of a byte first.
type maps struct{ *container.Kept[int64, []byte] }

func newMaps(r io.ReaderAt, size int64) *maps {
	return &maps{container.NewKept(bitmaps/size, func(at int64) ([]byte, error) {
		b := make([]byte, size)
		if n, err := r.ReadAt(b, at); n < len(b) {
			return nil, fmt.Errorf("at %#x: %w", at, err)
		}
		return b, nil
	})}
}

// run tells whose the sectors of a block are from byte in on, and for how many
// bytes it stays so, limit at the most.
func (m *maps) run(at, in, limit int64) (own bool, n int64, err error) {
	b, err := m.Get(at)
	if err != nil {
		return false, limit, err
	}
	bit := func(s int64) bool { return b[s/8]>>(7-s%8)&1 != 0 }
	s := in / 512
	own = bit(s)
	for n = 512 - in%512; n < limit && bit(s+1) == own; n += 512 {
		s++
	}
	return own, min(n, limit), nil
}

// never gives the zeros of sectors that the bitmap calls never written, and
// tells what lies there all the same.
type never struct {
	r     *Reader
	block int64
	at    int64 // of its bitmap
}

func (n never) ReadAt(p []byte, off int64) (int, error) {
	k, _ := n.r.f.R.ReadAt(p, off)
	if !container.IsZero(p[:k]) {
		n.r.problems.Reportf(n.at, "block %d: bytes are stored in sectors that its bitmap calls never written; they are given as zeros", n.block)
	}
	clear(p)
	return len(p), nil
}
