package filesystem

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

type locatorOf = locator.Locator

// USN tells each record of the change journal as an event: that a name was
// created, written, renamed or deleted at a time. It does not say by whom, nor
// what was written.
var USN = artifact.VolumeSpec{
	Name:   "filesystem/usn",
	Title:  "change journal",
	Fields: []string{"usn", "reason", "new_reason", "reason_flags", "source_info", "attributes", "parent", "old_path", "path_proof", "version"},
	Family: artifact.FamilyNTFS,
	Card: artifact.Card{
		Proves:    "the file system made this change to this entry, under this name, at this time",
		NotProven: "who or which program made it; what the content was; reads; the path, where its proof is not \"live\" or \"usn\"",
		Clock:     "system UTC, 100 ns, per record, in the order of the numbers",
		Retention: "some 32 MB as Windows sets it up, days to weeks; then the oldest records go",
		Switches:  "off on volumes that nothing asked a journal for; fsutil usn deletejournal removes it, which the journal's id and first number show",
		Source:    "[MS-FSCC] 2.6 and winioctl.h USN_RECORD_V2 to V4; ANCHORS 4b, 4f; notes on NTFS",
	},
	Read: readUSN,
}

// Reasons of a record, winioctl.h USN_REASON_*.
const (
	dataOverwrite  = 0x1
	dataExtend     = 0x2
	dataTruncation = 0x4
	namedOverwrite = 0x10
	namedExtend    = 0x20
	namedTruncate  = 0x40
	fileCreate     = 0x100
	fileDelete     = 0x200
	renameOld      = 0x1000
	renameNew      = 0x2000
	hardLink       = 0x10000
	streamChange   = 0x200000
	closed         = 0x80000000

	written = dataOverwrite | dataExtend | dataTruncation | namedOverwrite | namedExtend | namedTruncate
)

var reasonNames = []struct {
	flag uint32
	name string
}{
	{dataOverwrite, "data overwrite"}, {dataExtend, "data extend"}, {dataTruncation, "data truncation"},
	{namedOverwrite, "named data overwrite"}, {namedExtend, "named data extend"}, {namedTruncate, "named data truncation"},
	{fileCreate, "file create"}, {fileDelete, "file delete"}, {0x400, "EA change"}, {0x800, "security change"},
	{renameOld, "rename old name"}, {renameNew, "rename new name"}, {0x4000, "indexable change"}, {0x8000, "basic info change"},
	{hardLink, "hard link change"}, {0x20000, "compression change"}, {0x40000, "encryption change"}, {0x80000, "object id change"},
	{0x100000, "reparse point change"}, {streamChange, "stream change"}, {0x400000, "transacted change"}, {0x800000, "integrity change"},
	{0x1000000, "desired storage class change"}, {closed, "close"},
}

// reasonText lists the names of flags; unknown ones stay as a number.
func reasonText(r uint32) string {
	var names []string
	for _, n := range reasonNames {
		if r&n.flag != 0 {
			names = append(names, n.name)
			r &^= n.flag
		}
	}
	if r != 0 {
		names = append(names, fmt.Sprintf("%#x", r))
	}
	return strings.Join(names, ", ")
}

// maxOpen bounds the files whose open change is remembered.
const maxOpen = 1 << 16

// open is what earlier records said of a file that is not closed yet: reasons
// pile up in its records until then.
type open struct {
	reasons   uint32
	oldPath   string
	oldParent filesystem.Ref
}

type usnReader struct {
	in          *artifact.VolumeInput
	at          locator.Locator
	open        map[filesystem.Ref]open
	texts       map[uint32]string
	first, last filesystem.Change
	fields      []event.Field
	v           event.Event
}

func readUSN(ctx context.Context, in *artifact.VolumeInput, emit func(*event.Event) error) error {
	u := usnReader{in: in, at: in.At, open: map[filesystem.Ref]open{}, texts: map[uint32]string{}}
	ref, stream, err := in.FS.Lookup(ctx, "$Extend/$UsnJrnl:$J")
	if err == nil {
		u.at.Entry, u.at.Sequence, u.at.Stream = ref.Entry, ref.Sequence, stream
	}
	for c, err := range in.FS.Changes(ctx) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, filesystem.ErrNoJournal) {
			in.Cover(coverage.Fact{At: in.At, History: coverage.Off, State: coverage.Absent, How: err.Error()})
			return err
		}
		in.Counts.Declared++
		if err != nil {
			in.Counts.Failed++
			in.Report(problem.From(u.at, problem.Malformed, problem.Lost, err))
			continue
		}
		in.Counts.Decoded++
		if u.first.Length == 0 {
			u.first = c
		}
		u.last = c
		if err := emit(u.event(&c)); err != nil {
			return err
		}
	}
	u.cover()
	return nil
}

// event says what is new in a record.
func (u *usnReader) event(c *filesystem.Change) *event.Event {
	before := u.open[c.Ref]
	fresh := c.Reason &^ before.reasons
	if c.Reason&before.reasons != before.reasons { // a new opening: nothing is carried over
		fresh, before = c.Reason, open{}
	}
	path := c.Path
	if path == "" {
		path = c.Name
	}
	action, meaning := changeAction(fresh)
	u.v = event.Event{
		Ticks: c.Time, Clock: event.FileSystem, Action: action, Meaning: meaning, Path: path,
		Entry: c.Ref.Entry, Sequence: c.Ref.Sequence, At: u.at.At(int64(c.USN)), Length: c.Length,
		Record: strconv.FormatUint(c.USN, 10),
	}
	f := append(u.fields[:0], event.Uint("usn", c.USN), event.Str("reason", u.text(c.Reason)))
	if fresh != c.Reason {
		f = append(f, event.Str("new_reason", u.text(fresh)))
	}
	f = append(f, event.Hex("reason_flags", c.Reason))
	if c.SourceInfo != 0 {
		f = append(f, event.Hex("source_info", c.SourceInfo))
	}
	f = append(f, event.Hex("attributes", c.Attributes), event.Str("parent", strconv.FormatUint(c.Parent.Entry, 10)+"-"+strconv.Itoa(int(c.Parent.Sequence))))
	msg := meaning + ": " + path
	if fresh&renameNew != 0 && before.oldPath != "" {
		f = append(f, event.Str("old_path", before.oldPath))
		msg = meaning + ": " + before.oldPath + " → " + path
		if before.oldParent != c.Parent {
			u.v.Action, msg = event.Moved, "moved: "+before.oldPath+" → "+path
		}
	}
	f = append(f, event.Str("path_proof", c.Proof), event.Uint("version", c.Version))
	u.fields = f
	u.v.Fields, u.v.Message = f, msg
	if !c.Time.Valid() {
		u.v.Ticks = 0
	}
	u.remember(c, before, path)
	return &u.v
}

func (u *usnReader) remember(c *filesystem.Change, before open, path string) {
	if c.Reason&closed != 0 {
		delete(u.open, c.Ref)
		return
	}
	if c.Reason&renameOld != 0 && c.Reason&renameNew == 0 {
		before.oldPath, before.oldParent = path, c.Parent
	}
	// The record of the new name does not have the flag of the old one.
	before.reasons = c.Reason &^ renameOld
	if len(u.open) >= maxOpen { // files that were never closed in what is left of the journal
		clear(u.open)
	}
	u.open[c.Ref] = before
}

// changeAction names the strongest of the new reasons.
func changeAction(fresh uint32) (event.Action, string) {
	switch {
	case fresh&fileDelete != 0:
		return event.Deleted, "deleted"
	case fresh&renameNew != 0:
		return event.Renamed, "renamed, new name"
	case fresh&renameOld != 0:
		return event.Renamed, "renamed, old name"
	case fresh&fileCreate != 0:
		return event.Created, "created"
	case fresh&written != 0:
		return event.Written, "content changed"
	case fresh&^closed == 0:
		return event.Other, "closed"
	}
	return event.MetadataChanged, "metadata changed"
}

func (u *usnReader) text(r uint32) string {
	s, ok := u.texts[r]
	if !ok {
		s = reasonText(r)
		if len(u.texts) < 4096 {
			u.texts[r] = s
		}
	}
	return s
}

// cover says for which time the journal speaks, and that before it its older
// records are gone.
func (u *usnReader) cover() {
	c := u.in.Counts
	u.in.Cover(coverage.Fact{At: u.at, History: coverage.Recording, State: coverage.Read, From: u.first.Time, To: u.last.Time,
		First: u.first.USN, Last: u.last.USN, How: fmt.Sprintf("%d records", c.Decoded)})
	if u.first.USN > 0 && u.first.Time.Valid() {
		u.in.Cover(coverage.Fact{At: u.at, History: coverage.Wrapped, State: coverage.Read, To: u.first.Time,
			How: fmt.Sprintf("the oldest record that is left has number %d", u.first.USN)})
	}
}
