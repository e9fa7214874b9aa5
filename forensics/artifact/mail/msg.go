package mail

import (
	"context"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/mapi"
	"kanshiki/parsers/olecf"
)

// MSG is one message as Outlook saves it.
var MSG = artifact.Spec{
	Name: "mail/msg", Title: "Outlook message (MSG)",
	Globs:  []string{"**/*.msg"},
	Loose:  func(name string, head []byte) bool { return ending(name, ".msg") && olecf.Is(head) },
	Fields: fields, Limit: 256 << 20, Card: card, Family: artifact.FamilyMail, Read: readMSG,
}

// Properties that a message's row is made of ([MS-OXPROPS]).
const (
	prClass           = 0x001A
	prSubject         = 0x0037
	prSubmit          = 0x0039
	prHeaders         = 0x007D
	prSenderName      = 0x0C1A
	prSenderEmail     = 0x0C1F
	prSenderSMTP      = 0x5D01
	prRepresenting    = 0x0042
	prRepresentingTo  = 0x0065
	prDelivery        = 0x0E06
	prFlags           = 0x0E07
	prBody            = 0x1000
	prMessageID       = 0x1035
	prCreated         = 0x3007
	prModified        = 0x3008
	prDisplayName     = 0x3001
	prEmail           = 0x3003
	prSMTP            = 0x39FE
	prRecipientType   = 0x0C15
	prAttachData      = 0x3701
	prAttachFile      = 0x3704
	prAttachLong      = 0x3707
	prAttachMIME      = 0x370E
	prInternetPage    = 0x3FDE
	prMessageCodepage = 0x3FFD
	flagUnsent        = 0x8
	flagFromMe        = 0x20
)

func readMSG(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	head := make([]byte, 8)
	if n, _ := in.R.ReadAt(head, 0); !olecf.Is(head[:n]) {
		return readEML(context.Background(), in, emit) // some programs call RFC 5322 messages .msg
	}
	in.Counts.Declared = 1
	f, err := olecf.Open(in.R, in.Size)
	if err != nil {
		in.Counts.Failed = 1
		return err
	}
	x, err := fromMSG(f, nil, in, 0)
	if err != nil {
		in.Counts.Failed = 1
		return err
	}
	in.Counts.Decoded = 1
	x.length = min(in.Size, 512)
	in.Cover(coverage.Fact{History: coverage.Recording, From: x.delivered, To: x.delivered, How: "one message"})
	return x.emit(emit)
}

// store is one storage of the file with its properties.
type store struct {
	f     *olecf.File
	path  []string
	props map[uint16]mapi.Property
	page  int
}

const maxStream = 128 << 20

func openStore(f *olecf.File, path []string, header, page int) (*store, error) {
	e, ok := f.Stream(append(path[:len(path):len(path)], "__properties_version1.0")...)
	if !ok {
		return nil, fmt.Errorf("no properties in %q", strings.Join(path, "/"))
	}
	b, err := e.Read(maxStream)
	if err != nil {
		return nil, err
	}
	list, err := mapi.Decode(b, header)
	s := &store{f, path, map[uint16]mapi.Property{}, page}
	for _, p := range list {
		if have, twice := s.props[p.ID]; !twice || have.Type == mapi.String8 {
			s.props[p.ID] = p
		}
	}
	return s, err
}

func (s *store) number(id uint16) uint64 { return s.props[id].Value }

func (s *store) time(id uint16) event.Ticks {
	if p := s.props[id]; p.Type == mapi.Time {
		return event.Ticks(p.Value)
	}
	return 0
}

func (s *store) bytes(id uint16) ([]byte, error) {
	p, ok := s.props[id]
	if !ok {
		return nil, nil
	}
	e, ok := s.f.Stream(append(s.path[:len(s.path):len(s.path)], p.Stream())...)
	if !ok {
		return nil, nil
	}
	return e.Read(maxStream)
}

func (s *store) text(ids ...uint16) string {
	for _, id := range ids {
		p := s.props[id]
		if p.Type != mapi.Unicode && p.Type != mapi.String8 {
			continue
		}
		if b, err := s.bytes(id); err == nil && len(b) > 0 {
			return p.Text(b, s.page)
		}
	}
	return ""
}

func fromMSG(f *olecf.File, path []string, in *artifact.Input, depth int) (*message, error) {
	header := mapi.TopHeader
	if depth > 0 {
		header = mapi.EmbeddedHeader
	}
	s, err := openStore(f, path, header, 0)
	if s == nil {
		return nil, err
	}
	if err != nil {
		in.Problem(problem.Malformed, problem.Doubt, err)
	}
	if s.page = int(s.number(prMessageCodepage)); s.page == 0 {
		s.page = int(s.number(prInternetPage))
	}
	x := &message{id: s.text(prMessageID), subject: s.text(prSubject), class: s.text(prClass), sent: s.time(prSubmit), delivered: s.time(prDelivery),
		created: s.time(prCreated), modified: s.time(prModified), flags: uint32(s.number(prFlags)), text: s.text(prBody)}
	x.sender = s.text(prSenderSMTP, prSenderEmail, prRepresentingTo)
	name := s.text(prSenderName, prRepresenting)
	if name != "" || x.sender != "" {
		x.from = []string{strings.TrimSpace(name + " <" + x.sender + ">")}
	}
	x.outgoing = x.flags&(flagUnsent|flagFromMe) != 0 || outgoingPlace(in.Source)
	for line := range strings.Lines(s.text(prHeaders)) {
		if strings.HasPrefix(strings.ToLower(line), "received:") {
			x.received = append(x.received, strings.TrimSpace(line[len("received:"):]))
		}
	}
	for _, e := range f.Entries {
		if !e.Storage || !samePath(e.Path, path) {
			continue
		}
		below := append(path[:len(path):len(path)], e.Name)
		switch {
		case strings.HasPrefix(e.Name, "__recip_version1.0_"):
			x.recipient(f, below, s.page)
		case strings.HasPrefix(e.Name, "__attach_version1.0_"):
			x.attach(f, below, s.page, in, depth)
		}
	}
	return x, nil
}

func samePath(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (m *message) recipient(f *olecf.File, path []string, page int) {
	s, err := openStore(f, path, mapi.AttachmentEntry, page)
	if s == nil || err != nil && len(s.props) == 0 {
		return
	}
	who := strings.TrimSpace(s.text(prDisplayName) + " <" + s.text(prSMTP, prEmail) + ">")
	switch s.number(prRecipientType) {
	case 2:
		m.cc = append(m.cc, who)
	case 3:
		m.bcc = append(m.bcc, who)
	default:
		m.to = append(m.to, who)
	}
}

// maxDepth bounds messages inside messages.
const maxDepth = 8

func (m *message) attach(f *olecf.File, path []string, page int, in *artifact.Input, depth int) {
	s, err := openStore(f, path, mapi.AttachmentEntry, page)
	if s == nil {
		in.Problem(problem.Malformed, problem.Lost, err)
		return
	}
	a := attachment{name: s.text(prAttachLong, prAttachFile, prDisplayName), contentType: s.text(prAttachMIME)}
	if a.data, err = s.bytes(prAttachData); err != nil {
		in.Problem(problem.Malformed, problem.Lost, fmt.Errorf("attachment %s: %w", a.name, err))
	}
	if p := s.props[prAttachData]; p.Type != mapi.Binary && p.ID != 0 { // a message in the message
		a.contentType = "message/rfc822"
		if depth < maxDepth {
			if inner, err := fromMSG(f, append(path[:len(path):len(path)], p.Stream()), in, depth+1); err == nil {
				m.attachments = append(m.attachments, inner.attachments...)
			}
		}
	}
	m.attachments = append(m.attachments, a)
}
