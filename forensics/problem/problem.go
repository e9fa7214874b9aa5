// Package problem holds what could not be read. A problem is stored, counted
// and printed; a log line is never the only trace of a loss.
package problem

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"

	"kanshiki/forensics/locator"
)

// Kind says why something could not be read.
type Kind string

// The kinds of trouble.
const (
	Unreadable   Kind = "unreadable"     // the medium or container did not give the bytes
	Malformed    Kind = "malformed"      // the bytes are there and make no sense
	Unsupported  Kind = "unsupported"    // a format, version or feature that is not read yet
	OverLimit    Kind = "over limit"     // larger or deeper than a stated limit
	ParserFault  Kind = "parser fault"   // a parser panicked, died or did not end
	Inconsistent Kind = "inconsistent"   // two places that must agree do not
	NotLooked    Kind = "not looked"     // the run ended before it was reached
	NoRepeat     Kind = "not repeatable" // a time limit ended it; another run may differ
)

// Severity says what the problem costs.
type Severity string

// The severities.
const (
	Lost  Severity = "lost data"
	Doubt Severity = "doubt"
	Note  Severity = "note"
)

// Problem is one thing that could not be read, and where.
type Problem struct {
	At       locator.Locator
	Source   string // the path as ks-walk list prints it, or the evidence's name
	Artifact string // the Spec that was reading, "" where none was
	Length   int64  // bytes concerned, 0 where not known
	Kind     Kind
	Severity Severity
	Expected string
	Found    string
}

// Sink takes problems; it is safe for concurrent use.
type Sink interface{ Report(Problem) }

// From makes a problem of an error. An offset that the error carries (an
// Offset method anywhere in its chain) replaces the locator's.
func From(at locator.Locator, kind Kind, severity Severity, err error) Problem {
	var placed interface {
		error
		Offset() int64
	}
	if errors.As(err, &placed) {
		at.Offset = placed.Offset()
	}
	return Problem{At: at, Kind: kind, Severity: severity, Found: err.Error()}
}

// List collects problems. The zero value is ready.
type List struct {
	mu  sync.Mutex
	all []Problem
}

// Report adds a problem; the same one twice is kept once.
func (l *List) Report(p Problem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, p)
}

// Sorted returns the distinct problems in a total order that does not depend
// on who reported first.
func (l *List) Sorted() []Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.all)
	slices.SortFunc(out, Compare)
	return slices.Compact(out)
}

// Len is the number of reports so far.
func (l *List) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// Compare orders problems by place, then by every other field.
func Compare(a, b Problem) int {
	return cmp.Or(
		strings.Compare(a.At.Exhibit, b.At.Exhibit),
		cmp.Compare(a.At.Volume, b.At.Volume),
		cmp.Compare(a.At.Snapshot, b.At.Snapshot),
		strings.Compare(a.Source, b.Source),
		cmp.Compare(a.At.Entry, b.At.Entry),
		cmp.Compare(a.At.Sequence, b.At.Sequence),
		strings.Compare(a.At.Stream, b.At.Stream),
		strings.Compare(a.At.Inner, b.At.Inner),
		cmp.Compare(a.At.Offset, b.At.Offset),
		cmp.Compare(a.Length, b.Length),
		strings.Compare(string(a.Kind), string(b.Kind)),
		strings.Compare(string(a.Severity), string(b.Severity)),
		strings.Compare(a.Artifact, b.Artifact),
		strings.Compare(a.Expected, b.Expected),
		strings.Compare(a.Found, b.Found),
	)
}
