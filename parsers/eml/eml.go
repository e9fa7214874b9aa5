// Package eml reads Internet messages (RFC 5322, MIME) and mailboxes of them
// (mbox, RFC 4155).
//
// It owns github.com/jhillyerd/enmime/v2 (v2.3.0 was read and measured: no
// panic in 3,480 damaged runs), whose types do not leave it. Decoded here: the
// headers that say who, when and by which way, the text, every attached part.
// Not decoded: S/MIME and PGP, TNEF (winmail.dat is an attachment).
package eml

import (
	"bytes"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/jhillyerd/enmime/v2"

	"kanshiki/parsers/internal/filetime"
)

// Message is one message.
type Message struct {
	MessageID   string
	Subject     string
	From        []Address
	To, Cc, Bcc []Address
	Date        uint64     // FILETIME of the Date header: the sender's own claim; 0 not set
	DateRaw     string     // as it stands there
	Received    []Received // topmost first: the last relay wrote it
	Mailer      string     // X-Mailer or User-Agent
	Text        string
	HTML        string
	Attachments []Attachment
	Problems    []string // what the reader found odd
}

// Address is a name and a mailbox.
type Address struct{ Name, Address string }

// Received is one hop, as the relay that took the message wrote it.
type Received struct {
	Raw  string
	Time uint64 // FILETIME, 0 where it cannot be read
}

// Attachment is a part that is a file.
type Attachment struct {
	Name        string // decoded; "" where the part has none
	ContentType string
	Inline      bool
	Content     []byte
}

// ErrNotMail says that the bytes do not begin as a message does.
var ErrNotMail = errors.New("no Internet message")

// Is tells whether b begins with header lines, at least one of which every
// message has.
func Is(b []byte) bool {
	b = b[:min(len(b), 1<<14)]
	known := 0
	for line := range bytes.Lines(b) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t") {
			return known > 0
		}
		switch strings.ToLower(string(name)) {
		case "from", "to", "subject", "date", "message-id", "received", "mime-version", "content-type", "return-path":
			known++
		}
	}
	return known > 0
}

// Parse reads one message. Oddities do not end it: what can be read is given,
// and they stand in Problems.
func Parse(b []byte) (*Message, error) { return parse(b, 0) }

// maxDepth bounds messages inside messages.
const maxDepth = 8

func parse(b []byte, depth int) (*Message, error) {
	if IsMailbox(b) { // a message cut out of a mailbox
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	if !Is(b) {
		return nil, ErrNotMail
	}
	env, err := enmime.ReadEnvelope(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("read the message: %w", err)
	}
	m := &Message{
		MessageID: strings.TrimSpace(env.GetHeader("Message-Id")), Subject: env.GetHeader("Subject"), DateRaw: env.GetHeader("Date"),
		Mailer: env.GetHeader("X-Mailer"), Text: env.Text, HTML: env.HTML,
		From: addresses(env, "From"), To: addresses(env, "To"), Cc: addresses(env, "Cc"), Bcc: addresses(env, "Bcc"),
	}
	if m.Mailer == "" {
		m.Mailer = env.GetHeader("User-Agent")
	}
	m.Date = date(m.DateRaw)
	for _, raw := range env.GetHeaderValues("Received") {
		r := Received{Raw: strings.Join(strings.Fields(raw), " ")}
		if i := strings.LastIndexByte(r.Raw, ';'); i >= 0 {
			r.Time = date(r.Raw[i+1:])
		}
		m.Received = append(m.Received, r)
	}
	for _, list := range []struct {
		parts  []*enmime.Part
		inline bool
	}{{env.Attachments, false}, {env.Inlines, true}, {env.OtherParts, true}} {
		for _, p := range list.parts {
			m.Attachments = append(m.Attachments, Attachment{p.FileName, p.ContentType, list.inline, p.Content})
		}
	}
	for _, e := range env.Errors {
		m.Problems = append(m.Problems, e.Error())
	}
	m.nested(env.Root, b, depth)
	return m, nil
}

// nested looks for what the library leaves: a last boundary that is missing, and
// attachments of messages inside this one.
func (m *Message) nested(root *enmime.Part, raw []byte, depth int) {
	if root == nil {
		return
	}
	if root.Boundary != "" && !bytes.Contains(raw, []byte("--"+root.Boundary+"--")) {
		m.Problems = append(m.Problems, "the message ends before its last boundary")
	}
	if depth >= maxDepth {
		m.Problems = append(m.Problems, "messages inside messages deeper than the limit")
		return
	}
	for _, p := range root.DepthMatchAll(func(p *enmime.Part) bool { return strings.HasPrefix(p.ContentType, "message/") }) {
		inner, err := parse(p.Content, depth+1)
		if err != nil {
			continue // a report of a delivery, a part without headers
		}
		m.Attachments = append(m.Attachments, inner.Attachments...)
		m.Problems = append(m.Problems, inner.Problems...)
	}
}

func addresses(env *enmime.Envelope, header string) []Address {
	list, err := env.AddressList(header)
	if err != nil {
		raw := env.GetHeader(header)
		if raw == "" {
			return nil
		}
		return []Address{{Name: raw}} // kept as it stands where it is no list of addresses
	}
	var out []Address
	for _, a := range list {
		out = append(out, Address{a.Name, a.Address})
	}
	return out
}

// date reads a header's time with its zone; 0 where it is none.
func date(s string) uint64 {
	t, err := mail.ParseDate(strings.TrimSpace(s))
	if err != nil {
		return 0
	}
	return filetime.FromUnix(t.Unix(), int64(t.Nanosecond()))
}

// Part is a message in a mailbox, by its place.
type Part struct {
	Offset int64 // of its "From " line
	Data   []byte
	Time   uint64 // FILETIME of the "From " line, which has no zone; 0 where it cannot be read
}

// IsMailbox tells whether b begins with a "From " line.
func IsMailbox(b []byte) bool { return bytes.HasPrefix(bytes.TrimPrefix(b, mark), []byte("From ")) }

// mark is the byte order mark of UTF-8: editors put it before the first line.
var mark = []byte("\xEF\xBB\xBF")

// Split cuts a mailbox at its "From " lines, at the beginning of a line and
// followed by a header. RFC 4155 has an empty line before them, and Mozilla
// leaves it out behind a body that ends without one: there the line itself
// must be a separator. In a folder that Mozilla began, it wrote "-" for every
// sender, so a sentence before something like a header does not cut a message
// in two. Lines that the writer marked with ">" are left as they are.
func Split(b []byte) []Part {
	var starts []int
	mozilla := false
	for i := 0; i < len(b); {
		if i == 0 && bytes.HasPrefix(b, mark) {
			i = len(mark)
		}
		if bytes.HasPrefix(b[i:], []byte("From ")) && headerFollows(b[i:]) {
			line, _, _ := bytes.Cut(b[i:], []byte("\n"))
			sure := separator(string(line))
			if sure || len(starts) == 0 || !mozilla && emptyBefore(b[:i]) {
				starts = append(starts, i)
			}
			if len(starts) == 1 {
				mozilla = sure && bytes.HasPrefix(line, []byte("From -"))
			}
		}
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			break
		}
		i += n + 1
	}
	var out []Part
	for k, s := range starts {
		end := len(b)
		if k+1 < len(starts) {
			end = starts[k+1]
		}
		line, rest, _ := bytes.Cut(b[s:end], []byte("\n"))
		out = append(out, Part{Offset: int64(s), Data: rest, Time: fromLine(string(line))})
	}
	return out
}

// separator tells a "From " line that no sentence looks like: Mozilla's sender
// with or without its time, or a time at the end.
func separator(line string) bool {
	return strings.TrimSpace(line) == "From -" || fromLine(line) != 0
}

func emptyBefore(b []byte) bool {
	b = bytes.TrimSuffix(b, []byte("\n"))
	b = bytes.TrimSuffix(b, []byte("\r"))
	return len(b) == 0 || b[len(b)-1] == '\n'
}

// headerFollows keeps a sentence that begins with "From " from cutting a
// message in two.
func headerFollows(b []byte) bool {
	_, rest, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return false
	}
	for range 3 { // Thunderbird and others put marks of their own first
		line, next, _ := bytes.Cut(rest, []byte("\n"))
		if len(line) > 0 && line[0] == '>' {
			rest = next
			continue
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		return ok && len(name) > 0 && !slices.ContainsFunc(name, func(c byte) bool { return c <= ' ' || c >= 0x7F })
	}
	return false
}

func fromLine(s string) uint64 {
	f := strings.Fields(s)
	if len(f) < 7 {
		return 0
	}
	for _, layout := range []string{"Mon Jan 2 15:04:05 2006"} {
		if t, err := time.Parse(layout, strings.Join(f[len(f)-5:], " ")); err == nil {
			return filetime.FromUnix(t.Unix(), 0)
		}
	}
	return 0
}
