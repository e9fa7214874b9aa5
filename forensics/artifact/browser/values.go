package browser

import (
	"net/url"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/parsers/sqlite"
)

const unix = 116444736000000000 // 1601 to 1970 in 100 ns

// webkit converts the time of Chrome: microseconds since 1601. Its first
// versions kept downloads in seconds since 1970, which as microseconds of 1601
// would be the first day of that year.
func webkit(v sqlite.Value) (event.Ticks, event.Precision) {
	n, ok := v.Number()
	switch {
	case !ok || n <= 0:
		return 0, event.Micro
	case n < 1<<34:
		return valid(n*10000000 + unix), event.Second
	case n > 1<<59:
		return 0, event.Micro
	}
	return valid(n * 10), event.Micro
}

// prtime converts the time of Firefox: microseconds since 1970; on telephones
// and in some tables milliseconds, which as microseconds would be of 1970.
func prtime(v sqlite.Value) (event.Ticks, event.Precision) {
	n, ok := v.Number()
	switch {
	case !ok || n <= 0:
		return 0, event.Micro
	case n < 1<<34:
		return valid(n*10000000 + unix), event.Second
	case n < 1<<46:
		return valid(n*10000 + unix), event.Milli
	case n > 1<<59:
		return 0, event.Micro
	}
	return valid(n*10 + unix), event.Micro
}

func valid(n int64) event.Ticks {
	if t := event.Ticks(n); n > 0 && t.Valid() {
		return t
	}
	return 0
}

// when sets the event's time; one that is unset or impossible stays as it is
// stored in the field time_raw.
func (v *view) when(t event.Ticks, p event.Precision, raw sqlite.Value) {
	v.e.Ticks, v.e.Precision = t, p
	if t == 0 {
		v.e.Precision = ""
		v.add(event.Str("time_raw", raw.String()))
	}
}

func (v *view) add(f event.Field) { v.pending = append(v.pending, f) }

// str adds a text that is there.
func (v *view) str(name, s string) {
	if s != "" {
		v.add(event.Str(name, s))
	}
}

// num adds a number that is there.
func (v *view) num(name string, val sqlite.Value) {
	if n, ok := val.Number(); ok {
		v.add(event.Int(name, n))
	}
}

// time adds a further time that is there.
func (v *view) time(name string, t event.Ticks, p event.Precision) {
	if t != 0 {
		v.add(event.Str(name, t.Format(p)))
	}
}

// hostOf is the host of an address, or "".
func hostOf(s string) (host string, port uint16) {
	u, err := url.Parse(s)
	if err != nil {
		_, rest, ok := strings.Cut(s, "://")
		if !ok {
			return "", 0
		}
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			rest = rest[:i]
		}
		if u, err = url.Parse("x://" + rest); err != nil {
			return "", 0
		}
	}
	n, _ := strconv.ParseUint(u.Port(), 10, 16)
	return strings.ToLower(u.Hostname()), uint16(n)
}

// place is a recorded path in the form of this project where it is one of the
// system's volume, else as it is recorded.
func place(s string) string {
	if p := artifact.PathOf(s); p != "" {
		return p
	}
	return s
}

// fileURI is the path of a file: address: file:///C:/Users/a%20b.
func fileURI(s string) string {
	rest, ok := strings.CutPrefix(s, "file://")
	if !ok {
		return place(s)
	}
	if p, err := url.PathUnescape(rest); err == nil {
		rest = p
	}
	if len(rest) > 3 && rest[0] == '/' && rest[2] == ':' {
		return place(strings.ReplaceAll(rest[1:], "/", `\`))
	}
	if strings.HasPrefix(rest, "///") { // file://///server/share
		return strings.ReplaceAll(rest[1:], "/", `\`)
	}
	if !strings.HasPrefix(rest, "/") { // file://server/share
		return strings.ReplaceAll(`//`+rest, "/", `\`)
	}
	return rest
}

// named is the name of a number in a list, or the number.
func named(list []string, n int64) string {
	if n >= 0 && n < int64(len(list)) && list[n] != "" {
		return list[n]
	}
	return strconv.FormatInt(n, 10)
}

// quoted is a title for a message: short, in quotes.
func quoted(s string) string {
	if s == "" {
		return ""
	}
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return ` "` + s + `"`
}
