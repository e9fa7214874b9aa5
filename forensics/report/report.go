// Package report writes the answers: trace.json for programs, trace.html for
// people. The page is one file, opens from disk without network, and reads
// without script; script adds the table of all records.
//
// All text of the evidence is escaped twice: what misleads the eye by package
// escape, what misleads the browser by html/template.
package report

import (
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/trace"
)

// Report is all that the page and the JSON file hold.
type Report struct {
	Case     string
	Tool     string // name and version
	Exhibits []trace.Exhibit
	Machine  *artifact.Machine
	Result   *trace.Result
	Coverage []coverage.Fact
	Problems []problem.Problem
	Sources  SourceCounts
	Records  []Record // those that claims rest on, in the order of time
	Table    Table
	Hours    []Hour // of every record, also those that the table leaves out
	Marks    []trace.Mark
}

// SourceCounts says how many sources were found and what came of them.
type SourceCounts struct{ Found, Read, Partly, Unreadable, Events int }

// Record is one event down to its bytes.
type Record struct {
	Event       *event.Event
	Bytes       []byte // the record, cut at MaxBytes; nil where it could not be read again
	Length      int64  // of the whole record
	ImageOffset int64  // of its first byte, -1 where it has no place of its own
	Card        artifact.Card
	Title       string
}

// MaxBytes is how much of a record the page shows.
const MaxBytes = 512

// Hour counts the records of one hour.
type Hour struct {
	Begin event.Ticks
	All   int
	Hot   int // of which carry a claim
}

// Table is what the page's table of records embeds.
type Table struct {
	Rows []Row
	Left int // rows of the timeline that are not embedded
}

// MaxRows bounds the table; the rest is found with ks-timeline.
const MaxRows = 200000

// Row is a line of the table.
type Row struct {
	ID       event.ID
	Ticks    event.Ticks
	Artifact string
	Action   string
	Message  string
	Hot      bool
}
