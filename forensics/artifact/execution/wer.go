package execution

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/wer"
)

// WER says that a process of this path existed and failed, and which modules it
// had loaded. It does not say why it failed, nor when it was started.
var WER = artifact.Spec{
	Name:  "execution/wer",
	Title: "Windows Error Reporting",
	Globs: []string{"ProgramData/Microsoft/Windows/WER/**/*.wer", "**/AppData/Local/Microsoft/Windows/WER/**/*.wer",
		"Documents and Settings/All Users/Application Data/Microsoft/Windows/WER/**/*.wer"},
	Loose: func(name string, head []byte) bool {
		return strings.HasSuffix(strings.ToLower(name), ".wer") && strings.Contains(string(head[:min(len(head), 24)]), "V\x00e\x00r\x00s\x00i\x00o\x00n\x00")
	},
	Fields: []string{"event_type", "friendly_name", "application", "application_version", "application_time", "fault_module", "fault_module_version",
		"exception_code", "exception_offset", "target_app_id", "process_id", "report_id", "consent", "signature", "modules", "rest"},
	Limit:  wer.MaxSize,
	Family: artifact.FamilyErrors,
	Card: artifact.Card{
		Proves:    "a process of this path existed at the time of the event and failed or hung; the listed modules were loaded in it",
		NotProven: "why it failed; who started it and when; that it had done its work; that the report was sent, where no upload time stands",
		Clock:     "FILETIME, UTC, of the failure (EventTime) and of the upload",
		Retention: "ReportQueue until sent or refused, ReportArchive 50 reports by default (MaxArchiveCount); users and cleaners remove them",
		Switches:  "SOFTWARE, Microsoft\\Windows\\Windows Error Reporting: Disabled, DontShowUI, LoggingDisabled; service WerSvc; excluded applications",
		Source:    "Microsoft, WER settings and WER_REPORT_INFORMATION; files of Windows 7 to 11; ANCHORS 4g",
	},
	Read: readWER,
}

func readWER(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	in.Counts.Declared = 1
	b, err := in.Bytes(wer.MaxSize)
	var r *wer.Report
	if err == nil {
		r, err = wer.Parse(b)
	}
	if err != nil {
		in.Counts.Failed = 1
		return err
	}
	in.Counts.Decoded = 1
	state := coverage.Read
	for _, d := range r.Damage {
		in.Problem(problem.Malformed, problem.Lost, d)
		state = coverage.Partly
	}
	e := werEvent(in, r)
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: e.Ticks, To: e.Ticks, History: coverage.Recording, State: state, How: "one report"})
	if err := emit(&e); err != nil {
		return err
	}
	return werUpload(in, r, e, emit)
}

// failures are the kinds of reports that a process of its own writes about: it
// crashed or hung. Others (updates, drivers, setup) name who reports.
var failures = []string{"appcrash", "bex", "apphang", "clr20r3", "moapp", "inpageerror", "apptermfailure", "faultrep", "criticalprocess"}

func isFailure(kind string) bool {
	kind = strings.ToLower(kind)
	return slices.ContainsFunc(failures, func(f string) bool { return strings.HasPrefix(kind, f) })
}

func werEvent(in *artifact.Input, r *wer.Report) event.Event {
	kind := r.Value("EventType")
	path := r.Value("AppPath")
	if ui := werPath(r); path == "" {
		path = ui
	}
	name := firstOf(r.Pair("Sig", "Application Name"), r.Value("NsAppName"), path[strings.LastIndexByte(path, '\\')+1:])
	e := event.Event{
		Action: event.Other, Meaning: "problem reported", Path: path, Program: path, At: in.At, Length: in.Size, Recovered: in.State,
		Record: r.Value("ReportIdentifier"), Fields: werFields(r, kind),
		Message: fmt.Sprintf("%s reported a problem: %s", firstOf(path, name, "a program"), firstOf(kind, "no kind")),
	}
	if e.Program == "" {
		e.Program = name
	}
	if isFailure(kind) && e.Program != "" {
		e.Action, e.Meaning = event.Executed, "process failed"
		e.Message = fmt.Sprintf("%s was running and failed: %s", e.Program, kind)
		if m := r.Pair("Sig", "Fault Module Name"); m != "" {
			e.Message += " in " + m
		}
	}
	raw, ok := r.Number("EventTime")
	if e.Ticks = event.Ticks(raw); !ok || !e.Ticks.Valid() {
		e.Ticks, e.Fact, e.To = 0, true, in.Times.Modified
		in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("EventTime %q is no time", r.Value("EventTime")))
	}
	return e
}

// werPath is the path that the dialogue would have shown: UI[2] of a crash.
func werPath(r *wer.Report) string {
	for v := range r.All("UI") {
		if len(v) > 3 && v[1] == ':' && v[2] == '\\' {
			return v
		}
	}
	return ""
}

func firstOf(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// shown are the lines that stand in fields or columns of their own.
var shown = []string{"eventtype", "friendlyeventname", "eventtime", "apppath", "targetappid", "targetprocessid", "reportidentifier", "consent", "uploadtime"}

func werFields(r *wer.Report, kind string) []event.Field {
	var out []event.Field
	add := func(name, value string) {
		if value != "" {
			out = append(out, event.Str(name, value))
		}
	}
	add("event_type", kind)
	add("friendly_name", r.Value("FriendlyEventName"))
	for _, f := range []struct{ name, key string }{{"application", "Application Name"}, {"application_version", "Application Version"}, {"application_time", "Application Timestamp"},
		{"fault_module", "Fault Module Name"}, {"fault_module_version", "Fault Module Version"}, {"exception_code", "Exception Code"}, {"exception_offset", "Exception Offset"}} {
		add(f.name, r.Pair("Sig", f.key))
	}
	add("target_app_id", r.Value("TargetAppId"))
	add("process_id", r.Value("TargetProcessId"))
	add("report_id", r.Value("ReportIdentifier"))
	add("consent", r.Value("Consent"))
	var pairs, rest []string
	for k, v := range r.Pairs("Sig") {
		pairs = append(pairs, k+": "+v)
	}
	for _, l := range r.Lines {
		lower := strings.ToLower(l.Name)
		if !slices.Contains(shown, lower) && !strings.HasPrefix(lower, "sig[") && !strings.HasPrefix(lower, "loadedmodule[") {
			rest = append(rest, l.Name+"="+l.Value)
		}
	}
	return append(out, event.List("signature", pairs), event.List("modules", slices.Collect(r.All("LoadedModule"))), event.List("rest", rest))
}

// werUpload is the moment at which the report left for Microsoft.
func werUpload(in *artifact.Input, r *wer.Report, e event.Event, emit func(*event.Event) error) error {
	raw, ok := r.Number("UploadTime")
	if !ok || raw == 0 {
		return nil
	}
	t := event.Ticks(raw)
	if !t.Valid() {
		in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("UploadTime %s is no time", strconv.FormatUint(raw, 10)))
		return nil
	}
	e.Ticks, e.Fact, e.To = t, false, 0
	e.Action, e.Meaning = event.Other, "error report uploaded"
	e.Message = fmt.Sprintf("the error report about %s was sent to Microsoft", firstOf(e.Program, "a program"))
	e.Fields = []event.Field{event.Str("event_type", r.Value("EventType")), event.Str("report_id", r.Value("ReportIdentifier"))}
	return emit(&e)
}
