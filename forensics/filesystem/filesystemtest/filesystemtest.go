// Package filesystemtest is the contract of filesystem.FS as a test: whoever
// implements the interface calls Run with a file system that has at least a
// file, a directory and a named stream.
package filesystemtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"testing"

	"kanshiki/forensics/filesystem"
)

// row is what two walks must agree in.
type row struct {
	ref     filesystem.Ref
	state   filesystem.State
	kind    filesystem.Kind
	names   []filesystem.Name
	streams []filesystem.StreamInfo
}

// Run checks the contract. make gives the file system; it may be called more
// than once.
func Run(t *testing.T, make func(t *testing.T) filesystem.FS) {
	f := make(t)
	rows := walk(t, f)
	if len(rows) == 0 {
		t.Fatal("Walk yields nothing")
	}
	t.Run("walk", func(t *testing.T) { testWalk(t, make, rows) })
	t.Run("entry", func(t *testing.T) { testEntry(t, f, rows) })
	t.Run("children", func(t *testing.T) { testChildren(t, f, rows) })
	t.Run("open", func(t *testing.T) { testOpen(t, f, rows) })
	t.Run("lookup", func(t *testing.T) { testLookup(t, f, rows) })
	t.Run("glob", func(t *testing.T) { testGlob(t, f, rows) })
	t.Run("context", func(t *testing.T) { testContext(t, f) })
	t.Run("info", func(t *testing.T) { testInfo(t, f, rows) })
}

func walk(t *testing.T, f filesystem.FS) []row {
	t.Helper()
	var out []row
	for e, err := range f.Walk(t.Context()) {
		if err != nil {
			t.Fatalf("Walk: %v", err)
		}
		out = append(out, row{e.Ref, e.State, e.Kind, slices.Clone(e.Names), slices.Clone(e.Streams)})
	}
	return out
}

func (r row) String() string { return fmt.Sprintf("%+v", r.ref) }

func testWalk(t *testing.T, make func(t *testing.T) filesystem.FS, rows []row) {
	seen := map[filesystem.Ref]bool{}
	for i, r := range rows {
		if seen[r.ref] {
			t.Errorf("%v comes twice", r)
		}
		seen[r.ref] = true
		if i > 0 && rows[i-1].ref.Entry > r.ref.Entry {
			t.Errorf("%v comes after entry %d", r, rows[i-1].ref.Entry)
		}
		for _, n := range r.names {
			if len(n.Path) < len(n.Base) || n.Path[len(n.Path)-len(n.Base):] != n.Base {
				t.Errorf("%v: %q does not end in %q", r, n.Path, n.Base)
			}
			if len(n.Path) > 0 && n.Path[0] == '/' {
				t.Errorf("%v: %q begins with a slash", r, n.Path)
			}
		}
	}
	if got, want := fmt.Sprint(walk(t, make(t))), fmt.Sprint(rows); got != want {
		t.Error("two walks differ")
	}
	n := 0
	for range make(t).Walk(t.Context()) { // a loop may be left
		if n++; n == 2 {
			break
		}
	}
}

func testEntry(t *testing.T, f filesystem.FS, rows []row) {
	for _, r := range rows {
		e, err := f.Entry(t.Context(), r.ref)
		if err != nil {
			t.Errorf("Entry %v: %v", r, err)
			continue
		}
		got := row{e.Ref, e.State, e.Kind, e.Names, e.Streams}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", r) {
			t.Errorf("Entry %v: %+v, Walk gave %+v", r, got, r)
		}
	}
	last := rows[len(rows)-1].ref
	if _, err := f.Entry(t.Context(), filesystem.Ref{Entry: last.Entry + 1<<40}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an entry that is not there: %v", err)
	}
	if _, err := f.Entry(t.Context(), filesystem.Ref{Entry: last.Entry, Sequence: last.Sequence + 7}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a reference to an older user of the entry: %v", err)
	}
}

// testChildren: each live name stands in its parent once.
func testChildren(t *testing.T, f filesystem.FS, rows []row) {
	type name struct {
		parent uint64
		base   string
		ref    filesystem.Ref
	}
	want := map[name]int{}
	for _, r := range rows {
		for _, n := range r.names {
			if r.state == filesystem.Live && n.Proof == "live" && n.Base != "" {
				want[name{n.Parent.Entry, n.Base, r.ref}]++
			}
		}
	}
	for _, r := range rows {
		if r.state != filesystem.Live || r.kind == filesystem.File {
			continue
		}
		for d, err := range f.Children(t.Context(), r.ref) {
			if err != nil {
				t.Errorf("Children %v: %v", r, err)
				break
			}
			want[name{r.ref.Entry, d.Name, d.Ref}]--
		}
	}
	for n, k := range want {
		if k != 0 {
			t.Errorf("%+v: %d more in Walk than in Children", n, k)
		}
	}
	for _, err := range f.Children(t.Context(), filesystem.Ref{Entry: 1 << 41}) {
		if err == nil {
			t.Error("children of a directory that is not there")
		}
	}
}

func testOpen(t *testing.T, f filesystem.FS, rows []row) {
	const most = 4 << 20
	for _, r := range rows {
		for _, s := range r.streams {
			st, err := f.Open(t.Context(), r.ref, s.Name)
			if err != nil {
				if s.Note == "" {
					t.Errorf("Open %v:%s: %v", r, s.Name, err)
				}
				continue
			}
			if st.Size() != s.Size || st.ValidSize() != s.Initialised || s.Initialised > s.Size {
				t.Errorf("%v:%s: size %d, valid %d, Walk gave %+v", r, s.Name, st.Size(), st.ValidSize(), s)
			}
			b := make([]byte, 16)
			if n, err := st.ReadAt(b, st.Size()); n != 0 || err != io.EOF {
				t.Errorf("%v:%s: read at the end: %d, %v", r, s.Name, n, err)
			}
			if st.Size() > most {
				continue
			}
			whole, err := io.ReadAll(io.NewSectionReader(st, 0, st.Size()))
			if err != nil || int64(len(whole)) != st.Size() {
				t.Errorf("%v:%s: read %d of %d: %v", r, s.Name, len(whole), st.Size(), err)
				continue
			}
			// Any piece equals the piece of the whole.
			for _, off := range []int64{0, 1, st.Size() / 2, st.Size() - 1} {
				if off < 0 || off >= st.Size() {
					continue
				}
				n, err := st.ReadAt(b, off)
				if err != nil && err != io.EOF || string(b[:n]) != string(whole[off:off+int64(n)]) || err == nil && n < len(b) {
					t.Errorf("%v:%s: piece at %d: %d, %v", r, s.Name, off, n, err)
				}
			}
		}
		if _, err := f.Open(t.Context(), r.ref, "no such stream"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: a stream that is not there: %v", r, err)
		}
	}
}

// testLookup: each live path leads to an entry that has it.
func testLookup(t *testing.T, f filesystem.FS, rows []row) {
	has := map[string][]filesystem.Ref{}
	for _, r := range rows {
		for _, n := range r.names {
			if r.state == filesystem.Live && n.Proof == "live" {
				has[n.Path] = append(has[n.Path], r.ref)
			}
		}
	}
	for path, refs := range has {
		ref, stream, err := f.Lookup(t.Context(), path)
		if err != nil || !slices.Contains(refs, ref) || stream != "" {
			t.Errorf("Lookup %q: %v:%s, %v; want one of %v", path, ref, stream, err, refs)
		}
	}
	if _, _, err := f.Lookup(t.Context(), "no such/path"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
}

// testGlob: ** finds each unnamed stream of a live name that the root leads to.
func testGlob(t *testing.T, f filesystem.FS, rows []row) {
	want := map[string]bool{}
	for _, r := range rows {
		for _, n := range r.names {
			if r.state != filesystem.Live || n.Proof != "live" || n.Base == "" {
				continue
			}
			if slices.ContainsFunc(r.streams, func(s filesystem.StreamInfo) bool { return s.Name == "" }) {
				want[n.Path] = true
			}
		}
	}
	got := map[string]bool{}
	for m, err := range f.Glob(t.Context(), []string{"**"}) {
		if err != nil {
			t.Fatal(err)
		}
		got[m.Entry.Names[m.Name].Path] = true
	}
	for p := range want {
		if !got[p] {
			t.Errorf("** does not find %q", p)
		}
	}
	for p := range got {
		if !want[p] {
			t.Errorf("** finds %q, Walk does not", p)
		}
	}
}

func testContext(t *testing.T, f filesystem.FS) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Entry(ctx, filesystem.Ref{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Entry: %v", err)
	}
	if _, _, err := f.Lookup(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Lookup: %v", err)
	}
	for _, err := range f.Glob(ctx, []string{"**"}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Glob: %v", err)
		}
		break
	}
}

func testInfo(t *testing.T, f filesystem.FS, rows []row) {
	i := f.Info()
	n := map[filesystem.State]int{}
	for _, r := range rows {
		n[r.state]++
	}
	if i.Entries != len(rows) || i.LiveCount != n[filesystem.Live] || i.Deleted != n[filesystem.Deleted] || i.Orphans != n[filesystem.Orphan] {
		t.Errorf("Info says %d entries, %d live, %d deleted, %d orphans; Walk gave %d: %v", i.Entries, i.LiveCount, i.Deleted, i.Orphans, len(rows), n)
	}
	if i.Kind == "" || i.ClusterSize <= 0 {
		t.Errorf("%+v", i)
	}
}
