package trace

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
)

// run is a record that a program of a path was started.
type run struct {
	key         string
	at          event.Ticks
	grade       Grade
	user        string   // SID
	list        []string // keys of the files that the prefetcher saw in the first seconds
	pid, parent int64    // process numbers, 0 where the record has none
	ev          *event.Event
}

// start is a place that starts a program by itself.
type start struct {
	key   string // target
	place string // for people: key and value, task, folder
	kind  string // "run", "service", "task" …, the last part of the artifact's name
	rare  bool
	user  string
	set   event.Ticks // last write of the place, 0 where not known
	ev    *event.Event
}

// net is a record of contact with another host.
type net struct {
	host, address string
	at            event.Ticks
	ev            *event.Event
}

// records sorts what the world holds by what it is to a trace.
type records struct {
	runs       []run
	starts     []start
	detections []*event.Event
	mails      []*event.Event
	opens      []*event.Event
	nets       []net
	devices    []*event.Event
	clears     []*event.Event
	clocks     []*event.Event
	policies   []*event.Event // changes of the audit policy
	accounts   []*event.Event // local accounts
	usage      []*event.Event // bytes that the machine counted for its programs
	logons     []*event.Event
	zones      map[string][]*event.Event // by key of the file
	entries    map[ref][]*event.Event    // $MFT rows
	changes    map[ref][]*event.Event    // journal rows
	setups     []event.Ticks             // an installer registered what it installed
}

func (w *World) collect() *records {
	r := &records{zones: map[string][]*event.Event{}, entries: map[ref][]*event.Event{}, changes: map[ref][]*event.Event{}}
	for _, e := range w.Records {
		switch {
		case strings.HasPrefix(e.Artifact, "filesystem/mft"):
			k := ref{e.At.Exhibit, e.At.Volume, e.Entry, e.Sequence}
			r.entries[k] = append(r.entries[k], e)
			continue
		case strings.HasPrefix(e.Artifact, "filesystem/usn"):
			k := ref{e.At.Exhibit, e.At.Volume, e.Entry, e.Sequence}
			r.changes[k] = append(r.changes[k], e)
			continue
		case strings.HasPrefix(e.Artifact, "filesystem/zone"):
			k := Key(e.Path, w.Machine, e.UserSID)
			r.zones[k] = append(r.zones[k], e)
			continue
		}
		if e.Artifact == "logon/sam" && e.Fact && e.User != "" {
			r.accounts = append(r.accounts, e)
			continue
		}
		if g := ranGrade(e); g > CannotKnow {
			w.addRun(r, e, g)
		}
		if e.Artifact == "network/srum" && e.BytesSent != nil {
			r.usage = append(r.usage, e)
			continue
		}
		switch e.Action {
		case event.Persisted:
			w.addStart(r, e)
		case event.Detected:
			r.detections = append(r.detections, e)
		case event.MailReceived, event.MailSent:
			r.mails = append(r.mails, e)
		case event.ReadOrOpened:
			r.opens = append(r.opens, e)
		case event.DeviceAttached:
			r.devices = append(r.devices, e)
		case event.Cleared:
			r.clears = append(r.clears, e)
		case event.Configured:
			if id := field(e, "event_id"); id == "4719" || id == "612" {
				r.policies = append(r.policies, e)
			}
		case event.TimeChanged:
			r.clocks = append(r.clocks, e)
		case event.LoggedOn:
			r.logons = append(r.logons, e)
		case event.Installed:
			if e.Ticks.Valid() {
				r.setups = append(r.setups, e.Ticks)
			}
		}
		if h, a := hostOf(e); h != "" || a != "" {
			r.nets = append(r.nets, net{h, a, e.Ticks, e})
		}
	}
	slices.SortStableFunc(r.runs, func(a, b run) int { return cmp.Or(strings.Compare(a.key, b.key), cmp.Compare(a.at, b.at)) })
	slices.SortStableFunc(r.starts, func(a, b start) int { return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.place, b.place)) })
	slices.Sort(r.setups)
	return r
}

// ranGrade is what a record says of "a program of this path ran", CannotKnow
// where it says nothing of it.
func ranGrade(e *event.Event) Grade {
	if g, ok := ranBy[e.Artifact]; ok {
		switch {
		case e.Artifact == "execution/userassist" && (field(e, "count") == "0" || !e.Ticks.Valid()):
			return CannotKnow
		case e.Artifact == "execution/prefetch" && strings.HasPrefix(e.Meaning, "first seen"):
			return CannotKnow // the birth of the prefetch file, about ten seconds after a start
		}
		if g > Possible && e.Action != event.Executed {
			return CannotKnow
		}
		return lowered(e, g)
	}
	if e.Action != event.Executed {
		return CannotKnow
	}
	if g, ok := ranByEvent[field(e, "provider")+" "+field(e, "event_id")]; ok {
		return lowered(e, g)
	}
	return lowered(e, Possible)
}

// lowered takes a grade from a record that was not found in its place.
func lowered(e *event.Event, g Grade) Grade {
	if e.Recovered == event.InSlack || e.Recovered == event.Carved {
		return g.Lower()
	}
	return g
}

func (w *World) addRun(r *records, e *event.Event, g Grade) {
	p := e.Program
	if p == "" {
		p = e.Path
	}
	key := Key(p, w.Machine, e.UserSID)
	if key == "" {
		return
	}
	x := run{key: key, at: e.Ticks, grade: g, user: e.UserSID, ev: e}
	x.list = prefetched(e, w.Machine)
	x.pid, x.parent = number(e, "pid"), number(e, "parent_pid")
	r.runs = append(r.runs, x)
}

func (w *World) addStart(r *records, e *event.Event) {
	line := e.Program
	if line == "" {
		line = e.Path
	}
	program, arguments := Command(line)
	if loader := baseOf(Key(program, w.Machine, e.UserSID)); (loader == "rundll32.exe" || loader == "regsvr32.exe") && arguments != "" {
		if module, _ := Command(strings.TrimSpace(strings.TrimPrefix(arguments, "/s"))); module != "" {
			program, _, _ = strings.Cut(module, ",")
		}
	}
	s := start{key: searched(Key(program, w.Machine, e.UserSID)), user: e.UserSID, set: e.Ticks, ev: e}
	_, s.kind, _ = strings.Cut(e.Artifact, "/")
	if e.Fact { // set at or before the last writing of the key, or at the birth of the file
		if s.set = e.To; !s.set.Valid() {
			s.set = e.From
		}
	}
	s.place = e.RegistryKey
	if e.RegistryValue != "" {
		s.place += `\` + e.RegistryValue
	}
	if s.place == "" {
		s.place = e.Source
	}
	s.rare = rareStart(e)
	if s.key != "" {
		r.starts = append(r.starts, s)
	}
}

// searched gives a name without a folder the place where Windows looks first;
// modules are often named without their ending.
func searched(key string) string {
	if key == "" || strings.Contains(key, "/") {
		return key
	}
	if !strings.Contains(key, ".") {
		key += ".dll"
	}
	return "windows/system32/" + key
}

// prefetched are the keys of the files that a prefetch record lists.
func prefetched(e *event.Event, m *artifact.Machine) []string {
	if e.Artifact != "execution/prefetch" {
		return nil
	}
	var out []string
	for _, f := range e.Fields {
		if f.Name == "files" {
			for _, name := range listOf(f) {
				out = append(out, Key(name, m, ""))
			}
		}
	}
	return out
}

// number is a whole number of an event's fields, or 0.
func number(e *event.Event, name string) int64 {
	n, _ := strconv.ParseInt(field(e, name), 0, 64)
	return n
}

// rareStart tells whether a place is one that few programs use.
func rareStart(e *event.Event) bool {
	k := strings.ToLower(e.RegistryKey + `\` + e.RegistryValue)
	for _, part := range []string{`\image file execution options\`, `\silentprocessexit\`, `appinit_dlls`, `\winlogon\`, `\control\lsa\`, `\print\monitors\`,
		`\appcertdlls`, `\session manager\bootexecute`, `\netsh\`, `\timeproviders\`, `office test\special\perf`, `\environment\userinitmprlogonscript`, `\command processor\autorun`} {
		if strings.Contains(k, part) {
			return true
		}
	}
	return strings.Contains(k, `\clsid\`) && e.UserSID != "" || strings.HasPrefix(e.Artifact, "persistence/wmi")
}

// hostOf is the host that a record names as contacted.
func hostOf(e *event.Event) (host, address string) {
	switch e.Action {
	case event.Connected, event.Downloaded, event.Uploaded, event.NameResolved, event.Transferred:
		return strings.ToLower(e.Host), e.Address
	case event.ReadOrOpened: // a page that a browser showed
		if strings.HasPrefix(e.Artifact, "browser/") {
			return hostOfURL(e.URL), e.Address
		}
	}
	return "", ""
}

func hostOfURL(u string) string {
	_, rest, ok := strings.Cut(u, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.Contains(rest[i:], "]") {
		rest = rest[:i]
	}
	return strings.ToLower(rest)
}

func baseOf(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }

func dirOf(key string) string {
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		return key[:i]
	}
	return ""
}
