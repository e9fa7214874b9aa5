package trace

import (
	"context"
	"slices"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
)

// Suspect is a program or file with its reasons, whether or not they suffice.
type Suspect struct {
	Key     string
	Path    string // as the evidence has it
	File    *File  // nil where only records name it
	Program *Program
	SHA256  string
	Reasons []Given
	Is      bool   // the reasons reach the threshold
	Cleared string // the examiner's reason for clearing it
}

// Given is a reason that a file has, with its records.
type Given struct {
	*Reason
	Detail string
	Family artifact.Family
	Events []event.ID
}

// suspects looks at every program that ran, starts by itself, was detected,
// came from outside or lies where users can write, in the order of paths.
func (a *analysis) suspects() error {
	keys := map[string]bool{}
	for _, r := range a.r.runs {
		keys[r.key] = true
	}
	for _, s := range a.r.starts {
		keys[s.key] = true
	}
	for _, d := range a.r.detections {
		keys[Key(d.Path, a.w.Machine, d.UserSID)] = true
	}
	for _, f := range a.w.Files {
		if !f.Dir && isProgram(f.Key) && userPlace(f.Key) {
			keys[f.Key] = true
		}
	}
	for _, m := range a.w.Examiner {
		for _, f := range a.w.Files {
			if named(m, f.Key) {
				keys[f.Key] = true
			}
		}
	}
	delete(keys, "")
	var sorted []string
	for k := range keys {
		sorted = append(sorted, k)
	}
	slices.Sort(sorted)
	judged := map[string]*Suspect{}
	for _, k := range sorted {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		s, err := a.judge(k)
		if err != nil {
			return err
		}
		judged[k] = s
		if s.Is {
			a.isSuspect[k] = s
		}
	}
	if err := a.placedBySuspects(judged); err != nil {
		return err
	}
	for _, k := range sorted {
		s := judged[k]
		if s.Is {
			a.suspect = append(a.suspect, s)
		} else if slices.ContainsFunc(s.Reasons, func(g Given) bool { return g.Strength > Weak }) {
			a.considered = append(a.considered, s)
		}
	}
	return nil
}

// placedBySuspects judges again what a suspect put on the disk, until nothing
// new comes of it.
func (a *analysis) placedBySuspects(judged map[string]*Suspect) error {
	for again := true; again; {
		again = false
		for _, k := range sortedKeys(a.isSuspect) {
			s := a.isSuspect[k]
			for _, f := range a.w.Files {
				t := judged[f.Key]
				if t == nil || t.Is || t.File != f || a.placed[f.Key] != nil || f.Key == k {
					continue
				}
				g, _, carried := a.wroteGrade(s, f)
				if g < Supported {
					continue
				}
				a.placed[f.Key] = &Given{Reason: reason("placed-by-suspect"), Detail: s.name(), Family: a.w.family(a.runsOf(k)[0].ev), Events: carried}
				fresh, err := a.judge(f.Key)
				if err != nil {
					return err
				}
				judged[f.Key] = fresh
				if fresh.Is {
					a.isSuspect[f.Key] = fresh
					again = true
				}
			}
		}
	}
	return nil
}

// judge collects the reasons of one path.
func (a *analysis) judge(key string) (*Suspect, error) {
	s := &Suspect{Key: key, Path: key, File: a.w.at(key, 0)}
	runs, starts := a.runsOf(key), a.startsOf(key)
	switch {
	case s.File != nil:
		s.Path = s.File.Path
	case len(runs) > 0:
		s.Path = firstNonEmpty(runs[0].ev.Program, runs[0].ev.Path)
	case len(starts) > 0:
		s.Path = firstNonEmpty(starts[0].ev.Program, starts[0].ev.Path)
	}
	if s.File != nil && (isProgram(key) || len(starts) > 0) && (userPlace(key) || len(starts) > 0 || systemPrograms[baseOf(key)]) {
		p, err := a.w.Content.Program(a.ctx, s.File)
		if err != nil && a.ctx.Err() != nil {
			return nil, err
		}
		s.Program = p
	}
	give := func(id, detail string, family artifact.Family, events ...*event.Event) {
		g := Given{Reason: reason(id), Detail: detail, Family: family}
		for _, e := range events {
			g.Events = appendID(g.Events, e.ID)
		}
		s.Reasons = append(s.Reasons, g)
	}
	sig := SignatureUnknown
	if s.Program != nil {
		sig = s.Program.Signature
	}
	bad := sig == SurelyUnsigned || sig == DigestDiffers
	own := a.entryEvents(s.File)

	for _, d := range a.r.detections {
		if Key(d.Path, a.w.Machine, d.UserSID) == key && d.Recovered != event.Carved {
			give("av", firstNonEmpty(field(d, "threat"), field(d, "name"), d.Message), artifact.FamilyAntivirus, d)
			break
		}
	}
	for _, m := range a.w.Examiner {
		yes, err := a.marked(m, s)
		if err != nil {
			return nil, err
		}
		if !yes {
			continue
		}
		if m.Innocent {
			s.Cleared = m.Reason
			if s.Cleared == "" {
				s.Cleared = "cleared by the examiner"
			}
		} else {
			give("ioc", m.What, "examiner")
		}
	}
	if how := liesBy(s.Path); how != "" {
		give("name-lies", how, artifact.FamilyNTFS, append(own, eventsOf(runs)...)...)
	}
	if mailPlace(key) && len(runs) > 0 && strongest(runs) >= Supported && bad {
		give("ran-from-mail", "", a.w.family(runs[0].ev), eventsOf(runs)...)
	}
	if systemPrograms[baseOf(key)] && !inSystemPlace(key) && bad {
		give("system-name-elsewhere", "", artifact.FamilyNTFS, own...)
	}
	if s.Program != nil && len(starts) > 0 && !isProgram(key) {
		give("disguised-autostart", "", artifact.FamilySetting, eventsOfStarts(starts)...)
	}
	if len(starts) > 0 && userPlace(key) && sig == SurelyUnsigned {
		give("autostart-user-place", "", artifact.FamilySetting, eventsOfStarts(starts)...)
	}
	if i := slices.IndexFunc(starts, func(x start) bool { return x.rare }); i >= 0 && !inSystemPlace(key) {
		give("rare-autostart", starts[i].place, artifact.FamilySetting, starts[i].ev)
	}
	if tests := a.forged(s.File, s.Program); len(tests) >= 2 {
		give("forged-times", strings.Join(tests, "; "), artifact.FamilyNTFS, own...)
	}
	if g := a.placed[key]; g != nil {
		s.Reasons = append(s.Reasons, *g)
	}
	if s.Program != nil && s.Program.Packed && sig == SurelyUnsigned {
		give("packed-code", "", artifact.FamilyContent)
	}
	if gone, after := a.goneAfterRun(s.File, runs); gone {
		give("ran-and-gone", "deleted "+after.Round(time.Second).String()+" after it ran", a.w.family(runs[0].ev), append(own, eventsOf(runs)...)...)
	}
	if sig == DigestDiffers {
		give("broken-signature", "", artifact.FamilyContent)
	}
	if s.Program != nil && !inSystemPlace(key) {
		if n := a.contacts(s.Program); len(n) > 0 {
			give("net-strings", n[0].host+n[0].address, artifact.FamilyContent, n[0].ev)
		}
	}
	if sig == SurelyUnsigned && len(s.Reasons) > 0 {
		give("unsigned", "", artifact.FamilyContent)
	}
	if z := a.r.zones[key]; len(z) > 0 {
		give("internet-zone", z[0].URL, artifact.FamilyNTFS, z...)
	}
	s.Is = s.Cleared == "" && reaches(s.Reasons) && (s.Program == nil || !s.Program.Known)
	return s, nil
}

// reaches is the threshold: one strong reason, or two medium ones of different
// witness families, one of which says how it came or what it did. What the
// signature says counts once.
func reaches(reasons []Given) bool {
	var medium []Given
	for _, g := range reasons {
		switch g.Strength {
		case Strong:
			return true
		case Medium:
			medium = append(medium, g)
		}
	}
	for i, g := range medium {
		for _, h := range medium[i+1:] {
			if g.Family != h.Family && !(g.IsOnly && h.IsOnly) && !installerLike(g, h) {
				return true
			}
		}
	}
	return false
}

// installerLike holds for the two reasons that every installer gives: it is
// packed, and it goes when it is done.
func installerLike(g, h Given) bool {
	return g.ID == "packed-code" && h.ID == "ran-and-gone" || h.ID == "packed-code" && g.ID == "ran-and-gone"
}

func reason(id string) *Reason {
	for i := range Reasons {
		if Reasons[i].ID == id {
			return &Reasons[i]
		}
	}
	panic("no reason " + id)
}

// goneAfterRun tells whether a file was deleted within minutes of its run, and
// no installer registered what it installed in that time.
func (a *analysis) goneAfterRun(f *File, runs []run) (bool, time.Duration) {
	if f == nil || !f.Deleted {
		return false, 0
	}
	t, _ := a.deletedAt(f)
	if !t.Valid() {
		return false, 0
	}
	for _, r := range runs {
		if r.grade < Supported || !r.at.Valid() || t < r.at || t.Sub(r.at) > nearRun {
			continue
		}
		i, _ := slices.BinarySearch(a.r.setups, r.at)
		if i < len(a.r.setups) && a.r.setups[i] <= t.Add(nearRun) {
			return false, 0
		}
		return true, t.Sub(r.at)
	}
	return false, 0
}

// deletedAt is when the journal says that a file was deleted.
func (a *analysis) deletedAt(f *File) (event.Ticks, *event.Event) {
	for _, e := range slices.Backward(a.changesOf(f)) {
		if e.Action == event.Deleted {
			return e.Ticks, e
		}
	}
	return 0, nil
}

// forged runs the tests of timestomping on a file; each names what it found.
// Two of different kind make a sign. Files that an archive tool put there are
// left out: such tools set times too.
func (a *analysis) forged(f *File, p *Program) []string {
	if f == nil || !f.SI.Born.Valid() || !f.FN.Born.Valid() || a.unpackedBurst(f) {
		return nil
	}
	var tests []string
	old := f.SI.Born < f.FN.Born && f.FN.Born.Sub(f.SI.Born) > time.Minute
	if old {
		tests = append(tests, "$SI created "+f.SI.Born.Format(event.Second)+" is before $FN created "+f.FN.Born.Format(event.Second))
	}
	if old && f.SI.Born%10000000 == 0 && f.SI.Modified%10000000 == 0 && f.FN.Born%10000000 != 0 {
		tests = append(tests, "$SI times are whole seconds, $FN times are not")
	}
	for _, e := range a.changesOf(f) {
		if timesOnly(e) && e.Ticks >= f.FN.Born && old {
			tests = append(tests, "the journal has a change of times alone at "+e.Ticks.Format(event.Second))
			break
		}
	}
	if old && f.SI.Born < a.w.From && a.w.From.Valid() {
		tests = append(tests, "$SI created is before the volume's own birth")
	}
	if p != nil && p.Timestamp.Valid() && f.SI.Modified.Valid() && p.Timestamp > f.SI.Modified.Add(48*time.Hour) && p.Timestamp < f.FN.Born.Add(48*time.Hour) {
		tests = append(tests, "it was linked "+p.Timestamp.Format(event.Day)+", after its $SI modified time")
	}
	return tests
}

// timesOnly tells whether a journal row is a change of times or attributes and of
// nothing else since the file was opened: reasons add up until it is closed, so
// what a copy or an archive tool sets while it writes does not stand alone.
func timesOnly(e *event.Event) bool {
	const closed, basicInfo = 0x80000000, 0x8000
	return number(e, "reason_flags")&^closed == basicInfo
}

// unpackedBurst tells whether a file was born with others in its folder within
// seconds, several of which have content times that are older than their
// birth: what an archive tool or a copy leaves.
func (a *analysis) unpackedBurst(f *File) bool {
	n := 0
	for _, g := range a.inFolder(dirOf(f.Key)) {
		if g != f && !g.Dir && absolute(g.Born().Sub(f.Born())) < 15*time.Second && g.SI.Modified.Valid() && g.SI.Modified < g.FN.Born.Add(-time.Minute) {
			n++
		}
	}
	return n >= 2
}

func absolute(d time.Duration) time.Duration { return max(d, -d) }

// contacts are the network records whose host stands inside a program.
func (a *analysis) contacts(p *Program) []net {
	var out []net
	for _, n := range a.r.nets {
		for _, h := range p.Hosts {
			if h != "" && (h == n.host || h == n.address) {
				out = append(out, n)
				break
			}
		}
	}
	return out
}

// named tells whether a mark is a file's path or name.
func named(m Mark, key string) bool {
	return key == Key(m.What, nil, "") || baseOf(key) == strings.ToLower(m.What)
}

// marked tells whether the examiner's mark is a file's path, name or digest, or
// a host that stands inside it.
func (a *analysis) marked(m Mark, s *Suspect) (bool, error) {
	what := strings.ToLower(m.What)
	switch {
	case named(m, s.Key), s.Program != nil && slices.Contains(s.Program.Hosts, what):
		return true, nil
	case len(what) == 64 && s.File != nil:
		d, err := a.digest(s.File)
		return d.Whole && d.SHA256 == what, err
	}
	return false, nil
}

func inSystemPlace(key string) bool {
	for _, p := range systemPlaces {
		if strings.HasPrefix(key, p) {
			return !userPlace(key)
		}
	}
	return false
}

func strongest(runs []run) Grade {
	g := CannotKnow
	for _, r := range runs {
		g = max(g, r.grade)
	}
	return g
}

func eventsOf(runs []run) []*event.Event {
	var out []*event.Event
	for _, r := range runs {
		out = append(out, r.ev)
	}
	return out
}

func eventsOfStarts(starts []start) []*event.Event {
	var out []*event.Event
	for _, s := range starts {
		out = append(out, s.ev)
	}
	return out
}

func firstNonEmpty(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

func appendID(ids []event.ID, id event.ID) []event.ID {
	if slices.Contains(ids, id) {
		return ids
	}
	return append(ids, id)
}

// analysis is one trace under way.
type analysis struct {
	ctx        context.Context
	w          *World
	r          *records
	suspect    []*Suspect
	considered []*Suspect
	isSuspect  map[string]*Suspect
	claims     []*Claim
	folder     map[string][]*File
	nodes      map[string]*Node
	edges      []*Edge
	linked     map[*File][]link  // archives that are tied to suspects
	placed     map[string]*Given // files that suspects placed
	followed   map[string]bool   // files whose story is told already
	packs      []*File           // archives that are tied to suspects, in order
	att        []attachment
	sizes      map[int64][]*File
	byID       map[event.ID]*event.Event
}

func (a *analysis) runsOf(key string) []run {
	i, _ := slices.BinarySearchFunc(a.r.runs, key, func(r run, k string) int { return strings.Compare(r.key, k) })
	j := i
	for j < len(a.r.runs) && a.r.runs[j].key == key {
		j++
	}
	return a.r.runs[i:j]
}

func (a *analysis) startsOf(key string) []start {
	i, _ := slices.BinarySearchFunc(a.r.starts, key, func(s start, k string) int { return strings.Compare(s.key, k) })
	j := i
	for j < len(a.r.starts) && a.r.starts[j].key == key {
		j++
	}
	return a.r.starts[i:j]
}

// entryEvents are the $MFT rows of a file.
func (a *analysis) entryEvents(f *File) []*event.Event {
	if f == nil {
		return nil
	}
	return a.r.entries[f.ref()]
}

// changesOf are the journal's rows of a file.
func (a *analysis) changesOf(f *File) []*event.Event { return a.r.changes[f.ref()] }

func (a *analysis) inFolder(dir string) []*File {
	if a.folder == nil {
		a.folder = map[string][]*File{}
		for _, f := range a.w.Files {
			d := dirOf(f.Key)
			a.folder[d] = append(a.folder[d], f)
		}
	}
	return a.folder[dir]
}
