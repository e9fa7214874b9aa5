package network

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/parsers/textlog"
)

// Firewall reads the log of the Windows firewall: connections and packets with
// addresses, not with programs or volumes.
var Firewall = artifact.Spec{
	Name:  "network/firewall",
	Title: "Windows firewall log",
	Globs: []string{"**/Windows/pfirewall.log*", "**/Windows/System32/LogFiles/Firewall/*.log*"},
	Loose: func(_ string, head []byte) bool {
		for _, l := range headLines(head) {
			if strings.HasPrefix(l, "#Fields:") && strings.Contains(l, "src-ip dst-ip src-port dst-port") {
				return true
			}
		}
		return false
	},
	Fields: []string{"firewall_action", "protocol", "source", "source_port", "destination", "destination_port", "packet_size", "tcp_flags", "icmp_type", "info", "path", "process_id", "lost"},
	Limit:  4 << 30,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "the machine let this connection or packet through, or dropped it, at this time, if logging was on for its kind",
		NotProven: "which program or account; the volume of a connection (the size is that of one packet); connections of a kind that was not logged: by default nothing is",
		Clock:     "local time unless the header says otherwise, whole seconds",
		Retention: "4 MB by default, then one older file (.old)",
		Switches:  "LogFilePath, LogDroppedPackets, LogSuccessfulConnections (SYSTEM, SharedAccess or mpssvc parameters, or policy); off by default",
		Source:    "header of the log; Microsoft Learn, Interpret the Windows Firewall log; ANCHORS 4e",
	},
	Read: readFirewall,
}

// firewallReader reads one log.
type firewallReader struct {
	in    *artifact.Input
	emit  func(*event.Event) error
	names []string
	col   map[string]int
	utc   bool
	zone  string
	first event.Ticks
	last  event.Ticks
	gaps  uint64
	bad   badLines
	e     event.Event
}

func readFirewall(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	r := &firewallReader{in: in, emit: emit}
	n := 0
	for l, err := range textlog.Lines(in.R, in.Size, textlog.Options{}) {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.bad.hole(in, err)
			continue
		}
		if l.Open {
			r.bad.open(in, l.Offset)
		}
		text := strings.Trim(l.Text, "\x00 ")
		if text == "" {
			continue
		}
		if strings.HasPrefix(text, "#") {
			r.directive(text)
			continue
		}
		in.Counts.Declared++
		if err := r.line(text, &l); err != nil {
			in.Counts.Failed++
			r.bad.add(in, l.Offset, l.Length, err)
			continue
		}
		in.Counts.Decoded++
		if err := emit(&r.e); err != nil {
			return err
		}
	}
	if r.names == nil {
		return errors.New("no names of fields: not a log of the Windows firewall")
	}
	r.bad.report(in)
	r.bad.empty(in)
	state := coverage.Read
	if in.Counts.Failed > 0 {
		state = coverage.Partly
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: r.first, To: r.last, History: coverage.Recording, State: state, Gaps: r.gaps,
		How: "from first to last line; only the kinds that were switched on; zone " + r.zone})
	return nil
}

// directive takes a line of the header, which may come again.
func (r *firewallReader) directive(text string) {
	if rest, ok := strings.CutPrefix(text, "#Fields:"); ok {
		r.names, r.col = strings.Fields(rest), map[string]int{}
		for i, n := range r.names {
			r.col[n] = i
		}
	}
	if rest, ok := strings.CutPrefix(text, "#Time Format:"); ok {
		v := strings.ToLower(strings.TrimSpace(rest))
		r.utc = v == "gmt" || v == "utc"
	}
}

func (r *firewallReader) line(text string, l *textlog.Line) error {
	f := strings.Fields(text)
	if r.names == nil {
		return errors.New("a line before the names of its fields")
	}
	if len(f) < 3 || len(f) < len(r.names) {
		return fmt.Errorf("fewer columns than the %d that are named", len(r.names))
	}
	get := func(name string) string {
		if i, ok := r.col[name]; ok && f[i] != "-" {
			return f[i]
		}
		return ""
	}
	t, err := time.Parse("2006-01-02 15:04:05", get("date")+" "+get("time"))
	if err != nil {
		return errors.New("date and time cannot be read")
	}
	e := &r.e
	*e = event.Event{Precision: event.Second, At: r.in.At.At(l.Offset), Length: l.Length, Record: strconv.Itoa(l.Number), Recovered: r.in.State, Fields: e.Fields[:0]}
	e.Ticks, r.zone = event.FromTime(t), "UTC"
	if !r.utc {
		e.Ticks, e.Zone, e.ZoneAssumed = r.in.Machine.Zone.UTC(e.Ticks)
		e.Clock, r.zone = event.LocalTime, e.Zone
		if e.ZoneAssumed {
			r.zone += " (assumed)"
		}
	}
	if r.first == 0 || e.Ticks < r.first {
		r.first = e.Ticks
	}
	r.last = max(r.last, e.Ticks)
	r.flow(e, get)
	return nil
}

// flow says what the line stands for and who was on the other side.
func (r *firewallReader) flow(e *event.Event, get func(string) string) {
	action, path := get("action"), strings.ToUpper(get("path"))
	src, dst, sport, dport := get("src-ip"), get("dst-ip"), get("src-port"), get("dst-port")
	inbound := path == "RECEIVE" || strings.HasSuffix(action, "INBOUND")
	port := dport
	e.Address = dst
	if inbound { // the other side is the source, the service is our port
		e.Address = src
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		e.Port = uint16(n)
	}
	switch strings.ToUpper(action) {
	case "OPEN", "ALLOW", "OPEN-INBOUND":
		e.Action, e.Meaning = event.Connected, "connection allowed"
	case "CLOSE":
		e.Action, e.Meaning = event.Other, "connection closed"
	case "DROP":
		e.Action, e.Meaning = event.Other, "packet dropped"
	case "INFO-EVENTS-LOST":
		e.Action, e.Meaning = event.Other, "events lost"
		n, _ := strconv.ParseUint(get("info"), 10, 32)
		r.gaps += n
		e.Message = fmt.Sprintf("the firewall's log lost %d events", n)
		e.Fields = append(e.Fields, event.Str("firewall_action", action), event.Uint("lost", n))
		return
	default:
		e.Action, e.Meaning = event.Other, "firewall: "+action
	}
	way := "to"
	if inbound {
		way = "from"
	}
	e.Message = fmt.Sprintf("%s: %s %s %s (%s:%s to %s:%s)", e.Meaning, get("protocol"), way, e.Address, src, sport, dst, dport)
	for _, k := range [][2]string{{"firewall_action", action}, {"protocol", get("protocol")}, {"source", src}, {"source_port", sport}, {"destination", dst},
		{"destination_port", dport}, {"packet_size", get("size")}, {"tcp_flags", get("tcpflags")}, {"icmp_type", get("icmptype")}, {"info", get("info")}, {"path", path}, {"process_id", get("pid")}} {
		if k[1] != "" {
			e.Fields = append(e.Fields, event.Str(k[0], k[1]))
		}
	}
}
