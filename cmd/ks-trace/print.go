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

func (p *printer) print(r *report.Report, page string) {
	fmt.Fprintln(p.w)
	if m := r.Result.Missing; len(r.Result.Ledger) > 0 {
		name := cmp.Or(r.Machine.Product, "this machine")
		fmt.Fprintf(p.w, "%s: %d of %d witnesses of a transfer do not exist or kept nothing here\n\n", name, m, len(r.Result.Ledger))
	}
	empty := [3]string{"nothing reached the threshold of suspicion; what was looked at is in the report", "no record ties a transfer to a suspect", ""}
	for i, label := range []string{"TOUCHED", "MAY HAVE LEFT", "CANNOT KNOW"} {
		shown, more := report.Headlines(r.Result.Claims, trace.Answer(i))
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
	if n := r.Sources.Partly + r.Sources.Unreadable; n > 0 {
		fmt.Fprintf(p.w, "\n%d sources could not be read whole: ks-timeline problems --case %s\n", n, r.Case)
	} else if slices.ContainsFunc(r.Problems, lost) {
		fmt.Fprintf(p.w, "\nsome evidence could not be read: ks-timeline problems --case %s\n", r.Case)
	}
	fmt.Fprintf(p.w, "\nreport    %s   every sentence leads to its records\n", page)
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
