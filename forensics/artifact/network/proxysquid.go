package network

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"kanshiki/forensics/event"
)

// squidCodes are the format codes of squid.conf's logformat that have a
// meaning here. %>st counts what the client sent, tunnels included (since
// squid 3.5); %<st what was sent to the client.
var squidCodes = map[string]string{
	"ts": "epoch", "tr": "duration_ms", ">a": "client", ">p": "client_port", "Ss": "action", ">Hs": "status", "Hs": "status",
	"<st": "received", ">st": "sent", "rm": "method", "ru": "url", "Ru": "url", ">ru": "url", "un": "user", "ul": "user", "<a": "server", "<A": "server", "mt": "type",
	"{User-Agent}>h": "agent", ">h{User-Agent}": "agent", "{Referer}>h": "referer", ">h{Referer}": "referer",
}

// squidLog reads lines of a logformat that the examiner or the log gives.
type squidLog struct {
	columns
	name    string
	pattern *regexp.Regexp
	epoch   int // places of seconds, milliseconds and %tl or %tg among the columns, -1 for none
	milli   int
	clock   int
}

var squidToken = regexp.MustCompile(`%["\[#/']?-?\d*\.?\d*(?:\{[^}]*\})?(?:[<>]?[A-Za-z_]+|%)(?:\{[^}]*\})?`)

// squidFormat makes a reader of "logformat NAME %ts.%03tu …".
func squidFormat(l string) (*squidLog, error) {
	_, rest, _ := strings.Cut(l, "logformat ")
	name, format, ok := strings.Cut(strings.TrimSpace(rest), " ")
	if !ok {
		return nil, errors.New("logformat without a format")
	}
	f := &squidLog{name: name, epoch: -1, milli: -1, clock: -1}
	var re strings.Builder
	re.WriteString(`^\s*`)
	at := 0
	for _, loc := range squidToken.FindAllStringIndex(format, -1) {
		re.WriteString(literal(format[at:loc[0]]))
		token := format[loc[0]:loc[1]]
		at = loc[1]
		code := regexp.MustCompile(`^%["\[#/']?-?\d*\.?\d*`).ReplaceAllString(token, "")
		if code == "%" {
			re.WriteString("%")
			continue
		}
		f.column(code)
		switch code {
		case "ts", "tu", "tr", "<st", ">st":
			re.WriteString(`\s*(-?\d+|-)`)
		case "tl", "tg":
			re.WriteString(`([^\]]*?)`)
		default:
			re.WriteString(`(.*?)`)
		}
	}
	re.WriteString(literal(format[at:]) + `\s*$`)
	var err error
	if f.pattern, err = regexp.Compile(re.String()); err != nil {
		return nil, fmt.Errorf("logformat %s cannot be used: %w", name, err)
	}
	if f.epoch < 0 && f.clock < 0 {
		return nil, fmt.Errorf("logformat %s has no time", name)
	}
	return f, nil
}

// literal is text between codes; a blank there may be several in the log.
func literal(s string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(s), " ", `\s+`)
}

func (f *squidLog) column(code string) {
	i := len(f.names)
	f.names = append(f.names, "%"+code)
	m := squidCodes[code]
	switch code {
	case "ts":
		f.epoch, m = i, ""
	case "tu":
		f.milli, m = i, ""
	case "tl", "tg":
		f.clock, m = i, ""
		f.gmt = code == "tg"
	}
	f.means = append(f.means, m)
}

func (f *squidLog) line(line string, r *request) (bool, error) {
	if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "logformat ") {
		return true, nil
	}
	m := f.pattern.FindStringSubmatch(line)
	if m == nil {
		return false, errors.New("line is not of its logformat")
	}
	m = m[1:]
	switch {
	case f.epoch >= 0:
		s := m[f.epoch]
		if f.milli >= 0 {
			s += "." + m[f.milli]
		}
		if err := r.epoch(s); err != nil {
			return false, err
		}
	default:
		t, err := time.Parse("02/Jan/2006:15:04:05 -0700", m[f.clock])
		if err != nil {
			return false, errors.New("time is of no form that is known")
		}
		r.at, r.precision, r.zone = event.FromTime(t), event.Second, t.Format("-07:00")
	}
	for _, i := range []int{f.epoch, f.milli, f.clock} {
		if i >= 0 {
			m[i] = "" // taken
		}
	}
	return false, f.fill(m, r)
}
