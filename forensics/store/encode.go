package store

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"unicode/utf8"
	"unsafe"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
)

// A run is a file of rows on their way to being sorted: length of key, length
// of body, key, body. Keys compare as bytes. Runs live in the case folder and
// are gone when the build ends.

// fact rows begin with their interval, event rows with their time.
func appendKey(b []byte, e *event.Event, ordinal uint32) []byte {
	if e.Fact {
		b = appendTicks(b, e.From)
		b = appendTicks(b, e.To)
	} else {
		b = appendTicks(b, e.Ticks)
	}
	// The live record before its twins in slack and snapshots: the first of
	// equal records is the row, the others are its origins.
	b = append(b, recoveredRank(e.Recovered))
	b = binary.BigEndian.AppendUint32(b, uint32(e.At.Snapshot))
	b = binary.BigEndian.AppendUint32(b, uint32(e.At.Volume))
	b = binary.BigEndian.AppendUint64(b, e.At.Entry)
	b = binary.BigEndian.AppendUint16(b, e.At.Sequence)
	b = appendKeyText(b, e.At.Stream)
	b = appendKeyText(b, e.At.Inner)
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.Offset)^1<<63)
	b = appendKeyText(b, e.Artifact)
	b = binary.BigEndian.AppendUint32(b, ordinal)
	return append(b, e.ID[:]...)
}

// appendTicks puts a time that is not one behind all others.
func appendTicks(b []byte, t event.Ticks) []byte {
	if !t.Valid() {
		return binary.BigEndian.AppendUint64(b, math.MaxUint64)
	}
	return binary.BigEndian.AppendUint64(b, uint64(t))
}

// appendKeyText ends a text so that a shorter one sorts before a longer one,
// whatever bytes they hold.
func appendKeyText(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		b = append(b, s[i])
		if s[i] == 0 {
			b = append(b, 0xFF)
		}
	}
	return append(b, 0, 0)
}

func recoveredRank(r event.Recovered) byte {
	switch r {
	case "", event.Allocated:
		return 0
	case event.InDeleted:
		return 1
	case event.InSlack:
		return 2
	}
	return 3
}

// texts lists the text columns of an event in the order of the run's body;
// the decoder assigns them in the same order.
func texts(e *event.Event) [28]string {
	return [28]string{
		e.Machine, string(e.Precision), string(e.Clock), e.Zone, e.Meaning, e.Artifact, string(e.Action),
		e.Path, e.Stream, e.Program, e.UserSID, e.User, e.Host, e.Address, e.URL, e.Device,
		e.RegistryKey, e.RegistryValue, e.Mail, e.SHA256, e.Message, "", "",
		e.At.Stream, e.At.Inner, e.Source, e.Record, string(e.Recovered),
	}
}

const (
	textFields = 21
	textRaw    = 22
)

var textNames = [28]string{
	"machine", "precision", "clock", "zone", "meaning", "artifact", "action",
	"path", "stream", "program", "user_sid", "user", "host", "address", "url", "device",
	"registry_key", "registry_value", "mail", "sha256", "message", "fields", "text_raw",
	"source_stream", "inner", "source", "record", "recovered",
}

const (
	hasEntry = 1 << (28 + iota)
	hasSent
	hasReceived
	hasAssumed
	hasFact
)

// appendBody writes a row without what its key holds in full (the id and the
// time are repeated: they are short).
func appendBody(b []byte, e *event.Event, scratch *[]byte) []byte {
	t := texts(e)
	if len(e.Fields) > 0 {
		*scratch = event.AppendFields((*scratch)[:0], e.Fields)
		t[textFields] = unsafe.String(unsafe.SliceData(*scratch), len(*scratch))
	}
	var have uint64
	var raw []byte
	for i, s := range t {
		if s == "" {
			continue
		}
		if !utf8.ValidString(s) {
			raw = appendRaw(raw, textNames[i], s)
			t[i] = escape.Text(s)
		}
		have |= 1 << i
	}
	if raw != nil {
		t[textRaw] = string(append(raw, '}'))
		have |= 1 << textRaw
	}
	if e.Entry != 0 || e.Sequence != 0 {
		have |= hasEntry
	}
	if e.BytesSent != nil {
		have |= hasSent
	}
	if e.BytesReceived != nil {
		have |= hasReceived
	}
	if e.ZoneAssumed {
		have |= hasAssumed
	}
	if e.Fact {
		have |= hasFact
	}
	b = binary.LittleEndian.AppendUint64(b, have)
	b = append(b, e.ID[:]...)
	if e.Fact {
		b = binary.AppendUvarint(b, validOrZero(e.From))
		b = binary.AppendUvarint(b, validOrZero(e.To))
	} else {
		b = binary.AppendUvarint(b, validOrZero(e.Ticks))
	}
	b = binary.AppendUvarint(b, uint64(e.MACB))
	b = binary.AppendUvarint(b, uint64(e.Port))
	b = binary.AppendVarint(b, int64(e.At.Volume))
	b = binary.AppendVarint(b, int64(e.At.Snapshot))
	b = binary.AppendUvarint(b, e.At.Entry)
	b = binary.AppendUvarint(b, uint64(e.At.Sequence))
	b = binary.AppendVarint(b, e.At.Offset)
	b = binary.AppendVarint(b, e.Length)
	if have&hasEntry != 0 {
		b = binary.AppendUvarint(b, e.Entry)
		b = binary.AppendUvarint(b, uint64(e.Sequence))
	}
	if have&hasSent != 0 {
		b = binary.AppendVarint(b, *e.BytesSent)
	}
	if have&hasReceived != 0 {
		b = binary.AppendVarint(b, *e.BytesReceived)
	}
	for _, s := range t {
		if s != "" {
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
	}
	return b
}

func appendRaw(raw []byte, name, s string) []byte {
	if raw == nil {
		raw = append(raw, '{')
	} else {
		raw = append(raw, ',')
	}
	raw = append(append(append(raw, '"'), name...), `":"`...)
	raw = hex.AppendEncode(raw, []byte(s))
	return append(raw, '"')
}

func validOrZero(t event.Ticks) uint64 {
	if !t.Valid() {
		return 0
	}
	return uint64(t)
}

var errRun = errors.New("sorted run is damaged")

// body reads what appendBody wrote. Texts point into b.
type body struct {
	b   []byte
	bad bool
}

func (d *body) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *body) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *body) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *body) text() string {
	p := d.bytes(d.uint())
	return unsafe.String(unsafe.SliceData(p), len(p))
}

// numbers gives the pointer columns of one row a place to live while a batch
// is written.
type numbers struct {
	time, to, entry, sent, received int64
	sequence                        int32
}

// decodeContent fills the columns that events and facts share, and returns
// the times at the body's head.
func decodeContent(b []byte, exhibit string, c *content, n *numbers) (t1, t2 event.Ticks, err error) {
	if len(b) < 24 {
		return 0, 0, errRun
	}
	have := binary.LittleEndian.Uint64(b)
	*c = content{Exhibit: exhibit}
	copy(c.ID[:], b[8:])
	d := body{b: b[24:]}
	t1 = event.Ticks(d.uint())
	if have&hasFact != 0 {
		t2 = event.Ticks(d.uint())
	}
	c.ZoneAssumed = have&hasAssumed != 0
	c.MACB, c.Port = int32(d.uint()), int32(d.uint())
	c.Volume, c.Snapshot = int32(d.int()), int32(d.int())
	c.SourceEntry, c.SourceSequence = int64(d.uint()), int32(d.uint())
	c.Offset, c.Length = d.int(), d.int()
	if have&hasEntry != 0 {
		n.entry, n.sequence = int64(d.uint()), int32(d.uint())
		c.Entry, c.Sequence = &n.entry, &n.sequence
	}
	if have&hasSent != 0 {
		n.sent = d.int()
		c.BytesSent = &n.sent
	}
	if have&hasReceived != 0 {
		n.received = d.int()
		c.BytesReceived = &n.received
	}
	c.Precision, c.Clock, c.Recovered = string(event.Exact), string(event.SystemUTC), string(event.Allocated)
	to := [28]*string{
		&c.Machine, &c.Precision, &c.Clock, &c.Zone, &c.Meaning, &c.Artifact, &c.Action,
		&c.Path, &c.Stream, &c.Program, &c.UserSID, &c.User, &c.Host, &c.Address, &c.URL, &c.Device,
		&c.RegistryKey, &c.RegistryValue, &c.Mail, &c.SHA256, &c.Message, &c.Fields, &c.TextRaw,
		&c.SourceStream, &c.Inner, &c.Source, &c.Record, &c.Recovered,
	}
	for i, p := range to {
		if have>>i&1 == 1 {
			*p = d.text()
		}
	}
	if d.bad || len(d.b) != 0 {
		return 0, 0, errRun
	}
	return t1, t2, nil
}
