package network

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/textlog"
)

// Hosts reads the table of names that goes before DNS.
var Hosts = artifact.Spec{
	Name:   "network/hosts",
	Title:  "hosts and lmhosts",
	Globs:  []string{"**/Windows/System32/drivers/etc/hosts", "**/Windows/System32/drivers/etc/lmhosts", "**/WINNT/System32/drivers/etc/hosts"},
	Fields: []string{"names", "comment"},
	Limit:  64 << 20,
	Family: artifact.FamilyContent,
	Card: artifact.Card{
		Proves:    "this machine resolves the name to the address, whatever DNS says, as long as the file stands so",
		NotProven: "who wrote it and when (the file's modified time bounds it); that the name was ever asked for; that the entry harms: blockers of advertisements write thousands",
		Clock:     "none; bounded by the file's times",
		Retention: "until changed",
		Switches:  "DataBasePath (SYSTEM, Tcpip\\Parameters) moves the file",
		Source:    "the comments of the file itself; RFC 952; ANCHORS 4c",
	},
	Read: readHosts,
}

func readHosts(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	n, state := 0, coverage.Read
	for l, err := range textlog.Lines(in.R, in.Size, textlog.Options{}) {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			state = coverage.Partly
			in.Counts.Declared++
			in.Counts.Failed++
			in.Problem(problem.Unreadable, problem.Lost, err)
			continue
		}
		line, comment, _ := strings.Cut(strings.Trim(l.Text, "\x00"), "#")
		f := strings.Fields(line)
		if l.Open && len(f) > 0 {
			in.Report(problem.Problem{At: in.At.At(l.Offset), Length: l.Length, Kind: problem.Malformed, Severity: problem.Note, Expected: "the end of a line", Found: "the end of the file"})
		}
		if len(f) == 0 {
			continue
		}
		in.Counts.Declared++
		address, _, _ := strings.Cut(f[0], "%")
		if len(f) < 2 || net.ParseIP(address) == nil {
			in.Counts.Failed++
			state = coverage.Partly
			in.Report(problem.Problem{At: in.At.At(l.Offset), Length: l.Length, Kind: problem.Malformed, Severity: problem.Doubt, Expected: "an address and a name", Found: line})
			continue
		}
		in.Counts.Decoded++
		for _, name := range f[1:] {
			e := event.Event{Fact: true, From: in.Times.Modified, Meaning: "name set by hand", Action: event.Configured, Host: name, Address: f[0],
				At: in.At.At(l.Offset), Length: l.Length, Record: strconv.Itoa(l.Number), Recovered: in.State,
				Message: fmt.Sprintf("%s resolves to %s by %s", name, f[0], in.Name)}
			if len(f) > 2 {
				e.Fields = append(e.Fields, event.List("names", f[1:]))
			}
			if c := strings.TrimSpace(comment); c != "" {
				e.Fields = append(e.Fields, event.Str("comment", c))
			}
			if err := emit(&e); err != nil {
				return err
			}
		}
	}
	if in.Size == 0 {
		in.Report(problem.Problem{At: in.At, Kind: problem.Malformed, Severity: problem.Note, Expected: "a table of names", Found: "an empty file"})
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: in.Times.Modified, History: coverage.Recording, State: state, How: "as the file stands"})
	return nil
}
