package main

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
)

// row is one line of ks-walk list: a name and one of its streams.
type row struct {
	volume  int
	shadow  int // the snapshot
	e       *filesystem.Entry
	n       *filesystem.Name // nil for an entry without a name
	s       *filesystem.StreamInfo
	sha256  string
	notes   []string // problems beyond those of the entry
	extra   *recovery
	zone    *time.Location
	clock   *filesystem.Clock // of si, where it is not that of NTFS
	hashing bool
	recover bool // the columns of ks-walk deleted are there
}

// columns of CSV, in order; JSON has the same names.
var columns = []string{"volume", "snapshot", "entry", "sequence", "kind", "state", "path", "path_proof", "stream", "size",
	"si_created", "si_modified", "si_entry_modified", "si_accessed", "fn_created", "fn_modified", "fn_entry_modified", "fn_accessed",
	"attributes", "reparse_tag", "sha256", "problems", "path_utf16", "stream_utf16"}

// zoneColumns follow with --zone.
func zoneColumns() []string {
	var out []string
	for _, c := range columns[10:18] {
		out = append(out, c+"_zone")
	}
	return out
}

func (r *row) size() int64 {
	if r.s == nil {
		return 0
	}
	return r.s.Size
}

func (r *row) stream() string {
	if r.s == nil {
		return ""
	}
	return r.s.Name
}

func (r *row) path() (path, proof string, units []byte) {
	if r.n == nil {
		return "", "unknown", nil
	}
	return r.n.Path, r.n.Proof, r.n.UTF16
}

// ticks are the times of an attribute in the order of the columns.
func ticks(t filesystem.Times) [4]event.Ticks {
	return [4]event.Ticks{t.Created, t.Modified, t.Changed, t.Accessed}
}

func (r *row) times() [8]event.Ticks {
	si, fn := r.e.SI, filesystem.Times{}
	if r.n != nil {
		fn = r.n.Times
	}
	return [8]event.Ticks{si.Created, si.Modified, si.Changed, si.Accessed, fn.Created, fn.Modified, fn.Changed, fn.Accessed}
}

// problems are those of the entry, then those of the stream.
func (r *row) problems() []string {
	out := r.e.Problems
	if r.s != nil && r.s.Note != "" {
		out = append(out[:len(out):len(out)], r.s.Note)
	}
	if len(r.notes) > 0 {
		out = append(out[:len(out):len(out)], r.notes...)
	}
	return out
}

// appendJSON writes the row by hand: reflection costs more than reading the
// entry did.
func (r *row) appendJSON(b []byte) []byte {
	path, proof, units := r.path()
	b = append(b, `{"volume":`...)
	b = strconv.AppendInt(b, int64(r.volume), 10)
	b = strconv.AppendInt(append(b, `,"snapshot":`...), int64(r.shadow), 10)
	b = append(b, `,"entry":`...)
	b = strconv.AppendUint(b, r.e.Ref.Entry, 10)
	b = append(b, `,"sequence":`...)
	b = strconv.AppendUint(b, uint64(r.e.Ref.Sequence), 10)
	b = append(append(append(b, `,"kind":"`...), r.e.Kind...), '"')
	b = append(append(append(b, `,"state":"`...), r.e.State...), '"')
	b = appendPathJSON(append(b, `,"path":`...), path, units == nil)
	b = append(append(append(b, `,"path_proof":"`...), proof...), '"')
	b = appendString(append(b, `,"stream":`...), r.stream())
	b = append(b, `,"size":`...)
	b = strconv.AppendInt(b, r.size(), 10)
	times := r.times()
	var at [8]int
	for i, t := range times {
		b = append(append(append(b, ',', '"'), columns[10+i]...), '"', ':')
		at[i] = len(b)
		if r.clock != nil && i < 4 && t.Valid() {
			b = append(r.clock.Append(append(b, '"'), i, t), '"')
		} else if j := slices.Index(times[:i], t); j >= 0 && t.Valid() {
			b = append(b, b[at[j]:at[j]+timeLen+2]...)
		} else {
			b = appendTimeJSON(b, t)
		}
		if r.zone != nil {
			b = append(append(append(b, ',', '"'), columns[10+i]...), `_zone":`...)
			b = appendZoneJSON(b, r.known(i, t), r.zone)
		}
	}
	b = append(b, `,"attributes":`...)
	b = strconv.AppendUint(b, uint64(r.e.Attributes), 10)
	b = append(b, `,"reparse_tag":`...)
	if r.e.ReparseTag == 0 {
		b = append(b, "null"...)
	} else {
		b = append(appendHex32(append(b, '"'), r.e.ReparseTag), '"')
	}
	if r.sha256 != "" {
		b = append(append(append(b, `,"sha256":"`...), r.sha256...), '"')
	}
	b = append(b, `,"problems":[`...)
	for i, p := range r.problems() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, p)
	}
	b = append(b, ']')
	if units != nil {
		b = append(b, `,"path_utf16":"`...)
		b = append(hex.AppendEncode(b, units), '"')
	}
	if u := exactUnits(r.stream()); u != nil {
		b = append(hex.AppendEncode(append(b, `,"stream_utf16":"`...), u), '"')
	}
	if r.extra != nil {
		b = r.extra.appendJSON(b)
	}
	return append(b, '}', '\n')
}

func (r *row) appendCSV(b []byte) []byte {
	path, proof, units := r.path()
	b = strconv.AppendInt(b, int64(r.volume), 10)
	b = append(strconv.AppendInt(append(b, ','), int64(r.shadow), 10), ',')
	b = strconv.AppendUint(b, r.e.Ref.Entry, 10)
	b = append(b, ',')
	b = strconv.AppendUint(b, uint64(r.e.Ref.Sequence), 10)
	b = append(append(b, ','), r.e.Kind...)
	b = append(append(b, ','), r.e.State...)
	b = appendPathCSV(append(b, ','), path, units == nil)
	b = append(append(b, ','), proof...)
	b = append(b, ',')
	if s := r.stream(); s != "" {
		b = appendCell(b, s)
	}
	b = append(b, ',')
	b = strconv.AppendInt(b, r.size(), 10)
	if r.clock == nil {
		b = appendTimes(b, r.times())
	} else {
		b = r.appendClock(b)
	}
	b = append(b, ',')
	b = strconv.AppendUint(b, uint64(r.e.Attributes), 10)
	b = append(b, ',')
	if r.e.ReparseTag != 0 {
		b = appendHex32(b, r.e.ReparseTag)
	}
	b = append(append(append(b, ','), r.sha256...), ',')
	if ps := r.problems(); len(ps) > 0 {
		b = appendCell(b, join(ps))
	}
	b = hex.AppendEncode(append(b, ','), units)
	b = hex.AppendEncode(append(b, ','), exactUnits(r.stream()))
	if r.zone != nil {
		for i, t := range r.times() {
			b = appendZone(append(b, ','), r.known(i, t), r.zone)
		}
	}
	if r.extra != nil {
		b = r.extra.appendCSV(b)
	} else if r.recover {
		b = append(b, ",,,"...)
	}
	return append(b, '\n')
}

// appendText is for people: the columns that fit a terminal.
func (r *row) appendText(b []byte) []byte {
	path, proof, _ := r.path()
	b = strconv.AppendInt(b, int64(r.volume), 10)
	if r.shadow > 0 {
		b = strconv.AppendInt(append(b, '.'), int64(r.shadow), 10)
	}
	at := len(b) - 1
	b = append(b, ' ')
	b = strconv.AppendUint(b, r.e.Ref.Entry, 10)
	b = append(b, '-')
	b = strconv.AppendUint(b, uint64(r.e.Ref.Sequence), 10)
	b = pad(b, at+12)
	b = pad(append(b, r.e.State...), at+20)
	b = pad(append(b, r.e.Kind...), at+28)
	digits := strconv.AppendInt(nil, r.size(), 10)
	b = append(pad(b, at+40-min(len(digits), 12)), digits...)
	b = append(b, ' ', ' ')
	if r.e.SI.Modified.Valid() {
		b = r.e.SI.Modified.Append(b, event.Second)
		if r.clock != nil && r.clock.Local[1] {
			b[len(b)-1] = ' ' // no zone
		}
	} else {
		b = append(b, "-                   "...)
	}
	if r.zone != nil && r.known(1, r.e.SI.Modified).Valid() {
		b = r.e.SI.Modified.Time().In(r.zone).AppendFormat(append(b, ' '), "2006-01-02 15:04:05 -0700")
	}
	b = append(b, ' ', ' ')
	if r.hashing {
		b = append(pad(append(b, r.sha256...), len(b)+64), ' ', ' ')
	}
	b = append(b, escape.Text(path)...)
	if r.n == nil {
		b = append(b, "(no name)"...)
	} else if path == "" {
		b = append(b, '/')
	}
	if s := r.stream(); s != "" {
		b = append(append(b, ':'), escape.Text(s)...)
	}
	if proof != "live" && r.n != nil {
		b = append(append(append(b, "  ["...), proof...), ']')
	}
	if r.extra != nil {
		b = r.extra.appendText(b)
	}
	for _, p := range r.problems() {
		b = append(append(b, "  ! "...), escape.Text(p)...)
	}
	return append(b, '\n')
}

// appendTimes writes eight cells. Most entries have few different times: one
// that stands already is copied.
func appendTimes(b []byte, times [8]event.Ticks) []byte {
	var at [8]int
	for i, t := range times {
		b = append(b, ',')
		at[i] = len(b)
		if !t.Valid() {
			if t != 0 { // no time that can be written: the raw number
				b = strconv.AppendUint(b, uint64(t), 10)
			}
			continue
		}
		done := false
		for j := range i {
			if times[j] == t {
				b = append(b, b[at[j]:at[j]+timeLen]...)
				done = true
				break
			}
		}
		if !done {
			b = t.Append(b, event.Exact)
		}
	}
	return b
}

// appendClock writes eight cells, of which the last four are those of NTFS.
func (r *row) appendClock(b []byte) []byte {
	for i, t := range r.times() {
		b = append(b, ',')
		if i < 4 {
			b = r.clock.Append(b, i, t)
		} else {
			b = t.Append(b, event.Exact)
		}
	}
	return b
}

// known is a time that can be shown in a zone: a local one cannot, its own is not
// known.
func (r *row) known(i int, t event.Ticks) event.Ticks {
	if r.clock != nil && i < 4 && r.clock.Local[i] {
		return 0
	}
	return t
}

// timeLen is the length of a time with seven decimals.
const timeLen = len("2011-08-24T00:31:07.1840000Z")

// pad fills with spaces up to a length, and puts at least one.
func pad(b []byte, to int) []byte {
	b = append(b, ' ')
	for len(b) < to {
		b = append(b, ' ')
	}
	return b
}

func join(ss []string) string {
	if len(ss) == 0 {
		return ""
	}
	out := ss[0]
	for _, s := range ss[1:] {
		out += "; " + s
	}
	return out
}

func appendTimeJSON(b []byte, t event.Ticks) []byte {
	switch {
	case t.Valid():
		return append(t.Append(append(b, '"'), event.Exact), '"')
	case t == 0:
		return append(b, "null"...)
	}
	// No time that can be written: the raw number, as a string.
	return append(strconv.AppendUint(append(b, '"'), uint64(t), 10), '"')
}

func appendZoneJSON(b []byte, t event.Ticks, zone *time.Location) []byte {
	if !t.Valid() {
		return append(b, "null"...)
	}
	return append(appendZone(append(b, '"'), t, zone), '"')
}

// appendZone writes a time of the zone with its distance from UTC, or nothing.
func appendZone(b []byte, t event.Ticks, zone *time.Location) []byte {
	if !t.Valid() {
		return b
	}
	return t.Time().In(zone).AppendFormat(b, "2006-01-02T15:04:05.0000000Z07:00")
}

// exactUnits gives the UTF-16LE units of text that is shown escaped, or nil.
func exactUnits(s string) []byte {
	if s == "" || escape.Plain(s) {
		return nil
	}
	return filesystem.Units(s)
}

func appendHex32(b []byte, v uint32) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '0', 'x')
	for i := 28; i >= 0; i -= 4 {
		b = append(b, digits[v>>i&15])
	}
	return b
}

// appendString writes a JSON string of text from evidence: what could mislead
// is shown as ⟨U+XXXX⟩, so the result is plain UTF-8.
func appendString(b []byte, s string) []byte {
	if !escape.Plain(s) {
		s = escape.Text(s)
	}
	return appendQuoted(b, s)
}

// appendPathJSON writes a path; plain text needs no look for what misleads.
func appendPathJSON(b []byte, path string, plain bool) []byte {
	if plain {
		return appendQuoted(b, path)
	}
	return appendString(b, path)
}

// appendPathCSV is appendPathJSON for CSV, where formulas mislead as well.
func appendPathCSV(b []byte, path string, plain bool) []byte {
	if plain && path != "" && strings.IndexByte("=+-@", path[0]) < 0 {
		return appendBare(b, path)
	}
	return appendCell(b, path)
}

// appendQuoted writes a JSON string of plain text.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '"' || c == '\\' {
			b = append(append(b, s[from:i]...), '\\', c)
			from = i + 1
		} else if c < 0x20 {
			b = append(append(b, s[from:i]...), '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
			from = i + 1
		}
	}
	return append(append(b, s[from:]...), '"')
}

// appendCell writes a CSV cell that no spreadsheet runs as a formula.
func appendCell(b []byte, s string) []byte {
	return appendBare(b, escape.CSV(s))
}

// appendBare quotes a cell where CSV needs it.
func appendBare(b []byte, s string) []byte {
	if strings.IndexByte(s, ',') < 0 && strings.IndexByte(s, '"') < 0 && strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, '\r') < 0 {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}
