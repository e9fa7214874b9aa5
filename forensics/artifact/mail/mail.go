// Package mail reads messages as mail clients keep them: what came, what was
// sent, with which attachments.
package mail

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
	"unicode"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/parsers/zip"
)

// fields are the names of the events' fields, for every form of message.
var fields = []string{"message_id", "subject", "from", "to", "cc", "bcc", "date", "sent", "delivered", "created", "modified", "received", "mailer", "class", "flags",
	"attachments", "text", "attachment", "content_type", "inline", "size", "crc32", "members", "opened_with"}

var card = artifact.Card{
	Proves:    "a message with these headers and attachments lay in this store; the topmost Received line or the delivery time says when it came",
	NotProven: "that a person read it; who really sent it: all headers below the last trusted relay are the sender's claim; that an attachment was opened",
	Clock:     "delivery: the client's or server's clock; Date header: the sender's own clock; Received: each relay's clock with its zone",
	Retention: "until deleted and the store compacted",
	Switches:  "none; deleted messages of folders stay until compaction",
	Source:    "RFC 5322, RFC 2045-2047, RFC 4155, [MS-OXMSG], [MS-OXPROPS]",
}

// message is what all forms have in common.
type message struct {
	id, subject, mailer, class string
	from, to, cc, bcc          []string // "name <address>"
	sender                     string   // address
	date, sent, delivered      event.Ticks
	created, modified          event.Ticks
	received                   []string
	dateRaw, text              string
	flags                      uint32
	outgoing                   bool
	attachments                []attachment
	offset, length             int64
	record                     string
}

type attachment struct {
	name, contentType string
	inline            bool
	data              []byte
}

// maxText is how much of a message's text a row keeps; the record has it all.
const maxText = 4096

// emit writes one row for the message and one for each attachment.
func (m *message) emit(emit func(*event.Event) error) error {
	e := event.Event{Meaning: "message received", Action: event.MailReceived, Precision: event.Second, Clock: event.RemoteHost, Mail: m.sender,
		Length: m.length, Record: m.record}
	e.At.Offset = m.offset
	e.Ticks = m.delivered
	if m.outgoing {
		e.Meaning, e.Action = "message sent", event.MailSent
		e.Ticks = firstTime(m.sent, m.date)
		if len(m.to) > 0 {
			e.Mail = address(m.to[0])
		}
	} else if !e.Ticks.Valid() {
		e.Ticks, e.Meaning = firstTime(m.sent, m.date), "message dated by its sender"
	}
	if e.Ticks%10000000 != 0 {
		e.Precision = event.Exact
	}
	who := "from " + m.sender
	if m.outgoing {
		who = "to " + strings.Join(m.to, ", ")
	}
	e.Message = fmt.Sprintf("mail %s: %s", who, m.subject)
	if n := len(m.attachments); n > 0 {
		e.Message += fmt.Sprintf(" (%d attachments)", n)
	}
	e.Fields = m.head()
	var names []string
	for _, a := range m.attachments {
		names = append(names, a.name)
	}
	if len(names) > 0 {
		e.Fields = append(e.Fields, event.List("attachments", names))
	}
	if m.text != "" {
		e.Fields = append(e.Fields, event.Str("text", cut(m.text, maxText)))
	}
	if err := emit(&e); err != nil {
		return err
	}
	for i := range m.attachments {
		a := &m.attachments[i]
		x := e
		x.Meaning, x.Path = "attachment of a message", a.name
		sum := sha256.Sum256(a.data)
		x.SHA256 = hex.EncodeToString(sum[:])
		x.Message = fmt.Sprintf("attachment %s (%d bytes) of mail %s: %s", a.name, len(a.data), who, m.subject)
		x.Fields = []event.Field{event.Str("message_id", m.id), event.Str("subject", m.subject), event.Str("attachment", nameOf(a)),
			event.Str("content_type", a.contentType), event.Bool("inline", a.inline), event.Int("size", len(a.data)), event.Hex("crc32", crc32.ChecksumIEEE(a.data))}
		if list, password := members(a.data, m.text); list != "" {
			x.Fields = append(x.Fields, event.Raw("members", list))
			if password != "" {
				x.Fields = append(x.Fields, event.Str("opened_with", password))
			}
		}
		if err := emit(&x); err != nil {
			return err
		}
	}
	return nil
}

// nameOf never is empty: a row with this field is an attachment's.
func nameOf(a *attachment) string {
	if a.name == "" {
		return "(no name)"
	}
	return a.name
}

func (m *message) head() []event.Field {
	f := []event.Field{event.Str("message_id", m.id), event.Str("subject", m.subject), event.List("from", m.from), event.List("to", m.to)}
	if len(m.cc) > 0 {
		f = append(f, event.List("cc", m.cc))
	}
	if len(m.bcc) > 0 {
		f = append(f, event.List("bcc", m.bcc))
	}
	if m.dateRaw != "" {
		f = append(f, event.Str("date", m.dateRaw))
	}
	for _, t := range []struct {
		name string
		t    event.Ticks
	}{{"sent", m.sent}, {"delivered", m.delivered}, {"created", m.created}, {"modified", m.modified}} {
		if t.t != 0 {
			f = append(f, event.When(t.name, t.t))
		}
	}
	if len(m.received) > 0 {
		f = append(f, event.List("received", m.received))
	}
	if m.mailer != "" {
		f = append(f, event.Str("mailer", m.mailer))
	}
	if m.class != "" {
		f = append(f, event.Str("class", m.class), event.Hex("flags", m.flags))
	}
	return f
}

func firstTime(times ...event.Ticks) event.Ticks {
	for _, t := range times {
		if t.Valid() {
			return t
		}
	}
	return 0
}

func address(s string) string {
	if i := strings.LastIndexByte(s, '<'); i >= 0 && strings.HasSuffix(s, ">") {
		return s[i+1 : len(s)-1]
	}
	return s
}

// cut shortens by whole runes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// outgoing tells by its place whether a message was sent from here: folders for
// sent mail have few names, in two languages.
func outgoingPlace(source string) bool {
	p := strings.ToLower(source)
	for _, part := range strings.Split(p, "/") {
		name := strings.TrimSuffix(part, ".sbd")
		if name == "sent" || name == "sent items" || name == "sent messages" || name == "outbox" || strings.HasPrefix(name, "送信") {
			return true
		}
	}
	return false
}

const (
	maxMembers  = 2000
	maxTries    = 200 // words of the text that are tried as a password
	maxUnpacked = 64 << 20
)

// members lists a ZIP attachment as JSON. Members with a password are tried
// with the words of the message's own text, which is how such lures come; what
// opens has its digest.
func members(data []byte, text string) (list, password string) {
	a, err := zip.NewReader(strings.NewReader(string(data)), int64(len(data)))
	if err != nil || len(a.Members) == 0 {
		return "", ""
	}
	tries := passwords(text)
	b := []byte{'['}
	left := int64(maxUnpacked)
	for i := range a.Members[:min(len(a.Members), maxMembers)] {
		m := &a.Members[i]
		if m.Dir() {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, `{"name":`...)
		b = event.AppendJSON(b, m.Name)
		b = fmt.Appendf(b, `,"size":%d,"crc32":"0x%08x","encrypted":%v`, m.Size, m.CRC32, m.Encrypted())
		if m.Size >= 0 && m.Size <= left {
			left -= m.Size
			if content, p, ok := open(a, m, tries); ok {
				sum := sha256.Sum256(content)
				b = fmt.Appendf(b, `,"sha256":"%x"`, sum)
				if p != "" {
					password, tries = p, append([]string{p}, tries...)
				}
			}
		}
		b = append(b, '}')
	}
	return string(append(b, ']')), password
}

func open(a *zip.Archive, m *zip.Member, tries []string) (content []byte, password string, ok bool) {
	if !m.Encrypted() {
		b, err := a.Content(m, maxUnpacked)
		return b, "", err == nil
	}
	for _, p := range tries {
		if b, err := a.Content(m, maxUnpacked, p); err == nil {
			return b, p, true
		}
	}
	return nil, "", false
}

// passwords are the words of a text that a person would type: letters, digits
// and signs of ASCII, three or more, each once.
func passwords(text string) []string {
	var out []string
	seen := map[string]bool{}
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' }) {
		for _, p := range []string{w, strings.Trim(w, `.,:;!?"'()[]<>`)} {
			if len(p) >= 3 && len(p) <= 64 && !seen[p] && len(out) < maxTries {
				seen[p] = true
				out = append(out, p)
			}
		}
	}
	return out
}
