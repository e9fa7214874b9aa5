package ewf

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"kanshiki/parsers/internal/cursor"
)

// Source is one segment file, as the caller opened it.
type Source struct {
	Name string
	R    io.ReaderAt // safe for concurrent use
	Size int64
}

// Options limit what a Reader uses. The zero value works.
type Options struct {
	CacheBytes int64 // decoded chunks that are kept; 0 is 32 MiB
	Workers    int   // goroutines that inflate at once; 0 is GOMAXPROCS
}

// Kind says why a part of the media cannot be given.
type Kind uint8

// The kinds of range.
const (
	Corrupt Kind = iota // stored, but damaged
	Missing             // in a segment or section that is not there
)

func (k Kind) String() string { return [...]string{"corrupt", "missing"}[k] }

// Range is a part of the media and why it cannot be given.
type Range struct {
	Off, Len int64
	Kind     Kind
	Err      error // what is wrong, with the offset in the segment
}

// RangeError tells which bytes of a read could not be given. They are zero in
// the buffer; all others are good.
type RangeError struct{ Ranges []Range }

func (e *RangeError) Error() string {
	r := e.Ranges[0]
	return fmt.Sprintf("media %#x to %#x is %s: %v", r.Off, r.Off+r.Len, r.Kind, r.Err)
}

func (e *RangeError) Unwrap() error { return e.Ranges[0].Err }

// Offset is where the first range begins.
func (e *RangeError) Offset() int64 { return e.Ranges[0].Off }

// Problem is something wrong with a segment file.
type Problem struct {
	Segment int    // number, 0 for the set
	Name    string // of the segment file
	Off     int64  // in it
	What    string
}

// Reader gives the media of a set of segments. It is safe for concurrent use.
type Reader struct {
	vol     Volume
	size    int64
	chunks  int64
	headers []Value
	digests []Digest
	errs    []SectorRun
	segs    []*segment
	groups  []*group // placed, in media order
	gaps    []Range  // parts of the media that no placed group covers
	variant variant

	nsections int
	workers   int
	decoders  sync.Pool
	cache     *cache
	tables    tableCache
	ahead     readAhead

	mu       sync.Mutex
	problems []Problem
	lost     int // problems over maxProblems
	bad      []Range
}

type segment struct {
	number int
	name   string
	r      io.ReaderAt
	size   int64
	groups []*group
	done   bool // ends with done: the last of the set
	whole  bool // its chain of sections reached next or done
}

// Open reads the structure of a set. The sources may come in any order, and
// may be incomplete: what is missing becomes ranges. It fails only where
// nothing of the media can be given.
func Open(sources []Source, o Options) (*Reader, error) {
	r := &Reader{workers: o.Workers}
	if r.workers <= 0 {
		r.workers = runtime.GOMAXPROCS(0)
	}
	if err := r.number(sources); err != nil {
		return nil, err
	}
	if err := r.scan(); err != nil {
		return nil, err
	}
	r.place()
	if r.size == 0 && len(r.groups) == 0 {
		return nil, r.first("no chunk data")
	}
	bytes := o.CacheBytes
	if bytes <= 0 {
		bytes = 32 << 20
	}
	r.cache = newCache(r.vol.ChunkSize(), bytes)
	r.ahead.init(r)
	return r, nil
}

// number orders the segments by the number in their headers.
func (r *Reader) number(sources []Source) error {
	var first error
	for _, s := range sources {
		var b [fileHeaderSize]byte
		n, err := readFull(s.R, b[:min(fileHeaderSize, max(s.Size, 0))], 0)
		number := 0
		if err == nil {
			number, err = SegmentOf(b[:n])
		}
		if err != nil {
			if first == nil {
				first = fmt.Errorf("%s: %w", s.Name, err)
			}
			r.report(&segment{name: s.Name}, 0, err.Error())
			continue
		}
		if b[8] != 1 || b[11] != 0 || b[12] != 0 {
			r.report(&segment{number: number, name: s.Name}, 8, fmt.Sprintf("file header: fields begin with %#x and end with %#x, expected 0x1 and 0x0", b[8], uint16(b[11])|uint16(b[12])<<8))
		}
		r.segs = append(r.segs, &segment{number: number, name: s.Name, r: s.R, size: s.Size})
	}
	slices.SortStableFunc(r.segs, func(a, b *segment) int { return a.number - b.number })
	r.segs = slices.CompactFunc(r.segs, func(a, b *segment) bool {
		if a.number == b.number {
			r.report(b, 9, fmt.Sprintf("is segment %d as %s is: not used", b.number, a.name))
		}
		return a.number == b.number
	})
	if len(r.segs) == 0 {
		if first == nil {
			first = errors.New("no segment")
		}
		return first
	}
	return nil
}

// scan reads the sections of every segment.
func (r *Reader) scan() error {
	var all scanned
	kept := r.segs[:0]
	for _, seg := range r.segs {
		if len(kept) > 0 && kept[len(kept)-1].done {
			r.report(seg, 0, fmt.Sprintf("comes after the last segment %s: not used", kept[len(kept)-1].name))
			continue
		}
		secs, ended := r.sections(seg)
		seg.whole = ended
		if !all.take(r, seg, secs) {
			continue
		}
		kept = append(kept, seg)
	}
	r.segs = kept
	if all.vol == nil {
		return r.first("no volume section")
	}
	r.vol, r.headers, r.digests, r.errs = *all.vol, all.headers(), all.digests, all.errs
	r.variant = all.variant()
	r.decoders.New = func() any { return &decoder{spill: make([]byte, r.vol.ChunkSize())} }
	return nil
}

// first is the error of a set that gives nothing: the first problem found, or
// what is missing.
func (r *Reader) first(what string) error {
	if len(r.problems) == 0 {
		return errors.New(what)
	}
	p := r.problems[0]
	if len(r.segs) <= 1 {
		return fmt.Errorf("%s: %w", what, cursor.Errorf(p.Off, "%s", p.What))
	}
	return fmt.Errorf("%s: %s: %w", what, p.Name, cursor.Errorf(p.Off, "%s", p.What))
}

func (r *Reader) report(seg *segment, off int64, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) >= maxProblems {
		r.lost++
		return
	}
	p := Problem{seg.number, seg.name, off, what}
	if !slices.Contains(r.problems, p) {
		r.problems = append(r.problems, p)
	}
}

func (r *Reader) reportErr(seg *segment, err error) {
	var at *cursor.Error
	if errors.As(err, &at) {
		r.report(seg, at.Off, at.What)
		return
	}
	r.report(seg, 0, err.Error())
}

// Problems lists what was found wrong so far, by opening and by reading.
func (r *Reader) Problems() []Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(r.problems)
	if r.lost > 0 {
		out = append(out, Problem{What: fmt.Sprintf("%d more problems", r.lost)})
	}
	return out
}

// Size is the number of bytes of the media.
func (r *Reader) Size() int64 { return r.size }

// Volume is what the volume section says of the media.
func (r *Reader) Volume() Volume { return r.vol }

// Headers are the fields of header2, or of header where there is no header2.
func (r *Reader) Headers() []Value { return r.headers }

// Digests are those that the image states of its media.
func (r *Reader) Digests() []Digest { return r.digests }

// ReadErrors are the sectors that could not be read when they were acquired;
// the image has zeros, or what the writer put, in their place.
func (r *Reader) ReadErrors() []SectorRun { return r.errs }

// Segments are the names of the files in use, in order.
func (r *Reader) Segments() []string {
	var out []string
	for _, s := range r.segs {
		out = append(out, s.name)
	}
	return out
}

// Bad lists the parts of the media that cannot be given: the missing ones, and
// the damaged ones that were met so far. Stream meets all.
func (r *Reader) Bad() []Range {
	r.mu.Lock()
	out := append(slices.Clone(r.gaps), r.bad...)
	r.mu.Unlock()
	slices.SortFunc(out, func(a, b Range) int {
		if a.Off < b.Off {
			return -1
		}
		return 1
	})
	return out
}

// remember keeps the damaged ranges that a caller was told of, merged with
// their neighbours. The reason of a merged range is its first chunk's, so that
// it does not depend on who read first.
func (r *Reader) remember(found []Range) {
	if len(found) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range found {
		if x.Kind != Missing { // those are known from the start, in gaps
			r.insert(x)
		}
	}
}

func (r *Reader) insert(x Range) {
	i, found := slices.BinarySearchFunc(r.bad, x, func(a, b Range) int {
		switch {
		case a.Off+a.Len <= b.Off:
			return -1
		case a.Off >= b.Off+b.Len:
			return 1
		}
		return 0
	})
	if found {
		old := &r.bad[i]
		if x.Off < old.Off {
			old.Off, old.Len, old.Err = x.Off, old.Len+old.Off-x.Off, x.Err
		}
		old.Len = max(old.Len, x.Off+x.Len-old.Off)
	} else {
		r.bad = slices.Insert(r.bad, i, x)
	}
	for k := max(i-1, 0); k <= i && k+1 < len(r.bad); {
		a, b := &r.bad[k], r.bad[k+1]
		if a.Off+a.Len < b.Off {
			k++
			continue
		}
		a.Len = max(a.Len, b.Off+b.Len-a.Off)
		r.bad = slices.Delete(r.bad, k+1, k+2)
	}
}

// Close waits for read-ahead to end. The sources belong to the caller.
func (r *Reader) Close() error {
	r.ahead.close()
	return nil
}
