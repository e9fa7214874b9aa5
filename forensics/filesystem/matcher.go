package filesystem

import "strings"

// Matcher tells whether a path fits one of a few patterns, by the case table
// of the volume. It is for paths that no directory leads to, too; Glob is
// faster where a few live files are wanted.
type Matcher struct {
	g globber
}

// Matcher compiles patterns as Glob takes them. One without * and ? fits what
// lies below it as well.
func (n *NTFS) Matcher(patterns []string) *Matcher {
	up, _ := n.vol.Upcase()
	return newMatcher(up, patterns, true)
}

// newMatcher takes the case table; below says that a plain pattern fits what lies
// below it.
func newMatcher(up []uint16, patterns []string, below bool) *Matcher {
	m := &Matcher{globber{up: up}}
	for _, p := range patterns {
		c := m.g.compile(strings.ReplaceAll(p, `\`, "/"))
		m.g.pats = append(m.g.pats, c)
		if below && !strings.ContainsAny(p, "*?") {
			m.g.pats = append(m.g.pats, pattern{parts: append(c.parts[:len(c.parts):len(c.parts)], nil), stream: c.stream})
		}
	}
	return m
}

// All tells whether everything fits.
func (m *Matcher) All() bool { return len(m.g.pats) == 0 }

// Match tells whether a path and a stream of it fit. A pattern without a stream
// fits all of them. No patterns fit everything.
func (m *Matcher) Match(path, stream string) bool {
	if len(m.g.pats) == 0 {
		return true
	}
	var states []state
	for i := range m.g.pats {
		states = m.g.enter(states, state{i, 0})
	}
	folded := m.g.fold(unitsOf(stream))
	names := strings.Split(path, "/")
	for k, name := range names {
		units := m.g.fold(unitsOf(name))
		var next []state
		for _, s := range states {
			p := m.g.pats[s.pattern]
			if s.part >= len(p.parts) {
				continue
			}
			last := s.part == len(p.parts)-1
			fits := p.parts[s.part] == nil || matchUnits(p.parts[s.part], units)
			if fits && last && k == len(names)-1 && (p.stream == nil || matchUnits(p.stream, folded)) {
				return true
			}
			switch {
			case p.parts[s.part] == nil:
				next = m.g.enter(next, s)
			case fits:
				next = m.g.enter(next, state{s.pattern, s.part + 1})
			}
		}
		states = next
	}
	return false
}
