package eventlog

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
)

// fieldNames are the names of all fields, in output order: what every record
// has, what the tables name, and in data all values of the record as they
// stand, so that nothing is lost.
var fieldNames = []string{
	"provider", "event_id", "qualifiers", "version", "level", "task_number", "opcode", "keywords", "type", "category_number",
	"channel", "computer", "record_id", "written", "process_id", "thread_id", "activity_id", "related_activity_id", "record_user",
	"found", "torn", "nameless", "borrowed_template", "container",
	"logon_type", "logon_id", "by_user", "target_user", "target_sid", "member", "account", "package", "session", "status", "reason",
	"pid", "parent", "parent_pid", "command_line", "launcher", "module", "script", "script_id",
	"service", "task", "state", "job", "job_id", "document", "consumer", "product",
	"object", "access", "share", "local_path", "rule", "protocol", "direction", "proxy", "network", "query", "answer",
	"threat", "severity", "category", "response", "detected", "hashes", "signature", "signed",
	"bytes", "bytes_total", "old_value", "new_value", "old_time", "new_time", "cleared",
	"data", "binary",
}

var fieldOrder = func() map[string]int {
	m := make(map[string]int, len(fieldNames))
	for i, n := range fieldNames {
		m[n] = i
	}
	return m
}()

// maker turns one record after the other into an event.
type maker struct {
	e      event.Event
	slots  []event.Field // by fieldOrder; no name is not set
	fields []event.Field
	names  []string // of the record's values
	texts  []string
	ends   []int
	buf    []byte
	json   []byte
	seen   map[string]int

	provider string
	id       uint16
	computer string
	channel  string

	// what the coverage wants to know of this record
	cleared  bool
	old, new event.Ticks // of a clock that was set
}

// ordinals are the names of values that have none.
var ordinals = func() (s [64]string) {
	for i := range s {
		s[i] = strconv.Itoa(i + 1)
	}
	return s
}()

func ordinal(i int) string {
	if i < len(ordinals) {
		return ordinals[i]
	}
	return strconv.Itoa(i + 1)
}

func (m *maker) reset() {
	if m.slots == nil {
		m.slots = make([]event.Field, len(fieldNames))
		m.seen = map[string]int{}
	}
	clear(m.slots)
	m.names, m.texts, m.ends, m.buf = m.names[:0], m.texts[:0], m.ends[:0], m.buf[:0]
	m.e = event.Event{}
	m.provider, m.id, m.computer, m.channel = "", 0, "", ""
	m.cleared, m.old, m.new = false, 0, 0
}

// addText is called for each value with its text already at the end of buf.
func (m *maker) addText(name string) {
	m.names = append(m.names, name)
	m.ends = append(m.ends, len(m.buf))
}

// settle makes the texts of all values, one string for all.
func (m *maker) settle() {
	all := string(m.buf)
	from := 0
	for _, end := range m.ends {
		m.texts = append(m.texts, all[from:end])
		from = end
	}
}

// get is a value of the record; what Windows writes for "none" is none.
func (m *maker) get(name string) string {
	i := slices.Index(m.names, name)
	if i < 0 {
		// The same event of XP has values without names.
		if n, ok := strings.CutPrefix(name, "param"); ok {
			i = slices.Index(m.names, n)
		}
		if i < 0 {
			return ""
		}
	}
	if s := m.texts[i]; s != "-" && s != "%%1793" && s != "(NULL)" {
		return s
	}
	return ""
}

func (m *maker) put(name, value string) {
	if value != "" {
		m.slots[fieldOrder[name]] = event.Str(name, value)
	}
}

func (m *maker) putUint(name string, v uint64) { m.slots[fieldOrder[name]] = event.Uint(name, v) }

// field is what was put, or "".
func (m *maker) field(name string) string {
	if i, ok := fieldOrder[name]; ok {
		return m.slots[i].Text()
	}
	return ""
}

// mean gives the record its meaning, or keeps it as it is.
func (m *maker) mean() {
	m.data()
	r := rules()[ruleKey{m.provider, m.id}]
	if r == nil {
		m.e.Action = event.Other
		m.e.Message = m.plain()
		return
	}
	m.e.Action = r.action
	for _, b := range r.binds {
		for _, s := range b.from {
			v := m.get(s.name)
			if v == "" {
				continue
			}
			if s.domain != "" {
				if d := m.get(s.domain); d != "" {
					v = d + `\` + v
				}
			}
			m.bind(b.to, v)
			break
		}
	}
	if r.special != nil {
		r.special(m)
	}
	m.e.Message = m.say(r.parts)
}

func (m *maker) bind(to, v string) {
	e := &m.e
	switch to {
	case "user":
		e.User = v
	case "sid":
		if v != "S-1-0-0" && strings.HasPrefix(v, "S-1-") {
			e.UserSID = v
		}
	case "program":
		e.Program = v
	case "path":
		m.setPath(v)
	case "host":
		m.setHost(v)
	case "address":
		m.setAddress(v)
	case "port":
		if n, err := strconv.ParseUint(v, 10, 16); err == nil {
			e.Port = uint16(n)
		}
	case "direction":
		m.put(to, cmp.Or(translations[to][v], v))
	case "url":
		e.URL = v
	case "device":
		e.Device = v
	case "key":
		e.RegistryKey = registryPath(v)
	case "value":
		e.RegistryValue = v
	case "sent", "received":
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			if to == "sent" {
				e.BytesSent = &n
			} else {
				e.BytesReceived = &n
			}
		}
	case "pid", "parent_pid", "bytes", "bytes_total", "logon_type":
		if n, err := strconv.ParseUint(v, 0, 64); err == nil {
			m.putUint(to, n)
		} else {
			m.put(to, v)
		}
	default:
		m.put(to, v)
	}
}

// setPath names the file as it is on the volume, where it lies on the system's.
// A name without a folder is no path.
func (m *maker) setPath(s string) {
	if !strings.ContainsAny(s, `\/`) {
		return
	}
	m.e.Path = s
	t := strings.TrimPrefix(strings.Trim(s, `"`), `\??\`)
	if len(t) > 2 && (t[0] == 'C' || t[0] == 'c') && t[1] == ':' || strings.HasPrefix(t, "%") || strings.HasPrefix(strings.ToLower(t), `\systemroot\`) {
		if p := artifact.VolumePath(t); p != "" {
			m.e.Path = p
		}
	}
}

// setHost leaves out this machine's own name: host is another machine.
func (m *maker) setHost(s string) {
	s = strings.TrimLeft(s, `\`)
	own, _, _ := strings.Cut(m.computer, ".")
	short, _, _ := strings.Cut(s, ".")
	if s == "" || strings.EqualFold(s, m.computer) || strings.EqualFold(short, own) || strings.EqualFold(s, "localhost") {
		return
	}
	m.e.Host = s
}

func (m *maker) setAddress(s string) {
	s = strings.TrimPrefix(s, "::ffff:")
	if host, port, ok := strings.Cut(s, ":"); ok && strings.Count(s, ":") == 1 {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			m.e.Port = uint16(n)
		}
		s = host
	}
	if strings.HasPrefix(s, "127.") || s == "::1" || s == "LOCAL" || s == "0.0.0.0" || s == "::" {
		return
	}
	m.e.Address = s
}

// registryPath writes a key of the kernel's name space as the registry shows
// it.
func registryPath(s string) string {
	for _, r := range [][2]string{{`\REGISTRY\MACHINE\`, `HKLM\`}, {`\REGISTRY\USER\`, `HKU\`}} {
		if len(s) > len(r[0]) && strings.EqualFold(s[:len(r[0])], r[0]) {
			return r[1] + s[len(r[0]):]
		}
	}
	return s
}

// data writes all values as one JSON object. A name that comes again gets a
// number behind it.
func (m *maker) data() {
	if len(m.names) == 0 {
		return
	}
	clear(m.seen)
	b := append(m.json[:0], '{')
	for i, name := range m.names {
		if i > 0 {
			b = append(b, ',')
		}
		m.seen[name]++
		if n := m.seen[name]; n > 1 {
			name += "#" + strconv.Itoa(n)
		}
		b = append(event.AppendJSON(b, name), ':')
		b = event.AppendJSON(b, m.texts[i])
	}
	m.json = append(b, '}')
	m.slots[fieldOrder["data"]] = event.Raw("data", string(m.json))
}

// longest piece of a message, in runes; the whole value stands in the fields.
const (
	maxPiece = 240
	maxPlain = 600
)

// say fills a message. An optional group is left out where one of its values
// is missing.
func (m *maker) say(parts []part) string {
	b := m.json[:0]
	for i := 0; i < len(parts); i++ {
		p := &parts[i]
		switch {
		case p.group > 0:
			for _, q := range parts[i+1 : i+1+p.group] {
				if q.name != "" && m.word(&q) == "" {
					i += p.group
					break
				}
			}
		case p.name == "":
			b = append(b, p.literal...)
		default:
			w := m.word(p)
			if w == "" {
				w = "-"
			}
			b = appendLine(b, w, maxPiece)
		}
	}
	m.json = b
	return string(b)
}

// word is the value that a placeholder stands for.
func (m *maker) word(p *part) string {
	e := &m.e
	var v string
	switch p.name {
	case "user":
		v = e.User
		if v == "" {
			v = e.UserSID
		}
	case "sid":
		v = e.UserSID
	case "program":
		v = e.Program
	case "path":
		v = e.Path
	case "host":
		v = e.Host
	case "address":
		v = e.Address
	case "port":
		if e.Port > 0 {
			v = strconv.Itoa(int(e.Port))
		}
	case "url":
		v = e.URL
	case "device":
		v = e.Device
	case "registry_key":
		v = e.RegistryKey
	case "registry_value":
		v = e.RegistryValue
	default:
		if v = m.field(p.name); v == "" {
			v = m.get(p.name)
		}
	}
	if p.as != nil {
		if w, ok := p.as[strings.ToLower(v)]; ok {
			return w
		}
	}
	return v
}

// plain is the line of a record that no table knows: its values in order.
func (m *maker) plain() string {
	b := append(m.json[:0], m.provider...)
	b = strconv.AppendUint(append(b, ' '), uint64(m.id), 10)
	sep := ": "
	for i, name := range m.names {
		if m.texts[i] == "" || name == "Binary" || name == "EventData@Name" {
			continue
		}
		if b = append(b, sep...); name[0] > '9' || name[0] < '0' {
			b = append(append(b, name...), '=')
		}
		b = appendLine(b, m.texts[i], maxPiece)
		if sep = ", "; len(b) > maxPlain {
			b = append(b, " …"...)
			break
		}
	}
	m.json = b
	return string(b)
}

// appendLine writes text on one line, cut after n runes.
func appendLine(dst []byte, s string, n int) []byte {
	space := false
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == ' ' || r == '\n' || r == '\r' || r == '\t' {
			space = true
			i += size
			continue
		}
		if n--; n < 0 {
			return append(dst, "…"...)
		}
		if space && len(dst) > 0 {
			dst = append(dst, ' ')
		}
		space = false
		dst = append(dst, s[i:i+size]...)
		i += size
	}
	return dst
}

// done gives the finished event.
func (m *maker) done() *event.Event {
	m.fields = m.fields[:0]
	for i := range m.slots {
		if m.slots[i].Name != "" {
			m.fields = append(m.fields, m.slots[i])
		}
	}
	m.e.Fields = m.fields
	return &m.e
}
