package document

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/internal/guard"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/destlist"
	"kanshiki/parsers/lnk"
	"kanshiki/parsers/olecf"
)

const jumplistLimit = 64 << 20

// Jumplist says what an application opened for an account: the destination,
// when it was last used through that application, how often, and its link.
var Jumplist = artifact.Spec{
	Name:  "document/jumplist",
	Title: "Jump lists",
	Globs: []string{"**/AutomaticDestinations/*.automaticDestinations-ms", "**/CustomDestinations/*.customDestinations-ms"},
	Loose: func(name string, head []byte) bool {
		low := strings.ToLower(name)
		return strings.HasSuffix(low, ".automaticdestinations-ms") && olecf.Is(head) || strings.HasSuffix(low, ".customdestinations-ms")
	},
	Fields: slices.Concat([]string{"application_id", "application_presumed", "category", "entry_number", "pinned", "use_count", "host",
		"destination_droid_volume", "destination_droid_file", "destination_mac", "host_raw"}, linkFields),
	Limit:  jumplistLimit,
	Family: artifact.FamilyShell,
	Card: artifact.Card{
		Proves:    "the application with this identifier used the destination at the time, for the account whose profile holds the list; the target's link as in shell links; on custom lists: the application put the destination there",
		NotProven: "which program the identifier stands for (only known ones are named, presumed); that content was seen by a person; a use count is not documented; custom lists give no time of use",
		Clock:     "FILETIME, UTC, of the last use; " + linkClockNote,
		Retention: "up to about 2,000 destinations an application on 10 and later, fewer before; removing one leaves its link until the file is written anew",
		Switches:  "Start_TrackDocs (NTUSER, Explorer\\Advanced), NoRecentDocsHistory; cleaners delete the files",
		Source:    "dtformats, Jump lists format; [MS-SHLLINK]; ANCHORS 4b",
	},
	Read: readJumplist,
}

// applications are identifiers that are the same everywhere, since they were
// made of the path of a program of Windows.
var applications = map[string]string{
	"1b4dd67f29cb1962": "Windows Explorer (7)",
	"f01b4d95cf55d32a": "Windows Explorer (8.1 and later)",
	"5f7b5f1e01b83767": "Quick Access (10 and later)",
	"7e4dca80246863e3": "Control Panel",
	"918e0ecb43d17e23": "Notepad (32 bits)",
	"9b9cdc69c1c24e2b": "Notepad (64 bits)",
	"28c8b86deab549a1": "Internet Explorer",
}

// jumpReader reads one list.
type jumpReader struct {
	in          *artifact.Input
	emit        func(*event.Event) error
	application string
	damage      int
	oldest      event.Ticks
	newest      event.Ticks
}

func readJumplist(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	app, _, _ := strings.Cut(strings.ToLower(in.Name), ".")
	r := &jumpReader{in: in, emit: emit, application: app}
	var err error
	if strings.HasSuffix(strings.ToLower(in.Name), ".customdestinations-ms") {
		err = r.custom()
	} else {
		err = r.automatic()
	}
	if err != nil {
		return err
	}
	state := coverage.Read
	if r.damage > 0 {
		state = coverage.Partly
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: r.oldest, To: r.newest, History: coverage.Recording, State: state,
		How: "oldest and newest use in the list"})
	return nil
}

func (r *jumpReader) lost(kind problem.Kind, err error) {
	r.damage++
	r.in.Problem(kind, problem.Lost, err)
}

// automatic joins the DestList with the links, which lie in streams named by
// the entry's number in hex.
func (r *jumpReader) automatic() error {
	if r.in.Size == 0 {
		r.lost(problem.Malformed, errors.New("empty file"))
		return nil
	}
	var doc *olecf.File
	if err := guard.Run(func() (err error) { doc, err = olecf.Open(r.in.R, r.in.Size); return err }); err != nil {
		return err
	}
	links := map[string]*lnk.Link{}
	var order []string
	list := &destlist.List{}
	for _, e := range doc.Entries {
		if e.Storage {
			continue
		}
		var b []byte
		if err := guard.Run(func() (err error) { b, err = e.Read(jumplistLimit); return err }); err != nil {
			r.lost(problem.Malformed, err)
		}
		if strings.EqualFold(e.Name, "DestList") {
			got, err := destlist.Parse(b)
			if err != nil {
				r.lost(problem.Malformed, fmt.Errorf("DestList: %w", err))
				continue
			}
			list = got
			continue
		}
		r.in.Counts.Declared++
		l, err := lnk.Parse(b, lnk.Options{})
		if err != nil {
			r.in.Counts.Failed++
			r.lost(problem.Malformed, fmt.Errorf("stream %s: %w", e.FullName(), err))
			continue
		}
		r.in.Counts.Decoded++
		name := strings.ToLower(e.Name)
		links[name] = l
		order = append(order, name)
	}
	for _, d := range list.Damage {
		r.lost(problem.Malformed, fmt.Errorf("DestList: %w", d))
	}
	r.in.Counts.Declared += int64(list.Declared)
	r.in.Counts.Decoded += int64(len(list.Entries))
	r.in.Counts.Failed += int64(list.Declared) - int64(len(list.Entries))
	for i := range list.Entries {
		e := &list.Entries[i]
		name := strconv.FormatUint(uint64(e.ID), 16)
		if err := r.entry(e, links[name]); err != nil {
			return err
		}
		if l := links[name]; l != nil {
			delete(links, name)
			if err := r.link(name, "", l, entryFields(e)); err != nil {
				return err
			}
		}
	}
	for _, name := range order { // links whose entry was removed
		if l := links[name]; l != nil {
			if err := r.link(name, "", l, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry gives the last use of a destination.
func (r *jumpReader) entry(d *destlist.Entry, l *lnk.Link) error {
	e := event.Event{At: r.in.At.In("DestList").At(d.Offset), Recovered: r.in.State}
	if l != nil {
		e = linkRow(r.in, l, 0)
		e.At = r.in.At.In("DestList").At(d.Offset)
	}
	e.Length, e.Record = d.Length, strconv.FormatUint(uint64(d.ID), 16)
	e.Action, e.Meaning = event.ReadOrOpened, "last opened through this application"
	if len(d.Path) > 2 && (d.Path[0] == 'C' || d.Path[0] == 'c') && d.Path[1] == ':' {
		e.Path = artifact.VolumePath(d.Path)
	} else {
		e.Path = d.Path
	}
	if sid, u, ok := r.in.Machine.UserOf(r.in.Source); ok {
		e.UserSID, e.User = sid, u.Name
	}
	e.Fields = append(r.prefix(""), append(entryFields(d), e.Fields...)...)
	e.Message = fmt.Sprintf("%s was opened through %s by %s", e.Path, r.name(), shellUser(e))
	e.Ticks = event.Ticks(d.Modified)
	if !e.Ticks.Valid() {
		e.Fact, e.Ticks, e.To = true, 0, r.in.Times.Modified
		return r.emit(&e)
	}
	if r.oldest == 0 || e.Ticks < r.oldest {
		r.oldest = e.Ticks
	}
	r.newest = max(r.newest, e.Ticks)
	return r.emit(&e)
}

// link gives the target's times, or the fact that it is listed.
func (r *jumpReader) link(name, category string, l *lnk.Link, more []event.Field) error {
	for _, d := range l.Damage {
		r.lost(problem.Malformed, fmt.Errorf("link %s: %w", name, d))
	}
	e := linkRow(r.in, l, 0)
	e.At = r.in.At.In(name)
	e.Record = name
	e.Fields = append(append(append(r.prefix(category), more...), event.Str("link", name)), e.Fields...)
	n, err := emitTargetTimes(&e, l, r.emit)
	if err != nil || n > 0 {
		return err
	}
	e.Fact, e.To = true, r.in.Times.Modified
	e.Meaning, e.Action = "listed as a destination", event.Other
	e.Message = fmt.Sprintf("%s lists %s %s", r.name(), e.Path, l.Arguments.Text)
	return r.emit(&e)
}

func (r *jumpReader) prefix(category string) []event.Field {
	out := []event.Field{event.Str("application_id", r.application)}
	if name := applications[r.application]; name != "" {
		out = append(out, event.Str("application_presumed", name))
	}
	if category != "" {
		out = append(out, event.Str("category", category))
	}
	return out
}

func (r *jumpReader) name() string {
	if name := applications[r.application]; name != "" {
		return name
	}
	return "application " + r.application
}

func entryFields(e *destlist.Entry) []event.Field {
	f := fieldList{event.Uint("entry_number", e.ID), event.Bool("pinned", e.Pin >= 0)}
	if e.Count > 0 {
		f.add(event.Uint("use_count", e.Count))
	}
	f.text("host", e.Host)
	if !e.Volume.Zero() || !e.File.Zero() {
		f.text("destination_droid_volume", e.Volume.String())
		f.text("destination_droid_file", e.File.String())
		f.text("destination_mac", e.BirthFile.MAC())
	}
	return f
}

var categoryNames = map[uint32]string{0: "named", 1: "known", 2: "tasks"}

// custom reads the links that an application put into its list.
func (r *jumpReader) custom() error {
	b, err := r.in.Bytes(jumplistLimit)
	if err != nil {
		return err
	}
	var links []*lnk.Link
	file, err := destlist.ParseCustom(b, func(b []byte) int64 {
		l, err := lnk.Parse(b, lnk.Options{})
		if err != nil {
			return 0
		}
		links = append(links, l)
		return l.End
	})
	if err != nil {
		r.in.Counts.Declared, r.in.Counts.Failed = 1, 1
		return err
	}
	for _, d := range file.Damage {
		r.lost(problem.Malformed, d)
	}
	i := 0
	for _, c := range file.Categories {
		r.in.Counts.Declared += int64(c.Declared)
		r.in.Counts.Decoded += int64(len(c.Links))
		r.in.Counts.Failed += int64(c.Declared) - int64(len(c.Links))
		name := c.Name
		if name == "" {
			name = categoryNames[c.Type]
		}
		for _, at := range c.Links {
			l := links[i]
			i++
			if err := r.customLink(at, name, l); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *jumpReader) customLink(at destlist.Link, category string, l *lnk.Link) error {
	inner := r.in.At
	defer func() { r.in.At = inner }()
	r.in.At = r.in.At.At(at.Offset)
	for _, d := range l.Damage {
		r.lost(problem.Malformed, d)
	}
	l.Damage = nil
	e := linkRow(r.in, l, 0)
	e.Length = at.Length
	e.Fields = append(r.prefix(category), e.Fields...)
	n, err := emitTargetTimes(&e, l, r.emit)
	if err != nil || n > 0 {
		return err
	}
	e.Fact, e.To = true, r.in.Times.Modified
	e.Meaning, e.Action = "listed as a destination", event.Other
	e.Message = fmt.Sprintf("%s lists %s %s", r.name(), e.Path, l.Arguments.Text)
	return r.emit(&e)
}
