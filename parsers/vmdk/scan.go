package vmdk

import (
	"bytes"
	"fmt"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

// Kinds of marker whose size is 0; all others stand before a grain.
const (
	markEnd    = 0
	markTable  = 1
	markDir    = 2
	markFooter = 3
)

// marker is what stands before each part of a stream.
type marker struct {
	value uint64 // sector of the grain on the medium; sectors of what follows
	size  uint32 // bytes of the compressed grain, 0 for all else
	kind  uint32
}

// parseMarker decodes a marker; 12 bytes are enough for a grain's.
func parseMarker(b []byte) marker {
	c := cursor.New(b)
	m := marker{value: c.U64("sector"), size: c.U32("size")}
	if m.size == 0 {
		m.kind = c.U32("kind")
	}
	return m
}

// found is what the markers of a stream tell where its directory does not.
type found struct {
	grains map[uint32]uint32 // sector of the file by grain
	tables map[int64]int64   // byte of the file by number of the grain table
	last   int64             // grain tables up to the last of either
}

// scan walks the markers of a stream, once. Where one makes no sense, the next
// sector that does is searched: everything in a stream begins at a sector.
func (s *sparse) scan() *found {
	s.once.Do(func() {
		f := &found{grains: map[uint32]uint32{}, tables: map[int64]int64{}}
		if s.h.compressed && s.h.markers() {
			s.walk(f)
		}
		for g := range f.grains {
			f.last = max(f.last, int64(g)/s.h.perTable+1)
		}
		for n := range f.tables {
			f.last = max(f.last, n+1)
		}
		s.found = f
	})
	return s.found
}

func (s *sparse) walk(f *found) {
	at := s.h.overhead
	if at < 1 || at*sectorSize >= s.f.Size {
		at = s.h.descriptor + s.h.descriptorLen
	}
	at = max(at, 1)
	w := window{r: s.f}
	lost := int64(-1)
	for at*sectorSize < s.f.Size {
		n := s.part(f, &w, at)
		if n > 0 && lost >= 0 {
			s.problems.Report(container.Problem{File: s.f.Name, Off: lost * sectorSize,
				What: fmt.Sprintf("%d sectors of the stream make no sense", at-lost)})
			lost = -1
		}
		if n == 0 && lost < 0 {
			lost = at
		}
		if len(f.grains) >= maxFound {
			s.problems.Report(container.Problem{File: s.f.Name, Off: at * sectorSize,
				What: fmt.Sprintf("more than %d grains: those behind are not searched", maxFound)})
			return
		}
		at += max(n, 1)
	}
}

// part reads what begins at a sector and tells how many sectors it has, 0
// where it is nothing of a stream.
func (s *sparse) part(f *found, w *window, at int64) int64 {
	b := w.at(at*sectorSize, sectorSize)
	if len(b) < markerSize+4 {
		return 0
	}
	m := parseMarker(b)
	if m.size > 0 {
		g, ok := s.grainOf(m.value)
		zlib := uint(b[12])<<8 | uint(b[13])
		if !ok || int64(m.size) > s.maxStored() || b[12]&15 != 8 || zlib%31 != 0 {
			return 0
		}
		f.grains[g] = uint32(at)
		return (markerSize + int64(m.size) + sectorSize - 1) / sectorSize
	}
	switch m.kind {
	case markTable:
		s.placeTable(f, w, at)
	case markEnd, markDir, markFooter:
	default:
		return 0
	}
	if m.value > maxSectors/sectorSize {
		return 0
	}
	return 1 + int64(m.value)
}

// grainOf is the grain at a sector of the medium.
func (s *sparse) grainOf(sector uint64) (uint32, bool) {
	for _, base := range []uint64{0, uint64(s.base / sectorSize)} {
		g := (sector - base) / uint64(s.h.grain)
		if sector >= base && (sector-base)%uint64(s.h.grain) == 0 && g < uint64(s.h.grains()) && g < 1<<32 {
			return uint32(g), true
		}
	}
	return 0, false
}

// placeTable finds which grain table stands behind a marker: the one whose
// entries are, all of them, the places where those grains were met.
func (s *sparse) placeTable(f *found, w *window, at int64) {
	off := (at + 1) * sectorSize
	b := bytes.Clone(w.at(off, int(s.h.perTable*4)))
	c := cursor.New(b)
	number := int64(-1)
	for i := int64(0); c.Left() >= 4; i++ {
		v := c.U32("entry")
		if v == 0 || v == 1 && s.h.zeroGrain() {
			continue
		}
		if number < 0 {
			head := w.at(int64(v)*sectorSize, markerSize)
			if len(head) < markerSize {
				return
			}
			g, ok := s.grainOf(parseMarker(head).value)
			if !ok || int64(g)%s.h.perTable != i {
				return
			}
			number = int64(g) / s.h.perTable
		}
		if f.grains[uint32(number*s.h.perTable+i)] != v {
			return
		}
	}
	if number >= 0 {
		f.tables[number] = off
	}
}

// window reads a file forward in large pieces.
type window struct {
	r   container.File
	off int64
	buf []byte
}

// at gives up to n bytes at off, fewer at the end of the file or where it
// cannot be read.
func (w *window) at(off int64, n int) []byte {
	const size = 1 << 18
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		want := min(max(size, int64(n)), w.r.Size-off)
		if want <= 0 {
			return nil
		}
		if int64(cap(w.buf)) < want {
			w.buf = make([]byte, want)
		}
		w.off, w.buf = off, w.buf[:want]
		if readFull(w.r.R, w.buf, off) != nil {
			w.buf = w.buf[:min(want, sectorSize)]
			if readFull(w.r.R, w.buf, off) != nil {
				w.buf = w.buf[:0]
				return nil
			}
		}
	}
	b := w.buf[off-w.off:]
	return b[:min(n, len(b))]
}
