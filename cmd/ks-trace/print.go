package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/report"
	"kanshiki/forensics/trace"
)

// printer writes the three answers for a terminal or a pipe, about ten lines.
type printer struct {
	w      io.Writer
	zone   *time.Location
	before map[string]string
}

// weight says which claims stand on the terminal; the page has them all.
var weight = map[string]int{
	"ran": 1, "starts": 2, "set-start": 3, "wrote": 4, "packed": 5, "packed-by": 6, "detected": 7, "delivered": 8,
	"sent-bytes": 1, "left": 2, "too-few": 2, "conflict": 1, "credentials": 3, "device": 4,
	"no-volume": 1, "volume-not-kept": 1, "outside-proxy": 1, "cleared-span": 2, "overwritten": 3, "unread": 9,
}

const perAnswer = 6

func (p *printer) print(r *report.Report, page string) {
	fmt.Fprintln(p.w)
	if m := r.Result.Missing; len(r.Result.Ledger) > 0 {
		name := cmp.Or(r.Machine.Product, "this machine")
		fmt.Fprintf(p.w, "%s: %d of %d witnesses of a transfer do not exist or kept nothing here\n\n", name, m, len(r.Result.Ledger))
	}
	empty := [3]string{"nothing reached the threshold of suspicion; what was looked at is in the report", "no record ties a transfer to a suspect", ""}
	for i, label := range []string{"TOUCHED", "MAY HAVE LEFT", "CANNOT KNOW"} {
		shown, more := choose(r.Result.Claims, trace.Answer(i))
		if len(shown) == 0 && empty[i] != "" {
			fmt.Fprintf(p.w, "%-16s %s\n", label, empty[i])
		}
		for j, c := range shown {
			if j > 0 {
				label = ""
			}
			p.claim(label, c)
		}
		if more > 0 {
			fmt.Fprintf(p.w, "%-16s and %d more in the report\n", "", more)
		}
	}
	lostSources := r.Sources.Partly + r.Sources.Unreadable
	if lostSources > 0 || slices.ContainsFunc(r.Problems, lost) {
		fmt.Fprintf(p.w, "\n%d sources could not be read whole: ks-timeline problems --case %s\n", lostSources, r.Case)
	}
	fmt.Fprintf(p.w, "\nreport    %s   every sentence leads to its records\n", page)
}

// choose takes the weightiest claims of an answer, in the order of time, and
// one of each kind of thing that is said again and again.
func choose(claims []*trace.Claim, a trace.Answer) (shown []*trace.Claim, more int) {
	seen := map[string]bool{}
	for _, c := range claims {
		if c.Answer != a {
			continue
		}
		object := ""
		for _, e := range c.Entities {
			if e.Role == "object" && e.Kind != "document" {
				object = e.Path + e.Name
			}
		}
		if c.Rule == "ran" && seen["ran "+object] || c.Rule == "packed" && false {
			more++
			continue
		}
		seen[c.Rule+" "+object] = true
		shown = append(shown, c)
	}
	slices.SortStableFunc(shown, func(x, y *trace.Claim) int { return cmp.Compare(rank(x), rank(y)) })
	if len(shown) > perAnswer {
		more += len(shown) - perAnswer
		shown = shown[:perAnswer]
	}
	slices.SortStableFunc(shown, func(x, y *trace.Claim) int { return cmp.Compare(late(x.From), late(y.From)) })
	return shown, more
}

func rank(c *trace.Claim) int {
	if w := weight[c.Rule]; w > 0 {
		return w
	}
	return 20
}

func late(t event.Ticks) event.Ticks {
	if t.Valid() {
		return t
	}
	return ^event.Ticks(0)
}

func (p *printer) claim(label string, c *trace.Claim) {
	text := c.Sentence
	if c.Answer == trace.Unknown && c.From.Valid() && c.To.Valid() && c.Rule == "cleared-span" {
		text = fmt.Sprintf("%s to %s: %s", c.From.Format(event.Second), c.To.Format(event.Second), text)
	} else if c.From.Valid() && c.Answer != trace.Unknown {
		text += "   " + c.From.Format(event.Second)
		if p.zone != nil {
			text += " (" + c.From.Time().In(p.zone).Format("2006-01-02 15:04:05 MST") + ")"
		}
	}
	fmt.Fprintf(p.w, "%-16s %-11s %s\n", label, c.Grade, text)
	if was := p.before[c.Act]; was != "" && c.Rule == "sent-bytes" && was != c.Grade.String() {
		fmt.Fprintf(p.w, "%-16s %-11s was %s before this evidence\n", "", "", was)
	}
}

// earlier reads what an earlier report of this case said of what may have
// left: the act and the best grade.
func earlier(dir string) map[string]string {
	raw, err := os.ReadFile(filepath.Join(dir, "reports", "trace.json"))
	if err != nil {
		return nil
	}
	var old struct {
		Left []struct{ Act, Grade, Part string } `json:"may_have_left"`
	}
	if json.Unmarshal(raw, &old) != nil {
		return nil
	}
	out := map[string]string{}
	order := []string{"", "CANNOT KNOW", "POSSIBLE", "SUPPORTED", "PROVEN"}
	for _, c := range old.Left {
		if slices.Index(order, c.Grade) > slices.Index(order, out[c.Act]) {
			out[c.Act] = c.Grade
		}
	}
	return out
}

func lost(p problem.Problem) bool { return p.Severity == problem.Lost }
