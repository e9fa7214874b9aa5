package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/evtx"
)

// EVTX are the event logs of Vista and later. What a record proves depends on
// its provider and number; the card names what is most often misread.
var EVTX = artifact.Spec{
	Name:  "eventlog/evtx",
	Title: "Event log",
	Globs: []string{"**/*.evtx"},
	Loose: func(_ string, head []byte) bool {
		return bytes.HasPrefix(head, []byte("ElfFile\x00"))
	},
	Fields: fieldNames,
	Limit:  4 << 30, // the header counts chunks of 64 KiB in 16 bits
	Family: artifact.FamilyEventLog,
	Card: artifact.Card{
		Proves: "the provider handed this record to the event log service, with these values, by the time of the machine's clock. " +
			"4624, 528, 540: an account got a session of this type; 4688, Sysmon 1: a process of this path started; 7045, 4697: a service was installed; " +
			"1102, 104, 517: a log was emptied; 4698, 106: a task was registered",
		NotProven: "who sat at the machine: a logon is an account's, not a person's; that the name on disk is the program's own; that what was begun was done. " +
			"1149 is a connection asked for, before any logon; logon type 3 is a use over the network, not a person at the screen; source name and address are what the other side said; " +
			"7045 is no run; 4648 is credentials given, not a logon; 4104 is text that PowerShell compiled, not what it did; a detection is the time it was found, not of the infection; " +
			"the command line is missing unless a policy asked for it. What stands in slack was there once; where its template is gone, names of values are missing",
		Clock:     "FILETIME, UTC, of the provider's call; the service's own time of writing stands in written where it differs. Order inside a log by record number is stronger than time",
		Retention: "by size of the log (Security 20 MB, System and Application 20 MB, most others 1 MB by default), then the oldest is overwritten; a clear leaves 1102 or 104, old records stay in slack for a while",
		Switches:  "service EventLog; Enabled and MaxSize of each channel (SOFTWARE, WINEVT\\Channels); audit policy (SECURITY, PolAdtEv): 4688, 4663, 5140, 5145, 5156 are off by default; DNS client and PrintService operational logs are off by default",
		Source:    "[MS-EVEN6]; libevtx, Windows XML Event Log (EVTX) format; Microsoft's audit event reference; ANCHORS 4a, 4e, 4f",
	},
	Read: readEVTX,
}

func readEVTX(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	f, err := evtx.NewReader(in.R, in.Size)
	if err != nil {
		return err
	}
	m := &maker{}
	w := newWatch(in)
	known := learned{}
	var n notes
	bad := 0 // live records that could not be read to their end
	for r, err := range f.Records() {
		if err != nil {
			reportEVTX(in, err, &n, r != nil)
		}
		if r == nil {
			continue
		}
		if err != nil && r.Origin == evtx.Live && !r.Torn {
			bad++
		}
		if r.Duplicate || r.System.Has&evtx.HasEventID == 0 && r.Origin != evtx.Live {
			continue // told by the live record, or bytes that only begin like a record
		}
		fromEVTX(m, r, in, known)
		if err := emit(m.done()); err != nil {
			return err
		}
		if r.Origin <= evtx.Resynced && !r.Torn && r.System.Has&evtx.HasEventID != 0 {
			w.see(m, r.ID, r.System.RecordID)
		}
	}
	c := f.Counts()
	in.Counts.Decoded = int64(c.Live - bad)
	in.Counts.Recovered = int64(c.Recovered())
	in.Counts.Failed = int64(bad + c.Damaged + c.Lost)
	in.Counts.Declared = in.Counts.Decoded + in.Counts.Recovered + in.Counts.Failed
	n.report(in)
	w.rangesEVTX(f)
	w.tell(describeEVTX(f))
	return nil
}

// notes counts what was found in slack and is no loss of the log: one problem
// for each kind and source, since every recovered record says for itself what
// it lacks.
type notes struct {
	records, remnants   int
	firstRecord, firstR error
}

func (n *notes) add(err error, record bool) {
	if record {
		if n.records++; n.records == 1 {
			n.firstRecord = err
		}
		return
	}
	if n.remnants++; n.remnants == 1 {
		n.firstR = err
	}
}

func (n *notes) report(in *artifact.Input) {
	for _, x := range []struct {
		n     int
		what  string
		first error
	}{
		{n.records, "recovered records without all of their template or content", n.firstRecord},
		{n.remnants, "remnants of records in slack", n.firstR},
	} {
		if x.n > 0 {
			in.Problem(problem.Malformed, problem.Note, fmt.Errorf("%d %s; the first: %w", x.n, x.what, x.first))
		}
	}
}

func reportEVTX(in *artifact.Input, err error, n *notes, record bool) {
	kind, severity := problem.Malformed, problem.Lost
	if e, ok := errors.AsType[*evtx.Error](err); ok {
		switch e.Weight {
		case evtx.Unread:
			return // told by the reader that could not read
		case evtx.Doubt:
			kind, severity = problem.Inconsistent, problem.Doubt
		case evtx.Note:
			n.add(err, record)
			return
		}
		p := problem.From(in.At, kind, severity, err)
		p.Length = e.Len
		in.Report(p)
		return
	}
	in.Problem(kind, severity, err)
}

// fromEVTX makes the event of a record.
func fromEVTX(m *maker, r *evtx.Record, in *artifact.Input, known learned) {
	m.reset()
	s := &r.System
	m.provider, m.id, m.computer, m.channel = s.Provider, s.EventID, s.Computer, s.Channel
	if m.channel == "" && !r.Nameless { // slack may be of another log
		m.channel = channelOf(in.Name)
	}
	names := known.names(r)
	unnamed := 0
	for i := range r.Data {
		p := &r.Data[i]
		name := p.Name
		if name == "" {
			if name = ordinal(unnamed); names != nil {
				name = names[i]
			}
			unnamed++
		}
		m.buf = p.Value.Append(m.buf)
		m.addText(name)
	}
	m.settle()

	e := &m.e
	e.Ticks, e.Meaning = event.Ticks(s.Created), "event created"
	if written := event.Ticks(r.Written); !e.Ticks.Valid() {
		e.Ticks, e.Meaning = written, "record written"
	} else if written != e.Ticks {
		m.slots[fieldOrder["written"]] = event.When("written", written)
	}
	if !e.Ticks.Valid() {
		m.slots[fieldOrder["written"]] = event.Uint("written", r.Written)
		e.Ticks = 0
	}
	e.At = in.At.At(r.Offset)
	e.Length, e.Record = int64(r.Length), strconv.FormatUint(r.ID, 10)
	e.Recovered = in.State
	if r.Origin >= evtx.Beyond && (in.State == "" || in.State == event.Allocated) {
		e.Recovered = event.InSlack
	}
	m.systemFields(r)
	if m.mean(); r.Nameless && names == nil {
		m.e.Message = m.plain()
	}
	m.recordUser(s.User.String())
}

// loggers are providers that write under their own account: the SID of their
// records is not that of who acted.
var loggers = map[string]bool{
	sysmonName: true, bits: true, scheduler: true, sessions: true, defender: true, dns: true, w32time: true, wmi: true, userPnp: true,
	"Microsoft-Windows-TerminalServices-RemoteConnectionManager": true, "Microsoft-Windows-TerminalServices-Gateway": true,
	"Microsoft-Windows-RemoteDesktopServices-RdpCoreTS": true, "Microsoft-Windows-Winlogon": true, "Microsoft-Windows-Kernel-PnP": true,
	"Microsoft-Windows-DriverFrameworks-UserMode": true, firewall: true,
}

// recordUser takes the account that the record carries, where the values name
// no other one.
func (m *maker) recordUser(sid string) {
	e := &m.e
	switch {
	case sid == "" || sid == e.UserSID:
	case e.UserSID == "" && e.User == "" && !loggers[m.provider]:
		e.UserSID = sid
	default:
		m.put("record_user", sid)
	}
}

// systemFields puts what every record has, where it says more than the usual.
func (m *maker) systemFields(r *evtx.Record) {
	s := &r.System
	m.put("provider", s.Provider)
	if s.Has&evtx.HasEventID != 0 {
		m.putUint("event_id", uint64(s.EventID))
	}
	for _, f := range []struct {
		has  evtx.Fields
		name string
		v    uint64
	}{
		{evtx.HasQualifiers, "qualifiers", uint64(s.Qualifiers)}, {evtx.HasVersion, "version", uint64(s.Version)}, {evtx.HasLevel, "level", uint64(s.Level)},
		{evtx.HasTask, "task_number", uint64(s.Task)}, {evtx.HasOpcode, "opcode", uint64(s.Opcode)},
		{evtx.HasProcessID, "process_id", uint64(s.ProcessID)}, {evtx.HasThreadID, "thread_id", uint64(s.ThreadID)},
	} {
		if s.Has&f.has != 0 && f.v != 0 {
			m.putUint(f.name, f.v)
		}
	}
	if s.Keywords != 0 {
		m.slots[fieldOrder["keywords"]] = event.Hex("keywords", s.Keywords)
	}
	m.put("channel", m.channel)
	m.put("computer", s.Computer)
	if s.Has&evtx.HasRecordID != 0 && s.RecordID != r.ID {
		m.putUint("record_id", s.RecordID)
	}
	if !s.ActivityID.IsZero() {
		m.put("activity_id", s.ActivityID.String())
	}
	if !s.RelatedActivity.IsZero() {
		m.put("related_activity_id", s.RelatedActivity.String())
	}
	if r.Origin != evtx.Live {
		m.put("found", r.Origin.String())
	}
	if r.Torn {
		m.slots[fieldOrder["torn"]] = event.Bool("torn", true)
	}
	if r.Nameless {
		m.slots[fieldOrder["nameless"]] = event.Bool("nameless", true)
	}
	if r.Borrowed {
		m.slots[fieldOrder["borrowed_template"]] = event.Bool("borrowed_template", true)
	}
	if c := r.Container; c != "" && c != "EventData" && c != "UserData" {
		m.put("container", c)
	}
}
