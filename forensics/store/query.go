package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"kanshiki/forensics/event"
)

// Query asks for rows of events or facts. The zero value asks for all. Fields
// are joined by "and", the members of one list by "or".
type Query struct {
	Exhibits []string // nil: all
	// From and To bound the time, From included, To not; 0 is open. Rows
	// without a time are left out when either is set. A fact passes when its
	// interval can touch the range.
	From, To  event.Ticks
	Artifacts []string // names or patterns: "execution/*"
	Actions   []event.Action
	// Text is looked for in every column of text, without regard to case.
	Text string
	// Where bounds single columns by pattern: * is any text, ? one character,
	// all else itself, without regard to case. Number columns compare as
	// decimal text.
	Where []Where
	ID    string // an id or the beginning of one, in hex
	// Columns are those that the caller will look at; nil: all. Others stay
	// empty in the events, but for id, exhibit, volume, snapshot and the time.
	Columns  []string
	Backward bool // latest first
	Limit    int64
}

// Where is a pattern for a column.
type Where struct{ Column, Pattern string }

// Store reads a case's rows.
type Store struct {
	caseDir  string
	exhibits []string
}

// ErrEmpty says that a case has no rows yet.
var ErrEmpty = errors.New("no timeline in this case yet")

// Open finds what a case's store holds.
func Open(caseDir string) (*Store, error) {
	x, err := Exhibits(caseDir)
	if err != nil {
		return nil, err
	}
	if len(x) == 0 {
		return nil, ErrEmpty
	}
	return &Store{caseDir, x}, nil
}

// Exhibits lists the exhibits that have rows.
func (s *Store) Exhibits() []string { return slices.Clone(s.exhibits) }

// Events gives the rows of events that the query asks for, in the order of
// time, then exhibit, then the store's. An event is valid until the next step;
// its texts may be kept.
func (s *Store) Events(ctx context.Context, q Query) iter.Seq2[*event.Event, error] {
	return s.seek(ctx, Events, q)
}

// Facts gives rows of facts, in the order of their earliest moment.
func (s *Store) Facts(ctx context.Context, q Query) iter.Seq2[*event.Event, error] {
	return s.seek(ctx, Facts, q)
}

func (s *Store) seek(ctx context.Context, d Dataset, q Query) iter.Seq2[*event.Event, error] {
	return func(yield func(*event.Event, error) bool) {
		c, err := compile(&q, d == Facts)
		if err != nil {
			yield(nil, err)
			return
		}
		var streams []iter.Seq2[*event.Event, error]
		for _, x := range s.exhibits {
			if len(q.Exhibits) == 0 || slices.Contains(q.Exhibits, x) {
				streams = append(streams, s.exhibit(ctx, d, x, c))
			}
		}
		n := int64(0)
		for e, err := range join(streams, q.Backward) {
			if !yield(e, err) || err != nil {
				return
			}
			if n++; n == q.Limit {
				return
			}
		}
	}
}

var errStop = errors.New("stop")

// exhibit streams one partition.
func (s *Store) exhibit(ctx context.Context, d Dataset, exhibit string, q *compiled) iter.Seq2[*event.Event, error] {
	return func(yield func(*event.Event, error) bool) {
		files, err := parts(s.caseDir, d, exhibit)
		if err != nil {
			yield(nil, err)
			return
		}
		if q.backward {
			slices.Reverse(files)
		}
		var in interner
		var buf []event.Event
		for _, name := range files {
			t, err := openTable(name, d == Facts)
			if err == nil {
				err = t.rows(ctx, q, q.backward, func(g *group, rows []int64) error {
					buf = slices.Grow(buf[:0], len(rows))[:len(rows)]
					if err := g.read(q.columns, rows, buf, &in); err != nil {
						return err
					}
					if q.backward {
						slices.Reverse(buf)
					}
					for i := range buf {
						if !yield(&buf[i], nil) {
							return errStop
						}
					}
					return nil
				})
				t.close()
			}
			if errors.Is(err, errStop) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// join merges the partitions of several exhibits by time.
func join(streams []iter.Seq2[*event.Event, error], backward bool) iter.Seq2[*event.Event, error] {
	if len(streams) == 1 {
		return streams[0]
	}
	return func(yield func(*event.Event, error) bool) {
		type head struct {
			e    *event.Event
			next func() (*event.Event, error, bool)
		}
		var heads []head
		for _, s := range streams {
			next, stop := iter.Pull2(s)
			defer stop()
			e, err, ok := next()
			if err != nil {
				yield(nil, err)
				return
			}
			if ok {
				heads = append(heads, head{e, next})
			}
		}
		for len(heads) > 0 {
			least := 0
			for i := 1; i < len(heads); i++ {
				c := cmp.Compare(sortTicks(heads[i].e), sortTicks(heads[least].e))
				if c < 0 && !backward || c > 0 && backward {
					least = i
				}
			}
			if !yield(heads[least].e, nil) {
				return
			}
			e, err, ok := heads[least].next()
			if err != nil {
				yield(nil, err)
				return
			}
			if ok {
				heads[least].e = e
			} else {
				heads = slices.Delete(heads, least, least+1)
			}
		}
	}
}

func sortTicks(e *event.Event) uint64 {
	t := e.Ticks
	if e.Fact {
		t = e.From
	}
	return uint64(t) - 1 // 0, no time, is last
}

// Count is the number of rows that Events or Facts would give; it reads only
// the columns that the query names.
func (s *Store) Count(ctx context.Context, d Dataset, q Query) (int64, error) {
	c, err := compile(&q, d == Facts)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, x := range s.exhibits {
		if len(q.Exhibits) > 0 && !slices.Contains(q.Exhibits, x) {
			continue
		}
		files, err := parts(s.caseDir, d, x)
		if err != nil {
			return 0, err
		}
		for _, name := range files {
			t, err := openTable(name, d == Facts)
			if err != nil {
				return 0, err
			}
			if len(c.filters) == 0 {
				n += t.file.NumRows()
			} else {
				err = t.rows(ctx, c, false, func(_ *group, rows []int64) error { n += int64(len(rows)); return nil })
			}
			t.close()
			if err != nil {
				return 0, err
			}
		}
	}
	if q.Limit > 0 {
		n = min(n, q.Limit)
	}
	return n, nil
}

// Event finds one row by its id or the beginning of one.
func (s *Store) Event(ctx context.Context, prefix string) (*event.Event, error) {
	var found *event.Event
	for _, d := range []Dataset{Events, Facts} {
		for e, err := range s.seek(ctx, d, Query{ID: prefix}) {
			if err != nil {
				return nil, err
			}
			if found != nil && found.ID != e.ID {
				return nil, fmt.Errorf("%s names more than one event: %s and %s", prefix, found.ID, e.ID)
			}
			if found == nil {
				c := *e
				found = &c
			}
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no event %s in this case", prefix)
	}
	return found, nil
}

// filter is a test that one of several columns must pass.
type filter struct {
	columns []string
	test    func(parquet.Value) bool
}

type compiled struct {
	from, to event.Ticks
	filters  []filter
	columns  []string
	backward bool
}

// textColumns are those that Text is looked for in.
var searched = []string{"path", "program", "message", "fields", "user", "host", "address", "url", "device",
	"registry_key", "registry_value", "mail", "source", "record", "sha256", "user_sid", "meaning", "stream", "inner"}

func compile(q *Query, facts bool) (*compiled, error) {
	c := &compiled{from: q.From, to: q.To, backward: q.Backward}
	if q.ID != "" {
		f, err := idFilter(q.ID)
		if err != nil {
			return nil, err
		}
		c.filters = append(c.filters, f)
	}
	c.addTime(facts)
	if len(q.Artifacts) > 0 {
		c.filters = append(c.filters, filter{[]string{"artifact"}, anyPattern(q.Artifacts)})
	}
	if len(q.Actions) > 0 {
		c.filters = append(c.filters, filter{[]string{"action"}, func(v parquet.Value) bool {
			return slices.Contains(q.Actions, event.Action(str(v)))
		}})
	}
	for _, w := range q.Where {
		i, ok := columnIndex[w.Column]
		if !ok {
			return nil, fmt.Errorf("no column %q; the columns are %s", w.Column, strings.Join(columnNames(facts), ", "))
		}
		test := anyPattern([]string{w.Pattern})
		if columns[i].kind == kindNumber || w.Column == "id" || w.Column == "time" || w.Column == "from" || w.Column == "to" {
			test = numberPattern(w.Pattern)
		}
		c.filters = append(c.filters, filter{[]string{w.Column}, test})
	}
	if q.Text != "" {
		needle := strings.ToLower(q.Text)
		c.filters = append(c.filters, filter{searched, func(v parquet.Value) bool { return containsFold(str(v), needle) }})
	}
	c.columns = wanted(q.Columns, facts)
	return c, nil
}

// wanted is the list of columns to read: text_raw last, since it corrects the
// others; the time always, since partitions are joined by it; id and volume,
// since an event without them is nobody's.
func wanted(names []string, facts bool) []string {
	if names == nil {
		names = columnNames(facts)
	}
	out := []string{"exhibit", "id", "volume", "snapshot"}
	if facts {
		out = append(out, "from_ticks", "to_ticks")
	} else {
		out = append(out, "ticks")
	}
	for _, n := range names {
		if n != "time" && n != "from" && n != "to" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return append(out, "text_raw")
}

func (c *compiled) addTime(facts bool) {
	if c.from == 0 && c.to == 0 {
		return
	}
	if facts {
		if c.from != 0 {
			c.filters = append(c.filters, filter{[]string{"to_ticks"}, func(v parquet.Value) bool {
				return v.IsNull() || event.Ticks(v.Int64()) >= c.from
			}})
		}
		if c.to != 0 {
			c.filters = append(c.filters, filter{[]string{"from_ticks"}, func(v parquet.Value) bool {
				return v.IsNull() || event.Ticks(v.Int64()) < c.to
			}})
		}
		return
	}
	c.filters = append(c.filters, filter{[]string{"ticks"}, func(v parquet.Value) bool {
		if v.IsNull() {
			return false
		}
		t := event.Ticks(v.Int64())
		return t >= c.from && (c.to == 0 || t < c.to)
	}})
}

func idFilter(prefix string) (filter, error) {
	p := strings.ToLower(prefix)
	half := len(p) % 2
	b, err := hex.DecodeString(p + strings.Repeat("0", half))
	if err != nil || len(b) > 16 {
		return filter{}, fmt.Errorf("%q is no event id: up to 32 hex digits", prefix)
	}
	return filter{[]string{"id"}, func(v parquet.Value) bool {
		id := v.ByteArray()
		n := len(b) - half
		return len(id) == 16 && string(id[:n]) == string(b[:n]) && (half == 0 || id[n]>>4 == b[n]>>4)
	}}, nil
}

func numberPattern(pattern string) func(parquet.Value) bool {
	return func(v parquet.Value) bool {
		switch {
		case v.IsNull():
			return pattern == ""
		case v.Kind() == parquet.ByteArray || v.Kind() == parquet.FixedLenByteArray:
			return matchFold(pattern, hex.EncodeToString(v.ByteArray()))
		}
		return matchFold(pattern, v.String())
	}
}

func anyPattern(patterns []string) func(parquet.Value) bool {
	var lastText string
	var last, known bool
	return func(v parquet.Value) bool {
		s := str(v)
		if known && s == lastText { // columns that repeat do so in runs
			return last
		}
		last, known = slices.ContainsFunc(patterns, func(p string) bool { return matchFold(p, s) }), true
		lastText = strings.Clone(s)
		return last
	}
}
