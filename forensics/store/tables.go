package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

// Origin is a further place of an event that stands once in events or facts.
type Origin struct {
	ID        event.ID
	At        locator.Locator
	Source    string
	Length    int64
	Record    string
	Recovered event.Recovered
}

// scanTable streams all rows of one table, exhibit by exhibit.
func scanTable[R any](ctx context.Context, s *Store, d Dataset, exhibits []string) iter.Seq2[*R, error] {
	return func(yield func(*R, error) bool) {
		for _, x := range s.exhibits {
			if len(exhibits) > 0 && !slices.Contains(exhibits, x) {
				continue
			}
			names, err := parts(s.caseDir, d, x)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, name := range names {
				if ok := scanFile(ctx, name, yield); !ok {
					return
				}
			}
		}
	}
}

// scanFile yields the rows of one file; false ends the scan.
func scanFile[R any](ctx context.Context, name string, yield func(*R, error) bool) bool {
	f, err := os.Open(name)
	if err != nil {
		return yield(nil, err)
	}
	defer f.Close()
	r := parquet.NewGenericReader[R](f)
	defer r.Close()
	buf := make([]R, 512)
	for {
		if ctx.Err() != nil {
			yield(nil, context.Cause(ctx))
			return false
		}
		n, err := r.Read(buf)
		for i := range buf[:n] {
			if !yield(&buf[i], nil) {
				return false
			}
		}
		if err == io.EOF {
			return true
		}
		if err != nil {
			yield(nil, fmt.Errorf("%s: %w", name, err))
			return false
		}
		clear(buf[:n])
	}
}

// mapped turns rows into values.
func mapped[R, V any](rows iter.Seq2[*R, error], of func(*R) V) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		for r, err := range rows {
			var v V
			if err == nil {
				v = of(r)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Coverage gives the coverage facts of the exhibits, of all where none is named.
func (s *Store) Coverage(ctx context.Context, exhibits ...string) iter.Seq2[coverage.Fact, error] {
	return mapped(scanTable[coverageRow](ctx, s, Coverage, exhibits), func(r *coverageRow) coverage.Fact {
		return coverage.Fact{
			Machine: r.Machine, Artifact: r.Artifact, At: r.locator(r.Exhibit), Source: r.Source,
			From: event.Ticks(r.FromTicks), To: event.Ticks(r.ToTicks), History: coverage.History(r.History),
			State: coverage.State(r.State), Untrusted: r.Untrusted, How: r.How,
			First: uint64(r.First), Last: uint64(r.Last), Gaps: uint64(r.Gaps), Evidence: r.Evidence,
		}
	})
}

// Problems gives what could not be read.
func (s *Store) Problems(ctx context.Context, exhibits ...string) iter.Seq2[problem.Problem, error] {
	return mapped(scanTable[problemRow](ctx, s, Problems, exhibits), func(r *problemRow) problem.Problem {
		return problem.Problem{
			At: r.locator(r.Exhibit), Source: r.Source, Artifact: r.Artifact, Length: r.Length,
			Kind: problem.Kind(r.Kind), Severity: problem.Severity(r.Severity), Expected: r.Expected, Found: r.Found,
		}
	})
}

// Sources gives what was parsed.
func (s *Store) Sources(ctx context.Context, exhibits ...string) iter.Seq2[coverage.Source, error] {
	return mapped(scanTable[sourceRow](ctx, s, Sources, exhibits), func(r *sourceRow) coverage.Source {
		return coverage.Source{
			Artifact: r.Artifact, At: r.locator(r.Exhibit), Source: r.Source, Size: r.Size,
			Counts: coverage.Counts{Declared: r.Declared, Decoded: r.Decoded, Recovered: r.Recovered, Failed: r.Failed},
			State:  coverage.State(r.State), SHA256: r.SHA256,
		}
	})
}

// Origins gives the further places of events, in the order of their ids.
func (s *Store) Origins(ctx context.Context, exhibits ...string) iter.Seq2[Origin, error] {
	return mapped(scanTable[originRow](ctx, s, Origins, exhibits), func(r *originRow) Origin {
		return Origin{r.ID, r.locator(r.Exhibit), r.Source, r.Length, r.Record, event.Recovered(r.Recovered)}
	})
}

// Files gives every name and stream of every entry, in the order of volume,
// snapshot and entry.
func (s *Store) Files(ctx context.Context, exhibits ...string) iter.Seq2[*File, error] {
	return mapped(scanTable[fileRow](ctx, s, Files, exhibits), fileOf)
}

func fileOf(r *fileRow) *File {
	f := &File{
		Exhibit: r.Exhibit, Machine: r.Machine, Volume: int(r.Volume), Snapshot: int(r.Snapshot),
		Entry: uint64(r.Entry), Sequence: uint16(r.Sequence), Kind: r.Kind, State: r.State,
		Path: r.Path, PathProof: r.PathProof, ParentEntry: uint64(r.ParentEntry), ParentSequence: uint16(r.ParentSequence),
		Link: int(r.Link), Stream: r.Stream, Size: r.Size, Initialised: r.Initialised, Allocated: r.Allocated, Note: r.Note,
		Attributes: uint32(r.Attributes), ReparseTag: uint32(r.ReparseTag), SHA256: r.SHA256,
		SI: Times{event.Ticks(r.SICreatedTicks), event.Ticks(r.SIModifiedTicks), event.Ticks(r.SIChangedTicks), event.Ticks(r.SIAccessedTicks)},
		FN: Times{event.Ticks(r.FNCreatedTicks), event.Ticks(r.FNModifiedTicks), event.Ticks(r.FNChangedTicks), event.Ticks(r.FNAccessedTicks)},
	}
	if r.Flags != "" {
		f.Flags = strings.Split(r.Flags, ",")
	}
	if r.PathUTF16 != "" {
		f.PathUTF16, _ = hex.DecodeString(r.PathUTF16) // written by this package
	}
	for p := r.Problems; len(p) > 2; { // a JSON list of texts
		v, rest, ok := jsonText(p[1:])
		if !ok {
			break
		}
		f.Problems, p = append(f.Problems, v), rest
	}
	return f
}
