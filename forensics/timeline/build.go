// Package timeline reads evidence into a case's store: evidence, volumes, file
// systems, artifacts; events, facts, coverage, problems, sources and files.
//
// One walk over each file system finds the sources of all artifacts. What the
// evidence says of its machine (zone, version, accounts) is read first; then
// sources are read largest first, side by side, each under guard, and the
// store's merge brings their rows into one order: the same evidence gives the
// same bytes, whatever the number of cores.
//
// Every artifact ends in a state on every volume: read, partly, unreadable,
// absent or not looked. A source whose count does not agree with what came of
// it is itself a problem.
package timeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/all"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/custody"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/store"
	"kanshiki/forensics/volume"
)

// Progress is told what a long build is doing.
type Progress interface {
	Start(what string, total int64)
	Add(n int64)
}

type silent struct{}

func (silent) Start(string, int64) {}
func (silent) Add(int64)           {}

// Options change a build. The zero value works.
type Options struct {
	Workers     int   // goroutines that read sources; 0 is GOMAXPROCS
	Memory      int64 // that the process should hold at most, beside 0.3 KiB for each entry; 0 is 256 MiB
	Progress    Progress
	Specs       []artifact.Spec       // nil: all of them
	VolumeSpecs []artifact.VolumeSpec // nil: all of them
	// Now is the time for the custody log, and Tool who writes there.
	Now  time.Time
	Tool string
}

// Volume is what became of one part of an image.
type Volume struct {
	volume.Volume
	Entries, Live, Deleted, Orphans int
	Err                             error // why its file system was not read
}

// Result is what came of one exhibit.
type Result struct {
	Exhibit string
	Machine artifact.Machine
	Volumes []Volume
	Files   int // of a folder
	States  map[coverage.State]int
	Totals  store.Totals
	Lost    int // problems that cost data
}

// Gaps tells whether some evidence could not be read.
func (r *Result) Gaps() bool { return r.Lost > 0 }

// Build reads each piece of evidence into the store of a case. A piece that is
// whole stays, even where a later one fails.
func Build(ctx context.Context, c *custody.Case, ev []*evidence.Evidence, o Options) ([]Result, error) {
	if o.Progress == nil {
		o.Progress = silent{}
	}
	if o.Memory <= 0 {
		o.Memory = 256 << 20
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Specs == nil {
		o.Specs = all.Specs()
	}
	if o.VolumeSpecs == nil {
		o.VolumeSpecs = all.VolumeSpecs()
	}
	var out []Result
	for i, e := range ev {
		for _, before := range ev[:i] {
			if before.Exhibit == e.Exhibit {
				return out, fmt.Errorf("%s and %s are both exhibit %s: name them apart with --exhibit", before.Name, e.Name, e.Exhibit)
			}
		}
		r, err := buildOne(ctx, c, e, o)
		if err != nil {
			return out, fmt.Errorf("%s: %w", e.Name, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// builder is the work on one exhibit.
type builder struct {
	ctx   context.Context
	ev    *evidence.Evidence
	opt   Options
	rows  *store.Builder
	large weight
	// release undoes bound, when the rows are written.
	release func()
	places  []*place
	res     Result
	sums    tally
}

func buildOne(ctx context.Context, c *custody.Case, e *evidence.Evidence, o Options) (Result, error) {
	rows, err := store.Create(c.Dir, e.Exhibit, store.Options{Memory: o.Memory / 4})
	if err != nil {
		return Result{}, err
	}
	b := &builder{ctx: ctx, ev: e, opt: o, rows: rows, large: weight{free: o.Memory / 4}}
	b.res = Result{Exhibit: e.Exhibit, States: map[coverage.State]int{}}
	b.res.Machine.Name = e.Machine
	b.sums.cap = map[string]int{}
	defer func() {
		if b.release != nil {
			b.release()
		}
		for _, p := range b.places {
			p.close()
		}
	}()
	if err := b.run(); err != nil {
		rows.Abort()
		return b.res, err
	}
	o.Progress.Start("writing the store", 0)
	if b.res.Totals, err = rows.Commit(); err != nil {
		return b.res, err
	}
	return b.res, b.record(c)
}

// run reads the exhibit; only what ends the whole build is an error.
func (b *builder) run() error {
	switch {
	case b.ev.Image != nil:
		b.volumes()
	case b.ev.Tree != nil:
		if err := b.tree(); err != nil {
			return err
		}
	}
	if err := b.ctx.Err(); err != nil {
		return err
	}
	var sources []*source
	for _, p := range b.places {
		found, err := b.find(p)
		if err != nil {
			return err
		}
		sources = append(sources, found...)
	}
	b.learn(sources)
	if b.ev.Machine != "" {
		b.res.Machine.Name = b.ev.Machine
	}
	b.release = b.bound()
	if err := b.readAll(sources); err != nil {
		return err
	}
	b.states(sources)
	if b.ev.Image != nil {
		for _, p := range b.ev.Image.Problems() {
			p.At.Exhibit = b.ev.Exhibit
			b.problem(p)
		}
	}
	m, err := json.Marshal(b.res.Machine)
	if err != nil {
		return err
	}
	if err := b.rows.Attach("machine.json", m); err != nil {
		return err
	}
	b.flushProblems()
	return nil
}

// bound tells the runtime how much memory is meant to be enough, so that it
// collects before it grows. A source that needs more still gets it.
func (b *builder) bound() (release func()) {
	entries := int64(0)
	for _, p := range b.places {
		if p.fs != nil {
			entries += int64(p.fs.Info().Entries)
		}
	}
	old := debug.SetMemoryLimit(b.opt.Memory*7/8 + entries*300)
	return func() { debug.SetMemoryLimit(old) }
}

// record puts the exhibit into the case's papers.
func (b *builder) record(c *custody.Case) error {
	x := custody.Exhibit{ID: b.ev.Exhibit, Machine: b.machineName(), Evidence: []string{b.ev.Path}, Format: string(b.ev.Form)}
	if b.ev.Image != nil {
		x.Format, x.Size = b.ev.Image.Info().Format, b.ev.Image.Size()
		for _, d := range b.ev.Image.Digests() {
			if d.Scope == "media" {
				x.Digests = append(x.Digests, d.Alg+":"+d.Sum)
			}
		}
	}
	c.Info.Put(x)
	if b.opt.Tool != "" {
		c.Info.Tool(b.opt.Tool)
	}
	t := b.res.Totals
	if err := c.Record(b.opt.Now, b.opt.Tool, "timeline build",
		custody.Detail{Name: "exhibit", Value: x.ID}, custody.Detail{Name: "evidence", Value: b.ev.Path},
		custody.Detail{Name: "digests", Value: strings.Join(x.Digests, " ")},
		custody.Detail{Name: "rows", Value: fmt.Sprintf("%d events, %d facts, %d files, %d sources, %d problems", t.Events, t.Facts, t.Files, t.Sources, t.Problems)},
	); err != nil {
		return err
	}
	return c.Save()
}

func (b *builder) machineName() string { return b.res.Machine.Name }

// Machine is what a build learnt of an exhibit's machine.
func Machine(s *store.Store, exhibit string) (artifact.Machine, error) {
	var m artifact.Machine
	raw, err := s.Attached(exhibit, "machine.json")
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(raw, &m)
}

// perSource bounds the problems kept of one source and artifact: a source that
// is damaged everywhere is told by one line more.
const perSource = 500

// tally gathers problems until the build ends.
type tally struct {
	list problem.List
	cap  map[string]int
}

// problem takes a problem of the exhibit. Safe for concurrent use but for the
// cap, which each source counts for itself.
func (b *builder) problem(p problem.Problem) {
	p.At.Exhibit = b.ev.Exhibit
	b.sums.list.Report(p)
}

func (b *builder) flushProblems() {
	list := b.sums.list.Sorted()
	for _, p := range list {
		if p.Severity == problem.Lost {
			b.res.Lost++
		}
	}
	b.rows.Problem(list...)
}

var errNotRead = errors.New("this file system is recognised and not read yet")

// volumes lists the parts of an image and opens what can be read.
func (b *builder) volumes() {
	img := b.ev.Image
	list, problems := volume.List(img, b.ev.Exhibit, b.ev.Name)
	for _, p := range problems {
		b.problem(p)
	}
	b.opt.Progress.Start("reading file systems", int64(len(list)))
	for _, v := range list {
		r := Volume{Volume: v}
		if v.Kind.Readable() {
			p, err := b.openVolume(v)
			if err == nil {
				b.places = append(b.places, p)
				info := p.fs.Info()
				r.Entries, r.Live, r.Deleted, r.Orphans = info.Entries, info.LiveCount, info.Deleted, info.Orphans
			} else {
				r.Err = err
				b.problem(problem.Problem{At: b.at(v.Number), Source: b.ev.Name, Length: v.Len, Kind: problem.Malformed, Severity: problem.Lost,
					Expected: "a readable " + string(v.Kind), Found: err.Error()})
			}
		} else if named(v.Kind) {
			r.Err = errNotRead
			b.problem(problem.Problem{At: b.at(v.Number), Source: b.ev.Name, Length: v.Len, Kind: problem.Unsupported, Severity: severityOf(v.Kind),
				Expected: "a file system that is read (NTFS)", Found: strings.TrimSpace(string(v.Kind) + " " + v.Detail)})
		}
		b.coverVolume(v, r.Err)
		b.res.Volumes = append(b.res.Volumes, r)
		b.opt.Progress.Add(1)
		if b.ctx.Err() != nil {
			return
		}
	}
	if len(b.places) == 0 && !slices.ContainsFunc(list, func(v volume.Volume) bool { return named(v.Kind) }) {
		b.problem(problem.Problem{At: b.at(0), Source: b.ev.Name, Length: img.Size(), Kind: problem.Unsupported, Severity: problem.Lost,
			Expected: "a volume with a file system", Found: "no file system in this image"})
	}
	slices.SortStableFunc(b.places, func(x, y *place) int { return x.at.Volume - y.at.Volume })
}

// named holds for what may hide evidence: everything but free space and the
// partition tables' own areas.
func named(k volume.Kind) bool {
	switch k {
	case volume.Unallocated, volume.Reserved, volume.Empty:
		return false
	}
	return true
}

// severityOf: swap space and gaps hold no file system whose loss is a loss of
// artifacts.
func severityOf(k volume.Kind) problem.Severity {
	if k == volume.Swap {
		return problem.Note
	}
	return problem.Lost
}
