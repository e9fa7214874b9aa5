package execution

import (
	"context"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/textlog"
)

// AVLog says what the machine's own antivirus named, of the products that
// stood on office machines of the era: McAfee VirusScan, Symantec AntiVirus
// and Endpoint Protection, Trend Micro OfficeScan.
var AVLog = artifact.Spec{
	Name:  "execution/avlog",
	Title: "Antivirus logs (McAfee, Symantec, Trend Micro)",
	Globs: []string{"**/AccessProtectionLog.txt", "**/OnAccessScanLog.txt", "**/OnDemandScanLog.txt", "**/McAfee/**/*Log*.txt",
		"**/Symantec/**/*.log", "**/Symantec Endpoint Protection/**/*.log", "**/Norton*/**/*.log",
		"**/pccnt35.log", "**/Trend Micro/**/*.log", "**/TrendMicro/**/*.log"},
	Loose: func(_ string, head []byte) bool { _, ok := avFormat(head); return ok },
	Fields: []string{"product", "threat", "status", "rule", "trigger", "result", "first_action", "second_action", "scan", "event", "category", "description",
		"virus_type", "computer", "mac", "version", "remote_machine", "remote_ip", "quarantine_id", "columns"},
	Limit:  256 << 20,
	Family: artifact.FamilyAntivirus,
	Card: artifact.Card{
		Proves:    "the product named this file (or blocked this program) at this time, and what it then did or failed to do",
		NotProven: "when the infection began; that the file ran or did harm; that removal was complete; that a rule that blocked a program met something bad; that what is not named is clean",
		Clock:     "local time of the machine; whole seconds (Trend Micro before it wrote seconds since 1970: whole minutes)",
		Retention: "by size, set in the product; older lines are overwritten or moved",
		Switches:  "the product's own logging and its services; uninstalling often removes the logs",
		Source:    "plaso's description of the three formats (mcafeeav, symantec, trendmicroav); on-access form of McAfee: known from the field, no sample at hand; ANCHORS 4a",
	},
	Read: readAVLog,
}

// avRecord is one line of an antivirus log.
type avRecord struct {
	local, utc event.Ticks // one of them
	precision  event.Precision
	detected   bool
	action     event.Action // where it is no detection
	meaning    string
	path       string
	program    string
	user       string
	threat     string
	address    string
	port       uint16
	message    string
	fields     []event.Field
}

// avParser reads a line.
type avParser struct {
	product string
	parse   func(line string) (avRecord, error)
}

// avFormat tells the format by the first whole line.
func avFormat(head []byte) (avParser, bool) {
	for l, err := range textlog.Lines(strings.NewReader(string(head)), int64(len(head)), textlog.Options{}) {
		if err != nil || strings.TrimSpace(l.Text) == "" {
			continue
		}
		for _, p := range []avParser{{"McAfee", mcafeeLine}, {"Symantec", symantecLine}, {"Trend Micro OfficeScan", trendLine}} {
			if _, err := p.parse(l.Text); err == nil {
				return p, true
			}
		}
		return avParser{}, false
	}
	return avParser{}, false
}

func readAVLog(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	head := make([]byte, min(in.Size, 1<<16))
	n, err := in.R.ReadAt(head, 0)
	if n == 0 && in.Size > 0 {
		return err
	}
	p, ok := avFormat(head[:n])
	if !ok {
		// The folders of these products hold other logs too.
		in.Problem(problem.Unsupported, problem.Note, errors.New("no log of detections in a form that is known"))
		in.Cover(coverage.Fact{At: in.At, Source: in.Source, History: coverage.UnknownBefore, State: coverage.Unreadable, How: "form not known"})
		return nil
	}
	var first, last event.Ticks
	var bad problem.Problem
	count := 0
	for l, err := range textlog.Lines(in.R, in.Size, textlog.Options{}) {
		if count++; count%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && strings.TrimSpace(strings.Trim(l.Text, "\x00")) == "" {
			continue
		}
		in.Counts.Declared++
		var r avRecord
		if err == nil {
			r, err = p.parse(l.Text)
		}
		if err != nil {
			in.Counts.Failed++
			if in.Counts.Failed == 1 {
				bad = problem.Problem{At: in.At.At(l.Offset), Length: l.Length, Kind: problem.Malformed, Severity: problem.Lost, Expected: "a line of " + p.product + "'s log", Found: err.Error()}
			}
			continue
		}
		if l.Open {
			in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("line %d has no end: the log may have been cut", l.Number))
		}
		in.Counts.Decoded++
		e := avEvent(in, p.product, &r, &l)
		if first == 0 || e.Ticks < first {
			first = e.Ticks
		}
		last = max(last, e.Ticks)
		if err := emit(e); err != nil {
			return err
		}
	}
	state := coverage.Read
	if in.Counts.Failed > 0 {
		state = coverage.Partly
		bad.Found += fmt.Sprintf(" (%d lines, this is the first)", in.Counts.Failed)
		in.Report(bad)
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: first, To: last, History: coverage.Recording, State: state, How: p.product + ": from first to last line; what it did not name is not thereby clean"})
	return nil
}

func avEvent(in *artifact.Input, product string, r *avRecord, l *textlog.Line) *event.Event {
	e := &event.Event{Action: r.action, Meaning: r.meaning, Program: r.program, User: r.user, Address: r.address, Port: r.port, Precision: r.precision, Message: product + ": " + r.message,
		At: in.At.At(l.Offset), Length: l.Length, Record: strconv.Itoa(l.Number), Recovered: in.State}
	if r.detected {
		e.Action, e.Meaning = event.Detected, "detected"
	}
	e.Path = r.path
	if p := artifact.VolumePath(r.path); p != "" && (r.path[0] == 'C' || r.path[0] == 'c') {
		e.Path = p
	}
	e.Ticks = r.utc
	if r.utc == 0 {
		e.Ticks, e.Zone, e.ZoneAssumed = in.Machine.Zone.UTC(r.local)
		e.Clock = event.LocalTime
	}
	e.Fields = append([]event.Field{event.Str("product", product)}, r.fields...)
	return e
}

func avField(f *[]event.Field, name, v string) {
	if v = strings.TrimSpace(v); v != "" {
		*f = append(*f, event.Str(name, v))
	}
}

// mcafeeTime reads date and time of McAfee, month first: the product follows
// the region of the machine, and only this order is known from samples. A
// first number above twelve is then a day.
func mcafeeTime(date, clock string) (event.Ticks, error) {
	for _, layout := range []string{"1/2/2006 3:04:05 PM", "1/2/2006 15:04:05", "2/1/2006 15:04:05", "2006/1/2 15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, strings.TrimSpace(date)+" "+strings.TrimSpace(clock)); err == nil {
			return event.FromTime(t), nil
		}
	}
	return 0, errors.New("date and time cannot be read")
}

// scanResults are what McAfee's scanners write of a file they named.
var scanResults = []string{"Deleted", "Cleaned", "Moved", "Quarantined", "Blocked", "Would be deleted", "Would be blocked", "No Action Taken", "Not scanned", "Access Denied", "Denied"}

// mcafeeLine reads AccessProtectionLog (eight columns) and the on-access log
// (seven): date, time, status, user, program, object, rule or threat, action.
func mcafeeLine(line string) (avRecord, error) {
	f := strings.Split(line, "\t")
	if len(f) < 6 || len(f) > 8 {
		return avRecord{}, fmt.Errorf("%d columns, not 6 to 8", len(f))
	}
	t, err := mcafeeTime(f[0], f[1])
	if err != nil {
		return avRecord{}, err
	}
	status := strings.TrimSpace(f[2])
	if len(f) == 6 {
		return mcafeePort(t, status, f)
	}
	r := avRecord{local: t, precision: event.Second, user: strings.TrimSpace(f[3]), program: strings.TrimSpace(f[4])}
	if len(f) == 8 {
		if !strings.Contains(status, "ccess Protection") && !strings.HasPrefix(status, "Would be") {
			return avRecord{}, fmt.Errorf("status %q is not of this log", status)
		}
		r.action, r.meaning = event.Other, "access rule met"
		r.path = strings.TrimSpace(f[5])
		r.message = fmt.Sprintf("%s: %s on %s (%s)", status, r.program, r.path, strings.TrimSpace(f[7]))
		avField(&r.fields, "status", status)
		avField(&r.fields, "rule", f[6])
		avField(&r.fields, "trigger", f[5])
		avField(&r.fields, "result", f[7])
		return r, nil
	}
	for _, s := range scanResults {
		if strings.HasPrefix(status, s) {
			r.detected = true
		}
	}
	if !r.detected {
		return avRecord{}, fmt.Errorf("status %q is not of this log", status)
	}
	r.path, r.threat = strings.TrimSpace(f[5]), strings.TrimSpace(f[6])
	r.message = fmt.Sprintf("%s in %s: %s", r.threat, r.path, status)
	avField(&r.fields, "threat", r.threat)
	avField(&r.fields, "status", status)
	return r, nil
}

// mcafeePort reads a line of a port rule: the program, the rule, and the other
// side's address. Whether it was let through says the status.
func mcafeePort(t event.Ticks, status string, f []string) (avRecord, error) {
	if !strings.Contains(status, "port blocking rule") {
		return avRecord{}, fmt.Errorf("status %q is not of this log", status)
	}
	r := avRecord{local: t, precision: event.Second, action: event.Other, meaning: "port rule met", program: strings.TrimSpace(f[3])}
	if host, port, err := net.SplitHostPort(strings.TrimSpace(f[5])); err == nil {
		n, _ := strconv.ParseUint(port, 10, 16)
		r.address, r.port = host, uint16(n)
	}
	r.message = fmt.Sprintf("%s: %s to %s (%s)", status, r.program, strings.TrimSpace(f[5]), strings.TrimSpace(f[4]))
	avField(&r.fields, "status", status)
	avField(&r.fields, "rule", f[4])
	avField(&r.fields, "trigger", f[5])
	return r, nil
}

// trendResults and trendScans are the numbers of OfficeScan's log.
var (
	trendResults = map[string]string{"0": "cleaned", "1": "moved", "2": "deleted", "3": "renamed", "4": "passed, access denied", "5": "cleaning failed", "6": "moving failed",
		"7": "deleting failed", "8": "renaming failed", "10": "cleaning failed, moved", "11": "cleaning failed, deleted", "12": "cleaning failed, renamed",
		"13": "passed, access denied", "14": "cleaning and moving failed", "15": "cleaning and deleting failed", "16": "cleaning and renaming failed", "25": "passed as a potential risk"}
	trendScans = map[string]string{"0": "manual", "1": "real time", "2": "scheduled", "3": "scan now", "4": "damage clean-up"}
)

// trendLine reads pccnt35.log: date, time, threat, result, scan, -, folder,
// file, -, seconds since 1970 (newer versions).
func trendLine(line string) (avRecord, error) {
	f := strings.Split(strings.TrimSpace(line), "<;>")
	if len(f) < 8 || len(f) > 13 {
		return avRecord{}, fmt.Errorf("%d columns, not 8 to 13", len(f))
	}
	layout, precision := "200601021504", event.Precision("min")
	clock := f[1]
	if len(clock) == 3 {
		clock = "0" + clock
	}
	if len(clock) == 6 {
		layout, precision = "20060102150405", event.Second
	}
	t, err := time.Parse(layout, f[0]+clock)
	if err != nil {
		return avRecord{}, errors.New("date and time cannot be read")
	}
	if _, err := strconv.Atoi(f[3]); err != nil {
		return avRecord{}, errors.New("result is no number")
	}
	r := avRecord{local: event.FromTime(t), precision: precision, detected: true, threat: f[2], path: f[6] + f[7]}
	if len(f) > 9 {
		if n, err := strconv.ParseInt(f[9], 10, 64); err == nil && n > 0 {
			r.utc, r.precision = event.FromTime(time.Unix(n, 0)), event.Second
		}
	}
	if r.precision == "min" {
		r.precision = event.Hour // the closed list has nothing between seconds and hours
	}
	result, scan := trendResults[f[3]], trendScans[f[4]]
	if result == "" {
		result = "result " + f[3]
	}
	r.message = fmt.Sprintf("%s in %s: %s", r.threat, r.path, result)
	avField(&r.fields, "threat", r.threat)
	avField(&r.fields, "result", result)
	avField(&r.fields, "scan", scan+" ("+f[4]+")")
	r.fields = append(r.fields, event.List("columns", f))
	return r, nil
}

// symantecEvents name the events that matter; others keep their number.
var symantecEvents = map[string]struct {
	name     string
	action   event.Action
	detected bool
}{
	"1": {"alert", event.Other, false}, "2": {"scan stopped", event.Stopped, false}, "3": {"scan started", event.Started, false},
	"4": {"definitions sent", event.Other, false}, "5": {"infection found", "", true}, "6": {"files not scanned", event.Other, false},
	"7": {"definitions loaded", event.Configured, false}, "12": {"configuration changed", event.Configured, false},
	"13": {"protection shut down", event.Stopped, false}, "14": {"protection started", event.Started, false}, "16": {"definitions downloaded", event.Other, false},
	"17": {"too many infections", "", true}, "18": {"forwarded to quarantine", event.Other, false}, "20": {"backed up", event.Other, false}, "21": {"scan aborted", event.Stopped, false},
	"22": {"real-time protection: load error", event.Other, false}, "23": {"real-time protection loaded", event.Started, false}, "24": {"real-time protection unloaded", event.Stopped, false},
	"42": {"real-time protection: error", event.Other, false}, "45": {"tamper protection: access denied", "", true}, "46": {"risk handling started", "", true}, "47": {"action taken", "", true},
	"48": {"remediation pending", event.Other, false}, "49": {"remediation failed", event.Other, false}, "50": {"remediation done", event.Other, false}, "51": {"risk handling finished", "", true},
	"65": {"scan suspended", event.Stopped, false}, "66": {"scan resumed", event.Started, false},
}

// symantecActions: what was done (column 11), and what was to be done first
// and second (9, 10).
var (
	symantecDone = map[string]string{"1": "quarantined", "2": "renamed", "3": "deleted", "4": "left alone", "5": "cleaned", "6": "cleaned or macros deleted", "7": "saved",
		"8": "sent to Intel (AMS)", "9": "moved to backup", "10": "backup renamed", "11": "quarantine undone", "12": "write protected, nothing done", "13": "backed up", "14": "pending"}
	symantecPlan = map[string]string{"1": "quarantine", "2": "rename", "3": "delete", "4": "leave alone", "5": "clean", "6": "clean or delete macros"}
)

// symantecTime reads six hexadecimal octets: years since 1970, month from 0,
// day, hour, minute, second.
func symantecTime(s string) (event.Ticks, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 6 || b[1] > 11 || b[2] == 0 || b[2] > 31 || b[3] > 23 || b[4] > 59 || b[5] > 59 {
		return 0, errors.New("time is not six octets of a date")
	}
	return event.FromTime(time.Date(1970+int(b[0]), time.Month(b[1]+1), int(b[2]), int(b[3]), int(b[4]), int(b[5]), 0, time.UTC)), nil
}

// symantecLine reads a line of up to 60 columns; those that are not named keep
// their number and value.
func symantecLine(line string) (avRecord, error) {
	c := csv.NewReader(strings.NewReader(line))
	c.LazyQuotes, c.FieldsPerRecord = true, -1
	f, err := c.Read()
	if err != nil || len(f) < 14 {
		return avRecord{}, errors.New("fewer than 14 columns")
	}
	t, err := symantecTime(f[0])
	if err != nil {
		return avRecord{}, err
	}
	if _, err := strconv.Atoi(f[1]); err != nil {
		return avRecord{}, errors.New("event is no number")
	}
	k, ok := symantecEvents[f[1]]
	if !ok {
		k.name, k.action = "event "+f[1], event.Other
	}
	r := avRecord{local: t, precision: event.Second, detected: k.detected, action: k.action, meaning: k.name, path: f[7], user: f[5], threat: f[6]}
	done := symantecDone[f[10]]
	if f[10] != "" && done == "" {
		done = "action " + f[10]
	}
	switch {
	case r.detected || f[6] != "":
		r.message = fmt.Sprintf("%s: %s in %s: %s", k.name, f[6], f[7], done)
	case f[13] != "":
		r.message = k.name + ": " + f[13]
	default:
		r.message = strings.TrimSpace(k.name + " " + f[7])
	}
	symantecFields(&r, f, k.name, done)
	return r, nil
}

func symantecFields(r *avRecord, f []string, name, done string) {
	at := func(i int) string {
		if i < len(f) {
			return f[i]
		}
		return ""
	}
	avField(&r.fields, "threat", f[6])
	avField(&r.fields, "result", done)
	avField(&r.fields, "first_action", symantecPlan[f[8]])
	avField(&r.fields, "second_action", symantecPlan[f[9]])
	avField(&r.fields, "event", name+" ("+f[1]+")")
	avField(&r.fields, "category", f[2])
	avField(&r.fields, "description", f[13])
	avField(&r.fields, "virus_type", f[11])
	avField(&r.fields, "computer", f[4])
	avField(&r.fields, "mac", at(37))
	avField(&r.fields, "version", at(38))
	avField(&r.fields, "remote_machine", at(39))
	avField(&r.fields, "remote_ip", at(40))
	avField(&r.fields, "quarantine_id", at(18))
	var rest []string
	for i, v := range f {
		if v != "" {
			rest = append(rest, fmt.Sprintf("%d=%s", i+1, v))
		}
	}
	r.fields = append(r.fields, event.List("columns", rest))
}
