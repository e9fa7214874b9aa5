package execution

import (
	"context"
	"errors"
	"iter"
	"testing"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/problem"
)

// folder is a volume with so many prefetch files, one born each second.
type folder struct {
	filesystem.FS
	files             int
	prefetch, windows bool // the folder, and Windows, are there
}

func (f folder) Lookup(_ context.Context, path string) (filesystem.Ref, string, error) {
	if path == "Windows/Prefetch" && f.prefetch || path == "Windows/System32" && f.windows {
		return filesystem.Ref{Entry: 77, Sequence: 2}, "", nil
	}
	return filesystem.Ref{}, "", errors.New("not there")
}

func (f folder) Glob(context.Context, []string) iter.Seq2[filesystem.Match, error] {
	return func(yield func(filesystem.Match, error) bool) {
		for i := range f.files {
			born := event.Ticks(129600000000000000 + uint64(i)*1e7)
			e := &filesystem.Entry{SI: filesystem.Times{Modified: born + 5e6}, Names: []filesystem.Name{{Times: filesystem.Times{Created: born}}}}
			if !yield(filesystem.Match{Entry: e}, nil) {
				return
			}
		}
	}
}

func TestPrefetchFolder(t *testing.T) {
	for _, c := range []struct {
		name    string
		fs      folder
		version string
		want    []coverage.Fact
	}{
		{"some", folder{files: 3, prefetch: true}, "6.1", []coverage.Fact{{History: coverage.Recording, State: coverage.Read, From: 129600000000000000, To: 129600000025000000}}},
		{"full", folder{files: 128, prefetch: true}, "6.1", []coverage.Fact{
			{History: coverage.Wrapped, State: coverage.Read, To: 129600000000000000},
			{History: coverage.Recording, State: coverage.Read, From: 129600000000000000, To: 129600001275000000}}},
		{"not full from 8 on", folder{files: 128, prefetch: true}, "6.3", []coverage.Fact{{History: coverage.Recording, State: coverage.Read, From: 129600000000000000, To: 129600001275000000}}},
		{"empty", folder{prefetch: true}, "10.0", []coverage.Fact{{History: coverage.UnknownBefore, State: coverage.Read}}},
		{"no folder", folder{windows: true}, "6.1", []coverage.Fact{{History: coverage.UnknownBefore, State: coverage.Absent}}},
		{"no Windows", folder{}, "6.1", nil},
	} {
		var got []coverage.Fact
		in := &artifact.VolumeInput{FS: c.fs, Machine: &artifact.Machine{Version: c.version}, Report: func(problem.Problem) {}, Cover: func(f coverage.Fact) { got = append(got, f) }}
		if err := PrefetchFolder.Read(t.Context(), in, func(*event.Event) error { return nil }); err != nil || len(got) != len(c.want) {
			t.Errorf("%s: %v, %+v", c.name, err, got)
			continue
		}
		for i, w := range c.want {
			if g := got[i]; g.History != w.History || g.State != w.State || g.From != w.From || g.To != w.To {
				t.Errorf("%s: %+v, want %+v", c.name, g, w)
			}
		}
	}
}
