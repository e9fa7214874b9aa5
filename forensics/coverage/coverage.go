// Package coverage holds what each source could have shown: the third answer
// is made of it. Every artifact × volume × snapshot ends in exactly one state.
package coverage

import (
	"cmp"
	"strings"

	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
)

// History says what the source itself did over a span.
type History string

// The histories of a source.
const (
	Recording     History = "recording"
	Off           History = "off"
	Cleared       History = "cleared"
	Wrapped       History = "wrapped"
	Removed       History = "removed"
	NotInWindows  History = "not in this Windows"
	UnknownBefore History = "unknown"
)

// State says what came of reading it.
type State string

// The results of reading a source.
const (
	Read       State = "read"
	Partly     State = "partly"
	Unreadable State = "unreadable"
	Absent     State = "absent"
	NotLooked  State = "not looked"
)

// Verdict is the ledger's word, derived from both.
type Verdict string

// The verdicts of the ledger.
const (
	Covered    Verdict = "COVERED"
	Partial    Verdict = "PARTIAL"
	NotCovered Verdict = "NOT COVERED"
	Untrusted  Verdict = "UNTRUSTED"
)

// Fact is what is known of one source over one span.
type Fact struct {
	Machine   string // given by the builder
	Artifact  string // given by the builder: the Spec's name
	At        locator.Locator
	Source    string // path as ks-walk list prints it, "" where the source is absent
	From, To  event.Ticks
	History   History
	State     State
	Untrusted string // sign of tampering or of a changed clock, "" for none
	How       string // how it is known: the record, value or rule that says so
	First     uint64 // record numbers at the ends, 0 where the source has none
	Last      uint64
	Gaps      uint64 // records missing between them
	Evidence  string // the record behind How, as ks-timeline source would find it, "" where none
}

// Verdict derives the ledger's word.
func (f Fact) Verdict() Verdict {
	switch {
	case f.Untrusted != "":
		return Untrusted
	case f.History == Recording && f.State == Read && f.Gaps == 0:
		return Covered
	case f.History == Recording && (f.State == Read || f.State == Partly):
		return Partial
	}
	return NotCovered
}

// Compare is a total order.
func Compare(a, b Fact) int {
	return cmp.Or(
		strings.Compare(a.At.Exhibit, b.At.Exhibit),
		strings.Compare(a.Artifact, b.Artifact),
		cmp.Compare(a.At.Volume, b.At.Volume),
		cmp.Compare(a.At.Snapshot, b.At.Snapshot),
		strings.Compare(a.Source, b.Source),
		cmp.Compare(a.From, b.From),
		cmp.Compare(a.To, b.To),
		strings.Compare(string(a.History), string(b.History)),
		strings.Compare(string(a.State), string(b.State)),
		strings.Compare(a.How, b.How),
		cmp.Compare(a.At.Entry, b.At.Entry),
		cmp.Compare(a.At.Offset, b.At.Offset),
		strings.Compare(a.Evidence, b.Evidence),
	)
}

// Counts reconciles one source: Declared = Decoded + Recovered + Failed, where
// Declared is what the source says or shows to hold, recovered records
// included.
type Counts struct {
	Declared  int64
	Decoded   int64
	Recovered int64
	Failed    int64
}

// Reconciles tells whether nothing is unaccounted for.
func (c Counts) Reconciles() bool { return c.Declared == c.Decoded+c.Recovered+c.Failed }

// Source is one thing that was parsed, and what came of it.
type Source struct {
	Artifact string
	At       locator.Locator
	Source   string
	Size     int64
	Counts   Counts
	State    State
	SHA256   string // of the bytes that were read, where they were read whole
}

// CompareSources is a total order.
func CompareSources(a, b Source) int {
	return cmp.Or(
		strings.Compare(a.At.Exhibit, b.At.Exhibit),
		strings.Compare(a.Artifact, b.Artifact),
		cmp.Compare(a.At.Volume, b.At.Volume),
		cmp.Compare(a.At.Snapshot, b.At.Snapshot),
		strings.Compare(a.Source, b.Source),
		cmp.Compare(a.At.Entry, b.At.Entry),
		cmp.Compare(a.At.Sequence, b.At.Sequence),
		strings.Compare(a.At.Stream, b.At.Stream),
		strings.Compare(a.At.Inner, b.At.Inner),
	)
}
