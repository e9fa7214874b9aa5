package browser

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/sqlite"
)

const (
	limit = 512 << 20
	// maxText bounds what is kept of addresses and titles while their visits
	// are read.
	maxText = 96 << 20
)

// mode says which view of the database is read and what for.
type mode uint8

const (
	single  mode = iota // no log: all there is
	collect             // the database alone, only to know its records
	full                // with the log: the browser's own view
	rest                // the database alone again: what the log removes or changes
)

// Values of the field "view".
const (
	logOnly      = "only in the write-ahead log"
	databaseOnly = "only in the database: the write-ahead log removes or changes it"
)

// view is one reading of one database.
type view struct {
	ctx  context.Context
	in   *artifact.Input
	emit func(*event.Event) error

	db   *sqlite.DB
	log  *artifact.Input // the write-ahead log's file, nil where none counts
	mode mode
	base map[[16]byte]bool // records of the database alone
	seen map[[16]byte]bool // records of the full view

	e       event.Event
	sid     string
	user    string
	text    int // bytes of text kept, see maxText
	n       int
	span    span
	pending []event.Field // fields of the record being made
}

// span is what the records of the main table cover.
type span struct {
	from, to    event.Ticks
	first, last int64
	count       int64
}

// read opens the database in its views and reads the tables of each.
func read(ctx context.Context, in *artifact.Input, emit func(*event.Event) error, what string, tables func(*view) error) error {
	v := &view{ctx: ctx, in: in, emit: emit}
	if sid, u, ok := in.Machine.UserOf(in.Source); ok {
		v.sid, v.user = sid, u.Name
	}
	v.journal()
	wal := v.openLog()
	if wal == nil {
		return v.pass(single, nil, what, tables)
	}
	v.base, v.seen = map[[16]byte]bool{}, map[[16]byte]bool{}
	alone := v.pass(collect, nil, what, tables)
	if alone != nil && ctx.Err() != nil {
		return alone
	}
	if err := v.pass(full, wal, what, tables); err != nil {
		return err
	}
	if alone != nil { // the log holds the whole database, or what is left of it
		in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("the database without its log: %w", alone))
		return nil
	}
	return v.pass(rest, nil, what, tables)
}

// pass reads one view.
func (v *view) pass(m mode, wal *sqlite.WAL, what string, tables func(*view) error) error {
	db, err := sqlite.Open(v.in.R, v.in.Size, sqlite.Options{WAL: wal})
	if err != nil {
		if m == single || m == full {
			v.in.Counts.Declared++
			v.in.Counts.Failed++
		}
		return err
	}
	defer db.Close()
	v.db, v.mode, v.text = db, m, 0
	if m == single || m == full {
		v.span = span{}
		for _, d := range db.Damage {
			v.problem(problem.Lost, d)
		}
	}
	if err := tables(v); err != nil {
		return err
	}
	if m == single || m == full {
		v.cover(what)
	}
	return nil
}

// openLog reads the write-ahead log; nil where it changes nothing.
func (v *view) openLog() *sqlite.WAL {
	sib, ok := v.in.Sibling(v.in.Name + "-wal")
	if !ok || sib.Size == 0 {
		return nil
	}
	report := func(severity problem.Severity, err error) {
		p := problem.From(sib.At, problem.Malformed, severity, err)
		p.Source = sib.Source
		v.in.Report(p)
	}
	if sib.Size > limit {
		report(problem.Lost, fmt.Errorf("write-ahead log of %d bytes, limit %d", sib.Size, limit))
		return nil
	}
	wal, err := sqlite.ReadWAL(sib.R, sib.Size)
	if err != nil {
		report(problem.Lost, err)
	}
	if wal == nil || wal.Committed == 0 {
		return nil
	}
	if wal.Uncommitted > 0 {
		report(problem.Note, fmt.Errorf("%d pages after the last commit are not read: their transaction did not end", wal.Uncommitted))
	}
	v.log = sib
	return wal
}

// journal tells of a transaction that was not ended: the database may hold
// half of it, and the pages as they were before lie in the journal.
func (v *view) journal() {
	sib, ok := v.in.Sibling(v.in.Name + "-journal")
	if !ok || sib.Size < 512 {
		return
	}
	head := make([]byte, 8)
	if n, _ := sib.R.ReadAt(head, 0); n < 8 || string(head) != "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" {
		return // zeroed or cut: the transaction ended
	}
	p := problem.From(sib.At, problem.Unsupported, problem.Doubt, errors.New("a rollback journal lies beside the database and is not applied: the database may hold half of a transaction"))
	p.Source = sib.Source
	v.in.Report(p)
}

// problem reports an error at its place, which may be in the log.
func (v *view) problem(severity problem.Severity, err error) {
	var placed *sqlite.Error
	if errors.As(err, &placed) && placed.InWAL && v.log != nil {
		p := problem.From(v.log.At, problem.Malformed, severity, err)
		p.Source = v.log.Source
		v.in.Report(p)
		return
	}
	v.in.Problem(problem.Malformed, severity, err)
}

// rows reads a table whose rows are records: a row that is lost is counted. A
// table that is not there has none.
func (v *view) rows(table string, columns ...string) iter.Seq[sqlite.Row] {
	return v.all(true, table, columns)
}

// lookup reads a table that the records refer to.
func (v *view) lookup(table string, columns ...string) iter.Seq[sqlite.Row] {
	return v.all(false, table, columns)
}

func (v *view) all(records bool, table string, columns []string) iter.Seq[sqlite.Row] {
	return func(yield func(sqlite.Row) bool) {
		if v.db.Table(table) == nil {
			return
		}
		for row, err := range v.db.Rows(table, columns...) {
			if v.n++; v.n%1024 == 0 && v.ctx.Err() != nil {
				return
			}
			if err == nil {
				if !yield(row) {
					return
				}
				continue
			}
			switch v.mode {
			case single, full:
				v.problem(problem.Lost, err)
				if records {
					v.in.Counts.Declared++
					v.in.Counts.Failed++
				}
			case rest:
				v.problem(problem.Doubt, err)
			}
		}
	}
}

// keep tells whether text may be kept for later; where there is too much of it
// that is said once.
func (v *view) keep(s string) string {
	before := v.text
	if v.text += len(s); v.text <= maxText {
		return s
	}
	if before <= maxText && (v.mode == single || v.mode == full) {
		v.in.Problem(problem.OverLimit, problem.Lost, fmt.Errorf("addresses and titles are over %d bytes: records after these are given without", maxText))
	}
	return ""
}

// begin starts the event of a row; finish ends it.
func (v *view) begin(table string, row *sqlite.Row) *event.Event {
	v.e = event.Event{At: v.in.At, Length: row.Length, Record: table + " " + strconv.FormatInt(row.ID, 10),
		Recovered: v.in.State, UserSID: v.sid, User: v.user, Precision: event.Micro, Fields: v.e.Fields[:0]}
	if row.InWAL && v.log != nil {
		v.e.At = v.log.At
	}
	v.e.At.Offset = row.Off
	v.pending = v.pending[:0]
	return &v.e
}

// finish counts the record and emits it where this view is the one to say it.
func (v *view) finish() error {
	if err := v.ctx.Err(); err != nil {
		return err
	}
	e := &v.e
	key := recordKey(e)
	where := ""
	switch v.mode {
	case collect:
		v.base[key] = true
		return nil
	case full:
		v.seen[key] = true
		if !v.base[key] {
			where = logOnly
		}
	case rest:
		if v.seen[key] {
			return nil
		}
		v.seen[key] = true
		where, e.Recovered = databaseOnly, event.InDeleted
	}
	v.in.Counts.Declared++
	if v.mode == rest {
		v.in.Counts.Recovered++
		e.Message += " (" + databaseOnly + ")"
	} else {
		v.in.Counts.Decoded++
	}
	if where != "" {
		v.pending = append(v.pending, event.Str("view", where))
	}
	e.Fields = append(e.Fields[:0], v.pending...)
	return v.emit(e)
}

// recordKey tells records of two views apart by what they say, not by where
// they lie; numbers that later visits change (counts of visits) do not count.
func recordKey(e *event.Event) [16]byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s\x00%s\x00%s\x00%s", e.Record, e.Ticks, e.Meaning, e.URL, e.Path, e.Host))
	return [16]byte(sum[:16])
}

// cover says what the records cover.
func (v *view) cover(what string) {
	s := v.span
	f := coverage.Fact{At: v.in.At, Source: v.in.Source, From: s.from, To: s.to, History: coverage.Recording, State: coverage.Read, How: what}
	if v.in.Counts.Failed > 0 || len(v.db.Damage) > 0 {
		f.State = coverage.Partly
	}
	if s.count > 0 && s.first > 0 && s.last > 0 {
		f.First, f.Last = uint64(s.first), uint64(s.last)
		if missing := s.last - s.first + 1 - s.count; missing > 0 {
			f.Gaps = uint64(missing)
			f.How += fmt.Sprintf("; %d numbers between the first and the last record are missing: expired, removed by the user, or never kept", missing)
		}
	}
	if n := v.db.Header.FreePages; n > 0 {
		f.How += fmt.Sprintf("; %d free pages are not searched for removed rows", n)
	}
	if v.log != nil {
		f.How += "; read with its write-ahead log and without it"
	}
	v.in.Cover(f)
}

// count takes a record of the main table into the span.
func (v *view) count(id int64, t event.Ticks) {
	s := &v.span
	if t.Valid() {
		if s.from == 0 || t < s.from {
			s.from = t
		}
		s.to = max(s.to, t)
	}
	if s.count == 0 || id < s.first {
		s.first = id
	}
	if s.count == 0 || id > s.last {
		s.last = id
	}
	s.count++
}
