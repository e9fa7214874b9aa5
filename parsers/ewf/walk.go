package ewf

import (
	"encoding/binary"

	"kanshiki/parsers/internal/inflate"
)

// walk finds chunks without a table: they lie back to back, and each proves
// itself, as a zlib stream that inflates to exactly one chunk with a right
// checksum, or as raw bytes followed by their checksum. It stops at the first
// place where neither holds, since how many chunks are lost there is not
// known; whole tells that it reached the end of the data.
func (r *Reader) walk(g *group, limit int64) (found *entries, whole bool) {
	e := &entries{start: g.dataStart, end: g.dataEnd, walked: []int64{}}
	d := r.decoder()
	defer r.decoders.Put(d)
	size := int(r.vol.ChunkSize())
	sector := int(r.vol.BytesPerSector)
	out := make([]byte, size)
	win := make([]byte, 0, max(1<<20, 4*size))
	base := g.dataStart // of win in the segment
	pos := g.dataStart
	for pos < g.dataEnd && int64(len(e.walked)) < limit {
		if have := base + int64(len(win)) - pos; have < int64(2*size+64) && base+int64(len(win)) < g.dataEnd {
			win = win[:min(int64(cap(win)), g.dataEnd-pos)]
			n, _ := readFull(g.seg.r, win, pos)
			win, base = win[:n], pos
		}
		rest := win[pos-base:]
		final := base+int64(len(win)) == g.dataEnd
		n, compressed := d.chunkAt(rest, out, sector, final)
		if n == 0 {
			return e, false
		}
		at := pos << 1
		if compressed {
			at |= 1
		}
		e.walked = append(e.walked, at)
		pos += int64(n)
	}
	return e, pos == g.dataEnd
}

// chunkAt tells how many stored bytes the chunk at the start of b takes, 0 if
// there is none. Only the last chunk of the media may be short, so a short one
// is taken only where it ends the data.
func (d *decoder) chunkAt(b, out []byte, sector int, final bool) (n int, compressed bool) {
	size := len(out)
	if len(b) > 2 && b[0]&0x0F == 8 && binary.BigEndian.Uint16(b)%31 == 0 {
		if got, used, err := d.z.Zlib(out, b); err == nil &&
			(got == size || final && used == len(b) && got > 0 && got%sector == 0) {
			return used, true
		}
	}
	sum := func(n int) bool {
		return len(b) >= n+4 && inflate.Sum(b[:n]) == binary.LittleEndian.Uint32(b[n:])
	}
	if sum(size) {
		return size + 4, false
	}
	if short := len(b) - 4; final && short > 0 && short < size && short%sector == 0 && sum(short) {
		return short + 4, false
	}
	return 0, false
}
