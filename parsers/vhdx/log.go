package vhdx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/guid"
)

const sector = 4096 // unit of the log

// overlay is a file with its log replayed: sectors of 4 KiB and runs of zeros
// take the place of what lies there, in the order of the log.
type overlay struct {
	r    io.ReaderAt
	file int64 // bytes of the file
	size int64 // bytes that it has when the log is replayed: zeros behind its end
	ops  []op
}

// op is one descriptor of the log.
type op struct {
	at, size int64
	b        []byte // nil for zeros
}

func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), max(o.size-off, 0))
	p = p[:n]
	have := min(n, max(o.file-off, 0))
	if k, err := o.r.ReadAt(p[:have], off); int64(k) < have {
		return k, err
	}
	clear(p[have:])
	for _, x := range o.ops {
		lo, hi := max(x.at, off), min(x.at+x.size, off+n)
		switch {
		case lo >= hi:
		case x.b == nil:
			clear(p[lo-off : hi-off])
		default:
			copy(p[lo-off:hi-off], x.b[lo-x.at:])
		}
	}
	return int(n), nil
}

// entry is one of the log's (2.3.1).
type entry struct {
	at       int64 // in the log
	size     int64
	tail     int64
	sequence uint64
	flushed  int64 // the file had at least so many bytes
	last     int64 // and has so many when the entry is replayed
	ops      []op
}

// replay reads the log of a disk that was not closed. An error says why there is
// nothing that could be replayed.
func replay(f container.File, h *head) (*overlay, int, error) {
	if h.logLen < sector || h.logLen > MaxLog || h.logLen%sector != 0 || h.logAt > f.Size-h.logLen || h.logAt < 0 {
		return nil, 0, fmt.Errorf("a log of %d bytes at %#x, in a file of %d", h.logLen, h.logAt, f.Size)
	}
	if h.logVersion != 0 {
		return nil, 0, fmt.Errorf("a log of version %d", h.logVersion)
	}
	log, err := full(f.R, h.logLen, h.logAt)
	if err != nil {
		return nil, 0, fmt.Errorf("the log: %w", err)
	}
	chain := newest(log, h.log)
	if chain == nil {
		return nil, 0, errors.New("the log has no whole sequence of entries")
	}
	if last := chain[len(chain)-1]; last.flushed > f.Size {
		return nil, 0, fmt.Errorf("the log was written to a file of %d bytes, this one has %d", last.flushed, f.Size)
	}
	o := &overlay{r: f.R, file: f.Size, size: f.Size}
	for _, e := range chain {
		o.size = max(o.size, e.last)
		o.ops = append(o.ops, e.ops...)
	}
	return o, len(chain), nil
}

// newest finds the whole sequence of entries with the highest number (2.3.2):
// entries that follow each other, each one's number one higher, and whose last
// one's tail is the first.
func newest(log []byte, id guid.GUID) []*entry {
	cache := map[int64]*entry{}
	get := func(at int64) *entry {
		e, ok := cache[at]
		if !ok {
			e = parseEntry(log, at, id)
			cache[at] = e
		}
		return e
	}
	var best []*entry
	for at := int64(0); at < int64(len(log)); at += sector {
		first := get(at)
		if first == nil {
			continue
		}
		chain := []*entry{first}
		for total := first.size; total < int64(len(log)); {
			last := chain[len(chain)-1]
			next := get((last.at + last.size) % int64(len(log)))
			if next == nil || next.sequence != last.sequence+1 || total+next.size > int64(len(log)) {
				break
			}
			chain = append(chain, next)
			total += next.size
		}
		last := chain[len(chain)-1]
		i := slices.IndexFunc(chain, func(e *entry) bool { return e.at == last.tail })
		if i < 0 {
			continue
		}
		if best == nil || last.sequence > best[len(best)-1].sequence {
			best = chain[i:]
		}
	}
	return best
}

// ring reads bytes of the log, which goes on at its start.
func ring(log []byte, at, n int64) []byte {
	b := make([]byte, 0, n)
	for int64(len(b)) < n {
		from := (at + int64(len(b))) % int64(len(log))
		b = append(b, log[from:min(int64(len(log)), from+n-int64(len(b)))]...)
	}
	return b
}

// parseEntry decodes the entry at a place of the log, nil where there is no
// whole one of this log.
func parseEntry(log []byte, at int64, id guid.GUID) *entry {
	le := binary.LittleEndian
	head := log[at : at+sector]
	size := int64(le.Uint32(head[8:]))
	if string(head[:4]) != "loge" || size < sector || size%sector != 0 || size > int64(len(log)) || guid.From(head[32:48]) != id {
		return nil
	}
	b := ring(log, at, size)
	if !crc(b, 4) {
		return nil
	}
	e := &entry{at: at, size: size, tail: int64(le.Uint32(b[12:])), sequence: le.Uint64(b[16:]), flushed: int64(min(le.Uint64(b[48:]), 1<<62)), last: int64(min(le.Uint64(b[56:]), 1<<62))}
	n := int64(le.Uint32(b[24:]))
	data := (64 + 32*n + sector - 1) / sector * sector
	if data > size {
		return nil
	}
	for i := range n {
		d := b[64+32*i:]
		if le.Uint64(d[24:]) != e.sequence {
			return nil
		}
		x := op{at: int64(min(le.Uint64(d[16:]), 1<<62))}
		switch string(d[:4]) {
		case "zero":
			x.size = int64(min(le.Uint64(d[8:]), 1<<62))
		case "desc":
			if data+sector > size {
				return nil
			}
			s := b[data : data+sector]
			data += sector
			if string(s[:4]) != "data" || uint64(le.Uint32(s[4:]))<<32|uint64(le.Uint32(s[sector-4:])) != e.sequence {
				return nil
			}
			x.size, x.b = sector, make([]byte, 0, sector)
			x.b = append(append(append(x.b, d[8:16]...), s[8:sector-4]...), d[4:8]...)
		default:
			return nil
		}
		e.ops = append(e.ops, x)
	}
	return e
}
