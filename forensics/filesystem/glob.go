package filesystem

import (
	"context"
	"iter"
	"slices"
	"strings"

	"kanshiki/parsers/ntfs"
)

// pattern is a glob, folded by the volume's case table.
type pattern struct {
	parts  [][]uint16 // nil stands for **
	stream []uint16
}

// Glob finds live names. It goes down from the root, only where a pattern can
// still match, and looks into each directory once.
func (n *NTFS) Glob(ctx context.Context, patterns []string) iter.Seq2[Match, error] {
	return func(yield func(Match, error) bool) {
		g := globber{n: n, b: builder{n: n}, seen: map[uint64]bool{}, yield: yield}
		g.up, _ = n.vol.Upcase()
		for _, p := range patterns {
			g.pats = append(g.pats, g.compile(p))
		}
		root, ok := n.cat.File(ntfs.RootRecord)
		if !ok {
			return
		}
		var start []state
		for i := range g.pats {
			start = g.enter(start, state{i, 0})
		}
		// An own stack: forged directories may be deeper than ours.
		stack := []globDir{{root, start}}
		for len(stack) > 0 {
			if err := ctx.Err(); err != nil {
				yield(Match{}, err)
				return
			}
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if g.seen[top.dir.Ref().Record()] {
				continue
			}
			g.seen[top.dir.Ref().Record()] = true
			kids, ok := g.look(top)
			if !ok {
				return
			}
			for i := len(kids) - 1; i >= 0; i-- {
				stack = append(stack, kids[i])
			}
		}
	}
}

type globDir struct {
	dir    ntfs.File
	states []state
}

// state says how much of a pattern has matched.
type state struct{ pattern, part int }

type globber struct {
	n     *NTFS
	b     builder
	up    []uint16
	pats  []pattern
	seen  map[uint64]bool
	yield func(Match, error) bool

	entry *Entry // of the last hit: the names of one file in one directory follow each other
	last  ntfs.File
	links []ntfs.Link
	next  int // most often the index of the next hit
}

func (g *globber) compile(s string) pattern {
	var p pattern
	s = strings.Trim(s, "/")
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, '/') {
		s, p.stream = s[:i], g.fold(unitsOf(s[i+1:]))
	}
	for _, part := range strings.Split(s, "/") {
		if part == "**" {
			p.parts = append(p.parts, nil)
			continue
		}
		p.parts = append(p.parts, g.fold(unitsOf(part)))
	}
	return p
}

func (g *globber) fold(b []byte) []uint16 {
	out := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		out = append(out, g.up[uint16(b[i])|uint16(b[i+1])<<8])
	}
	return out
}

// enter adds a state, and those that ** leads to without a directory.
func (g *globber) enter(states []state, s state) []state {
	for _, have := range states {
		if have == s {
			return states
		}
	}
	states = append(states, s)
	if parts := g.pats[s.pattern].parts; s.part < len(parts) && parts[s.part] == nil {
		states = g.enter(states, state{s.pattern, s.part + 1})
	}
	return states
}

// look matches the names in a directory and returns the directories in which
// the search goes on.
func (g *globber) look(d globDir) (down []globDir, ok bool) {
	var name []uint16
	for l, f := range d.dir.Children() {
		if !f.InUse() {
			continue
		}
		name = name[:0]
		raw := l.Name()
		for i := 0; i+1 < len(raw); i += 2 {
			name = append(name, g.up[uint16(raw[i])|uint16(raw[i+1])<<8])
		}
		var next []state
		hits := map[int]bool(nil)
		for _, s := range d.states {
			parts := g.pats[s.pattern].parts
			if s.part >= len(parts) {
				continue
			}
			switch part := parts[s.part]; {
			case part == nil:
				next = g.enter(next, s)
				if s.part == len(parts)-1 { // ** at the end: everything below
					hits = mark(hits, s.pattern)
				}
			case matchUnits(part, name):
				if s.part == len(parts)-1 {
					hits = mark(hits, s.pattern)
				} else {
					next = g.enter(next, state{s.pattern, s.part + 1})
				}
			}
		}
		if len(hits) > 0 && !g.hit(l, f, hits) {
			return nil, false
		}
		if f.IsDir() && len(next) > 0 {
			down = append(down, globDir{f, next})
		}
	}
	return down, true
}

func mark(m map[int]bool, i int) map[int]bool {
	if m == nil {
		m = map[int]bool{}
	}
	m[i] = true
	return m
}

func (g *globber) hit(l ntfs.Link, f ntfs.File, hits map[int]bool) bool {
	if g.entry == nil || g.last != f {
		g.entry, g.last, g.links, g.next = g.b.entry(f), f, slices.AppendSeq(g.links[:0], f.Links()), 0
	}
	e, name := g.entry, g.next
	if name >= len(g.links) || g.links[name] != l {
		name = slices.Index(g.links, l)
	}
	g.next = name + 1
	for i := range g.pats {
		if !hits[i] {
			continue
		}
		for _, s := range e.Streams {
			if g.pats[i].stream == nil && s.Name != "" || g.pats[i].stream != nil &&
				(s.Name == "" || !matchUnits(g.pats[i].stream, g.fold(unitsOf(s.Name)))) {
				continue
			}
			if !g.yield(Match{Pattern: i, Entry: e, Name: name, Stream: s.Name}, nil) {
				return false
			}
		}
	}
	return true
}

// matchUnits matches * (any run) and ? (any one unit). It goes back to the
// last * only, so it takes no longer than the product of the lengths.
func matchUnits(p, s []uint16) bool {
	star, from := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
