package execution

import (
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

func pf(t testing.TB, name string) artifacttest.Source {
	b, err := os.ReadFile("../../../parsers/scca/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return artifacttest.Source{Path: "Windows/Prefetch/" + name, Data: b}
}

// TestPrefetch: times and counts are those of sccainfo.
func TestPrefetch(t *testing.T) {
	r := artifacttest.Run(t, Prefetch, pf(t, "v30-296.pf"))
	want := strings.Join([]string{
		"2022-10-16T02:19:46.4534496Z  last run  executed  PY.EXE started: last run; run count 3",
		"2022-10-16T02:19:40.5010272Z  run  executed  PY.EXE started: run; run count 3",
		"2022-10-16T02:19:27.5473938Z  run  executed  PY.EXE started: run; run count 3", ""}, "\n")
	if got := artifacttest.Text(r.Events); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if e := r.Events[0]; e.Path != "PROGRAMDATA/PACKAGE CACHE/265A53F5934763C454C074B743797755FE65DAD6/PY.EXE" ||
		e.Program != `\VOLUME{01d6828290579d13-4290933e}\PROGRAMDATA\PACKAGE CACHE\265A53F5934763C454C074B743797755FE65DAD6\PY.EXE` {
		t.Errorf("path %q, program %q", e.Path, e.Program)
	}
	if f := r.Facts[0]; f.From.String() != "2022-10-16T02:19:27.5473938Z" || f.To.String() != "2022-10-16T02:19:46.4534496Z" {
		t.Errorf("coverage %+v", f)
	}
}

// TestPrefetchFirstSeen: the birth of the file is the first run only where no
// older run can have been forgotten.
func TestPrefetchFirstSeen(t *testing.T) {
	src := pf(t, "v23.pf")                  // run twice; one time kept: 2016-01-16 20:27:01
	born := event.Ticks(130974000000000000) // earlier that day
	src.Times = artifact.FileTimes{FNCreated: born}
	r := artifacttest.Read(Prefetch, src)
	if n := len(r.Events); n != 2 || r.Events[1].Ticks != born || r.Events[1].Clock != event.FileSystem {
		t.Errorf("%s", artifacttest.Text(r.Events))
	}
}

func TestPrefetchCorpus(t *testing.T) {
	events, files := 0, 0
	for _, row := range corpus.Truth(t, "prefetch") {
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		r := artifacttest.Read(Prefetch, artifacttest.Source{Path: row["file"], Data: b})
		if row["version"] == "" {
			if r.Err == nil && len(r.Problems) == 0 {
				t.Errorf("%s: damage is silent", row["file"])
			}
			continue
		}
		files++
		want := len(strings.Fields(row["last_runs"]))
		got := 0
		for _, e := range r.Events {
			if !e.Fact {
				got++
			}
		}
		if r.Err != nil || got != want || !r.Counts.Reconciles() {
			t.Errorf("%s: %d events, want %d, %v", row["file"], got, want, r.Err)
		}
		events += got
		if i := slices.IndexFunc(r.Events, func(e event.Event) bool { return e.Program == "" && !strings.Contains(row["file"], "NTOSBOOT") }); i >= 0 {
			t.Errorf("%s: no program", row["file"])
		}
	}
	t.Logf("%d events from %d files", events, files)
}
