package timeline

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/internal/guard"
	"kanshiki/forensics/internal/work"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/store"
)

const (
	// inMemory is the size up to which a source is read at once: one read, one
	// digest, and its parser reads memory.
	inMemory = 16 << 20
	// maxReads ends a parser that reads one source without end.
	maxReads = 50_000_000
)

// job is one piece of work for a worker.
type job struct {
	size int64
	name string
	do   func(a *store.Appender) error
}

// readAll reads every source, the largest first. The order of work decides
// nothing about the result.
func (b *builder) readAll(sources []*source) error {
	var jobs []job
	var total int64
	for _, s := range sources {
		jobs = append(jobs, job{s.size, s.path, func(a *store.Appender) error { return b.read(s, a) }})
		total += s.size
	}
	slices.SortStableFunc(jobs, func(x, y job) int { return cmp.Or(cmp.Compare(y.size, x.size), strings.Compare(x.name, y.name)) })
	// The file systems' own records come first: they are the longest work.
	jobs = append(b.volumeJobs(), jobs...)
	b.opt.Progress.Start(fmt.Sprintf("reading %d sources", len(sources)), total)
	appenders := make(chan *store.Appender, b.opt.Workers)
	var made []*store.Appender
	for range b.opt.Workers {
		a := b.rows.Appender()
		made = append(made, a)
		appenders <- a
	}
	err := work.Each(b.ctx, b.opt.Workers, jobs, func(_ context.Context, j job) error {
		a := <-appenders
		defer func() { appenders <- a }()
		if err := j.do(a); err != nil {
			return err
		}
		b.opt.Progress.Add(j.size)
		return nil
	})
	if err != nil {
		return err
	}
	for _, a := range made {
		if err := a.Close(); err != nil {
			return err
		}
	}
	return nil
}

// sink counts the problems of one source and keeps the first ones.
type sink struct {
	b        *builder
	artifact string
	source   string
	at       locator.Locator
	n, lost  int
	told     map[string]bool // why Specs could not read this source
}

func (k *sink) Report(p problem.Problem) {
	p.Artifact = cmp.Or(p.Artifact, k.artifact)
	p.Source = cmp.Or(p.Source, k.source)
	if p.At.Exhibit == "" {
		off, inner := p.At.Offset, p.At.Inner
		p.At = k.at.In(inner).At(off)
	}
	if p.Severity == problem.Lost {
		k.lost++
	}
	if k.n++; k.n <= perSource {
		k.b.problem(p)
	}
}

func (k *sink) close() {
	if more := k.n - perSource; more > 0 {
		k.b.problem(problem.Problem{At: k.at, Source: k.source, Artifact: k.artifact, Kind: problem.OverLimit, Severity: problem.Lost,
			Expected: fmt.Sprintf("at most %d problems of one source", perSource), Found: fmt.Sprintf("%d more", more)})
	}
}

// input opens a source for a parser. done closes it and its siblings.
func (b *builder) input(s *source, report func(problem.Problem)) (in *artifact.Input, done func(), err error) {
	c, err := s.place.open(b.ctx, s)
	if err != nil {
		return nil, nil, err
	}
	opened := []*content{c}
	in = &artifact.Input{
		At: s.at, Source: s.path, Name: path.Base(s.path), Size: c.size, Times: s.times, State: event.Allocated, Machine: &b.res.Machine,
		Report: report, Cover: func(coverage.Fact) {},
	}
	in.R = &guard.Reader{Ctx: b.ctx, R: c, Size: c.size, At: s.at, Source: s.path, Sink: reporter(report), Steps: maxReads}
	in.Sibling = func(name string) (*artifact.Input, bool) {
		t, err := s.place.sibling(b.ctx, s, name)
		if err != nil {
			return nil, false
		}
		o, err := t.place.open(b.ctx, t)
		if err != nil {
			report(problem.Problem{At: t.at, Source: t.path, Kind: problem.Unreadable, Severity: problem.Doubt, Expected: "a readable file beside " + s.path, Found: err.Error()})
			return nil, false
		}
		opened = append(opened, o)
		sib := &artifact.Input{At: t.at, Source: t.path, Name: path.Base(t.path), Size: o.size, Times: t.times, State: event.Allocated,
			Machine: in.Machine, Report: in.Report, Cover: in.Cover, Sibling: in.Sibling}
		sib.R = &guard.Reader{Ctx: b.ctx, R: o, Size: o.size, At: t.at, Source: t.path, Sink: reporter(report), Steps: maxReads}
		return sib, true
	}
	return in, func() {
		for _, o := range opened {
			o.close()
		}
	}, nil
}

type reporter func(problem.Problem)

func (r reporter) Report(p problem.Problem) { r(p) }

// read runs all Specs of one source. Only what ends the build is an error.
func (b *builder) read(s *source, a *store.Appender) error {
	spec := &b.opt.Specs[s.specs[0]]
	k := &sink{b: b, source: s.path, at: s.at, artifact: spec.Name} // for what lies below the Specs
	defer k.close()
	if s.note != "" {
		err := errors.New(s.note)
		return b.unread(s, k, problem.Unsupported, err)
	}
	in, done, err := b.input(s, k.Report)
	if err != nil {
		return b.unread(s, k, problem.Unreadable, err)
	}
	defer done()
	defer b.large.take(b.held(s))()
	sum := b.load(in, s.size)
	for i, n := range s.specs {
		if err := b.ctx.Err(); err != nil {
			return context.Cause(b.ctx)
		}
		cur := in
		if i > 0 { // the same bytes, a new account
			c := *in
			c.Counts = coverage.Counts{}
			cur = &c
			in.Share(cur)
		}
		if err := b.readSpec(s, &b.opt.Specs[n], cur, k, sum, a); err != nil {
			return err
		}
	}
	return nil
}

// streams is the limit of a Spec from which on it cannot hold its source in
// memory.
const streams = 1 << 30

// held is about the memory that reading a source takes: its size, but where
// its Specs read it in pieces.
func (b *builder) held(s *source) int64 {
	for _, n := range s.specs {
		if l := b.opt.Specs[n].Limit; l < streams && s.size <= l {
			return s.size
		}
	}
	return min(s.size, inMemory)
}

// weight lets large sources be read side by side only as far as memory goes.
// One alone always goes.
type weight struct {
	mu   sync.Mutex
	wait *sync.Cond
	free int64
	busy int
}

func (w *weight) take(n int64) (give func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wait == nil {
		w.wait = sync.NewCond(&w.mu)
	}
	for n > w.free && w.busy > 0 {
		w.wait.Wait()
	}
	w.free -= n
	w.busy++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.free += n
		w.busy--
		w.wait.Broadcast()
	}
}

// load reads a small source at once; it returns the digest where every byte
// was read.
func (b *builder) load(in *artifact.Input, _ int64) string {
	if in.Size > inMemory || in.Size < 0 {
		return ""
	}
	data := make([]byte, in.Size)
	n, err := in.R.ReadAt(data, 0)
	if int64(n) != in.Size || err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	in.R = bytes.NewReader(data)
	d := sha256.Sum256(data)
	return hex.EncodeToString(d[:])
}

// unread says of every Spec of a source that it could not be opened.
func (b *builder) unread(s *source, k *sink, kind problem.Kind, err error) error {
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	for _, n := range s.specs {
		k.artifact = b.opt.Specs[n].Name
		k.Report(problem.Problem{At: s.at, Length: s.size, Kind: kind, Severity: problem.Lost, Expected: "the content of the source", Found: err.Error()})
		b.done(s, k.artifact, s.size, coverage.Counts{}, coverage.Unreadable, "", nil, err.Error())
	}
	s.state = coverage.Unreadable
	return nil
}

// readSpec runs one Spec on one source under guard and closes its account.
func (b *builder) readSpec(s *source, spec *artifact.Spec, in *artifact.Input, below *sink, sum string, a *store.Appender) error {
	k := &sink{b: b, source: s.path, at: s.at, artifact: spec.Name}
	defer k.close()
	var facts []coverage.Fact
	in.Report = k.Report
	in.Cover = func(f coverage.Fact) { facts = append(facts, f) }
	if in.Size > spec.Limit && spec.Limit > 0 {
		err := fmt.Errorf("%d bytes, limit %d", in.Size, spec.Limit)
		k.Report(problem.Problem{At: s.at, Length: in.Size, Kind: problem.OverLimit, Severity: problem.Lost, Expected: fmt.Sprintf("at most %d bytes", spec.Limit), Found: err.Error()})
		b.done(s, spec.Name, in.Size, coverage.Counts{}, coverage.NotLooked, "", nil, err.Error())
		return nil
	}
	e := emitter{b: b, artifact: spec.Name, source: s.path, at: s.at, state: in.State, rows: a}
	a.Begin()
	err := guard.Run(func() error { return spec.Read(b.ctx, in, e.emit) })
	if e.err != nil {
		return e.err
	}
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	how := ""
	if err != nil {
		how = err.Error()
		// A hive that no Spec can open is one loss, not one for each of them.
		if below.told[how] {
			k.lost++
		} else {
			k.Report(problem.From(s.at, kindOf(err), problem.Lost, err))
		}
		if below.told == nil {
			below.told = map[string]bool{}
		}
		below.told[how] = true
	}
	if !in.Counts.Reconciles() {
		c := in.Counts
		k.Report(problem.Problem{At: s.at, Kind: problem.Inconsistent, Severity: problem.Doubt,
			Expected: fmt.Sprintf("%d records", c.Declared), Found: fmt.Sprintf("%d decoded, %d recovered, %d failed", c.Decoded, c.Recovered, c.Failed)})
	}
	state := stateOf(in.Counts, e.n, err, k.lost+below.lost)
	b.done(s, spec.Name, in.Size, in.Counts, state, sum, facts, how)
	if worse(state, s.state) {
		s.state = state
	}
	return nil
}

func kindOf(err error) problem.Kind {
	var fault *guard.Fault
	switch {
	case errors.As(err, &fault):
		return problem.ParserFault
	case errors.Is(err, artifact.ErrTooLarge), errors.Is(err, guard.ErrSteps):
		return problem.OverLimit
	}
	return problem.Malformed
}

// stateOf is what came of reading: all, part or nothing.
func stateOf(c coverage.Counts, events int64, err error, lost int) coverage.State {
	got := c.Decoded > 0 || c.Recovered > 0 || events > 0
	switch {
	case err == nil && c.Failed == 0 && lost == 0:
		return coverage.Read
	case got:
		return coverage.Partly
	}
	return coverage.Unreadable
}

func worse(a, than coverage.State) bool {
	rank := func(s coverage.State) int {
		return slices.Index([]coverage.State{"", coverage.Read, coverage.Partly, coverage.NotLooked, coverage.Unreadable}, s)
	}
	return rank(a) > rank(than)
}

// done writes a source's row and its coverage.
func (b *builder) done(s *source, name string, size int64, c coverage.Counts, state coverage.State, sum string, facts []coverage.Fact, how string) {
	b.rows.Source(coverage.Source{Artifact: name, At: s.at, Source: s.path, Size: size, Counts: c, State: state, SHA256: sum})
	if len(facts) == 0 {
		facts = []coverage.Fact{{History: coverage.UnknownBefore, How: how}}
	}
	for _, f := range facts {
		// A log speaks for several witnesses: its facts may name them.
		f.Artifact, f.Machine = cmp.Or(f.Artifact, name), b.res.Machine.Name
		if f.At.Exhibit == "" {
			f.At = s.at.In(f.At.Inner).At(f.At.Offset)
		}
		f.Source = cmp.Or(f.Source, s.path)
		if f.State == "" || f.State == coverage.Read && worse(state, coverage.Read) {
			f.State = state
		}
		f.History = cmp.Or(f.History, coverage.UnknownBefore)
		f.How = cmp.Or(f.How, how)
		b.cover(f)
	}
}

// emitter completes events and hands them to the store.
type emitter struct {
	b        *builder
	artifact string
	source   string
	at       locator.Locator
	state    event.Recovered
	rows     *store.Appender
	ids      event.Identifier
	n        int64
	err      error // the store's, which ends the build
}

func (m *emitter) emit(e *event.Event) error {
	if m.n&1023 == 0 && m.b.ctx.Err() != nil {
		m.err = context.Cause(m.b.ctx)
		return m.err
	}
	m.n++
	e.Artifact, e.Exhibit, e.Machine = m.artifact, m.b.ev.Exhibit, m.b.res.Machine.Name
	if e.At.Exhibit == "" {
		e.At = m.at.In(e.At.Inner).At(e.At.Offset)
	}
	e.At.Exhibit = e.Exhibit
	if e.Source == "" || e.At.Entry == m.at.Entry && e.At.Stream == m.at.Stream {
		e.Source = m.source
	}
	e.Recovered = recovered(m.state, e.Recovered)
	m.ids.Identify(e)
	if err := m.rows.Add(e); err != nil {
		m.err = err
		return err
	}
	return nil
}

// volumeJobs reads what a file system as a whole says. The list of files is
// written by the walk that the first artifact makes; volumes come one after
// the other in it, as the table of files asks.
func (b *builder) volumeJobs() []job {
	var walks, others []job
	for _, p := range b.places {
		if p.fs == nil {
			continue
		}
		for i := range b.opt.VolumeSpecs {
			spec := &b.opt.VolumeSpecs[i]
			do := func(a *store.Appender) error { return b.readVolume(p, spec, p.fs, a) }
			if i == 0 {
				tap := &tapped{FS: p.fs, b: b, p: p}
				do = func(a *store.Appender) error {
					if err := b.readVolume(p, spec, tap, a); err != nil {
						return err
					}
					return tap.rest()
				}
			}
			j := job{0, spec.Name, do}
			if i == 0 {
				walks = append(walks, j)
			} else {
				others = append(others, j)
			}
		}
	}
	loose := func() error {
		for _, p := range b.places {
			if p.fs == nil {
				if err := b.looseFiles(p); err != nil {
					return err
				}
			}
		}
		return nil
	}
	all := job{0, "files", func(a *store.Appender) error {
		for _, j := range walks {
			if err := j.do(a); err != nil {
				return err
			}
		}
		return loose()
	}}
	return append([]job{all}, others...)
}

func (b *builder) readVolume(p *place, spec *artifact.VolumeSpec, fs filesystem.FS, a *store.Appender) error {
	s := &source{place: p, at: p.at, path: volumeSource(spec.Name), volume: spec}
	k := &sink{b: b, source: s.path, at: p.at, artifact: spec.Name}
	defer k.close()
	var facts []coverage.Fact
	in := &artifact.VolumeInput{At: p.at, Source: s.path, FS: fs, Machine: &b.res.Machine, Report: k.Report,
		Cover: func(f coverage.Fact) { facts = append(facts, f) }}
	e := emitter{b: b, artifact: spec.Name, source: s.path, at: p.at, rows: a}
	a.Begin()
	err := guard.Run(func() error { return spec.Read(b.ctx, in, e.emit) })
	if e.err != nil {
		return e.err
	}
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	s.path = in.Source
	if errors.Is(err, filesystem.ErrNoJournal) {
		f := coverage.Fact{At: p.at, History: coverage.UnknownBefore, State: coverage.Absent, How: err.Error(), Artifact: spec.Name, Machine: b.res.Machine.Name}
		if len(facts) > 0 {
			f.History, f.How = facts[0].History, facts[0].How
		}
		b.cover(f)
		return nil
	}
	how := ""
	if err != nil {
		how = err.Error()
		k.Report(problem.From(p.at, kindOf(err), problem.Lost, err))
	}
	if !in.Counts.Reconciles() {
		c := in.Counts
		k.Report(problem.Problem{At: p.at, Kind: problem.Inconsistent, Severity: problem.Doubt,
			Expected: fmt.Sprintf("%d records", c.Declared), Found: fmt.Sprintf("%d decoded, %d recovered, %d failed", c.Decoded, c.Recovered, c.Failed)})
	}
	b.done(s, spec.Name, 0, in.Counts, stateOf(in.Counts, e.n, err, k.lost), "", facts, how)
	return nil
}

// volumeSource names what a VolumeSpec reads, for people.
func volumeSource(name string) string {
	switch name {
	case "filesystem/mft":
		return "$MFT"
	case "filesystem/usn":
		return "$Extend/$UsnJrnl:$J"
	}
	return name
}
