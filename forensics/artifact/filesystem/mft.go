// Package filesystem says what an NTFS volume itself records of its files: the
// times of every entry of $MFT and the change journal.
//
// It reads a file system as a whole, through forensics/filesystem, by
// VolumeSpecs. $LogFile, index slack and object ids are not read here yet.
package filesystem

import (
	"context"
	"fmt"
	"strconv"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/problem"
)

// MFT tells the eight times of every entry, live, deleted and orphan, as one
// row for each distinct time. It says what the entry holds now, not its
// history: a time that was set by a program looks like any other.
var MFT = artifact.VolumeSpec{
	Name:   "filesystem/mft",
	Title:  "$MFT",
	Fields: []string{"state", "kind", "size", "attributes", "links", "path_proof", "reparse_tag", "impossible", "problems"},
	Family: artifact.FamilyNTFS,
	Card: artifact.Card{
		Proves:    "the entry holds these values now; $SI are the last values that Windows or a program wrote, $FN those of the name's creation, rename or move",
		NotProven: "that $SI times are true (any owner can set them); that a file was read by a person (A is lazy, often off, and programs read too); earlier values; a copy keeps M and gets a new B, so B after M is ordinary",
		Clock:     "system UTC, 100 ns, as the file-system driver wrote it; A at one hour or not at all",
		Retention: "as long as the entry; a deleted one until its slot is used again",
		Switches:  "NtfsDisableLastAccessUpdate (SYSTEM, Control\\FileSystem) stops A; nothing stops the others",
		Source:    "ANCHORS 4b; [MS-FSA] 2.1.4; notes on NTFS",
	},
	Read: readMFT,
}

func readMFT(ctx context.Context, in *artifact.VolumeInput, emit func(*event.Event) error) error {
	info := in.FS.Info()
	in.Counts.Declared = int64(info.Entries)
	m := mftReader{in: in, emit: emit, recordSize: int64(max(info.RecordSize, 1024))}
	for e, err := range in.FS.Walk(ctx) {
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			in.Report(problem.From(in.At, problem.Malformed, problem.Lost, err))
			continue
		}
		switch e.State {
		case filesystem.Damaged:
			in.Counts.Failed++
			m.damaged(e)
		case filesystem.Live:
			in.Counts.Decoded++
		default:
			in.Counts.Recovered++
		}
		if err := m.entry(e); err != nil {
			return err
		}
	}
	in.Cover(coverage.Fact{At: m.at(0), History: coverage.Recording, State: coverage.Read, From: info.Created, To: m.last,
		How: fmt.Sprintf("%d entries: %d live, %d deleted, %d orphan", info.Entries, info.LiveCount, info.Deleted, info.Orphans)})
	return nil
}

type mftReader struct {
	in         *artifact.VolumeInput
	emit       func(*event.Event) error
	recordSize int64
	last       event.Ticks
	e          event.Event
	fields     []event.Field
	msg        []byte
}

// at is the place of an entry: $MFT is entry 0, sequence 1, of its volume.
func (m *mftReader) at(entry uint64) (l locatorOf) {
	l = m.in.At
	l.Entry, l.Sequence, l.Stream, l.Offset = 0, 1, "", int64(entry)*m.recordSize
	return l
}

func (m *mftReader) damaged(e *filesystem.Entry) {
	found := "an entry that could not be decoded whole"
	if len(e.Problems) > 0 {
		found = e.Problems[0]
	}
	m.in.Report(problem.Problem{At: m.at(e.Ref.Entry), Length: m.recordSize, Kind: problem.Malformed, Severity: problem.Lost,
		Expected: "entry " + strconv.FormatUint(e.Ref.Entry, 10), Found: found})
}

// group is one distinct time of an entry and the marks that it has.
type group struct {
	t     event.Ticks
	marks uint16
}

// entry emits the rows of one entry: those of $SI together with the first
// name's, then those of further names (hard links).
func (m *mftReader) entry(e *filesystem.Entry) error {
	var groups [8]group
	n := 0
	add := func(t event.Ticks, mark uint16) {
		if t == 0 {
			return
		}
		for i := range groups[:n] {
			if groups[i].t == t {
				groups[i].marks |= mark
				return
			}
		}
		groups[n] = group{t, mark}
		n++
	}
	add(e.SI.Modified, event.SIModified)
	add(e.SI.Accessed, event.SIAccessed)
	add(e.SI.Changed, event.SIChanged)
	add(e.SI.Created, event.SIBorn)
	names := max(len(e.Names), 1)
	for i := range names {
		var name filesystem.Name
		if i < len(e.Names) {
			name = e.Names[i]
		}
		add(name.Times.Modified, event.FNModified)
		add(name.Times.Accessed, event.FNAccessed)
		add(name.Times.Changed, event.FNChanged)
		add(name.Times.Created, event.FNBorn)
		for _, g := range groups[:n] {
			if err := m.row(e, &name, g); err != nil {
				return err
			}
		}
		n = 0
	}
	return nil
}

func (m *mftReader) row(e *filesystem.Entry, name *filesystem.Name, g group) error {
	m.e = event.Event{
		Ticks: g.t, Clock: event.FileSystem, Meaning: marks[g.marks&0xFF], MACB: g.marks, Action: actionOf(g.marks),
		Path: name.Path, Entry: e.Ref.Entry, Sequence: e.Ref.Sequence, At: m.at(e.Ref.Entry), Length: m.recordSize,
	}
	v := &m.e
	m.msg = strconv.AppendUint(m.msg[:0], e.Ref.Entry, 10)
	m.msg = append(m.msg, '-')
	m.msg = strconv.AppendUint(m.msg, uint64(e.Ref.Sequence), 10)
	v.Record = string(m.msg)
	if e.State != filesystem.Live {
		v.Recovered = event.InDeleted
	}
	m.fields = append(m.fields[:0], event.Str("state", string(e.State)), event.Str("kind", string(e.Kind)))
	for i := range e.Streams {
		if e.Streams[i].Name == "" && e.Kind != filesystem.Dir {
			m.fields = append(m.fields, event.Int("size", e.Streams[i].Size))
		}
	}
	m.fields = append(m.fields, event.Hex("attributes", e.Attributes))
	if e.Links > 1 {
		m.fields = append(m.fields, event.Uint("links", e.Links))
	}
	if name.Proof != "live" && name.Proof != "" {
		m.fields = append(m.fields, event.Str("path_proof", name.Proof))
	}
	if e.ReparseTag != 0 {
		m.fields = append(m.fields, event.Hex("reparse_tag", e.ReparseTag))
	}
	if !g.t.Valid() { // the raw value stays in the fields
		v.Ticks = 0
		m.fields = append(m.fields, event.Uint("impossible", uint64(g.t)))
	} else {
		m.last = max(m.last, g.t)
	}
	if len(e.Problems) > 0 {
		m.fields = append(m.fields, event.List("problems", e.Problems))
	}
	v.Fields = m.fields
	path := v.Path
	if path == "" {
		path = "entry " + v.Record
	}
	m.msg = append(append(append(m.msg[:0], said[v.Action]...), ": "...), path...)
	if e.State != filesystem.Live {
		m.msg = append(append(append(m.msg, " ("...), e.State...), ')')
	}
	v.Message = string(m.msg)
	return m.emit(v)
}

// actionOf names the strongest thing that the marks of one time say. Marks of
// $FN alone are copies of older $SI values, made when the name was.
func actionOf(m uint16) event.Action {
	switch {
	case m&(event.SIBorn|event.FNBorn) != 0:
		return event.Created
	case m&event.SIModified != 0:
		return event.Written
	case m&event.SIAccessed != 0 && m&event.SIChanged == 0:
		return event.ReadOrOpened
	}
	return event.MetadataChanged
}

var said = map[event.Action]string{
	event.Created: "created", event.Written: "content modified", event.ReadOrOpened: "accessed", event.MetadataChanged: "metadata changed",
}

// marks holds the text of every set of marks.
var marks = func() (t [256]string) {
	for i := range t {
		t[i] = event.Marks(uint16(i))
	}
	return t
}()
