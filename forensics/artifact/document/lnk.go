package document

import (
	"context"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/lnk"
)

// Lnk says what a shell link names: its target with the target's own times,
// size, volume and machine at the moment the link was written. Only links that
// the shell itself makes in a Recent folder say that the target was opened.
var Lnk = artifact.Spec{
	Name:   "document/lnk",
	Title:  "Shell links",
	Globs:  []string{"**/*.lnk"},
	Loose:  func(_ string, head []byte) bool { return lnk.Is(head) },
	Fields: linkFields,
	Limit:  lnk.MaxSize,
	Family: artifact.FamilyShell,
	Card: artifact.Card{
		Proves:    "the target existed with these times, this size and this volume when the link was last written; in a Recent folder: the account's shell opened the target then",
		NotProven: "that a person read it; that the target is still there or unchanged; for links elsewhere: that it was opened at all; that the link was made on this machine (links are copied); that the birth machine is the owner's",
		Clock:     linkClockNote + "; opening times are those of the link file ($SI)",
		Retention: "Recent keeps about 149 links, one for each name; other links until deleted",
		Switches:  "NoRecentDocsHistory, Start_TrackDocs (NTUSER, Explorer policies and Advanced); cleaners empty Recent",
		Source:    "[MS-SHLLINK]; liblnk and libfwsi documentation; ANCHORS 4b",
	},
	Read: readLnk,
}

func readLnk(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	in.Counts.Declared = 1
	b, err := in.Bytes(lnk.MaxSize)
	var l *lnk.Link
	if err == nil {
		l, err = lnk.Parse(b, lnk.Options{})
	}
	if err != nil {
		in.Counts.Failed = 1
		return err
	}
	in.Counts.Decoded = 1
	for _, d := range l.Damage {
		in.Problem(problem.Malformed, problem.Lost, d)
	}
	state := coverage.Read
	if len(l.Damage) > 0 {
		state = coverage.Partly
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: in.Times.Created, To: in.Times.Modified,
		History: coverage.Recording, State: state, How: "one link: its own birth and last writing"})
	e := linkRow(in, l, in.Size-l.End)
	n, err := emitTargetTimes(&e, l, emit)
	if err != nil {
		return err
	}
	opened, err := emitOpened(in, e, emit)
	if err != nil || n+opened > 0 {
		return emitStart(in, e, err, emit)
	}
	e.Fact, e.From, e.To = true, in.Times.Created, 0
	e.Meaning, e.Action = "link names this target", event.Other
	e.Message = fmt.Sprintf("link %s names %s", in.Name, e.Path)
	return emitStart(in, e, emit(&e), emit)
}

// emitTargetTimes gives an event for each distinct time of the target that is
// set.
func emitTargetTimes(e *event.Event, l *lnk.Link, emit func(*event.Event) error) (n int, err error) {
	for _, t := range linkTimes(l) {
		e.Ticks = event.Ticks(t.ticks)
		if !e.Ticks.Valid() {
			continue
		}
		e.Meaning, e.Action, e.Clock = t.meaning, t.action, event.FileSystem
		e.Message = fmt.Sprintf("%s: %s", t.meaning, e.Path)
		if err := emit(e); err != nil {
			return n, err
		}
		n++
	}
	e.Ticks, e.Clock = 0, ""
	return n, nil
}

// emitOpened gives what the link file's own times say, for links that the
// shell makes when something is opened.
func emitOpened(in *artifact.Input, e event.Event, emit func(*event.Event) error) (n int, err error) {
	dir := "/" + strings.ToLower(strings.TrimSuffix(in.Source, in.Name))
	if !strings.Contains(dir, "/recent/") && !strings.HasSuffix(dir, "/microsoft/office/") {
		return 0, nil
	}
	e.Clock, e.Action = event.FileSystem, event.ReadOrOpened
	for _, t := range []struct {
		at      event.Ticks
		meaning string
	}{{in.Times.Created, "first opened (link created)"}, {in.Times.Modified, "last opened (link written)"}} {
		if !t.at.Valid() {
			continue
		}
		e.Ticks, e.Meaning = t.at, t.meaning
		e.Message = fmt.Sprintf("%s was opened by %s: %s", e.Path, shellUser(e), t.meaning)
		if err := emit(&e); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func shellUser(e event.Event) string {
	if e.User == "" {
		return "the shell of an account"
	}
	return "the shell of " + e.User
}

// emitStart adds the fact that a link in a Startup folder starts its target.
func emitStart(in *artifact.Input, e event.Event, err error, emit func(*event.Event) error) error {
	low := "/" + strings.ToLower(in.Source)
	if err != nil || !strings.Contains(low, "/programs/startup/") && !strings.Contains(low, "/programs/スタートアップ/") {
		return err
	}
	e.Fact, e.Ticks, e.Clock = true, 0, ""
	e.From, e.To = in.Times.Created, 0
	e.Meaning, e.Action, e.Program = "starts at logon (Startup folder)", event.Persisted, e.Path
	e.Message = fmt.Sprintf("%s starts at logon: link %s", e.Path, in.Source)
	return emit(&e)
}
