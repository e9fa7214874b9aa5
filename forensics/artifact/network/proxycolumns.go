package network

import (
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"kanshiki/forensics/event"
)

// meanings are what a column may hold, and the words of a file of columns.
var meanings = map[string]bool{
	"time": true, "date": true, "clock": true, "epoch": true, "client": true, "client_port": true, "user": true, "method": true, "url": true,
	"scheme": true, "host": true, "port": true, "path": true, "query": true, "status": true, "action": true, "sent": true, "received": true,
	"server_sent": true, "server_received": true, "duration_ms": true, "duration_s": true, "server": true, "type": true, "agent": true, "referer": true, "ignore": true,
}

// headers are names that CSV exports use, without case and signs. Names like
// bytes_in and bytes_out are left out: some devices count from the client's
// side, some from their own, and nothing in the file says which.
var headers = map[string]string{
	"time": "time", "timestamp": "time", "datetime": "time", "eventtime": "time", "date": "date", "clock": "clock", "timeofday": "clock", "epoch": "epoch",
	"client": "client", "clientip": "client", "clientaddress": "client", "srcip": "client", "src": "client", "sourceip": "client", "cip": "client",
	"clientport": "client_port", "srcport": "client_port", "sourceport": "client_port",
	"user": "user", "username": "user", "csusername": "user", "method": "method", "httpmethod": "method", "csmethod": "method",
	"url": "url", "uri": "url", "requesturl": "url", "csuri": "url", "host": "host", "hostname": "host", "desthost": "host", "dsthost": "host", "domain": "host", "cshost": "host",
	"port": "port", "dstport": "port", "destport": "port", "destinationport": "port", "status": "status", "statuscode": "status", "responsecode": "status", "scstatus": "status",
	"action": "action", "result": "action", "saction": "action",
	"bytessent": "sent", "sentbytes": "sent", "clientbytessent": "sent", "requestbytes": "sent", "requestsize": "sent", "csbytes": "sent", "uploadbytes": "sent",
	"bytesreceived": "received", "receivedbytes": "received", "responsebytes": "received", "responsesize": "received", "scbytes": "received", "downloadbytes": "received",
	"duration": "duration_ms", "durationms": "duration_ms", "elapsed": "duration_ms", "elapsedms": "duration_ms",
	"serverip": "server", "destip": "server", "dstip": "server", "destinationip": "server", "rip": "server",
	"contenttype": "type", "mimetype": "type", "useragent": "agent", "csuseragent": "agent", "referer": "referer", "referrer": "referer", "csreferer": "referer",
}

// w3cNames are fields of the W3C form as proxies write them.
var w3cNames = map[string]string{
	"date": "date", "time": "clock", "gmttime": "time", "timestamp": "epoch", "x-timestamp-unix": "epoch", "c-ip": "client", "x-client-ip": "client", "c-port": "client_port",
	"cs-username": "user", "cs-method": "method", "cs-uri": "url", "c-uri": "url", "cs-uri-scheme": "scheme", "cs-host": "host", "r-host": "host", "cs-uri-port": "port", "r-port": "port",
	"cs-uri-path": "path", "cs-uri-stem": "path", "cs-uri-query": "query", "sc-status": "status", "s-action": "action", "s-cache-info": "action", "action": "action",
	"cs-bytes": "sent", "sc-bytes": "received", "sr-bytes": "server_sent", "rs-bytes": "server_received", "time-taken": "duration_ms", "r-ip": "server",
	"rs(content-type)": "type", "cs-mime-type": "type", "cs(user-agent)": "agent", "c-agent": "agent", "cs(referer)": "referer",
}

func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// columns fills a request column by column.
type columns struct {
	names []string // as the log has them
	means []string // "" where the column has no meaning here
	zone  proxyZone
	gmt   bool // times without a zone are GMT
	parts struct{ date, clock, scheme, path, query string }
}

// csvLog reads a table with a header.
type csvLog struct {
	columns
	comma  rune
	header string
}

// csvColumns takes the header of a table; named, from the examiner, goes before
// what names usually mean. A table without time, client and an address is no
// proxy's log.
func csvColumns(header string, named map[string]string) (*csvLog, error) {
	c := &csvLog{comma: ',', header: header}
	for _, sep := range []rune{',', '\t', ';'} {
		if strings.Count(header, string(sep)) > strings.Count(header, string(c.comma)) {
			c.comma = sep
		}
	}
	var err error
	if c.names, err = c.split(header); err != nil {
		return nil, err
	}
	has := map[string]bool{}
	for _, n := range c.names {
		key := squeeze(n)
		m, ok := named[key]
		if !ok {
			m = headers[key]
		}
		if m == "ignore" || m != "" && has[m] { // the first column of a meaning counts
			m = ""
		}
		has[m] = true
		c.means = append(c.means, m)
	}
	if !has["time"] && !has["epoch"] && !(has["date"] && has["clock"]) || !has["client"] || !has["url"] && !has["host"] {
		return nil, errors.New("the header names no time, client and address: say them in a file of columns (NAME.columns)")
	}
	return c, nil
}

func (c *csvLog) split(line string) ([]string, error) {
	r := csv.NewReader(strings.NewReader(line))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = c.comma, true, -1
	f, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("columns cannot be read: %w", err)
	}
	return f, nil
}

func (c *csvLog) line(line string, r *request) (bool, error) {
	if line == c.header || strings.HasPrefix(line, "#") {
		return true, nil
	}
	f, err := c.split(line)
	if err != nil {
		return false, errors.New("columns cannot be read")
	}
	return false, c.fill(f, r)
}

// w3c reads the W3C form; its directives may come again and change the fields.
type w3c struct {
	columns
}

func (w *w3c) line(line string, r *request) (bool, error) {
	if strings.HasPrefix(line, "#") {
		if rest, ok := strings.CutPrefix(line, "#Fields:"); ok {
			w.gmt = true
			w.names, w.means = strings.Fields(rest), nil
			for _, n := range w.names {
				w.means = append(w.means, w3cNames[strings.ToLower(n)])
			}
		}
		return true, nil
	}
	if w.names == nil {
		return false, errors.New("a line before the names of its fields")
	}
	return false, w.fill(w3cSplit(line), r)
}

// w3cSplit splits at blanks outside of quotes.
func w3cSplit(line string) []string {
	var out []string
	for line = strings.TrimLeft(line, " \t"); line != ""; line = strings.TrimLeft(line, " \t") {
		if line[0] == '"' {
			if i := strings.IndexByte(line[1:], '"'); i >= 0 {
				out, line = append(out, line[1:1+i]), line[i+2:]
				continue
			}
		}
		i := strings.IndexAny(line, " \t")
		if i < 0 {
			i = len(line)
		}
		out, line = append(out, line[:i]), line[i:]
	}
	return out
}

// fill takes the columns of a line.
func (c *columns) fill(f []string, r *request) error {
	if len(f) < len(c.names) {
		return fmt.Errorf("fewer columns than the %d that are named", len(c.names))
	}
	c.parts = struct{ date, clock, scheme, path, query string }{}
	for i, name := range c.names {
		v := strings.TrimSpace(f[i])
		if v == "" || v == "-" {
			continue
		}
		if c.means[i] == "" {
			r.other = append(r.other, name+"="+v)
			continue
		}
		if err := c.take(c.means[i], v, r); err != nil {
			return err
		}
	}
	for i, v := range f[len(c.names):] {
		r.other = append(r.other, fmt.Sprintf("+%d=%s", i+1, v))
	}
	return c.finish(r)
}

func (c *columns) take(meaning, v string, r *request) error {
	count := func(to *int64) error {
		if *to = number(v); *to < 0 {
			return fmt.Errorf("column %s is no number", meaning)
		}
		return nil
	}
	switch meaning {
	case "time":
		c.parts.date, c.parts.clock = v, ""
	case "date":
		c.parts.date = v
	case "clock":
		c.parts.clock = v
	case "epoch":
		return r.epoch(v)
	case "client":
		r.client = v
	case "client_port":
		r.clientPort = v
	case "user":
		r.user = v
	case "method":
		r.method = v
	case "url":
		r.url = v
	case "scheme":
		c.parts.scheme = v
	case "host":
		r.host = v
	case "port":
		n, err := strconv.ParseUint(v, 10, 16)
		if err != nil {
			return errors.New("column port is no port")
		}
		r.port = uint16(n)
	case "path":
		c.parts.path = v
	case "query":
		c.parts.query = v
	case "status":
		r.status = v
	case "action":
		r.action = v
	case "sent":
		return count(&r.sent)
	case "received":
		return count(&r.received)
	case "server_sent":
		return count(&r.serverSent)
	case "server_received":
		return count(&r.serverRecv)
	case "duration_ms":
		r.duration = number(v)
	case "duration_s":
		if s, err := strconv.ParseFloat(v, 64); err == nil && s >= 0 && s < 1e9 {
			r.duration = int64(s * 1000)
		}
	case "server":
		r.server = v
	case "type":
		r.mime = v
	case "agent":
		r.agent = v
	case "referer":
		r.referer = v
	}
	return nil
}

// layouts of times in tables. Day and month that could stand either way are
// not guessed at: only forms that begin with the year, or name the month.
var layouts = []string{
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006/01/02 15:04:05.999999999",
	"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05.999999999-07:00",
	"02/Jan/2006:15:04:05 -0700", "Jan _2 2006 15:04:05", "2006-01-02 15:04", "2006/01/02 15:04",
}

// finish puts time and address together.
func (c *columns) finish(r *request) error {
	if r.at == 0 {
		text := strings.TrimSpace(c.parts.date + " " + c.parts.clock)
		if text == "" {
			return errors.New("no time")
		}
		if err := c.time(text, r); err != nil {
			return err
		}
	}
	if r.url == "" && r.host != "" && c.parts.path != "" {
		scheme := c.parts.scheme
		if scheme == "" {
			scheme = "http"
		}
		r.url = scheme + "://" + r.host
		if r.port != 0 && !(scheme == "http" && r.port == 80) && !(scheme == "https" && r.port == 443) {
			r.url += ":" + strconv.Itoa(int(r.port))
		}
		r.url += c.parts.path
		if c.parts.query != "" {
			r.url += "?" + strings.TrimPrefix(c.parts.query, "?")
		}
	}
	return nil
}

func (c *columns) time(text string, r *request) error {
	r.precision = event.Second
	if strings.Contains(text, ".") {
		r.precision = event.Milli
	}
	for _, layout := range layouts {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		switch {
		case strings.Contains(layout, "07"):
			r.at, r.zone = event.FromTime(t), t.Format("-07:00")
		case c.gmt:
			r.at = event.FromTime(t)
		default:
			c.zone.local(t, r)
		}
		return nil
	}
	return errors.New("time is of no form that is known")
}
