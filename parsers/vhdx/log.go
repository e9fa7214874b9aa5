package vhdx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
)

const sector = 4096 // unit of the log, and of what it changes

// entry is one of the log's (2.3.1).
type entry struct {
	at       int64 // in the log
	size     int64
	tail     int64
	sequence uint64
	flushed  int64 // the file had at least so many bytes
	last     int64 // and has so many when the entry is replayed
	ops      int64 // descriptors
}

// replayed is what became of a log.
type replayed struct {
	*overlay
	entries int
	doubts  []string // what may be missing all the same
}

// replay reads the log of a disk that was not closed. An error says why there is
// nothing that could be replayed.
func replay(f container.File, h *head) (*replayed, error) {
	if h.logLen < sector || h.logLen > MaxLog || h.logLen%sector != 0 || h.logAt > f.Size-h.logLen || h.logAt < 0 {
		return nil, fmt.Errorf("a log of %d bytes at %#x, in a file of %d", h.logLen, h.logAt, f.Size)
	}
	if h.logVersion != 0 {
		return nil, fmt.Errorf("a log of version %d", h.logVersion)
	}
	log, lost := fetch(f, h)
	l := readLog(log, h.log)
	chain := l.newest()
	if chain == nil && lost != nil {
		return nil, lost
	}
	if chain == nil {
		return nil, errors.New("the log has no whole sequence of entries")
	}
	r := &replayed{entries: len(chain)}
	if lost != nil {
		r.doubts = append(r.doubts, lost.Error())
	}
	size := f.Size
	var ops []op
	for _, e := range chain {
		if e.flushed > f.Size {
			return nil, fmt.Errorf("the log was written to a file of %d bytes, this one has %d", e.flushed, f.Size)
		}
		size = max(size, e.last)
		ops = append(ops, l.ops(e)...)
	}
	if size > f.Size {
		r.doubts = append(r.doubts, fmt.Sprintf("the log says that the file has %d bytes, it has %d: the rest is taken as zeros", size, f.Size))
	}
	if i := slices.IndexFunc(ops, func(x op) bool { return x.at > size-x.size }); i >= 0 {
		return nil, fmt.Errorf("the log changes %d bytes at %#x, in a file of %d", ops[i].size, ops[i].at, size)
	}
	if after := l.after(chain[len(chain)-1]); after != "" {
		r.doubts = append(r.doubts, after)
	}
	r.overlay = newOverlay(f.R, f.Size, size, ops)
	return r, nil
}

// fetch reads the log. What cannot be read of it is left zero, so that no entry
// there is whole, and told.
func fetch(f container.File, h *head) ([]byte, error) {
	b, err := full(f.R, h.logLen, h.logAt)
	if err == nil {
		return b, nil
	}
	b = make([]byte, h.logLen)
	n := 0
	for at := int64(0); at < h.logLen; at += sector {
		s, e := full(f.R, sector, h.logAt+at)
		if e != nil {
			n++
			err = cursor.Errorf(h.logAt+at, "%w", e)
		}
		copy(b[at:], s)
	}
	return b, fmt.Errorf("%d sectors of the log cannot be read: %w", n, err)
}

// logbook is a log and the whole entries in it, by their places.
type logbook struct {
	b     []byte
	id    guid.GUID
	whole map[int64]*entry
	spoke map[int64]uint64 // numbers of entries of this log that are not whole
}

// readLog finds the whole entries. An entry's sectors begin with other words
// than an entry, so that no byte is summed twice however many entries are claimed.
func readLog(b []byte, id guid.GUID) *logbook {
	l := &logbook{b, id, map[int64]*entry{}, map[int64]uint64{}}
	for at := int64(0); at < int64(len(b)); at += sector {
		head := b[at : at+sector]
		if string(head[:4]) != "loge" || guid.From(head[32:48]) != id {
			continue
		}
		if e := l.parse(at); e != nil {
			l.whole[at] = e
		} else {
			l.spoke[at] = binary.LittleEndian.Uint64(head[16:])
		}
	}
	return l
}

// ring gives the n-th sector from a place on; the log goes on at its start.
func (l *logbook) ring(at, n int64) []byte {
	at = (at + n*sector) % int64(len(l.b))
	return l.b[at : at+sector]
}

// parse decodes the entry at a place, nil where it is not whole.
func (l *logbook) parse(at int64) *entry {
	le := binary.LittleEndian
	b := l.ring(at, 0)
	last := func(off int) int64 { return int64(min(le.Uint64(b[off:]), 1<<62)) }
	e := &entry{at: at, size: int64(le.Uint32(b[8:])), tail: int64(le.Uint32(b[12:])), sequence: le.Uint64(b[16:]),
		ops: int64(le.Uint32(b[24:])), flushed: last(48), last: last(56)}
	if e.size < sector || e.size%sector != 0 || e.size > int64(len(l.b)) || 64+32*e.ops > e.size {
		return nil
	}
	data := (64 + 32*e.ops + sector - 1) / sector // the first sector behind the descriptors
	for i := range e.ops {
		d := l.descriptor(e, i)
		if le.Uint64(d[24:]) != e.sequence || le.Uint64(d[16:])%sector != 0 {
			return nil
		}
		switch string(d[:4]) {
		case "zero":
			if le.Uint64(d[8:])%sector != 0 {
				return nil
			}
		case "desc":
			if data*sector >= e.size {
				return nil
			}
			s := l.ring(at, data)
			if data++; string(s[:4]) != "data" || uint64(le.Uint32(s[4:]))<<32|uint64(le.Uint32(s[sector-4:])) != e.sequence {
				return nil
			}
		default:
			return nil
		}
	}
	if data*sector != e.size || !l.sound(e) {
		return nil
	}
	return e
}

// descriptor gives the i-th descriptor of an entry; none lies over the border of
// a sector.
func (l *logbook) descriptor(e *entry, i int64) []byte {
	off := 64 + 32*i
	return l.ring(e.at, off/sector)[off%sector:][:32]
}

// sound checks an entry's checksum.
func (l *logbook) sound(e *entry) bool {
	first := slices.Clone(l.ring(e.at, 0))
	want := binary.LittleEndian.Uint32(first[4:])
	clear(first[4:8])
	n := uint32(0)
	for i := range e.size / sector {
		s := first
		if i > 0 {
			s = l.ring(e.at, i)
		}
		n = update(n, s)
	}
	return n == want
}

// next gives the entry that follows another, nil where the sequence ends.
func (l *logbook) next(e *entry) *entry {
	n := l.whole[(e.at+e.size)%int64(len(l.b))]
	if n == nil || n.sequence != e.sequence+1 {
		return nil
	}
	return n
}

// newest finds the whole sequence of entries with the highest number (2.3.2):
// entries that follow each other, each one's number one higher, from the last
// one's tail on.
func (l *logbook) newest() []*entry {
	ends := map[*entry]*entry{} // where the sequence from an entry on ends
	var way []*entry
	for _, e := range l.whole {
		way = way[:0]
		end := e
		for n := e; n != nil; n = l.next(n) { // numbers rise: this ends
			if x, ok := ends[n]; ok {
				end = x
				break
			}
			way = append(way, n)
			end = n
		}
		for _, x := range way {
			ends[x] = end
		}
	}
	var best *entry
	for e, end := range ends {
		tail := l.whole[end.tail]
		if e != end || tail == nil || ends[tail] != end {
			continue
		}
		if best == nil || end.sequence > best.sequence || end.sequence == best.sequence && end.at < best.at {
			best = end
		}
	}
	if best == nil {
		return nil
	}
	var chain []*entry
	for e := l.whole[best.tail]; e != nil; e = l.next(e) {
		chain = append(chain, e)
	}
	return chain
}

// after tells of entries that are newer than the last one of the sequence: one
// of them is torn or damaged, so that none of them is replayed.
func (l *logbook) after(last *entry) string {
	at := (last.at + last.size) % int64(len(l.b))
	if n, ok := l.spoke[at]; ok && n > last.sequence {
		return fmt.Sprintf("entry %d of the log, behind the last one that was replayed, is not whole: torn when it was written, or damaged", n)
	}
	for _, e := range l.whole {
		if e.sequence > last.sequence {
			return fmt.Sprintf("the log goes on behind entry %d, the last one that was replayed, with entries that are damaged", last.sequence)
		}
	}
	return ""
}

// ops gives what an entry changes.
func (l *logbook) ops(e *entry) []op {
	le := binary.LittleEndian
	data := (64 + 32*e.ops + sector - 1) / sector
	var out []op
	for i := range e.ops {
		d := l.descriptor(e, i)
		x := op{at: int64(min(le.Uint64(d[16:]), 1<<62)), size: sector}
		if string(d[:4]) == "zero" {
			x.size = int64(min(le.Uint64(d[8:]), 1<<62))
		} else {
			s := l.ring(e.at, data)
			data++
			x.b = append(append(append(make([]byte, 0, sector), d[8:16]...), s[8:sector-4]...), d[4:8]...)
		}
		if x.size > 0 {
			out = append(out, x)
		}
	}
	return out
}
