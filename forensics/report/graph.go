package report

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/trace"
)

// The graph is laid out here and drawn as plain SVG: it prints, and it needs
// no script. Columns follow the longest way from a source.
const (
	boxWidth  = 168
	boxHeight = 46
	colStep   = 240
	rowStep   = 66
	maxNodes  = 60
)

func graphSVG(r *trace.Result) template.HTML {
	nodes := slices.Clone(r.Nodes)
	connected := map[string]bool{}
	for _, e := range r.Edges {
		connected[e.From], connected[e.To] = true, true
	}
	nodes = slices.DeleteFunc(nodes, func(n *trace.Node) bool { return !connected[n.ID] && n.Kind != "suspect" })
	left := 0
	if len(nodes) > maxNodes {
		slices.SortStableFunc(nodes, func(a, b *trace.Node) int { return cmp.Compare(rank(a), rank(b)) })
		left = len(nodes) - maxNodes
		nodes = nodes[:maxNodes]
	}
	if len(nodes) == 0 {
		return ""
	}
	col := columns(nodes, r.Edges)
	byCol := map[int][]*trace.Node{}
	width := 0
	for _, n := range nodes {
		byCol[col[n.ID]] = append(byCol[col[n.ID]], n)
		width = max(width, col[n.ID]+1)
	}
	place := map[string][2]int{}
	height := 0
	for c := range width {
		slices.SortStableFunc(byCol[c], func(a, b *trace.Node) int {
			return cmp.Or(cmp.Compare(timeOrLast(a.At), timeOrLast(b.At)), strings.Compare(a.ID, b.ID))
		})
		for i, n := range byCol[c] {
			place[n.ID] = [2]int{10 + c*colStep, 14 + i*rowStep}
			height = max(height, 14+i*rowStep+boxHeight+14)
		}
	}
	var b strings.Builder
	w := 20 + (width-1)*colStep + boxWidth
	fmt.Fprintf(&b, `<svg class="graph" viewBox="0 0 %d %d" style="max-width:%dpx" role="img" aria-label="What led to what">`, w, height, w)
	b.WriteString(`<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>`)
	for _, e := range r.Edges {
		from, ok1 := place[e.From]
		to, ok2 := place[e.To]
		if ok1 && ok2 {
			drawEdge(&b, from, to, e)
		}
	}
	for _, n := range nodes {
		drawNode(&b, place[n.ID], n)
	}
	b.WriteString(`</svg>`)
	if left > 0 {
		fmt.Fprintf(&b, `<p class="note">%d further entities are not drawn; the story lists them.</p>`, left)
	}
	return template.HTML(b.String())
}

func rank(n *trace.Node) int {
	switch n.Kind {
	case "suspect":
		return 0
	case "mail", "host", "archive", "start", "log":
		return 1
	}
	return 2
}

// columns gives each node the length of the longest way to it; a circle stops
// after as many rounds as there are nodes.
func columns(nodes []*trace.Node, edges []*trace.Edge) map[string]int {
	col := map[string]int{}
	for range nodes {
		changed := false
		for _, e := range edges {
			if col[e.To] <= col[e.From] && e.From != e.To && col[e.From] < 6 {
				col[e.To] = col[e.From] + 1
				changed = true
			}
		}
		if !changed {
			break
		}
	}
	return col
}

func timeOrLast(t event.Ticks) event.Ticks {
	if t.Valid() {
		return t
	}
	return ^event.Ticks(0)
}

func drawEdge(b *strings.Builder, from, to [2]int, e *trace.Edge) {
	x1, y1 := from[0]+boxWidth, from[1]+boxHeight/2
	x2, y2 := to[0], to[1]+boxHeight/2
	style := map[trace.Grade]string{trace.Proven: `stroke-width="2.4"`, trace.Supported: `stroke-width="1.6"`, trace.Possible: `stroke-width="1.6" stroke-dasharray="5 4"`}[e.Grade]
	label := e.Kind
	if e.Grade == trace.Possible {
		label += "?"
	}
	mid := (x1 + x2) / 2
	if x2 <= x1 { // back or down within a column
		x1, y1 = from[0]+boxWidth/2, from[1]+boxHeight
		x2, y2 = to[0]+boxWidth/2, to[1]
		if to[1] < from[1] {
			y1, y2 = from[1], to[1]+boxHeight
		}
		fmt.Fprintf(b, `<path class="edge" %s d="M%d %dL%d %d"/>`, style, x1, y1, x2, y2)
		fmt.Fprintf(b, `<text class="small" x="%d" y="%d">%s</text>`, (x1+x2)/2+5, (y1+y2)/2+3, template.HTMLEscapeString(label))
		return
	}
	fmt.Fprintf(b, `<path class="edge" %s d="M%d %dC%d %d %d %d %d %d"/>`, style, x1, y1, mid, y1, mid, y2, x2, y2)
	fmt.Fprintf(b, `<text class="small label" x="%d" y="%d" text-anchor="middle">%s</text>`, x2-36, y2-6, template.HTMLEscapeString(label))
}

func drawNode(b *strings.Builder, at [2]int, n *trace.Node) {
	class := "box"
	if n.Kind == "suspect" {
		class += " hot"
	}
	dash := ""
	if n.Kind == "host" || n.Deleted {
		dash = ` stroke-dasharray="5 4"`
	}
	label := n.Label
	if n.Deleted {
		label += " (deleted)"
	}
	note := n.Note
	if note == "" && n.At.Valid() {
		note = shortTime(n.At)
	}
	fmt.Fprintf(b, `<g><title>%s</title><rect class="%s"%s x="%d" y="%d" width="%d" height="%d" rx="3"/>`,
		template.HTMLEscapeString(escape.Text(n.Label+" "+n.Note)), class, dash, at[0], at[1], boxWidth, boxHeight)
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text><text class="small" x="%d" y="%d">%s</text></g>`,
		at[0]+9, at[1]+20, template.HTMLEscapeString(cut(escape.Text(label), 25)), at[0]+9, at[1]+37, template.HTMLEscapeString(cut(escape.Text(note), 30)))
}

// cut shortens by runes, wide ones counting twice, never inside an escape.
func cut(s string, n int) string {
	width := 0
	rs := []rune(s)
	for i, r := range rs {
		width++
		if r >= 0x1100 {
			width++
		}
		if width > n {
			keep := rs[:max(i-1, 0)]
			for j := len(keep) - 1; j >= 0 && j > len(keep)-10; j-- { // do not stop inside ⟨U+202E⟩
				if keep[j] == '⟩' {
					break
				}
				if keep[j] == '⟨' {
					keep = keep[:j]
					break
				}
			}
			return string(keep) + "…"
		}
	}
	return s
}

func shortTime(t event.Ticks) string { return t.Time().Format("2 Jan 15:04:05") }
