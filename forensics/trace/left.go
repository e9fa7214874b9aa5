package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
)

// Channel is a row of the table of what may have left.
type Channel struct {
	Name     string
	From, To event.Ticks
	Bytes    Interval
	Known    bool // whether any witness counted
	Grade    Grade
	Note     string
	Claims   []string
}

// left says what may have gone out, channel by channel.
func (a *analysis) left() error {
	if len(a.suspect) == 0 {
		return nil
	}
	from, to := a.window()
	byHost := a.hosts()
	for _, h := range byHost {
		a.sent(h, from)
	}
	a.objects(byHost)
	a.removable(from, to)
	a.reach()
	return nil
}

// contact is a host that suspects name, with what was recorded of it.
type contact struct {
	host    string
	by      []*Suspect
	network []net // recorded outside this machine
	own     []net // recorded by it
	bytes   Interval
	counted bool
	claim   *Claim
}

// hosts are the addresses inside suspects that network records show.
func (a *analysis) hosts() []*contact {
	all := map[string]*contact{}
	for _, s := range a.suspect {
		if s.Program == nil {
			continue
		}
		for _, n := range a.contacts(s.Program) {
			h := firstNonEmpty(n.host, n.address)
			c := all[h]
			if c == nil {
				c = &contact{host: h}
				all[h] = c
			}
			if !slices.Contains(c.by, s) {
				c.by = append(c.by, s)
			}
			if a.w.family(n.ev) == artifact.FamilyNetwork {
				if !slices.ContainsFunc(c.network, func(x net) bool { return x.ev == n.ev }) {
					c.network = append(c.network, n)
				}
			} else if !slices.ContainsFunc(c.own, func(x net) bool { return x.ev == n.ev }) {
				c.own = append(c.own, n)
			}
		}
	}
	var out []*contact
	for _, k := range sortedKeys(all) {
		out = append(out, all[k])
	}
	return out
}

// sent adds up what network devices counted, request by request.
func (a *analysis) sent(h *contact, from event.Ticks) {
	requests := 0
	var first, last event.Ticks
	var ids []event.ID
	for _, n := range h.network {
		if n.at.Valid() && n.at < from {
			continue
		}
		requests++
		if first == 0 || n.at < first {
			first = n.at
		}
		last = max(last, n.at)
		ids = appendID(ids, n.ev.ID)
		switch b := n.ev.BytesSent; {
		case b == nil:
			h.bytes = h.bytes.Add(anything())
		default:
			h.bytes = h.bytes.Add(sentInterval(n.ev))
			h.counted = true
		}
	}
	object := Entity{Role: "object", Kind: "host", Name: h.host}
	for _, s := range h.by {
		g := Supported // the host stands inside the program, and in records of the network
		c := a.claim("connected", g, []Entity{object, s.entity("actor")}, "actor", s.name(), "host", h.host)
		c.Events = append(slices.Clone(ids), idsOf(h.own)...)
		c.From, c.To = first, last
		to := a.node(Node{ID: "host:" + h.host, Kind: "host", Label: h.host, At: first})
		a.edge(a.suspectNode(s), to, "connected", g, "the host stands inside the program", c.ID)
	}
	if requests == 0 || !h.counted {
		return
	}
	c := a.claim("sent-bytes", Supported, []Entity{object}, "least", Bytes(h.bytes.Lo), "most", bytesOrUnknown(h.bytes.Hi), "host", h.host, "count", counted(requests, "request", "requests"))
	c.Channel = "proxy"
	c.From, c.To, c.Events = first, last, ids
	a.bounds(c, h.bytes)
	h.claim = c
	for _, s := range h.by {
		w := a.claim("sent-by", Possible, []Entity{object, s.entity("actor")}, "actor", s.name())
		w.Channel, w.From, w.To, w.Events = "proxy", first, last, ids
		a.bounds(w, h.bytes)
	}
}

// sentInterval is what one line of a network device says: the bytes that it
// counted, less what the record's own note allows as overhead.
func sentInterval(e *event.Event) Interval {
	return Exactly(*e.BytesSent)
}

func (a *analysis) bounds(c *Claim, b Interval) {
	lo := b.Lo
	c.BytesMin = &lo
	if b.Hi != Unbounded {
		hi := b.Hi
		c.BytesMax = &hi
	}
}

// objects compares each archive with what the channels carried after its
// birth.
func (a *analysis) objects(hosts []*contact) {
	for _, f := range a.packs {
		size := f.Size
		said := false
		for _, h := range hosts {
			if h.claim == nil || h.claim.To < f.Born() {
				continue
			}
			said = true
			to := a.node(Node{ID: "host:" + h.host, Kind: "host", Label: h.host})
			need := Room(size, 100, 40) // an archive does not compress again; base64 and TLS add to it
			if h.bytes.Hi < need.Lo {
				c := a.claim("too-few", Possible, []Entity{withRole(f.entity("object"), "archive")}, "file", f.Base(), "size", Bytes(size))
				c.Channel, c.From, c.To, c.Events = "proxy", h.claim.From, h.claim.To, h.claim.Events
				a.bounds(c, Interval{0, h.bytes.Hi})
				continue
			}
			c := a.claim("left", Possible, []Entity{withRole(f.entity("object"), "archive"), {Role: "place", Kind: "host", Name: h.host}},
				"file", f.Base(), "size", Bytes(size), "least", "0", "most", Bytes(min(h.bytes.Hi, size)))
			c.Channel, c.From, c.To, c.Events = "proxy", h.claim.From, h.claim.To, h.claim.Events
			a.bounds(c, Interval{0, min(h.bytes.Hi, size)})
			a.edge("file:"+f.Key, to, "sent", Possible, "its size fits the bytes that were counted", c.ID)
		}
		if said {
			continue
		}
		c := a.claim("left", Possible, []Entity{withRole(f.entity("object"), "archive")},
			"file", f.Base(), "size", Bytes(size), "least", "0", "most", "not known by this machine")
		c.Channel, c.From = "any", f.Born()
		c.Events = a.birthOf(f)
		if t, e := a.deletedAt(f); e != nil {
			c.To = t
			c.Events = appendID(c.Events, e.ID)
		}
		a.bounds(c, anything())
		c.BytesMin = nil // nothing counted: no interval is claimed
	}
}

// removable are devices that were attached in the window.
func (a *analysis) removable(from, to event.Ticks) {
	byDevice := map[string][]*event.Event{}
	for _, d := range a.r.devices {
		if d.Ticks.Valid() && d.Ticks >= from && d.Ticks <= to && d.Device != "" {
			byDevice[d.Device] = append(byDevice[d.Device], d)
		}
	}
	for _, k := range sortedKeys(byDevice) {
		c := a.claim("device", Possible, []Entity{{Role: "object", Kind: "device", Name: k}}, "device", k)
		c.Channel = "removable device"
		for _, d := range byDevice[k] {
			c.Events = appendID(c.Events, d.ID)
			if c.From == 0 || d.Ticks < c.From {
				c.From = d.Ticks
			}
			c.To = max(c.To, d.Ticks)
		}
	}
}

// reach names the accounts whose passwords, and the documents, that the
// accounts which the suspects had could read. Reach is not loss.
func (a *analysis) reach() {
	ran := false
	var ids []event.ID
	for _, s := range a.suspect {
		for _, r := range a.runsOf(s.Key) {
			if r.grade >= Supported {
				ran = true
				ids = appendID(ids, r.ev.ID)
			}
		}
	}
	if !ran {
		return
	}
	var entities []Entity
	for _, sid := range sortedKeys(a.w.Machine.Users) {
		if u := a.w.Machine.Users[sid]; strings.HasPrefix(sid, "S-1-5-21-") {
			entities = append(entities, Entity{Role: "object", Kind: "account", Name: firstNonEmpty(u.Name, sid), Value: sid})
		}
	}
	if len(entities) > 0 {
		c := a.claim("credentials", Possible, entities, "count", counted(len(entities), "account", "accounts"))
		c.Channel, c.Events = "any", ids
	}
}

func idsOf(n []net) []event.ID {
	var out []event.ID
	for _, x := range n {
		out = appendID(out, x.ev.ID)
	}
	return out
}

// Bytes writes a number of bytes for people, in units of 1000.
func Bytes(n int64) string {
	switch {
	case n >= 1e12:
		return fmt.Sprintf("%.1f TB", float64(n)/1e12)
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}

func bytesOrUnknown(n int64) string {
	if n == Unbounded {
		return "not known"
	}
	return Bytes(n)
}

// channels makes the table of the report out of the claims.
func channels(claims []*Claim) []Channel {
	var out []Channel
	for _, c := range claims {
		if c.Answer != MayHaveLeft || c.Part == TheActor || c.Act == "in-reach" {
			continue
		}
		b := Interval{0, Unbounded}
		if c.BytesMin != nil {
			b.Lo = *c.BytesMin
		}
		if c.BytesMax != nil {
			b.Hi = *c.BytesMax
		}
		out = append(out, Channel{Name: c.Sentence, From: c.From, To: c.To, Bytes: b, Known: c.BytesMin != nil, Grade: c.Grade, Claims: []string{c.ID}})
	}
	slices.SortStableFunc(out, func(x, y Channel) int { return cmp.Or(cmp.Compare(y.Grade, x.Grade), cmp.Compare(x.From, y.From)) })
	return out
}
