package mail

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/eml"
)

// EML is one message in a file: Windows Mail, Windows Live Mail, and what
// people save.
var EML = artifact.Spec{
	Name: "mail/eml", Title: "Mail message (EML)",
	Globs: []string{"**/*.eml", "**/*.emlx", "**/*.nws"},
	Loose: func(name string, head []byte) bool {
		return ending(name, ".eml") || eml.Is(head) && !eml.IsMailbox(head) && ending(name, ".msg", ".txt")
	},
	Fields: fields, Limit: 256 << 20, Card: card, Family: artifact.FamilyMail, Read: readEML,
}

// Mailbox is a folder of messages as Thunderbird, Becky! and others keep it.
var Mailbox = artifact.Spec{
	Name: "mail/mbox", Title: "Mail folder (mbox)",
	Globs:  []string{"**/Thunderbird/Profiles/*/Mail/**", "**/Thunderbird/Profiles/*/ImapMail/**", "**/*.mbox", "**/*.mbx"},
	Loose:  func(_ string, head []byte) bool { return eml.IsMailbox(head) },
	Fields: fields, Limit: 1 << 30, Card: card, Family: artifact.FamilyMail, Read: readMailbox,
}

func ending(name string, endings ...string) bool {
	for _, e := range endings {
		if strings.HasSuffix(strings.ToLower(name), e) {
			return true
		}
	}
	return false
}

func readEML(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	b, err := in.Bytes(256 << 20)
	if err != nil {
		return err
	}
	in.Counts.Declared = 1
	m, err := eml.Parse(b)
	if err != nil {
		in.Counts.Failed = 1
		return err
	}
	in.Counts.Decoded = 1
	x := fromEML(m, in.Source)
	x.length = int64(len(b))
	say(in, m, 0)
	in.Cover(coverage.Fact{History: coverage.Recording, From: x.delivered, To: x.delivered, How: "one message"})
	return x.emit(emit)
}

func say(in *artifact.Input, m *eml.Message, off int64) {
	for _, p := range m.Problems {
		pr := problem.From(in.At, problem.Malformed, problem.Doubt, errors.New(p))
		pr.At.Offset = off
		in.Report(pr)
	}
}

func fromEML(m *eml.Message, source string) *message {
	x := &message{id: m.MessageID, subject: m.Subject, mailer: m.Mailer, dateRaw: m.DateRaw, date: event.Ticks(m.Date), text: m.Text,
		from: list(m.From), to: list(m.To), cc: list(m.Cc), bcc: list(m.Bcc), outgoing: outgoingPlace(source)}
	if len(m.From) > 0 {
		x.sender = m.From[0].Address
	}
	for _, r := range m.Received {
		x.received = append(x.received, r.Raw)
	}
	if len(m.Received) > 0 { // the relay that handed it over wrote the first line
		x.delivered = event.Ticks(m.Received[0].Time)
	}
	for _, a := range m.Attachments {
		x.attachments = append(x.attachments, attachment{a.Name, a.ContentType, a.Inline, a.Content})
	}
	return x
}

func list(all []eml.Address) []string {
	var out []string
	for _, a := range all {
		switch {
		case a.Name == "":
			out = append(out, a.Address)
		case a.Address == "":
			out = append(out, a.Name)
		default:
			out = append(out, a.Name+" <"+a.Address+">")
		}
	}
	return out
}

func readMailbox(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	b, err := in.Bytes(1 << 30)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(b)) == 0 || !eml.IsMailbox(b) { // an index or a setting that lies beside the folders
		if ending(in.Name, ".mbox", ".mbx") && len(b) > 0 {
			return errors.New("no mailbox: it does not begin with a From line")
		}
		return nil
	}
	if b[len(b)-1] != '\n' {
		in.Problem(problem.Malformed, problem.Doubt, errors.New("the folder ends in the middle of a line: it may have been cut"))
	}
	var first, last event.Ticks
	for i, p := range eml.Split(b) {
		if err := ctx.Err(); err != nil {
			return err
		}
		in.Counts.Declared++
		m, err := eml.Parse(p.Data)
		if err != nil {
			in.Counts.Failed++
			pr := problem.From(in.At, problem.Malformed, problem.Lost, err)
			pr.At.Offset, pr.Length = p.Offset, int64(len(p.Data))
			in.Report(pr)
			continue
		}
		in.Counts.Decoded++
		x := fromEML(m, in.Source)
		x.offset, x.length, x.record = p.Offset, int64(len(p.Data)), strconv.Itoa(i+1)
		if t := firstTime(x.delivered, x.date); t.Valid() {
			if first == 0 || t < first {
				first = t
			}
			last = max(last, t)
		}
		say(in, m, p.Offset)
		if err := x.emit(emit); err != nil {
			return err
		}
	}
	in.Cover(coverage.Fact{History: coverage.Recording, From: first, To: last, How: "from the first to the last message that is left"})
	return nil
}
