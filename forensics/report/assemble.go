package report

import (
	"context"
	"fmt"
	"slices"

	"kanshiki/forensics/artifact/all"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/store"
)

// maxRecords bounds the records that the page shows with their bytes; each
// claim keeps the ids of all of its records.
const maxRecords = 1500

// Assemble reads from the store what the page and the JSON file need beside the
// answer itself. bytes reads a record again.
func (r *Report) Assemble(ctx context.Context, st *store.Store, bytes func(context.Context, *event.Event, int64) ([]byte, int64, error)) error {
	carrying := map[event.ID]bool{}
	for _, c := range r.Result.Claims {
		for i, id := range c.Events {
			if i < 40 || len(carrying) < maxRecords {
				carrying[id] = true
			}
		}
	}
	hours := map[event.Ticks]*Hour{}
	take := func(e *event.Event, hot bool) {
		if !e.Ticks.Valid() {
			return
		}
		begin := e.Ticks - e.Ticks%36000000000
		h := hours[begin]
		if h == nil {
			h = &Hour{Begin: begin}
			hours[begin] = h
		}
		h.All++
		if hot {
			h.Hot++
		}
	}
	var records []*event.Event
	keep := func(e *event.Event) {
		c := *e
		c.Fields = slices.Clone(e.Fields)
		records = append(records, &c)
	}
	from, to := r.Result.From, r.Result.To
	near := func(e *event.Event) bool {
		return from.Valid() && e.Ticks >= from.Add(-aDay) && e.Ticks <= to.Add(aDay)
	}
	// Two passes: the first counts, so that the second knows which rows find
	// room in the table: those of the incident before those far from it.
	inside, total := 0, 0
	for e, err := range st.Events(ctx, store.Query{Columns: []string{"id", "time", "ticks"}}) {
		if err != nil {
			return fmt.Errorf("read the timeline: %w", err)
		}
		total++
		if near(e) {
			inside++
		}
	}
	nearOnly := total > MaxRows
	for e, err := range st.Events(ctx, store.Query{}) {
		if err != nil {
			return fmt.Errorf("read the timeline: %w", err)
		}
		hot := carrying[e.ID]
		take(e, hot)
		if hot {
			keep(e)
		}
		if e.Ticks.Valid() && len(r.Table.Rows) < MaxRows && (hot || !nearOnly || near(e) && !bulky(e, inside)) {
			r.Table.Rows = append(r.Table.Rows, Row{e.ID, e.Ticks, e.Artifact, string(e.Action), e.Message, hot})
		}
	}
	for e, err := range st.Facts(ctx, store.Query{}) {
		if err != nil {
			return fmt.Errorf("read the facts: %w", err)
		}
		if carrying[e.ID] {
			keep(e)
		}
	}
	r.Table.Left = total - len(r.Table.Rows)
	r.Sources.Events = total
	for _, h := range hours {
		r.Hours = append(r.Hours, *h)
	}
	slices.SortFunc(r.Hours, func(a, b Hour) int { return int(int64(a.Begin)/36000000000 - int64(b.Begin)/36000000000) })
	r.Hours = trimHours(r.Hours, from, to)
	for _, e := range records[:min(len(records), maxRecords)] {
		if err := ctx.Err(); err != nil {
			return err
		}
		x := Record{Event: e, Length: e.Length, ImageOffset: -1}
		if b, off, err := bytes(ctx, e, MaxBytes); err == nil {
			x.Bytes, x.ImageOffset = b, off
		} else if ctx.Err() != nil {
			return err
		}
		x.Title, x.Card, _ = all.Card(e.Artifact)
		r.Records = append(r.Records, x)
	}
	return r.rest(ctx, st)
}

const aDay = 24 * 3600 * 1e9

// bulky rows give way first where the incident itself is larger than the
// table.
func bulky(e *event.Event, inside int) bool {
	return inside > MaxRows && (e.Artifact == "filesystem/mft" || e.Artifact == "registry/keys")
}

// trimHours leaves out what lies far from the incident: a clock that stood at
// 1601 would make every bar a hair.
func trimHours(all []Hour, from, to event.Ticks) []Hour {
	if !from.Valid() {
		return all[max(0, len(all)-24*60):]
	}
	span := max(to.Sub(from), aDay)
	return slices.DeleteFunc(all, func(h Hour) bool { return h.Begin < from.Add(-span) || h.Begin > to.Add(span) })
}

func (r *Report) rest(ctx context.Context, st *store.Store) error {
	for f, err := range st.Coverage(ctx) {
		if err != nil {
			return fmt.Errorf("read coverage: %w", err)
		}
		r.Coverage = append(r.Coverage, f)
	}
	for p, err := range st.Problems(ctx) {
		if err != nil {
			return fmt.Errorf("read problems: %w", err)
		}
		r.Problems = append(r.Problems, p)
	}
	// A file that several artifacts read is one source; the worst that came of
	// it counts.
	worst := map[string]coverage.State{}
	for s, err := range st.Sources(ctx) {
		if err != nil {
			return fmt.Errorf("read sources: %w", err)
		}
		k := fmt.Sprint(s.At.Exhibit, "/", s.At.Volume, "/", s.At.Entry, "/", s.Source)
		if have, ok := worst[k]; !ok || badness(s.State) > badness(have) {
			worst[k] = s.State
		}
	}
	for _, state := range worst {
		r.Sources.Found++
		switch badness(state) {
		case 0:
			r.Sources.Read++
		case 1:
			r.Sources.Partly++
		default:
			r.Sources.Unreadable++
		}
	}
	return nil
}

func badness(s coverage.State) int {
	switch s {
	case coverage.Read, coverage.Absent:
		return 0
	case coverage.Partly:
		return 1
	}
	return 2
}
