package execution

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/mpdetection"
)

// Defender says what Microsoft Defender named: threat, files, digest, account
// and the process through which it was met.
var Defender = artifact.Spec{
	Name:  "execution/defender",
	Title: "Microsoft Defender, detection history",
	Globs: []string{"**/Windows Defender/Scans/History/Service/DetectionHistory/*/*"},
	Loose: func(_ string, head []byte) bool {
		return len(head) >= 40 && string(head[:8]) == "\x08\x00\x00\x00\x08\x00\x00\x00" && string(head[16:24]) == "\x10\x00\x00\x00\x1e\x00\x00\x00"
	},
	Fields: []string{"product", "threat", "threat_id", "severity", "category", "resource_type", "resource", "process", "sha1", "md5", "size", "tracked", "times", "detection_id"},
	Limit:  mpdetection.MaxSize,
	Family: artifact.FamilyAntivirus,
	Card: artifact.Card{
		Proves:    "Defender named this resource at this time, with this digest where it gives one; the account and process that it met it through",
		NotProven: "when the infection began; that the file ran; that removal was complete; the meaning of times and numbers, which is presumed by their place",
		Clock:     "FILETIME, UTC",
		Retention: "30 days by default (ScanPurgeItemsAfterDelay); one file for each detection",
		Switches:  "Defender off or replaced by another product; exclusions",
		Source:    "dtformats, Windows Defender scan DetectionHistory file format; ANCHORS 4a",
	},
	Read: readDefender,
}

func readDefender(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	in.Counts.Declared = 1
	b, err := in.Bytes(mpdetection.MaxSize)
	var f *mpdetection.File
	if err == nil {
		f, err = mpdetection.Parse(b)
	}
	if err != nil {
		in.Counts.Failed = 1
		return err
	}
	in.Counts.Decoded = 1
	state := coverage.Read
	for _, d := range f.Damage {
		state = coverage.Partly
		in.Problem(problem.Malformed, problem.Lost, d)
	}
	at := defenderTime(f)
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: at, To: at, History: coverage.Recording, State: state, How: "one detection"})
	if len(f.Times) == 0 && len(f.Damage) == 0 {
		in.Problem(problem.Malformed, problem.Lost, fmt.Errorf("no time in the detection"))
	}
	resources := f.Resources
	if len(resources) == 0 {
		resources = []mpdetection.Resource{{}}
	}
	for i := range resources {
		if err := emit(defenderEvent(in, f, &resources[i], at)); err != nil {
			return err
		}
	}
	return nil
}

// defenderTime is the time of the first detection, presumed to be the second
// one in the file.
func defenderTime(f *mpdetection.File) event.Ticks {
	for _, want := range []string{"first detected", "last status change"} {
		for _, t := range f.Times {
			if t.Meaning == want && event.Ticks(t.Ticks).Valid() {
				return event.Ticks(t.Ticks)
			}
		}
	}
	return 0
}

var hexDigest = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

func defenderEvent(in *artifact.Input, f *mpdetection.File, r *mpdetection.Resource, at event.Ticks) *event.Event {
	e := &event.Event{Ticks: at, Action: event.Detected, Meaning: "detected", User: f.User, At: in.At, Length: in.Size, Record: f.ID, Recovered: in.State}
	if at == 0 {
		e.Fact, e.From, e.To = true, 0, in.Times.Modified
	}
	path, _, _ := strings.Cut(r.Location, "->") // a member of an archive
	path, url, _ := strings.Cut(path, "|")      // webfile: path, address, process
	if r.Type == "webfile" {
		e.URL, _, _ = strings.Cut(url, "|")
	}
	switch r.Type {
	case "regkey", "regkeyvalue", "runkey":
		e.RegistryKey = path
	case "file", "containerfile", "webfile", "process", "startup":
		e.Path = path
		if p := artifact.VolumePath(path); p != "" && (path[0] == 'C' || path[0] == 'c') {
			e.Path = p
		}
	}
	if f.Process != "Unknown" {
		e.Program = f.Process
	}
	if d := r.Tracked("ThreatTrackingSha256"); hexDigest.MatchString(d) && r.Type == "file" && !strings.Contains(r.Location, "->") {
		e.SHA256 = strings.ToLower(d)
	}
	e.Message = fmt.Sprintf("Microsoft Defender: %s in %s %s", f.Threat, r.Type, r.Location)
	out := []event.Field{event.Str("product", "Microsoft Defender"), event.Str("threat", f.Threat), event.Hex("threat_id", f.ThreatID),
		event.Uint("severity", f.Severity), event.Uint("category", f.Category)}
	avField(&out, "resource_type", r.Type)
	avField(&out, "resource", r.Location)
	avField(&out, "process", f.Process)
	avField(&out, "sha1", r.Tracked("ThreatTrackingSha1"))
	avField(&out, "md5", r.Tracked("ThreatTrackingMD5"))
	var tracked, times []string
	for _, t := range r.Tracking {
		switch {
		case t.Name == "ThreatTrackingSize":
			out = append(out, event.Uint("size", t.Number))
		case t.Name == "ThreatTrackingStartTime":
			tracked = append(tracked, t.Name+"="+event.Ticks(t.Number).String())
		case t.Text != "":
			tracked = append(tracked, t.Name+"="+t.Text)
		default:
			tracked = append(tracked, fmt.Sprintf("%s=%d", t.Name, t.Number))
		}
	}
	for _, t := range f.Times {
		times = append(times, t.Meaning+" (presumed): "+event.Ticks(t.Ticks).String())
	}
	if tracked != nil {
		out = append(out, event.List("tracked", tracked))
	}
	if times != nil {
		out = append(out, event.List("times", times))
	}
	e.Fields = append(out, event.Str("detection_id", f.ID))
	return e
}
