package evt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// Origin says where in the file a record was found.
type Origin uint8

const (
	// Live: in the chain from the oldest record to the end-of-file record.
	Live Origin = iota
	// Resynced: found by signature after the chain broke; the log declares its
	// number, and the chain did not come to it.
	Resynced
	// Older: found by signature; the log does not count it any more.
	Older
)

func (o Origin) String() string { return [...]string{"live", "resynced", "older"}[o] }

// Types of a record.
const (
	TypeSuccess      = 0
	TypeError        = 1
	TypeWarning      = 2
	TypeInformation  = 4
	TypeAuditSuccess = 8
	TypeAuditFailure = 16
)

// Record is one event record. It does not change when the next is read.
type Record struct {
	Number    uint32
	Generated uint32 // seconds since 1970 UTC, by the program that reported
	Written   uint32 // seconds since 1970 UTC, by the service
	EventID   uint32 // with severity and facility in the upper half
	Type      uint16
	Category  uint16
	Flags     uint16 // 0x8000: a pair of records, whose other is Closing
	Closing   uint32
	Source    string
	Computer  string
	SID       []byte
	Strings   []string
	Data      []byte

	Offset  int64 // of the record in the file
	Length  int   // with both sizes
	Wrapped bool  // goes over the end of the file to its begin
	Origin  Origin
	Torn    bool // the second size does not agree: the end may be of another record
}

// Code is the event identifier as tools print it.
func (r *Record) Code() uint16 { return uint16(r.EventID) }

func (r *Record) String() string {
	return fmt.Sprintf("record %d at %#x (%s): %s %d", r.Number, r.Offset, r.Origin, r.Source, r.Code())
}

// Records yields the chain from the oldest record to the newest, then, in file
// order, what else has the form of a record. An error may come alone or with a
// record: then of its content what could be read.
func (f *File) Records() iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		p := &pass{f: f, yield: yield, ends: f.Ends()}
		f.counts = Counts{}
		defer func() { f.counts = p.counts }()
		for _, e := range f.notes {
			if !p.fail(e) {
				return
			}
		}
		_ = p.chain() && p.rest() && p.reconcile() && p.unread()
	}
}

// pass is the state of one reading of the file.
type pass struct {
	f       *File
	yield   func(*Record, error) bool
	ends    Ends
	counts  Counts
	covered [2]span // what the chain went over
	join    []byte  // a record that goes over the end of the file
	broken  bool    // the chain did not come to the end of the log
	last    uint32  // number of the last record of the chain
	names   map[string]string
}

type span struct{ from, to int64 }

func (p *pass) fail(e *Error) bool {
	p.counts.Errors++
	return p.yield(nil, e)
}

// frame is the outer form of the record at a place.
type frame struct {
	bytes   []byte
	next    int64 // place behind it
	wrapped bool
}

// at reads the frame at off; why is empty for one that is whole. ring says
// that a record may go on at the begin of the file.
func (p *pass) at(off int64, ring bool) (r frame, why string) {
	w := &p.f.w
	head := w.bytes(off, 8)
	if len(head) < 8 || !bytes.Equal(head[4:8], magic) {
		return r, "no record signature"
	}
	size := binary.LittleEndian.Uint32(head)
	if size < fixedSize+4 || size > maxRecord || size%4 != 0 {
		return r, fmt.Sprintf("record size %d is impossible", size)
	}
	r.bytes = w.bytes(off, int(size))
	r.next = off + int64(size)
	if have := len(r.bytes); have < int(size) {
		if !ring {
			return frame{}, fmt.Sprintf("record of %d bytes is cut after %d", size, have)
		}
		p.join = append(p.join[:0], r.bytes...)
		p.join = append(p.join, w.bytes(headerSize, int(size)-have)...)
		r.bytes, r.wrapped = p.join, true
		if r.next = headerSize + int64(int(size)-have); len(r.bytes) < int(size) {
			return frame{}, "record goes over the whole file"
		}
	}
	if last := binary.LittleEndian.Uint32(r.bytes[size-4:]); last != size {
		return r, fmt.Sprintf("record is torn: size %d in front, %d behind", size, last)
	}
	return r, ""
}

// chain walks from the oldest record to the end-of-file record.
func (p *pass) chain() bool {
	pos := int64(p.ends.First)
	if pos < headerSize || pos >= p.f.w.size {
		if p.ends.Oldest == 0 && p.ends.Next <= 1 {
			return true // an empty log
		}
		return p.fail(&Error{Off: 0x10, Len: 4, What: fmt.Sprintf("oldest record at %#x lies outside of the file", pos)})
	}
	k, walked := 0, int64(0)
	p.covered[0] = span{pos, pos}
	for walked <= p.f.w.size {
		if pos == p.f.TailOffset && pos > 0 {
			return true
		}
		left := p.f.w.size - pos
		if left < fixedSize && p.f.TailOffset > 0 && k == 0 {
			// What is too short for a record is filled with 0x27 and passed over.
			pos, k = headerSize, 1
			p.covered[1] = span{pos, pos}
			walked += left
			continue
		}
		r, why := p.at(pos, k == 0)
		if why != "" {
			p.broken = true
			if r.bytes != nil {
				ok := p.emit(pos, r, Live, &Error{Off: pos, Len: int64(len(r.bytes)), What: why})
				p.covered[k].to = pos + 4
				return ok
			}
			p.covered[k].to = max(p.covered[k].to, pos)
			return p.fail(&Error{Off: pos, What: "chain of records ends before the end of the log: " + why})
		}
		if !p.emit(pos, r, Live, nil) {
			return false
		}
		walked += int64(len(r.bytes))
		if r.wrapped {
			p.covered[0].to = p.f.w.size
			k, p.covered[1] = 1, span{headerSize, r.next}
		}
		pos = r.next
		p.covered[k].to = pos
	}
	return p.fail(&Error{Off: pos, What: "chain of records is longer than the file"})
}

// rest finds records by signature where the chain did not go.
func (p *pass) rest() bool {
	from := int64(headerSize)
	a, b := p.covered[1], p.covered[0]
	if a.from > b.from || a.to == 0 {
		a, b = b, a
	}
	for _, s := range []span{a, b, {p.f.w.size, p.f.w.size}} {
		if s.to == 0 {
			continue
		}
		if s.from > from && !p.search(from, s.from) {
			return false
		}
		from = max(from, s.to)
	}
	return true
}

func (p *pass) search(from, to int64) bool {
	for from < to {
		sig, ok := int64(0), false
		for at := range p.f.w.find(from+4, to+4, magic) {
			sig, ok = at-4, true
			break
		}
		if !ok || sig >= to {
			return true
		}
		r, why := p.at(sig, false)
		if why != "" && r.bytes != nil {
			// The end is overwritten; what stands before is worth having.
			if !p.emit(sig, r, Older, &Error{Off: sig, Len: int64(len(r.bytes)), What: why, Origin: Older, Weight: Note}) {
				return false
			}
			from = sig + 4
			continue
		}
		if why != "" {
			p.counts.Remnants++
			if !p.fail(&Error{Off: sig, What: "remnant of a record: " + why, Origin: Older, Weight: Note}) {
				return false
			}
			from = sig + 4
			continue
		}
		if !p.emit(sig, r, Older, nil) {
			return false
		}
		from = r.next
	}
	return true
}

// emit decodes a record and yields it. damage is what is wrong with its frame.
func (p *pass) emit(off int64, f frame, origin Origin, damage *Error) bool {
	rec := &Record{Offset: off, Length: len(f.bytes), Wrapped: f.wrapped, Origin: origin, Torn: damage != nil}
	err := rec.decode(f.bytes, p)
	if origin == Live {
		p.last = rec.Number
	} else if p.broken && rec.Number > p.last && rec.Number >= p.ends.Oldest && rec.Number < p.ends.Next {
		rec.Origin = Resynced
	}
	if err != nil {
		err = &Error{Off: off, Len: int64(len(f.bytes)), What: fmt.Sprintf("record %d", rec.Number), Origin: rec.Origin, Err: cursor.AddBase(err, off)}
		if rec.Origin == Older {
			err.(*Error).Weight = Note
		}
	}
	if damage != nil {
		err = damage
	}
	switch {
	case rec.Origin == Older:
		p.counts.Older++
	case damage != nil:
		p.counts.Damaged++
	case rec.Origin == Resynced:
		p.counts.Resynced++
	default:
		p.counts.Live++
	}
	if err != nil {
		p.counts.Errors++
	}
	return p.yield(rec, err)
}

func (r *Record) decode(b []byte, p *pass) error {
	c := cursor.New(b)
	c.Skip(8, "size and signature")
	r.Number = c.U32("record number")
	r.Generated, r.Written = c.U32("time generated"), c.U32("time written")
	r.EventID = c.U32("event identifier")
	r.Type = c.U16("event type")
	count := int(c.U16("number of strings"))
	r.Category, r.Flags = c.U16("category"), c.U16("flags")
	r.Closing = c.U32("closing record")
	strings := int(c.U32("string offset"))
	sidLen, sidOff := int(c.U32("SID length")), int(c.U32("SID offset"))
	dataLen, dataOff := int(c.U32("data length")), int(c.U32("data offset"))
	r.Source = p.name(text(c, b, "source name"))
	r.Computer = p.name(text(c, b, "computer name"))
	first := c.Err()
	part := func(n, off int, what string) []byte {
		if n == 0 {
			return nil
		}
		c := cursor.New(b)
		c.Seek(off, what)
		out := c.Take(n, what)
		if first == nil {
			first = c.Err()
		}
		return bytes.Clone(out)
	}
	r.SID = part(sidLen, sidOff, "SID")
	r.Data = part(dataLen, dataOff, "data")
	if count > 0 {
		c := cursor.New(b[:len(b)-4])
		c.Seek(strings, "strings")
		for range count {
			s := text(c, b, "string")
			if c.Err() != nil {
				break
			}
			r.Strings = append(r.Strings, utf16.String(s))
		}
		if first == nil {
			first = c.Err()
		}
	}
	return first
}

// text reads the units of a string that ends with a zero unit. The cursor
// reads b or its begin.
func text(c *cursor.Cursor, b []byte, what string) []byte {
	from := c.Off()
	for c.U16(what) != 0 {
	}
	if c.Err() != nil {
		return nil
	}
	return b[from : c.Off()-2]
}

// maxNames bounds the names that are kept as one object each.
const maxNames = 1 << 12

// name gives the one copy of a name that most records repeat.
func (p *pass) name(units []byte) string {
	if s, ok := p.names[string(units)]; ok {
		return s
	}
	if p.names == nil || len(p.names) >= maxNames {
		p.names = map[string]string{}
	}
	s := utf16.String(units)
	p.names[string(units)] = s
	return s
}

// reconcile compares what the log declares with what was found.
func (p *pass) reconcile() bool {
	cs := &p.counts
	found := cs.Live + cs.Damaged + cs.Resynced
	declared := 0
	// A record takes at least its fixed part, so that a number from damaged
	// bytes cannot declare more than the file could hold.
	if n := int64(p.ends.Next) - int64(p.ends.Oldest); p.ends.Oldest > 0 && n > 0 && n <= p.f.w.size/fixedSize {
		declared = int(n)
	}
	cs.Lost = max(0, declared-found)
	cs.Declared = found + cs.Lost
	if p.f.TailOffset == 0 && !p.fail(&Error{Off: int64(p.ends.End), Weight: Doubt, What: "no end-of-file record; the end of the log is taken from its header"}) {
		return false
	}
	if cs.Lost == 0 {
		return true
	}
	return p.fail(&Error{Off: int64(p.ends.First), What: fmt.Sprintf("log declares records %d to %d, %d of them are not there", p.ends.Oldest, p.ends.Next-1, cs.Lost)})
}

// unread tells what the reader below did not give.
func (p *pass) unread() bool {
	for _, e := range p.f.w.bad {
		if !p.fail(e) {
			return false
		}
	}
	return true
}
