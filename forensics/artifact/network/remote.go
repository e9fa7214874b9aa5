package network

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/textlog"
)

// Remote reads the lists of sessions that TeamViewer keeps.
var Remote = artifact.Spec{
	Name:   "network/remote",
	Title:  "Remote control sessions (TeamViewer)",
	Globs:  []string{"**/TeamViewer/Connections_incoming.txt", "**/TeamViewer/Connection_incoming.txt", "**/TeamViewer/Connections.txt"},
	Fields: []string{"tool", "direction", "peer_id", "peer_name", "kind", "session", "ended", "seconds"},
	Limit:  256 << 20,
	Family: artifact.FamilyTool,
	Card: artifact.Card{
		Proves:    "the tool noted a session with this partner between these times, of this kind",
		NotProven: "who sat at the other side; what was seen, typed or carried over (file transfers stand in the tool's log file, if at all); sessions that the tool was told not to note",
		Clock:     "UTC, whole seconds, day before month",
		Retention: "until the file is deleted",
		Switches:  "the tool's own options for logging; uninstalling leaves the files",
		Source:    "samples; field knowledge of TeamViewer's connection lists; ANCHORS 4e",
	},
	Read: readRemote,
}

// session is one line.
type session struct {
	peer, name, user, kind, id string
	from, to                   event.Ticks
}

// sessionLine reads an incoming session (partner, name, begin, end, account,
// kind, identifier) or an outgoing one (the same without name).
func sessionLine(line string) (session, error) {
	f := strings.Split(strings.TrimRight(line, "\t\r "), "\t")
	var s session
	if len(f) >= 6 && sessionTime(f[2]) != 0 {
		s = session{peer: f[0], name: f[1], from: sessionTime(f[2]), to: sessionTime(f[3]), user: f[4], kind: f[5]}
		f = f[6:]
	} else if len(f) >= 5 && sessionTime(f[1]) != 0 {
		s = session{peer: f[0], from: sessionTime(f[1]), to: sessionTime(f[2]), user: f[3], kind: f[4]}
		f = f[5:]
	} else {
		return s, errors.New("no session with a time")
	}
	if len(f) > 0 {
		s.id = f[0]
	}
	if _, err := strconv.ParseUint(strings.TrimSpace(s.peer), 10, 64); err != nil {
		return s, errors.New("partner is no number")
	}
	return s, nil
}

func sessionTime(s string) event.Ticks {
	t, err := time.Parse("02-01-2006 15:04:05", strings.TrimSpace(s))
	if err != nil {
		return 0
	}
	return event.FromTime(t)
}

func readRemote(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	incoming := strings.Contains(strings.ToLower(in.Name), "incoming")
	var bad badLines
	var first, last event.Ticks
	for l, err := range textlog.Lines(in.R, in.Size, textlog.Options{}) {
		if err != nil {
			bad.hole(in, err)
			continue
		}
		if strings.Trim(l.Text, "\x00\t ") == "" {
			continue
		}
		in.Counts.Declared++
		s, err := sessionLine(l.Text)
		if err != nil {
			in.Counts.Failed++
			bad.add(in, l.Offset, l.Length, err)
			continue
		}
		if l.Open { // usual in these files, so only noted
			in.Report(problem.Problem{At: in.At.At(l.Offset), Length: l.Length, Kind: problem.Malformed, Severity: problem.Note, Expected: "the end of a line", Found: "the end of the file"})
		}
		in.Counts.Decoded++
		if first == 0 || s.from < first {
			first = s.from
		}
		last = max(last, s.from, s.to)
		if err := emitSession(in, &l, s, incoming, emit); err != nil {
			return err
		}
	}
	bad.report(in)
	bad.empty(in)
	state := coverage.Read
	if in.Counts.Failed > 0 {
		state = coverage.Partly
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: first, To: last, History: coverage.Recording, State: state, How: "from first to last session"})
	if in.Counts.Decoded == 0 && in.Size > 0 {
		in.Problem(problem.Unsupported, problem.Note, errors.New("no session in a form that is known"))
	}
	return nil
}

func emitSession(in *artifact.Input, l *textlog.Line, s session, incoming bool, emit func(*event.Event) error) error {
	direction, word := "outgoing", "to"
	if incoming {
		direction, word = "incoming", "from"
	}
	e := event.Event{Action: event.Connected, Precision: event.Second, User: s.user, Host: s.name, Clock: event.Application,
		At: in.At.At(l.Offset), Length: l.Length, Record: strconv.Itoa(l.Number), Recovered: in.State}
	e.Fields = []event.Field{event.Str("tool", "TeamViewer"), event.Str("direction", direction), event.Str("peer_id", s.peer)}
	text := func(name, v string) {
		if v != "" {
			e.Fields = append(e.Fields, event.Str(name, v))
		}
	}
	text("peer_name", s.name)
	text("kind", s.kind)
	text("session", s.id)
	if s.to >= s.from && s.to != 0 {
		e.Fields = append(e.Fields, event.When("ended", s.to), event.Int("seconds", int64(s.to.Sub(s.from)/time.Second)))
	}
	e.Ticks, e.Meaning = s.from, "remote session began"
	e.Message = fmt.Sprintf("TeamViewer: %s session began, %s %s %s", s.kind, word, s.peer, s.name)
	if err := emit(&e); err != nil || s.to == 0 {
		return err
	}
	e.Ticks, e.Meaning, e.Action = s.to, "remote session ended", event.LoggedOff
	e.Message = fmt.Sprintf("TeamViewer: %s session ended, %s %s %s", s.kind, word, s.peer, s.name)
	return emit(&e)
}
