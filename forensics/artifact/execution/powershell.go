package execution

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/textlog"
)

// PowerShellHistory are the lines that an account typed at a PowerShell
// prompt, in order and without times.
var PowerShellHistory = artifact.Spec{
	Name:   "execution/powershellhistory",
	Title:  "PowerShell, lines typed (PSReadLine)",
	Globs:  []string{"**/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/*_history.txt"},
	Loose:  func(name string, _ []byte) bool { return strings.EqualFold(name, "ConsoleHost_history.txt") },
	Fields: []string{"command", "line", "lines", "place"},
	Limit:  64 << 20,
	Family: artifact.FamilyShell,
	Card: artifact.Card{
		Proves:    "these lines were typed or pasted at a prompt of this account, in this order; the last one when the file was last written",
		NotProven: "that a line ran, worked or did what it says; when any but the last was typed; lines of scripts, of -Command, of remote sessions and of hosts without PSReadLine; that none were removed (the file is plain text; lines with words like password are left out by newer versions)",
		Clock:     "none; the file's times bound it",
		Retention: "4,096 lines, over all sessions",
		Switches:  "Set-PSReadLineOption -HistorySaveStyle SaveNothing; Clear-History does not touch it",
		Source:    "Microsoft Learn, about_PSReadLine; ANCHORS 4a",
	},
	Read: readPowerShellHistory,
}

func readPowerShellHistory(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	var held *event.Event // the last line gets the file's time
	var lines []string
	state := coverage.Read
	flush := func(last bool) error {
		if held == nil {
			return nil
		}
		command := strings.Join(lines, "\n")
		held.Message = "line typed in PowerShell: " + command
		held.Fields = append([]event.Field{event.Str("command", command)}, held.Fields...)
		if last && in.Times.Modified.Valid() {
			held.From = in.Times.Modified
		}
		if len(lines) > 1 {
			held.Fields = append(held.Fields, event.Int("lines", len(lines)))
		}
		if last {
			held.Fields = append(held.Fields, event.Str("place", "last"))
		}
		e := held
		held, lines = nil, nil
		in.Counts.Decoded++
		return emit(e)
	}
	n := 0
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
		text := strings.TrimRight(strings.Trim(l.Text, "\x00"), " ")
		if text == "" && held == nil {
			continue
		}
		if l.Open {
			state = coverage.Partly
			in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("line %d has no end: the file may have been cut", l.Number))
		}
		if held == nil {
			in.Counts.Declared++
			held = &event.Event{Fact: true, To: in.Times.Modified, Precision: event.OrderOnly, Meaning: "typed", Action: event.Other,
				At: in.At.At(l.Offset), Record: strconv.Itoa(l.Number), Recovered: in.State, Fields: []event.Field{event.Int("line", l.Number)}}
			if sid, u, ok := in.Machine.UserOf(in.Source); ok {
				held.UserSID, held.User = sid, u.Name
			}
		}
		held.Length += l.Length
		rest, more := strings.CutSuffix(text, "`") // PSReadLine ends each but the last line of a command so
		lines = append(lines, rest)
		if more && len(lines) < 1000 {
			continue
		}
		if err := flush(l.Offset+l.Length >= in.Size); err != nil {
			return err
		}
	}
	if held != nil { // the last command lacks its last line
		in.Problem(problem.Malformed, problem.Doubt, errors.New("the last command goes on behind the end of the file"))
	}
	if err := flush(true); err != nil {
		return err
	}
	if in.Counts.Declared == 0 {
		in.Problem(problem.Malformed, problem.Note, errors.New("no line in the history"))
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: in.Times.Created, To: in.Times.Modified, History: coverage.Recording, State: state,
		How: fmt.Sprintf("%d lines without times, at most the newest 4,096", in.Counts.Decoded)})
	return nil
}

// PowerShellTranscript are the records of whole sessions that a policy or a
// user switched on: who, with which program, what was typed and what came out.
var PowerShellTranscript = artifact.Spec{
	Name:  "execution/powershelltranscript",
	Title: "PowerShell transcripts",
	Globs: []string{"**/PowerShell_transcript*.txt"},
	Loose: func(name string, _ []byte) bool {
		return strings.HasPrefix(strings.ToLower(name), "powershell_transcript")
	},
	Fields: []string{"command", "output_lines", "username", "run_as", "computer", "host_application", "process_id", "version", "started_local"},
	Limit:  256 << 20,
	Family: artifact.FamilyShell,
	Card: artifact.Card{
		Proves:    "a PowerShell session of this account began and ended at these times with this command line; these lines were typed in it and this came out",
		NotProven: "that the file was not changed since (it is plain text, written by the account itself); when each line was typed, unless invocation headers were on",
		Clock:     "local time of the machine, whole seconds",
		Retention: "until deleted",
		Switches:  "Start-Transcript, or the policy EnableTranscripting (SOFTWARE and NTUSER, Policies\\Microsoft\\Windows\\PowerShell\\Transcription); off by default",
		Source:    "Microsoft Learn, Start-Transcript; corpus sample; ANCHORS 4a",
	},
	Read: readTranscript,
}

var (
	transcriptStars  = regexp.MustCompile(`^\*{20,}\s*$`)
	transcriptStamp  = regexp.MustCompile(`\b(\d{14})\b`)
	transcriptPrompt = regexp.MustCompile(`^PS [^>]*> ?(.*)$`)
)

// transcript reads one file. Headers stand between lines of stars.
type transcript struct {
	in      *artifact.Input
	emit    func(*event.Event) error
	header  []string // lines of the header that is being read
	head    bool
	session map[string]string
	start   event.Ticks // local
	invoke  event.Ticks // local, of the next command
	e       *event.Event
	output  int
	last    event.Ticks
	first   event.Ticks
	ended   bool
}

// transcriptKeys are the names of a header's lines, in English and Japanese.
var transcriptKeys = map[string]string{
	"start time": "start", "開始時刻": "start", "end time": "end", "終了時刻": "end", "command start time": "command", "コマンド開始時刻": "command",
	"username": "username", "ユーザー名": "username", "runas user": "run_as", "runas ユーザー": "run_as", "実行ユーザー": "run_as", "machine": "computer", "コンピューター": "computer",
	"host application": "host_application", "ホスト アプリケーション": "host_application", "process id": "process_id", "プロセス id": "process_id", "psversion": "version",
}

func readTranscript(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	t := &transcript{in: in, emit: emit}
	state, n := coverage.Read, 0
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
		if err := t.line(strings.Trim(l.Text, "\x00"), &l); err != nil {
			return err
		}
		if l.Open {
			in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("line %d has no end: the file may have been cut", l.Number))
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	if t.session == nil {
		return errors.New("no header of a PowerShell session")
	}
	if !t.ended {
		state = coverage.Partly
		in.Problem(problem.Malformed, problem.Note, errors.New("the session has no end: it was killed, still runs, or the file was cut"))
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: t.first, To: t.last, History: coverage.Recording, State: state, How: "one session, from its start to its last header"})
	return nil
}

func (t *transcript) line(text string, l *textlog.Line) error {
	switch {
	case transcriptStars.MatchString(text):
		t.head = !t.head
		if t.head {
			t.header = nil
			return t.flush()
		}
		return t.endHeader(l)
	case t.head:
		t.header = append(t.header, text)
		if len(t.header) > 64 { // stars within the output of a command
			t.head = false
		}
		return nil
	}
	if m := transcriptPrompt.FindStringSubmatch(text); m != nil {
		if err := t.flush(); err != nil {
			return err
		}
		if strings.TrimSpace(m[1]) != "" {
			t.command(m[1], l)
		}
		return nil
	}
	if t.e != nil {
		t.output++
		t.e.Length = l.Offset + l.Length - t.e.At.Offset
	}
	return nil
}

// endHeader takes the lines of a header: of the session's start or end, or of
// a command.
func (t *transcript) endHeader(l *textlog.Line) error {
	values := map[string]string{}
	for _, line := range t.header {
		k, v, ok := strings.Cut(line, ":")
		if name := transcriptKeys[strings.ToLower(strings.TrimSpace(k))]; ok && name != "" {
			values[name] = strings.TrimSpace(v)
		}
	}
	stamp := func(s string) event.Ticks {
		if m := transcriptStamp.FindString(s); m != "" {
			if at, err := time.Parse("20060102150405", m); err == nil {
				return event.FromTime(at)
			}
		}
		return 0
	}
	switch {
	case values["command"] != "":
		t.invoke = stamp(values["command"])
		return nil
	case values["start"] != "":
		t.session, t.start = values, stamp(values["start"])
		return t.edge(t.start, "PowerShell session began", event.Executed, l)
	case values["end"] != "":
		t.ended = true
		return t.edge(stamp(values["end"]), "PowerShell session ended", event.Stopped, l)
	}
	return nil
}

// row is an event of this session at a local time, or a fact where it has none.
func (t *transcript) row(local event.Ticks, l *textlog.Line) event.Event {
	e := event.Event{Precision: event.Second, Clock: event.LocalTime, At: t.in.At.At(l.Offset), Length: l.Length, Record: strconv.Itoa(l.Number), Recovered: t.in.State}
	if local.Valid() {
		e.Ticks, e.Zone, e.ZoneAssumed = t.in.Machine.Zone.UTC(local)
		if t.first == 0 || e.Ticks < t.first {
			t.first = e.Ticks
		}
		t.last = max(t.last, e.Ticks)
	}
	e.User = t.session["username"]
	if sid, u, ok := t.in.Machine.UserOf(t.in.Source); ok {
		e.UserSID = sid
		if e.User == "" {
			e.User = u.Name
		}
	}
	e.Program, _ = artifact.Program(t.session["host_application"])
	return e
}

func (t *transcript) edge(local event.Ticks, meaning string, action event.Action, l *textlog.Line) error {
	t.in.Counts.Declared++
	if !local.Valid() {
		t.in.Counts.Failed++
		t.in.Problem(problem.Malformed, problem.Lost, fmt.Errorf("%s: no time in the header that ends at line %d", meaning, l.Number))
		return nil
	}
	t.in.Counts.Decoded++
	e := t.row(local, l)
	e.Meaning, e.Action = meaning, action
	e.Message = fmt.Sprintf("%s: %s as %s", meaning, t.session["host_application"], t.session["username"])
	e.Path = artifact.VolumePath(e.Program)
	e.Fields = t.fields(nil)
	return t.emit(&e)
}

func (t *transcript) command(text string, l *textlog.Line) {
	t.in.Counts.Declared++
	e := t.row(t.invoke, l)
	if !t.invoke.Valid() {
		e.Fact, e.Precision, e.Clock, e.Zone, e.ZoneAssumed = true, event.OrderOnly, "", "", false
		if t.start.Valid() {
			e.From, _, _ = t.in.Machine.Zone.UTC(t.start)
		}
		e.To = t.in.Times.Modified
	}
	t.invoke = 0
	e.Meaning, e.Action = "typed", event.Other
	e.Message = "line typed in PowerShell: " + text
	e.Fields = []event.Field{event.Str("command", text)}
	t.e, t.output = &e, 0
}

// flush gives the command whose output has ended.
func (t *transcript) flush() error {
	if t.e == nil {
		return nil
	}
	e := t.e
	t.e = nil
	t.in.Counts.Decoded++
	e.Fields = append(e.Fields, event.Int("output_lines", t.output))
	e.Fields = t.fields(e.Fields)
	return t.emit(e)
}

func (t *transcript) fields(f []event.Field) []event.Field {
	for _, name := range []string{"username", "run_as", "computer", "host_application", "process_id", "version"} {
		if v := t.session[name]; v != "" {
			f = append(f, event.Str(name, v))
		}
	}
	if t.start != 0 {
		f = append(f, event.Str("started_local", strings.TrimSuffix(t.start.Format(event.Second), "Z")))
	}
	return f
}
