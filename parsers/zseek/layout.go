package zseek

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync/atomic"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/zframe"
)

// group is a run of neighbouring frames and where their sizes are told. Only
// groups are kept in memory; the frames of one are looked up when it is read.
type group struct {
	kind  kind
	n     int32 // frames, the skippable ones in the table included
	file  int64 // where the first one is
	media int64 // what of the medium it begins with
	list  int64 // where the sizes are
}

// kind is where the sizes of a group's frames are told.
type kind uint8

const (
	inTable kind = iota
	inIndex
	inHeads // nowhere but in the frames themselves
	lost    // nowhere: the bytes are there perhaps, their place is not known
)

const (
	tableGroup = 1024 // frames to a group
	headGroup  = 64
)

// layout is where the frames of a file are.
type layout struct {
	r      io.ReaderAt
	size   int64 // of the file
	groups []group
	file   int64 // where the last frame ends
	media  int64 // bytes of the medium in all frames
	unit   int64 // bytes of the medium in the largest
	stride int64 // bytes of an entry of the table, 8 or 12
	// uniform tells that all frames but the last have the same size.
	uniform bool
	why     error // of lost groups

	loaded [64]atomic.Pointer[frames]
}

// frames are those of one group.
type frames struct {
	group int
	all   []place
}

// place is one frame.
type place struct {
	entry
	at, media int64
	sums      bool // entry.sum is known
}

// find gives the number of the group that holds a byte of the medium.
func (l *layout) find(media int64) int {
	return sort.Search(len(l.groups), func(i int) bool { return l.groups[i].media > media }) - 1
}

// end is where a group ends on the medium.
func (l *layout) end(g int) int64 {
	if g+1 < len(l.groups) {
		return l.groups[g+1].media
	}
	return l.media
}

// add appends a group of frames that say so many bytes.
func (l *layout) add(g group, stored, raw int64) {
	g.file, g.media = l.file, l.media
	l.file += stored
	l.media += raw
	if g.n > 0 {
		l.groups = append(l.groups, g)
	}
}

// frames looks up the frames of a group; those without content are left out.
func (l *layout) frames(g int) ([]place, error) {
	slot := &l.loaded[g%len(l.loaded)]
	if have := slot.Load(); have != nil && have.group == g {
		return have.all, nil
	}
	all, err := l.places(g)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p place) bool { return p.raw == 0 })
	slot.Store(&frames{g, all})
	return all, nil
}

// places gives all frames of a group and where they are.
func (l *layout) places(g int) ([]place, error) {
	all, err := l.load(l.groups[g])
	if err != nil {
		return nil, err
	}
	at, media := l.groups[g].file, l.groups[g].media
	for i := range all {
		all[i].at, all[i].media = at, media
		at += int64(all[i].stored)
		media += int64(all[i].raw)
	}
	if media != l.end(g) || at > l.size {
		return nil, cursor.Errorf(l.groups[g].list, "the frames' sizes are not what they were")
	}
	return all, nil
}

func (l *layout) load(g group) (all []place, err error) {
	switch g.kind {
	case inTable:
		b := make([]byte, int64(g.n)*l.stride)
		if err := readFull(l.r, b, g.list); err != nil {
			return nil, cursor.Errorf(g.list, "seek table: %w", err)
		}
		for ; len(b) > 0; b = b[l.stride:] {
			all = append(all, place{entry: tableEntry(b, l.stride), sums: l.stride == 12})
		}
	case inIndex:
		ix, err := readIndex(l.r, g.list, l.size)
		if err != nil {
			return nil, err
		}
		left := l.media - g.media
		for _, e := range ix.entries {
			e.raw = uint32(min(l.unit, left))
			left -= int64(e.raw)
			all = append(all, place{entry: e, sums: true})
		}
	case inHeads:
		w := zframe.Walker{R: l.r, Size: l.size}
		for at := g.file; len(all) < int(g.n); {
			stored, h, sum, err := w.Frame(at)
			if err != nil {
				return nil, err
			}
			all = append(all, place{entry: entry{uint32(stored), uint32(h.Raw), sum}})
			at += stored
		}
	case lost:
		return nil, l.why
	}
	return all, nil
}

func tableEntry(b []byte, stride int64) entry {
	e := entry{stored: binary.LittleEndian.Uint32(b), raw: binary.LittleEndian.Uint32(b[4:])}
	if stride == 12 {
		e.sum = binary.LittleEndian.Uint32(b[8:])
	}
	return e
}

// ErrUnsupported is for files whose frames are too large to be read each as a
// whole, or do not say their size. They can be read from one end to the other.
var ErrUnsupported = errors.New("not in frames that can be read one by one")

// table is what the end of a file says of its seek table.
type table struct {
	descriptor byte
	start      int64 // of its skippable frame
	entries    int64
	stride     int64
}

// findTable reads the table's two ends. There is none where err is errNoTable.
func findTable(r io.ReaderAt, size int64) (t table, err error) {
	b := make([]byte, footerSize)
	if size < skipHead+footerSize {
		return t, errNoTable
	}
	if err := readFull(r, b, size-footerSize); err != nil {
		return t, cursor.Errorf(size-footerSize, "seek table's footer: %w", err)
	}
	c := cursor.At(b, size-footerSize)
	t.entries = int64(c.U32("frames"))
	d := c.U8("descriptor")
	t.descriptor = d
	if c.U32("magic") != magicSeekable {
		return t, errNoTable
	}
	if t.stride = 8; d&checksums != 0 {
		t.stride = 12
	}
	t.start = size - footerSize - t.entries*t.stride - skipHead
	if d&reserved != 0 || t.entries > maxFrames || t.start < 0 {
		return t, cursor.Errorf(size-footerSize, "a seek table of %d frames, descriptor %#02x, in %d bytes", t.entries, d, size)
	}
	head := make([]byte, skipHead)
	if err := readFull(r, head, t.start); err != nil {
		return t, cursor.Errorf(t.start, "seek table: %w", err)
	}
	c = cursor.At(head, t.start)
	if m, n := c.U32("magic"), int64(c.U32("frame size")); m != magicTable || n != size-t.start-skipHead {
		return t, cursor.Errorf(t.start, "the seek table begins with %#08x and has %d bytes", m, n)
	}
	return t, nil
}

var errNoTable = errors.New("there is no seek table at the end")

// readTable makes the layout that the table tells, and checks what can be
// checked without the frames. each is called for every entry with its place.
func readTable(r io.ReaderAt, size int64, t table, each func(e entry, at, media int64) error) (*layout, error) {
	l := &layout{r: r, size: size, stride: t.stride, uniform: true}
	short := false // a smaller frame was met
	b := make([]byte, tableGroup*t.stride)
	for i := int64(0); i < t.entries; {
		n := min(tableGroup, t.entries-i)
		g := group{kind: inTable, n: int32(n), list: t.start + skipHead + i*t.stride}
		if err := readFull(r, b[:n*t.stride], g.list); err != nil {
			return nil, cursor.Errorf(g.list, "seek table: %w", err)
		}
		at, media := l.file, l.media
		for k := range n {
			e := tableEntry(b[k*t.stride:], t.stride)
			here := g.list + k*t.stride
			if e.raw > MaxFrame {
				return nil, fmt.Errorf("%w: one holds %d bytes, at most %d are read", ErrUnsupported, e.raw, MaxFrame)
			}
			if e.raw > 0 && e.stored > maxInput || int64(e.stored) > t.start-at {
				return nil, cursor.Errorf(here, "seek table: a frame of %d bytes for %d at %#x", e.stored, e.raw, at)
			}
			if err := each(e, at, media); err != nil {
				return nil, cursor.Errorf(here, "seek table: %w", err)
			}
			l.uniform = l.uniform && e.raw > 0 && !short && (l.unit == 0 || int64(e.raw) <= l.unit)
			short = int64(e.raw) < l.unit
			l.unit = max(l.unit, int64(e.raw))
			at += int64(e.stored)
			media += int64(e.raw)
		}
		l.add(g, at-l.file, media-l.media)
		i += n
	}
	if l.file != t.start {
		return nil, cursor.Errorf(t.start, "seek table: its frames end at %#x", l.file)
	}
	return l, nil
}
