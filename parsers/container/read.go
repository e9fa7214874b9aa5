package container

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// ReadAt reads bytes of the medium. Where some cannot be given it fills all the
// others, returns how many are good from the start, and an *Error. A read over
// several units decodes them at once, straight into p.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off >= d.l.Size {
		return 0, io.EOF
	}
	short := int64(len(p)) > d.l.Size-off
	if short {
		p = p[:d.l.Size-off]
	}
	var many *batch
	if d.cache != nil && int64(len(p)) >= 2*d.l.UnitSize {
		many = &batch{}
	}
	var bad []Range
	for done := int64(0); done < int64(len(p)); {
		s := d.span(off+done, int64(len(p))-done)
		bad = d.read(s, p[done:done+s.Len], off+done, bad, many)
		done += s.Len
	}
	if many != nil {
		many.wg.Wait()
		bad = append(bad, many.bad...)
	}
	if len(bad) > 0 {
		slices.SortStableFunc(bad, func(a, b Range) int { return cmp.Compare(a.Off, b.Off) })
		bad = merge(bad)
		return int(bad[0].Off - off), &Error{bad}
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

// span asks the layout, and holds it to what was asked.
func (d *Disk) span(off, limit int64) Span {
	s := d.l.Span(off, limit)
	s.Len = min(max(s.Len, 1), limit)
	return s
}

func (d *Disk) read(s Span, p []byte, off int64, bad []Range, many *batch) []Range {
	switch {
	case s.Kind.Bad():
		clear(p)
		return append(bad, Range{off, s.Len, s.Kind, s.Err})
	case s.Kind == Zero:
		clear(p)
		return bad
	case s.From == nil:
		return d.units(s, p, off, bad, many)
	}
	if parent, ok := s.From.(*Disk); ok {
		return d.parent(parent, s, p, off, bad)
	}
	return d.copy(s, p, off, bad)
}

// batch is what of one read is decoded beside the goroutine that asked.
type batch struct {
	wg      sync.WaitGroup
	running atomic.Int64
	mu      sync.Mutex
	bad     []Range
}

// units reads a run of compressed units.
func (d *Disk) units(s Span, p []byte, off int64, bad []Range, many *batch) []Range {
	if s.Skip < 0 || s.Skip >= d.l.UnitSize {
		clear(p)
		return append(bad, d.damaged(off, s.Len, fmt.Errorf("byte %d of a unit of %d", s.Skip, d.l.UnitSize)))
	}
	for len(p) > 0 {
		part := p[:min(d.l.UnitSize-s.Skip, int64(len(p)))]
		if many == nil || !d.start(many, s, part, off) {
			if err := d.unit(s, part, off, many != nil); err != nil {
				clear(part)
				bad = append(bad, d.damaged(off, int64(len(part)), err))
			}
		}
		p, off = p[len(part):], off+int64(len(part))
		s.Unit, s.Skip = s.Unit+1, 0
	}
	return bad
}

// start reads a part of a unit on another goroutine, if there is one to spare:
// the caller's own is one of the workers.
func (d *Disk) start(many *batch, s Span, p []byte, off int64) bool {
	if many.running.Load() >= int64(d.l.Workers-1) {
		return false
	}
	select {
	case d.sem <- struct{}{}:
	default:
		return false
	}
	many.running.Add(1)
	many.wg.Go(func() {
		err := d.unit(s, p, off, true)
		<-d.sem
		many.running.Add(-1)
		if err != nil {
			clear(p)
			r := d.damaged(off, int64(len(p)), err)
			many.mu.Lock()
			many.bad = append(many.bad, r)
			many.mu.Unlock()
		}
	})
	return true
}

// parent reads what a disk below holds; behind its end there are zeros.
func (d *Disk) parent(parent *Disk, s Span, p []byte, off int64, bad []Range) []Range {
	n := min(max(parent.Size()-s.At, 0), s.Len)
	clear(p[n:])
	if n == 0 {
		return bad
	}
	_, err := parent.ReadAt(p[:n], s.At)
	if e, ok := errors.AsType[*Error](err); ok {
		for _, r := range e.Ranges {
			r.Off += off - s.At
			bad = append(bad, r)
		}
	} else if err != nil && err != io.EOF {
		clear(p)
		bad = append(bad, d.damaged(off, s.Len, err))
	}
	return bad
}

// sector is the least that a file is asked for around a place that cannot be
// read.
const sector = 512

// copy reads stored bytes. Around a place that cannot be read it halves the
// read, at the file's sectors, down to one.
func (d *Disk) copy(s Span, p []byte, off int64, bad []Range) []Range {
	err := readFull(s.From, p, s.At)
	if err == nil {
		return bad
	}
	half := (s.At+s.Len/2)&^(sector-1) - s.At
	if half <= 0 {
		half = sector - s.At&(sector-1)
	}
	if half >= s.Len || s.At < 0 || s.At > math.MaxInt64-s.Len {
		clear(p)
		return append(bad, d.damaged(off, s.Len, err))
	}
	bad = d.copy(Span{Len: half, From: s.From, At: s.At}, p[:half], off, bad)
	return d.copy(Span{Len: s.Len - half, From: s.From, At: s.At + half}, p[half:], off+half, bad)
}
