package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"kanshiki/cmd/internal/cli"
	"kanshiki/cmd/internal/reading"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/custody"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/timeline"
)

const buildHelp = `
    ks-timeline build --case ./case fixtures/quarantined-pc/quarantined-pc.E01

ks-timeline build --case DIR [OPTIONS] EVIDENCE…

Reads each piece of evidence (a disk image of any supported form, a folder of
files as a triage tool leaves it, a single hive or log) into the case's store.
Evidence that is read again replaces its own rows and no other's. Nothing is
written but to the case.
`

func build(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	f := cli.NewFlags(name, buildHelp, stdout)
	dir := f.String("case", "", "the `folder` that shall hold the results; it is made where there is none")
	exhibit := f.String("exhibit", "", "the exhibit's `name` (one piece of evidence): a-z, 0-9, -")
	machine := f.String("machine", "", "the `machine` that the evidence belongs to, where it does not say")
	examiner := f.String("examiner", "", "`name` for the custody log")
	memory := f.Int64("memory", 256, "`MiB` to hold at most, beside 0.3 KiB for each entry of a volume; what does not fit goes to the case folder")
	workers := f.Int("workers", 0, "`number` of sources read side by side; 0: one per core")
	progress := f.Choice("progress", "what to show of long work", cli.ProgressModes...)
	quiet := f.Bool("quiet", false, "print nothing but errors")
	verbose := f.Bool("verbose", false, "name every source that was not read whole")
	paths, err := f.Parse(args)
	if err != nil {
		return err
	}
	switch {
	case *dir == "":
		return cli.Usage("--case is missing: name the folder that shall hold the results, for example --case ./case")
	case len(paths) == 0:
		return cli.Usage("name the evidence, for example ks-timeline build --case %s disk.E01", *dir)
	case *exhibit != "" && len(paths) > 1:
		return cli.Usage("--exhibit names one piece of evidence; build each of the %d by itself", len(paths))
	}
	ev, err := reading.Open(ctx, paths, evidence.Options{Exhibit: *exhibit, Machine: *machine, Workers: *workers})
	for _, e := range ev {
		defer e.Close()
	}
	if err != nil {
		return err
	}
	c, err := custody.Open(*dir)
	if err != nil {
		return err
	}
	defer c.Close()
	if *examiner != "" {
		c.Info.Examiner = *examiner
	}
	version, _ := cli.BuildVersion()
	show := cli.NewProgress(name, *progress, stderr)
	begun := time.Now()
	results, err := timeline.Build(ctx, c, ev, timeline.Options{
		Workers: *workers, Memory: *memory << 20, Progress: show, Now: begun, Tool: name + " " + version,
	})
	show.Done()
	if !*quiet {
		for i := range results {
			reading.Summary(stdout, ev[i], &results[i])
			if *verbose {
				if err := notWhole(ctx, stdout, *dir, results[i].Exhibit); err != nil {
					return err
				}
			}
		}
	}
	if err != nil {
		if ctx.Err() != nil && len(results) < len(ev) {
			fmt.Fprintf(stderr, "%s: %d of %d pieces of evidence are in the case; to go on: %s build --case %s %s\n", name, len(results), len(ev), name, *dir, strings.Join(paths[len(results):], " "))
		}
		return err
	}
	if slices.ContainsFunc(results, func(r timeline.Result) bool { return r.Gaps() }) {
		if !*quiet {
			fmt.Fprintf(stderr, "%s: some evidence could not be read: %s problems --case %s\n", name, name, *dir)
		}
		return cli.Exit(cli.Gaps, nil)
	}
	return nil
}

// notWhole lists the sources that were read partly or not at all.
func notWhole(ctx context.Context, w io.Writer, dir, exhibit string) error {
	s, err := open(dir)
	if err != nil {
		return err
	}
	for c, err := range s.Sources(ctx, exhibit) {
		if err != nil {
			return err
		}
		if c.State != coverage.Read {
			fmt.Fprintf(w, "  %-10s  %-22s  %s\n", c.State, c.Artifact, escape.Text(c.Source))
		}
	}
	return nil
}
