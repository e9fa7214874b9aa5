package eventlog

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/parsers/evtx"
)

// maxFacts bounds the gaps, stops and clock changes that one log tells of.
const maxFacts = 1000

// minJump is the change of the clock from which a log is not trusted over the
// times between: the time service sets the clock by less every few days.
const minJump = time.Minute

// watch gathers what a log could have shown.
type watch struct {
	in          *artifact.Input
	n           int
	first, last event.Ticks
	lowID       uint64
	highID      uint64
	lowTime     event.Ticks // of the record with the lowest identifier
	channel     string
	exported    bool // the records had other numbers in their log
	wrapped     bool
	gaps        uint64
	spans       []gap
	subs        map[string]*coverage.Fact
	facts       []coverage.Fact
	more        int
	clears      []coverage.Fact

	prevID   uint64
	prev     event.Ticks
	up       event.Ticks // the last record before a start of Windows was told
	stopped  event.Ticks // the service, not started again yet
	stopID   uint64
	stopWhat string
}

type gap struct {
	from, to    uint64 // identifiers that are not there
	after, till event.Ticks
}

func newWatch(in *artifact.Input) *watch {
	return &watch{in: in, subs: map[string]*coverage.Fact{}}
}

// witnesses are the channels and events that the ledger asks for by name.
var witnesses = map[string]string{
	"Microsoft-Windows-Sysmon/Operational":       "eventlog/sysmon",
	"Microsoft-Windows-DNS-Client/Operational":   "eventlog/dns",
	"Microsoft-Windows-Bits-Client/Operational":  "eventlog/bits",
	"Microsoft-Windows-PrintService/Operational": "eventlog/print",
	"Microsoft-Windows-SmbClient/Connectivity":   "eventlog/smbclient",
	"Microsoft-Windows-SMBClient/Operational":    "eventlog/smbclient",
	"Microsoft-Windows-SmbClient/Security":       "eventlog/smbclient",
}

// see takes a live record that was made into an event.
func (w *watch) see(m *maker, id, recordID uint64) {
	t := m.e.Ticks
	w.n++
	w.channel = cmp.Or(w.channel, m.channel)
	if recordID != 0 && recordID != id {
		w.exported = true
	}
	if w.lowID == 0 || id < w.lowID {
		w.lowID, w.lowTime = id, t
	}
	w.highID = max(w.highID, id)
	if !t.Valid() {
		return
	}
	if w.first == 0 || t < w.first {
		w.first = t
	}
	w.last = max(w.last, t)
	w.witness(m, t)
	w.service(m, t, id)
	if m.cleared {
		w.clear(m, t)
	}
	if d := m.new.Sub(m.old); m.old.Valid() && m.new.Valid() && (d >= minJump || d <= -minJump) {
		w.fact(coverage.Fact{
			At: m.e.At, From: min(m.old, m.new), To: max(m.old, m.new), History: coverage.Recording, Evidence: evidence(m),
			Untrusted: fmt.Sprintf("the clock was set from %s to %s", m.old, m.new),
			How:       fmt.Sprintf("%s %d, record %d", m.provider, m.id, id),
		})
	}
	w.prevID, w.prev = id, t
}

func evidence(m *maker) string {
	if m.e.ID == (event.ID{}) {
		return ""
	}
	return m.e.ID.String()
}

func (w *watch) fact(f coverage.Fact) {
	if len(w.facts) >= maxFacts {
		w.more++
		return
	}
	w.facts = append(w.facts, f)
}

// witness widens the span of a kind of record that the ledger asks for.
func (w *watch) witness(m *maker, t event.Ticks) {
	name := witnesses[m.channel]
	if m.provider == auditing {
		switch m.id {
		case 5152, 5154, 5156, 5157, 5158, 5159:
			name = "eventlog/wfp"
		case 5140, 5145:
			name = "eventlog/share"
		}
	}
	if name == "" {
		return
	}
	f := w.subs[name]
	if f == nil {
		f = &coverage.Fact{Artifact: name, At: w.in.At, From: t, To: t, History: coverage.Recording}
		w.subs[name] = f
	}
	f.From, f.To = min(f.From, t), max(f.To, t)
}

// service follows the stops and starts of the event log service: between them
// no log records.
func (w *watch) service(m *maker, t event.Ticks, id uint64) {
	stop := func(what string) { w.stopped, w.stopID, w.stopWhat = t, id, what }
	log := m.provider == "EventLog" || m.provider == "eventlog" || m.provider == "Eventlog"
	switch {
	case log && (m.id == 6009 || m.id == 6008), m.provider == general && m.id == 12:
		w.up = cmp.Or(w.up, w.prev)
	case log && m.id == 6006:
		stop("stopped (6006)")
	case m.provider == service && m.id == 1100:
		stop("shut down (1100)")
	case log && m.id == 6005:
		switch {
		case w.stopped.Valid() && w.stopID < id:
			w.off(w.stopped, t, fmt.Sprintf("event log service %s in record %d, started (6005) in record %d", w.stopWhat, w.stopID, id))
		case w.prev.Valid() && w.prevID < id:
			w.off(cmp.Or(w.up, w.prev), t, fmt.Sprintf("event log service started (6005) in record %d, and no stop is recorded before it", id))
		}
		w.stopped, w.up = 0, 0
	case w.stopped.Valid() && w.stopWhat == "shut down (1100)" && id == w.stopID+1:
		w.off(w.stopped, t, fmt.Sprintf("event log service %s in record %d; the next record", w.stopWhat, w.stopID))
		w.stopped = 0
	}
}

func (w *watch) off(from, to event.Ticks, how string) {
	if from < to {
		w.fact(coverage.Fact{At: w.in.At, From: from, To: to, History: coverage.Off, How: how})
	}
}

// clear notes that a log was emptied: this one, or the one that 104 names.
func (w *watch) clear(m *maker, t event.Ticks) {
	log := m.field("cleared")
	f := coverage.Fact{At: m.e.At, To: t, History: coverage.Cleared, Evidence: evidence(m),
		How: fmt.Sprintf("%s %d, record %s, by %s", m.provider, m.id, m.e.Record, cmp.Or(m.e.User, m.e.UserSID, "an unknown user"))}
	if log != "" && !strings.EqualFold(log, m.channel) {
		f.Source = path.Join(path.Dir(w.in.Source), strings.ReplaceAll(log, "/", "%4")+path.Ext(w.in.Source))
	}
	w.clears = append(w.clears, f)
}

// rangesEVTX takes the gaps in the identifiers.
func (w *watch) rangesEVTX(f *evtx.File) {
	list := f.Ranges()
	for i := 1; i < len(list); i++ {
		g := gap{list[i-1].Last + 1, list[i].First - 1, event.Ticks(list[i-1].LastWritten), event.Ticks(list[i].FirstWritten)}
		w.gaps += g.to - g.from + 1
		w.spans = append(w.spans, g)
	}
}

func (w *watch) lost(n uint64) { w.gaps += n }

func describeEVTX(f *evtx.File) string {
	used, doubtful := 0, 0
	for _, c := range f.Chunks() {
		if c.State == evtx.ChunkUsed {
			used++
		}
		if c.HeaderCheck == evtx.Bad || c.DataSums == evtx.Bad {
			doubtful++
		}
	}
	s := fmt.Sprintf("%d bytes, %d chunks", f.Size(), used)
	if doubtful > 0 {
		s += fmt.Sprintf(", %d with a bad checksum", doubtful)
	}
	if f.Header.Dirty() {
		s += ", not closed"
	}
	return s
}

// tell gives all facts of the log.
func (w *watch) tell(size string) {
	channel := cmp.Or(w.channel, channelOf(w.in.Name))
	if w.n == 0 {
		w.cover(coverage.Fact{History: coverage.UnknownBefore, How: "the log is there and holds no record; " + size, Artifact: witnesses[channel]})
		return
	}
	how := fmt.Sprintf("%s: %d records, numbers %d to %d; %s", channel, w.n, w.lowID, w.highID, size)
	if w.exported {
		how += "; exported: the records had other numbers in their own log"
	}
	w.cover(coverage.Fact{From: w.first, To: w.last, History: coverage.Recording, How: how, First: w.lowID, Last: w.highID, Gaps: w.gaps})
	w.before()
	for i, g := range w.spans {
		if i == maxFacts {
			w.more += len(w.spans) - i
			break
		}
		w.fact(coverage.Fact{From: min(g.after, g.till), To: max(g.after, g.till), History: coverage.UnknownBefore, First: g.from, Last: g.to, Gaps: g.to - g.from + 1,
			How: fmt.Sprintf("records %d to %d are not in the log", g.from, g.to)})
	}
	for _, f := range w.facts {
		w.cover(f)
	}
	if w.more > 0 {
		w.cover(coverage.Fact{History: coverage.UnknownBefore, From: w.first, To: w.last, How: fmt.Sprintf("%d more gaps, stops and clock changes, not listed one by one", w.more)})
	}
	w.tellWitnesses(channel)
}

// before says what is known of the time before the oldest record.
func (w *watch) before() {
	slices.SortStableFunc(w.clears, func(a, b coverage.Fact) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), cmp.Compare(a.To, b.To))
	})
	own := false
	for i, f := range w.clears {
		if i > 0 && w.clears[i-1].Source == f.Source {
			f.From = w.clears[i-1].To
		}
		own = own || f.Source == "" && f.To <= w.lowTime
		w.cover(f)
	}
	switch {
	case own || w.exported: // the clear says it, or the log is only a copy of some records
	case w.wrapped || w.lowID > 1:
		w.cover(coverage.Fact{To: w.lowTime, History: coverage.Wrapped, First: 1, Last: w.lowID - 1,
			How: fmt.Sprintf("the oldest record has the number %d: older ones were overwritten", w.lowID)})
	default:
		w.cover(coverage.Fact{To: w.lowTime, History: coverage.UnknownBefore, How: "the log begins with record 1"})
	}
}

// tellWitnesses gives the kinds of record that the ledger asks for a fact of
// their own.
func (w *watch) tellWitnesses(channel string) {
	want := []string{}
	if name := witnesses[channel]; name != "" {
		want = append(want, name)
	}
	if strings.EqualFold(channel, "Security") && !w.exported {
		want = append(want, "eventlog/share", "eventlog/wfp")
	}
	for name := range w.subs {
		if !slices.Contains(want, name) {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	for _, name := range want {
		f := w.subs[name]
		switch {
		case f == nil:
			f = &coverage.Fact{Artifact: name, From: w.first, To: w.last, History: coverage.UnknownBefore,
				How: fmt.Sprintf("no such record among the %d of the %s log: the audit was not on, or nothing happened that it records", w.n, channel)}
			if name == "eventlog/wfp" { // every connection would be one
				f.History = coverage.Off
				f.How = fmt.Sprintf("no such record among the %d of the %s log: the audit of connections was not on", w.n, channel)
			}
		case witnesses[channel] == name:
			f.From, f.To = w.first, w.last
			f.First, f.Last, f.Gaps = w.lowID, w.highID, w.gaps
			f.How = fmt.Sprintf("%d records of %s", w.n, channel)
		default:
			f.How = "such records stand in the " + channel + " log"
		}
		w.cover(*f)
	}
}

func (w *watch) cover(f coverage.Fact) {
	if f.At.Exhibit == "" {
		f.At = w.in.At
	}
	f.Source = cmp.Or(f.Source, w.in.Source)
	w.in.Cover(f)
}

// channelOf is the name of the channel that a file holds, by its own name.
func channelOf(name string) string {
	base := strings.TrimSuffix(name, path.Ext(name))
	switch strings.ToLower(base) { // XP
	case "secevent":
		return "Security"
	case "sysevent":
		return "System"
	case "appevent":
		return "Application"
	}
	return strings.ReplaceAll(base, "%4", "/")
}
