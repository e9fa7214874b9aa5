package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

const day = event.Ticks(864000000000)
const base = event.Ticks(129586000000000000) // 2011-08-23

func sample(r *rand.Rand, i int) *event.Event {
	var x event.Identifier
	e := &event.Event{
		Machine: "PC-0231", Ticks: base + event.Ticks(r.IntN(1000))*day/100, Clock: event.FileSystem,
		Meaning: "$SI macb  $FN macb", Artifact: "filesystem/mft", Action: event.Created, MACB: 0xFF,
		Path:  fmt.Sprintf("Users/sato/Documents/%d/条約 %d.doc", i%97, i),
		Entry: uint64(i), Sequence: uint16(i%7 + 1), Message: fmt.Sprintf("created 条約 %d.doc", i),
		Fields: []event.Field{event.Int("size", i), event.Str("kind", "file"), event.List("streams", []string{"a,b", `c"d`})},
		At:     locator.Locator{Exhibit: "pc-1", Volume: 2, Entry: 0, Sequence: 1, Offset: int64(i) * 1024},
		Source: "$MFT", Length: 1024, Record: fmt.Sprint(i),
	}
	x.Identify(e)
	return e
}

// build fills an exhibit from n workers.
func build(t testing.TB, dir, exhibit string, workers int, memory int64, events []*event.Event) Totals {
	b, err := Create(dir, exhibit, Options{Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for w := range workers {
		go func() {
			a := b.Appender()
			for i, e := range events {
				if i%workers == w {
					a.ordinal = uint32(i)
					if err := a.Add(e); err != nil {
						done <- err
						return
					}
				}
			}
			done <- a.Close()
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	tot, err := b.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return tot
}

func all(t *testing.T, dir string, d Dataset, q Query) []event.Event {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []event.Event
	for e, err := range s.seek(t.Context(), d, q) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, *e)
	}
	n, err := s.Count(t.Context(), d, q)
	if err != nil || n != int64(len(out)) {
		t.Errorf("count %d (%v), rows %d", n, err, len(out))
	}
	return out
}

// TestRoundTrip writes rows with every column set and reads them back.
func TestRoundTrip(t *testing.T) {
	sent, got := int64(0), int64(18_300_000)
	full := event.Event{
		Exhibit: "pc-1", Machine: "PC", Ticks: base + 1, Precision: event.Milli, Clock: event.LocalTime, Zone: "Tokyo Standard Time", ZoneAssumed: true,
		Meaning: "last run", Artifact: "execution/prefetch", Action: event.Executed, MACB: event.SIBorn | event.FNBorn,
		Path: "a/\xed\xa0\x80b", Entry: 5, Sequence: 6, Stream: "s", Program: "p\x00q", UserSID: "S-1-5", User: "佐藤", Host: "h", Address: "198.51.100.23", Port: 443,
		URL: "http://x/", Device: "d", RegistryKey: `HKLM\SYSTEM`, RegistryValue: "v", Mail: "a@b", SHA256: strings.Repeat("ab", 32),
		BytesSent: &sent, BytesReceived: &got, Message: "line \u202e", At: locator.Locator{Exhibit: "pc-1", Volume: 1, Snapshot: 2, Entry: 3, Sequence: 4, Stream: "x", Inner: "in", Offset: -7},
		Fields: []event.Field{event.Str("a", "x\n\"\\\u2028é\x01"), event.Uint("n", uint64(1<<63)), event.Bool("b", true), event.Raw("r", `{"k":[1,"]"]}`)},
		Source: "Windows/Prefetch/x.pf", Length: 8, Record: "1", Recovered: event.InSlack, ID: event.ID{1, 2, 3},
	}
	fact := full
	fact.Fact, fact.Ticks, fact.From, fact.To, fact.ID = true, 0, base, base+day, event.ID{9}
	bare := event.Event{ID: event.ID{7}, Exhibit: "pc-1", Precision: event.Exact, Clock: event.SystemUTC, Recovered: event.Allocated, At: locator.Locator{Exhibit: "pc-1"}}
	dir := t.TempDir()
	tot := build(t, dir, "pc-1", 1, 0, []*event.Event{&bare, &fact, &full})
	if tot.Events != 2 || tot.Facts != 1 {
		t.Fatalf("%+v", tot)
	}
	ev := all(t, dir, Events, Query{})
	if !reflect.DeepEqual(flat(ev[0]), flat(full)) {
		t.Errorf("got  %+v\nwant %+v", ev[0], full)
	}
	if !reflect.DeepEqual(flat(ev[1]), flat(bare)) { // no time: last
		t.Errorf("got  %+v\nwant %+v", ev[1], bare)
	}
	fa := all(t, dir, Facts, Query{})
	if !reflect.DeepEqual(flat(fa[0]), flat(fact)) {
		t.Errorf("got  %+v\nwant %+v", fa[0], fact)
	}
}

// flat makes fields comparable: a number read back is ready JSON.
func flat(e event.Event) event.Event {
	e.Fields = []event.Field{event.Raw("", string(event.AppendFields(nil, e.Fields)))}
	return e
}

// TestSameBytes builds the same rows with one and three workers, in memory and
// through runs on disk.
func TestSameBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var events []*event.Event
	for i := range 60_000 {
		events = append(events, sample(r, i))
	}
	var want map[string]string
	for _, c := range []struct {
		workers int
		memory  int64
	}{{1, 0}, {3, 0}, {3, 1 << 20}} {
		dir := t.TempDir()
		if tot := build(t, dir, "pc-1", c.workers, c.memory, events); tot.Events != int64(len(events)) {
			t.Fatalf("%+v", tot)
		}
		got := map[string]string{}
		filepath.Walk(dir, func(name string, fi os.FileInfo, err error) error {
			if !fi.IsDir() {
				b, _ := os.ReadFile(name)
				got[name[len(dir):]] = string(b)
			}
			return err
		})
		if want == nil {
			want = got
		}
		if len(got) != 8 || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: %d files differ from one worker's %d", c, len(got), len(want))
		}
		if exists(filepath.Join(dir, "store", ".tmp")) {
			t.Error("store/.tmp is left")
		}
	}
}

func TestQuery(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var events []*event.Event
	for i := range 30_000 {
		e := sample(r, i)
		if i%5 == 0 {
			e.Artifact, e.Action, e.Path, e.Entry, e.Sequence, e.MACB = "execution/prefetch", event.Executed, "Windows/Prefetch/A.EXE", 0, 0, 0
		}
		events = append(events, e)
	}
	dir := t.TempDir()
	build(t, dir, "pc-1", 2, 0, events[:20_000])
	build(t, dir, "pc-2", 2, 0, events[20_000:])
	from, to := base+3*day, base+4*day
	for name, c := range map[string]struct {
		q  Query
		is func(e *event.Event) bool
	}{
		"all":      {Query{}, func(e *event.Event) bool { return true }},
		"range":    {Query{From: from, To: to}, func(e *event.Event) bool { return e.Ticks >= from && e.Ticks < to }},
		"open":     {Query{From: to}, func(e *event.Event) bool { return e.Ticks >= to }},
		"artifact": {Query{Artifacts: []string{"execution/*"}}, func(e *event.Event) bool { return e.Artifact != "filesystem/mft" }},
		"action":   {Query{Actions: []event.Action{event.Executed}, From: from}, func(e *event.Event) bool { return e.Action == event.Executed && e.Ticks >= from }},
		"text":     {Query{Text: "約 123"}, func(e *event.Event) bool { return strings.Contains(e.Path+e.Message, "約 123") }},
		"fold":     {Query{Text: "a.ExE"}, func(e *event.Event) bool { return strings.Contains(e.Path, "A.EXE") }},
		"where": {Query{Where: []Where{{"path", "users/*/7/*9.doc"}, {"entry", "2*"}}}, func(e *event.Event) bool {
			m := matchFold("users/*/7/*9.doc", e.Path)
			return m && fmt.Sprint(e.Entry)[0] == '2'
		}},
		"no macb": {Query{Where: []Where{{"macb", ""}}}, func(e *event.Event) bool { return e.MACB == 0 }},
	} {
		want := 0
		for _, e := range events {
			if c.is(e) {
				want++
			}
		}
		got := all(t, dir, Events, c.q)
		if len(got) != want || want == 0 {
			t.Errorf("%s: %d rows, want %d", name, len(got), want)
		}
		c.q.Backward = true
		back := all(t, dir, Events, c.q)
		slices.Reverse(back)
		if len(back) != len(got) || !slices.IsSortedFunc(got, func(a, b event.Event) int { return int(int64(a.Ticks) - int64(b.Ticks)) }) {
			t.Errorf("%s: order", name)
		}
		c.q.Limit = 7
		if n := len(all(t, dir, Events, c.q)); n != 7 {
			t.Errorf("%s: limit gives %d", name, n)
		}
	}
	s, _ := Open(dir)
	want := events[123]
	e, err := s.Event(t.Context(), want.ID.String()[:13])
	if err != nil || e.ID != want.ID || e.Path != want.Path {
		t.Errorf("%v %v", e, err)
	}
	if _, err := s.Event(t.Context(), "0"); err == nil || !strings.Contains(err.Error(), "more than one") {
		t.Errorf("%v", err)
	}
	for e, err := range s.Events(t.Context(), Query{Columns: []string{"path"}, Limit: 1}) {
		if err != nil || e.Path == "" || e.Message != "" || e.Ticks == 0 {
			t.Errorf("%+v %v", e, err)
		}
	}
	if _, err := s.Count(t.Context(), Events, Query{Where: []Where{{"nix", "*"}}}); err == nil {
		t.Error("an unknown column is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.Events(ctx, Query{}) {
		if err == nil {
			t.Error("a cancelled context gives rows")
		}
		break
	}
}

// TestTwins: the record that lies live, in slack and in a shadow copy is one
// row, at its live place, with two origins.
func TestTwins(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	live, other := sample(r, 1), sample(r, 2)
	slack, shadow := *live, *live
	slack.At.Offset, slack.Recovered = 1, event.InSlack
	shadow.At.Snapshot, shadow.At.Offset = 3, 2
	other.Ticks = live.Ticks
	dir := t.TempDir()
	tot := build(t, dir, "pc-1", 2, 0, []*event.Event{&slack, &shadow, other, live})
	if tot.Events != 2 || tot.Origins != 2 {
		t.Fatalf("%+v", tot)
	}
	for _, e := range all(t, dir, Events, Query{}) {
		if e.ID == live.ID && (e.At != live.At || e.Recovered != event.Allocated) {
			t.Errorf("the row stands at %v", e.At)
		}
	}
	s, _ := Open(dir)
	var got []Origin
	for o, err := range s.Origins(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o)
	}
	if len(got) != 2 || got[0].ID != live.ID || got[0].At.Snapshot != 3 || got[1].Recovered != event.InSlack {
		t.Errorf("%+v", got)
	}
}

func TestTables(t *testing.T) {
	dir := t.TempDir()
	b, err := Create(dir, "pc-1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := locator.Locator{Exhibit: "pc-1", Volume: 1, Entry: 9, Sequence: 2, Stream: "s", Inner: "i", Offset: 4}
	fact := coverage.Fact{Machine: "m", Artifact: "a/b", At: at, Source: "x", From: base, History: coverage.Recording, State: coverage.Read, How: "header", First: 1, Last: 9, Gaps: 2, Evidence: "e"}
	prob := problem.Problem{At: at, Source: "x", Artifact: "a/b", Length: 3, Kind: problem.Malformed, Severity: problem.Lost, Expected: "e", Found: "f"}
	src := coverage.Source{Artifact: "a/b", At: at, Source: "x", Size: 5, Counts: coverage.Counts{Declared: 4, Decoded: 2, Recovered: 1, Failed: 1}, State: coverage.Partly, SHA256: "ab"}
	file := File{Exhibit: "pc-1", Machine: "m", Volume: 1, Entry: 9, Sequence: 2, Kind: "file", State: "live", Path: "a/b", PathUTF16: []byte{1, 0xD8}, PathProof: "live",
		ParentEntry: 5, ParentSequence: 5, Link: 1, Stream: "s", Size: 3, Flags: []string{"resident", "sparse"}, Note: "n", Attributes: 0x20, ReparseTag: 0xA000000C,
		SI: Times{base, base + 1, 1 << 63, 0}, SHA256: "cd", Problems: []string{`a"b`, "c,d"}}
	b.Cover(fact, fact)
	b.Problem(prob, prob)
	b.Source(src)
	if err := b.File(&file); err != nil {
		t.Fatal(err)
	}
	if err := b.File(&File{Volume: 1, Entry: 3}); err == nil {
		t.Error("rows out of order are taken")
	}
	tot, err := b.Commit()
	if err != nil || tot != (Totals{Files: 1, Coverage: 1, Problems: 1, Sources: 1}) {
		t.Fatalf("%+v %v", tot, err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for f, err := range s.Coverage(t.Context()) {
		if err != nil || f != fact {
			t.Errorf("%+v %v", f, err)
		}
	}
	for p, err := range s.Problems(t.Context()) {
		if err != nil || p != prob {
			t.Errorf("%+v %v", p, err)
		}
	}
	for c, err := range s.Sources(t.Context()) {
		if err != nil || c != src {
			t.Errorf("%+v %v", c, err)
		}
	}
	for f, err := range s.Files(t.Context()) {
		if err != nil || !reflect.DeepEqual(*f, file) {
			t.Errorf("%+v %v", f, err)
		}
	}
}

// TestKilled leaves a build at each point where a run can die.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(7, 8))
	build(t, dir, "pc-1", 1, 0, []*event.Event{sample(r, 1)})
	fresh := func() {
		other := t.TempDir()
		build(t, other, "pc-1", 1, 0, []*event.Event{sample(r, 2), sample(r, 3)})
		for _, d := range Datasets {
			to := filepath.Join(tmpDir(dir, "pc-1"), "new", string(d))
			os.MkdirAll(filepath.Dir(to), 0o777)
			if err := os.Rename(place1(other, d, "pc-1"), to); err != nil {
				t.Fatal(err)
			}
		}
	}
	fresh() // died before the commit
	if n := len(all(t, dir, Events, Query{})); n != 1 {
		t.Errorf("uncommitted: %d rows", n)
	}
	if err := Recover(dir); err != nil || exists(filepath.Join(dir, "store", ".tmp")) {
		t.Errorf("recover: %v", err)
	}
	if n := len(all(t, dir, Events, Query{})); n != 1 {
		t.Errorf("after recover: %d rows", n)
	}
	fresh() // died between the commit and the renames
	if err := writeSynced(filepath.Join(tmpDir(dir, "pc-1"), "commit"), nil); err != nil {
		t.Fatal(err)
	}
	if n := len(all(t, dir, Events, Query{})); n != 2 {
		t.Errorf("committed: a reader sees %d rows", n)
	}
	os.RemoveAll(place1(dir, Facts, "pc-1")) // and in the middle of them
	os.Rename(filepath.Join(tmpDir(dir, "pc-1"), "new", "facts"), place1(dir, Facts, "pc-1"))
	if err := Recover(dir); err != nil {
		t.Fatal(err)
	}
	if n := len(all(t, dir, Events, Query{})); n != 2 {
		t.Errorf("finished: %d rows", n)
	}
	b, err := Create(dir, "pc-1", Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.Abort()
	if n := len(all(t, dir, Events, Query{})); n != 2 {
		t.Errorf("after abort: %d rows", n)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"*", "", true}, {"a*c", "abc", true}, {"A?C", "aéc", true}, {"a*b*c", "a-b-b-c", true},
		{"a", "ab", false}, {"*.EXE", "x/y.exe", true}, {"É*", "é1", true}, {"a*", "ba", false}, {"**x", "x", true}, {"a\xff", "a\xff", true},
	} {
		if got := matchFold(c.pattern, c.s); got != c.want {
			t.Errorf("%q %q: %v", c.pattern, c.s, got)
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add(`{"a":"b\u0041","n":1,"l":["x",{"y":"}"}]}`)
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parseFields(s)
		if err == nil {
			event.AppendFields(nil, v)
		}
	})
}

func FuzzRun(f *testing.F) {
	var scratch []byte
	f.Add(appendBody(nil, sample(rand.New(rand.NewPCG(1, 1)), 1), &scratch))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c content
		var n numbers
		decodeContent(b, "x", &c, &n)
	})
}

func BenchmarkWrite(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	events := make([]*event.Event, 200_000)
	for i := range events {
		events[i] = sample(r, i)
	}
	b.ReportAllocs()
	for b.Loop() {
		build(b, b.TempDir(), "pc-1", 1, 0, events)
	}
	b.ReportMetric(float64(len(events))*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkQuery(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	events := make([]*event.Event, 200_000)
	for i := range events {
		events[i] = sample(r, i)
	}
	dir := b.TempDir()
	build(b, dir, "pc-1", 1, 0, events)
	s, err := Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		q    Query
	}{{"all", Query{}}, {"range", Query{From: base + day, To: base + day + day/10}}, {"path", Query{Where: []Where{{"path", "*条約 1999.doc"}}}}, {"text", Query{Text: "no such text"}}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				for _, err := range s.Events(b.Context(), c.q) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			b.ReportMetric(float64(len(events))*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
