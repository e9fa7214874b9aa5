package trace

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"kanshiki/forensics/event"
)

// ErrGone says that a file's content is no longer on the disk.
var ErrGone = errors.New("its clusters belong to other files now")

// story says what each suspect did and what led to it.
func (a *analysis) story() error {
	for _, s := range a.suspect {
		a.ran(s)
		a.came(s)
		a.signs(s)
		if err := a.backward(s); err != nil {
			return err
		}
	}
	for _, s := range a.suspect {
		a.wrote(s)
	}
	for _, s := range a.suspect {
		a.starts(s.Key, s.Path, s)
	}
	if err := a.archives(); err != nil {
		return err
	}
	a.cleared()
	return nil
}

func (s *Suspect) entity(role string) Entity {
	if s.File != nil {
		e := s.File.entity(role)
		e.Kind = "program"
		e.SHA256 = s.SHA256
		return e
	}
	return Entity{Role: role, Kind: "program", Name: path.Base(slashed(s.Path)), Path: s.Key}
}

func (f *File) entity(role string) Entity {
	return Entity{Role: role, Kind: "file", Name: f.Base(), Exhibit: f.Exhibit, Volume: f.Volume, Path: f.Path, Entry: f.Entry, Sequence: f.Sequence}
}

func (s *Suspect) name() string { return path.Base(slashed(s.Path)) }

func slashed(p string) string { return strings.ReplaceAll(p, `\`, "/") }

func (a *analysis) suspectNode(s *Suspect) string {
	n := Node{ID: "file:" + s.Key, Kind: "suspect", Label: s.name(), Note: fmt.Sprintf("suspect: %s", counted(len(s.Reasons), "reason", "reasons"))}
	if s.File != nil {
		n.At, n.Deleted = s.File.Born(), s.File.Deleted
	}
	return a.node(n)
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// ran says each time that a suspect was started. Records within two seconds
// tell of one start; the strongest gives the grade.
func (a *analysis) ran(s *Suspect) {
	a.suspectNode(s)
	a.saySomeRuns(s.Key, s.entity("object"), s.name())
	users := map[string]*event.Event{}
	for _, r := range a.runsOf(s.Key) {
		if r.user != "" && r.grade >= Supported && users[r.user] == nil {
			users[r.user] = r.ev
		}
	}
	for _, sid := range sortedKeys(users) {
		name := sid
		if u, ok := a.w.Machine.Users[sid]; ok && u.Name != "" {
			name = u.Name
		}
		c := a.claim("account", Supported, []Entity{{Role: "object", Kind: "account", Name: name, Value: sid}, s.entity("actor")}, "program", s.name(), "account", name)
		c.Events, c.From = []event.ID{users[sid].ID}, users[sid].Ticks
	}
}

func (a *analysis) saySomeRuns(key string, object Entity, name string) {
	runs := slices.Clone(a.runsOf(key))
	slices.SortStableFunc(runs, func(x, y run) int { return cmp.Compare(x.at, y.at) })
	best := strongest(runs)
	for i := 0; i < len(runs); {
		j := i + 1
		for j < len(runs) && runs[j].at.Sub(runs[i].at) <= slack {
			j++
		}
		g := strongest(runs[i:j])
		families := map[string]bool{}
		for _, r := range runs[i:j] {
			families[string(a.w.family(r.ev))] = true
		}
		if g == Possible && best > Possible || g == CannotKnow || !runs[i].at.Valid() && best > Possible {
			i = j // presence alone says nothing beside a record of a start
			continue
		}
		c := a.claim("ran", g, []Entity{object}, "program", name, "at", runs[i].at.String())
		c.From, c.To = runs[i].at, runs[j-1].at
		for _, r := range runs[i:j] {
			c.Events = appendID(c.Events, r.ev.ID)
		}
		a.startedBy(runs[i:j], object, name)
		i = j
	}
}

// startedBy says which program started this one, where a record of the start
// names the parent's process number and that process is known. A parent can be
// forged, so this is never proven.
func (a *analysis) startedBy(runs []run, object Entity, name string) {
	for _, r := range runs {
		if r.parent == 0 {
			continue
		}
		var parent *run
		for i := range a.r.runs {
			p := &a.r.runs[i]
			if p.pid == r.parent && p.ev.Exhibit == r.ev.Exhibit && p.at <= r.at && (parent == nil || p.at > parent.at) {
				parent = p
			}
		}
		if parent == nil {
			continue
		}
		actor := Entity{Role: "actor", Kind: "program", Name: baseOf(parent.key), Path: parent.key}
		if f := a.w.at(parent.key, parent.at); f != nil {
			actor = withRole(f.entity("actor"), "program")
		}
		c := a.claim("started-by", Supported, []Entity{object, actor}, "actor", actor.Name, "program", name, "at", r.at.String())
		c.From, c.To, c.Events = r.at, r.at, []event.ID{r.ev.ID, parent.ev.ID}
		if s := a.isSuspect[parent.key]; s != nil {
			a.edge(a.suspectNode(s), "file:"+r.key, "started", Supported, "the start's record names the parent's process", c.ID)
		}
		return
	}
}

// came says that the file was born here.
func (a *analysis) came(s *Suspect) {
	if s.File == nil {
		return
	}
	c := a.claim("came", Proven, []Entity{s.entity("object")}, "file", s.name())
	c.From, c.To = s.File.Born(), s.File.Born()
	a.carryBirth(c, s.File)
}

// carryBirth puts the records of a file's birth under a claim.
func (a *analysis) carryBirth(c *Claim, f *File) {
	for _, e := range a.entryEvents(f) {
		if e.MACB&event.FNBorn != 0 {
			c.Events = appendID(c.Events, e.ID)
		}
	}
	for _, e := range a.changesOf(f) {
		if e.Action == event.Created {
			c.Events = appendID(c.Events, e.ID)
			break
		}
	}
}

// signs are forged times and detections.
func (a *analysis) signs(s *Suspect) {
	a.timesChanged(s)
	for _, g := range s.Reasons {
		switch g.ID {
		case "forged-times":
			c := a.claim("forged", Supported, []Entity{s.entity("object")}, "file", s.name(), "tests", g.Detail)
			c.Events = g.Events
			c.From = s.File.Born()
		case "av":
			c := a.claim("detected", Proven, []Entity{s.entity("object")}, "file", s.name(), "threat", g.Detail)
			c.Events = g.Events
			for _, d := range a.r.detections {
				if slices.Contains(g.Events, d.ID) {
					c.From, c.To = d.Ticks, d.Ticks
				}
			}
		}
	}
}

// timesChanged says that the journal has a change of times or attributes alone,
// after the file was born and closed: the trace of SetFileTime and the like.
func (a *analysis) timesChanged(s *Suspect) {
	if s.File == nil || !slices.ContainsFunc(s.Reasons, func(g Given) bool { return g.ID == "forged-times" }) {
		return
	}
	for _, e := range a.changesOf(s.File) {
		if !timesOnly(e) {
			continue
		}
		c := a.claim("times-changed", Proven, []Entity{s.entity("object")}, "file", s.name())
		c.From, c.To, c.Events = e.Ticks, e.Ticks, []event.ID{e.ID}
		for _, by := range a.suspect {
			for _, r := range a.runsOf(by.Key) {
				if by != s && r.grade >= Supported && e.Ticks >= r.at && e.Ticks.Sub(r.at) <= nearRun {
					w := a.claim("times-changed-by", Possible, []Entity{s.entity("object"), by.entity("actor")}, "actor", by.name(), "file", s.name())
					w.From, w.To, w.Events = e.Ticks, e.Ticks, []event.ID{e.ID, r.ev.ID}
					return
				}
			}
		}
		return
	}
}

// wrote finds what a suspect put on the disk: programs, scripts and archives
// born in its run.
func (a *analysis) wrote(s *Suspect) {
	for _, f := range a.w.Files {
		if f.Dir || f.Key == s.Key || !userPlace(f.Key) || mailPlace(f.Key) {
			continue
		}
		g, how, carried := a.wroteGrade(s, f)
		if g == Possible && !(isProgram(f.Key) || isArchive(f.Key)) {
			continue // a document born in some run is nothing
		}
		if g == CannotKnow {
			continue
		}
		if isArchive(f.Key) { // archives are claims of their own
			a.linked[f] = append(a.linked[f], link{s, g, how, carried})
			continue
		}
		a.dropped(s, f, g, how, carried)
	}
}

// link ties a file to a suspect.
type link struct {
	s       *Suspect
	grade   Grade
	how     string
	carried []event.ID
}

// wroteGrade is the table row "wrote": the prefetcher saw the file in the
// program's first seconds and NTFS bears it then, or the program names it and
// it was born in its run; a birth in its run in a folder that it used is
// possible only.
func (a *analysis) wroteGrade(s *Suspect, f *File) (Grade, string, []event.ID) {
	born := f.Born()
	best, how := CannotKnow, ""
	var carried []event.ID
	for _, r := range a.runsOf(s.Key) {
		if r.grade < Supported || !r.at.Valid() || born < r.at.Add(-slack) || born > r.at.Add(nearRun) {
			continue
		}
		g, h := CannotKnow, ""
		switch {
		case slices.Contains(r.list, f.Key) && born <= r.at.Add(watched+slack):
			g, h = Supported, "the prefetcher saw it in the program's first seconds, and it was born then"
		case a.holds(s, f):
			g, h = Supported, "the program holds its name, and it was born in the program's run"
		case dirOf(f.Key) == dirOf(s.Key) || usedFolder(r, dirOf(f.Key)):
			g, h = Possible, "born in the program's run, in a folder that it used"
		}
		if g > best {
			best, how = g, h
			carried = []event.ID{r.ev.ID}
		}
	}
	if best == CannotKnow {
		return best, "", nil
	}
	for _, e := range a.entryEvents(f) {
		if e.MACB&event.FNBorn != 0 {
			carried = appendID(carried, e.ID)
		}
	}
	return best, how, carried
}

// usedFolder tells whether the prefetcher saw the program use a folder that is
// not one that everything uses.
func usedFolder(r run, dir string) bool {
	if dir == "" || !userPlace(dir+"/x") {
		return false
	}
	for _, k := range r.list {
		if dirOf(k) == dir {
			return true
		}
	}
	return false
}

// holds tells whether a suspect has a file's name in it.
func (a *analysis) holds(s *Suspect, f *File) bool {
	if s.File == nil || s.Program == nil || len(baseOf(f.Key)) < 5 {
		return false
	}
	yes, err := a.w.Content.Holds(a.ctx, s.File, baseOf(f.Key))
	return err == nil && yes
}

// dropped says that a suspect placed a program, and follows the program.
func (a *analysis) dropped(s *Suspect, f *File, g Grade, how string, carried []event.ID) {
	from := a.suspectNode(s)
	to := "file:" + f.Key
	a.node(Node{ID: to, Kind: "file", Label: f.Base(), At: f.Born(), Deleted: f.Deleted})
	c := a.claim("wrote", g, []Entity{f.entity("object"), s.entity("actor")}, "actor", s.name(), "file", f.Base())
	c.From, c.To, c.Events = f.Born(), f.Born(), carried
	a.edge(from, to, "wrote", g, how, c.ID)
	if a.isSuspect[f.Key] != nil || a.followed[f.Key] {
		return
	}
	a.followed[f.Key] = true
	born := a.claim("came", Proven, []Entity{f.entity("object")}, "file", f.Base())
	born.From, born.To = f.Born(), f.Born()
	a.carryBirth(born, f)
	if g >= Supported {
		a.saySomeRuns(f.Key, f.entity("object"), f.Base())
		a.starts(f.Key, f.Path, s)
	}
	a.gone(f, s)
}

// gone says that a file was deleted, and by whom as far as records go.
func (a *analysis) gone(f *File, s *Suspect, tied ...event.ID) {
	if !f.Deleted {
		return
	}
	t, e := a.deletedAt(f)
	c := a.claim("deleted", Proven, []Entity{f.entity("object")}, "file", f.Base())
	c.From, c.To = t, t
	if e != nil {
		c.Events = []event.ID{e.ID}
	} else {
		for _, m := range a.entryEvents(f) {
			c.Events = appendID(c.Events, m.ID)
		}
		u := a.claim("when-deleted", CannotKnow, []Entity{f.entity("object")}, "file", f.Base())
		u.From, u.Because = f.Born(), "the entry says that it was deleted; the journal, which would say when, does not reach so far or is not there"
	}
	if s == nil || !t.Valid() {
		return
	}
	for _, r := range a.runsOf(s.Key) {
		if r.grade >= Supported && r.at.Valid() && t >= r.at && (t.Sub(r.at) <= nearRun || len(tied) > 0) {
			w := a.claim("deleted-by", Possible, []Entity{f.entity("object"), s.entity("actor")}, "actor", s.name(), "file", f.Base())
			w.From, w.To, w.Events = t, t, append(slices.Clone(c.Events), r.ev.ID)
			return
		}
	}
}

// window is the time of the incident: from the first arrival to an hour after
// the last act that is tied to a suspect.
func (a *analysis) window() (from, to event.Ticks) {
	for _, c := range a.claims {
		if c.Answer == Unknown || !c.From.Valid() {
			continue
		}
		if from == 0 || c.From < from {
			from = c.From
		}
		to = max(to, c.From, c.To)
	}
	if to.Valid() {
		to = to.Add(time.Hour)
	}
	return from, to
}

// cleared says which logs were emptied between the first arrival and the end
// of the records.
func (a *analysis) cleared() {
	from, _ := a.window()
	if len(a.suspect) == 0 {
		return
	}
	for _, e := range a.r.clears {
		if !e.Ticks.Valid() || e.Ticks < from {
			continue
		}
		log := firstNonEmpty(field(e, "cleared"), field(e, "channel"), e.Source)
		object := Entity{Role: "object", Kind: "log", Name: log, Path: logFile(e.Source, log)}
		c := a.claim("cleared", lowered(e, Proven), []Entity{object}, "log", log, "at", e.Ticks.String())
		c.From, c.To, c.Events = e.Ticks, e.Ticks, []event.ID{e.ID}
		a.node(Node{ID: "log:" + log, Kind: "log", Label: log + " log cleared", At: e.Ticks})
		if e.User != "" {
			w := a.claim("cleared-by", lowered(e, Proven), []Entity{object, {Role: "actor", Kind: "account", Name: e.User, Value: e.UserSID}}, "account", e.User, "log", log)
			w.From, w.To, w.Events = e.Ticks, e.Ticks, c.Events
		}
		a.clearedByProgram(e, object, log)
	}
}

// logFile is the file of the log that a record says was cleared: the record may
// stand in another log of the same folder.
func logFile(source, log string) string {
	if !strings.HasSuffix(strings.ToLower(source), ".evtx") || strings.Contains(log, ".") {
		return source
	}
	return source[:strings.LastIndexByte(source, '/')+1] + strings.ReplaceAll(log, "/", "%4") + ".evtx"
}

// clearedByProgram names the suspect that had run under the account which
// cleared a log: time and account together make it possible, no more.
func (a *analysis) clearedByProgram(e *event.Event, object Entity, log string) {
	for _, s := range slices.Backward(a.suspect) {
		last, account := event.Ticks(0), false
		var by event.ID
		for _, r := range a.runsOf(s.Key) {
			if r.grade >= Supported && r.at.Valid() {
				account = account || a.isAccount(e, r.user) || a.isAccount(e, a.ownerOf(s.Key))
				if r.at <= e.Ticks && r.at > last {
					last, by = r.at, r.ev.ID
				}
			}
		}
		if !account || last == 0 || len(a.startsOf(s.Key)) == 0 && e.Ticks.Sub(last) > nearRun {
			continue
		}
		c := a.claim("cleared-program", Possible, []Entity{object, s.entity("actor")}, "actor", s.name(), "log", log)
		c.From, c.To, c.Events = e.Ticks, e.Ticks, []event.ID{e.ID, by}
		return
	}
}

// isAccount tells whether a record's account is the one of a SID; some records
// have the name alone.
func (a *analysis) isAccount(e *event.Event, sid string) bool {
	if sid == "" || e.UserSID != "" {
		return sid != "" && sid == e.UserSID
	}
	name := e.User[strings.LastIndexByte(e.User, '\\')+1:]
	return name != "" && strings.EqualFold(name, a.w.Machine.Users[sid].Name)
}

// ownerOf is the account whose profile holds a key.
func (a *analysis) ownerOf(key string) string {
	sid, _, _ := a.w.Machine.UserOf(key)
	return sid
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
