package store

import (
	"context"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"github.com/parquet-go/parquet-go"

	"kanshiki/forensics/event"
)

// scanRows is the number of rows whose filter columns are read before the
// other columns of the rows that passed.
const scanRows = 2048

// cursor reads one column of one row group by row number.
type cursor struct {
	pages  parquet.Pages
	page   parquet.Page
	lo, hi int64 // rows of the loaded page
	next   int64 // row that ReadPage would give
	vals   []parquet.Value
}

func (c *cursor) at(row int64) (parquet.Value, error) {
	if row >= c.lo && row < c.hi {
		return c.vals[row-c.lo], nil
	}
	if c.page != nil {
		parquet.Release(c.page)
		c.page, c.lo, c.hi = nil, 0, 0
	}
	if row != c.next {
		if err := c.pages.SeekToRow(row); err != nil {
			return parquet.Value{}, err
		}
	}
	p, err := c.pages.ReadPage()
	if err != nil {
		return parquet.Value{}, fmt.Errorf("row %d: %w", row, err)
	}
	n := p.NumValues()
	if int64(cap(c.vals)) < n {
		c.vals = make([]parquet.Value, n)
	}
	c.vals = c.vals[:n]
	got, vals := 0, p.Values()
	for got < len(c.vals) {
		k, err := vals.ReadValues(c.vals[got:])
		got += k
		if k == 0 {
			return parquet.Value{}, fmt.Errorf("row %d: page has %d of %d values: %w", row, got, n, err)
		}
	}
	c.page, c.lo, c.hi, c.next = p, row, row+n, row+n
	if n == 0 {
		return parquet.Value{}, fmt.Errorf("row %d: empty page", row)
	}
	return c.vals[0], nil
}

func (c *cursor) close() {
	if c.page != nil {
		parquet.Release(c.page)
	}
	c.pages.Close()
}

// str is a value's text without a copy, valid while its page is.
func str(v parquet.Value) string {
	if v.IsNull() {
		return ""
	}
	b := v.ByteArray()
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// table is one open file of events or facts.
type table struct {
	name  string
	f     *os.File
	file  *parquet.File
	index map[string]int
	facts bool
}

func openTable(name string, facts bool) (*table, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	pf, err := parquet.OpenFile(f, st.Size(), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(64<<10))
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if v, _ := pf.Lookup("kanshiki.schema"); v != Version {
		f.Close()
		return nil, fmt.Errorf("%s: schema %q, this program reads %q: build the timeline again", name, v, Version)
	}
	t := &table{name: name, f: f, file: pf, index: map[string]int{}, facts: facts}
	for i, c := range pf.Schema().Columns() {
		t.index[c[0]] = i
	}
	return t, nil
}

func (t *table) close() { t.f.Close() }

// group is one row group in work: a cursor for each column that is asked for.
type group struct {
	t       *table
	rg      parquet.RowGroup
	cursors map[string]*cursor
}

func (g *group) cursor(name string) (*cursor, bool) {
	if c, ok := g.cursors[name]; ok {
		return c, c != nil
	}
	i, ok := g.t.index[name]
	if !ok {
		g.cursors[name] = nil // a column of a newer program: absent here
		return nil, false
	}
	c := &cursor{pages: g.rg.ColumnChunks()[i].Pages()}
	g.cursors[name] = c
	return c, true
}

func (g *group) close() {
	for _, c := range g.cursors {
		if c != nil {
			c.close()
		}
	}
}

// timeRange is the rows of a row group that can lie in [from, to), by its page
// index. Rows without a time are last and have no place in a range.
func (t *table) timeRange(rg parquet.RowGroup, from, to event.Ticks) (lo, hi int64) {
	n := rg.NumRows()
	if from == 0 && to == 0 || t.facts {
		return 0, n
	}
	chunk := rg.ColumnChunks()[t.index["ticks"]]
	ci, err1 := chunk.ColumnIndex()
	oi, err2 := chunk.OffsetIndex()
	if err1 != nil || err2 != nil || ci.NumPages() != oi.NumPages() || ci.NumPages() == 0 {
		return 0, n
	}
	lo, hi = n, 0
	for p := range ci.NumPages() {
		if ci.NullPage(p) {
			continue
		}
		if to != 0 && event.Ticks(ci.MinValue(p).Int64()) >= to || event.Ticks(ci.MaxValue(p).Int64()) < from {
			continue
		}
		lo = min(lo, oi.FirstRowIndex(p))
		end := n
		if p+1 < ci.NumPages() {
			end = oi.FirstRowIndex(p + 1)
		}
		hi = max(hi, end)
	}
	return min(lo, hi), hi
}

// rows calls do with each run of rows that pass, in row order or backwards.
func (t *table) rows(ctx context.Context, q *compiled, backward bool, do func(g *group, rows []int64) error) error {
	groups := t.file.RowGroups()
	for i := range groups {
		if backward {
			i = len(groups) - 1 - i
		}
		if err := t.groupRows(ctx, groups[i], q, backward, do); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

func (t *table) groupRows(ctx context.Context, rg parquet.RowGroup, q *compiled, backward bool, do func(*group, []int64) error) error {
	lo, hi := t.timeRange(rg, q.from, q.to)
	if lo >= hi {
		return nil
	}
	g := &group{t: t, rg: rg, cursors: map[string]*cursor{}}
	defer g.close()
	sel := make([]int64, 0, scanRows)
	n := (hi - lo + scanRows - 1) / scanRows
	for k := range n {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if backward {
			k = n - 1 - k
		}
		a := lo + k*scanRows
		sel = sel[:0]
		for r := a; r < min(a+scanRows, hi); r++ {
			sel = append(sel, r)
		}
		var err error
		for i := range q.filters {
			if sel, err = g.filter(&q.filters[i], sel); err != nil {
				return err
			}
		}
		if len(sel) == 0 {
			continue
		}
		if err := do(g, sel); err != nil {
			return err
		}
	}
	return nil
}

// filter keeps the rows of which one of the filter's columns passes.
func (g *group) filter(f *filter, sel []int64) ([]int64, error) {
	out := sel[:0]
	if len(f.columns) == 1 {
		c, ok := g.cursor(f.columns[0])
		for _, r := range sel {
			var v parquet.Value
			if ok {
				var err error
				if v, err = c.at(r); err != nil {
					return nil, err
				}
			}
			if f.test(v) {
				out = append(out, r)
			}
		}
		return out, nil
	}
	pass := make([]bool, len(sel))
	for _, name := range f.columns {
		c, ok := g.cursor(name)
		if !ok {
			continue
		}
		for i, r := range sel {
			if pass[i] {
				continue
			}
			v, err := c.at(r)
			if err != nil {
				return nil, err
			}
			pass[i] = f.test(v)
		}
	}
	for i, r := range sel {
		if pass[i] {
			out = append(out, r)
		}
	}
	return out, nil
}

// interner keeps one copy of texts that repeat.
type interner struct{ m map[string]string }

func (n *interner) text(s string) string {
	if s == "" {
		return ""
	}
	if len(s) > 128 {
		return strings.Clone(s)
	}
	if k, ok := n.m[s]; ok {
		return k
	}
	if n.m == nil || len(n.m) >= 1<<14 {
		n.m = map[string]string{}
	}
	k := strings.Clone(s)
	n.m[k] = k
	return k
}
