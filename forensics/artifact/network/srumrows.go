package network

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/ese"
)

// ole converts days since 1899-12-30. A double of this century steps by 0.6 µs
// and most records stand at a whole minute, so what is within two microseconds
// of a whole second is that second.
func ole(days float64) event.Ticks {
	const base = 94353120000000000 // 1601 to 1899-12-30
	if !(days > 0 && days < 1e6) {
		return 0
	}
	micros := int64(math.Round(days * 86400e6))
	if r := (micros + 2) % 1e6; r <= 4 {
		micros += 2 - r
	}
	return event.Ticks(base + micros*10)
}

// srumTime is when the record was written.
func srumTime(row *ese.Row) event.Ticks {
	v := row.Get("TimeStamp")
	if v == nil || v.Kind != ese.Integer {
		return 0
	}
	return ole(v.Float)
}

// srumSpan is what a record counts: from the record before to its own time.
type srumSpan struct {
	since, at event.Ticks
}

func srumBefore(times []event.Ticks, at event.Ticks) srumSpan {
	s := srumSpan{at: at}
	if i, ok := slices.BinarySearch(times, at); ok && i > 0 {
		s.since = times[i-1]
	}
	return s
}

// begin starts the event of a row.
func (s *srumReader) begin(table string, row *ese.Row) {
	s.e = event.Event{At: s.in.At.At(row.Off), Length: row.Length, Recovered: s.in.State, Precision: event.Micro}
	s.f = s.f[:0]
	number, _ := row.Number("AutoIncId")
	s.e.Record = table + " " + strconv.FormatInt(number, 10)
	if row.Deleted {
		s.e.Recovered = event.InDeleted
	}
	for i := range row.Values {
		if v := &row.Values[i]; v.Err != nil {
			s.in.Report(problem.Problem{At: s.e.At, Length: row.Length, Kind: problem.Malformed, Severity: problem.Lost, Expected: "a value of " + v.Column.Name, Found: v.Err.Error()})
		}
	}
}

// finish counts the row and emits it.
func (s *srumReader) finish(row *ese.Row) error {
	for _, name := range []string{"AppId", "UserId"} {
		if n, ok := row.Number(name); ok {
			s.f = append(s.f, event.Int(map[string]string{"AppId": "app_id", "UserId": "user_id"}[name], n))
		}
	}
	if s.e.Ticks == 0 {
		s.e.Precision = ""
		if v := row.Get("TimeStamp"); v != nil {
			s.f = append(s.f, event.Hex("raw", uint64(v.Int)))
		}
	}
	s.e.Fields = s.f
	s.in.Counts.Declared++
	if row.Deleted {
		s.in.Counts.Recovered++
	} else {
		s.in.Counts.Decoded++
	}
	return s.emit(&s.e)
}

// span puts the interval into the fields.
func (s *srumReader) span(p srumSpan) {
	s.e.Ticks = p.at
	if p.since != 0 {
		s.f = append(s.f, event.Str("since", p.since.Format(event.Micro)))
	}
	s.f = append(s.f, event.Bool("since_known", p.since != 0))
	if p.since != 0 {
		s.f = append(s.f, event.Int("minutes", int(p.at.Sub(p.since).Round(time.Minute).Minutes())))
	}
}

// between says the interval in words.
func between(p srumSpan) string {
	if p.at == 0 {
		return "at a time that is not set"
	}
	if p.since == 0 {
		return "until " + p.at.Format(event.Second) + " (since when is not known)"
	}
	return "between " + p.since.Format(event.Second) + " and " + p.at.Format(event.Second)
}

// who puts program and account into the event; it returns the program's name
// for the message.
func (s *srumReader) who(row *ese.Row) string {
	if n, ok := row.Number("UserId"); ok {
		id := s.db.ids[n]
		if !id.present {
			s.unknown++
		}
		if s.e.UserSID = id.text; id.kind != 3 {
			s.e.UserSID = ""
		}
		s.e.User = s.in.Machine.Users[s.e.UserSID].Name
	}
	n, ok := row.Number("AppId")
	id := s.db.ids[n]
	if !ok || !id.present {
		s.unknown++
		s.f = append(s.f, event.Str("app_kind", "not in the table of names"))
		return fmt.Sprintf("a program whose name is not kept (%d)", n)
	}
	s.f = append(s.f, event.Str("app", id.text))
	a := parseSRUMApp(id)
	s.e.Program, s.e.Path = a.program, a.path
	for _, f := range []struct{ name, value string }{{"app_kind", a.kind}, {"service", a.service}, {"link_time", a.linked}, {"image_id", a.image}, {"package", a.pack}} {
		if f.value != "" {
			s.f = append(s.f, event.Str(f.name, f.value))
		}
	}
	return a.said
}

// srumApp is a program's name taken apart.
type srumApp struct {
	kind, program, path, service, linked, image, pack, said string
}

// parseSRUMApp knows the forms seen: a device path; "!!name!link time!id!
// service"; a service's name; a package with or without a program in it; and
// nothing at all, which is kept and said.
func parseSRUMApp(id srumID) srumApp {
	a := srumApp{kind: "program", said: id.text}
	switch {
	case id.text == "":
		return srumApp{kind: "empty", said: "no program named"}
	case id.kind == 1:
		return srumApp{kind: "service", service: id.text, said: "service " + id.text}
	case id.kind == 2:
		a.kind = "package"
		parts := strings.Split(id.text, "!")
		a.pack = parts[0]
		if len(parts) >= 5 { // package!application!program!link time!id!
			a.program, a.linked, a.image = parts[2], linkTime(parts[3]), parts[4]
		}
		return a
	case strings.HasPrefix(id.text, "!!"):
		parts := strings.SplitN(id.text[2:], "!", 4)
		if len(parts) < 3 {
			a.program = id.text
			return a
		}
		a.program, a.linked, a.image, a.said = parts[0], linkTime(parts[1]), parts[2], parts[0]
		if len(parts) == 4 && parts[3] != "" {
			a.service = parts[3]
			a.said += " " + parts[3]
		}
		return a
	}
	a.program, a.path = id.text, artifact.DevicePath(id.text)
	return a
}

// linkTime is what stands in the program's header, as RFC 3339; a compiler that
// makes the same bytes twice puts a digest there, so years to come are normal.
func linkTime(s string) string {
	t, err := time.Parse("2006/01/02:15:04:05", s)
	if err != nil {
		return s
	}
	return t.Format(time.RFC3339)
}

// network is a row of bytes sent and received.
func (s *srumReader) network(row *ese.Row, p srumSpan) error {
	s.e.Action, s.e.Meaning = event.Transferred, "recorded"
	s.span(p)
	name := s.who(row)
	sent, okSent := row.Number("BytesSent")
	received, okReceived := row.Number("BytesRecvd")
	if okSent {
		s.e.BytesSent = &sent
	}
	if okReceived {
		s.e.BytesReceived = &received
	}
	s.device(row)
	s.e.Message = fmt.Sprintf("%s: %d bytes sent, %d received %s", name, sent, received, between(p))
	return s.finish(row)
}

// device is the interface and the network it was in.
func (s *srumReader) device(row *ese.Row) {
	if luid, ok := row.Number("InterfaceLuid"); ok {
		s.f = append(s.f, event.Hex("interface", uint64(luid)), event.Str("interface_kind", interfaceKind(uint64(luid)>>48)))
	}
	if n, ok := row.Number("L2ProfileId"); ok {
		s.f = append(s.f, event.Int("profile", n))
	}
	if n, ok := row.Number("L2ProfileFlags"); ok {
		s.f = append(s.f, event.Int("profile_flags", n))
	}
}

// interfaceKind is the IANA type in the upper bits of a LUID (ifdef.h).
func interfaceKind(n uint64) string {
	switch n {
	case 0:
		return "none"
	case 6:
		return "ethernet"
	case 23:
		return "ppp"
	case 24:
		return "loopback"
	case 71:
		return "wireless"
	case 131:
		return "tunnel"
	case 243, 244:
		return "mobile broadband"
	}
	return strconv.FormatUint(n, 10)
}

// connection is a row of an interface that was connected.
func (s *srumReader) connection(row *ese.Row, p srumSpan) error {
	s.e.Action, s.e.Meaning = event.Connected, "interface connected"
	var start event.Ticks
	if n, ok := row.Number("ConnectStartTime"); ok && event.Ticks(n).Valid() {
		start = event.Ticks(n)
	}
	seconds, _ := row.Number("ConnectedTime")
	name := s.who(row)
	s.device(row)
	s.f = append(s.f, event.Int("connected_seconds", seconds))
	s.f = append(s.f, event.When("recorded", p.at))
	s.e.Ticks, s.e.Precision = start, event.Exact
	if start == 0 {
		s.e.Ticks, s.e.Precision, s.e.Meaning = p.at, event.Micro, "interface was connected, recorded"
	}
	luid, _ := row.Number("InterfaceLuid")
	s.e.Message = fmt.Sprintf("interface %#x (%s) connected for %d seconds, as of %s", uint64(luid), interfaceKind(uint64(luid)>>48), seconds, p.at.Format(event.Second))
	if s.e.Program != "" || s.e.UserSID != "" && name != "no program named" {
		s.e.Message += " (" + name + ")"
	}
	return s.finish(row)
}

// srumNumbers adds the row's counters to the fields, in the order given.
func (s *srumReader) numbers(row *ese.Row, names ...string) {
	for i := 0; i+1 < len(names); i += 2 {
		// 0x2A in every byte fills a counter that was not kept.
		if n, ok := row.Number(names[i+1]); ok && n != 0x2a2a2a2a2a2a2a2a && n != 0x2a2a2a2a {
			s.f = append(s.f, event.Int(names[i], n))
		}
	}
}

// usage is a row of processor and disk.
func (s *srumReader) usage(row *ese.Row, p srumSpan) error {
	s.e.Action, s.e.Meaning = event.Executed, "recorded"
	s.span(p)
	name := s.who(row)
	s.numbers(row, "foreground_cycles", "ForegroundCycleTime", "background_cycles", "BackgroundCycleTime", "foreground_bytes_read", "ForegroundBytesRead",
		"foreground_bytes_written", "ForegroundBytesWritten", "background_bytes_read", "BackgroundBytesRead", "background_bytes_written", "BackgroundBytesWritten", "face_time", "FaceTime")
	fr, _ := row.Number("ForegroundBytesRead")
	br, _ := row.Number("BackgroundBytesRead")
	fw, _ := row.Number("ForegroundBytesWritten")
	bw, _ := row.Number("BackgroundBytesWritten")
	s.e.Message = fmt.Sprintf("%s ran %s; %d bytes read from disk, %d written", name, between(p), fr+br, fw+bw)
	return s.finish(row)
}

// timeline is a row of a program's activity that ended at a known time.
func (s *srumReader) timeline(row *ese.Row, p srumSpan) error {
	s.e.Action, s.e.Meaning = event.Executed, "active until"
	name := s.who(row)
	s.numbers(row, "duration_ms", "DurationMS", "in_focus_s", "InFocusS", "user_input_s", "UserInputS", "network_bytes", "NetworkBytesRaw")
	s.f = append(s.f, event.When("recorded", p.at))
	if n, ok := row.Number("EndTime"); ok && event.Ticks(n).Valid() {
		s.e.Ticks, s.e.Precision = event.Ticks(n), event.Exact
	} else {
		s.e.Ticks, s.e.Meaning = p.at, "recorded"
	}
	ms, _ := row.Number("DurationMS")
	s.e.Message = fmt.Sprintf("%s was active for %d seconds until %s", name, ms/1000, s.e.Ticks.Format(event.Second))
	return s.finish(row)
}
