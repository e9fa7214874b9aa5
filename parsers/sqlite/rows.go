package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Table is one table of the schema.
type Table struct {
	Name    string
	Columns []string
	Root    uint32 // page of its tree
	NoRowID bool   // WITHOUT ROWID: its rows have neither number nor place here
}

// Has tells whether the table has a column, without regard to case.
func (t *Table) Has(column string) bool {
	return slices.ContainsFunc(t.Columns, func(c string) bool { return strings.EqualFold(c, column) })
}

// Kind is how a value is stored.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	Integer
	Real
	Text
	Blob
)

// Value is one value of a row.
type Value struct {
	Kind  Kind
	Int   int64
	Float float64
	Text  string // of a Blob: its bytes
}

// String is the value as text: numbers in digits, Null empty.
func (v Value) String() string {
	switch v.Kind {
	case Integer:
		return strconv.FormatInt(v.Int, 10)
	case Real:
		return strconv.FormatFloat(v.Float, 'g', -1, 64)
	}
	return v.Text
}

// Number is the value as a whole number: SQLite lets a column hold any kind.
func (v Value) Number() (int64, bool) {
	switch v.Kind {
	case Integer:
		return v.Int, true
	case Real:
		if v.Float >= -1<<62 && v.Float <= 1<<62 {
			return int64(v.Float), true
		}
	case Text:
		n, err := strconv.ParseInt(v.Text, 10, 64)
		return n, err == nil
	}
	return 0, false
}

// Row is one row. Values stand in the order of the columns asked for; those of
// a column that the table has not are Null.
type Row struct {
	ID     int64
	Values []Value
	Off    int64 // of its cell, in the log where InWAL says so
	Length int64 // bytes of it there; overflow pages not counted
	InWAL  bool  // the page that holds it is the log's: the row itself may be older
}

// Table finds a table by its name, nil where there is none.
func (d *DB) Table(name string) *Table {
	for i := range d.Tables {
		if strings.EqualFold(d.Tables[i].Name, name) {
			return &d.Tables[i]
		}
	}
	return nil
}

func (d *DB) readSchema() error {
	rows, err := d.conn.QueryContext(context.Background(), `SELECT name, rootpage FROM sqlite_master WHERE type = 'table' AND rootpage > 0`)
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	for rows.Next() {
		var name sql.RawBytes
		var root int64
		if err := rows.Scan(&name, &root); err != nil || root < 1 || root > int64(d.p.count) || len(d.Tables) >= maxTables {
			d.Damage = append(d.Damage, fmt.Errorf("schema: table %q with page %d of %d", name, root, d.p.count))
			continue
		}
		d.Tables = append(d.Tables, Table{Name: string(name), Root: uint32(root)})
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		d.Damage = append(d.Damage, fmt.Errorf("schema: %w", err))
	}
	for i := range d.Tables {
		if err := d.readColumns(&d.Tables[i]); err != nil {
			d.Damage = append(d.Damage, fmt.Errorf("table %q: %w", d.Tables[i].Name, err))
		}
	}
	return nil
}

// readColumns reads the columns, but for those that are computed when they are
// asked for: they are no data, and what computes them is the evidence's.
func (d *DB) readColumns(t *Table) error {
	rows, err := d.conn.QueryContext(context.Background(), `SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 2`, t.Name)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		if t.Columns = append(t.Columns, name); len(t.Columns) > maxColumns {
			return fmt.Errorf("more than %d columns", maxColumns)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	if len(t.Columns) == 0 {
		return errors.New("no columns: the schema does not say what it holds")
	}
	var without int
	if err := d.conn.QueryRowContext(context.Background(), `SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?`, t.Name).Scan(&without); err == nil {
		t.NoRowID = without != 0
	}
	return nil
}

// Rows gives a table's rows in the order of their numbers, with the columns
// asked for; none named means all. An error belongs to one row, or to one page
// whose rows are not known; the rows after it follow.
func (d *DB) Rows(table string, columns ...string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		t := d.Table(table)
		if t == nil {
			yield(Row{}, fmt.Errorf("no table %q", table))
			return
		}
		if len(columns) == 0 {
			columns = t.Columns
		}
		q, err := d.newQuery(t, columns)
		if err != nil {
			yield(Row{}, fmt.Errorf("table %q: %w", table, err))
			return
		}
		defer q.close()
		if t.NoRowID {
			q.all(yield)
			return
		}
		d.p.leaves(t.Root, d.p.size-d.Header.Reserved, func(l *leaf, err error) bool {
			if err != nil {
				return yield(Row{}, fmt.Errorf("table %q: %w", table, err))
			}
			return q.leaf(l, yield)
		})
	}
}

// query is a prepared selection of one table.
type query struct {
	d      *DB
	t      *Table
	st     *sql.Stmt
	values []any
	into   []any
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func (d *DB) newQuery(t *Table, columns []string) (*query, error) {
	id := "0"
	for _, n := range []string{"rowid", "_rowid_", "oid"} {
		if !t.NoRowID && !t.Has(n) {
			id = n
			break
		}
	}
	if id == "0" && !t.NoRowID {
		return nil, errors.New("columns hide the number of the row")
	}
	list := []string{id}
	for _, c := range columns {
		if !t.Has(c) { // a quoted name that is no column would be taken for text
			list = append(list, "NULL")
			continue
		}
		list = append(list, "+"+quote(c)) // "+": as stored, not converted by the declared type
	}
	text := "SELECT " + strings.Join(list, ",") + " FROM main." + quote(t.Name)
	if !t.NoRowID {
		text += " NOT INDEXED WHERE " + id + " BETWEEN ? AND ? ORDER BY " + id
	}
	st, err := d.conn.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	q := &query{d: d, t: t, st: st, values: make([]any, len(list)), into: make([]any, len(list))}
	for i := range q.values {
		q.into[i] = &q.values[i]
	}
	return q, nil
}

func (q *query) close() { _ = q.st.Close() }

// leaf reads the rows of one page: those in order in one go, what SQLite does
// not give one by one, and what it still does not give is an error each.
func (q *query) leaf(l *leaf, yield func(Row, error) bool) bool {
	for i := 0; i < len(l.cells); {
		if l.cells[i].size > q.d.maxRow {
			if !q.lost(l, &l.cells[i], yield, fmt.Sprintf("%d bytes, limit %d", l.cells[i].size, q.d.maxRow)) {
				return false
			}
			i++
			continue
		}
		n := i + 1
		for n < len(l.cells) && l.cells[n].rowid > l.cells[n-1].rowid && l.cells[n].size <= q.d.maxRow {
			n++
		}
		if !q.run(l, l.cells[i:n], yield) {
			return false
		}
		i = n
	}
	return true
}

// run reads cells whose numbers rise.
func (q *query) run(l *leaf, cells []cell, yield func(Row, error) bool) bool {
	got, err, more := q.between(l, cells, yield)
	if !more {
		return false
	}
	for _, c := range cells[got:] {
		one := []cell{c}
		n, e, more := 0, err, true
		if len(cells) > 1 {
			n, e, more = q.between(l, one, yield)
		}
		if !more {
			return false
		}
		if n == 1 {
			continue
		}
		why := "SQLite does not find it"
		if e != nil {
			why = e.Error()
		}
		if !q.lost(l, &c, yield, why) {
			return false
		}
	}
	return true
}

func (q *query) lost(l *leaf, c *cell, yield func(Row, error) bool, why string) bool {
	return yield(Row{ID: c.rowid}, &Error{Off: c.off, InWAL: l.inWAL, What: fmt.Sprintf("table %q row %d: %s", q.t.Name, c.rowid, why)})
}

// between yields the rows of the cells as far as SQLite gives just these, and
// says how many it was.
func (q *query) between(l *leaf, cells []cell, yield func(Row, error) bool) (got int, err error, more bool) {
	rows, err := q.st.Query(cells[0].rowid, cells[len(cells)-1].rowid)
	if err != nil {
		return 0, err, true
	}
	defer rows.Close()
	for got < len(cells) && rows.Next() {
		c := &cells[got]
		row, err := q.scan(rows)
		if err != nil {
			return got, err, true
		}
		if row.ID != c.rowid {
			return got, fmt.Errorf("SQLite gives row %d", row.ID), true
		}
		row.Off, row.Length, row.InWAL = c.off, c.length, l.inWAL
		got++
		if !yield(row, nil) {
			return got, nil, false
		}
	}
	return got, rows.Err(), true
}

// all reads a table without row numbers. A row is told from the next by
// nothing that can be counted beforehand; more rows than the file has bytes is
// a loop.
func (q *query) all(yield func(Row, error) bool) {
	rows, err := q.st.Query()
	if err != nil {
		yield(Row{}, fmt.Errorf("table %q: %w", q.t.Name, err))
		return
	}
	defer rows.Close()
	limit := int64(q.d.p.count) * int64(q.d.p.size) / 3
	for n := int64(0); rows.Next(); n++ {
		row, err := q.scan(rows)
		if err == nil && n > limit {
			err = errors.New("more rows than the file can hold")
		}
		if err != nil {
			yield(row, fmt.Errorf("table %q: %w", q.t.Name, err))
			return
		}
		if !yield(row, nil) {
			return
		}
	}
	if err := rows.Err(); err != nil {
		yield(Row{}, fmt.Errorf("table %q: %w", q.t.Name, err))
	}
}

func (q *query) scan(rows *sql.Rows) (Row, error) {
	if err := rows.Scan(q.into...); err != nil {
		return Row{}, err
	}
	row := Row{Values: make([]Value, len(q.values)-1)}
	row.ID, _ = q.values[0].(int64)
	for i, v := range q.values[1:] {
		switch v := v.(type) {
		case nil:
		case int64:
			row.Values[i] = Value{Kind: Integer, Int: v}
		case float64:
			row.Values[i] = Value{Kind: Real, Float: v}
		case string:
			row.Values[i] = Value{Kind: Text, Text: v}
		case []byte:
			row.Values[i] = Value{Kind: Blob, Text: string(v)}
		default:
			return row, fmt.Errorf("column %d: %T", i, v)
		}
	}
	return row, nil
}
