package timeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/custody"
	"kanshiki/forensics/event"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/store"
)

const base = event.Ticks(129586000000000000) // 2011-08-23

// lineSpec reads files of lines; the words of a line say what becomes of it.
func lineSpec(name string, globs ...string) artifact.Spec {
	return artifact.Spec{
		Name: name, Title: name, Globs: globs, Fields: []string{"line"}, Limit: 1 << 20, Family: artifact.FamilyContent,
		Read: func(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
			b, err := in.Bytes(1 << 20)
			if err != nil {
				return err
			}
			var e event.Event
			off := int64(0)
			for line := range strings.Lines(string(b)) {
				word := strings.TrimSpace(line)
				in.Counts.Declared++
				at := in.At.At(off)
				switch word {
				case "bad":
					in.Counts.Failed++
					in.Report(problem.Problem{At: at, Kind: problem.Malformed, Severity: problem.Lost, Found: word})
				case "panic":
					panic("hostile")
				case "error":
					in.Counts.Failed++
					return errors.New("no more")
				case "silent": // counted and lost
				case "flood":
					in.Counts.Failed++
					for i := range perSource + 20 {
						in.Report(problem.Problem{At: at.At(int64(i)), Kind: problem.Malformed, Severity: problem.Doubt, Found: word})
					}
				case "sibling":
					in.Counts.Decoded++
					sib, ok := in.Sibling(in.Name + ".LOG")
					if !ok {
						return errors.New("no sibling")
					}
					e = event.Event{Ticks: base, Action: event.Other, Meaning: "m", Message: sib.Source, At: sib.At, Length: 1}
					if err := emit(&e); err != nil {
						return err
					}
				default:
					in.Counts.Decoded++
					utc, zone, assumed := in.Machine.Zone.UTC(base + event.Ticks(len(b)))
					e = event.Event{Ticks: utc, Zone: zone, ZoneAssumed: assumed, Action: event.Other, Meaning: "m", Message: word,
						At: at, Length: int64(len(line)), Fields: []event.Field{event.Str("line", word)}}
					e.Fact = word == "fact"
					if err := emit(&e); err != nil {
						return err
					}
				}
				off += int64(len(line))
			}
			return nil
		},
	}
}

func write(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		os.MkdirAll(filepath.Dir(p), 0o777)
		if err := os.WriteFile(p, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func buildFolder(t *testing.T, dir, caseDir string, o Options) (Result, *store.Store) {
	t.Helper()
	ev, err := evidence.Open(t.Context(), dir, evidence.Options{Exhibit: "pc-1", Machine: "PC"})
	if err != nil {
		t.Fatal(err)
	}
	defer ev.Close()
	c, err := custody.Open(caseDir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	o.Now, o.Tool = time.Unix(1, 0), "test 1"
	r, err := Build(t.Context(), c, []*evidence.Evidence{ev}, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(caseDir)
	if err != nil {
		t.Fatal(err)
	}
	return r[0], s
}

func collect[T any](t *testing.T, rows func(func(T, error) bool)) []T {
	t.Helper()
	var out []T
	for v, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func TestEveryEnd(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{
		"C/Logs/good.txt": "a\nb\nfact\n", "C/Logs/bad.txt": "a\nbad\n", "C/Logs/panic.txt": "panic\n", "C/Logs/late.txt": "a\npanic\n",
		"C/Logs/error.txt": "error\n", "C/Logs/silent.txt": "a\nsilent\n", "C/Logs/flood.txt": "a\nflood\n",
		"C/Logs/sib.txt": "sibling\n", "C/Logs/SIB.TXT.log": "x", "C/Logs/large.txt": strings.Repeat("x", 1<<20+1), "C/other.bin": "?",
	})
	specs := []artifact.Spec{lineSpec("test/lines", "Logs/*.txt"), lineSpec("test/absent", "Logs/*.none")}
	r, s := buildFolder(t, dir, filepath.Join(t.TempDir(), "case"), Options{Specs: specs, VolumeSpecs: []artifact.VolumeSpec{}})
	want := map[string]coverage.State{"good": coverage.Read, "bad": coverage.Partly, "panic": coverage.Unreadable, "late": coverage.Partly, "error": coverage.Unreadable,
		"silent": coverage.Read, "flood": coverage.Partly, "sib": coverage.Read, "large": coverage.NotLooked}
	for _, c := range collect(t, s.Sources(t.Context())) {
		name := strings.TrimSuffix(filepath.Base(c.Source), ".txt")
		if c.State != want[name] {
			t.Errorf("%s: %s, want %s", name, c.State, want[name])
		}
		if (c.SHA256 == "") != (name == "large") {
			t.Errorf("%s: digest %q", name, c.SHA256)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("without a row: %v", want)
	}
	if r.States[coverage.Read] != 3 || r.States[coverage.Partly] != 3 || r.States[coverage.Unreadable] != 2 || !r.Gaps() {
		t.Errorf("%v", r.States)
	}
	states := map[string]coverage.State{}
	for _, f := range collect(t, s.Coverage(t.Context())) {
		if old, ok := states[f.Artifact+f.Source]; ok {
			t.Errorf("%s %s has two states: %s and %s", f.Artifact, f.Source, old, f.State)
		}
		states[f.Artifact+f.Source] = f.State
		if f.Machine != "PC" || f.At.Exhibit != "pc-1" {
			t.Errorf("%+v", f)
		}
	}
	if states["test/absent"] != coverage.Absent || states["test/linesC/Logs/panic.txt"] != coverage.Unreadable {
		t.Errorf("%v", states)
	}
	kinds := map[string]problem.Kind{}
	flood := 0
	for _, p := range collect(t, s.Problems(t.Context())) {
		name := strings.TrimSuffix(filepath.Base(p.Source), ".txt")
		if name == "flood" {
			flood++
			continue
		}
		kinds[name] = p.Kind
		if p.Artifact != "test/lines" || p.At.Exhibit != "pc-1" || p.At.Entry == 0 {
			t.Errorf("%+v", p)
		}
	}
	for name, k := range map[string]problem.Kind{"bad": problem.Malformed, "panic": problem.ParserFault, "error": problem.Malformed, "silent": problem.Inconsistent, "large": problem.OverLimit} {
		if kinds[name] != k {
			t.Errorf("%s: %q, want %q", name, kinds[name], k)
		}
	}
	if flood != perSource+1 {
		t.Errorf("%d problems of one source are kept", flood)
	}
	n := 0
	for e, err := range s.Events(t.Context(), store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if e.Artifact != "test/lines" || e.Exhibit != "pc-1" || e.Machine != "PC" || e.ID == (event.ID{}) || e.Source == "" || !e.ZoneAssumed && e.Message != "C/Logs/SIB.TXT.log" {
			t.Errorf("%+v", e)
		}
	}
	// Two lines say the same at the same time in two files each: one row, and an origin.
	if facts, err := s.Count(t.Context(), store.Facts, store.Query{}); n != 5 || facts != 1 || err != nil {
		t.Errorf("%d events, %d facts", n, facts)
	}
	if o := collect(t, s.Origins(t.Context())); len(o) != 2 {
		t.Errorf("%d origins", len(o))
	}
	if files := collect(t, s.Files(t.Context())); len(files) != 11 {
		t.Errorf("%d files", len(files))
	}
	if m, err := Machine(s, "pc-1"); err != nil || m.Name != "PC" {
		t.Errorf("%+v %v", m, err)
	}
}

// TestSameBytes: the number of workers decides nothing.
func TestSameBytes(t *testing.T) {
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("Logs/%d.txt", i)] = strings.Repeat(fmt.Sprintf("line %d\nsame\n", i%7), i%50+1)
	}
	dir := write(t, t.TempDir(), files)
	var want map[string]string
	for _, workers := range []int{1, 2, 5} {
		caseDir := filepath.Join(t.TempDir(), "case")
		specs := []artifact.Spec{lineSpec("test/lines", "Logs/*.txt"), lineSpec("test/more", "Logs/1*.txt")}
		buildFolder(t, dir, caseDir, Options{Specs: specs, VolumeSpecs: []artifact.VolumeSpec{}, Workers: workers, Memory: 1 << 22})
		got := map[string]string{}
		filepath.WalkDir(filepath.Join(caseDir, "store"), func(p string, d fs.DirEntry, err error) error {
			if !d.IsDir() {
				b, _ := os.ReadFile(p)
				got[p[len(caseDir):]] = string(b)
			}
			return err
		})
		if want == nil {
			want = got
		}
		if len(got) != len(want) || len(got) < 8 {
			t.Fatalf("%d files", len(got))
		}
		for name, b := range got {
			if b != want[name] {
				t.Errorf("%d workers: %s differs", workers, name)
			}
		}
	}
}

// TestCancel: a run that is interrupted leaves the old rows and no litter.
func TestCancel(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{"Logs/a.txt": "a\n"})
	caseDir := filepath.Join(t.TempDir(), "case")
	specs := []artifact.Spec{lineSpec("test/lines", "Logs/*.txt")}
	buildFolder(t, dir, caseDir, Options{Specs: specs, VolumeSpecs: []artifact.VolumeSpec{}})
	ctx, cancel := context.WithCancel(t.Context())
	specs[0].Read = func(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
		cancel()
		return emit(&event.Event{})
	}
	ev, err := evidence.Open(ctx, dir, evidence.Options{Exhibit: "pc-1"})
	if err != nil {
		t.Fatal(err)
	}
	defer ev.Close()
	c, err := custody.Open(caseDir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := Build(ctx, c, []*evidence.Evidence{ev}, Options{Specs: specs, VolumeSpecs: []artifact.VolumeSpec{}}); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	s, err := store.Open(caseDir)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Count(t.Context(), store.Events, store.Query{}); n != 1 || err != nil {
		t.Errorf("%d rows (%v)", n, err)
	}
	if _, err := os.Stat(filepath.Join(caseDir, "store", ".tmp")); err == nil {
		t.Error("store/.tmp is left")
	}
}

func TestLoose(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{"proxy.log": "a\n", "x.bin": "?\n"})
	spec := lineSpec("test/lines")
	spec.Loose = func(name string, head []byte) bool { return strings.HasSuffix(name, ".log") && string(head) == "a\n" }
	for name, want := range map[string]int64{"proxy.log": 1, "x.bin": 0} {
		r, s := buildFolder(t, filepath.Join(dir, name), filepath.Join(t.TempDir(), "case"), Options{Specs: []artifact.Spec{spec}, VolumeSpecs: []artifact.VolumeSpec{}})
		n, err := s.Count(t.Context(), store.Events, store.Query{})
		if n != want || err != nil || r.Gaps() != (want == 0) {
			t.Errorf("%s: %d events, gaps %v (%v)", name, n, r.Gaps(), err)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"**/windows/prefetch/*.pf", "windows/prefetch/a.pf", true}, {"**/windows/prefetch/*.pf", "x/y/windows/prefetch/a.pf", true},
		{"**/windows/prefetch/*.pf", "windows/prefetch/sub/a.pf", false}, {"a/**/b", "a/b", true}, {"a/**/b", "a/x/y/b", true}, {"a/**", "b/a", false}, {"a?c*", "abcd", true},
	} {
		if got := globParts(strings.Split(c.pattern, "/"), strings.Split(c.path, "/")); got != c.want {
			t.Errorf("%s %s: %v", c.pattern, c.path, got)
		}
	}
}

func TestEras(t *testing.T) {
	for _, c := range []struct {
		name, version string
		build         int
		want          bool
	}{
		{"network/srum", "6.1", 7601, true}, {"network/srum", "10.0", 19041, false}, {"network/srum", "", 0, false},
		{"execution/bam", "10.0", 14393, true}, {"execution/bam", "10.0", 17763, false}, {"execution/bam", "6.3", 9600, true},
		{"execution/recentfilecache", "6.1", 7601, false}, {"execution/recentfilecache", "6.2", 9200, true}, {"execution/recentfilecache", "6.0", 6002, true},
		{"test/unknown", "5.1", 2600, false}, {"eventlog/evt", "6.1", 7601, true}, {"eventlog/evt", "5.2", 3790, false},
	} {
		if got := notIn(c.name, c.version, c.build); got != c.want {
			t.Errorf("%s in %s %d: %v", c.name, c.version, c.build, got)
		}
	}
}
