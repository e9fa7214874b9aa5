package container

import (
	"io"
	"runtime"
	"sync"
)

// Span is a run of the medium and where its bytes are.
type Span struct {
	Len  int64 // at least 1, at most what was asked for
	Kind Kind
	Err  error // why, where Kind is bad

	// Where Kind is Data, the bytes lie in From at At, as they are; or, where
	// From is nil, in a compressed unit, Skip bytes into it. A run that is longer
	// than the unit goes on in those that follow by number, UnitSize bytes each.
	// From may be a *Disk (a parent): then its own ranges hold, and what lies
	// behind its end is zero.
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
	Workers    int   // units decoded at once; 0 is GOMAXPROCS

	Under []*Disk // the disks that Span gives as From; closed with this one
}

// Disk gives the bytes of a medium. It is safe for concurrent use.
type Disk struct {
	l Layout
	*state
}

// state is what reading leaves behind. Disks of the same units share it.
type state struct {
	cache *cache
	sem   chan struct{} // bounds what is decoded beside the callers' own goroutines
	wg    sync.WaitGroup

	mu       sync.Mutex
	bad      []Range // damage met so far, in order, apart from each other
	unlisted int64
}

// New makes a Disk of a layout.
func New(l Layout) *Disk {
	if l.CacheBytes <= 0 {
		l.CacheBytes = 32 << 20
	}
	if l.Workers <= 0 {
		l.Workers = runtime.GOMAXPROCS(0)
	}
	d := &Disk{l, &state{}}
	if l.UnitSize > 0 {
		d.cache = newCache(int(max(l.CacheBytes/l.UnitSize, 4)), l.UnitSize)
		d.sem = make(chan struct{}, l.Workers)
	}
	return d
}

// With is the medium with other runs over the same units: what one of the two
// decoded, and the damage that it met, the other has too. Closing one closes both.
func (d *Disk) With(span func(off, limit int64) Span) *Disk {
	l := d.l
	l.Span = span
	return &Disk{l, d.state}
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
