package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/internal/work"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

// Item is a file to describe.
type Item struct {
	Source string
	At     locator.Locator
	Open   func(ctx context.Context) (io.ReaderAt, int64, io.Closer, error) // the closer may be nil
}

// Many describes files, n at once, and gives the rows in the order of the
// items. A file that cannot be opened is a row with a problem.
func Many(ctx context.Context, n int, items iter.Seq[Item], o Options, emit func(Item, *Facts, []problem.Problem) error) error {
	type result struct {
		item     Item
		facts    *Facts
		problems []problem.Problem
	}
	return work.Ordered(ctx, n, items, func(ctx context.Context, it Item) result {
		mine := o
		mine.Source, mine.At = it.Source, it.At
		f, ps := describeItem(ctx, it, mine)
		return result{it, f, ps}
	}, func(r result) error { return emit(r.item, r.facts, r.problems) })
}

func describeItem(ctx context.Context, it Item, o Options) (*Facts, []problem.Problem) {
	r, size, closer, err := it.Open(ctx)
	if err != nil {
		p := problem.From(it.At, problem.Unreadable, problem.Lost, err)
		p.Source, p.Artifact = it.Source, "program"
		d := description{o: o}
		w := &Facts{File: it.Source, State: Unknown, Problems: []Problem{{Kind: p.Kind, Severity: p.Severity, Found: p.Found}}}
		w.fill()
		return w, d.problems(w)
	}
	if closer != nil {
		defer closer.Close()
	}
	return Describe(ctx, r, size, o)
}

// maxCatalogue bounds one catalogue; those of the largest updates have a few
// megabytes.
const maxCatalogue = 32 << 20

// Load reads all catalogues of a volume's CatRoot, in path order. Volumes of
// one machine go into one set.
func (c *Catalogues) Load(ctx context.Context, fs filesystem.FS, at locator.Locator) error {
	type found struct {
		path string
		ref  filesystem.Ref
		size int64
	}
	var all []found
	for m, err := range fs.Glob(ctx, []string{CatalogueGlob}) {
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			c.Missing(problem.From(at, problem.Malformed, problem.Lost, fmt.Errorf("look for catalogues: %w", err)))
			continue
		}
		if m.Entry.Kind != filesystem.File || m.Stream != "" {
			continue
		}
		size := int64(0)
		for _, s := range m.Entry.Streams {
			if s.Name == "" {
				size = s.Size
			}
		}
		all = append(all, found{m.Entry.Names[m.Name].Path, m.Entry.Ref, size})
	}
	slices.SortFunc(all, func(a, b found) int { return strings.Compare(a.path, b.path) })
	for _, f := range all {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		place := at
		place.Entry, place.Sequence = f.ref.Entry, f.ref.Sequence
		b, err := readStream(ctx, fs, f.ref, f.size)
		if err != nil {
			p := problem.From(place, problem.Unreadable, problem.Lost, fmt.Errorf("read catalogue: %w", err))
			p.Source = f.path
			c.Missing(p)
			continue
		}
		c.Add(place, f.path, b)
	}
	return nil
}

func readStream(ctx context.Context, fs filesystem.FS, ref filesystem.Ref, size int64) ([]byte, error) {
	if size > maxCatalogue {
		return nil, fmt.Errorf("%d bytes, the limit is %d", size, int64(maxCatalogue))
	}
	s, err := fs.Open(ctx, ref, "")
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(s.Size(), maxCatalogue))
	if n, err := s.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else if n < len(b) {
		return nil, io.ErrUnexpectedEOF
	}
	return b, nil
}
