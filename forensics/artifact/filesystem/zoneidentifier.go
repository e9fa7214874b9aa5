package filesystem

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/textlog"
)

const zoneStream = ":Zone.Identifier"

// ZoneIdentifier reads the mark that browsers, mail programs and archive tools
// put on a file that came from elsewhere.
var ZoneIdentifier = artifact.Spec{
	Name:   "filesystem/zoneidentifier",
	Title:  "Zone.Identifier (mark of the web)",
	Globs:  []string{"**/*" + zoneStream},
	Loose:  func(_ string, head []byte) bool { return strings.HasPrefix(string(head), "[ZoneTransfer]") },
	Fields: []string{"zone", "zone_name", "host_url", "referrer_url", "host_ip", "last_writer", "other"},
	Limit:  1 << 20,
	Family: artifact.FamilyNTFS, // so counted in the note on suspicion; the writer is whoever saved the file
	Card: artifact.Card{
		Proves:    "a program that sets such marks wrote this file as coming from this zone, from Windows 10 on with the address it came from and the page that led there",
		NotProven: "when (the stream has no time; the file's birth bounds it); by which program or account; from which mail; that a file without a mark is from here: FAT, archives and many programs lose it, and anyone can set or remove it",
		Clock:     "none; bounded by the file's times",
		Retention: "as long as the file on NTFS",
		Switches:  "SaveZoneInformation (NTUSER, Attachments policy); Unblock-File and the file's properties remove it",
		Source:    "Microsoft Learn, Attachment Manager (AttachmentService); ANCHORS 4b",
	},
	Read: readZone,
}

var zoneNames = map[string]string{"0": "this machine", "1": "intranet", "2": "trusted sites", "3": "internet", "4": "restricted sites"}

func readZone(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	in.Counts.Declared = 1
	e := event.Event{Fact: true, From: in.Times.Created, Meaning: "marked as from elsewhere", Action: event.Other, At: in.At, Length: in.Size, Recovered: in.State,
		Path: strings.TrimSuffix(in.Source, zoneStream), Entry: in.At.Entry, Sequence: in.At.Sequence}
	values := map[string]string{}
	var other []string
	section := false
	for l, err := range textlog.Lines(in.R, min(in.Size, 1<<20), textlog.Options{}) {
		if err != nil {
			in.Counts.Failed = 1
			in.Problem(problem.Unreadable, problem.Lost, err)
			return nil
		}
		line := strings.Trim(l.Text, "\x00 \t")
		if strings.EqualFold(line, "[ZoneTransfer]") {
			section = true
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		k = strings.ToLower(strings.TrimSpace(k))
		switch {
		case line == "":
		case !ok || k != "zoneid" && k != "hosturl" && k != "referrerurl" && k != "hostipaddress" && k != "lastwriterpackagefamilyname":
			other = append(other, line)
		default:
			values[k] = strings.TrimSpace(v)
		}
		if l.Open && ok && !validZone(k, values[k]) {
			in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("line %q has no end", line))
		}
	}
	if !section || values["zoneid"] == "" {
		in.Counts.Failed, in.Counts.Decoded = 1, 0
		return errors.New("no [ZoneTransfer] with a ZoneId")
	}
	in.Counts.Decoded = 1
	zoneEvent(&e, values, other)
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: in.Times.Created, To: in.Times.Modified, History: coverage.Recording, State: coverage.Read, How: "one mark"})
	return emit(&e)
}

// validZone: a mark often ends without the end of a line; a zone is one digit.
func validZone(key, v string) bool { return key == "zoneid" && len(v) == 1 }

func zoneEvent(e *event.Event, values map[string]string, other []string) {
	id := values["zoneid"]
	name := zoneNames[id]
	if name == "" {
		name = "zone " + id
	}
	e.URL = values["hosturl"]
	if e.URL == "" || strings.HasPrefix(e.URL, "about:") {
		e.URL = values["referrerurl"]
	}
	if u, err := url.Parse(e.URL); err == nil && u.Host != "" {
		e.Host = u.Hostname()
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
			e.Port = uint16(n)
		}
	}
	if ip := values["hostipaddress"]; net.ParseIP(ip) != nil {
		e.Address = ip
	}
	if id == "3" || id == "4" || e.URL != "" {
		e.Action = event.Downloaded
	}
	e.Message = fmt.Sprintf("%s is marked as from: %s", e.Path, name)
	if e.URL != "" {
		e.Message += ", " + e.URL
	}
	e.Fields = []event.Field{event.Str("zone", id), event.Str("zone_name", name)}
	for _, k := range [][2]string{{"host_url", "hosturl"}, {"referrer_url", "referrerurl"}, {"host_ip", "hostipaddress"}, {"last_writer", "lastwriterpackagefamilyname"}} {
		if v := values[k[1]]; v != "" {
			e.Fields = append(e.Fields, event.Str(k[0], v))
		}
	}
	if other != nil {
		e.Fields = append(e.Fields, event.List("other", other))
	}
}
