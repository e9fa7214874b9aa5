package report

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/trace"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// maxProblems bounds the problems that the page lists; the count of the rest
// is said, and ks-timeline problems has them all.
const maxProblems = 500

// HTML writes the page.
func (r *Report) HTML(w io.Writer) error {
	data, err := r.tableData()
	if err != nil {
		return err
	}
	t, err := template.New("page").Funcs(template.FuncMap{
		"text": escape.Text, "time": showTime, "grade": gradeMark, "bytes": showBytes, "dump": hexDump, "join": strings.Join, "short": shortID, "few": few,
	}).Parse(pageHTML)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(pageJS))
	v := map[string]any{
		"R": r, "CSS": template.CSS(pageCSS), "JS": template.JS(pageJS), "Data": template.HTML(data),
		"Policy":  "default-src 'none'; img-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'",
		"Touched": headline(r, trace.Touched), "MayHaveLeft": headline(r, trace.MayHaveLeft), "Unknown": headline(r, trace.Unknown),
		"Left": r.answer(trace.MayHaveLeft), "AllUnknown": r.answer(trace.Unknown),
		"Story": r.story(), "Graph": graphSVG(r.Result), "Density": r.densitySVG(), "Ledger": r.ledgerSVG(),
		"Problems": r.Problems[:min(len(r.Problems), maxProblems)], "MoreProblems": max(0, len(r.Problems)-maxProblems),
		"Head": r.head(),
	}
	return t.Execute(w, v)
}

// card is what an answer's card shows.
type card struct {
	Claims []*trace.Claim
	More   int
}

func headline(r *Report, a trace.Answer) card {
	c, more := Headlines(r.Result.Claims, a)
	return card{c, more}
}

func (r *Report) answer(a trace.Answer) []*trace.Claim {
	var out []*trace.Claim
	for _, c := range r.Result.Claims {
		if c.Answer == a {
			out = append(out, c)
		}
	}
	return out
}

// story is every claim that has a time, in its order.
func (r *Report) story() []*trace.Claim {
	var out []*trace.Claim
	for _, c := range r.Result.Claims {
		if c.From.Valid() && c.Answer != trace.Unknown {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b *trace.Claim) int {
		if a.From != b.From {
			if a.From < b.From {
				return -1
			}
			return 1
		}
		return 0
	})
	return out
}

// head is the big line of each answer's card.
func (r *Report) head() [3]string {
	files, starts, docs := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range r.answer(trace.Touched) {
		for _, e := range c.Entities {
			switch {
			case e.Role == "place":
				starts[e.Name] = true
			case e.Kind == "document":
				docs[e.Path] = true
			case e.Role == "object" && e.Path != "" && (e.Kind == "file" || e.Kind == "program" || e.Kind == "archive"):
				files[e.Path] = true
			}
		}
	}
	touched := fmt.Sprintf("%d programs and archives, %d start places, %d documents", len(files), len(starts), len(docs))
	if len(r.Result.Suspects) == 0 {
		touched = "nothing reached the threshold of suspicion"
	}
	left := "no volume is known"
	for _, c := range r.answer(trace.MayHaveLeft) {
		if c.Rule == "sent-bytes" {
			left = c.Sentence
			break
		}
	}
	unknown := fmt.Sprintf("%d of %d witnesses of a transfer kept nothing", r.Result.Missing, len(r.Result.Ledger))
	return [3]string{touched, left, unknown}
}

func showTime(t event.Ticks) string {
	if !t.Valid() {
		return ""
	}
	return t.Time().Format("2006-01-02 15:04:05")
}

func showBytes(n *int64) string {
	if n == nil {
		return "not known"
	}
	return trace.Bytes(*n)
}

// few are the records that paper names; the file has all.
func few(ids []event.ID) []event.ID { return ids[:min(len(ids), 3)] }

func shortID(id event.ID) string { return id.String()[:12] }

func gradeMark(g trace.Grade) template.HTML {
	class := map[trace.Grade]string{trace.Proven: "gP", trace.Supported: "gS", trace.Possible: "gM", trace.CannotKnow: "gU"}[g]
	return template.HTML(`<span class="g ` + class + `">` + g.String() + `</span>`)
}

// hexDump shows bytes as examiners know them; what is not printable ASCII is a
// dot.
func hexDump(b []byte, offset int64) string {
	var out strings.Builder
	for i := 0; i < len(b); i += 16 {
		row := b[i:min(i+16, len(b))]
		h := hex.EncodeToString(row)
		var pairs []string
		for j := 0; j < len(h); j += 2 {
			pairs = append(pairs, h[j:j+2])
		}
		if len(pairs) > 8 {
			pairs = slices.Insert(pairs, 8, "")
		}
		printable := make([]byte, len(row))
		for j, c := range row {
			printable[j] = '.'
			if c >= 0x20 && c < 0x7F {
				printable[j] = c
			}
		}
		fmt.Fprintf(&out, "%08x  %-48s  %s\n", offset+int64(i), strings.Join(pairs, " "), printable)
	}
	return out.String()
}

// tableData packs the table by columns: dictionaries for what repeats, gzip,
// base64. Text is escaped here, so that the script has nothing to escape.
func (r *Report) tableData() (string, error) {
	cols := struct {
		N         int      `json:"n"`
		T         []int64  `json:"t"` // milliseconds since 1970
		Artifacts []string `json:"artifacts"`
		A         []int    `json:"a"`
		Actions   []string `json:"actions"`
		C         []int    `json:"c"`
		M         []string `json:"m"`
		ID        []string `json:"id"`
		H         []int    `json:"h"`
	}{N: len(r.Table.Rows), Artifacts: []string{}, Actions: []string{}}
	arts, acts := map[string]int{}, map[string]int{}
	index := func(m map[string]int, names *[]string, s string) int {
		i, ok := m[s]
		if !ok {
			i = len(*names)
			m[s] = i
			*names = append(*names, s)
		}
		return i
	}
	for _, row := range r.Table.Rows {
		cols.T = append(cols.T, row.Ticks.Micros()/1000)
		cols.A = append(cols.A, index(arts, &cols.Artifacts, row.Artifact))
		cols.C = append(cols.C, index(acts, &cols.Actions, row.Action))
		cols.M = append(cols.M, escape.Text(row.Message))
		cols.ID = append(cols.ID, shortID(row.ID))
		if row.Hot {
			cols.H = append(cols.H, 1)
		} else {
			cols.H = append(cols.H, 0)
		}
	}
	j, err := json.Marshal(cols)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := z.Write(j); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// densitySVG shows how many records each hour has; hours with records that
// carry claims stand out by shape as well as by colour.
func (r *Report) densitySVG() template.HTML {
	if len(r.Hours) == 0 {
		return ""
	}
	first, last := r.Hours[0].Begin, r.Hours[len(r.Hours)-1].Begin
	n := int(last.Sub(first).Hours()) + 1
	const width, height = 1116, 96
	top := 1
	bins := min(n, 372)
	all, hot := make([]int, bins), make([]int, bins)
	for _, h := range r.Hours {
		i := int(h.Begin.Sub(first).Hours()) * bins / n
		all[i] += h.All
		hot[i] += h.Hot
		top = max(top, all[i])
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg id="density" viewBox="0 0 %d %d" data-first="%d" data-hours="%d" role="img" aria-label="Records by hour">`, width, height, first.Micros()/1000, n)
	step := float64(width) / float64(bins)
	for i := range bins {
		if all[i] == 0 {
			continue
		}
		h := 3 + 66*logScale(all[i], top)
		class := "cold"
		if hot[i] > 0 {
			class = "warm"
			fmt.Fprintf(&b, `<path class="warm" d="M%.1f 84l-4 7h8z"/>`, float64(i)*step+step/2)
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, class, float64(i)*step, 80-h, max(step-0.6, 0.8), h)
	}
	fmt.Fprintf(&b, `<line x1="0" y1="80" x2="%d" y2="80"/><rect id="window" x="0" y="2" width="0" height="80"/></svg>`, width)
	fmt.Fprintf(&b, `<p class="axis"><span>%s</span><span>%s</span></p>`, showTime(first), showTime(last))
	return template.HTML(b.String())
}

// logScale keeps a quiet hour visible beside a busy one.
func logScale(n, top int) float64 {
	bits := func(x int) float64 {
		f := 0.0
		for v := float64(x) + 1; v >= 2; v /= 2 {
			f++
		}
		return f
	}
	if bits(top) == 0 {
		return 0
	}
	return bits(n) / bits(top)
}

// ledgerSVG sets each witness against the time of the incident: solid where it
// was recording and was read, hatched where it would have shown something and
// did not, words where this Windows does not have it.
func (r *Report) ledgerSVG() template.HTML {
	from, to := r.Result.From, r.Result.To
	if !from.Valid() || !to.Valid() || to <= from {
		return ""
	}
	pad := to.Sub(from) / 10
	from, to = from.Add(-pad), to.Add(pad)
	const left, width, row = 230, 886, 24
	var b strings.Builder
	lines := r.Result.Ledger
	fmt.Fprintf(&b, `<svg class="ledger" viewBox="0 0 1116 %d" role="img" aria-label="What was recording, and when">`, len(lines)*row+20)
	b.WriteString(`<defs><pattern id="hatch" width="7" height="7" patternTransform="rotate(45)" patternUnits="userSpaceOnUse"><rect width="3" height="7"/></pattern></defs>`)
	x := func(t event.Ticks, open float64) float64 {
		if !t.Valid() {
			return open
		}
		return left + float64(width)*min(1, max(0, float64(t.Sub(from))/float64(to.Sub(from))))
	}
	for i, l := range lines {
		y := i*row + 4
		fmt.Fprintf(&b, `<text x="0" y="%d">%s</text>`, y+12, template.HTMLEscapeString(l.Words))
		drawn := 0
		for _, s := range l.Spans {
			x1, x2 := x(s.From, left), x(s.To, left+width)
			if x2-x1 < 0.5 {
				continue
			}
			class := "gap"
			if s.Verdict == coverage.Covered || s.Verdict == coverage.Partial {
				class = "on"
			}
			fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="15"><title>%s</title></rect>`, class, x1, y, x2-x1,
				template.HTMLEscapeString(escape.Text(fmt.Sprintf("%s, %s: %s", s.History, s.Verdict, s.How))))
			drawn++
		}
		if l.Why != "" && (drawn == 0 || !l.Exists) {
			fmt.Fprintf(&b, `<text class="small" x="%d" y="%d">%s</text>`, left+6, y+12, template.HTMLEscapeString(cut(escape.Text(l.Why), 110)))
		}
	}
	fmt.Fprintf(&b, `<text class="small" x="%d" y="%d">%s</text><text class="small" x="1116" y="%d" text-anchor="end">%s</text></svg>`,
		left, len(lines)*row+14, showTime(from), len(lines)*row+14, showTime(to))
	return template.HTML(b.String())
}
