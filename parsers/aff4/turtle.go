package aff4

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// object is the value of a property: a resource, or a literal with its type.
type object struct {
	value string
	kind  string // IRI of a literal's type, "" for a plain one
	iri   bool
}

// graph is what a Turtle document says: subject, property, values in order.
type graph map[string]map[string][]object

// number reads an integer of a property; def stands for one that is not there.
func (g graph) number(subject, property string, def int64) (int64, error) {
	v := g.get(subject, property)
	if v == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: %s of %q", subject, property, v)
	}
	return n, nil
}

const (
	rdfType = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
	schema  = "http://aff4.org/Schema#"
)

// get is the first value of a property of AFF4's own, "" where there is none.
func (g graph) get(subject, property string) string {
	if o := g[subject][schema+property]; len(o) > 0 {
		return o[0].value
	}
	return ""
}

// is tells whether a subject has a type of AFF4's own.
func (g graph) is(subject, kind string) bool {
	for _, o := range g[subject][rdfType] {
		if o.value == schema+kind {
			return true
		}
	}
	return false
}

// turtle reads as much of RDF 1.1 Turtle as writers of AFF4 use: prefixes,
// resources, literals, and the separators ";", "," and ".". Blank nodes and
// collections are not in it.
type turtle struct {
	s        string
	at       int
	triples  int
	prefixes map[string]string
}

func parseTurtle(s string) (graph, error) {
	t := &turtle{s: s, prefixes: map[string]string{}}
	g := graph{}
	for {
		t.space()
		if t.at >= len(t.s) {
			return g, nil
		}
		if err := t.statement(g); err != nil {
			return g, fmt.Errorf("information.turtle: offset %d: %w", t.at, err)
		}
	}
}

func (t *turtle) space() {
	for t.at < len(t.s) {
		switch c := t.s[t.at]; {
		case c == '#':
			if i := strings.IndexByte(t.s[t.at:], '\n'); i >= 0 {
				t.at += i
			} else {
				t.at = len(t.s)
			}
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			t.at++
		default:
			return
		}
	}
}

// take eats a word if it comes next.
func (t *turtle) take(word string) bool {
	t.space()
	if strings.HasPrefix(t.s[t.at:], word) {
		t.at += len(word)
		return true
	}
	return false
}

func (t *turtle) statement(g graph) error {
	if t.take("@prefix") || t.take("PREFIX") {
		t.space()
		i := strings.IndexByte(t.s[t.at:], ':')
		if i < 0 {
			return fmt.Errorf("a prefix without a colon")
		}
		name := strings.TrimSpace(t.s[t.at : t.at+i])
		t.at += i + 1
		o, err := t.object()
		t.prefixes[name] = o.value
		t.take(".")
		return err
	}
	subject, err := t.object()
	if err != nil {
		return err
	}
	if g[subject.value] == nil {
		g[subject.value] = map[string][]object{}
	}
	for {
		if t.take(".") {
			return nil
		}
		property, err := t.property()
		if err != nil {
			return err
		}
		for {
			o, err := t.object()
			if err != nil {
				return err
			}
			if t.triples++; t.triples > MaxTriples {
				return fmt.Errorf("more than %d statements", MaxTriples)
			}
			g[subject.value][property] = append(g[subject.value][property], o)
			if !t.take(",") {
				break
			}
		}
		if !t.take(";") {
			if t.take(".") {
				return nil
			}
			return fmt.Errorf("a statement without an end")
		}
	}
}

func (t *turtle) property() (string, error) {
	t.space()
	if rest := t.s[t.at:]; strings.HasPrefix(rest, "a ") || strings.HasPrefix(rest, "a\t") || strings.HasPrefix(rest, "a\n") {
		t.at++
		return rdfType, nil
	}
	o, err := t.object()
	return o.value, err
}

// object reads a resource or a literal.
func (t *turtle) object() (object, error) {
	t.space()
	if t.at >= len(t.s) {
		return object{}, fmt.Errorf("it ends too early")
	}
	switch t.s[t.at] {
	case '<':
		i := strings.IndexByte(t.s[t.at:], '>')
		if i < 0 {
			return object{}, fmt.Errorf("a resource without an end")
		}
		v := t.s[t.at+1 : t.at+i]
		t.at += i + 1
		return object{value: v, iri: true}, nil
	case '"', '\'':
		return t.literal()
	}
	start := t.at
	for t.at < len(t.s) && !strings.ContainsRune(" \t\r\n;,<>\"", rune(t.s[t.at])) {
		t.at++
	}
	word := t.s[start:t.at]
	if n := len(word) - 1; n > 0 && word[n] == '.' { // the end of the statement
		word, t.at = word[:n], t.at-1
	}
	if prefix, local, ok := strings.Cut(word, ":"); ok {
		base, known := t.prefixes[prefix]
		if !known {
			return object{}, fmt.Errorf("the prefix %q is not known", prefix)
		}
		return object{value: base + local, iri: true}, nil
	}
	if word == "" {
		return object{}, fmt.Errorf("%q where a value is expected", t.s[start:min(start+1, len(t.s))])
	}
	return object{value: word}, nil // a number or a truth value
}

func (t *turtle) literal() (object, error) {
	quote := t.s[t.at : t.at+1]
	if strings.HasPrefix(t.s[t.at:], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	t.at += len(quote)
	var b strings.Builder
	for !strings.HasPrefix(t.s[t.at:], quote) {
		if t.at >= len(t.s) {
			return object{}, fmt.Errorf("a literal without an end")
		}
		if t.s[t.at] == '\\' && t.at+1 < len(t.s) {
			t.escape(&b)
			continue
		}
		b.WriteByte(t.s[t.at])
		t.at++
	}
	t.at += len(quote)
	o := object{value: b.String()}
	switch {
	case strings.HasPrefix(t.s[t.at:], "^^"):
		t.at += 2
		if t.space(); t.at < len(t.s) && (t.s[t.at] == '"' || t.s[t.at] == '\'') {
			return o, fmt.Errorf("a literal where its type is expected")
		}
		kind, err := t.object()
		o.kind = kind.value
		return o, err
	case strings.HasPrefix(t.s[t.at:], "@"):
		for t.at < len(t.s) && !strings.ContainsRune(" \t\r\n;,.", rune(t.s[t.at])) {
			t.at++
		}
	}
	return o, nil
}

// escape reads what follows a backslash (Turtle, 2.5.1 and 6.4).
func (t *turtle) escape(b *strings.Builder) {
	c := t.s[t.at+1]
	t.at += 2
	if n := map[byte]int{'u': 4, 'U': 8}[c]; n > 0 && n <= len(t.s)-t.at {
		if r, err := strconv.ParseUint(t.s[t.at:t.at+n], 16, 32); err == nil {
			if r > utf8.MaxRune {
				r = utf8.RuneError
			}
			b.WriteRune(rune(r))
			t.at += n
			return
		}
	}
	if i := strings.IndexByte("tnrbf", c); i >= 0 {
		c = "\t\n\r\b\f"[i]
	}
	b.WriteByte(c)
}
