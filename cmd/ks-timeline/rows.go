package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/store"
)

// filters are the options of every command that asks for rows.
type filters struct {
	f        *cli.Flags
	dir      *string
	from, to *event.Ticks
	zone     **time.Location
	exhibit  *string
	artifact *string
	action   *string
	text     *string
	where    []store.Where
	limit    *int64
	backward *bool
	rows     *string
}

func newFilters(f *cli.Flags, rows ...string) *filters {
	x := &filters{f: f, dir: caseFlag(f)}
	x.from, x.to = f.Times()
	x.zone = f.Zone()
	x.exhibit = f.String("exhibit", "", "only of these `exhibits`, with commas between")
	x.artifact = f.String("artifact", "", "only of these `artifacts`, with commas between: execution/*, filesystem/usn")
	x.action = f.String("action", "", "only these `actions`, with commas between: executed, created")
	x.text = f.String("text", "", "only where this `text` stands in any column, whatever its case")
	for _, c := range []string{"path", "program", "user", "host", "meaning"} {
		f.Func(c, "only where this column fits a `pattern`: * is any text, ? one character", func(s string) error {
			x.where = append(x.where, store.Where{Column: c, Pattern: s})
			return nil
		})
	}
	f.Func("where", "`column=pattern`: the same for any column; may stand several times", func(s string) error {
		c, p, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("it is written column=pattern")
		}
		x.where = append(x.where, store.Where{Column: c, Pattern: p})
		return nil
	})
	x.limit = f.Int64("limit", 0, "at most so `many` rows; 0: all")
	x.backward = f.Bool("backward", false, "latest first")
	x.rows = f.Choice("rows", "events have a time, facts an interval", rows...)
	return x
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

func (x *filters) query() (store.Query, error) {
	q := store.Query{Exhibits: words(*x.exhibit), From: *x.from, To: *x.to, Artifacts: words(*x.artifact), Text: *x.text,
		Where: x.where, Limit: *x.limit, Backward: *x.backward}
	known := event.Actions()
	for _, a := range words(*x.action) {
		if !slices.Contains(known, event.Action(a)) {
			return q, cli.Usage("no action %s; there are %s", a, join(known))
		}
		q.Actions = append(q.Actions, event.Action(a))
	}
	all := append(store.EventColumns(), store.FactColumns()...)
	for _, w := range x.where {
		if !slices.Contains(all, w.Column) {
			return q, cli.Usage("no column %s; there are %s", w.Column, strings.Join(store.EventColumns(), ", "))
		}
	}
	return q, nil
}

func join[T ~string](list []T) string {
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(s))
	}
	return b.String()
}

// datasets that --rows names.
func datasets(rows string) []store.Dataset {
	switch rows {
	case "events":
		return []store.Dataset{store.Events}
	case "facts":
		return []store.Dataset{store.Facts}
	}
	return []store.Dataset{store.Events, store.Facts}
}

const listHelp = `
    ks-timeline list --case ./case --from 2011-08-24 --to 2011-08-25

ks-timeline list --case DIR [OPTIONS]

Prints the rows in the order of time. --format jsonl and csv have all columns,
text the ones for people; ks-timeline source shows a row's record as bytes.
`

func list(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := cli.NewFlags(name, listHelp, stdout)
	x := newFilters(f, "events", "facts", "both")
	format := f.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	rest, err := f.Parse(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return cli.Usage("list takes no arguments; to look for a text: ks-timeline query --case DIR %s", rest[0])
	}
	return printRows(ctx, x, *format, stdout)
}

const queryHelp = `
    ks-timeline query --case ./case --from 2011-08-24 exe

ks-timeline query --case DIR [OPTIONS] TEXT

Prints the events, and after them the facts, in which the text stands in any
column, whatever its case.
`

func query(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := cli.NewFlags(name, queryHelp, stdout)
	x := newFilters(f, "both", "events", "facts")
	format := f.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	rest, err := f.Parse(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		if *x.text != "" {
			return cli.Usage("the text is given twice: --text %s and %s", *x.text, strings.Join(rest, " "))
		}
		*x.text = strings.Join(rest, " ")
	}
	return printRows(ctx, x, *format, stdout)
}

func printRows(ctx context.Context, x *filters, format string, stdout io.Writer) error {
	q, err := x.query()
	if err != nil {
		return err
	}
	s, err := open(*x.dir)
	if err != nil {
		return err
	}
	out := newPrinter(format, stdout, *x.zone)
	for _, d := range datasets(*x.rows) {
		if q.Limit > 0 && out.n >= q.Limit {
			break
		}
		if *x.limit > 0 {
			q.Limit = *x.limit - out.n
		}
		for e, err := range seek(ctx, s, d, q) {
			if err != nil {
				return err
			}
			if err := out.row(e); err != nil {
				return err
			}
		}
	}
	return out.end()
}

// printer writes rows in one shape.
type printer struct {
	format string
	w      *bufio.Writer
	csv    *csv.Writer
	zone   *time.Location
	n      int64
	buf    []byte
	cells  []string
	cols   []string
	marked event.ID
}

func newPrinter(format string, w io.Writer, zone *time.Location) *printer {
	p := &printer{format: format, w: bufio.NewWriterSize(w, 64<<10), zone: zone}
	if format == "csv" {
		p.csv = csv.NewWriter(p.w)
		p.cols = slices.Clone(store.EventColumns())
		i := slices.Index(p.cols, "ticks") + 1
		p.cols = slices.Insert(p.cols, i, "from", "to")
		head := slices.Clone(p.cols)
		if zone != nil {
			head = append(head, "local")
		}
		p.csv.Write(head)
	}
	return p
}

func (p *printer) row(e *event.Event) error {
	p.n++
	switch p.format {
	case "jsonl":
		p.buf = store.AppendJSON(p.buf[:0], e)
		if p.zone != nil {
			p.buf = append(p.buf[:len(p.buf)-1], `,"local":`...)
			p.buf = append(event.AppendJSON(p.buf, local(e, p.zone)), '}')
		}
		p.buf = append(p.buf, '\n')
	case "csv":
		p.cells = p.cells[:0]
		for _, c := range p.cols {
			p.buf = store.AppendText(p.buf[:0], e, c)
			p.cells = append(p.cells, escape.CSV(string(p.buf)))
		}
		if p.zone != nil {
			p.cells = append(p.cells, local(e, p.zone))
		}
		return p.csv.Write(p.cells)
	default:
		p.text(e)
	}
	_, err := p.w.Write(p.buf)
	return err
}

// text is a row for people: when, what kind of record, what it says, its id.
func (p *printer) text(e *event.Event) {
	b := p.buf[:0]
	if e.ID == p.marked && p.marked != (event.ID{}) {
		b = append(b, "> "...)
	} else if p.marked != (event.ID{}) {
		b = append(b, "  "...)
	}
	b = fmt.Appendf(b, "%-28s  ", when(e))
	if p.zone != nil {
		b = fmt.Appendf(b, "%-25s  ", local(e, p.zone))
	}
	message := e.Message
	if message == "" {
		message = e.Meaning + " " + e.Path
	}
	if e.Recovered != event.Allocated && e.Recovered != "" {
		message += " [" + string(e.Recovered) + "]"
	}
	if e.ZoneAssumed {
		message += " [zone assumed: " + e.Zone + "]"
	}
	b = fmt.Appendf(b, "%-12s  %-22s  %-17s  %s\n", e.ID.String()[:12], e.Artifact, e.Action, escape.Text(message))
	p.buf = b
}

// when is a row's time, or the interval of a fact.
func when(e *event.Event) string {
	if !e.Fact {
		if !e.Ticks.Valid() {
			return "(no time)"
		}
		return string(store.AppendText(nil, e, "time"))
	}
	short := func(t event.Ticks) string {
		if !t.Valid() {
			return ""
		}
		return t.Format(event.Second)
	}
	from, to := short(e.From), short(e.To)
	switch {
	case from == "" && to == "":
		return "(some time)"
	case from == "":
		return "until " + to
	case to == "":
		return "from " + from
	case from == to:
		return from
	}
	return from[:16] + "…" + to[:16] + "Z"
}

func local(e *event.Event, zone *time.Location) string {
	t := e.Ticks
	if e.Fact {
		t = e.From
	}
	if !t.Valid() {
		return ""
	}
	return t.Time().In(zone).Format(time.RFC3339)
}

func (p *printer) end() error {
	if p.csv != nil {
		p.csv.Flush()
		if err := p.csv.Error(); err != nil {
			return err
		}
	}
	return p.w.Flush()
}

const countHelp = `
    ks-timeline count --case ./case --by artifact

ks-timeline count --case DIR [OPTIONS]

Counts rows; only the columns that the options name are read.
`

func count(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := cli.NewFlags(name, countHelp, stdout)
	x := newFilters(f, "events", "facts", "both")
	by := f.String("by", "", "count each value of this `column`")
	format := f.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	rest, err := f.Parse(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		*x.text = strings.Join(rest, " ")
	}
	q, err := x.query()
	if err != nil {
		return err
	}
	if *by != "" && !slices.Contains(append(store.EventColumns(), store.FactColumns()...), *by) {
		return cli.Usage("no column %s; there are %s", *by, strings.Join(store.EventColumns(), ", "))
	}
	s, err := open(*x.dir)
	if err != nil {
		return err
	}
	if *by == "" {
		return countAll(ctx, s, x, q, *format, stdout)
	}
	q.Columns = []string{*by}
	n := map[string]int64{}
	var buf []byte
	for _, d := range datasets(*x.rows) {
		for e, err := range seek(ctx, s, d, q) {
			if err != nil {
				return err
			}
			buf = store.AppendText(buf[:0], e, *by)
			n[string(buf)]++
		}
	}
	values := slices.Sorted(maps.Keys(n))
	slices.SortStableFunc(values, func(a, b string) int {
		return int(min(max(n[b]-n[a], -1), 1))
	})
	return printCounts(stdout, *format, *by, values, n)
}

func countAll(ctx context.Context, s *store.Store, x *filters, q store.Query, format string, stdout io.Writer) error {
	var n int64
	for _, d := range datasets(*x.rows) {
		m, err := s.Count(ctx, d, q)
		if err != nil {
			return err
		}
		n += m
	}
	switch format {
	case "jsonl":
		fmt.Fprintf(stdout, "{\"count\":%d}\n", n)
	case "csv":
		fmt.Fprintf(stdout, "count\n%d\n", n)
	default:
		fmt.Fprintln(stdout, n)
	}
	return nil
}

func printCounts(stdout io.Writer, format, by string, values []string, n map[string]int64) error {
	w := bufio.NewWriter(stdout)
	c := csv.NewWriter(w)
	if format == "csv" {
		c.Write([]string{by, "count"})
	}
	for _, v := range values {
		switch format {
		case "jsonl":
			b := append(event.AppendJSON(append(event.AppendJSON([]byte{'{'}, by), ':'), v), fmt.Sprintf(",\"count\":%d}\n", n[v])...)
			w.Write(b)
		case "csv":
			c.Write([]string{escape.CSV(v), fmt.Sprint(n[v])})
		default:
			fmt.Fprintf(w, "%12s  %s\n", cli.Count(n[v]), escape.Text(v))
		}
	}
	c.Flush()
	return w.Flush()
}

const aroundHelp = `
    ks-timeline around --case ./case --within 2m 2011-08-24T00:31:07Z

ks-timeline around --case DIR [OPTIONS] EVENT|TIME

Prints what else was recorded near an event (its id, or the beginning of it) or
a time. That two things happened in the same minute says nothing about one
having caused the other.
`

func around(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := cli.NewFlags(name, aroundHelp, stdout)
	x := newFilters(f, "events", "facts", "both")
	within := f.Duration("within", time.Minute, "how `far` before and after")
	format := f.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	rest, err := f.Parse(args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return cli.Usage("name one event or time, for example ks-timeline around --case ./case 2011-08-24T00:31:07Z")
	}
	q, err := x.query()
	if err != nil {
		return err
	}
	s, err := open(*x.dir)
	if err != nil {
		return err
	}
	out := newPrinter(*format, stdout, *x.zone)
	at, terr := cli.ParseTime(rest[0])
	if terr != nil {
		e, err := s.Event(ctx, rest[0])
		if err != nil {
			return err
		}
		at, out.marked = e.Ticks, e.ID
		if e.Fact {
			at = e.From
		}
		if !at.Valid() {
			return fmt.Errorf("event %s has no time of its own", rest[0])
		}
	}
	q.From, q.To = at.Add(-*within), at.Add(*within+100)
	for _, d := range datasets(*x.rows) {
		for e, err := range seek(ctx, s, d, q) {
			if err != nil {
				return err
			}
			if err := out.row(e); err != nil {
				return err
			}
		}
	}
	return out.end()
}

// seek asks for events or facts.
func seek(ctx context.Context, s *store.Store, d store.Dataset, q store.Query) iter.Seq2[*event.Event, error] {
	if d == store.Facts {
		return s.Facts(ctx, q)
	}
	return s.Events(ctx, q)
}
