package persistence

import (
	"context"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
)

// Startup are the files that lie in a Startup folder themselves; links in it
// are told by document/lnk, which knows their targets.
var Startup = artifact.Spec{
	Name:  "persistence/startup",
	Title: "Files in Startup folders",
	Globs: []string{
		"**/Start Menu/Programs/Startup/*", "**/Start Menu/Programs/スタートアップ/*", "**/スタート メニュー/プログラム/スタートアップ/*",
		"**/Windows/System32/GroupPolicy/*/Scripts/*/*",
	},
	Fields: []string{"place", "file_created", "file_modified"},
	Limit:  1 << 40, // nothing of the content is read
	Family: artifact.FamilyNTFS,
	Card: artifact.Card{
		Proves:    "The file lies in a folder whose files the shell opens at the logon of this user or of all users, or where the scripts of group policy lie.",
		NotProven: "That it was opened; who put it there. The file's birth in the folder is the earliest time, if it was not forged.",
		Clock:     "File-system driver, 100 ns ($FILE_NAME, else $STANDARD_INFORMATION).",
		Retention: "Until deleted.",
		Switches:  "StartupApproved\\StartupFolder (NTUSER.DAT) may disable an entry; another folder may be set by User Shell Folders.",
		Source:    "Microsoft Learn, \"Known folders\" (FOLDERID_Startup, FOLDERID_CommonStartup); group policy scripts.",
	},
	Read: readStartup,
}

func readStartup(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	low := strings.ToLower(in.Name)
	if low == "desktop.ini" || strings.HasSuffix(low, ".lnk") {
		in.Cover(coverage.Fact{History: coverage.Recording, State: coverage.Read, How: "no program of its own; a link is told by document/lnk"})
		return nil
	}
	in.Counts.Declared, in.Counts.Decoded = 1, 1
	born := in.Times.FNCreated
	if !born.Valid() {
		born = in.Times.Created
	}
	place := "startup folder"
	if strings.Contains(strings.ToLower(in.Source), "/grouppolicy/") {
		place = "script of group policy"
	}
	e := &event.Event{
		Fact: true, From: born, Meaning: "start place holds this program", Action: event.Persisted, Program: in.Source, Path: in.Source,
		At: in.At, Recovered: in.State, Fields: []event.Field{event.Str("place", place)},
		Message: place + " holds " + in.Name,
	}
	if in.Machine != nil {
		if sid, u, ok := in.Machine.UserOf(in.Source); ok {
			e.UserSID, e.User = sid, u.Name
		}
	}
	for _, t := range []struct {
		name string
		at   event.Ticks
	}{{"file_created", in.Times.Created}, {"file_modified", in.Times.Modified}} {
		if t.at.Valid() {
			e.Fields = append(e.Fields, event.When(t.name, t.at))
		}
	}
	in.Cover(coverage.Fact{History: coverage.Recording, State: coverage.Read, From: born, How: "a file of a start folder"})
	return emit(e)
}
