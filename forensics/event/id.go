package event

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// ID names an event: a digest of the record's own content, artifact and
// meaning, with an ordinal among equal records of one source; never of the
// place, so that a new shadow copy or a carved twin changes no id.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads 32 hex digits.
func ParseID(s string) (ID, error) {
	var id ID
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("no event id: %q (32 hex digits)", s)
	}
	copy(id[:], b)
	return id, nil
}

// Identifier numbers the events of one source. It is not safe for concurrent
// use: a source is read by one worker.
type Identifier struct {
	buf  []byte
	seen map[ID]uint32
}

// Identify gives e its ID. Records found twice in one source in different
// states (live, and again in slack) are the same record and get the same id;
// equal records in the same state are told apart by their ordinal.
func (x *Identifier) Identify(e *Event) {
	x.buf = appendContent(x.buf[:0], e)
	sum := sha256.Sum256(x.buf)
	id := ID(sum[:16])
	if x.seen == nil {
		x.seen = map[ID]uint32{}
	}
	key := id
	for i, c := range []byte(e.Recovered) { // the state is part of the ordinal's key only
		key[i%16] ^= c
	}
	n := x.seen[key]
	x.seen[key] = n + 1
	if n > 0 {
		x.buf = binary.LittleEndian.AppendUint32(append(x.buf, 1), n)
		sum = sha256.Sum256(x.buf)
		id = ID(sum[:16])
	}
	e.ID = id
}

// appendContent writes what a record says, each part with its length, so that
// no two different records give the same bytes.
func appendContent(b []byte, e *Event) []byte {
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	num := func(n uint64) { b = binary.LittleEndian.AppendUint64(b, n) }
	for _, s := range []string{e.Artifact, e.Meaning, string(e.Action), string(e.Precision), string(e.Clock),
		e.Path, e.Stream, e.Program, e.UserSID, e.User, e.Host, e.Address, e.URL, e.Device,
		e.RegistryKey, e.RegistryValue, e.Mail, e.SHA256, e.Record} {
		text(s)
	}
	for _, n := range []uint64{uint64(e.Ticks), uint64(e.From), uint64(e.To), uint64(e.MACB), e.Entry, uint64(e.Sequence), uint64(e.Port)} {
		num(n)
	}
	for _, p := range []*int64{e.BytesSent, e.BytesReceived} {
		if p == nil {
			b = append(b, 0)
			continue
		}
		b = append(b, 1)
		num(uint64(*p))
	}
	for _, f := range e.Fields {
		text(f.Name)
		text(f.text)
	}
	return b
}
