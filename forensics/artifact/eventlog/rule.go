package eventlog

import (
	"strings"
	"sync"

	"kanshiki/forensics/event"
)

// rule says what the records of one provider and event identifier mean.
//
// message is a readable line: {Name} is a value of the record or an entity
// that set named, {Name|map} one translated; what stands in [ ] is left out
// where a value in it is missing.
//
// set names entities and fields, parted by ";": "user=TargetDomainName+
// TargetUserName" joins domain and name, "address=IpAddress|ClientAddress"
// takes the first that is there. Values without a name are 1, 2, …
type rule struct {
	provider string
	id       uint16
	action   event.Action
	message  string
	set      string
	special  func(*maker) // what a table cannot say, after set
}

// compiled is a rule ready for use.
type compiled struct {
	rule
	parts []part
	binds []bind
}

// part is a piece of a message.
type part struct {
	literal string
	name    string
	as      map[string]string
	group   int // pieces that follow and belong to an optional group
}

type bind struct {
	to   string
	from []source
}

type source struct{ domain, name string }

type ruleKey struct {
	provider string
	id       uint16
}

// rules is the table of all meanings, compiled once when the first log is
// read.
var rules = sync.OnceValue(func() map[ruleKey]*compiled {
	m := map[ruleKey]*compiled{}
	for _, table := range [][]rule{security, system, channels, sysmon, classic} {
		for _, r := range table {
			m[ruleKey{r.provider, r.id}] = compile(r)
		}
	}
	return m
})

func compile(r rule) *compiled {
	c := &compiled{rule: r, parts: template(r.message)}
	for _, item := range strings.Split(r.set, ";") {
		to, from, ok := strings.Cut(strings.TrimSpace(item), "=")
		if !ok {
			continue
		}
		b := bind{to: to}
		for _, alt := range strings.Split(from, "|") {
			var s source
			if domain, name, both := strings.Cut(alt, "+"); both {
				s = source{domain, name}
			} else {
				s = source{name: alt}
			}
			b.from = append(b.from, s)
		}
		c.binds = append(c.binds, b)
	}
	return c
}

// template splits a message into its pieces.
func template(s string) []part {
	var parts []part
	group := -1
	for s != "" {
		i := strings.IndexAny(s, "{[]")
		if i < 0 {
			i = len(s)
		}
		if i > 0 {
			parts = append(parts, part{literal: s[:i]})
			s = s[i:]
			continue
		}
		switch s[0] {
		case '[':
			group = len(parts)
			parts = append(parts, part{})
		case ']':
			if group >= 0 {
				parts[group].group = len(parts) - group - 1
			}
			group = -1
		case '{':
			name, rest, _ := strings.Cut(s[1:], "}")
			name, as, _ := strings.Cut(name, "|")
			parts = append(parts, part{name: name, as: translations[as]})
			s = rest
			continue
		}
		s = s[1:]
	}
	return parts
}

// translations give codes their words.
var translations = map[string]map[string]string{
	"logon": {
		"0": "system", "2": "interactive", "3": "network", "4": "batch", "5": "service", "7": "unlock", "8": "network, clear text",
		"9": "new credentials", "10": "remote desktop", "11": "cached, interactive", "12": "cached, remote", "13": "cached, unlock",
	},
	"status": {
		"0x0": "success", "0xc000005e": "no logon server", "0xc0000064": "no such account", "0xc000006a": "wrong password",
		"0xc000006d": "wrong name or password", "0xc000006e": "account restriction", "0xc000006f": "outside of the hours",
		"0xc0000070": "not from this workstation", "0xc0000071": "password expired", "0xc0000072": "account disabled",
		"0xc000015b": "logon type not granted", "0xc0000193": "account expired", "0xc0000224": "password must be changed",
		"0xc0000234": "account locked", "0x6": "no such account", "0x12": "account disabled, locked or expired", "0x17": "password expired",
		"0x18": "wrong password", "0x25": "clocks differ too much",
	},
	"direction": {"%%14592": "inbound", "%%14593": "outbound", "1": "inbound", "2": "outbound"},
	"protocol":  {"1": "ICMP", "6": "TCP", "17": "UDP", "58": "ICMPv6"},
	"token":     {"%%1936": "full token", "%%1937": "elevated", "%%1938": "limited token"},
	"clear":     {"": "this log"},
}
