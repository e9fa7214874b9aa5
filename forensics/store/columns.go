package store

import (
	"encoding/hex"
	"strconv"

	"kanshiki/forensics/event"
)

// Kind of a column's text.
type kind byte

const (
	kindText   kind = iota
	kindNumber      // number or bool
	kindJSON        // JSON already
)

// column is one column of events or facts as the commands print it. An absent
// value appends nothing.
type column struct {
	name   string
	kind   kind
	append func(dst []byte, e *event.Event) []byte
}

func textColumn(name string, of func(*event.Event) string) column {
	return column{name, kindText, func(b []byte, e *event.Event) []byte { return append(b, of(e)...) }}
}

func ticksColumn(name string, of func(*event.Event) event.Ticks) column {
	return column{name, kindNumber, func(b []byte, e *event.Event) []byte {
		if t := of(e); t.Valid() {
			return strconv.AppendUint(b, uint64(t), 10)
		}
		return b
	}}
}

func timeColumn(name string, of func(*event.Event) event.Ticks) column {
	return column{name, kindText, func(b []byte, e *event.Event) []byte { return of(e).Append(b, precisionOf(e)) }}
}

func precisionOf(e *event.Event) event.Precision {
	if e.Precision == "" {
		return event.Exact
	}
	return e.Precision
}

func numberColumn(name string, of func(*event.Event) (int64, bool)) column {
	return column{name, kindNumber, func(b []byte, e *event.Event) []byte {
		if n, ok := of(e); ok {
			return strconv.AppendInt(b, n, 10)
		}
		return b
	}}
}

func always(of func(*event.Event) int64) func(*event.Event) (int64, bool) {
	return func(e *event.Event) (int64, bool) { return of(e), true }
}

func pointed(of func(*event.Event) *int64) func(*event.Event) (int64, bool) {
	return func(e *event.Event) (int64, bool) {
		if p := of(e); p != nil {
			return *p, true
		}
		return 0, false
	}
}

func hasRef(e *event.Event) bool { return e.Entry != 0 || e.Sequence != 0 }

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// columns are in the order of DESIGN 4. Rows of facts have from and to where
// rows of events have time and ticks; the others are absent in them.
var columns = []column{
	{"id", kindText, func(b []byte, e *event.Event) []byte { return hex.AppendEncode(b, e.ID[:]) }},
	textColumn("exhibit", func(e *event.Event) string { return e.Exhibit }),
	textColumn("machine", func(e *event.Event) string { return e.Machine }),
	timeColumn("time", func(e *event.Event) event.Ticks { return e.Ticks }),
	ticksColumn("ticks", func(e *event.Event) event.Ticks { return e.Ticks }),
	timeColumn("from", func(e *event.Event) event.Ticks { return e.From }),
	timeColumn("to", func(e *event.Event) event.Ticks { return e.To }),
	ticksColumn("from_ticks", func(e *event.Event) event.Ticks { return e.From }),
	ticksColumn("to_ticks", func(e *event.Event) event.Ticks { return e.To }),
	textColumn("precision", func(e *event.Event) string { return string(precisionOf(e)) }),
	textColumn("clock", func(e *event.Event) string { return or(string(e.Clock), string(event.SystemUTC)) }),
	textColumn("zone", func(e *event.Event) string { return e.Zone }),
	{"zone_assumed", kindNumber, func(b []byte, e *event.Event) []byte { return strconv.AppendBool(b, e.ZoneAssumed) }},
	textColumn("meaning", func(e *event.Event) string { return e.Meaning }),
	numberColumn("macb", func(e *event.Event) (int64, bool) { return int64(e.MACB), e.MACB != 0 }),
	textColumn("artifact", func(e *event.Event) string { return e.Artifact }),
	textColumn("action", func(e *event.Event) string { return string(e.Action) }),
	textColumn("path", func(e *event.Event) string { return e.Path }),
	numberColumn("entry", func(e *event.Event) (int64, bool) { return int64(e.Entry), hasRef(e) }),
	numberColumn("sequence", func(e *event.Event) (int64, bool) { return int64(e.Sequence), hasRef(e) }),
	textColumn("stream", func(e *event.Event) string { return e.Stream }),
	textColumn("program", func(e *event.Event) string { return e.Program }),
	textColumn("user_sid", func(e *event.Event) string { return e.UserSID }),
	textColumn("user", func(e *event.Event) string { return e.User }),
	textColumn("host", func(e *event.Event) string { return e.Host }),
	textColumn("address", func(e *event.Event) string { return e.Address }),
	numberColumn("port", func(e *event.Event) (int64, bool) { return int64(e.Port), e.Port != 0 }),
	textColumn("url", func(e *event.Event) string { return e.URL }),
	textColumn("device", func(e *event.Event) string { return e.Device }),
	textColumn("registry_key", func(e *event.Event) string { return e.RegistryKey }),
	textColumn("registry_value", func(e *event.Event) string { return e.RegistryValue }),
	textColumn("mail", func(e *event.Event) string { return e.Mail }),
	textColumn("sha256", func(e *event.Event) string { return e.SHA256 }),
	numberColumn("bytes_sent", pointed(func(e *event.Event) *int64 { return e.BytesSent })),
	numberColumn("bytes_received", pointed(func(e *event.Event) *int64 { return e.BytesReceived })),
	textColumn("message", func(e *event.Event) string { return e.Message }),
	{"fields", kindJSON, func(b []byte, e *event.Event) []byte {
		if len(e.Fields) == 0 {
			return b
		}
		return event.AppendFields(b, e.Fields)
	}},
	numberColumn("volume", always(func(e *event.Event) int64 { return int64(e.At.Volume) })),
	numberColumn("snapshot", always(func(e *event.Event) int64 { return int64(e.At.Snapshot) })),
	numberColumn("source_entry", always(func(e *event.Event) int64 { return int64(e.At.Entry) })),
	numberColumn("source_sequence", always(func(e *event.Event) int64 { return int64(e.At.Sequence) })),
	textColumn("source_stream", func(e *event.Event) string { return e.At.Stream }),
	textColumn("inner", func(e *event.Event) string { return e.At.Inner }),
	numberColumn("offset", always(func(e *event.Event) int64 { return e.At.Offset })),
	textColumn("source", func(e *event.Event) string { return e.Source }),
	numberColumn("length", always(func(e *event.Event) int64 { return e.Length })),
	textColumn("record", func(e *event.Event) string { return e.Record }),
	textColumn("recovered", func(e *event.Event) string { return or(string(e.Recovered), string(event.Allocated)) }),
}

// onlyOf tells whether a column belongs to rows of facts (true) or of events
// (false) alone.
func onlyOf(name string) (fact, ok bool) {
	switch name {
	case "time", "ticks":
		return false, true
	case "from", "to", "from_ticks", "to_ticks":
		return true, true
	}
	return false, false
}

// EventColumns lists the columns of an event's row, FactColumns of a fact's.
func EventColumns() []string { return columnNames(false) }

// FactColumns lists the columns of a fact's row.
func FactColumns() []string { return columnNames(true) }

func columnNames(facts bool) []string {
	var out []string
	for _, c := range columns {
		if of, ok := onlyOf(c.name); !ok || of == facts {
			out = append(out, c.name)
		}
	}
	return out
}

// AppendJSON writes a row as one JSON object. Absent values are left out, but
// for the time, which is null where the record has none.
func AppendJSON(dst []byte, e *event.Event) []byte {
	dst = append(dst, '{')
	var buf [256]byte
	first := true
	for i := range columns {
		c := &columns[i]
		if of, ok := onlyOf(c.name); ok && of != e.Fact {
			continue
		}
		v := c.append(buf[:0], e)
		if len(v) == 0 && c.name != "time" {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(append(dst, '"'), c.name...), `":`...)
		switch {
		case len(v) == 0:
			dst = append(dst, "null"...)
		case c.kind == kindText:
			dst = event.AppendJSON(dst, string(v))
		default:
			dst = append(dst, v...)
		}
	}
	return append(dst, '}')
}

// AppendText writes one column of a row as text, nothing where it is absent.
func AppendText(dst []byte, e *event.Event, name string) []byte {
	if i, ok := columnIndex[name]; ok {
		return columns[i].append(dst, e)
	}
	return dst
}

var columnIndex = func() map[string]int {
	m := make(map[string]int, len(columns))
	for i, c := range columns {
		m[c.name] = i
	}
	return m
}()
