package network

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/textlog"
)

// Proxy reads the log of a proxy or gateway that was given as evidence of its
// own. It knows what no machine of its time kept: bytes, per request and in
// both directions where the format has both.
var Proxy = artifact.Spec{
	Name:   "network/proxy",
	Title:  "Proxy and gateway logs",
	Loose:  looksLikeProxy,
	Fields: []string{"client", "client_port", "method", "status", "action", "duration_ms", "started", "content_type", "agent", "referer", "server_bytes_sent", "server_bytes_received", "format", "other", "line"},
	Limit:  64 << 30,
	Family: artifact.FamilyNetwork,
	Card: artifact.Card{
		Proves:    "the client at this address asked the proxy for this address at this time; bytes as the columns say: sent by the client (cs-bytes, %>st), sent to the client (sc-bytes, %<st, the size of squid's own format)",
		NotProven: "which machine had the address then (DHCP), which program or person asked; the content of tunnels (CONNECT shows host and port only); that bytes sent are these or those documents; traffic that went round the proxy; bytes sent, where the format has no such column: a size of the answer says nothing of them",
		Clock:     "the device's clock; squid: UTC; W3C: GMT; other formats: the zone they write, else assumed",
		Retention: "as the device was set; rotated files must be given too",
		Switches:  "logging and log format of the device; exceptions (no-log lists) do not show",
		Source:    "squid.conf logformat and FormatSquidNative; W3C Extended Log File Format; ANCHORS 4e",
	},
	Read: readProxy,
}

// proxyReader reads one log.
type proxyReader struct {
	in    *artifact.Input
	emit  func(*event.Event) error
	parse lineParser
	how   string
	zone  string // "" where every line has its own
	first event.Ticks
	last  event.Ticks
	e     event.Event
	req   request
	bad   badLines
}

// request is what one line says.
type request struct {
	at           event.Ticks
	precision    event.Precision
	zone         string
	assumed      bool
	client, user string
	clientPort   string
	method, url  string
	host         string
	port         uint16
	server       string // address that the proxy connected to
	status       string
	action       string
	duration     int64 // ms, -1 is not known
	sent         int64 // by the client, -1 is not known
	received     int64
	serverSent   int64 // by the proxy to the server
	serverRecv   int64
	mime         string
	agent        string
	referer      string
	other        []string // columns without a meaning here: "name=value"
}

func (r *request) reset() {
	*r = request{duration: -1, sent: -1, received: -1, serverSent: -1, serverRecv: -1, other: r.other[:0]}
}

// lineParser fills a request from a line. skip says that the line is no
// record: a comment, a header.
type lineParser func(line string, r *request) (skip bool, err error)

var errNotProxy = errors.New("no format of a proxy's log that is known")

func readProxy(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	p := &proxyReader{in: in, emit: emit}
	if err := p.choose(); err != nil {
		in.Counts.Declared, in.Counts.Failed = 1, 1
		return err
	}
	n := 0
	for line, err := range textlog.Lines(in.R, in.Size, textlog.Options{}) {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			p.bad.hole(in, err)
			continue
		}
		if err := p.line(&line); err != nil {
			return err
		}
	}
	p.bad.report(in)
	p.bad.empty(in)
	state := coverage.Read
	if in.Counts.Failed > 0 {
		state = coverage.Partly
	}
	how := p.how + "; from first to last line, gaps in between are not told from quiet hours"
	if p.zone != "" {
		how += "; times in " + p.zone
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: p.first, To: p.last, History: coverage.Recording, State: state, How: how})
	return nil
}

// line reads one line.
func (p *proxyReader) line(line *textlog.Line) error {
	text := strings.Trim(line.Text, "\x00")
	if strings.TrimSpace(text) == "" {
		return nil
	}
	p.req.reset()
	skip, err := p.parse(text, &p.req)
	if line.Open && err == nil {
		p.bad.open(p.in, line.Offset)
	}
	if skip && err == nil {
		return nil
	}
	p.in.Counts.Declared++
	if err != nil {
		p.in.Counts.Failed++
		p.bad.add(p.in, line.Offset, line.Length, err)
		return nil
	}
	p.in.Counts.Decoded++
	p.fill(line)
	return p.emit(&p.e)
}

// fill makes the event of the request.
func (p *proxyReader) fill(line *textlog.Line) {
	r := &p.req
	if r.host == "" {
		r.host, r.port = hostOf(r.url, r.method)
	}
	if p.first == 0 || r.at < p.first {
		p.first = r.at
	}
	p.last = max(p.last, r.at)
	e := &p.e
	*e = event.Event{
		Ticks: r.at, Precision: r.precision, Clock: event.RemoteHost, Zone: r.zone, ZoneAssumed: r.assumed,
		Meaning: "request finished", Action: event.Connected, Host: r.host, Address: r.server, Port: r.port, URL: r.url, User: r.user,
		At: p.in.At, Length: line.Length, Record: strconv.Itoa(line.Number), Recovered: p.in.State, Fields: e.Fields[:0],
	}
	e.At.Offset = line.Offset
	if r.zone != "" {
		p.zone = r.zone
		if r.assumed {
			p.zone += " (assumed)"
		}
	}
	if r.sent >= 0 {
		v := r.sent
		e.BytesSent = &v
	}
	if r.received >= 0 {
		v := r.received
		e.BytesReceived = &v
	}
	e.Message = p.message()
	p.fields()
}

func (p *proxyReader) message() string {
	r := &p.req
	what := r.url
	if what == "" {
		what = r.host
	}
	bytes := ""
	switch {
	case r.sent >= 0 && r.received >= 0:
		bytes = fmt.Sprintf(", %d bytes sent, %d received", r.sent, r.received)
	case r.received >= 0:
		bytes = fmt.Sprintf(", %d bytes received, bytes sent not recorded", r.received)
	case r.sent >= 0:
		bytes = fmt.Sprintf(", %d bytes sent", r.sent)
	}
	return fmt.Sprintf("%s asked the proxy: %s %s (%s)%s", r.client, r.method, what, r.status, bytes)
}

func (p *proxyReader) fields() {
	r, f := &p.req, p.e.Fields
	text := func(name, v string) {
		if v != "" && v != "-" {
			f = append(f, event.Str(name, v))
		}
	}
	text("client", r.client)
	text("client_port", r.clientPort)
	text("method", r.method)
	text("status", r.status)
	text("action", r.action)
	if r.duration >= 0 {
		f = append(f, event.Int("duration_ms", r.duration), event.When("started", event.Ticks(uint64(r.at)-uint64(r.duration)*10000)))
	}
	text("content_type", r.mime)
	text("agent", r.agent)
	text("referer", r.referer)
	if r.serverSent >= 0 {
		f = append(f, event.Int("server_bytes_sent", r.serverSent))
	}
	if r.serverRecv >= 0 {
		f = append(f, event.Int("server_bytes_received", r.serverRecv))
	}
	text("format", p.how)
	if len(r.other) > 0 {
		f = append(f, event.List("other", r.other))
	}
	p.e.Fields = f
}

// hostOf takes host and port out of an address. A tunnel's address is host and
// port alone.
func hostOf(s, method string) (string, uint16) {
	if s == "" || s == "-" {
		return "", 0
	}
	if method == "CONNECT" || !strings.Contains(s, "://") {
		s = "tunnel://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		// A path with bad escapes: the part before it still names the host.
		rest := s[strings.Index(s, "://")+3:]
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			rest = rest[:i]
		}
		if u, err = url.Parse("x://" + rest); err != nil {
			return "", 0
		}
	}
	port, _ := strconv.ParseUint(u.Port(), 10, 16)
	if port == 0 {
		port = map[string]uint64{"http": 80, "https": 443, "ftp": 21}[u.Scheme]
	}
	return u.Hostname(), uint16(port)
}

// badLines keeps lines that could not be read from drowning the problems: each
// kind is reported for its first line, with the number of the others.
type badLines struct {
	kinds []badKind
}

type badKind struct {
	err    string
	off    int64
	length int64
	n      int
}

// maxKinds bounds the kinds of trouble that are told apart in one log.
const maxKinds = 32

func (b *badLines) add(_ *artifact.Input, off, length int64, err error) {
	text := err.Error()
	for i := range b.kinds {
		if b.kinds[i].err == text || i == maxKinds-1 {
			b.kinds[i].n++
			return
		}
	}
	b.kinds = append(b.kinds, badKind{text, off, length, 1})
}

func (b *badLines) report(in *artifact.Input) {
	for _, k := range b.kinds {
		in.Report(problem.Problem{At: in.At.At(k.off), Length: k.length, Kind: problem.Malformed, Severity: problem.Lost,
			Expected: "a line of this log's format", Found: fmt.Sprintf("%s (%d lines, this is the first)", k.err, k.n)})
	}
}

// open: a log that is written line by line ends with the end of a line.
func (b *badLines) open(in *artifact.Input, off int64) {
	in.Report(problem.Problem{At: in.At.At(off), Kind: problem.Malformed, Severity: problem.Doubt, Expected: "the end of a line", Found: "the end of the file: the log may have been cut"})
}

// empty: a log without a record is said to be so.
func (b *badLines) empty(in *artifact.Input) {
	if in.Counts.Declared == 0 {
		in.Report(problem.Problem{At: in.At, Length: in.Size, Kind: problem.Malformed, Severity: problem.Note, Expected: "records", Found: "none"})
	}
}

// hole: the reader below has reported the bytes; here they count as one
// record that was lost.
func (b *badLines) hole(in *artifact.Input, err error) {
	in.Counts.Declared++
	in.Counts.Failed++
	in.Problem(problem.Unreadable, problem.Lost, err)
}
