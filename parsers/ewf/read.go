package ewf

import (
	"errors"
	"io"
	"slices"
	"sync"
)

// A read of at least this many whole chunks is decoded straight into the
// caller's buffer, by several goroutines, past the cache.
const directChunks = 4

// ReadAt reads media bytes. Where some cannot be given it fills all the others,
// returns how many are good from the start, and a *RangeError.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off >= r.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > r.size-off
	if short {
		p = p[:r.size-off]
	}
	bad := r.fill(p, off)
	if len(bad) > 0 {
		return int(bad[0].Off - off), &RangeError{bad}
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

// fill reads p and tells, in order, which parts of it are not good.
func (r *Reader) fill(p []byte, off int64) (bad []Range) {
	cs := r.vol.ChunkSize()
	end := off + int64(len(p))
	for off < end {
		chunk := off / cs
		if off == chunk*cs {
			whole := (end - off) / cs
			if end == r.size && (end-off)%cs != 0 {
				whole++ // the last chunk is short
			}
			if whole >= directChunks {
				n := min(whole*cs, end-off)
				bad = append(bad, r.direct(chunk, whole, p[:n])...)
				p, off = p[n:], off+n
				continue
			}
		}
		from := off - chunk*cs
		n := min(r.chunkLen(chunk)-from, end-off)
		bad = append(bad, r.cached(chunk, from, p[:n])...)
		p, off = p[n:], off+n
	}
	return merge(bad)
}

// cached copies a part of one chunk out of the cache.
func (r *Reader) cached(chunk, from int64, p []byte) []Range {
	r.ahead.hint(chunk)
	sl := r.cache.acquire(chunk, r.load)
	defer r.cache.release(sl)
	copy(p, sl.data[from:])
	r.remember(sl.bad)
	return clip(sl.bad, chunk*r.vol.ChunkSize()+from, int64(len(p)))
}

func (r *Reader) load(sl *slot) {
	r.decode(sl.chunk, 1, sl.data[:r.chunkLen(sl.chunk)], func(x Range) { sl.bad = append(sl.bad, x) })
}

// direct decodes whole chunks into p, shared among the workers.
func (r *Reader) direct(first, n int64, p []byte) []Range {
	cs := r.vol.ChunkSize()
	parts := min(int64(r.workers), n/directChunks)
	per := (n + parts - 1) / parts
	found := make([][]Range, parts)
	var wg sync.WaitGroup
	for i := range parts {
		a, b := i*per, min((i+1)*per, n)
		if a >= b {
			break
		}
		do := func() {
			r.decode(first+a, b-a, p[a*cs:min(b*cs, int64(len(p)))], func(x Range) { found[i] = append(found[i], x) })
		}
		if i == parts-1 {
			do() // the caller's goroutine works too
		} else {
			wg.Go(do)
		}
	}
	wg.Wait()
	all := slices.Concat(found...)
	r.remember(all)
	return all
}

// clip returns what of the ranges lies in [off, off+n).
func clip(in []Range, off, n int64) (out []Range) {
	for _, x := range in {
		lo, hi := max(x.Off, off), min(x.Off+x.Len, off+n)
		if lo < hi {
			x.Off, x.Len = lo, hi-lo
			out = append(out, x)
		}
	}
	return out
}

// merge joins neighbours of the same kind; the first one's reason stands.
func merge(in []Range) []Range {
	out := in[:0]
	for _, x := range in {
		if n := len(out); n > 0 && out[n-1].Kind == x.Kind && out[n-1].Off+out[n-1].Len == x.Off {
			out[n-1].Len += x.Len
			continue
		}
		out = append(out, x)
	}
	return out
}

// readAhead notices sequential readers and decodes what they will ask for.
type readAhead struct {
	r      *Reader
	mu     sync.Mutex
	closed bool
	pos    [8]position // of the readers seen last
	turn   int
	sem    chan struct{}
	wg     sync.WaitGroup
	window int64
}

type position struct {
	next  int64 // the chunk that would continue it
	steps int
	ahead int64 // decoded up to here
}

func (a *readAhead) init(r *Reader) {
	a.r = r
	a.sem = make(chan struct{}, max(r.workers-1, 1))
	a.window = int64(min(r.cache.total/8, 64))
}

// hint says that a chunk is about to be read.
func (a *readAhead) hint(chunk int64) {
	if a.window < 2 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.pos {
		p := &a.pos[i]
		if p.steps > 0 && chunk == p.next-1 {
			return // still the same chunk
		}
		if p.steps > 0 && chunk == p.next {
			p.next++
			if p.steps++; p.steps > 2 {
				a.start(p)
			}
			return
		}
	}
	a.pos[a.turn] = position{next: chunk + 1, steps: 1, ahead: chunk + 1}
	a.turn = (a.turn + 1) % len(a.pos)
}

// start decodes a few chunks beyond the reader, if a worker is free. It stays
// in the reader's own group, and what it finds damaged counts only when it is
// read: what is reported must not depend on which worker was free.
func (a *readAhead) start(p *position) {
	const run = 8
	g := a.r.groupOf(p.next - 1)
	if g == nil {
		return
	}
	p.ahead = max(p.ahead, p.next)
	limit := min(g.first+g.n, a.r.chunks)
	for p.ahead < p.next+a.window && p.ahead < limit && !a.closed {
		select {
		case a.sem <- struct{}{}:
		default:
			return
		}
		first, end := p.ahead, min(p.ahead+run, limit)
		p.ahead = end
		a.wg.Go(func() {
			defer func() { <-a.sem }()
			for c := first; c < end; c++ {
				if !a.r.cache.has(c) {
					a.r.cache.release(a.r.cache.acquire(c, a.r.load))
				}
			}
		})
	}
}

func (a *readAhead) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.wg.Wait()
}
