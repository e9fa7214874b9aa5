package container

import (
	"errors"
	"io"
	"iter"
	"runtime"
	"slices"
	"sync"
)

// Span is a run of the medium and where its bytes are.
type Span struct {
	Len  int64 // at least 1, at most what was asked for
	Kind Kind
	Err  error // why, where Kind is bad

	// Where Kind is Data, the bytes lie in From at At, as they are; or, where
	// From is nil, in a compressed unit, Skip bytes into it. From may be a *Disk
	// (a parent): then its own ranges hold.
	From io.ReaderAt
	At   int64
	Unit int64 // the caller's number of the unit
	Skip int64
}

// Layout is what a format's reader says of a medium.
type Layout struct {
	Size int64
	// Span gives the run that begins at off, limit bytes long at most. It must
	// be safe for concurrent use, and must not claim more than is so: it may
	// give a longer run in pieces.
	Span func(off, limit int64) Span

	// UnitSize is how many bytes a unit decodes to, 0 where nothing is compressed.
	UnitSize int64
	// Decode fills dst, UnitSize long, with a unit; the medium's last one may be
	// shorter. It must be safe for concurrent use.
	Decode     func(unit int64, dst []byte) error
	CacheBytes int64 // decoded units that are kept; 0 is 32 MiB
	Workers    int   // units decoded ahead of a sequential reader; 0 is GOMAXPROCS

	Under []*Disk // the disks that Span gives as From; closed with this one
}

// Disk gives the bytes of a medium. It is safe for concurrent use.
type Disk struct {
	l     Layout
	cache *cache
	sem   chan struct{} // bounds read-ahead

	mu  sync.Mutex
	bad []Range // damage met so far
	wg  sync.WaitGroup
}

// New makes a Disk of a layout.
func New(l Layout) *Disk {
	if l.CacheBytes <= 0 {
		l.CacheBytes = 32 << 20
	}
	if l.Workers <= 0 {
		l.Workers = runtime.GOMAXPROCS(0)
	}
	d := &Disk{l: l}
	if l.UnitSize > 0 {
		d.cache = newCache(int(max(l.CacheBytes/l.UnitSize, 4)))
		d.sem = make(chan struct{}, l.Workers)
	}
	return d
}

// Size is the number of bytes of the medium.
func (d *Disk) Size() int64 { return d.l.Size }

// Close waits for read-ahead to end, of the disks under it too. Files belong to
// the caller.
func (d *Disk) Close() error {
	for _, u := range d.l.Under {
		u.Close()
	}
	d.wg.Wait()
	return nil
}

// ReadAt reads bytes of the medium. Where some cannot be given it fills all the
// others, returns how many are good from the start, and an *Error.
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
	var bad []Range
	for done := int64(0); done < int64(len(p)); {
		s := d.span(off+done, int64(len(p))-done)
		bad = d.read(s, p[done:done+s.Len], off+done, bad)
		done += s.Len
	}
	if len(bad) > 0 {
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
	if s.Len < 1 || s.Len > limit {
		s.Len = min(max(s.Len, 1), limit)
	}
	return s
}

func (d *Disk) read(s Span, p []byte, off int64, bad []Range) []Range {
	switch {
	case s.Kind.Bad():
		clear(p)
		return append(bad, Range{off, s.Len, s.Kind, s.Err})
	case s.Kind == Zero:
		clear(p)
		return bad
	case s.From != nil:
		return d.copy(s, p, off, bad)
	}
	if err := d.unit(s, p, off); err != nil {
		clear(p)
		return append(bad, d.damaged(off, s.Len, err))
	}
	return bad
}

// copy reads stored bytes. Around a place that cannot be read it halves the
// read down to a sector.
func (d *Disk) copy(s Span, p []byte, off int64, bad []Range) []Range {
	if parent, ok := s.From.(*Disk); ok {
		n := min(max(parent.Size()-s.At, 0), s.Len)
		clear(p[n:]) // a child may be larger than its parent
		_, err := parent.ReadAt(p[:n], s.At)
		if e, ok := errors.AsType[*Error](err); ok {
			for _, r := range e.Ranges {
				r.Off += off - s.At
				bad = append(bad, r)
			}
		}
		return bad
	}
	err := readFull(s.From, p, s.At)
	switch {
	case err == nil:
		return bad
	case len(p) > 512:
		half := (int64(len(p))/2 + 511) &^ 511
		bad = d.copy(Span{Len: half, From: s.From, At: s.At}, p[:half], off, bad)
		return d.copy(Span{Len: s.Len - half, From: s.From, At: s.At + half}, p[half:], off+half, bad)
	}
	clear(p)
	return append(bad, d.damaged(off, int64(len(p)), err))
}

// damaged remembers a range that reading found.
func (d *Disk) damaged(off, n int64, err error) Range {
	r := Range{off, n, Corrupt, err}
	d.mu.Lock()
	defer d.mu.Unlock()
	i, _ := slices.BinarySearchFunc(d.bad, off, func(b Range, off int64) int {
		if b.Off <= off {
			return -1
		}
		return 1
	})
	d.bad = merge(slices.Insert(d.bad, i, r))
	return r
}

// Bad lists the damage that reading has met so far.
func (d *Disk) Bad() []Range {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.bad)
}

// Ranges yields what the bytes of [off, off+n) are, merged, in order. Damage
// inside a unit or a file is known once it was read.
func (d *Disk) Ranges(off, n int64) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		bad := d.Bad()
		var last Range
		emit := func(r Range) bool {
			if r.Len == 0 {
				return true
			}
			if last.Len > 0 && last.Kind == r.Kind && last.Off+last.Len == r.Off {
				last.Len += r.Len
				return true
			}
			ok := last.Len == 0 || yield(last)
			last = r
			return ok
		}
		at, end := max(off, 0), min(off+n, d.l.Size)
		for at < end {
			s := d.span(at, end-at)
			if parent, ok := s.From.(*Disk); ok && s.Kind == Data {
				in := min(s.Len, max(parent.Size()-s.At, 0))
				for r := range parent.Ranges(s.At, in) {
					r.Off += at - s.At
					if !emit(r) {
						return
					}
				}
				if !emit(Range{at + in, s.Len - in, Zero, nil}) {
					return
				}
			} else if !split(Range{at, s.Len, s.Kind, s.Err}, bad, emit) {
				return
			}
			at += s.Len
		}
		if last.Len > 0 {
			yield(last)
		}
	}
}

// split puts the damage that is known into a range of good bytes.
func split(r Range, bad []Range, emit func(Range) bool) bool {
	if r.Kind == Data {
		for _, b := range bad {
			lo, hi := max(b.Off, r.Off), min(b.Off+b.Len, r.Off+r.Len)
			if lo >= hi {
				continue
			}
			if !emit(Range{r.Off, lo - r.Off, Data, nil}) || !emit(Range{lo, hi - lo, b.Kind, b.Err}) {
				return false
			}
			r.Off, r.Len = hi, r.Off+r.Len-hi
		}
	}
	return emit(r)
}

// merge joins neighbours of one kind. The reason is the first one's.
func merge(in []Range) []Range {
	out := in[:0]
	for _, x := range in {
		if k := len(out) - 1; k >= 0 && out[k].Kind == x.Kind && out[k].Off+out[k].Len >= x.Off {
			out[k].Len = max(out[k].Len, x.Off+x.Len-out[k].Off)
			continue
		}
		out = append(out, x)
	}
	return out
}
