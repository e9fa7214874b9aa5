// Command ks-trace gives the three answers: what was touched, what may have
// left, what cannot be known.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kanshiki/cmd/internal/cli"
	"kanshiki/cmd/internal/reading"
	"kanshiki/forensics/custody"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/program"
	"kanshiki/forensics/program/known"
	"kanshiki/forensics/store"
	"kanshiki/forensics/timeline"
	"kanshiki/forensics/trace"
)

const name = "ks-trace"

const help = `
    ks-trace --case ./case fixtures/quarantined-pc/quarantined-pc.E01

ks-trace --case DIR [OPTIONS] [EVIDENCE…]

Reads the evidence (disk images as they are, folders, loose files, logs of
proxies) into the case, unless the case has it already, finds what deserves
suspicion, follows it backward and forward, and answers: what was touched, what
may have left, what cannot be known. Every sentence has a grade: PROVEN,
SUPPORTED, POSSIBLE, CANNOT KNOW. The case folder then holds
reports/trace.html (one file, opens without network) and reports/trace.json.

A second piece of evidence changes the answer:

    ks-trace --case ./case fixtures/quarantined-pc/quarantined-pc.E01 fixtures/quarantined-pc/proxy.log

What the examiner knows is a record of the case and shown as such:

    ks-trace --case ./case --suspect msupd.exe --innocent 'C:\Tools\psexec.exe=our own'
`

func main() {
	program.Serve()
	cli.Main(name, run)
}

// options are those of one call.
type options struct {
	dir, exhibit, machine string
	force, quiet          bool
	progress, format      string
	zone                  *time.Location
	marks                 []trace.Mark
	known                 []string
	lists                 []*known.List
}

// marks collects --suspect and --innocent: WHAT or WHAT=REASON.
type marks struct {
	to       *[]trace.Mark
	innocent bool
}

func (m *marks) String() string { return "" }

func (m *marks) Set(s string) error {
	what, why, _ := strings.Cut(s, "=")
	if what == "" {
		return fmt.Errorf("it is WHAT or WHAT=REASON: a path, a file name or a SHA-256")
	}
	*m.to = append(*m.to, trace.Mark{Innocent: m.innocent, What: what, Reason: why})
	return nil
}

type words struct{ to *[]string }

func (w *words) String() string { return "" }

func (w *words) Set(s string) error { *w.to = append(*w.to, s); return nil }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	f := cli.NewFlags(name, help, stdout)
	f.StringVar(&o.dir, "case", "", "the `folder` that shall hold the results; it is made where there is none")
	f.StringVar(&o.exhibit, "exhibit", "", "the exhibit's `name`, where one piece of evidence is given: a-z, 0-9, -")
	f.StringVar(&o.machine, "machine", "", "the `machine` to answer for, where the case has several")
	f.Var(&marks{&o.marks, false}, "suspect", "`what[=reason]`: a path, name or SHA-256 that the examiner suspects; may be given again")
	f.Var(&marks{&o.marks, true}, "innocent", "`what[=reason]`: a path, name or SHA-256 that the examiner clears; may be given again")
	f.Var(&words{&o.known}, "known", "`file` of digests of known programs: plain, CSV or NSRL's SQLite; may be given again")
	f.BoolVar(&o.force, "force", false, "read evidence again that the case has already")
	zone := f.Zone()
	format := f.Choice("format", "what to print: the answers for people, or every claim as one line of JSON", "text", "jsonl")
	progress := f.Choice("progress", "what to show of long work", cli.ProgressModes...)
	f.BoolVar(&o.quiet, "quiet", false, "print nothing but errors")
	paths, err := f.Parse(args)
	if err != nil {
		return err
	}
	o.progress, o.zone, o.format = *progress, *zone, *format
	switch {
	case o.dir == "":
		return cli.Usage("--case is missing: name the folder that shall hold the results, for example --case ./case")
	case o.exhibit != "" && len(paths) != 1:
		return cli.Usage("--exhibit names one piece of evidence, and %d are given", len(paths))
	}
	if len(paths) == 0 {
		if _, err := custody.Read(o.dir); err != nil && !errors.Is(err, custody.ErrNoCase) {
			return err
		} else if err != nil {
			return cli.Usage("name the evidence, for example ks-trace --case %s disk.E01", o.dir)
		}
	}
	for _, path := range o.known { // before hours of reading
		l, err := known.Open(path)
		if err != nil {
			return err
		}
		defer l.Close()
		o.lists = append(o.lists, l)
	}
	begun := time.Now()
	gaps, err := build(ctx, &o, paths, stdout, stderr, begun)
	if err != nil {
		return err
	}
	return answer(ctx, &o, gaps, stdout, stderr, begun)
}

// build reads the evidence that the case does not have yet. It returns the
// number of sources that could not be read whole.
func build(ctx context.Context, o *options, paths []string, stdout, stderr io.Writer, begun time.Time) (int, error) {
	ev, err := reading.Open(ctx, paths, evidence.Options{Exhibit: o.exhibit})
	for _, e := range ev {
		defer e.Close()
	}
	if err != nil {
		return 0, err
	}
	c, err := custody.Open(o.dir)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := store.Recover(o.dir); err != nil { // of a run that was killed
		return 0, err
	}
	have := []string{}
	if !o.force {
		if have, err = store.Exhibits(o.dir); err != nil {
			return 0, err
		}
	}
	var fresh []*evidence.Evidence
	for _, e := range ev {
		for _, n := range e.Notes {
			fmt.Fprintf(stderr, "%s: %s\n", name, n)
		}
		if slices.Contains(have, e.Exhibit) {
			if !o.quiet && o.format == "text" {
				reading.Line(stdout, "in case", "%s  exhibit %s (read again with --force)", e.Name, e.Exhibit)
			}
			continue
		}
		fresh = append(fresh, e)
	}
	version, _ := cli.BuildVersion()
	show := cli.NewProgress(name, o.progress, stderr)
	results, err := timeline.Build(ctx, c, fresh, timeline.Options{Progress: show, Now: begun, Tool: name + " " + version})
	show.Done()
	if !o.quiet && o.format == "text" {
		for i := range results {
			reading.Summary(stdout, fresh[i], &results[i])
		}
	}
	return 0, err
}

// write puts a file beside its name and renames it, so that a killed run leaves
// no half report. What such a run left beside it has the same name, and the
// case is locked: it is written over.
func write(path string, fill func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
