package filesystem

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"testing"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

const t0 = event.Ticks(129586000000000000) // 2011-08-23

// fake is a file system of a few entries and changes.
type fake struct {
	filesystem.FS
	entries []filesystem.Entry
	changes []filesystem.Change
	errAt   int // the change before which an error comes, -1 for none
	none    bool
}

func (f *fake) Info() filesystem.Info {
	return filesystem.Info{RecordSize: 1024, Entries: len(f.entries), Created: t0}
}

func (f *fake) Walk(ctx context.Context) iter.Seq2[*filesystem.Entry, error] {
	return func(yield func(*filesystem.Entry, error) bool) {
		for i := range f.entries {
			if !yield(&f.entries[i], nil) {
				return
			}
		}
	}
}

func (f *fake) Lookup(ctx context.Context, path string) (filesystem.Ref, string, error) {
	return filesystem.Ref{Entry: 38, Sequence: 1}, "$J", nil
}

func (f *fake) Changes(ctx context.Context) iter.Seq2[filesystem.Change, error] {
	return func(yield func(filesystem.Change, error) bool) {
		if f.none {
			yield(filesystem.Change{}, filesystem.ErrNoJournal)
			return
		}
		for i, c := range f.changes {
			if i == f.errAt && !yield(filesystem.Change{}, errors.New("bad record")) {
				return
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

type result struct {
	events   []event.Event
	problems []problem.Problem
	facts    []coverage.Fact
	counts   coverage.Counts
	err      error
}

func read(t *testing.T, spec artifact.VolumeSpec, fs filesystem.FS) (r result) {
	t.Helper()
	in := &artifact.VolumeInput{At: locator.Locator{Exhibit: "x", Volume: 2}, FS: fs, Machine: &artifact.Machine{},
		Report: func(p problem.Problem) { r.problems = append(r.problems, p) }, Cover: func(f coverage.Fact) { r.facts = append(r.facts, f) }}
	r.err = spec.Read(t.Context(), in, func(e *event.Event) error {
		c := *e
		c.Fields = slices.Clone(e.Fields)
		r.events = append(r.events, c)
		last := -1
		for _, f := range c.Fields {
			i := slices.Index(spec.Fields, f.Name)
			if i <= last {
				t.Errorf("%s: field %s is not in its list or out of order", spec.Name, f.Name)
			}
			last = i
		}
		return nil
	})
	if r.counts = in.Counts; !r.counts.Reconciles() {
		t.Errorf("%s: %+v", spec.Name, r.counts)
	}
	return r
}

func times(c, m, e, a event.Ticks) filesystem.Times {
	return filesystem.Times{Created: c, Modified: m, Changed: e, Accessed: a}
}

func TestMFT(t *testing.T) {
	fs := &fake{entries: []filesystem.Entry{
		{Ref: filesystem.Ref{Entry: 40, Sequence: 3}, State: filesystem.Live, Kind: filesystem.File, SI: times(t0, t0+5, t0+5, t0+9), Attributes: 0x20, Links: 2,
			Names: []filesystem.Name{
				{Path: "Users/a.doc", Proof: "live", Times: times(t0, t0, t0, t0)},
				{Path: "Users/b.doc", Proof: "live", Times: times(t0+7, t0+5, t0+7, t0+7)},
			},
			Streams: []filesystem.StreamInfo{{Size: 100}, {Name: "Zone.Identifier", Size: 26}}},
		{Ref: filesystem.Ref{Entry: 41, Sequence: 9}, State: filesystem.Deleted, Kind: filesystem.Dir, SI: times(t0, 1<<63, 0, t0)},
		{Ref: filesystem.Ref{Entry: 42, Sequence: 1}, State: filesystem.Damaged, Problems: []string{"fixup"}},
	}}
	r := read(t, MFT, fs)
	type row struct {
		ticks   event.Ticks
		marks   string
		action  event.Action
		path    string
		offset  int64
		deleted bool
	}
	want := []row{
		{t0 + 5, "$SI m.c.  $FN ....", event.Written, "Users/a.doc", 40 << 10, false},
		{t0 + 9, "$SI .a..  $FN ....", event.ReadOrOpened, "Users/a.doc", 40 << 10, false},
		{t0, "$SI ...b  $FN macb", event.Created, "Users/a.doc", 40 << 10, false},
		{t0 + 5, "$SI ....  $FN m...", event.MetadataChanged, "Users/b.doc", 40 << 10, false},
		{t0 + 7, "$SI ....  $FN .acb", event.Created, "Users/b.doc", 40 << 10, false},
		{0, "$SI m...  $FN ....", event.Written, "", 41 << 10, true},
		{t0, "$SI .a.b  $FN ....", event.Created, "", 41 << 10, true},
	}
	var got []row
	for _, e := range r.events {
		got = append(got, row{e.Ticks, e.Meaning, e.Action, e.Path, e.At.Offset, e.Recovered == event.InDeleted})
		if e.At.Volume != 2 || e.At.Entry != 0 || e.At.Sequence != 1 || e.Length != 1024 || e.Clock != event.FileSystem {
			t.Errorf("%+v", e)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if r.counts.Decoded != 1 || r.counts.Recovered != 1 || r.counts.Failed != 1 || len(r.problems) != 1 || r.problems[0].At.Offset != 42<<10 {
		t.Errorf("%+v %+v", r.counts, r.problems)
	}
	if len(r.facts) != 1 || r.facts[0].To != t0+9 || r.facts[0].From != t0 {
		t.Errorf("%+v", r.facts)
	}
}

func TestUSN(t *testing.T) {
	file, dir, bin := filesystem.Ref{Entry: 50, Sequence: 2}, filesystem.Ref{Entry: 5, Sequence: 5}, filesystem.Ref{Entry: 60, Sequence: 1}
	n := uint64(4096)
	change := func(reason uint32, path string, parent filesystem.Ref) filesystem.Change {
		n += 96
		return filesystem.Change{Ref: file, Parent: parent, USN: n, Length: 96, Time: t0 + event.Ticks(n), Reason: reason, Name: path, Path: path, Proof: "usn", Version: 2}
	}
	fs := &fake{errAt: 3, changes: []filesystem.Change{
		change(fileCreate, "a.tmp", dir),
		change(fileCreate|dataExtend, "a.tmp", dir),
		change(fileCreate|dataExtend|closed, "a.tmp", dir),
		change(renameOld, "a.tmp", dir),
		change(renameNew, "a.exe", dir),
		change(renameNew|closed, "a.exe", dir),
		change(renameOld, "a.exe", dir),
		change(renameNew, "$R1.exe", bin),
		change(renameNew|closed, "$R1.exe", bin),
		change(0x8000, "$R1.exe", bin),
		change(0x8000|closed, "$R1.exe", bin),
		change(fileDelete|closed, "$R1.exe", bin),
		change(0x40000000, "?", bin),
	}}
	r := read(t, USN, fs)
	var got []string
	for _, e := range r.events {
		got = append(got, string(e.Action)+" "+e.Message)
		if e.At.Entry != 38 || e.At.Stream != "$J" || e.At.Offset != int64(e.Ticks-t0) || e.Entry != 50 || e.Sequence != 2 {
			t.Errorf("%+v", e)
		}
	}
	want := []string{
		"created created: a.tmp", "written content changed: a.tmp", "other closed: a.tmp",
		"renamed renamed, old name: a.tmp", "renamed renamed, new name: a.tmp → a.exe", "other closed: a.exe",
		"renamed renamed, old name: a.exe", "moved moved: a.exe → $R1.exe", "other closed: $R1.exe",
		"metadata-changed metadata changed: $R1.exe", "other closed: $R1.exe", "deleted deleted: $R1.exe", "metadata-changed metadata changed: ?",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if r.counts.Decoded != 13 || r.counts.Failed != 1 || len(r.problems) != 1 {
		t.Errorf("%+v %v", r.counts, r.problems)
	}
	if len(r.facts) != 2 || r.facts[0].First != 4096+96 || r.facts[1].History != coverage.Wrapped || r.facts[1].To != r.facts[0].From {
		t.Errorf("%+v", r.facts)
	}
	if s := reasonText(fileCreate | closed | 0x40000000); s != "file create, close, 0x40000000" {
		t.Error(s)
	}
	r = read(t, USN, &fake{none: true})
	if !errors.Is(r.err, filesystem.ErrNoJournal) || len(r.facts) != 1 || r.facts[0].State != coverage.Absent {
		t.Errorf("%v %+v", r.err, r.facts)
	}
}

func BenchmarkMFT(b *testing.B) {
	fs := &fake{entries: slices.Repeat([]filesystem.Entry{{Ref: filesystem.Ref{Entry: 40, Sequence: 3}, State: filesystem.Live, Kind: filesystem.File,
		SI: times(t0, t0+5, t0+5, t0+9), Names: []filesystem.Name{{Path: "Users/sato/Documents/a.doc", Proof: "live", Times: times(t0, t0, t0, t0)}}, Streams: []filesystem.StreamInfo{{Size: 1}}}}, 10000)}
	in := &artifact.VolumeInput{FS: fs, Machine: &artifact.Machine{}, Report: func(problem.Problem) {}, Cover: func(coverage.Fact) {}}
	b.ReportAllocs()
	for b.Loop() {
		MFT.Read(b.Context(), in, func(*event.Event) error { return nil })
	}
	b.ReportMetric(float64(b.N)*10000/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkUSN(b *testing.B) {
	fs := &fake{errAt: -1, changes: slices.Repeat([]filesystem.Change{{Ref: filesystem.Ref{Entry: 50, Sequence: 2}, USN: 4096, Length: 96, Time: t0, Reason: fileCreate | closed, Path: "Users/sato/a.doc", Proof: "usn", Version: 2}}, 10000)}
	in := &artifact.VolumeInput{FS: fs, Machine: &artifact.Machine{}, Report: func(problem.Problem) {}, Cover: func(coverage.Fact) {}}
	b.ReportAllocs()
	for b.Loop() {
		USN.Read(b.Context(), in, func(*event.Event) error { return nil })
	}
	b.ReportMetric(float64(b.N)*10000/b.Elapsed().Seconds(), "records/s")
}
