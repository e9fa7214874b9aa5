// Package taskxml reads scheduled tasks of Windows Vista and later.
//
// Source: [MS-TSCH] 2.5 and its schema. The files are XML in UTF-16 with a
// byte order mark; UTF-8 is read too. Read: registration, principals, triggers
// with their times as written, actions of all kinds, the settings that decide
// whether a task is shown and runs. Every other element is counted, not kept.
// Entities beyond the five of XML are not resolved.
//
// A file that stops being XML gives what was read before, and a located error
// in Damage.
package taskxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// MaxSize bounds a task; real ones have a few kilobytes.
const MaxSize = 4 << 20

// Limits of what a file may hold.
const (
	maxDepth = 64
	maxItems = 4096 // triggers, and actions
)

// Task is a scheduled task.
type Task struct {
	Version string // of the schema: 1.2 …

	URI         string // path in the task folder
	Author      string
	Date        string // of registration, as written: local time unless it names a zone
	Source      string
	Description string
	Security    string // SDDL

	Principals []Principal
	Triggers   []Trigger
	Actions    []Action

	Enabled  string // "" where not written: true
	Hidden   string // "" where not written: false
	Settings map[string]string
	Damage   []error
}

// Principal is who a task runs as.
type Principal struct {
	ID, UserID, GroupID, LogonType, RunLevel string
}

// Trigger is when a task starts.
type Trigger struct {
	Type         string // TimeTrigger, LogonTrigger, BootTrigger, EventTrigger …
	Enabled      string
	Start, End   string // as written
	UserID       string
	Delay        string
	Interval     string // of the repetition
	Subscription string // query of an event trigger
	Schedule     string // ScheduleByDay … of a calendar trigger
}

// Action is what a task does.
type Action struct {
	Type       string // Exec, ComHandler, SendEmail, ShowMessage
	Command    string
	Arguments  string
	WorkingDir string
	ClassID    string
	Data       string
	Text       string // of a mail or message: subject and body
}

// Is tells whether b begins as such a file may: XML, by its mark or its first
// character.
func Is(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte{0xEF, 0xBB, 0xBF})
	return bytes.HasPrefix(b, []byte{0xFF, 0xFE, '<', 0}) || bytes.HasPrefix(b, []byte("<?xml")) || bytes.HasPrefix(b, []byte("<Task"))
}

// Parse reads a task.
func Parse(b []byte) (*Task, error) {
	if len(b) > MaxSize {
		return nil, cursor.Errorf(MaxSize, "%d bytes are more than a task has", len(b))
	}
	text, offset := decode(b)
	r := &reader{d: xml.NewDecoder(bytes.NewReader(text)), t: &Task{Settings: map[string]string{}}}
	r.d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // decoded already
	err := r.run()
	if err != nil {
		err = cursor.Errorf(offset(r.d.InputOffset()), "%v", err)
	}
	if !r.task {
		if err == nil {
			err = cursor.Errorf(0, "no Task element")
		}
		return nil, err
	}
	if err != nil {
		r.t.Damage = append(r.t.Damage, err)
	}
	return r.t, nil
}

// decode gives UTF-8, and the way back from an offset in it.
func decode(b []byte) ([]byte, func(int64) int64) {
	if !bytes.HasPrefix(b, []byte{0xFF, 0xFE}) {
		return b, func(n int64) int64 { return n }
	}
	text := utf16.Append(nil, b[2:])
	return text, func(n int64) int64 {
		return 2 + int64(len(utf16.Units(string(text[:min(n, int64(len(text)))]))))
	}
}

type reader struct {
	d     *xml.Decoder
	t     *Task
	task  bool
	path  []string
	value strings.Builder
}

// run walks the tokens: an own depth and no recursion, since the depth of the
// file is its author's choice.
func (r *reader) run() error {
	for {
		tok, err := r.d.Token()
		if err == io.EOF && len(r.path) == 0 && r.task {
			return nil
		}
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if len(r.path) == maxDepth {
				return errors.New("elements nested too deeply")
			}
			r.path = append(r.path, tok.Name.Local)
			r.value.Reset()
			if err := r.start(tok); err != nil {
				return err
			}
		case xml.CharData:
			r.value.Write(tok)
		case xml.EndElement:
			r.end(strings.TrimSpace(r.value.String()))
			r.path = r.path[:len(r.path)-1]
			r.value.Reset()
		}
	}
}

func (r *reader) at(i int) string {
	if i < len(r.path) {
		return r.path[i]
	}
	return ""
}

func (r *reader) start(e xml.StartElement) error {
	if len(r.path) == 1 && e.Name.Local == "Task" {
		r.task = true
		r.t.Version = attr(e, "version")
	}
	if len(r.path) != 3 || r.at(0) != "Task" {
		return nil
	}
	if len(r.t.Principals)+len(r.t.Triggers)+len(r.t.Actions) == maxItems {
		return errors.New("too many triggers and actions")
	}
	switch r.at(1) {
	case "Principals":
		r.t.Principals = append(r.t.Principals, Principal{ID: attr(e, "id")})
	case "Triggers":
		r.t.Triggers = append(r.t.Triggers, Trigger{Type: e.Name.Local})
	case "Actions":
		r.t.Actions = append(r.t.Actions, Action{Type: e.Name.Local})
	}
	return nil
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// end takes the text of the element that ends.
func (r *reader) end(v string) {
	if r.at(0) != "Task" {
		return
	}
	name := r.path[len(r.path)-1]
	t := r.t
	switch r.at(1) {
	case "RegistrationInfo":
		if len(r.path) == 3 {
			set(v, name, map[string]*string{"URI": &t.URI, "Author": &t.Author, "Date": &t.Date, "Source": &t.Source,
				"Description": &t.Description, "SecurityDescriptor": &t.Security})
		}
	case "Principals":
		if len(r.path) == 4 {
			p := &t.Principals[len(t.Principals)-1]
			set(v, name, map[string]*string{"UserId": &p.UserID, "GroupId": &p.GroupID, "LogonType": &p.LogonType, "RunLevel": &p.RunLevel})
		}
	case "Settings":
		switch {
		case len(r.path) != 3:
		case name == "Enabled":
			t.Enabled = v
		case name == "Hidden":
			t.Hidden = v
		case v != "" && len(t.Settings) < maxItems:
			t.Settings[name] = v
		}
	case "Triggers":
		if len(r.path) >= 4 {
			r.trigger(&t.Triggers[len(t.Triggers)-1], name, v)
		}
	case "Actions":
		if len(r.path) >= 4 {
			a := &t.Actions[len(t.Actions)-1]
			if name == "Title" || name == "Subject" || name == "Body" {
				a.Text = strings.TrimPrefix(a.Text+"\n"+v, "\n")
			}
			set(v, name, map[string]*string{"Command": &a.Command, "Arguments": &a.Arguments, "WorkingDirectory": &a.WorkingDir, "ClassId": &a.ClassID, "Data": &a.Data})
		}
	}
}

func (r *reader) trigger(t *Trigger, name, v string) {
	if strings.HasPrefix(name, "ScheduleBy") {
		t.Schedule = name
	}
	set(v, name, map[string]*string{"Enabled": &t.Enabled, "StartBoundary": &t.Start, "EndBoundary": &t.End, "UserId": &t.UserID,
		"Delay": &t.Delay, "Interval": &t.Interval, "Subscription": &t.Subscription})
}

func set(v, name string, to map[string]*string) {
	if p := to[name]; p != nil {
		*p = v
	}
}
