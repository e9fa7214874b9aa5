package ewf

import (
	"fmt"

	"kanshiki/parsers/internal/cursor"
)

// place gives every group its place in the media. Groups are placed from the
// front as long as nothing is missing, and from the back if the last segment
// is there; what lies between, on both sides missing something of unknown
// length, cannot be placed and is not guessed.
func (r *Reader) place() {
	total := int64(r.vol.Chunks)
	if n := r.vol.chunksFor(r.vol.Sectors); r.vol.Sectors > 0 {
		if total != 0 && uint64(total) != n {
			r.report(&segment{}, 0, fmt.Sprintf("the volume section counts %d chunks, its %d sectors need %d", total, r.vol.Sectors, n))
		}
		total = int64(n)
	}
	items := r.placeable(total)
	front, at := 0, int64(0)
	var why error
	for ; front < len(items); front++ {
		it := items[front]
		if it.g == nil {
			why = it.why
			break
		}
		it.g.first = at
		r.groups = append(r.groups, it.g)
		at += it.g.n
		if it.g.open {
			why = cursor.Errorf(it.g.dataStart, "%s: %s", it.g.seg.name, it.g.why)
			front++
			break
		}
	}
	if r.vol.Sectors == 0 { // never finished: as long as what is there
		total = at
		r.vol.Sectors = uint64(at) * uint64(r.vol.SectorsPerChunk)
		r.report(&segment{}, 0, fmt.Sprintf("the volume section counts no sectors; taken as %d from the tables", r.vol.Sectors))
	}
	r.chunks = total
	r.size = int64(r.vol.Sectors) * int64(r.vol.BytesPerSector)
	r.placeBack(items, front, at, why)
}

// placeItem is a group, or a hole of unknown length where g is nil.
type placeItem struct {
	g   *group
	why error
}

// placeable lists the groups of all segments with the holes between them.
func (r *Reader) placeable(total int64) []placeItem {
	var items []placeItem
	hole := func(format string, args ...any) {
		items = append(items, placeItem{why: fmt.Errorf(format, args...)})
	}
	next := 1
	for _, seg := range r.segs {
		switch {
		case seg.number == next+1:
			hole("segment %d is missing", next)
			r.report(&segment{number: next}, 0, fmt.Sprintf("segment %d is missing", next))
		case seg.number > next:
			hole("segments %d to %d are missing", next, seg.number-1)
			r.report(&segment{number: next}, 0, fmt.Sprintf("segments %d to %d are missing", next, seg.number-1))
		}
		next = seg.number + 1
		for _, g := range seg.groups {
			if g.n < 0 { // nothing tells how many chunks: count them
				e, whole := r.walk(g, min(max(total, 1), MaxTable))
				g.walked, g.n = e, int64(e.len())
				if !whole {
					g.open, g.why = true, fmt.Sprintf("chunk data without a table; %d chunks found by walking, the next is damaged", g.n)
				} else {
					r.report(seg, g.dataStart, fmt.Sprintf("%d chunks found by walking them", g.n))
				}
			}
			if g.n > 0 || g.open {
				items = append(items, placeItem{g: g})
			}
		}
		if !seg.whole {
			hole("%s is damaged or cut", seg.name)
		}
	}
	if n := len(r.segs); n > 0 && !r.segs[n-1].done && r.segs[n-1].whole {
		hole("the segments after %s are missing", r.segs[n-1].name)
		r.report(&segment{number: next}, 0, fmt.Sprintf("the segments after %s are missing", r.segs[n-1].name))
	}
	return items
}

// placeBack places the groups behind the last hole from the end of the media,
// and names what is left between as missing.
func (r *Reader) placeBack(items []placeItem, front int, at int64, why error) {
	rest := items[front:]
	back, end := len(rest), r.chunks
	if n := len(r.segs); n > 0 && r.segs[n-1].done {
		for back > 0 && rest[back-1].g != nil && !rest[back-1].g.open && end-rest[back-1].g.n >= at {
			back--
			end -= rest[back].g.n
			rest[back].g.first = end
		}
	}
	for _, it := range rest[:back] {
		if it.g == nil && why == nil {
			why = it.why
		}
		if it.g != nil {
			r.report(it.g.seg, it.g.dataStart, fmt.Sprintf("%d chunks whose place in the media cannot be told", it.g.n))
		}
	}
	if at > r.chunks {
		r.report(&segment{}, 0, fmt.Sprintf("%d chunks are stored, the media has %d", at, r.chunks))
	}
	if at < end {
		if why == nil {
			why = fmt.Errorf("%d of %d chunks are stored", at, r.chunks)
			r.report(&segment{}, 0, why.Error())
		}
		cs := r.vol.ChunkSize()
		r.gaps = append(r.gaps, Range{at * cs, min(end*cs, r.size) - at*cs, Missing, why})
	}
	for _, it := range rest[back:] {
		r.groups = append(r.groups, it.g)
	}
}
