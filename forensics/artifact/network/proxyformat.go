package network

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/parsers/textlog"
)

var (
	squidLine  = regexp.MustCompile(`^\s*\d{8,10}\.\d{3}\s+-?\d+ \S+ \S+/\d{3} \d+ \S+ `)
	commonLine = regexp.MustCompile(`^\S+ \S+ .*\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(\w+ \w+://|CONNECT )`)
)

// headLines are the first lines of a head that are whole.
func headLines(head []byte) []string {
	var out []string
	for l, err := range textlog.Lines(strings.NewReader(string(head)), int64(len(head)), textlog.Options{}) {
		if err == nil && strings.TrimSpace(l.Text) != "" && (!l.Open || len(out) == 0) {
			out = append(out, l.Text)
		}
	}
	return out
}

// looksLikeProxy tells a proxy's log by its first lines. Logs of web servers
// have the same forms; only an address with a host tells them apart.
func looksLikeProxy(_ string, head []byte) bool {
	for i, l := range headLines(head) {
		switch {
		case squidLine.MatchString(l), commonLine.MatchString(l), strings.HasPrefix(strings.TrimPrefix(l, "#"), "logformat "):
			return true
		case strings.HasPrefix(l, "#Fields:"):
			return proxyFields(strings.Fields(l[8:]))
		case i == 0 && strings.ContainsAny(l, ",\t;"):
			if _, err := csvColumns(l, nil); err == nil {
				return true
			}
		}
	}
	return false
}

// proxyFields tells the fields of a proxy from those of a web server, which
// has no host of another server.
func proxyFields(fields []string) bool {
	client, other := false, false
	for _, f := range fields {
		switch strings.ToLower(f) {
		case "c-ip", "x-client-ip":
			client = true
		case "cs-uri", "cs-uri-scheme", "r-host", "r-ip", "s-hierarchy", "s-action", "cs-uri-port", "x-cs-connect-host":
			other = true
		}
	}
	return client && other
}

// choose finds the format: by a file of columns beside the log, else by the
// log's own first lines.
func (p *proxyReader) choose() error {
	head := make([]byte, min(p.in.Size, 1<<16))
	n, err := p.in.R.ReadAt(head, 0)
	if n == 0 {
		if err == nil || err == io.EOF {
			err = errors.New("empty file")
		}
		return err
	}
	zone := proxyZone{z: p.in.Machine.Zone}
	if p.in.Sibling != nil {
		if side, ok := p.in.Sibling(p.in.Name + ".columns"); ok {
			b, err := side.Bytes(1 << 16)
			if err != nil {
				return fmt.Errorf("%s.columns: %w", p.in.Name, err)
			}
			return p.byColumnsFile(string(b), head[:n], zone)
		}
	}
	for i, l := range headLines(head[:n]) {
		switch {
		case squidLine.MatchString(l):
			p.how, p.parse = "squid native", squidNative
			return nil
		case strings.HasPrefix(strings.TrimPrefix(l, "#"), "logformat "):
			return p.bySquidFormat(l, zone)
		case commonLine.MatchString(l):
			p.how, p.parse = "common log format of a proxy", commonFormat
			return nil
		case strings.HasPrefix(l, "#Fields:"):
			w := &w3c{}
			p.how, p.parse = "W3C extended", w.line
			return nil
		case i == 0 && strings.ContainsAny(l, ",\t;"):
			c, err := csvColumns(l, nil)
			if err == nil {
				c.zone = zone
				p.how, p.parse = "CSV with a header", c.line
				return nil
			}
		}
	}
	return errNotProxy
}

// byColumnsFile reads what the examiner says of a log in NAME.columns: a squid
// logformat line, or lines "column = meaning" and "zone = +09:00".
func (p *proxyReader) byColumnsFile(text string, head []byte, zone proxyZone) error {
	named := map[string]string{}
	for _, l := range strings.Split(text, "\n") {
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "logformat ") {
			return p.bySquidFormat(l, zone)
		}
		if k, v, ok := strings.Cut(l, "="); ok && !strings.HasPrefix(l, "#") {
			k, v = strings.TrimSpace(k), strings.TrimSpace(v)
			if k == "zone" {
				if err := zone.set(v); err != nil {
					return err
				}
				continue
			}
			if !meanings[v] {
				return fmt.Errorf("%s.columns: %q is no meaning of a column", p.in.Name, v)
			}
			named[squeeze(k)] = v
		}
	}
	lines := headLines(head)
	if len(lines) == 0 {
		return errNotProxy
	}
	c, err := csvColumns(lines[0], named)
	if err != nil {
		return err
	}
	c.zone = zone
	p.how, p.parse = "CSV with a column map", c.line
	return nil
}

func (p *proxyReader) bySquidFormat(l string, zone proxyZone) error {
	f, err := squidFormat(l)
	if err != nil {
		return err
	}
	f.zone = zone
	p.how, p.parse = "squid logformat "+f.name, f.line
	return nil
}

// proxyZone is the zone of times that name none: as the examiner says, else
// that of the machine, which is then assumed.
type proxyZone struct {
	z     artifact.Zone
	fixed *time.Location
	name  string
}

func (z *proxyZone) set(s string) error {
	t, err := time.Parse("-07:00", s)
	if err != nil {
		return fmt.Errorf("zone %q is not of the form +09:00", s)
	}
	z.fixed, z.name = t.Location(), s
	return nil
}

// local converts a time without a zone.
func (z *proxyZone) local(t time.Time, r *request) {
	if z.fixed != nil {
		_, off := t.In(z.fixed).Zone()
		r.at, r.zone = event.FromTime(t.Add(-time.Duration(off)*time.Second)), z.name
		return
	}
	r.at, r.zone, _ = z.z.UTC(event.FromTime(t))
	r.assumed = true
}

// squidNative reads squid's own format: time of the end, milliseconds, client,
// result/status, bytes to the client, method, address, user, how/server, type.
// More columns at the end are kept as they are.
func squidNative(line string, r *request) (bool, error) {
	f := strings.Fields(line)
	if strings.HasPrefix(line, "#") || len(f) == 0 {
		return true, nil
	}
	if len(f) < 10 {
		return false, errors.New("fewer than ten columns")
	}
	if err := r.epoch(f[0]); err != nil {
		return false, err
	}
	r.duration = number(f[1])
	r.client = f[2]
	r.action, r.status, _ = strings.Cut(f[3], "/")
	r.received = number(f[4])
	r.method, r.url, r.user = f[5], f[6], dash(f[7])
	_, r.server, _ = strings.Cut(f[8], "/")
	r.server = dash(r.server)
	r.mime = dash(f[9])
	r.other = append(r.other, f[10:]...)
	if r.received < 0 {
		return false, errors.New("size is no number")
	}
	return false, nil
}

// epoch reads seconds since 1970 with a fraction.
func (r *request) epoch(s string) error {
	sec, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(sec, 10, 64)
	if err != nil || n <= 0 {
		return errors.New("time is no number of seconds")
	}
	r.at, r.precision = event.FromTime(time.Unix(n, 0)), event.Second
	if frac != "" {
		frac = (frac + "0000000")[:7]
		m, err := strconv.ParseUint(frac, 10, 32)
		if err != nil {
			return errors.New("time is no number of seconds")
		}
		r.at += event.Ticks(m)
		r.precision = event.Milli
	}
	return nil
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

func dash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

// commonFormat reads the form of CERN servers, with the address in full.
func commonFormat(line string, r *request) (bool, error) {
	if strings.HasPrefix(line, "#") {
		return true, nil
	}
	open, shut := strings.IndexByte(line, '['), strings.IndexByte(line, ']')
	if open < 0 || shut < open {
		return false, errors.New("no time in brackets")
	}
	who := strings.Fields(line[:open])
	t, err := time.Parse("02/Jan/2006:15:04:05 -0700", line[open+1:shut])
	if err != nil || len(who) < 3 {
		return false, errors.New("time or client cannot be read")
	}
	r.at, r.precision, r.zone = event.FromTime(t), event.Second, t.Format("-07:00")
	r.client, r.user = who[0], dash(who[2])
	quoted := strings.SplitN(line[shut+1:], `"`, 3)
	if len(quoted) < 3 {
		return false, errors.New("no request in quotes")
	}
	req := strings.Fields(quoted[1])
	if len(req) < 2 {
		return false, errors.New("request cannot be read")
	}
	r.method, r.url = req[0], req[1]
	rest := strings.Fields(quoted[2])
	if len(rest) < 2 {
		return false, errors.New("no status and size")
	}
	r.status, r.received = rest[0], number(rest[1])
	if q := strings.Split(quoted[2], `"`); len(q) >= 4 {
		r.referer, r.agent = dash(q[1]), dash(q[3])
	}
	return false, nil
}
