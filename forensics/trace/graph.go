package trace

import "kanshiki/forensics/event"

// Node is an entity in the graph of what led to what.
type Node struct {
	ID      string
	Kind    string // "mail", "archive", "file", "suspect", "start", "host", "log", "documents"
	Label   string
	Note    string
	At      event.Ticks
	Deleted bool
}

// Edge leads from one entity to another; it exists only with records.
type Edge struct {
	From, To string
	Kind     string // "delivered", "unpacked", "wrote" …
	Grade    Grade
	Joined   string // how it was joined: same entry, same digest, same path, same minutes
	Claim    string
}

func (a *analysis) node(n Node) string {
	if have := a.nodes[n.ID]; have == nil {
		a.nodes[n.ID] = &n
	} else if have.Note == "" {
		have.Note = n.Note
	}
	return n.ID
}

func (a *analysis) edge(from, to, kind string, g Grade, joined, claim string) {
	for _, e := range a.edges {
		if e.From == from && e.To == to && e.Kind == kind {
			e.Grade = max(e.Grade, g)
			return
		}
	}
	a.edges = append(a.edges, &Edge{from, to, kind, g, joined, claim})
}
