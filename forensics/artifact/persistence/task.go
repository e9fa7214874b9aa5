package persistence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/taskjob"
	"kanshiki/parsers/taskxml"
)

// Task says what the scheduler is set to start, as whom and when; .job files
// also when they last ran.
var Task = artifact.Spec{
	Name:  "persistence/task",
	Title: "Scheduled tasks",
	Globs: []string{"**/Windows/System32/Tasks/**/*", "**/Windows/SysWOW64/Tasks/**/*", "**/Windows/System32/Tasks_Migrated/**/*", "**/Windows/Tasks/*.job"},
	Loose: func(name string, head []byte) bool {
		low := strings.ToLower(name)
		return strings.HasSuffix(low, ".job") && len(head) > 4 && head[2] == 1 && head[3] == 0 ||
			taskxml.Is(head) && strings.Contains(strings.ReplaceAll(string(head), "\x00", ""), "schemas.microsoft.com/windows/2004/02/mit/task")
	},
	Fields: []string{"task", "format", "command", "arguments", "working_dir", "launcher", "class_id", "data", "action_type", "run_as", "logon_type", "run_level",
		"author", "registered", "description", "source", "security", "enabled", "hidden", "triggers", "next_from", "exit_code", "status", "start_error",
		"last_run_local", "flags", "job_id", "signature_length"},
	Limit:  taskxml.MaxSize,
	Family: artifact.FamilyScheduler,
	Card: artifact.Card{
		Proves:    "the scheduler is set to start this program with these arguments at these triggers, as this account; a .job file: the scheduler started it last at this time, with this exit code",
		NotProven: "that an XML task ever ran (see TaskScheduler's log and TaskCache); that the program did its work; that author and registration date are true: whoever writes the file states them; that the task is visible (its registry entry may lack the SD value)",
		Clock:     ".job: SYSTEMTIME, local time; XML: local time unless it names a zone, stated by its author",
		Retention: "until deleted; .job files that delete themselves when done leave nothing",
		Switches:  "service Schedule; Enabled in the task",
		Source:    "[MS-TSCH] 2.4 and 2.5; dtformats, Job file format; ANCHORS 4a",
	},
	Read: readTask,
}

func readTask(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	in.Counts.Declared = 1
	b, err := in.Bytes(taskxml.MaxSize)
	if err == nil {
		if strings.HasSuffix(strings.ToLower(in.Name), ".job") {
			err = readJob(in, b, emit)
		} else {
			err = readTaskXML(in, b, emit)
		}
	}
	if err != nil && in.Counts.Decoded == 0 {
		in.Counts.Failed = 1
	}
	return err
}

// taskRow is the fact that a task stands so.
func taskRow(in *artifact.Input, command, arguments string) event.Event {
	e := event.Event{Fact: true, From: in.Times.Created, Action: event.Persisted, Meaning: "task starts this program", At: in.At, Length: in.Size, Recovered: in.State}
	line := command
	if arguments != "" {
		if strings.ContainsAny(line, " ") && !strings.HasPrefix(line, `"`) {
			line = `"` + line + `"`
		}
		line += " " + arguments
	}
	e.Program, _ = artifact.Program(line)
	e.Path = artifact.VolumePath(e.Program)
	return e
}

func taskLauncher(command, arguments string) string {
	_, launcher := artifact.Program(command + " " + arguments)
	return launcher
}

func taskCovered(in *artifact.Input, damage []error) {
	state := coverage.Read
	for _, d := range damage {
		state = coverage.Partly
		in.Problem(problem.Malformed, problem.Lost, d)
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: in.Times.Created, To: in.Times.Modified, History: coverage.Recording, State: state,
		How: "one task as its file stands"})
}

// fieldsOf collects fields and leaves out what is empty.
type taskFields []event.Field

func (f *taskFields) text(name, v string) {
	if v != "" {
		*f = append(*f, event.Str(name, v))
	}
}

func readTaskXML(in *artifact.Input, b []byte, emit func(*event.Event) error) error {
	t, err := taskxml.Parse(b)
	if err != nil {
		if !taskxml.Is(b) && len(b) > 0 { // another file in the task folder
			in.Counts.Declared = 0
			in.Problem(problem.Unsupported, problem.Note, fmt.Errorf("no task: %w", err))
			return nil
		}
		return err
	}
	in.Counts.Decoded = 1
	taskCovered(in, t.Damage)
	name := t.URI
	if name == "" {
		name = in.Name
	}
	for i := range t.Actions {
		a := &t.Actions[i]
		e := taskRow(in, a.Command, a.Arguments)
		e.Record = name
		what := e.Program
		if a.Command == "" {
			e.Program, e.Path = "", ""
			what = "class " + a.ClassID
		}
		xmlPrincipal(&e, t)
		e.Fields = xmlFields(t, a, name)
		e.Message = fmt.Sprintf("task %s starts %s%s", name, what, hidden(t.Hidden == "true", t.Enabled == "false"))
		if err := emit(&e); err != nil {
			return err
		}
	}
	if len(t.Actions) == 0 {
		e := taskRow(in, "", "")
		e.Record, e.Meaning, e.Action = name, "task without action", event.Configured
		e.Fields = xmlFields(t, &taskxml.Action{}, name)
		e.Message = fmt.Sprintf("task %s has no action", name)
		if err := emit(&e); err != nil {
			return err
		}
	}
	return emitRegistered(in, t, name, emit)
}

func hidden(h, disabled bool) string {
	switch {
	case h && disabled:
		return " (hidden, disabled)"
	case h:
		return " (hidden)"
	case disabled:
		return " (disabled)"
	}
	return ""
}

func xmlPrincipal(e *event.Event, t *taskxml.Task) {
	for _, p := range t.Principals {
		if strings.HasPrefix(strings.ToUpper(p.UserID), "S-1-") {
			e.UserSID = strings.ToUpper(p.UserID)
		} else if p.UserID != "" {
			e.User = p.UserID
		}
	}
}

func xmlFields(t *taskxml.Task, a *taskxml.Action, name string) []event.Field {
	f := taskFields{event.Str("task", name), event.Str("format", "XML "+t.Version)}
	f.text("command", a.Command)
	f.text("arguments", a.Arguments)
	f.text("working_dir", a.WorkingDir)
	f.text("launcher", taskLauncher(a.Command, a.Arguments))
	f.text("class_id", a.ClassID)
	f.text("data", a.Data+a.Text)
	f.text("action_type", a.Type)
	var as, logon, level []string
	for _, p := range t.Principals {
		as = append(as, strings.Trim(p.UserID+" "+p.GroupID, " "))
		logon = append(logon, p.LogonType)
		level = append(level, p.RunLevel)
	}
	f.text("run_as", strings.Join(as, ", "))
	f.text("logon_type", strings.Trim(strings.Join(logon, ", "), ", "))
	f.text("run_level", strings.Trim(strings.Join(level, ", "), ", "))
	f.text("author", t.Author)
	f.text("registered", t.Date)
	f.text("description", t.Description)
	f.text("source", t.Source)
	f.text("security", t.Security)
	f.text("enabled", t.Enabled)
	f.text("hidden", t.Hidden)
	var triggers []string
	for _, tr := range t.Triggers {
		triggers = append(triggers, triggerText(tr))
	}
	if triggers != nil {
		f = append(f, event.List("triggers", triggers))
	}
	return f
}

func triggerText(t taskxml.Trigger) string {
	s := t.Type
	for _, p := range []struct{ name, v string }{{"from", t.Start}, {"to", t.End}, {"every", t.Interval}, {"", t.Schedule}, {"delay", t.Delay},
		{"user", t.UserID}, {"event", t.Subscription}} {
		if p.v != "" {
			s += " " + strings.TrimLeft(p.name+" "+p.v, " ")
		}
	}
	if t.Enabled == "false" {
		s += " (disabled)"
	}
	return s
}

// emitRegistered gives the date that the task states of its registration.
func emitRegistered(in *artifact.Input, t *taskxml.Task, name string, emit func(*event.Event) error) error {
	if t.Date == "" {
		return nil
	}
	e := taskRow(in, "", "")
	if len(t.Actions) > 0 {
		e = taskRow(in, t.Actions[0].Command, t.Actions[0].Arguments)
	}
	e.Fact, e.From = false, 0
	e.Record, e.Clock, e.Action, e.Meaning = name, event.Application, event.JobQueued, "task registered, as it states"
	e.User = t.Author
	var ok bool
	if e.Ticks, e.Zone, e.ZoneAssumed, ok = xmlTime(in.Machine.Zone, t.Date); !ok {
		in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("registration date %q is no date", t.Date))
		return nil
	}
	e.Precision = event.Second
	if strings.Contains(t.Date, ".") {
		e.Precision = event.Exact
	}
	e.Fields = []event.Field{event.Str("task", name), event.Str("author", t.Author), event.Str("registered", t.Date)}
	e.Message = fmt.Sprintf("task %s was registered by %q, as it states", name, t.Author)
	return emit(&e)
}

// xmlTime reads a date of a task: with Z or an offset, else local time.
func xmlTime(z artifact.Zone, s string) (t event.Ticks, zone string, assumed, ok bool) {
	if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return event.FromTime(at), "", false, true
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05", "2006-01-02"} {
		if at, err := time.Parse(layout, s); err == nil {
			t, zone, assumed = z.UTC(event.FromTime(at))
			return t, zone, assumed, true
		}
	}
	return 0, "", false, false
}

var jobTriggers = []string{"once", "daily", "weekly", "monthly by date", "monthly by day of week", "when idle", "at system start", "at logon"}

func readJob(in *artifact.Input, b []byte, emit func(*event.Event) error) error {
	j, err := taskjob.Parse(b)
	if err != nil {
		return err
	}
	in.Counts.Decoded = 1
	taskCovered(in, j.Damage)
	if j.Application == "" && len(j.Damage) > 0 {
		return errors.New("the job's program cannot be read")
	}
	e := taskRow(in, j.Application, j.Parameters)
	e.Record = in.Name
	e.User = j.Author
	e.Fields = jobFields(in, j)
	e.Message = fmt.Sprintf("job %s starts %s%s", in.Name, e.Program, hidden(j.Flags&taskjob.FlagHidden != 0, j.Flags&taskjob.FlagDisabled != 0))
	if err := emit(&e); err != nil || j.LastRun == 0 {
		return err
	}
	e.Fact, e.From = false, 0
	e.Ticks, e.Zone, e.ZoneAssumed = in.Machine.Zone.UTC(event.Ticks(j.LastRun))
	e.Clock, e.Precision = event.LocalTime, event.Milli
	e.Action, e.Meaning = event.Executed, "last run by the scheduler"
	e.Message = fmt.Sprintf("job %s ran %s last, exit code %#x", in.Name, e.Program, j.ExitCode)
	return emit(&e)
}

func jobFields(in *artifact.Input, j *taskjob.Job) []event.Field {
	f := taskFields{event.Str("task", in.Name), event.Str("format", fmt.Sprintf("job, product %#x", j.Product))}
	f.text("command", j.Application)
	f.text("arguments", j.Parameters)
	f.text("working_dir", j.WorkingDir)
	f.text("launcher", taskLauncher(j.Application, j.Parameters))
	f.text("author", j.Author)
	f.text("description", j.Comment)
	f = append(f, event.Bool("enabled", j.Flags&taskjob.FlagDisabled == 0), event.Bool("hidden", j.Flags&taskjob.FlagHidden != 0))
	var triggers []string
	for _, t := range j.Triggers {
		s := fmt.Sprintf("type %d", t.Type)
		if int(t.Type) < len(jobTriggers) {
			s = jobTriggers[t.Type]
		}
		if t.Start != 0 {
			s += " from " + localText(t.Start)
		}
		if t.End != 0 {
			s += " to " + localText(t.End)
		}
		if t.IntervalMins > 0 {
			s += fmt.Sprintf(" every %d min for %d min", t.IntervalMins, t.DurationMins)
		}
		triggers = append(triggers, s)
	}
	f = append(f, event.List("triggers", triggers), event.Hex("exit_code", j.ExitCode), event.Hex("status", j.Status), event.Hex("start_error", j.StartError))
	if j.LastRun != 0 {
		f.text("last_run_local", localText(j.LastRun))
	}
	return append(f, event.Hex("flags", j.Flags), event.Str("job_id", j.ID.String()), event.Int("signature_length", len(j.Signature)))
}

// localText prints a local time, without the Z of UTC.
func localText(t uint64) string {
	return strings.TrimSuffix(event.Ticks(t).Format(event.Milli), "Z") + " local"
}
