package guard

import (
	"context"
	"errors"
	"io"
	"sync"

	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

// ErrSteps ends a parser that reads without end. It counts reads, not time, so
// the same evidence ends at the same place.
var ErrSteps = errors.New("more reads than the limit allows")

// Reader gives a source to a parser and reports every byte that it could not
// give: the parser may swallow the error, the problem is stored already.
type Reader struct {
	Ctx    context.Context
	R      io.ReaderAt
	Size   int64 // the declared size, not what happens to be there
	At     locator.Locator
	Source string
	Sink   problem.Sink
	Steps  int64 // reads that are allowed, 0 for no limit

	mu    sync.Mutex
	reads int64
	told  map[[2]int64]bool
}

// ReadAt reads and reports. After the context's end or the last allowed step
// it gives nothing more.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if err := r.Ctx.Err(); err != nil {
		return 0, err // also ends loops that read
	}
	if r.Steps > 0 {
		r.mu.Lock()
		r.reads++
		over := r.reads > r.Steps
		r.mu.Unlock()
		if over {
			r.report(off, 0, problem.OverLimit, ErrSteps)
			return 0, ErrSteps
		}
	}
	if off < 0 || off >= r.Size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), r.Size-off)
	n, err := r.R.ReadAt(p[:want], off)
	if int64(n) < want {
		cause := err
		if cause == nil || errors.Is(cause, io.EOF) {
			cause = io.ErrUnexpectedEOF
		}
		r.report(off+int64(n), want-int64(n), problem.Unreadable, cause)
		return n, cause
	}
	if err != nil && !errors.Is(err, io.EOF) { // all bytes, some of them not the medium's own
		var placed interface{ Offset() int64 }
		at := off
		if errors.As(err, &placed) {
			at = placed.Offset()
		}
		r.report(at, want-(at-off), problem.Unreadable, err)
		return n, err
	}
	if want < int64(len(p)) {
		return n, io.EOF
	}
	return n, nil
}

func (r *Reader) report(off, length int64, kind problem.Kind, err error) {
	r.mu.Lock()
	key := [2]int64{off, length}
	seen := r.told[key]
	if r.told == nil {
		r.told = map[[2]int64]bool{}
	}
	if kind == problem.OverLimit {
		key = [2]int64{-1, -1}
		seen = r.told[key]
	}
	full := len(r.told) >= maxTold
	if !seen && !full {
		r.told[key] = true
	}
	r.mu.Unlock()
	if seen || full {
		return
	}
	r.Sink.Report(problem.Problem{At: r.At.At(off), Source: r.Source, Length: length, Kind: kind,
		Severity: problem.Lost, Expected: "readable bytes", Found: err.Error()})
}

// maxTold bounds the ranges reported of one source; a disk that fails
// everywhere is told by its image's own ranges.
const maxTold = 4096
