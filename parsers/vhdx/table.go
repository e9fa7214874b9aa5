package vhdx

import (
	"encoding/binary"
	"fmt"
)

// taken tells which parts of 1 MiB of the file something claims: everything but
// the headers lies at such borders.
type taken []uint64

// claim marks a part of the file, as far as the file goes, and tells whether
// all of it was free.
func (t taken) claim(at, size int64) bool {
	if at < 0 { // an entry of 64 bits: far behind the end
		return true
	}
	for i := at >> offsetShift; i < (at+size+1<<offsetShift-1)>>offsetShift && i < int64(len(t))*64; i++ {
		if t[i/64]>>(i%64)&1 != 0 {
			return false
		}
		t[i/64] |= 1 << (i % 64)
	}
	return true
}

// checkTable reads all of the table of blocks, and tells of blocks that claim
// places of others and of those that no part of the medium names. A part that
// cannot be read is a range of the medium.
func (r *Reader) checkTable(meta region) {
	t := make(taken, r.f.Size>>offsetShift/64+1)
	t.claim(0, 1<<offsetShift)
	t.claim(r.h.logAt, r.h.logLen)
	if !t.claim(meta.at, meta.size) || !t.claim(r.bat.at, r.bat.size) {
		r.problems.Reportf(regions1, "log, metadata and table of blocks overlap: %d bytes at %#x, %d at %#x, %d at %#x",
			r.h.logLen, r.h.logAt, meta.size, meta.at, r.bat.size, r.bat.at)
	}
	faults := 0
	tell := func(i int64, format string, args ...any) {
		if faults++; faults <= maxTold {
			r.problems.Reportf(r.bat.at+8*i, format, args...)
		}
	}
	last := r.index(r.blocks-1) + 1
	if r.Metadata.HasParent { // the sector bitmap of the last blocks stands behind a whole row
		last = (r.blocks + r.ratio - 1) / r.ratio * (r.ratio + 1)
	}
	for i := int64(0); i < min(r.bat.size, MaxBAT)/8; i += batPart / 8 {
		b, err := full(r.r, min(batPart, r.bat.size-8*i), r.bat.at+8*i)
		if err != nil {
			continue
		}
		for k := i; len(b) >= 8; k, b = k+1, b[8:] {
			e := binary.LittleEndian.Uint64(b)
			state, at := e&stateBits, int64(e>>offsetShift)<<offsetShift
			size := r.Metadata.Block
			if k%(r.ratio+1) == r.ratio {
				size = 1 << offsetShift
			}
			switch {
			case state != fullyHere && state != partlyHere:
			case k >= last:
				tell(k, "%s is stored and lies behind the medium's end", r.name(k))
			case !t.claim(at, size):
				tell(k, "%s overlaps another part of the file, at %#x", r.name(k), at)
			}
		}
	}
	if faults > maxTold {
		r.problems.Reportf(r.bat.at, "table of blocks: %d more faults", faults-maxTold)
	}
}

// name is what an entry of the table stands for.
func (r *Reader) name(entry int64) string {
	row := entry / (r.ratio + 1)
	if entry%(r.ratio+1) == r.ratio {
		return fmt.Sprintf("sector bitmap %d", row)
	}
	return fmt.Sprintf("block %d", entry-row)
}
