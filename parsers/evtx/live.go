package evtx

import (
	"bytes"
	"slices"

	"kanshiki/parsers/internal/cursor"
)

// liveIndex answers whether a recovered record is also live in the file. It
// keeps the tables of a few chunks; slack mostly repeats the chunk before.
type liveIndex struct {
	tables [4]liveTable
	next   int
	now    int      // index + 1 of the chunk being read
	firsts []uint64 // identifier of the first record of each chunk place
	buf    []byte
}

type liveTable struct {
	chunk int // index + 1
	ids   []frame
}

func (l *liveIndex) note(chunk int, id, written uint64) {
	l.now = chunk + 1
	t := l.table(chunk)
	if t == nil {
		t = l.fresh(chunk)
	}
	t.ids = append(t.ids, frame{id: id, written: written})
}

func (l *liveIndex) firstOf(chunk int) uint64 {
	if t := l.table(chunk); t != nil && len(t.ids) > 0 {
		return t.ids[0].id
	}
	return 0
}

func (l *liveIndex) table(chunk int) *liveTable {
	for i := range l.tables {
		if l.tables[i].chunk == chunk+1 {
			return &l.tables[i]
		}
	}
	return nil
}

func (l *liveIndex) fresh(chunk int) *liveTable {
	if l.tables[l.next].chunk == l.now && l.now != chunk+1 {
		l.next = (l.next + 1) % len(l.tables) // the chunk being read is needed
	}
	t := &l.tables[l.next]
	l.next = (l.next + 1) % len(l.tables)
	t.chunk, t.ids = chunk+1, t.ids[:0]
	return t
}

func (t *liveTable) has(id, written uint64) bool {
	return slices.ContainsFunc(t.ids, func(r frame) bool { return r.id == id && r.written == written })
}

func (l *liveIndex) has(f *File, chunk int, id, written uint64) bool {
	if t := l.table(chunk); t != nil && t.has(id, written) {
		return true
	}
	if l.firsts == nil {
		l.scan(f)
	}
	// The chunk that holds it is the one with the nearest first identifier at or
	// below; where a chunk was half written over, the next one before.
	below := id + 1
	for range 2 {
		best, at := -1, uint64(0)
		for k, first := range l.firsts {
			// A chunk has fewer records than bytes; the bound needs no header.
			if k != chunk && first != 0 && first < below && id-first < ChunkSize/minRecord && first > at {
				best, at = k, first
			}
		}
		if best < 0 {
			return false
		}
		t := l.table(best)
		if t == nil {
			t = l.load(f, best)
		}
		if t.has(id, written) {
			return true
		}
		below = at
	}
	return false
}

// scan reads the identifier of the first record of each chunk.
func (l *liveIndex) scan(f *File) {
	l.firsts = make([]uint64, f.NumChunks())
	var b [recordHeaderSize]byte
	for k := range l.firsts {
		n, _ := f.r.ReadAt(b[:], f.first+int64(k)*ChunkSize+chunkHeaderSize)
		if n == len(b) && bytes.HasPrefix(b[:], recordMagic) {
			c := cursor.New(b[8:])
			l.firsts[k] = c.U64("identifier")
		}
	}
}

func (l *liveIndex) load(f *File, chunk int) *liveTable {
	if l.buf == nil {
		l.buf = make([]byte, ChunkSize)
	}
	t := l.fresh(chunk)
	off := f.first + int64(chunk)*ChunkSize
	n, _ := f.r.ReadAt(l.buf[:min(ChunkSize, f.size-off)], off)
	b := l.buf[:n]
	ci := ChunkInfo{Offset: off}
	if !bytes.HasPrefix(b, chunkMagic) || ci.readHeader(b, true) != nil {
		return t
	}
	for pos, end := chunkHeaderSize, min(int(min(ci.Free, ChunkSize)), len(b)); pos < end; {
		r, _, why := at(b, pos)
		if why != "" {
			break
		}
		t.ids = append(t.ids, r)
		pos += r.size
	}
	return t
}
