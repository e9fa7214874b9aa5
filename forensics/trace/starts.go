package trace

import (
	"path"
	"slices"
	"strings"

	"kanshiki/forensics/event"
)

// starts says where a program starts by itself, and who set that place.
func (a *analysis) starts(key, shown string, s *Suspect) {
	name := path.Base(slashed(shown))
	var every, set []*Claim
	var by string
	for _, st := range a.startsOf(key) {
		words := a.placeWords(st)
		place := Entity{Role: "place", Kind: placeKind(st), Name: words, Key: st.ev.RegistryKey, Value: st.ev.RegistryValue}
		if st.ev.RegistryKey == "" {
			place.Path = st.ev.Source
		}
		object := Entity{Role: "object", Kind: "program", Name: name, Path: shown}
		if f := a.w.at(key, 0); f != nil {
			object = f.entity("object")
		}
		c := a.claim("starts", lowered(st.ev, Proven), []Entity{object, place}, "program", name, "place", words)
		c.Events, c.From = []event.ID{st.ev.ID}, st.set
		every = append(every, c)
		to := a.node(Node{ID: "start:" + st.place, Kind: "start", Label: shortPlace(st), At: st.set})
		a.edge("file:"+key, to, "starts at", c.Grade, "the place names the program", c.ID)
		actor, g, r := a.whoSet(st, key)
		if actor == nil {
			continue
		}
		w := a.claim("set-start", g, []Entity{place, actor.entity("actor")}, "actor", actor.name(), "place", words)
		w.From, w.To, w.Events = st.set, st.set, []event.ID{st.ev.ID}
		if r != nil {
			w.Events = appendID(w.Events, r.ID)
		}
		a.edge(a.suspectNode(actor), to, "persisted", g, "set in its run, and names it or what it placed", w.ID)
		set = append(set, w)
		by = actor.name()
	}
	a.together("starts-all", every, "program", name)
	a.together("set-starts-all", set, "actor", by, "program", name)
}

// together says in one sentence what several claims say one by one; its grade is
// that of the weakest.
func (a *analysis) together(id string, parts []*Claim, slots ...string) {
	if len(parts) < 2 {
		return
	}
	g := Proven
	var entities []Entity
	var names []string
	var ids []event.ID
	var from, to event.Ticks
	for _, p := range parts {
		g = min(g, p.Grade)
		for _, e := range p.Entities {
			if e.Role == "place" {
				names = append(names, e.Name)
			}
			if !slices.Contains(entities, e) {
				entities = append(entities, e)
			}
		}
		for _, id := range p.Events {
			ids = appendID(ids, id)
		}
		if p.From.Valid() && (from == 0 || p.From < from) {
			from = p.From
		}
		to = max(to, p.From)
	}
	c := a.claim(id, g, entities, append(slots, "count", counted(len(parts), "place", "places"), "places", strings.Join(names, ", "))...)
	c.From, c.To, c.Events = from, to, ids
}

// placeWords names a start place for a sentence: the last names of a key with
// its value and the account, the task, the service, the file. The whole key
// stands in the claim's entities.
func (a *analysis) placeWords(st start) string {
	short := shortPlace(st)
	switch placeKind(st) {
	case "task":
		return "task " + short
	case "service":
		return "service " + strings.TrimSuffix(short, `\ImagePath`)
	}
	if u, ok := a.w.Machine.Users[st.user]; ok && u.Name != "" {
		short += " of " + u.Name
	}
	return short
}

func placeKind(st start) string {
	switch {
	case strings.Contains(st.kind, "task"):
		return "task"
	case strings.Contains(st.kind, "service"):
		return "service"
	case st.ev.RegistryKey != "":
		return "registry"
	}
	return "file"
}

func shortPlace(st start) string {
	if st.ev.RegistryKey == "" {
		return path.Base(slashed(st.place))
	}
	k := st.ev.RegistryKey
	return k[strings.LastIndexByte(k, '\\')+1:] + `\` + st.ev.RegistryValue
}

// whoSet finds the suspect in whose run a start place was last written: the
// program itself or the one that placed it.
func (a *analysis) whoSet(st start, key string) (*Suspect, Grade, *event.Event) {
	var best *Suspect
	grade := CannotKnow
	var by *event.Event
	for _, s := range a.suspect {
		own := s.Key == key
		child := false
		if f := a.w.at(key, 0); f != nil && !own {
			g, _, _ := a.wroteGrade(s, f)
			child = g >= Supported
		}
		if !own && !child {
			continue
		}
		for _, r := range a.runsOf(s.Key) {
			if r.grade < Supported || !st.set.Valid() || st.set < r.at.Add(-slack) || st.set > r.at.Add(nearRun) {
				continue
			}
			// The one that placed the program wins over the program itself: it
			// ran before, and both runs hold the moment.
			if grade < Supported || child {
				best, grade, by = s, Supported, r.ev
			}
		}
		if best == nil {
			best, grade = s, Possible
		}
	}
	return best, grade, by
}
