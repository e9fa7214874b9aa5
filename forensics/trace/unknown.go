package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
)

// unknown says what cannot be known: volumes that nobody counted, logs that
// were cleared, starts and command lines that were not recorded, the time before
// the journal, memory, what a device's log does not reach, folders that were
// emptied, sources that could not be read.
func (a *analysis) unknown(lines []Line) {
	from, to := a.span()
	if last := a.lastRecord(); last.Valid() {
		to = last
	}
	birth := a.w.From
	if !birth.Valid() {
		birth = a.w.Machine.Installed
	}
	a.noVolume(lines, from, to)
	a.clearedSpans(birth, from)
	a.noStarts(birth, to)
	a.journalBefore(birth)
	a.noMemory(from, to)
	a.deviceEnds(birth, to)
	a.emptied(from)
	a.unread()
	for _, s := range a.suspect {
		if s.File == nil || s.File.Deleted && s.Program == nil {
			c := a.claim("gone-program", CannotKnow, []Entity{s.entity("object")}, "program", s.name(), "why", "its content is no longer on the disk")
			c.Because = "deleted, and its clusters are gone"
		}
	}
}

// lastRecord is the end of what the machine's own sources reach.
func (a *analysis) lastRecord() event.Ticks {
	last := a.w.Machine.Shutdown
	for _, f := range a.w.Coverage {
		if f.History == coverage.Recording && (f.Artifact == "filesystem/mft" || strings.HasPrefix(f.Artifact, "eventlog/")) {
			last = max(last, f.To)
		}
	}
	return last
}

// noVolume: which witness would have counted bytes, and did not.
func (a *analysis) noVolume(lines []Line, from, to event.Ticks) {
	own, proxy := false, false
	for _, l := range lines {
		covered := l.Verdict == coverage.Covered || l.Verdict == coverage.Partial
		switch l.ID {
		case "srum":
			own = covered
		case "proxy":
			proxy = covered
		}
	}
	if own {
		return
	}
	id := "volume-not-kept"
	if older(a.w.Machine.Version, "6.2") {
		id = "no-volume"
	}
	if proxy {
		id = "outside-proxy"
	}
	c := a.claim(id, CannotKnow, nil, "windows", a.windows(), "would", "a proxy or firewall log")
	c.Channel, c.From, c.To = "any", from, to
	c.Because = "no witness of this machine counts bytes"
}

// clearedSpans: what a log held before it was cleared, from the end of what was
// kept of it (an archived part, else nothing) to the clearing.
func (a *analysis) clearedSpans(birth, from event.Ticks) {
	for _, f := range a.w.Coverage {
		if f.History != coverage.Cleared || f.To.Valid() && f.To < from {
			continue
		}
		log := logName(f.Source)
		since := f.From
		if !since.Valid() {
			since = birth
		}
		for _, k := range a.w.Coverage {
			if k.At.Exhibit != f.At.Exhibit || k.History != coverage.Recording || !k.To.Valid() || k.To > f.To || k.Source == f.Source {
				continue
			}
			if at, ok := archived(k.Source, log); ok {
				since = max(since, k.To, at)
			}
		}
		c := a.claim("cleared-span", CannotKnow, []Entity{{Role: "object", Kind: "log", Name: log, Path: f.Source}}, "log", log, "to", f.To.String())
		c.From, c.To, c.Because = since, f.To, f.How
		for _, e := range a.r.clears {
			if e.Ticks == f.To {
				c.Events = appendID(c.Events, e.ID)
			}
		}
	}
}

// archived reads the time out of the name that Windows gives to a full log it
// puts aside: Archive-Security-2011-08-27-02-10-00-000.evtx, in UTC.
func archived(source, log string) (event.Ticks, bool) {
	name := source[strings.LastIndexByte(source, '/')+1:]
	rest, ok := strings.CutPrefix(name, "Archive-"+log+"-")
	if !ok || len(rest) < len("2006-01-02-15-04-05") {
		return 0, false
	}
	t, err := time.Parse("2006-01-02-15-04-05", rest[:len("2006-01-02-15-04-05")])
	if err != nil {
		return 0, true
	}
	return event.FromTime(t), true
}

func logName(source string) string {
	b := source[strings.LastIndexByte(source, '/')+1:]
	b = strings.TrimSuffix(strings.TrimSuffix(b, ".evtx"), ".Evt")
	return strings.ReplaceAll(b, "%4", "/")
}

// processCreation is the audit subcategory of 4688.
const processCreation = "0cce922b-69ae-11d9-bed3-505054503030"

// noStarts: the spans in which no record of each start was kept, from the
// changes of the audit policy, or, where none is left, from the records of
// starts themselves.
func (a *analysis) noStarts(birth, end event.Ticks) {
	var on, off event.Ticks
	known := false
	for _, e := range a.r.policies {
		data := strings.ToLower(field(e, "data"))
		if !strings.Contains(data, processCreation) {
			continue
		}
		switch {
		case strings.Contains(data, "%%8449") && (on == 0 || e.Ticks < on):
			on, known = e.Ticks, true
		case strings.Contains(data, "%%8448"):
			off, known = max(off, e.Ticks), true
		}
	}
	var ids []event.ID
	for _, r := range a.r.runs {
		if r.pid == 0 || !r.at.Valid() || r.grade < Proven {
			continue
		}
		if known {
			continue // the policy says it better than what happened to be started
		}
		if on == 0 || r.at < on {
			on = r.at
		}
		off = max(off, r.at)
	}
	for _, e := range a.r.policies {
		if strings.Contains(strings.ToLower(field(e, "data")), processCreation) {
			ids = appendID(ids, e.ID)
		}
	}
	say := func(from, to event.Ticks, why string) {
		if from.Valid() && to.Valid() && to <= from.Add(slack) {
			return
		}
		c := a.claim("no-starts", CannotKnow, nil, "from", from.String(), "to", to.String())
		c.From, c.To, c.Because, c.Events = from, to, why, ids
	}
	switch {
	case on == 0 && off == 0:
		say(birth, end, "no record of a start with its process was kept: the audit policy did not ask for it")
	default:
		say(birth, on, "the audit policy did not ask for it")
		if off != 0 {
			say(off, end, "the audit policy did not ask for it any more; prefetch keeps few times of each program")
		}
	}
	if older(a.w.Machine.Version, "6.3") {
		c := a.claim("no-command-lines", CannotKnow, nil, "windows", a.windows())
		c.From, c.To, c.Because = birth, end, "not recorded before 2015"
	}
}

// journalBefore: the change journal wraps.
func (a *analysis) journalBefore(birth event.Ticks) {
	for _, f := range a.w.Coverage {
		if f.Artifact != "filesystem/usn" || f.History != coverage.Wrapped && f.State != coverage.Absent {
			continue
		}
		c := a.claim("journal-before", CannotKnow, nil, "volume", fmt.Sprint(f.At.Volume))
		c.From, c.To, c.Because = birth, f.To, f.How
	}
}

// noMemory: nobody took it, or it was not given.
func (a *analysis) noMemory(from, to event.Ticks) {
	for _, f := range a.w.Coverage {
		if strings.HasPrefix(f.Artifact, "memory/") && f.State == coverage.Read && f.History == coverage.Recording {
			return
		}
	}
	c := a.claim("no-memory", CannotKnow, nil)
	c.From, c.To, c.Because = from, to, "no memory image was given"
}

// deviceEnds: the time before and after the logs of network devices.
func (a *analysis) deviceEnds(birth, end event.Ticks) {
	var first, last event.Ticks
	for _, f := range a.w.Coverage {
		if f.Artifact != "network/proxy" || f.History != coverage.Recording || !f.From.Valid() || !f.To.Valid() {
			continue
		}
		if first == 0 || f.From < first {
			first = f.From
		}
		last = max(last, f.To)
	}
	if first == 0 {
		return
	}
	if birth.Valid() && birth < first {
		c := a.claim("proxy-before", CannotKnow, nil)
		c.Channel, c.From, c.To, c.Because = "network", birth, first, "the log that was given begins there"
	}
	if end > last {
		c := a.claim("proxy-after", CannotKnow, nil)
		c.Channel, c.From, c.To, c.Because = "network", last, end, "the log that was given ends there"
	}
}

// emptied finds folders of temporary files from which five or more files were
// deleted within seconds after the first arrival: a clean-up, whoever's it was,
// took what they held.
func (a *analysis) emptied(from event.Ticks) {
	if len(a.suspect) == 0 {
		return
	}
	type gone struct {
		at event.Ticks
		id event.ID
	}
	byFolder := map[string][]gone{}
	for _, changes := range a.r.changes {
		for _, e := range changes {
			if e.Action != event.Deleted || e.Ticks < from || !e.Ticks.Valid() {
				continue
			}
			key := Key(e.Path, a.w.Machine, "")
			if i := strings.Index(key, "/temp/"); i >= 0 {
				byFolder[key[:i+len("/temp")]] = append(byFolder[key[:i+len("/temp")]], gone{e.Ticks, e.ID})
			}
		}
	}
	for _, dir := range sortedKeys(byFolder) {
		all := byFolder[dir]
		slices.SortFunc(all, func(x, y gone) int { return cmp.Or(cmp.Compare(x.at, y.at), slices.Compare(x.id[:], y.id[:])) })
		for i := 0; i < len(all); {
			j := i + 1
			for j < len(all) && all[j].at.Sub(all[j-1].at) < 10*time.Second {
				j++
			}
			if j-i >= 5 {
				c := a.claim("emptied", CannotKnow, []Entity{{Role: "object", Kind: "folder", Name: dir, Path: dir}}, "folder", dir, "count", counted(j-i, "file", "files"))
				c.From, c.To, c.Because = all[i].at, all[j-1].at, "they were deleted before the disk was imaged"
				for _, g := range all[i:j] {
					c.Events = appendID(c.Events, g.id)
				}
			}
			i = j
		}
	}
}

func (a *analysis) unread() {
	bad := 0
	for _, s := range a.w.Sources {
		if s.State == coverage.Partly || s.State == coverage.Unreadable {
			bad++
		}
	}
	if bad > 0 {
		c := a.claim("unread", CannotKnow, nil, "count", counted(bad, "source", "sources"))
		c.Because = "see the list of problems"
	}
}
