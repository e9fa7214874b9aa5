package rescue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"kanshiki/forensics/acquire/device"
)

// Source is a medium that may be bad in places; a *device.Device is one.
type Source interface {
	// ReadAt is called with whole sectors. What it gives before an error counts.
	ReadAt(p []byte, off int64) (int, error)
	Size() int64
	Sector() int  // bytes; the medium's last one may be cut off
	Check() error // nil as long as the medium is there
}

// Options say how much is tried. The zero value tries each bad sector once
// and gives a bad region DefaultBudget.
type Options struct {
	Retries int              // further tries of each bad sector
	Budget  time.Duration    // for the reads of a bad region; negative is without end
	Now     func() time.Time // nil is time.Now
}

// DefaultBudget lets a disk that takes seven seconds for a bad sector try some
// forty of them in a region.
const DefaultBudget = 5 * time.Minute

// Bad is a run of sectors that were not read; they are zeros in the window.
type Bad struct {
	Sector int64 // the first
	Count  int64
	What   string        // the system's words for the last failure
	Tries  int           // reads of each sector alone; 0 says that it was left out, and may be good
	Took   time.Duration // for these reads, of all the run's sectors
}

// Reader reads a medium window by window. It is for one goroutine.
type Reader struct {
	src     Source
	o       Options
	sector  int64
	spent   time.Duration // of the budget, by the region that is read now
	good    int64         // a sector that was read, -1 where there is none yet
	nothing int64         // up to here the medium did not answer when it was looked ahead
	failed  int           // reads in a row
}

// New makes a Reader.
func New(src Source, o Options) *Reader {
	if o.Budget == 0 {
		o.Budget = DefaultBudget
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Reader{src: src, o: o, sector: int64(src.Sector()), good: -1}
}

const (
	piece       = 64 << 10
	maxStep     = 256 << 20 // of looking ahead
	proveEvery  = 64        // reads that fail in a row, until the medium must prove that it is there
	outOfBudget = "not tried: the time for this region was used up"
)

// Read fills a window of the medium, which begins on a sector and ends on one
// or with the medium. What could not be read is zeros and is listed, in order.
// With an error, what p holds counts for nothing: the medium is gone, or ctx
// was cancelled.
func (r *Reader) Read(ctx context.Context, p []byte, off int64) ([]Bad, error) {
	if off < 0 || off%r.sector != 0 || off+int64(len(p)) > r.src.Size() {
		return nil, fmt.Errorf("a window of %d bytes at %d, in a medium of %d", len(p), off, r.src.Size())
	}
	w := &window{r: r, p: p, off: off, s: nil}
	if off+int64(len(p)) <= r.nothing {
		w.begin()
		return w.end(), ctx.Err()
	}
	n, err := r.read(ctx, p, off)
	if n == len(p) {
		r.spent = 0
		return nil, nil
	}
	if err := r.fatal(ctx, err); err != nil {
		return nil, err
	}
	w.begin()
	w.had(0, n)
	for _, pass := range []func(context.Context) error{w.sweep, w.trim, w.scrape, w.retry} {
		if err := pass(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.prove(ctx); err != nil {
		return nil, err
	}
	if w.empty() && r.over() {
		if err := r.lookAhead(ctx, off+int64(len(p)), int64(len(p))); err != nil {
			return nil, err
		}
	}
	return w.end(), nil
}

// read reads as much as it can get, takes the time and remembers a good sector.
// A read that is cut short but gave something is continued.
func (r *Reader) read(ctx context.Context, p []byte, off int64) (n int, err error) {
	from := r.o.Now()
	defer func() {
		r.spent += r.o.Now().Sub(from)
		if n == len(p) {
			r.failed = 0
		} else {
			r.failed++
		}
	}()
	for n < len(p) {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		var got int
		got, err = r.src.ReadAt(p[n:], off+int64(n))
		if n+got < len(p) {
			got -= got % int(r.sector)
		}
		n += got
		if got > 0 {
			r.good = (off + int64(n) - 1) / r.sector * r.sector
		}
		if n == len(p) {
			return n, nil
		}
		if got == 0 || !short(err) {
			break
		}
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// short tells a read that merely stopped from one that failed.
func short(err error) bool {
	return err == nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// fatal is the error that ends the reading, nil for one that a bad sector
// gives. Every so often the medium must prove that it is there.
func (r *Reader) fatal(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case device.Gone(err):
		return err
	case short(err):
		return r.src.Check() // a pulled disk has the size 0
	case r.failed >= proveEvery:
		r.failed = 0
		return r.prove(ctx)
	}
	return nil
}

// prove reads something that can be read: the sector that was good last, or
// else one of a few over the whole medium.
func (r *Reader) prove(ctx context.Context) error {
	if err := r.src.Check(); err != nil {
		return err
	}
	last := (r.src.Size() - 1) / r.sector
	places := []int64{0, last, last / 2, last / 4, last / 4 * 3}
	if r.good >= 0 {
		places = append([]int64{r.good / r.sector}, places...)
	}
	b := device.Alloc(int(r.sector))
	var err error
	for _, s := range places {
		if err := ctx.Err(); err != nil {
			return err
		}
		var n int
		p := b[:min(r.sector, r.src.Size()-s*r.sector)]
		if n, err = r.src.ReadAt(p, s*r.sector); n == len(p) {
			return nil
		}
		if device.Gone(err) {
			return err
		}
	}
	if r.good < 0 {
		return fmt.Errorf("%w, dead or locked: not one sector can be read: %s", device.ErrGone, words(err))
	}
	return fmt.Errorf("%w: not one sector can be read any more: %s", device.ErrGone, words(err))
}

func (r *Reader) over() bool { return r.o.Budget > 0 && r.spent >= r.o.Budget }

// lookAhead finds where the medium answers again behind from: it doubles its
// step, and halves it when it has found something.
func (r *Reader) lookAhead(ctx context.Context, from, step int64) error {
	b := device.Alloc(int(r.sector))
	answers := func(at int64) (bool, error) {
		if at >= r.src.Size() {
			return true, nil // there is nothing to be looked for
		}
		p := b[:min(r.sector, r.src.Size()-at)]
		n, err := r.read(ctx, p, at)
		if n == len(p) {
			return true, nil
		}
		return false, r.fatal(ctx, err)
	}
	silent, at := from-step, from // the window before from gave nothing
	for step := step; ; {
		ok, err := answers(at)
		if err != nil {
			return err
		}
		if ok {
			break
		}
		silent, at = at, at+step
		step = min(2*step, max(maxStep, step))
	}
	for at-silent > step {
		mid := silent + (at-silent)/2/step*step
		ok, err := answers(mid)
		if err != nil {
			return err
		}
		if ok {
			at = mid
		} else {
			silent = mid
		}
	}
	r.nothing = silent // the window that begins there may end well
	return nil
}

// words are the system's for an error, without what was read and how.
func words(err error) string {
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e.Error()
	}
	if short(err) {
		return "the read was cut short"
	}
	return err.Error()
}
