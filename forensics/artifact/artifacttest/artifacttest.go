// Package artifacttest is the contract of artifacts as a suite: whoever writes
// a Spec calls Run on a real source of it.
package artifacttest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

// Source is what a Spec reads in a test.
type Source struct {
	Path     string // from the volume's root
	Data     []byte
	Siblings map[string][]byte // by name, of the same folder
	Machine  *artifact.Machine // nil knows nothing
	Times    artifact.FileTimes
	State    event.Recovered
}

// Result is what came of reading a source.
type Result struct {
	Events   []event.Event
	Problems []problem.Problem
	Facts    []coverage.Fact
	Counts   coverage.Counts
	Err      error
}

// Read reads a source once, as the builder would.
func Read(spec artifact.Spec, src Source) Result {
	var r Result
	in := input(&r, src)
	r.Err = spec.Read(context.Background(), in, func(e *event.Event) error {
		kept := *e
		kept.Fields = slices.Clone(e.Fields)
		r.Events = append(r.Events, kept)
		return nil
	})
	r.Counts = in.Counts
	return r
}

func input(r *Result, src Source) *artifact.Input {
	m := src.Machine
	if m == nil {
		m = &artifact.Machine{}
	}
	in := &artifact.Input{
		At: locator.Locator{Exhibit: "test", Volume: 1, Entry: 100, Sequence: 1}, Source: src.Path, Name: path.Base(src.Path),
		Size: int64(len(src.Data)), R: bytes.NewReader(src.Data), Times: src.Times, State: src.State, Machine: m,
		Report: func(p problem.Problem) { r.Problems = append(r.Problems, p) },
		Cover:  func(f coverage.Fact) { r.Facts = append(r.Facts, f) },
	}
	in.Sibling = func(name string) (*artifact.Input, bool) {
		for have, data := range src.Siblings {
			if strings.EqualFold(have, name) {
				return input(r, Source{Path: path.Join(path.Dir(src.Path), have), Data: data, Siblings: src.Siblings, Machine: m}), true
			}
		}
		return nil, false
	}
	return in
}

var nameShape = regexp.MustCompile(`^[a-z]+/[a-z0-9-]+$`)

// Card checks what every Spec must say of itself.
func Card(t *testing.T, spec artifact.Spec) {
	t.Helper()
	if !nameShape.MatchString(spec.Name) || spec.Title == "" || spec.Limit <= 0 || spec.Family == "" || spec.Read == nil {
		t.Errorf("%q: name, title, limit, family or reader is missing", spec.Name)
	}
	if len(spec.Globs) == 0 && spec.Loose == nil {
		t.Errorf("%s: nothing finds it", spec.Name)
	}
	v := reflect.ValueOf(spec.Card)
	for i := range v.NumField() {
		if strings.TrimSpace(v.Field(i).String()) == "" {
			t.Errorf("%s: card says nothing of %s", spec.Name, v.Type().Field(i).Name)
		}
	}
}

// Run is the suite: the card, the form of every event, the account of records,
// the same twice, and that no cut loses a record in silence. src must be sound
// and give events.
func Run(t *testing.T, spec artifact.Spec, src Source) Result {
	t.Helper()
	Card(t, spec)
	whole := Read(spec, src)
	if whole.Err != nil {
		t.Fatalf("%s: %v", spec.Name, whole.Err)
	}
	if len(whole.Events) == 0 {
		t.Fatalf("%s: no event from %s", spec.Name, src.Path)
	}
	if !whole.Counts.Reconciles() || whole.Counts.Decoded+whole.Counts.Recovered == 0 {
		t.Errorf("%s: counts do not reconcile: %+v", spec.Name, whole.Counts)
	}
	if len(whole.Facts) == 0 {
		t.Errorf("%s: no coverage fact", spec.Name)
	}
	for i := range whole.Events {
		Event(t, spec, &whole.Events[i], int64(len(src.Data)))
	}
	if again := Read(spec, src); !reflect.DeepEqual(whole, again) {
		t.Errorf("%s: two readings differ", spec.Name)
	}
	truncation(t, spec, src, len(whole.Events))
	return whole
}

// Event checks the form of one event.
func Event(t *testing.T, spec artifact.Spec, e *event.Event, size int64) {
	t.Helper()
	if e.Action == "" || e.Message == "" {
		t.Errorf("%s: event without action or message: %+v", spec.Name, e)
	}
	if e.Fact && e.Ticks != 0 || !e.Fact && e.Meaning == "" {
		t.Errorf("%s: a fact has no time, an event has a meaning: %+v", spec.Name, e)
	}
	if e.At.Offset < 0 || e.At.Offset > size || e.Length < 0 || e.Length > size {
		t.Errorf("%s: record at %d of length %d in %d bytes", spec.Name, e.At.Offset, e.Length, size)
	}
	last := -1
	for _, f := range e.Fields {
		i := slices.Index(spec.Fields, f.Name)
		switch {
		case i < 0:
			t.Errorf("%s: field %q is not in its list", spec.Name, f.Name)
		case i < last:
			t.Errorf("%s: field %q is out of order", spec.Name, f.Name)
		}
		last = max(last, i)
	}
}

// truncation cuts the source: whoever gives fewer events says so.
func truncation(t *testing.T, spec artifact.Spec, src Source, want int) {
	t.Helper()
	whole := src.Data
	rng := rand.New(rand.NewPCG(1, 2))
	cuts := []int{0, 1, len(whole) - 1, len(whole) / 2}
	for range 60 {
		cuts = append(cuts, rng.IntN(max(len(whole), 1)))
	}
	for _, n := range cuts {
		if n < 0 || n >= len(whole) || n > 0 && whole[n-1] == '\n' || n > 1 && whole[n-2] == '\n' && whole[n-1] == 0 {
			continue // a text that ends after a line does not show that others followed
		}
		src.Data = whole[:n]
		r := Read(spec, src)
		if len(r.Events) < want && r.Err == nil && len(r.Problems) == 0 {
			t.Errorf("%s: cut at %d of %d: %d of %d events, loss is silent", spec.Name, n, len(whole), len(r.Events), want)
		}
		if !r.Counts.Reconciles() {
			t.Errorf("%s: cut at %d: counts do not reconcile: %+v", spec.Name, n, r.Counts)
		}
	}
}

// Text names, one a line and in order, what tests compare: time, meaning,
// action, and message.
func Text(events []event.Event) string {
	var b strings.Builder
	for _, e := range events {
		if e.Precision == "" {
			e.Precision = event.Exact
		}
		b.WriteString(e.Ticks.Format(e.Precision) + "  " + e.Meaning + "  " + string(e.Action) + "  " + e.Message + "\n")
	}
	return b.String()
}
