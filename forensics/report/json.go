package report

import (
	"encoding/json"
	"io"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/trace"
)

type jsonReport struct {
	Schema      string         `json:"schema"`
	Machines    []jsonMachine  `json:"machines"`
	Touched     []jsonClaim    `json:"touched"`
	MayHaveLeft []jsonClaim    `json:"may_have_left"`
	CannotKnow  []jsonClaim    `json:"cannot_know"`
	Suspects    []jsonSuspect  `json:"suspects"`
	Considered  []jsonSuspect  `json:"considered"`
	Context     []jsonClaim    `json:"context"`
	Edges       []jsonEdge     `json:"edges"`
	Ledger      []jsonLine     `json:"ledger"`
	Coverage    []jsonCoverage `json:"coverage"`
	Problems    []jsonProblem  `json:"problems"`
	Examiner    []jsonMark     `json:"examiner"`
}

type jsonMachine struct {
	Name     string        `json:"name"`
	Product  string        `json:"product"`
	Version  string        `json:"version"`
	Zone     string        `json:"zone"`
	Exhibits []jsonExhibit `json:"exhibits"`
}

type jsonExhibit struct {
	ID     string `json:"exhibit"`
	Name   string `json:"name"`
	Format string `json:"format"`
	Size   int64  `json:"size"`
}

type jsonClaim struct {
	ID       string       `json:"id"`
	Grade    string       `json:"grade"`
	Sentence string       `json:"sentence"`
	Rule     string       `json:"rule"`
	Act      string       `json:"act"`
	Part     string       `json:"part"`
	From     *string      `json:"from"`
	To       *string      `json:"to"`
	Entities []jsonEntity `json:"entities"`
	Events   []string     `json:"events"`
	NotShown string       `json:"not_proven,omitempty"`
	Lowered  []string     `json:"lowered,omitempty"`
	Because  string       `json:"because,omitempty"`
	Channel  string       `json:"channel,omitempty"`
	*jsonBytes
}

// jsonBytes stands in claims about transfers only; null is not known.
type jsonBytes struct {
	Min *int64 `json:"bytes_min"`
	Max *int64 `json:"bytes_max"`
}

type jsonEntity struct {
	Role     string  `json:"role"`
	Kind     string  `json:"kind"`
	Name     string  `json:"name"`
	Exhibit  string  `json:"exhibit,omitempty"`
	Volume   int     `json:"volume,omitempty"`
	Path     string  `json:"path,omitempty"`
	Entry    *uint64 `json:"entry,omitempty"`
	Sequence *uint16 `json:"sequence,omitempty"`
	SHA256   string  `json:"sha256,omitempty"`
	Key      string  `json:"registry_key,omitempty"`
	Value    string  `json:"registry_value,omitempty"`
}

type jsonSuspect struct {
	Path    string       `json:"path"`
	SHA256  string       `json:"sha256,omitempty"`
	Suspect bool         `json:"suspect"`
	Cleared string       `json:"cleared,omitempty"`
	Reasons []jsonReason `json:"reasons"`
}

type jsonReason struct {
	ID       string   `json:"id"`
	Strength string   `json:"strength"`
	Words    string   `json:"words"`
	Detail   string   `json:"detail,omitempty"`
	NotShown string   `json:"not_proven"`
	Events   []string `json:"events"`
}

type jsonEdge struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Kind   string `json:"kind"`
	Grade  string `json:"grade"`
	Joined string `json:"joined,omitempty"`
	Claim  string `json:"claim"`
}

type jsonLine struct {
	ID      string     `json:"id"`
	Words   string     `json:"witness"`
	Exists  bool       `json:"exists"`
	Verdict string     `json:"verdict"`
	Why     string     `json:"why,omitempty"`
	Spans   []jsonSpan `json:"spans"`
}

type jsonSpan struct {
	From    *string `json:"from"`
	To      *string `json:"to"`
	History string  `json:"history"`
	State   string  `json:"state"`
	Verdict string  `json:"verdict"`
	How     string  `json:"how,omitempty"`
	Source  string  `json:"source,omitempty"`
}

type jsonCoverage struct {
	Exhibit  string `json:"exhibit"`
	Artifact string `json:"artifact"`
	Volume   int    `json:"volume"`
	jsonSpan
	First uint64 `json:"first,omitempty"`
	Last  uint64 `json:"last,omitempty"`
	Gaps  uint64 `json:"gaps,omitempty"`
}

type jsonProblem struct {
	Exhibit  string `json:"exhibit"`
	Volume   int    `json:"volume"`
	Source   string `json:"source"`
	Artifact string `json:"artifact,omitempty"`
	Offset   int64  `json:"offset"`
	Length   int64  `json:"length,omitempty"`
	Kind     string `json:"kind"`
	Severity string `json:"severity"`
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found"`
}

type jsonMark struct {
	Innocent bool   `json:"innocent"`
	What     string `json:"what"`
	Reason   string `json:"reason"`
}

// JSON writes trace.json. Names are kept as the evidence has them, except for
// what is no text at all, which is escaped as ks-walk does.
func (r *Report) JSON(w io.Writer) error {
	j := jsonReport{Schema: trace.Schema, Machines: []jsonMachine{}, Touched: []jsonClaim{}, MayHaveLeft: []jsonClaim{}, CannotKnow: []jsonClaim{},
		Suspects: suspectsJSON(r.Result.Suspects), Considered: suspectsJSON(r.Result.Considered), Context: []jsonClaim{},
		Edges: []jsonEdge{}, Ledger: []jsonLine{}, Coverage: []jsonCoverage{}, Problems: []jsonProblem{}, Examiner: []jsonMark{}}
	m := jsonMachine{Name: r.Machine.Name, Product: r.Machine.Product, Version: r.Machine.Version, Zone: r.Machine.Zone.Name, Exhibits: []jsonExhibit{}}
	for _, e := range r.Exhibits {
		m.Exhibits = append(m.Exhibits, jsonExhibit{e.ID, e.Name, e.Format, e.Size})
	}
	j.Machines = append(j.Machines, m)
	for _, c := range r.Result.Claims {
		k := claimJSON(c)
		switch c.Answer {
		case trace.Touched:
			j.Touched = append(j.Touched, k)
		case trace.MayHaveLeft:
			j.MayHaveLeft = append(j.MayHaveLeft, k)
		case trace.Unknown:
			j.CannotKnow = append(j.CannotKnow, k)
		default:
			j.Context = append(j.Context, k)
		}
	}
	for _, e := range r.Result.Edges {
		j.Edges = append(j.Edges, jsonEdge{e.From, e.To, e.Kind, e.Grade.String(), e.Joined, e.Claim})
	}
	for _, l := range r.Result.Ledger {
		k := jsonLine{l.ID, l.Words, l.Exists, string(l.Verdict), l.Why, []jsonSpan{}}
		for _, s := range l.Spans {
			k.Spans = append(k.Spans, jsonSpan{when(s.From), when(s.To), string(s.History), string(s.State), string(s.Verdict), s.How, s.Source})
		}
		j.Ledger = append(j.Ledger, k)
	}
	for _, f := range r.Coverage {
		j.Coverage = append(j.Coverage, coverageJSON(f))
	}
	for _, p := range r.Problems {
		j.Problems = append(j.Problems, jsonProblem{p.At.Exhibit, p.At.Volume, p.Source, p.Artifact, p.At.Offset, p.Length, string(p.Kind), string(p.Severity), p.Expected, p.Found})
	}
	for _, m := range r.Marks {
		j.Examiner = append(j.Examiner, jsonMark{m.Innocent, m.What, m.Reason})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(j)
}

// Line is a claim as one line of JSON, the row that trace.json holds, with the
// answer that it belongs to.
func Line(c *trace.Claim) ([]byte, error) {
	return json.Marshal(struct {
		Answer string `json:"answer"`
		jsonClaim
	}{[...]string{"touched", "may_have_left", "cannot_know", "context"}[c.Answer], claimJSON(c)})
}

func claimJSON(c *trace.Claim) jsonClaim {
	k := jsonClaim{ID: c.ID, Grade: c.Grade.String(), Sentence: c.Sentence, Rule: c.Rule, Act: c.Act, Part: string(c.Part), From: when(c.From), To: when(c.To),
		Entities: []jsonEntity{}, Events: []string{}, NotShown: c.NotShown(), Lowered: c.Lowered, Because: c.Because, Channel: c.Channel}
	if c.Channel != "" && c.Act == "sent" {
		k.jsonBytes = &jsonBytes{c.BytesMin, c.BytesMax}
	}
	for _, e := range c.Entities {
		x := jsonEntity{Role: e.Role, Kind: e.Kind, Name: escape.Text(e.Name), Exhibit: e.Exhibit, Volume: e.Volume, Path: escape.Text(e.Path), SHA256: e.SHA256, Key: escape.Text(e.Key), Value: escape.Text(e.Value)}
		if e.Entry != 0 {
			x.Entry, x.Sequence = &e.Entry, &e.Sequence
		}
		k.Entities = append(k.Entities, x)
	}
	for _, id := range c.Events {
		k.Events = append(k.Events, id.String())
	}
	return k
}

func suspectsJSON(all []*trace.Suspect) []jsonSuspect {
	out := []jsonSuspect{}
	for _, s := range all {
		k := jsonSuspect{Path: escape.Text(s.Path), SHA256: s.SHA256, Suspect: s.Is, Cleared: s.Cleared, Reasons: []jsonReason{}}
		for _, g := range s.Reasons {
			x := jsonReason{g.ID, g.Strength.String(), g.Words, escape.Text(g.Detail), g.Reason.NotShown, []string{}}
			for _, id := range g.Events {
				x.Events = append(x.Events, id.String())
			}
			k.Reasons = append(k.Reasons, x)
		}
		out = append(out, k)
	}
	return out
}

func coverageJSON(f coverage.Fact) jsonCoverage {
	return jsonCoverage{f.At.Exhibit, f.Artifact, f.At.Volume,
		jsonSpan{when(f.From), when(f.To), string(f.History), string(f.State), string(f.Verdict()), f.How, escape.Text(f.Source)}, f.First, f.Last, f.Gaps}
}

func when(t event.Ticks) *string {
	if !t.Valid() {
		return nil
	}
	s := t.String()
	return &s
}
