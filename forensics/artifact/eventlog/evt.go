package eventlog

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/evt"
)

// EVT are the event logs of NT to 2003. Their records have one second of
// precision and values without names.
var EVT = artifact.Spec{
	Name:  "eventlog/evt",
	Title: "Event log (XP)",
	Globs: []string{"**/*.evt"},
	Loose: func(_ string, head []byte) bool {
		return len(head) >= 8 && string(head[4:8]) == "LfLe"
	},
	Fields: fieldNames,
	Limit:  4 << 30,
	Family: artifact.FamilyEventLog,
	Card: artifact.Card{
		Proves: "the source handed this record to the event log service, with these values, by the time of the machine's clock. " +
			"528, 540: an account got a session of this type; 592: a process of this path started; 517: the Security log was emptied",
		NotProven: "who sat at the machine; that what was begun was done; command lines (never kept). Type 3 and 540 are uses over the network. " +
			"Source name and address are what the other side said. Older records outside of the ring were overwritten in part: their order and number are of an earlier round",
		Clock:     "seconds since 1970, UTC; time generated is the program's call, time written that of the service",
		Retention: "512 KB by default, then the oldest records are overwritten (header flag wrapped)",
		Switches:  "service EventLog; MaxSize and Retention of each log (SYSTEM, Services\\Eventlog); audit policy (SECURITY, PolAdtEv): logons and processes are off by default on XP",
		Source:    "[MS-EVEN] 2.2.3; libevt, Windows Event Log (EVT) format; Microsoft's security event descriptions for 2000 to 2003; ANCHORS 4g",
	},
	Read: readEVT,
}

func readEVT(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	f, err := evt.NewReader(in.R, in.Size)
	if err != nil {
		return err
	}
	m := &maker{}
	w := newWatch(in)
	var n notes
	bad := 0
	for r, err := range f.Records() {
		if err != nil {
			reportEVT(in, err, &n, r != nil)
		}
		if r == nil {
			continue
		}
		if err != nil && r.Origin == evt.Live && !r.Torn {
			bad++
		}
		fromEVT(m, r, in)
		if err := emit(m.done()); err != nil {
			return err
		}
		if r.Origin == evt.Live && !r.Torn {
			w.see(m, uint64(r.Number), uint64(r.Number))
		}
	}
	c := f.Counts()
	in.Counts.Decoded = int64(c.Live - bad)
	in.Counts.Recovered = int64(c.Recovered())
	in.Counts.Failed = int64(bad + c.Damaged + c.Lost)
	in.Counts.Declared = in.Counts.Decoded + in.Counts.Recovered + in.Counts.Failed
	n.report(in)
	w.lost(uint64(c.Lost))
	how := fmt.Sprintf("%d bytes, largest size %d", f.Size(), f.Header.MaxSize)
	if f.Header.Dirty() {
		how += ", not closed"
	}
	if f.Header.Flags&evt.FlagWrapped != 0 {
		w.wrapped = true
	}
	w.tell(how)
	return nil
}

func reportEVT(in *artifact.Input, err error, n *notes, record bool) {
	kind, severity := problem.Malformed, problem.Lost
	e, ok := errors.AsType[*evt.Error](err)
	if !ok {
		in.Problem(kind, severity, err)
		return
	}
	switch e.Weight {
	case evt.Unread:
		return
	case evt.Doubt:
		kind, severity = problem.Inconsistent, problem.Doubt
	case evt.Note:
		n.add(err, record)
		return
	}
	p := problem.From(in.At, kind, severity, err)
	p.Length = e.Len
	in.Report(p)
}

var evtTypes = map[uint16]string{
	evt.TypeSuccess: "success", evt.TypeError: "error", evt.TypeWarning: "warning", evt.TypeInformation: "information",
	evt.TypeAuditSuccess: "audit success", evt.TypeAuditFailure: "audit failure",
}

func fromEVT(m *maker, r *evt.Record, in *artifact.Input) {
	m.reset()
	m.provider, m.id, m.computer, m.channel = r.Source, r.Code(), r.Computer, channelOf(in.Name)
	for i, s := range r.Strings {
		m.buf = append(m.buf, s...)
		m.addText(ordinal(i))
	}
	m.settle()
	e := &m.e
	ticks := func(sec uint32) event.Ticks {
		if sec == 0 {
			return 0
		}
		return event.Ticks(uint64(sec)*10000000 + 116444736000000000)
	}
	e.Ticks, e.Meaning, e.Precision = ticks(r.Generated), "event created", event.Second
	if e.Ticks == 0 {
		e.Ticks, e.Meaning = ticks(r.Written), "record written"
	}
	if r.Written != r.Generated {
		m.put("written", ticks(r.Written).Format(event.Second))
	}
	e.At = in.At.At(r.Offset)
	e.Length, e.Record = int64(r.Length), strconv.FormatUint(uint64(r.Number), 10)
	e.Recovered = in.State
	if r.Origin == evt.Older && (in.State == "" || in.State == event.Allocated) {
		e.Recovered = event.InSlack
	}
	m.put("provider", r.Source)
	m.putUint("event_id", uint64(r.Code()))
	if q := r.EventID >> 16; q != 0 {
		m.slots[fieldOrder["qualifiers"]] = event.Hex("qualifiers", q)
	}
	if t := evtTypes[r.Type]; t != "" {
		m.put("type", t)
	} else {
		m.put("type", strconv.Itoa(int(r.Type)))
	}
	if r.Category != 0 {
		m.putUint("category_number", uint64(r.Category))
	}
	m.put("channel", m.channel)
	m.put("computer", r.Computer)
	if r.Origin != evt.Live {
		m.put("found", r.Origin.String())
	}
	if r.Torn {
		m.slots[fieldOrder["torn"]] = event.Bool("torn", true)
	}
	if len(r.Data) > 0 {
		m.put("binary", hex.EncodeToString(r.Data))
	}
	e.UserSID = artifact.SID(r.SID)
	m.mean()
}
