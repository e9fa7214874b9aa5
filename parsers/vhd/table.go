package vhd

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

// The table of blocks is read by sectors: a bad one costs no other's entries.
const (
	part    = 512
	perPart = part / 4
	parts   = 2048 // that are kept
)

var errCut = errors.New("behind the end of what the file stores")

func newTable(f container.File, h *header) *container.Kept[int64, []byte] {
	return container.NewKept(parts, func(i int64) ([]byte, error) {
		at := h.tableAt + i*part
		b := make([]byte, min(part, h.entries*4-i*part))
		if n, err := f.R.ReadAt(b, at); n < len(b) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, cursor.Errorf(at, "%w", err)
		}
		return b, nil
	})
}

// entry is that of a block in the part of the table that has it.
func entry(part []byte, block int64) uint32 {
	return binary.BigEndian.Uint32(part[4*(block%perPart):])
}

// checkTable reads all of the table, and tells of blocks that claim places of
// others and of those that no part of the medium names.
func (r *Reader) checkTable() {
	type place struct{ at, block uint32 }
	var all []place
	faults := 0
	tell := func(off int64, format string, args ...any) {
		if faults++; faults <= maxTold {
			r.problems.Reportf(off, format, args...)
		}
	}
	end := min(r.h.entries, (r.f.Size-r.h.tableAt+3)/4)
	if end < r.blocks {
		r.problems.Reportf(r.f.Size, "the table of blocks is cut by the end of the file")
	}
	for i := int64(0); i < end; i += perPart {
		row, err := r.table.Get(i / perPart)
		if err != nil {
			tell(r.h.tableAt+4*i, "table of blocks: %v", err)
			continue
		}
		for k := i; k < i+int64(len(row)/4); k++ {
			if at := entry(row, k); at != noBlock {
				all = append(all, place{at, uint32(k)})
			}
		}
	}
	slices.SortFunc(all, func(a, b place) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.block, b.block)) })
	size := (r.bitmap() + r.h.block) / 512
	head, table := int64(r.Footer.DataOffset), r.h.tableAt
	for i, p := range all {
		where, at := table+4*int64(p.block), int64(p.at)*512
		over := func(from, n int64) bool { return at < from+n && from < at+size*512 }
		switch {
		case int64(p.block) >= r.blocks:
			tell(where, "block %d is stored and lies behind the medium's end", p.block)
		case over(0, footerSize) || over(head, headerSize) || over(table, 4*r.h.entries):
			tell(where, "block %d lies over the header or the table, at %#x", p.block, at)
		case i > 0 && int64(p.at) < int64(all[i-1].at)+size:
			tell(where, "blocks %d and %d overlap, at %#x", all[i-1].block, p.block, at)
		}
	}
	if faults > maxTold {
		r.problems.Reportf(table, "table of blocks: %d more faults", faults-maxTold)
	}
}
