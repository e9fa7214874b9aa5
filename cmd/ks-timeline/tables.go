package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"iter"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/all"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/store"
)

// cell is one value of a small table.
type cell struct {
	name, value string
	number      bool
}

func str(name, value string) cell { return cell{name, value, false} }

func num[T int | int64 | uint64 | uint16](name string, v T) cell {
	return cell{name, fmt.Sprint(v), true}
}

func moment(name string, t event.Ticks) cell { return cell{name, t.String(), false} }

// table prints rows as JSON lines, CSV, or by a function for people.
type table struct {
	format string
	w      *bufio.Writer
	csv    *csv.Writer
	head   bool
	n      int
}

func newTable(format string, w io.Writer) *table {
	b := bufio.NewWriter(w)
	return &table{format: format, w: b, csv: csv.NewWriter(b)}
}

func (t *table) row(cells []cell, text func(w io.Writer)) {
	t.n++
	switch t.format {
	case "jsonl":
		b := []byte{'{'}
		for _, c := range cells {
			if c.value == "" && !c.number {
				continue
			}
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(event.AppendJSON(b, c.name), ':')
			if c.number {
				b = append(b, c.value...)
			} else {
				b = event.AppendJSON(b, c.value)
			}
		}
		t.w.Write(append(b, '}', '\n'))
	case "csv":
		rec := make([]string, len(cells))
		if !t.head {
			t.head = true
			for i, c := range cells {
				rec[i] = c.name
			}
			t.csv.Write(rec)
		}
		for i, c := range cells {
			rec[i] = escape.CSV(c.value)
		}
		t.csv.Write(rec)
	default:
		text(t.w)
	}
}

func (t *table) end() error {
	t.csv.Flush()
	return t.w.Flush()
}

// placeCells are the columns of a locator.
func placeCells(at locator.Locator, source string) []cell {
	return []cell{num("volume", at.Volume), num("snapshot", at.Snapshot), num("source_entry", at.Entry), num("source_sequence", at.Sequence),
		str("source_stream", at.Stream), str("inner", at.Inner), num("offset", at.Offset), str("source", source)}
}

// tableFlags are the options of the small tables.
func tableFlags(help string, args []string, stdout io.Writer, more func(*cli.Flags)) (dir, format, exhibit, only *string, err error) {
	f := cli.NewFlags(name, help, stdout)
	dir = caseFlag(f)
	format = f.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	exhibit = f.String("exhibit", "", "only of these `exhibits`, with commas between")
	only = f.String("artifact", "", "only of these `artifacts`, with commas between: execution/*")
	if more != nil {
		more(f)
	}
	rest, err := f.Parse(args)
	if err == nil && len(rest) > 0 {
		err = cli.Usage("this command takes no arguments, but options: %s", rest[0])
	}
	return dir, format, exhibit, only, err
}

const sourcesHelp = `
    ks-timeline sources --case ./case --format jsonl

ks-timeline sources --case DIR [OPTIONS]

Lists what was parsed: for each source the records that it declares or shows to
hold, and what came of them. declared = decoded + recovered + failed.
`

func sources(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	state := new(string)
	dir, format, exhibit, only, err := tableFlags(sourcesHelp, args, stdout, func(f *cli.Flags) {
		f.StringVar(state, "state", "", "only in this `state`: read, partly, unreadable, not looked")
	})
	if err != nil {
		return err
	}
	s, err := open(*dir)
	if err != nil {
		return err
	}
	t := newTable(*format, stdout)
	for c, err := range s.Sources(ctx, words(*exhibit)...) {
		if err != nil {
			return err
		}
		if !store.Match(words(*only), c.Artifact) || *state != "" && string(c.State) != *state {
			continue
		}
		cells := []cell{str("exhibit", c.At.Exhibit), str("artifact", c.Artifact)}
		cells = append(cells, placeCells(c.At, c.Source)...)
		cells = append(cells, num("size", c.Size), num("declared", c.Counts.Declared), num("decoded", c.Counts.Decoded),
			num("recovered", c.Counts.Recovered), num("failed", c.Counts.Failed), str("state", string(c.State)), str("sha256", c.SHA256))
		t.row(cells, func(w io.Writer) {
			fmt.Fprintf(w, "%-22s  %-10s  %9s  %8s  %7s  %s\n", c.Artifact, c.State, cli.Count(c.Counts.Decoded), plus(c.Counts.Recovered, "+"), plus(c.Counts.Failed, "−"), escape.Text(c.Source))
		})
	}
	return t.end()
}

func plus(n int64, sign string) string {
	if n == 0 {
		return ""
	}
	return sign + cli.Count(n)
}

const problemsHelp = `
    ks-timeline problems --case ./case

ks-timeline problems --case DIR [OPTIONS]

Lists everything that could not be read, with its place. Exit code 3 of a build
means that there are problems here that cost data.
`

func problems(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	severity := new(string)
	dir, format, exhibit, only, err := tableFlags(problemsHelp, args, stdout, func(f *cli.Flags) {
		severity = f.Choice("severity", "only those", "all", string(problem.Lost), string(problem.Doubt), string(problem.Note))
	})
	if err != nil {
		return err
	}
	s, err := open(*dir)
	if err != nil {
		return err
	}
	t := newTable(*format, stdout)
	for p, err := range s.Problems(ctx, words(*exhibit)...) {
		if err != nil {
			return err
		}
		if *severity != "all" && string(p.Severity) != *severity || !store.Match(words(*only), p.Artifact) {
			continue
		}
		cells := []cell{str("exhibit", p.At.Exhibit), str("artifact", p.Artifact)}
		cells = append(cells, placeCells(p.At, p.Source)...)
		cells = append(cells, num("length", p.Length), str("kind", string(p.Kind)), str("severity", string(p.Severity)), str("expected", p.Expected), str("found", p.Found))
		t.row(cells, func(w io.Writer) {
			what := p.Found
			if p.Expected != "" {
				what = p.Expected + "; found: " + p.Found
			}
			fmt.Fprintf(w, "%-9s  %-14s  %s\n           at %#x of volume %d, entry %d: %s\n", p.Severity, p.Kind, escape.Text(p.Source), p.At.Offset, p.At.Volume, p.At.Entry, escape.Text(what))
		})
	}
	if t.n == 0 && *format == "text" {
		fmt.Fprintln(stderr, "no problems")
	}
	return t.end()
}

const coverageHelp = `
    ks-timeline coverage --case ./case --verdict "NOT COVERED"

ks-timeline coverage --case DIR [OPTIONS]

Lists what each source could have shown: whether it was recording, from when to
when, and what came of reading it. Where a source was not recording, nothing
that it would show can be excluded.
`

func ledger(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	verdict := new(string)
	dir, format, exhibit, only, err := tableFlags(coverageHelp, args, stdout, func(f *cli.Flags) {
		verdict = f.Choice("verdict", "only these", "all", string(coverage.Covered), string(coverage.Partial), string(coverage.NotCovered), string(coverage.Untrusted))
	})
	if err != nil {
		return err
	}
	s, err := open(*dir)
	if err != nil {
		return err
	}
	t := newTable(*format, stdout)
	for c, err := range s.Coverage(ctx, words(*exhibit)...) {
		if err != nil {
			return err
		}
		v := c.Verdict()
		if *verdict != "all" && string(v) != *verdict || !store.Match(words(*only), c.Artifact) {
			continue
		}
		cells := []cell{str("exhibit", c.At.Exhibit), str("machine", c.Machine), str("artifact", c.Artifact)}
		cells = append(cells, placeCells(c.At, c.Source)...)
		cells = append(cells, moment("from", c.From), moment("to", c.To), str("history", string(c.History)), str("state", string(c.State)), str("verdict", string(v)),
			str("untrusted", c.Untrusted), str("how", c.How), num("first", c.First), num("last", c.Last), num("gaps", c.Gaps), str("evidence", c.Evidence))
		t.row(cells, func(w io.Writer) {
			span := ""
			if c.From.Valid() || c.To.Valid() {
				span = fmt.Sprintf("  %s to %s", c.From.Format(event.Second), c.To.Format(event.Second))
			}
			fmt.Fprintf(w, "%-11s  %-22s  %s, %s%s\n", v, c.Artifact, c.History, c.State, span)
			if line := c.Source; line != "" || c.How != "" {
				if line != "" && c.How != "" {
					line += ": "
				}
				fmt.Fprintf(w, "             %s\n", escape.Text(line+c.How+c.Untrusted))
			}
		})
	}
	return t.end()
}

const artifactsHelp = `
    ks-timeline artifacts --artifact execution/prefetch

ks-timeline artifacts [OPTIONS]

Lists what is looked for, where, and for each kind of record what it proves and
what it does not.
`

// described is what all artifacts have in common.
type described struct {
	name, title string
	globs       []string
	card        artifact.Card
	family      artifact.Family
}

func allArtifacts() iter.Seq[described] {
	return func(yield func(described) bool) {
		for _, v := range all.VolumeSpecs() {
			if !yield(described{v.Name, v.Title, nil, v.Card, v.Family}) {
				return
			}
		}
		for _, s := range all.Specs() {
			if !yield(described{s.Name, s.Title, s.Globs, s.Card, s.Family}) {
				return
			}
		}
	}
}

func artifacts(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	_, format, _, only, err := tableFlags(artifactsHelp, args, stdout, nil)
	if err != nil {
		return err
	}
	t := newTable(*format, stdout)
	for a := range allArtifacts() {
		if !store.Match(words(*only), a.name) {
			continue
		}
		c := a.card
		cells := []cell{str("artifact", a.name), str("title", a.title), {"globs", event.List("", a.globs).Text(), true}, str("family", string(a.family)),
			str("proves", c.Proves), str("not_proven", c.NotProven), str("clock", c.Clock), str("retention", c.Retention), str("switches", c.Switches), str("knowledge", c.Source)}
		t.row(cells, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s\n", a.name, a.title)
			for _, g := range a.globs {
				fmt.Fprintf(w, "  %-11s %s\n", "at", g)
			}
			for _, l := range [][2]string{{"proves", c.Proves}, {"not proven", c.NotProven}, {"clock", c.Clock}, {"kept", c.Retention}, {"switches", c.Switches}, {"from", c.Source}} {
				fmt.Fprintf(w, "  %-11s %s\n", l[0], l[1])
			}
		})
	}
	if t.n == 0 {
		return fmt.Errorf("no artifact %s; ks-timeline artifacts lists them", *only)
	}
	return t.end()
}
