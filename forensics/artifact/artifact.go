// Package artifact is the contract of every record that Windows keeps: what
// finds it, what reads it, what its events prove and do not prove.
//
// An artifact is data plus one function. The groups below this folder follow
// the examiner's question (what ran, what stays, who came, what was opened,
// what left), and package all holds the one list.
package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

// Spec describes one artifact and reads one source of it.
type Spec struct {
	Name  string // "execution/prefetch": names file, test, fixture and card
	Title string // "Prefetch": what people call it
	// Globs find sources by path from the volume's root, without regard to
	// case: * within a name, ** for any number of directories, and
	// "glob:stream" for a named stream. Folders and archives as evidence are
	// searched the same way.
	Globs []string
	// Loose tells whether a file given as evidence of its own is a source, by
	// its name and its first bytes (up to 4 KiB). nil: only found by Globs.
	Loose  func(name string, head []byte) bool
	Fields []string // the names its events' Fields may carry, in output order
	Limit  int64    // a larger source is a problem, not an allocation
	Card   Card
	Family Family // who writes it; two records of one family never support each other

	// Read decodes one source. It returns an error where the source as a whole
	// could not be read; all else goes to in.Report, in.Cover and in.Counts.
	// emit may be called with the same *Event again and again: it keeps
	// nothing. An error of emit ends Read with that error.
	Read func(ctx context.Context, in *Input, emit func(*event.Event) error) error
}

// Card is the rule card: what an event of the artifact proves and what not.
type Card struct {
	Proves    string
	NotProven string
	Clock     string
	Retention string
	Switches  string // what turns it off, and where that is recorded
	Source    string // where this knowledge comes from
}

// Family is a writer of records. Witness families are counted, not records.
type Family string

// The witness families.
const (
	FamilyNTFS      Family = "NTFS"
	FamilyShell     Family = "shell"
	FamilyPrefetch  Family = "prefetcher"
	FamilyAppCompat Family = "application compatibility"
	FamilyEventLog  Family = "event log" // per provider: the event's provider is added
	FamilySRUM      Family = "SRUM"
	FamilyBrowser   Family = "browser"
	FamilyMail      Family = "mail client"
	FamilyTool      Family = "the tool's own log"
	FamilyScheduler Family = "scheduler and service manager"
	FamilySetting   Family = "registry setting"
	FamilyContent   Family = "file content"
	FamilyAntivirus Family = "the victim's antivirus"
	FamilyNetwork   Family = "network device"
	FamilyMemory    Family = "memory"
	FamilyErrors    Family = "error reporting"
)

// Input is one source, opened and guarded.
type Input struct {
	At      locator.Locator // Offset 0 of the source
	Source  string          // path as ks-walk list prints it, WTF-8
	Name    string          // last name of it
	Size    int64
	R       io.ReaderAt // reports what it cannot read by itself
	Times   FileTimes   // of the entry, where there is one
	State   event.Recovered
	Machine *Machine // what is known of the machine; never nil

	// Report takes a problem; At.Exhibit, Source and Artifact are filled in by
	// the builder, At.Offset is an offset in this source.
	Report func(problem.Problem)
	// Cover takes a coverage fact of this source.
	Cover func(coverage.Fact)
	// Counts must reconcile at the end of Read.
	Counts coverage.Counts
	// Sibling opens a file of the same folder by its name, without regard to
	// case: the transaction log of a hive, the WAL of a database. It is closed
	// with this Input.
	Sibling func(name string) (*Input, bool)

	shared map[string]any
}

// FileTimes are those of the entry that holds the source.
type FileTimes struct {
	Created, Modified, Changed, Accessed         event.Ticks // $STANDARD_INFORMATION
	FNCreated, FNModified, FNChanged, FNAccessed event.Ticks // $FILE_NAME
}

// ErrTooLarge says that a source is over its Spec's limit.
var ErrTooLarge = errors.New("source is larger than its limit")

// Bytes reads the whole source, if it is not larger than limit. Where a part
// cannot be read the rest is given, with zeros in its place, and the problem
// has been reported by the reader.
func (in *Input) Bytes(limit int64) ([]byte, error) {
	if in.Size > limit {
		return nil, fmt.Errorf("%d bytes, limit %d: %w", in.Size, limit, ErrTooLarge)
	}
	b := make([]byte, in.Size)
	n, err := io.ReadFull(io.NewSectionReader(in.R, 0, in.Size), b)
	var placed interface{ Offset() int64 }
	switch {
	case err == nil, errors.As(err, &placed):
		return b, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return b[:n], nil
	}
	return b[:n], err
}

// Shared returns what an earlier Spec opened from the same source under this
// key, or opens it: a hive is decoded once for all artifacts in it. The value
// must be safe to read again; an error is shared too.
func Shared[T any](in *Input, key string, open func() (T, error)) (T, error) {
	type kept struct {
		v   T
		err error
	}
	if k, ok := in.shared[key].(kept); ok {
		return k.v, k.err
	}
	v, err := open()
	if in.shared == nil {
		in.shared = map[string]any{}
	}
	in.shared[key] = kept{v, err}
	return v, err
}

// Share gives another Input of the same source the opened values of this one.
func (in *Input) Share(with *Input) {
	if in.shared == nil {
		in.shared = map[string]any{}
	}
	with.shared = in.shared
}

// Problem reports trouble at an offset of this source.
func (in *Input) Problem(kind problem.Kind, severity problem.Severity, err error) {
	in.Report(problem.From(in.At, kind, severity, err))
}
