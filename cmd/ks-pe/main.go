// Command ks-pe shows what programs say of themselves, as facts, each with
// what it does not prove.
package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/program"
	"kanshiki/forensics/program/known"
)

const name = "ks-pe"

const help = `
    ks-pe --image fixtures/quarantined-pc/quarantined-pc.E01

ks-pe [OPTIONS] FILE…
ks-pe [OPTIONS] --image IMAGE

Shows what each program (EXE, DLL, SYS …) says of itself: headers, sections,
imports, exports, version, resources, signatures with all their signers and
whether the digest fits, and what is odd; each fact with what it does not
prove. Nothing is run. A folder stands for all programs in it.

With --image the programs of all volumes are shown, and the catalogues of the
machine (CatRoot) tell which are signed by catalogue and which surely are not
signed. --glob 'Users/**' narrows it; files that match are told by content.
`

func main() {
	program.Serve()
	cli.Main(name, run)
}

// several is an option that may be given more than once.
type several []string

func (s *several) String() string     { return strings.Join(*s, ", ") }
func (s *several) Set(v string) error { *s = append(*s, v); return nil }

type options struct {
	format, progress string
	quiet            bool
	image            string
	globs            several
	known            several
	catalogues       several
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	f := cli.NewFlags(name, help, stdout)
	format := f.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	progress := f.Choice("progress", "what to show of long work", cli.ProgressModes...)
	f.BoolVar(&o.quiet, "quiet", false, "leave out what facts do not prove, and warnings")
	f.StringVar(&o.image, "image", "", "look inside an `image` or a folder that a triage tool left")
	f.Var(&o.globs, "glob", "files of the image, as a `pattern` from the volume's root: * within a name, ** for folders")
	f.Var(&o.known, "known", "mark files whose digest is in this `list`: plain, CSV, or NSRL's SQLite")
	f.Var(&o.catalogues, "catalogues", "a `folder` of catalogues (.cat) of the machine the files are from")
	paths, err := f.Parse(args)
	if err != nil {
		return err
	}
	o.format, o.progress = *format, *progress
	switch {
	case o.image == "" && len(paths) == 0:
		return cli.Usage("name the programs, for example ks-pe setup.exe, or an image with --image disk.E01")
	case o.image != "" && len(paths) > 0:
		return cli.Usage("name either programs or --image, not both; --glob '%s' picks files of the image", paths[0])
	case o.image == "" && len(o.globs) > 0:
		return cli.Usage("--glob goes with --image: it picks files of the image")
	}
	lists, err := openLists(o.known)
	if err != nil {
		return err
	}
	defer closeAll(lists)
	s := &survey{o: o, out: newPrinter(o.format, stdout, o.quiet), stderr: stderr, lists: lists, show: cli.NewProgress(name, o.progress, stderr)}
	return s.run(ctx, paths)
}

func openLists(names []string) ([]*known.List, error) {
	var out []*known.List
	for _, n := range names {
		l, err := known.Open(n)
		if err != nil {
			closeAll(out)
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

func closeAll(lists []*known.List) {
	for _, l := range lists {
		_ = l.Close()
	}
}

// survey is one run.
type survey struct {
	o      options
	out    *printer
	stderr io.Writer
	show   *cli.Progress
	lists  []*known.List

	programs int  // rows of programs
	others   int  // files that are none
	gaps     bool // some evidence could not be read
}

func (s *survey) run(ctx context.Context, paths []string) error {
	src, err := s.open(ctx, paths)
	if err != nil {
		return err
	}
	defer src.close()
	cats := program.NewCatalogues()
	if err := s.catalogues(ctx, src, cats); err != nil {
		return err
	}
	n := runtime.GOMAXPROCS(0)
	pool := program.NewPool(n, program.Limits{})
	defer pool.Close()
	o := program.Options{Pool: pool, Catalogues: cats, Known: s.lists}
	s.show.Start("read programs", 0)
	err = program.Many(ctx, n, s.counted(src.items(ctx)), o, func(_ program.Item, f *program.Facts, ps []problem.Problem) error {
		return s.row(f, ps, src.named)
	})
	s.show.Done()
	if err != nil {
		return err
	}
	if err := s.out.end(); err != nil {
		return err
	}
	s.report(src.problems())
	if s.programs == 0 && !src.named && !s.o.quiet {
		fmt.Fprintf(s.stderr, "%s: no program was found\n", name)
	}
	if s.others > 0 && !src.named && !s.o.quiet {
		fmt.Fprintf(s.stderr, "%s: %s other files are no programs\n", name, cli.Count(int64(s.others)))
	}
	switch {
	case src.named && s.programs == 0:
		return cli.Exit(cli.Failed, nil)
	case s.gaps:
		return cli.Exit(cli.Gaps, nil)
	}
	return nil
}

func (s *survey) counted(items iter.Seq[program.Item]) iter.Seq[program.Item] {
	return func(yield func(program.Item) bool) {
		for it := range items {
			s.show.Add(1)
			if !yield(it) {
				return
			}
		}
	}
}

// row prints a program. A file that was named and is none is told of; one that
// a pattern or a folder brought is counted.
func (s *survey) row(f *program.Facts, ps []problem.Problem, named bool) error {
	for _, p := range ps {
		if p.Severity == problem.Lost {
			s.gaps = true
		}
	}
	if !f.IsProgram && f.NotProgram != "" && len(ps) == 0 {
		if !named {
			s.others++
			return nil
		}
		s.gaps = true
		cli.Warn(s.stderr, name, "%s: %s", f.File, f.NotProgram)
		return s.out.row(f)
	}
	if f.IsProgram {
		s.programs++
	}
	s.report(ps)
	return s.out.row(f)
}

// report prints what was lost; doubts and notes stand in the rows.
func (s *survey) report(ps []problem.Problem) {
	for _, p := range ps {
		if p.Severity != problem.Lost {
			continue
		}
		s.gaps = true
		where := p.Source
		if where == "" {
			where = p.At.String()
		}
		cli.Warn(s.stderr, name, "%s: %s: %s", where, p.Kind, p.Found)
	}
}
