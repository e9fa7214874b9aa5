// Package trace makes the three answers: what was touched, what may have left,
// what cannot be known.
//
// Every answer is a list of claims; each claim has a grade by a table (rules.go,
// words.go), and the records that carry it. Act, actor and content are claims
// of their own. What is not in the records is not said.
package trace

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
)

// Schema is the version of trace.json. New keys do not raise it.
const Schema = "kanshiki-trace-1"

// Result is the whole answer.
type Result struct {
	Claims     []*Claim // touched, may have left, cannot know, context; each in the order of time
	Suspects   []*Suspect
	Considered []*Suspect // had reasons that did not reach
	Nodes      []*Node
	Edges      []*Edge
	Channels   []Channel
	Ledger     []Line
	From, To   event.Ticks // the incident, or all that the records speak of
	Missing    int         // witnesses of a transfer that do not exist or kept nothing here
}

// Trace answers from a world. The same world gives the same answer, whatever
// the order of its parts.
func Trace(ctx context.Context, w *World) (*Result, error) {
	w.Prepare()
	a := &analysis{ctx: ctx, w: w, r: w.collect(), isSuspect: map[string]*Suspect{}, nodes: map[string]*Node{},
		linked: map[*File][]link{}, followed: map[string]bool{}, placed: map[string]*Given{}}
	if err := a.suspects(); err != nil {
		return nil, err
	}
	if err := a.story(); err != nil {
		return nil, err
	}
	if err := a.left(); err != nil {
		return nil, err
	}
	lines := a.ledger()
	a.unknown(lines)
	for _, c := range a.claims {
		a.integrity(c)
	}
	r := &Result{Claims: distinct(a.claims), Suspects: a.suspect, Considered: a.considered, Ledger: lines, Edges: a.edges}
	r.Channels = channels(r.Claims)
	r.From, r.To = a.span()
	for _, k := range sortedKeys(a.nodes) {
		r.Nodes = append(r.Nodes, a.nodes[k])
	}
	for _, l := range lines {
		if l.Verdict == coverage.NotCovered || l.Verdict == coverage.Untrusted {
			r.Missing++
		}
	}
	return r, nil
}

// integrity lowers a claim by one grade where all of its records are from
// accounts with a roaming profile, or from spans in which their source is not to
// be trusted (tampered, or its clock was changed), and says why. Records out of
// slack were lowered where they were found.
func (a *analysis) integrity(c *Claim) {
	if c.Grade <= Possible || len(c.Events) == 0 {
		return
	}
	byID := a.recordsByID()
	roaming, why := true, ""
	for i, id := range c.Events {
		e := byID[id]
		if e == nil {
			return
		}
		if a.w.family(e) != artifact.FamilyShell || !a.w.Machine.Users[e.UserSID].Roaming {
			roaming = false
		}
		doubt := a.untrusted(e)
		if doubt == "" || i > 0 && why == "" {
			why = ""
			if !roaming {
				return
			}
			continue
		}
		why = doubt
	}
	if roaming {
		why = "the account's profile roams: the record may be from another machine"
	}
	c.Grade = c.Grade.Lower()
	c.Lowered = append(c.Lowered, why)
}

// untrusted is why a record's source is not to be trusted at its time, or "".
func (a *analysis) untrusted(e *event.Event) string {
	for _, f := range a.w.Coverage {
		if f.Untrusted != "" && f.At.Exhibit == e.At.Exhibit && f.Source == e.Source && f.From.Valid() && f.To.Valid() && e.Ticks >= f.From && e.Ticks <= f.To {
			return f.Untrusted
		}
	}
	return ""
}

func (a *analysis) recordsByID() map[event.ID]*event.Event {
	if a.byID == nil {
		a.byID = make(map[event.ID]*event.Event, len(a.w.Records))
		for _, e := range a.w.Records {
			a.byID[e.ID] = e
		}
	}
	return a.byID
}

// distinct orders the claims and leaves one of each id: the one with the
// highest grade carries the records of all.
func distinct(claims []*Claim) []*Claim {
	byID := map[string]*Claim{}
	var out []*Claim
	for _, c := range claims {
		have := byID[c.ID]
		if have == nil {
			byID[c.ID] = c
			out = append(out, c)
			continue
		}
		have.Grade = max(have.Grade, c.Grade)
		for _, id := range c.Events {
			have.Events = appendID(have.Events, id)
		}
	}
	slices.SortStableFunc(out, func(x, y *Claim) int {
		return cmp.Or(cmp.Compare(x.Answer, y.Answer), cmp.Compare(order(x), order(y)), cmp.Compare(y.Grade, x.Grade), strings.Compare(x.ID, y.ID))
	})
	return out
}

// order puts claims without a time last.
func order(c *Claim) event.Ticks {
	if c.From.Valid() {
		return c.From
	}
	return ^event.Ticks(0)
}
