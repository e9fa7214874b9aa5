package trace

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"kanshiki/forensics/event"
)

// attachment is a file that came or went with a mail.
type attachment struct {
	mail    *event.Event // the message
	ev      *event.Event // the attachment's own row
	name    string
	size    int64
	sha256  string
	members []Member
}

// attachments pairs the rows of a mail artifact: one for the message, one for
// each attachment, tied by the message's id.
func (a *analysis) attachments() []attachment {
	if a.att != nil {
		return a.att
	}
	a.att = []attachment{}
	messages := map[string]*event.Event{}
	for _, e := range a.r.mails {
		if field(e, "attachment") == "" {
			messages[e.At.Exhibit+"\x00"+e.Source+"\x00"+field(e, "message_id")] = e
		}
	}
	for _, e := range a.r.mails {
		name := field(e, "attachment")
		if name == "" {
			continue
		}
		m := messages[e.At.Exhibit+"\x00"+e.Source+"\x00"+field(e, "message_id")]
		if m == nil {
			m = e
		}
		size, _ := strconv.ParseInt(field(e, "size"), 10, 64)
		a.att = append(a.att, attachment{mail: m, ev: e, name: name, size: size, sha256: e.SHA256, members: membersOf(e)})
	}
	return a.att
}

func membersOf(e *event.Event) []Member {
	var raw []struct {
		Name      string `json:"name"`
		Size      int64  `json:"size"`
		CRC32     string `json:"crc32"`
		SHA256    string `json:"sha256"`
		Encrypted bool   `json:"encrypted"`
	}
	if json.Unmarshal([]byte(field(e, "members")), &raw) != nil {
		return nil
	}
	var out []Member
	for _, r := range raw {
		m := Member{Name: r.Name, Size: r.Size, SHA256: r.SHA256, Encrypted: r.Encrypted}
		if c, err := strconv.ParseUint(strings.TrimPrefix(r.CRC32, "0x"), 16, 32); err == nil && r.CRC32 != "" {
			m.CRC32, m.HasCRC = uint32(c), true
		}
		out = append(out, m)
	}
	return out
}

// same says how strongly a member of an archive and a file on the disk have
// one content: equal digest, equal CRC32 and size, equal name.
func same(m Member, d Digest, name string) (Grade, string) {
	named := sameName(m.Name, name)
	switch {
	case m.SHA256 != "" && d.SHA256 != "" && d.Whole:
		if m.SHA256 == d.SHA256 {
			return Proven, "same digest"
		}
		return CannotKnow, ""
	case m.HasCRC && d.SHA256 != "" && d.Whole && m.Size > 0:
		if m.CRC32 == d.CRC32 && m.Size == d.Size {
			return Supported, "same CRC32 and size"
		}
		return CannotKnow, ""
	case named && m.Size == d.Size && m.Size > 0:
		return Supported, "same name and size"
	case named && d.Size == 0:
		return Possible, "same name"
	}
	return CannotKnow, ""
}

func sameName(a, b string) bool {
	return strings.EqualFold(baseOf(slashed(a)), baseOf(slashed(b)))
}

// digest is a file's content digest; where the content is gone only the size
// of its entry is left.
func (a *analysis) digest(f *File) (Digest, error) {
	if f == nil {
		return Digest{}, nil
	}
	d, err := a.w.Content.Digest(a.ctx, f)
	if err != nil {
		if a.ctx.Err() != nil {
			return d, err
		}
		return Digest{Size: f.Size}, nil
	}
	return d, nil
}

// backward follows a suspect to the way in: the archive that held it, the mail
// that brought it, the address it was fetched from.
func (a *analysis) backward(s *Suspect) error {
	d, err := a.digest(s.File)
	if err != nil {
		return err
	}
	if d.Whole {
		s.SHA256 = d.SHA256
	}
	to := a.suspectNode(s)
	name := s.name()
	for _, f := range a.w.Files {
		if f.Dir || !isArchive(f.Key) || s.File != nil && f.Born() > s.File.Born().Add(slack) {
			continue
		}
		members, err := a.w.Content.Members(a.ctx, f)
		if err != nil && a.ctx.Err() != nil {
			return err
		}
		for _, m := range members {
			g, how := same(m, d, s.Path)
			if g == CannotKnow {
				continue
			}
			from := a.node(Node{ID: "file:" + f.Key, Kind: "archive", Label: f.Base(), At: f.Born(), Deleted: f.Deleted})
			c := a.claim("unpacked", g, []Entity{s.entity("object"), withRole(f.entity("source"), "archive")}, "file", name, "member", m.Name, "archive", f.Base())
			if s.File != nil {
				c.From, c.To = s.File.Born(), s.File.Born()
				a.carryBirth(c, s.File)
			}
			for _, e := range a.entryEvents(f) {
				if e.MACB&event.FNBorn != 0 {
					c.Events = appendID(c.Events, e.ID)
				}
			}
			a.edge(from, to, "unpacked", g, how, c.ID)
			a.unpackedBy(s, f, c)
			if err := a.delivered(f); err != nil {
				return err
			}
			a.fetched(f)
		}
	}
	for _, t := range a.attachments() {
		if t.mail.Action != event.MailReceived {
			continue
		}
		for _, m := range t.members {
			if g, how := same(m, d, s.Path); g > CannotKnow {
				from := a.mail(t)
				c := a.claim("unpacked", g, []Entity{s.entity("object"), {Role: "source", Kind: "archive", Name: t.name}}, "file", name, "member", m.Name, "archive", t.name)
				c.Events = []event.ID{t.ev.ID}
				if s.File != nil {
					c.From, c.To = s.File.Born(), s.File.Born()
				}
				a.edge(from, to, "unpacked", g, how, c.ID)
			}
		}
	}
	if s.File != nil {
		if err := a.delivered(s.File); err != nil {
			return err
		}
		a.fetched(s.File)
	}
	return nil
}

// unpackedBy names an archiver that had the archive open shortly before the
// file was born.
func (a *analysis) unpackedBy(s *Suspect, archive *File, c *Claim) {
	if s.File == nil {
		return
	}
	for _, r := range a.r.runs {
		if r.grade < Supported || !slices.Contains(r.list, archive.Key) || r.key == s.Key || s.File.Born() < r.at || s.File.Born().Sub(r.at) > 2*time.Minute {
			continue
		}
		g := Possible
		if slices.Contains(r.list, s.Key) && s.File.Born() <= r.at.Add(watched+slack) {
			g = Supported
		}
		actor := Entity{Role: "actor", Kind: "program", Name: baseOf(r.key), Path: r.key}
		if f := a.w.at(r.key, r.at); f != nil {
			actor = withRole(f.entity("actor"), "program")
		}
		w := a.claim("unpacked-by", g, []Entity{s.entity("object"), actor}, "actor", actor.Name, "file", s.name())
		w.From, w.To, w.Events = c.From, c.To, append(slices.Clone(c.Events), r.ev.ID)
		return
	}
}

func withRole(e Entity, kind string) Entity { e.Kind = kind; return e }

// mail says that a message came, once for each attachment.
func (a *analysis) mail(t attachment) string {
	id := "mail:" + t.mail.ID.String()
	subject := firstNonEmpty(field(t.mail, "subject"), "(no subject)")
	if a.nodes[id] == nil {
		a.node(Node{ID: id, Kind: "mail", Label: subject, At: t.mail.Ticks, Note: t.mail.Mail})
		c := a.claim("mail-received", Proven, []Entity{{Role: "object", Kind: "mail", Name: subject, Path: t.mail.Source, Exhibit: t.mail.At.Exhibit, Volume: t.mail.At.Volume}},
			"subject", subject, "sender", firstNonEmpty(t.mail.Mail, field(t.mail, "from")), "attachment", t.name)
		c.Events = appendID([]event.ID{t.mail.ID}, t.ev.ID)
		c.From, c.To = t.mail.Ticks, t.mail.Ticks
	}
	return id
}

// delivered ties a file to the mail whose attachment it is.
func (a *analysis) delivered(f *File) error {
	if a.followed["delivered:"+f.Key] {
		return nil
	}
	a.followed["delivered:"+f.Key] = true
	d, err := a.digest(f)
	if err != nil {
		return err
	}
	for _, t := range a.attachments() {
		if t.mail.Action != event.MailReceived {
			continue
		}
		after := !t.mail.Ticks.Valid() || f.Born() >= t.mail.Ticks.Add(-slack)
		content := t.sha256 != "" && d.Whole && t.sha256 == d.SHA256
		alike := sameName(t.name, f.Path) && t.size == d.Size && t.size > 0
		g := CannotKnow
		how := ""
		switch {
		case content && after && mailPlace(f.Key):
			g, how = Proven, "same digest, born in the client's folder after arrival"
		case content && after:
			g, how = Supported, "same digest, born after arrival"
		case alike && after && mailPlace(f.Key) && !(d.Whole && t.sha256 != ""):
			g, how = Supported, "same name and size, born in the client's folder after arrival"
		case content, alike && !(d.Whole && t.sha256 != ""):
			g, how = Possible, "same content or name, without order"
		}
		if g == CannotKnow {
			continue
		}
		from := a.mail(t)
		to := a.node(Node{ID: "file:" + f.Key, Kind: "archive", Label: f.Base(), At: f.Born(), Deleted: f.Deleted})
		c := a.claim("delivered", g, []Entity{f.entity("object"), {Role: "source", Kind: "mail", Name: field(t.mail, "subject"), Path: t.mail.Source}}, "file", f.Base(), "attachment", t.name)
		c.From, c.To = f.Born(), f.Born()
		c.Events = []event.ID{t.ev.ID}
		a.carryBirth(c, f)
		a.edge(from, to, "delivered", g, how, c.ID)
	}
	return nil
}

// fetched ties a file to the address it came from: a download record and the
// mark on the file together prove it, one of the two supports it.
func (a *analysis) fetched(f *File) {
	if a.followed["fetched:"+f.Key] {
		return
	}
	a.followed["fetched:"+f.Key] = true
	var urls []string
	by := map[string][]*event.Event{}
	for _, z := range a.r.zones[f.Key] {
		if z.URL != "" {
			urls = append(urls, z.URL)
			by[z.URL] = append(by[z.URL], z)
		}
	}
	for _, n := range a.r.nets {
		if n.ev.Action == event.Downloaded && n.ev.URL != "" && Key(n.ev.Path, a.w.Machine, n.ev.UserSID) == f.Key {
			urls = append(urls, n.ev.URL)
			by[n.ev.URL] = append(by[n.ev.URL], n.ev)
		}
	}
	slices.Sort(urls)
	for _, u := range slices.Compact(urls) {
		families := map[string]bool{}
		var ids []event.ID
		for _, e := range by[u] {
			families[string(a.w.family(e))] = true
			ids = appendID(ids, e.ID)
		}
		g := Supported
		if len(families) > 1 {
			g = Proven
		}
		c := a.claim("downloaded", g, []Entity{f.entity("object"), {Role: "source", Kind: "host", Name: hostOfURL(u)}}, "file", f.Base(), "url", u)
		c.Events, c.From, c.To = ids, f.Born(), f.Born()
		from := a.node(Node{ID: "host:" + hostOfURL(u), Kind: "host", Label: hostOfURL(u)})
		a.edge(from, a.node(Node{ID: "file:" + f.Key, Kind: "file", Label: f.Base(), At: f.Born()}), "downloaded", g, "", c.ID)
	}
}
