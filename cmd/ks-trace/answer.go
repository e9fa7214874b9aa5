package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/all"
	"kanshiki/forensics/custody"
	"kanshiki/forensics/program"
	"kanshiki/forensics/report"
	"kanshiki/forensics/store"
	"kanshiki/forensics/timeline"
	"kanshiki/forensics/trace"
)

// answer traces, writes the reports and prints the answers.
func answer(ctx context.Context, o *options, _ int, stdout, stderr io.Writer, begun time.Time) error {
	c, err := custody.Open(o.dir)
	if err != nil {
		return err
	}
	defer c.Close()
	st, err := store.Open(o.dir)
	if err != nil {
		return err
	}
	m, exhibits, err := machine(st, &c.Info, o.machine)
	if err != nil {
		return err
	}
	pool := program.NewPool(2, program.Limits{})
	defer pool.Close()
	again := trace.Reopen(c.Info, pool, o.lists)
	defer again.Close()

	show := cli.NewProgress(name, o.progress, stderr)
	show.Start("tracing", 0)
	w, err := trace.Load(ctx, st, m, exhibits, all.Families())
	if err != nil {
		return err
	}
	w.Content = trace.NewDisk(again.Volume, again.Describe, trace.Archive)
	o.marks = withEarlier(o.dir, o.marks)
	w.Examiner = o.marks
	result, err := trace.Trace(ctx, w)
	if err != nil {
		return err
	}
	version, _ := cli.BuildVersion()
	r := &report.Report{Case: o.dir, Tool: name + " " + version, Exhibits: exhibits, Machine: m, Result: result, Marks: o.marks}
	if err := r.Assemble(ctx, st, again.Bytes); err != nil {
		return err
	}
	before := earlier(o.dir)
	page := filepath.Join(o.dir, "reports", "trace.html")
	if err := write(filepath.Join(o.dir, "reports", "trace.json"), buffered(r.JSON)); err != nil {
		return fmt.Errorf("write trace.json: %w", err)
	}
	if err := write(page, buffered(r.HTML)); err != nil {
		return fmt.Errorf("write trace.html: %w", err)
	}
	show.Done()
	if err := c.Record(begun, r.Tool, "trace", details(o, exhibits, result)...); err != nil {
		return err
	}
	if err := c.Save(); err != nil {
		return err
	}
	switch {
	case o.quiet:
	case o.format == "jsonl":
		for _, c := range result.Claims {
			b, err := report.Line(c)
			if err != nil {
				return err
			}
			if _, err := stdout.Write(append(b, '\n')); err != nil {
				return err
			}
		}
	default:
		p := &printer{w: stdout, zone: o.zone, before: before}
		p.print(r, page)
	}
	if r.Sources.Partly+r.Sources.Unreadable > 0 || slices.ContainsFunc(r.Problems, lost) {
		return cli.Exit(cli.Gaps, nil)
	}
	return nil
}

// withEarlier adds what the examiner said in earlier runs: it stands in the
// custody log, and counts until the case is thrown away. What is said again
// replaces it.
func withEarlier(dir string, marks []trace.Mark) []trace.Mark {
	entries, _, err := custody.Verify(dir)
	if err != nil {
		return marks
	}
	said := map[string]bool{}
	for _, m := range marks {
		said[m.What] = true
	}
	for _, e := range slices.Backward(entries) {
		for _, d := range e.Details {
			if d.Name != "suspect" && d.Name != "innocent" {
				continue
			}
			what, why, _ := strings.Cut(d.Value, "=")
			if !said[what] {
				said[what] = true
				marks = append(marks, trace.Mark{Innocent: d.Name == "innocent", What: what, Reason: why})
			}
		}
	}
	slices.SortFunc(marks, func(a, b trace.Mark) int { return strings.Compare(a.What, b.What) })
	return marks
}

func buffered(fill func(io.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<16)
		if err := fill(b); err != nil {
			return err
		}
		return b.Flush()
	}
}

// machine chooses whose story is told: the one that --machine names, or the
// only one that a disk or a set of files is from. Logs of the network speak of
// every machine.
func machine(st *store.Store, info *custody.Info, want string) (*artifact.Machine, []trace.Exhibit, error) {
	byName := map[string][]trace.Exhibit{}
	machines := map[string]*artifact.Machine{}
	var network []trace.Exhibit
	for _, id := range st.Exhibits() {
		x, _ := info.Exhibit(id)
		e := trace.Exhibit{ID: id, Machine: x.Machine, Format: x.Format, Size: x.Size}
		if len(x.Evidence) > 0 {
			e.Name = filepath.Base(x.Evidence[0])
		}
		m, err := timeline.Machine(st, id)
		if err != nil {
			return nil, nil, err
		}
		outside, err := onlyNetwork(st, id)
		if err != nil {
			return nil, nil, err
		}
		if e.Network = outside; outside {
			network = append(network, e)
			continue
		}
		byName[m.Name] = append(byName[m.Name], e)
		if have := machines[m.Name]; have == nil || have.Product == "" && m.Product != "" {
			machines[m.Name] = &m
		}
	}
	var names []string
	for n := range byName {
		names = append(names, n)
	}
	slices.Sort(names)
	switch {
	case want != "" && machines[want] == nil:
		return nil, nil, cli.Usage("the case has no machine %s; it has %s", want, strings.Join(names, ", "))
	case want == "" && len(names) > 1:
		return nil, nil, cli.Usage("the case has %d machines (%s): say with --machine which one to answer for", len(names), strings.Join(names, ", "))
	case want == "" && len(names) == 1:
		want = names[0]
	case len(names) == 0 && len(network) == 0:
		return nil, nil, errors.New("the case has no evidence yet")
	}
	m := machines[want]
	if m == nil {
		m = &artifact.Machine{}
	}
	return m, append(byName[want], network...), nil
}

// onlyNetwork tells whether an exhibit holds nothing but logs of network
// devices.
func onlyNetwork(st *store.Store, id string) (bool, error) {
	n := 0
	for s, err := range st.Sources(context.Background(), id) {
		if err != nil {
			return false, err
		}
		if !strings.HasPrefix(s.Artifact, "network/proxy") {
			return false, nil
		}
		n++
	}
	return n > 0, nil
}

func details(o *options, exhibits []trace.Exhibit, r *trace.Result) []custody.Detail {
	var ids []string
	for _, x := range exhibits {
		ids = append(ids, x.ID)
	}
	d := []custody.Detail{{Name: "exhibits", Value: strings.Join(ids, " ")},
		{Name: "claims", Value: fmt.Sprint(len(r.Claims))}, {Name: "suspects", Value: fmt.Sprint(len(r.Suspects))}}
	for _, m := range o.marks {
		what := "suspect"
		if m.Innocent {
			what = "innocent"
		}
		d = append(d, custody.Detail{Name: what, Value: strings.TrimSuffix(m.What+"="+m.Reason, "=")})
	}
	return d
}
