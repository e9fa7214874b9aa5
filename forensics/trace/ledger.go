package trace

import (
	"strconv"
	"strings"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
)

// Line is a row of the ledger: one witness, and what it could have shown when.
type Line struct {
	ID      string
	Words   string
	JA      string
	Volume  bool // would say how many bytes
	Exists  bool // in this Windows, or given
	Why     string
	Spans   []Span
	Verdict coverage.Verdict // over the whole window
}

// Span is a part of a line.
type Span struct {
	From, To event.Ticks
	History  coverage.History
	State    coverage.State
	Verdict  coverage.Verdict
	How      string
	Source   string
}

// ledger sets every witness of a transfer against time. What no source covers
// is NOT COVERED; an untrusted one counts as such.
func (a *analysis) ledger() []Line {
	from, to := a.span()
	var lines []Line
	for _, t := range transferWitnesses {
		l := Line{ID: t.ID, Words: t.Words, JA: t.JA, Volume: t.Volume, Exists: true, Verdict: coverage.NotCovered}
		if t.Since != "" && older(a.w.Machine.Version, t.Since) {
			l.Exists, l.Why = false, "not in "+a.windows()
		}
		for _, f := range a.w.Coverage {
			if !speaksFor(f.Artifact, t.Artifacts) || f.State == coverage.Absent && !l.Exists {
				continue
			}
			s := Span{f.From, f.To, f.History, f.State, f.Verdict(), f.How, f.Source}
			l.Spans = append(l.Spans, s)
			if s.Verdict == coverage.Covered || s.Verdict == coverage.Partial {
				if over(s, from, to) {
					l.Verdict = better(l.Verdict, s.Verdict)
				} else {
					l.Verdict = better(l.Verdict, coverage.Partial)
				}
			} else if s.Verdict == coverage.Untrusted && l.Verdict == coverage.NotCovered {
				l.Verdict = coverage.Untrusted
			}
		}
		if l.Exists && l.Verdict == coverage.NotCovered && l.Why == "" {
			switch {
			case t.Outside:
				l.Why = "not given"
			case t.OffByDef:
				l.Why = "keeps nothing unless it is switched on, and no record of it was found"
			default:
				l.Why = "no record of it was found"
			}
			for _, s := range l.Spans {
				if s.How != "" {
					l.Why = s.How
				}
			}
		}
		lines = append(lines, l)
	}
	return lines
}

func speaksFor(name string, artifacts []string) bool {
	for _, a := range artifacts {
		if name == a || strings.HasSuffix(a, "/") && strings.HasPrefix(name, a) {
			return true
		}
	}
	return false
}

// over tells whether a span holds the whole window; an open end holds it.
func over(s Span, from, to event.Ticks) bool {
	return (s.From == 0 || s.From <= from) && (s.To == 0 || s.To >= to)
}

func better(a, b coverage.Verdict) coverage.Verdict {
	rank := map[coverage.Verdict]int{coverage.NotCovered: 0, coverage.Untrusted: 1, coverage.Partial: 2, coverage.Covered: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// older tells whether Windows version a is before b; an unknown version is
// not older than anything.
func older(a, b string) bool {
	if a == "" {
		return false
	}
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		p, e1 := strconv.Atoi(x[i])
		q, e2 := strconv.Atoi(y[i])
		if e1 != nil || e2 != nil {
			return false
		}
		if p != q {
			return p < q
		}
	}
	return false
}

// windows is the system's name for sentences.
func (a *analysis) windows() string {
	m := a.w.Machine
	p := strings.TrimPrefix(m.Product, "Microsoft ")
	for _, edition := range []string{" Professional", " Enterprise", " Ultimate", " Home Premium", " Pro", " Home", " Starter"} {
		p = strings.TrimSuffix(p, edition)
	}
	if p == "" {
		return "this Windows"
	}
	return p
}

// span is the time that is asked about: the incident, or, where nothing was
// suspected, all that the records speak of.
func (a *analysis) span() (from, to event.Ticks) {
	if from, to = a.window(); from.Valid() && to.Valid() {
		return from, to
	}
	for _, e := range a.w.Records {
		if e.Fact || !e.Ticks.Valid() || e.Ticks < a.w.From {
			continue
		}
		if from == 0 || e.Ticks < from {
			from = e.Ticks
		}
		to = max(to, e.Ticks)
	}
	return from, to
}
