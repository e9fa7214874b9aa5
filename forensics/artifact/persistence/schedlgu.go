package persistence

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

// SchedLgU is the scheduler's own log up to Windows 7: which job it started,
// when that ended, and how.
var SchedLgU = artifact.Spec{
	Name:  "persistence/schedlgu",
	Title: "Task scheduler log of XP (SchedLgU.txt)",
	Globs: []string{"**/Windows/SchedLgU.txt", "**/Windows/Tasks/SchedLgU.txt", "**/WINNT/SchedLgU.txt"},
	Loose: func(name string, _ []byte) bool {
		low := strings.ToLower(name)
		return low == "schedlgu.txt" || low == "schedlog.txt"
	},
	Fields: []string{"task", "program", "what", "local", "result"},
	Limit:  64 << 20,
	Family: artifact.FamilyScheduler,
	Card: artifact.Card{
		Proves:    "the scheduler started this job (or its own service) at this time, or noted its end and exit code",
		NotProven: "what the program did; who registered the job; jobs run since the log went round",
		Clock:     "local time of the machine, whole seconds; dates in the machine's own form: only those that begin with the year, or have AM or PM and then the month first, are read",
		Retention: "32 KB by default, written round and round: a line marks the newest entry",
		Switches:  "LogPath, MaxLogSizeKb (SOFTWARE, SchedulingAgent); the service",
		Source:    "Microsoft, How to use the Task Scheduler log (XP); no sample at hand: tested on lines written after that description; ANCHORS 4a",
	},
	Read: readSchedLgU,
}

var (
	schedName = regexp.MustCompile(`^"([^"]+)"(?: \(([^)]*)\))?`)
	schedTime = regexp.MustCompile(`(\d{4}/\d{1,2}/\d{1,2} \d{1,2}:\d\d:\d\d|\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d [AP]M)`)
)

// schedWords tell what a line says, in English and Japanese.
var schedWords = []struct {
	word    string
	meaning string
	action  event.Action
}{
	{"Started", "started by the scheduler", event.Executed}, {"開始", "started by the scheduler", event.Executed},
	{"Finished", "ended", event.Stopped}, {"終了", "ended", event.Stopped},
	{"Exited", "scheduler ended", event.Stopped}, {"Unable to", "could not be started", event.Other}, {"できません", "could not be started", event.Other},
}

// schedEntry is an entry while it is read.
type schedEntry struct {
	task, program string
	offset, end   int64
	line          int
	local         event.Ticks
	text          string
	result        string
	meaning       string
	action        event.Action
}

func readSchedLgU(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	var x *schedEntry
	var first, last event.Ticks
	wrapped, bad, n := false, 0, 0
	flush := func() error {
		e := x
		x = nil
		if e == nil {
			return nil
		}
		in.Counts.Declared++
		if e.local == 0 {
			in.Counts.Failed++
			if bad++; bad == 1 {
				in.Report(problem.Problem{At: in.At.At(e.offset), Length: e.end - e.offset, Kind: problem.Malformed, Severity: problem.Lost,
					Expected: "a date that begins with the year, or has AM or PM", Found: strings.TrimSpace(e.text)})
			}
			return nil
		}
		in.Counts.Decoded++
		row := schedEvent(in, e)
		if first == 0 || row.Ticks < first {
			first = row.Ticks
		}
		last = max(last, row.Ticks)
		return emit(row)
	}
	for l, err := range textlog.Lines(in.R, in.Size, textlog.Options{}) {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			in.Counts.Declared++
			in.Counts.Failed++
			in.Problem(problem.Unreadable, problem.Lost, err)
			continue
		}
		text := strings.Trim(l.Text, "\x00 ")
		if l.Open {
			in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("line %d has no end: the log may have been cut", l.Number))
		}
		if m := schedName.FindStringSubmatch(text); m != nil {
			if err := flush(); err != nil {
				return err
			}
			x = &schedEntry{task: m[1], program: m[2], offset: l.Offset, line: l.Number}
		}
		if strings.HasPrefix(text, "[") && strings.Contains(text, "*****") {
			wrapped = true // what follows, if anything, is older than what came before
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		if x != nil {
			x.take(text)
			x.end = l.Offset + l.Length
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if in.Counts.Declared == 0 {
		if !wrapped {
			return errors.New("no entry of the scheduler")
		}
		in.Problem(problem.Malformed, problem.Note, errors.New("no entry in the log"))
	}
	state := coverage.Read
	if in.Counts.Failed > 0 {
		state = coverage.Partly
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: first, To: last, History: coverage.Recording, State: state, How: "from the oldest to the newest entry that is left; older ones were written over"})
	return nil
}

// take reads a line of an entry: what and when, or the result.
func (x *schedEntry) take(text string) {
	if m := schedTime.FindString(text); m != "" && x.local == 0 {
		layout := "2006/1/2 15:04:05"
		if strings.HasSuffix(m, "M") {
			layout = "1/2/2006 3:04:05 PM"
		}
		if t, err := time.Parse(layout, m); err == nil {
			x.local = event.FromTime(t)
		}
		x.text = text
		x.meaning, x.action = "noted by the scheduler", event.Other
		for _, w := range schedWords {
			if strings.Contains(text, w.word) {
				x.meaning, x.action = w.meaning, w.action
				break
			}
		}
		return
	}
	if x.text == "" {
		x.text = text
	}
	if x.local != 0 && strings.TrimSpace(text) != "" {
		x.result = strings.TrimSpace(x.result + " " + strings.TrimSpace(text))
	}
}

func schedEvent(in *artifact.Input, x *schedEntry) *event.Event {
	e := &event.Event{Meaning: x.meaning, Action: x.action, Clock: event.LocalTime, Precision: event.Second, Program: x.program,
		At: in.At.At(x.offset), Length: x.end - x.offset, Record: strconv.Itoa(x.line), Recovered: in.State}
	e.Ticks, e.Zone, e.ZoneAssumed = in.Machine.Zone.UTC(x.local)
	if x.program == "" && x.action == event.Executed { // the service itself
		e.Action, e.Meaning = event.Started, "scheduler started"
	}
	e.Message = strings.TrimSpace(fmt.Sprintf("%s (%s): %s %s", x.task, x.program, e.Meaning, x.result))
	e.Fields = []event.Field{event.Str("task", x.task)}
	for _, f := range [][2]string{{"program", x.program}, {"what", strings.TrimSpace(x.text)}, {"local", strings.TrimSuffix(x.local.Format(event.Second), "Z")}, {"result", x.result}} {
		if f[1] != "" {
			e.Fields = append(e.Fields, event.Str(f[0], f[1]))
		}
	}
	return e
}
