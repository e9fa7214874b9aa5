package evtx

import (
	"encoding/hex"
	"strings"
	"time"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/filetime"
)

// sym is a name that means something to the extractor.
type sym uint8

const (
	symOther sym = iota
	symEvent
	symSystem
	symProvider
	symEventID
	symVersion
	symLevel
	symTask
	symOpcode
	symKeywords
	symTimeCreated
	symEventRecordID
	symCorrelation
	symExecution
	symChannel
	symComputer
	symSecurity
	symName
	symGUID
	symEventSourceName
	symQualifiers
	symSystemTime
	symActivityID
	symRelatedActivityID
	symProcessID
	symThreadID
	symUserID
	symEventData
	symUserData
	symData
)

var syms = map[string]sym{
	"Event": symEvent, "System": symSystem, "Provider": symProvider, "EventID": symEventID,
	"Version": symVersion, "Level": symLevel, "Task": symTask, "Opcode": symOpcode,
	"Keywords": symKeywords, "TimeCreated": symTimeCreated, "EventRecordID": symEventRecordID,
	"Correlation": symCorrelation, "Execution": symExecution, "Channel": symChannel,
	"Computer": symComputer, "Security": symSecurity, "Name": symName, "Guid": symGUID,
	"EventSourceName": symEventSourceName, "Qualifiers": symQualifiers, "SystemTime": symSystemTime,
	"ActivityID": symActivityID, "RelatedActivityID": symRelatedActivityID,
	"ProcessID": symProcessID, "ThreadID": symThreadID, "UserID": symUserID,
	"EventData": symEventData, "UserData": symUserData, "Data": symData,
}

// extractor fills a Record without building a document.
type extractor struct {
	d       *decoder
	r       *Record
	depth   int // open elements: 1 Event, 2 System or a container, 3 what is in it
	section sym
	stack   [maxDepth + 1]element
	attr    *name
	attrVal gathered
}

type element struct {
	name  *name
	path  string // name of its pair
	val   gathered
	child bool
}

// gathered is a value put together from one or more parts.
type gathered struct {
	v     Value
	parts int
}

func (g *gathered) add(v Value) {
	if g.parts++; g.parts == 1 {
		g.v = v
		return
	}
	if g.v.Type != UTF8 || g.parts == 2 {
		g.v = Value{UTF8, g.v.Append(nil)}
	}
	g.v.Raw = v.Append(g.v.Raw)
}

func (x *extractor) begin(d *decoder, r *Record) {
	x.d, x.r, x.depth, x.section, x.attr = d, r, 0, symOther, nil
}

func (x *extractor) open(n *name) error {
	x.flush()
	if x.depth >= maxDepth {
		return cursor.Errorf(x.r.Offset, "more than %d open elements", maxDepth)
	}
	x.stack[x.depth].child = true
	x.depth++
	e := &x.stack[x.depth]
	*e = element{name: n}
	if x.depth == 2 {
		if x.section = n.sym; n.sym != symSystem && x.r.Container == "" {
			x.r.Container = n.text
		}
	}
	e.path = x.d.pathOf(x.depth, x.section, x.stack[x.depth-1].path, x.stack[2].name, n)
	if x.depth == 3 && x.section == symUserData {
		x.r.Root = n.text
	}
	return nil
}

// pathOf is the name of the pair of an element: nothing for Data in
// EventData, the path below the provider's own element in UserData, and with
// the container in front for all others.
func (d *decoder) pathOf(depth int, section sym, parent string, container, n *name) string {
	switch {
	case depth < 2 || section == symSystem:
		return ""
	case depth == 2 || depth == 4 && section == symUserData:
		return n.text
	case depth == 3 && section == symEventData:
		if n.sym == symData {
			return ""
		}
		return n.text
	case depth == 3 && section == symUserData:
		return n.text
	case depth == 3:
		return d.path(container.text, "/", n.text)
	}
	return d.path(parent, "/", n.text)
}

func (x *extractor) attribute(n *name) {
	x.flush()
	x.attr, x.attrVal = n, gathered{}
}

func (x *extractor) closeStart() { x.flush() }

func (x *extractor) pi(*name, Value) { x.flush() }

func (x *extractor) value(v Value, optional bool) error {
	g := &x.attrVal
	if x.attr == nil {
		g = &x.stack[x.depth].val
	}
	if v.IsNull() {
		return nil
	}
	if g.add(v); len(g.v.Raw) > maxText {
		return cursor.Errorf(x.r.Offset, "value of more than %d bytes", maxText)
	}
	return nil
}

// flush ends the attribute that is being read.
func (x *extractor) flush() {
	n := x.attr
	if n == nil {
		return
	}
	x.attr = nil
	if x.attrVal.parts == 0 {
		return
	}
	v, e := x.attrVal.v, &x.stack[x.depth]
	switch {
	case x.section == symSystem:
		if x.depth == 3 {
			x.d.system(&x.r.System, e.name.sym, n.sym, v)
		}
	case x.depth < 2:
	case x.depth == 3 && n.sym == symName:
		e.path = x.d.text(v)
	case strings.HasPrefix(n.text, "xmlns"):
	default:
		x.r.Data = append(x.r.Data, Pair{x.d.path(e.path, "@", n.text), v})
	}
}

func (x *extractor) end(bool) {
	x.flush()
	if x.depth == 0 {
		return
	}
	e := &x.stack[x.depth]
	switch {
	case x.depth == 1:
		if e.path = "Event"; e.val.parts > 0 {
			x.leaf(e)
		}
	case x.depth == 2:
		x.leaf(e)
		x.section = symOther
	case x.depth == 3 && x.section == symSystem:
		if e.val.parts > 0 {
			x.d.system(&x.r.System, e.name.sym, symOther, e.val.v)
		}
	case x.depth >= 3 && x.section != symSystem:
		if e.val.parts > 0 || !e.child {
			x.leaf(e)
		}
	}
	x.depth--
}

// leaf adds the pairs of an element that has a value or nothing at all. An
// array stands for the element repeated with each item.
func (x *extractor) leaf(e *element) {
	if x.depth == 2 && e.val.parts == 0 {
		return
	}
	for v := range e.val.v.Items {
		x.r.Data = append(x.r.Data, Pair{e.path, v})
		x.d.steps++
	}
}

// system sets one part of System.
func (d *decoder) system(s *System, elem, attr sym, v Value) {
	num := func(has Fields) uint64 {
		n, ok := v.Uint()
		if ok {
			s.Has |= has
		}
		return n
	}
	switch elem {
	case symProvider:
		switch attr {
		case symName:
			s.Provider = d.text(v)
			s.Has |= HasProvider
		case symGUID:
			s.ProviderGUID = guid(v)
			s.Has |= HasProviderGUID
		case symEventSourceName:
			s.EventSource = d.text(v)
			s.Has |= HasEventSource
		}
	case symEventID:
		if attr == symQualifiers {
			s.Qualifiers = uint16(num(HasQualifiers))
		} else {
			s.EventID = uint16(num(HasEventID))
		}
	case symVersion:
		s.Version = uint8(num(HasVersion))
	case symLevel:
		s.Level = uint8(num(HasLevel))
	case symTask:
		s.Task = uint16(num(HasTask))
	case symOpcode:
		s.Opcode = uint8(num(HasOpcode))
	case symKeywords:
		s.Keywords = num(HasKeywords)
	case symTimeCreated:
		var ok bool
		if s.Created, ok = v.Time(); ok {
			s.Has |= HasCreated
		}
	case symEventRecordID:
		s.RecordID = num(HasRecordID)
	case symCorrelation:
		if attr == symActivityID {
			s.ActivityID = guid(v)
			s.Has |= HasActivityID
		} else if attr == symRelatedActivityID {
			s.RelatedActivity = guid(v)
			s.Has |= HasRelatedActivity
		}
	case symExecution:
		if attr == symProcessID {
			s.ProcessID = uint32(num(HasProcessID))
		} else if attr == symThreadID {
			s.ThreadID = uint32(num(HasThreadID))
		}
	case symChannel:
		s.Channel = d.text(v)
		s.Has |= HasChannel
	case symComputer:
		s.Computer = d.text(v)
		s.Has |= HasComputer
	case symSecurity:
		if attr == symUserID {
			s.User = v
			s.Has |= HasUser
		}
	}
}

// Time is the value as FILETIME, where it is a time or the text of one.
func (v Value) Time() (uint64, bool) {
	switch v.Type {
	case FileTime:
		if len(v.Raw) == 8 {
			return number(v.Raw)
		}
	case SystemTime:
		if len(v.Raw) == 16 {
			c := cursor.New(v.Raw)
			y, m := c.U16("year"), c.U16("month")
			c.Skip(2, "weekday")
			t := filetime.FromCivil(int(y), int(m), int(c.U16("day")), int(c.U16("hour")), int(c.U16("minute")), int(c.U16("second")))
			return t + uint64(c.U16("millisecond"))*10000, t != 0
		}
	case String, UTF8:
		if t, err := time.Parse(time.RFC3339Nano, v.String()); err == nil {
			return filetime.FromUnix(t.Unix(), int64(t.Nanosecond())), true
		}
	}
	return 0, false
}

// GUID is the value as GUID, or zero.
func (v Value) GUID() GUID { return guid(v) }

func guid(v Value) (g GUID) {
	if v.Type == GUIDType && len(v.Raw) == len(g) {
		copy(g[:], v.Raw)
		return g
	}
	s := strings.Trim(v.String(), "{}")
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return g
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		return GUID{}
	}
	for i, j := range [...]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
		g[j] = b[i]
	}
	return g
}
