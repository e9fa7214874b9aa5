// Package reading opens evidence for commands and says in a few lines what came
// of reading it.
package reading

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/timeline"
)

// Open opens each piece of evidence; what was opened is returned with an error
// too, for closing. Paths become absolute: the case finds its evidence again
// from anywhere.
func Open(ctx context.Context, paths []string, o evidence.Options) ([]*evidence.Evidence, error) {
	var ev []*evidence.Evidence
	for _, p := range paths {
		if abs, err := filepath.Abs(p); err == nil {
			p = abs
		}
		e, err := evidence.Open(ctx, p, o)
		if err != nil {
			return ev, err
		}
		ev = append(ev, e)
	}
	return ev, nil
}

// Explain adds to the error of evidence of an unknown form where forms are
// listed.
func Explain(command string, err error) error {
	if no, ok := errors.AsType[*evidence.NotAnImage](err); ok && no.Unknown() {
		return fmt.Errorf("%w; formats: %s --formats", err, command)
	}
	return err
}

// Formats lists what is opened as an image, and what is only known by name.
func Formats(w io.Writer) error {
	read, named := evidence.Formats()
	_, err := fmt.Fprintf(w, "read\n  %s\nknown by name, not read\n  %s\n", strings.Join(read, "\n  "), strings.Join(named, "\n  "))
	return err
}

// Line prints one line of the summary: a word on the left, the rest escaped.
func Line(w io.Writer, left, format string, args ...any) {
	fmt.Fprintf(w, "%-9s %s\n", left, escape.Text(fmt.Sprintf(format, args...)))
}

// Summary prints what came of one exhibit.
func Summary(w io.Writer, e *evidence.Evidence, r *timeline.Result) {
	if e.Image != nil {
		Line(w, "reading", "%s  %s, %s, exhibit %s", e.Name, e.Image.Info().Format, cli.Size(e.Image.Size()), r.Exhibit)
	} else {
		Line(w, "reading", "%s  %s files, exhibit %s", e.Name, cli.Count(int64(r.Files)), r.Exhibit)
	}
	for _, v := range r.Volumes {
		switch {
		case v.Err != nil:
			Line(w, fmt.Sprintf("volume %d", v.Number), "%s %s: %v", v.Kind, cli.Size(v.Len), v.Err)
		case v.Entries > 0:
			Line(w, fmt.Sprintf("volume %d", v.Number), "%s %s, %s entries (%s live, %s deleted, %s orphan)", v.Kind, cli.Size(v.Len),
				cli.Count(int64(v.Entries)), cli.Count(int64(v.Live)), cli.Count(int64(v.Deleted)), cli.Count(int64(v.Orphans)))
		}
	}
	m := &r.Machine
	if m.Name != "" || m.Product != "" {
		zone := "zone not known, UTC is assumed"
		if m.Zone.Known() {
			zone = m.Zone.Name
		}
		Line(w, "machine", "%s  %s %s, %s", m.Name, m.Product, m.Version, zone)
	}
	total, parts := 0, []string{}
	for _, s := range []coverage.State{coverage.Read, coverage.Partly, coverage.Unreadable, coverage.NotLooked} {
		if n := r.States[s]; n > 0 {
			total += n
			parts = append(parts, fmt.Sprintf("%s %s", cli.Count(int64(n)), s))
		}
	}
	if total == 0 {
		parts = []string{"none"}
	}
	Line(w, "sources", "%s found, %s", cli.Count(int64(total)), strings.Join(parts, ", "))
	if e.Image == nil && total == 0 {
		Line(w, "", "no known kind of source; what is read: ks-timeline artifacts")
	}
	Line(w, "timeline", "%s events, %s facts, %s files, %s problems", cli.Count(r.Totals.Events), cli.Count(r.Totals.Facts), cli.Count(r.Totals.Files), cli.Count(r.Totals.Problems))
}
