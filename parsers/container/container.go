package container

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// Kind says what a run of the medium is.
type Kind uint8

// The kinds of run. Data and Zero are the medium's own bytes; the others read
// as zeros, with an Error that names them.
const (
	Data       Kind = iota // stored
	Zero                   // not stored: the container says that it is zero
	Unreadable             // the medium could not be read when it was acquired
	Unknown                // not acquired, or in a file that is missing
	Corrupt                // stored, but damaged
)

func (k Kind) String() string {
	return [...]string{"data", "zero", "unreadable", "unknown", "corrupt"}[k]
}

// Bad tells whether a run cannot be given.
func (k Kind) Bad() bool { return k > Zero }

// Range is a part of the medium and what it is. Err is why, where it is bad.
type Range struct {
	Off, Len int64
	Kind     Kind
	Err      error
}

// Error tells which bytes of a read could not be given: they are zero in the
// buffer, all others are good.
type Error struct{ Ranges []Range }

func (e *Error) Error() string {
	r := e.Ranges[0]
	return fmt.Sprintf("%#x to %#x is %s: %v", r.Off, r.Off+r.Len, r.Kind, r.Err)
}

func (e *Error) Unwrap() error { return e.Ranges[0].Err }

// Offset is where the first range begins.
func (e *Error) Offset() int64 { return e.Ranges[0].Off }

// Problem is something wrong with a file of the container.
type Problem struct {
	File string // its name, "" where there is one file only
	Off  int64  // in it
	What string
	Note bool // worth knowing, but no doubt about the content
}

const maxProblems = 1 << 12

// Problems collects them; it is safe for concurrent use and the zero value is
// ready. Over a limit they are counted only.
type Problems struct {
	mu   sync.Mutex
	all  []Problem
	lost int
}

// Report adds a problem; the same one twice is kept once.
func (l *Problems) Report(p Problem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case slices.Contains(l.all, p):
	case len(l.all) >= maxProblems:
		l.lost++
	default:
		l.all = append(l.all, p)
	}
}

// Reportf adds a doubt about a file of the container.
func (l *Problems) Reportf(off int64, format string, args ...any) {
	l.Report(Problem{Off: off, What: fmt.Sprintf(format, args...)})
}

// Problems lists what was found wrong so far.
func (l *Problems) Problems() []Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.all)
	if l.lost > 0 {
		out = append(out, Problem{What: fmt.Sprintf("%d more problems", l.lost)})
	}
	return out
}

// File is a file that a container names: an extent, a parent.
type File struct {
	Name string
	R    io.ReaderAt // safe for concurrent use
	Size int64
}

// Field is something that a container says of itself.
type Field struct{ Name, Value string }

// Digest is one that a container states of its medium.
type Digest struct {
	Alg    string // "md5", "sha1", "sha256", "sha512", "blake2b"
	Sum    string // lower-case hex
	Source string // where it stands
}

// readFull reads all of p; a file that is too short is ErrUnexpectedEOF.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
