package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

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
		a.connected(h, from)
	}
	a.named(byHost)
	if len(a.packs) == 0 {
		for _, h := range byHost {
			if c := a.sent(h, nil, from, to); c != nil {
				a.contradicted(h, c, from, to)
			}
		}
		a.ownCount(from, to)
	}
	for _, f := range a.packs {
		until := to
		if t, _ := a.deletedAt(f); t.Valid() {
			until = t
		}
		found := false
		for _, h := range byHost {
			if c := a.sent(h, f, f.Born(), until); c != nil {
				found = true
				a.object(f, h, c)
				a.contradicted(h, c, f.Born(), until)
			}
		}
		a.ownCount(f.Born(), until)
		if !found {
			a.unmeasured(f)
		}
	}
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

// connected says that a program was in contact with a host that stands inside
// it: the network's or the machine's own records show the host.
func (a *analysis) connected(h *contact, from event.Ticks) {
	var first, last event.Ticks
	var ids []event.ID
	for _, n := range append(slices.Clone(h.network), h.own...) {
		if n.at.Valid() && n.at < from {
			continue
		}
		if first == 0 || n.at < first {
			first = n.at
		}
		last = max(last, n.at)
		ids = appendID(ids, n.ev.ID)
	}
	if len(ids) == 0 {
		return
	}
	object := Entity{Role: "object", Kind: "host", Name: h.host}
	to := a.node(Node{ID: "host:" + h.host, Kind: "host", Label: h.host, At: first})
	for _, s := range h.by {
		c := a.claim("connected", Supported, []Entity{object, s.entity("actor")}, "actor", s.name(), "host", h.host)
		c.Channel, c.From, c.To, c.Events = "network", first, last, ids
		a.edge(a.suspectNode(s), to, "connected", Supported, "the host stands inside the program, and in network records", c.ID)
	}
}

// mostNamed bounds the hosts of a program that no record shows.
const mostNamed = 5

// named says which hosts stand inside programs that ran, without any record of
// a contact: possible, no more.
func (a *analysis) named(seen []*contact) {
	for _, s := range a.suspect {
		if s.Program == nil || strongest(a.runsOf(s.Key)) < Supported {
			continue
		}
		n := 0
		for _, host := range s.Program.Hosts {
			if slices.ContainsFunc(seen, func(c *contact) bool { return c.host == host }) || n == mostNamed {
				continue
			}
			n++
			c := a.claim("connected-maybe", Possible, []Entity{{Role: "object", Kind: "host", Name: host}, s.entity("actor")}, "actor", s.name(), "host", host)
			c.Channel, c.Events = "network", idsOfRuns(a.runsOf(s.Key))
			for _, r := range a.runsOf(s.Key) {
				if r.at.Valid() && (c.From == 0 || r.at < c.From) {
					c.From = r.at
				}
			}
		}
	}
}

func idsOfRuns(runs []run) []event.ID {
	var out []event.ID
	for _, r := range runs {
		if r.grade >= Supported {
			out = appendID(out, r.ev.ID)
		}
	}
	return out
}

// overheadPercent is how much of the bytes that a device counts may be TLS, its
// handshakes and the heads of requests; what was carried is between the count
// less this and the count.
const overheadPercent = 5

// sent adds up what network devices counted from one time to another, request
// by request. f is the archive that existed then, or nil.
func (a *analysis) sent(h *contact, f *File, from, to event.Ticks) *Claim {
	requests := 0
	var first, last event.Ticks
	var ids []event.ID
	var total Interval
	for _, n := range h.network {
		b := n.ev.BytesSent
		if !n.at.Valid() || n.at < from || n.at > to || b == nil {
			continue
		}
		requests++
		if first == 0 || n.at < first {
			first = n.at
		}
		last = max(last, n.at)
		ids = appendID(ids, n.ev.ID)
		total = total.Add(Interval{*b - *b/100*overheadPercent, *b})
	}
	if requests == 0 {
		return nil
	}
	h.bytes = total
	object := Entity{Role: "object", Kind: "host", Name: h.host}
	entities := []Entity{object}
	if f != nil {
		entities = append(entities, withRole(f.entity("about"), "archive"))
	}
	c := a.claim("sent-bytes", Supported, entities, "least", Bytes(total.Lo), "most", bytesOrUnknown(total.Hi), "host", h.host, "count", counted(requests, "request", "requests"))
	c.Channel, c.From, c.To, c.Events = "network", first, last, ids
	a.bounds(c, total)
	for _, s := range h.by {
		w := a.claim("sent-by", Supported, []Entity{object, s.entity("actor")}, "actor", s.name())
		w.Channel, w.From, w.To, w.Events = "network", first, last, ids
		a.bounds(w, total)
	}
	return c
}

// mostListed bounds the documents that a claim of reach names one by one.
const mostListed = 300

// documents counts what an account that a suspect ran under could read: its own
// profile and the folders that belong to no profile. Access lists are not read
// yet, so this is the outer set.
func (a *analysis) documents(ids []event.ID) {
	owners := map[string]string{} // profile to account
	for _, s := range a.suspect {
		if strongest(a.runsOf(s.Key)) < Supported {
			continue
		}
		if sid, u, ok := a.w.Machine.UserOf(s.Key); ok {
			owners[strings.ToLower(u.Profile)] = firstNonEmpty(u.Name, sid)
		}
	}
	for _, profile := range sortedKeys(owners) {
		var entities []Entity
		n := 0
		for _, f := range a.w.Files {
			if f.Dir || f.Deleted || !isDocument(f.Key) || !userPlace(f.Key) || strings.Contains(f.Key, "/appdata/") {
				continue
			}
			if p := profileOf(f.Key); p != "" && p != profile && p != "users/public" {
				continue
			}
			if n++; n <= mostListed {
				entities = append(entities, withRole(f.entity("object"), "document"))
			}
		}
		if n == 0 {
			continue
		}
		c := a.claim("documents", Possible, entities, "count", counted(n, "document", "documents"), "account", owners[profile])
		c.Channel, c.Events = "any", ids
		if n > mostListed {
			c.Because = fmt.Sprintf("%d are listed; ks-walk list has all", mostListed)
		}
	}
}

func (a *analysis) bounds(c *Claim, b Interval) {
	lo := b.Lo
	c.BytesMin = &lo
	if b.Hi != Unbounded {
		hi := b.Hi
		c.BytesMax = &hi
	}
}

// usage is what the machine's own count (SRUM) says that a program sent in a
// span. A record that lies in it partly counts from nothing to all of it; bytes
// under no program's name may be any program's, and stay in the upper end.
// Without a record of its own there is nothing to say.
func (a *analysis) usage(s *Suspect, from, to event.Ticks) (sum Interval, ids []event.ID) {
	own := false
	for _, e := range a.r.usage {
		since, ok := a.since(e)
		if !ok || e.BytesSent == nil || since > to || e.Ticks < from {
			continue
		}
		b := Exactly(*e.BytesSent)
		switch {
		case e.Program == "" && field(e, "app") == "":
			b = b.Part()
			sum, ids = sum.Add(b), appendID(ids, e.ID)
			continue
		case Key(e.Program, a.w.Machine, e.UserSID) != s.Key:
			continue
		case since < from || e.Ticks > to:
			b = b.Part()
		}
		own = true
		sum, ids = sum.Add(b), appendID(ids, e.ID)
	}
	if !own {
		return Interval{}, nil
	}
	return sum, ids
}

// since is the time of the record before, where the count of this one begins.
func (a *analysis) since(e *event.Event) (event.Ticks, bool) {
	t, err := time.Parse(time.RFC3339Nano, field(e, "since"))
	if err != nil {
		return 0, e.Ticks.Valid() // the first record: from any time before
	}
	return event.FromTime(t), e.Ticks.Valid()
}

// ownCount says what the machine itself counted of each suspect.
func (a *analysis) ownCount(from, to event.Ticks) {
	for _, s := range a.suspect {
		sum, ids := a.usage(s, from, to)
		if len(ids) == 0 {
			continue
		}
		c := a.claim("sent-own", Supported, []Entity{s.entity("actor")}, "actor", s.name(), "least", Bytes(sum.Lo), "most", bytesOrUnknown(sum.Hi))
		c.Channel, c.From, c.To, c.Events = "any program's network", from, to, ids
		a.bounds(c, sum)
	}
}

// contradicted compares two witnesses: what went to one host through the proxy
// cannot be more than all that the machine counted for the programs that name
// the host. An empty intersection is a finding and never an average.
func (a *analysis) contradicted(h *contact, sent *Claim, from, to event.Ticks) {
	var all Interval
	var ids []event.ID
	for _, s := range h.by {
		sum, carried := a.usage(s, from, to)
		all = all.Add(sum)
		ids = append(ids, carried...)
	}
	if len(ids) == 0 {
		return
	}
	if _, ok := (Interval{h.bytes.Lo, Unbounded}).Meet(Interval{0, all.Hi}); ok {
		return
	}
	c := a.claim("conflict", Possible, []Entity{{Role: "object", Kind: "host", Name: h.host}}, "host", h.host,
		"detail", fmt.Sprintf("the proxy counted at least %s, the machine at most %s", Bytes(h.bytes.Lo), Bytes(all.Hi)))
	c.Channel, c.From, c.To, c.Events = "network", sent.From, sent.To, append(slices.Clone(sent.Events), ids...)
}

// object compares an archive with what a channel carried while it was there.
func (a *analysis) object(f *File, h *contact, sent *Claim) {
	size := f.Size
	to := a.node(Node{ID: "host:" + h.host, Kind: "host", Label: h.host})
	entities := []Entity{withRole(f.entity("object"), "archive"), {Role: "place", Kind: "host", Name: h.host}}
	need := Room(size, 100, 40) // an archive does not compress again; base64 and TLS add to it
	if h.bytes.Hi < need.Lo {
		c := a.claim("too-few", Possible, entities, "file", f.Base(), "size", Bytes(size))
		c.Channel, c.From, c.To, c.Events = "network", sent.From, sent.To, sent.Events
		a.bounds(c, Interval{0, h.bytes.Hi})
		return
	}
	g, how := Possible, "more bytes were counted than it needs"
	if h.bytes.Lo <= need.Hi {
		g, how = Supported, "its size fits the bytes that were counted while it was there"
	}
	c := a.claim("left", g, entities, "file", f.Base(), "size", Bytes(size), "least", Bytes(min(h.bytes.Lo, size)), "most", Bytes(min(h.bytes.Hi, size)))
	lo := min(h.bytes.Lo, size)
	if g == Possible {
		lo = 0
	}
	c.Channel, c.From, c.To, c.Events = "network", sent.From, sent.To, append(slices.Clone(sent.Events), a.birthOf(f)...)
	a.bounds(c, Interval{lo, min(h.bytes.Hi, size)})
	a.edge("file:"+f.Key, to, "sent", g, how, c.ID)
}

// unmeasured is an archive that was there while no witness counted bytes.
func (a *analysis) unmeasured(f *File) {
	c := a.claim("left", Possible, []Entity{withRole(f.entity("object"), "archive")},
		"file", f.Base(), "size", Bytes(f.Size), "least", "0", "most", "not known by this machine")
	c.Channel, c.From = "any", f.Born()
	c.Events = a.birthOf(f)
	if t, e := a.deletedAt(f); e != nil {
		c.To = t
		c.Events = appendID(c.Events, e.ID)
	}
	a.bounds(c, anything())
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
		c := a.claim("device", Possible, []Entity{{Role: "object", Kind: "device", Name: k}}, "device", deviceName(k))
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

// deviceName makes vendor, product and serial number out of the name that
// Windows gives to a disk at the USB port.
func deviceName(id string) string {
	parts := strings.Split(id, `\`)
	if len(parts) < 2 || !strings.EqualFold(parts[0], "USBSTOR") {
		return id
	}
	var words []string
	for _, p := range strings.Split(parts[1], "&") {
		for _, prefix := range []string{"Ven_", "Prod_"} {
			if v, ok := strings.CutPrefix(p, prefix); ok && v != "" {
				words = append(words, strings.ReplaceAll(v, "_", " "))
			}
		}
	}
	if len(words) == 0 {
		return id
	}
	if len(parts) > 2 {
		serial, _, _ := strings.Cut(parts[2], "&")
		words = append(words, "serial "+serial)
	}
	return strings.Join(words, " ")
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
	a.documents(ids)
	var entities []Entity
	seen := map[string]bool{}
	for _, e := range a.r.accounts { // the machine's own accounts, whose secrets lie on it
		if !seen[e.User] {
			seen[e.User] = true
			entities = append(entities, Entity{Role: "object", Kind: "account", Name: e.User, Value: e.UserSID})
			ids = appendID(ids, e.ID)
		}
	}
	for _, sid := range sortedKeys(a.w.Machine.Users) { // and those that have a profile here
		if u := a.w.Machine.Users[sid]; strings.HasPrefix(sid, "S-1-5-21-") && !seen[u.Name] {
			entities = append(entities, Entity{Role: "object", Kind: "account", Name: firstNonEmpty(u.Name, sid), Value: sid})
		}
	}
	slices.SortStableFunc(entities, func(x, y Entity) int { return strings.Compare(x.Name, y.Name) })
	if len(entities) > 0 {
		c := a.claim("credentials", Possible, entities, "count", counted(len(entities), "account", "accounts"))
		c.Channel, c.Events = "any", ids
	}
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
		out = append(out, Channel{Name: c.Sentence, From: c.From, To: c.To, Bytes: b, Known: c.BytesMax != nil, Grade: c.Grade, Claims: []string{c.ID}})
	}
	slices.SortStableFunc(out, func(x, y Channel) int { return cmp.Or(cmp.Compare(y.Grade, x.Grade), cmp.Compare(x.From, y.From)) })
	return out
}
