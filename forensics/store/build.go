package store

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
)

// Options bound a build. The zero value works.
type Options struct {
	// Memory is the most that unsorted and sorted rows hold before they go to
	// the case folder; 64 MiB if 0.
	Memory int64
}

// Builder collects one exhibit's rows and replaces its partition with them.
type Builder struct {
	caseDir, exhibit string
	events, facts    sorter
	origins          sorter // rows whose record stands in events or facts already

	mu       sync.Mutex
	files    *file[fileRow]
	fileBuf  []fileRow
	fileSize int64
	lastFile fileKey
	coverage []coverage.Fact
	problems []problem.Problem
	sources  []coverage.Source
	done     bool
}

// Totals are the rows of a committed build.
type Totals struct {
	Events, Facts, Files, Coverage, Problems, Sources, Origins int64
}

// Create begins to build an exhibit. The caller holds the case's lock; what an
// earlier, killed run left of this exhibit is removed.
func Create(caseDir, exhibit string, o Options) (*Builder, error) {
	if !ValidExhibit(exhibit) {
		return nil, fmt.Errorf("exhibit %q: a name is made of a-z, 0-9 and -, at most 64", exhibit)
	}
	if err := Recover(caseDir); err != nil {
		return nil, err
	}
	if o.Memory <= 0 {
		o.Memory = 64 << 20
	}
	tmp := tmpDir(caseDir, exhibit)
	if err := os.MkdirAll(filepath.Join(tmp, "new"), 0o777); err != nil {
		return nil, err
	}
	b := &Builder{caseDir: caseDir, exhibit: exhibit}
	b.events = sorter{dir: filepath.Join(tmp, "events"), limit: o.Memory * 3 / 4}
	b.facts = sorter{dir: filepath.Join(tmp, "facts"), limit: o.Memory / 8}
	b.origins = sorter{dir: filepath.Join(tmp, "origins"), limit: o.Memory / 8}
	b.files = &file[fileRow]{dir: b.newDir(Files), sorted: []string{"volume", "snapshot", "entry"}}
	return b, nil
}

func (b *Builder) newDir(d Dataset) string {
	return filepath.Join(tmpDir(b.caseDir, b.exhibit), "new", string(d))
}

// Appender adds rows of one worker. It is not safe for concurrent use; any
// number of appenders may add to one builder.
type Appender struct {
	b             *Builder
	events, facts *chunk
	ordinal       uint32
	scratch       []byte
}

// Appender gives a worker its own way to add rows.
func (b *Builder) Appender() *Appender { return &Appender{b: b} }

// Begin says that the next rows come from another source: rows that are equal
// in every part of the key keep the order in which their source gave them.
func (a *Appender) Begin() { a.ordinal = 0 }

// Add takes a row, event or fact; it keeps nothing of e. The row has its ID,
// Machine, Artifact and Source.
func (a *Appender) Add(e *event.Event) error {
	s, c := &a.b.events, &a.events
	if e.Fact {
		s, c = &a.b.facts, &a.facts
	}
	if *c == nil {
		*c = s.take()
	}
	k := *c
	off := len(k.data)
	k.data = appendKey(k.data, e, a.ordinal)
	keyN := len(k.data) - off
	k.data = appendBody(k.data, e, &a.scratch)
	k.entries = append(k.entries, entry{prefixOf(k.data[off : off+keyN]), uint32(off), uint32(keyN), uint32(len(k.data) - off)})
	a.ordinal++
	if len(k.data) < chunkSize {
		return nil
	}
	*c = nil
	return s.give(k)
}

// Close hands over what is left.
func (a *Appender) Close() error {
	e, f := a.events, a.facts
	a.events, a.facts = nil, nil
	if e != nil {
		if err := a.b.events.give(e); err != nil {
			return err
		}
	}
	if f != nil {
		return a.b.facts.give(f)
	}
	return nil
}

// Cover adds coverage facts.
func (b *Builder) Cover(f ...coverage.Fact) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coverage = append(b.coverage, f...)
}

// Problem adds problems.
func (b *Builder) Problem(p ...problem.Problem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, p...)
}

// Source adds sources.
func (b *Builder) Source(s ...coverage.Source) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sources = append(b.sources, s...)
}

// Commit sorts, writes and puts the exhibit's new rows in the place of the old
// ones. All appenders have been closed.
func (b *Builder) Commit() (Totals, error) {
	var t Totals
	if b.done {
		return t, fmt.Errorf("exhibit %s: this build has ended", b.exhibit)
	}
	if err := b.writeAll(&t); err != nil {
		b.Abort()
		return t, fmt.Errorf("write exhibit %s: %w", b.exhibit, err)
	}
	b.done = true
	tmp := tmpDir(b.caseDir, b.exhibit)
	for _, d := range []string{"events", "facts", "origins"} {
		os.RemoveAll(filepath.Join(tmp, d))
	}
	if err := writeSynced(filepath.Join(tmp, "commit"), nil); err != nil {
		return t, err
	}
	if err := finish(b.caseDir, b.exhibit); err != nil {
		return t, err
	}
	if err := Recover(b.caseDir); err != nil {
		return t, err
	}
	return t, writeViews(b.caseDir)
}

// Abort ends a build and leaves the old rows.
func (b *Builder) Abort() {
	if b.done {
		return
	}
	b.done = true
	b.files.abandon()
	os.RemoveAll(tmpDir(b.caseDir, b.exhibit))
	os.Remove(filepath.Join(b.caseDir, "store", ".tmp"))
}

func (b *Builder) writeAll(t *Totals) error {
	var err error
	further := &chunk{}
	twin := func(r record, id [16]byte) error {
		off := len(further.data)
		further.data = append(further.data, id[:]...)
		further.data = append(further.data, r.key...)
		keyN := len(further.data) - off
		further.data = append(further.data, r.body...)
		further.entries = append(further.entries, entry{prefixOf(id[:]), uint32(off), uint32(keyN), uint32(len(further.data) - off)})
		if len(further.data) < chunkSize {
			return nil
		}
		full := further
		further = b.origins.take()
		return b.origins.give(full)
	}
	if t.Events, err = writeSorted(&b.events, b.newDir(Events), []string{"ticks"}, twin,
		func(r *eventRow, body []byte, n *numbers) (*content, error) {
			t1, _, err := decodeContent(body, b.exhibit, &r.content, n)
			r.Time, r.Ticks = micros(t1, &n.time), int64(t1)
			return &r.content, err
		}); err != nil {
		return err
	}
	if t.Facts, err = writeSorted(&b.facts, b.newDir(Facts), []string{"from_ticks"}, twin,
		func(r *factRow, body []byte, n *numbers) (*content, error) {
			t1, t2, err := decodeContent(body, b.exhibit, &r.content, n)
			r.From, r.FromTicks = micros(t1, &n.time), int64(t1)
			r.To, r.ToTicks = micros(t2, &n.to), int64(t2)
			return &r.content, err
		}); err != nil {
		return err
	}
	if err := b.origins.give(further); err != nil {
		return err
	}
	var c content
	if t.Origins, err = writeSorted(&b.origins, b.newDir(Origins), []string{"id"}, nil,
		func(r *originRow, body []byte, n *numbers) (*content, error) {
			_, _, err := decodeContent(body, b.exhibit, &c, n)
			*r = originRow{c.ID, c.Exhibit, c.place, c.Length, c.Record, c.Recovered}
			return &c, err
		}); err != nil {
		return err
	}
	if err := b.closeFiles(); err != nil {
		return err
	}
	t.Files = b.files.total
	return b.writeSmall(t)
}

// micros gives the pointer column of a time.
func micros(t event.Ticks, to *int64) *int64 {
	if !t.Valid() {
		return nil
	}
	*to = t.Micros()
	return to
}

// batch is a number of decoded rows on the way from the merge to the writer.
type batch[T any] struct {
	rows    []T
	numbers []numbers
	arena   []byte
	size    int64
}

// writeSorted merges the sorter's rows into a dataset. Rows of the same id
// become one, the others go to twin (if it is not nil). Decoding runs beside encoding.
func writeSorted[T any](s *sorter, dir string, by []string, twin func(record, [16]byte) error,
	decode func(*T, []byte, *numbers) (*content, error)) (int64, error) {
	m, closeAll, err := s.merge()
	if err != nil {
		return 0, err
	}
	defer closeAll()
	out := &file[T]{dir: dir, sorted: by}
	defer out.abandon()
	if len(m.heads) == 0 && m.started == nil {
		return 0, out.close()
	}

	full, empty := make(chan *batch[T], 2), make(chan *batch[T], 3)
	for range 3 {
		empty <- &batch[T]{rows: make([]T, 0, batchRows), numbers: make([]numbers, batchRows)}
	}
	stop := make(chan struct{})
	var readErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(full)
		readErr = fill(m, full, empty, stop, decode, twin)
	})
	var writeErr error
	for b := range full {
		if writeErr == nil {
			if writeErr = out.write(b.rows, b.size); writeErr != nil {
				close(stop)
			}
		}
		empty <- b
	}
	wg.Wait()
	if writeErr != nil {
		return 0, writeErr
	}
	if readErr != nil {
		return 0, readErr
	}
	return out.total, out.close()
}

func fill[T any](m *merger, full, empty chan *batch[T], stop chan struct{},
	decode func(*T, []byte, *numbers) (*content, error), twin func(record, [16]byte) error) error {
	b := <-empty
	var twins twins
	for {
		r, err := m.next()
		if err != nil {
			if len(b.rows) > 0 {
				full <- b
			}
			if err == io.EOF {
				return nil
			}
			return err
		}
		// The run's buffer is used again: texts point into the batch.
		at := len(b.arena)
		if cap(b.arena)-at < len(r.body) {
			b.arena, at = make([]byte, 0, max(batchRows*512, len(r.body))), 0
		}
		b.arena = append(b.arena, r.body...)
		n := len(b.rows)
		b.rows = b.rows[:n+1]
		c, err := decode(&b.rows[n], b.arena[at:], &b.numbers[n])
		if err != nil {
			return err
		}
		if twin != nil && twins.seen(r.key, c.ID) {
			b.rows = b.rows[:n]
			if err := twin(r, c.ID); err != nil {
				return err
			}
			continue
		}
		b.size += int64(len(r.body)) + 64
		if n+1 == batchRows {
			full <- b
			select {
			case b = <-empty:
			case <-stop:
				return nil
			}
			b.rows, b.arena, b.size = b.rows[:0], b.arena[:0], 0
		}
	}
}

// twins finds rows of the same id: they have the same time, so it remembers
// the ids of one time only.
type twins struct {
	prefix uint64
	first  [16]byte
	n      int
	ids    map[[16]byte]struct{}
}

func (t *twins) seen(key []byte, id [16]byte) bool {
	if p := prefixOf(key); p != t.prefix || t.n == 0 {
		t.prefix, t.first, t.n = p, id, 1
		if len(t.ids) > 256 {
			t.ids = nil
		}
		clear(t.ids)
		return false
	}
	if t.n == 1 {
		if t.ids == nil {
			t.ids = map[[16]byte]struct{}{}
		}
		t.ids[t.first] = struct{}{}
	}
	if _, ok := t.ids[id]; ok {
		t.n = max(t.n, 2)
		return true
	}
	t.ids[id] = struct{}{}
	t.n++
	return false
}

func writeSynced(name string, data []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if serr := f.Sync(); err == nil {
		err = serr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
