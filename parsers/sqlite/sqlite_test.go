package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t testing.TB, b []byte, o Options) *DB {
	t.Helper()
	d, err := Open(bytes.NewReader(b), int64(len(b)), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// drain counts rows and errors of all tables.
func drain(d *DB) (rows, errs int) {
	for _, t := range d.Tables {
		for _, err := range d.Rows(t.Name) {
			if err != nil {
				errs++
			} else {
				rows++
			}
		}
	}
	return rows, errs + len(d.Damage)
}

// read opens and drains; a database that cannot be opened is one error.
func read(r io.ReaderAt, size int64) (rows, errs int) {
	d, err := Open(r, size, Options{})
	if err != nil {
		return 0, 1
	}
	defer d.Close()
	return drain(d)
}

// TestRows: values by the sqlite3 tool.
func TestRows(t *testing.T) {
	d := open(t, sample(t, "History3"), Options{})
	if d.Header.PageSize != 4096 || len(d.Damage) != 0 {
		t.Errorf("%+v %v", d.Header, d.Damage)
	}
	counts := map[string]int{"downloads": 4, "downloads_url_chains": 4, "keyword_search_terms": 5, "urls": 18, "visits": 19, "visit_source": 0}
	for name, want := range counts {
		n := 0
		for row, err := range d.Rows(name) {
			if err != nil {
				t.Error(err)
			}
			if row.Off == 0 || row.Length == 0 || row.ID == 0 {
				t.Errorf("%s: row without a place: %+v", name, row)
			}
			n++
		}
		if n != want {
			t.Errorf("%s: %d rows, want %d", name, n, want)
		}
	}
	for row, err := range d.Rows("urls", "URL", "no such column", "id") {
		if err != nil || row.Values[0].Kind != Text || row.Values[1].Kind != Null || row.Values[2].Int != row.ID {
			t.Fatalf("%+v %v", row, err)
		}
		// A short record lies whole in its cell: the text must stand there.
		if at := string(sample(t, "History3")[row.Off : row.Off+row.Length]); !strings.Contains(at, row.Values[0].Text) {
			t.Errorf("row %d is not at %#x", row.ID, row.Off)
		}
	}
}

// TestCorpus: the rows of every table by the sqlite3 tool.
func TestCorpus(t *testing.T) {
	for _, table := range []string{"browser", "winsqlite"} {
		for _, r := range corpus.Truth(t, table) {
			if r["table_rows"] == "" || strings.Contains(r["file"], "derived/") {
				continue
			}
			b, err := os.ReadFile(corpus.Path(t, "artifacts/"+r["file"]))
			if err != nil {
				t.Error(err)
				continue
			}
			d := open(t, b, Options{})
			for _, part := range strings.Split(r["table_rows"], "; ") {
				i := strings.LastIndexByte(part, '=')
				name, text := part[:i], part[i+1:]
				want, err := strconv.Atoi(text)
				if err != nil {
					continue
				}
				n := 0
				for _, err := range d.Rows(name) {
					if err != nil {
						t.Errorf("%s %s: %v", r["file"], name, err)
						continue
					}
					n++
				}
				if n != want {
					t.Errorf("%s %s: %d rows, want %d", r["file"], name, n, want)
				}
			}
			if len(d.Damage) != 0 {
				t.Errorf("%s: %v", r["file"], d.Damage)
			}
		}
	}
}

// TestZeroedPage: the page held no rows (an index); those of the whole file, by
// the sqlite3 tool, must all come.
func TestZeroedPage(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "artifacts/browser/derived/places_zeroed_page.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	if rows, errs := read(bytes.NewReader(b), int64(len(b))); rows != 214 || errs != 0 {
		t.Errorf("%d rows, %d errors", rows, errs)
	}
}

func TestTruncation(t *testing.T) {
	for _, name := range []string{"History3", "downloads.sqlite", "qutebrowser.sqlite"} {
		whole := sample(t, name)
		want, errs := read(bytes.NewReader(whole), int64(len(whole)))
		if errs != 0 || want == 0 {
			t.Fatalf("%s: %d rows, %d errors", name, want, errs)
		}
		cuts := []int{0, 1, 15, 16, 99, 100}
		for i := 0; i < len(whole); i += 4096 {
			cuts = append(cuts, i-1, i, i+1)
		}
		r := rand.New(rand.NewPCG(1, 2))
		for range 40 {
			cuts = append(cuts, r.IntN(len(whole)))
		}
		for _, n := range cuts {
			if n < 0 {
				continue
			}
			if rows, errs := read(bytes.NewReader(whole[:n]), int64(n)); rows < want && errs == 0 {
				t.Errorf("%s cut at %d: %d of %d rows, loss is silent", name, n, rows, want)
			}
		}
	}
}

// badBlock does not give one block.
type badBlock struct {
	b        []byte
	off, end int64
	hit      bool
}

var errBad = errors.New("bad block")

func (r *badBlock) ReadAt(p []byte, off int64) (int, error) {
	if off < r.end && off+int64(len(p)) > r.off {
		r.hit = true
		return 0, errBad
	}
	return bytes.NewReader(r.b).ReadAt(p, off)
}

func TestBadBlock(t *testing.T) {
	b := sample(t, "History3")
	want, _ := read(bytes.NewReader(b), int64(len(b)))
	for off := int64(0); off < int64(len(b)); off += 4096 {
		r := &badBlock{b: b, off: off, end: off + 512}
		if rows, errs := read(r, int64(len(b))); rows < want && errs == 0 {
			t.Errorf("block at %d: %d of %d rows, loss is silent", off, rows, want)
		}
	}
}

// TestBrokenPageCostsItself: of a table of many pages one is overwritten.
func TestBrokenPageCostsItself(t *testing.T) {
	b, _ := made(t, "", 2000)
	d := open(t, b, Options{})
	var pages []int64
	for row, err := range d.Rows("t") {
		if err != nil {
			t.Fatal(err)
		}
		if p := row.Off / 4096; len(pages) == 0 || pages[len(pages)-1] != p {
			pages = append(pages, p)
		}
	}
	if len(pages) < 5 {
		t.Fatalf("%d pages", len(pages))
	}
	broken := bytes.Clone(b)
	copy(broken[pages[2]*4096:], make([]byte, 4096))
	rows, errs := read(bytes.NewReader(broken), int64(len(broken)))
	if errs != 1 || rows < 1800 || rows >= 2000 {
		t.Errorf("%d rows, %d errors", rows, errs)
	}
	// A row's overflow page lost: the row, and no other.
	big, _ := made(t, "INSERT INTO t VALUES (5000, zeroblob(20000)), (5001, 'after')", 10)
	d = open(t, big, Options{})
	last := Row{}
	for row := range d.Rows("t") {
		if row.ID == 5000 {
			last = row
		}
	}
	next := last.Off + last.Length - 4
	page := int64(big[next])<<24 | int64(big[next+1])<<16 | int64(big[next+2])<<8 | int64(big[next+3])
	copy(big[(page-1)*4096:], []byte{0xff, 0xff, 0xff, 0xff})
	if rows, errs := read(bytes.NewReader(big), int64(len(big))); rows != 11 || errs != 1 {
		t.Errorf("%d rows, %d errors", rows, errs)
	}
	if o := open(t, big, Options{MaxRow: 1000}); o != nil {
		if rows, errs := drain(o); rows != 11 || errs != 1 {
			t.Errorf("with a limit: %d rows, %d errors", rows, errs)
		}
	}
}

// made is a database of n rows, with what the further statement wrote in its
// log, taken while SQLite still had it open.
func made(t testing.TB, then string, n int) (db, wal []byte) {
	t.Helper()
	p := filepath.Join(t.TempDir(), "x.db")
	c, err := sql.Open("sqlite", p)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetMaxOpenConns(1)
	run := func(s string) {
		if _, err := c.Exec(s); err != nil {
			t.Fatal(s, err)
		}
	}
	run(`PRAGMA page_size=4096; CREATE TABLE t (id INTEGER PRIMARY KEY, v)`)
	run(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) INSERT INTO t SELECT i, 'value number ' || i FROM n`, n))
	if strings.HasPrefix(then, "INSERT") || then == "" {
		if then != "" {
			run(then)
		}
	} else {
		run(`PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0`)
		run(then)
		if wal, err = os.ReadFile(p + "-wal"); err != nil {
			t.Fatal(err)
		}
	}
	if db, err = os.ReadFile(p); err != nil {
		t.Fatal(err)
	}
	return db, wal
}

// TestWAL: with the log and without it.
func TestWAL(t *testing.T) {
	db, wal := made(t, `BEGIN; DELETE FROM t WHERE id <= 10; UPDATE t SET v = 'changed' WHERE id = 20; INSERT INTO t VALUES (9999, 'new'); COMMIT`, 300)
	values := func(o Options) map[int64]string {
		m := map[int64]string{}
		for row, err := range open(t, db, o).Rows("t") {
			if err != nil {
				t.Fatal(err)
			}
			m[row.ID] = row.Values[1].String()
		}
		return m
	}
	w, err := ReadWAL(bytes.NewReader(wal), int64(len(wal)))
	if err != nil || w.Committed == 0 || w.Uncommitted != 0 || w.Stale != 0 {
		t.Fatalf("%+v %v", w, err)
	}
	before, after := values(Options{}), values(Options{WAL: w})
	if len(before) != 300 || before[5] == "" || before[20] != "value number 20" || before[9999] != "" {
		t.Errorf("without: %d rows", len(before))
	}
	if len(after) != 291 || after[5] != "" || after[20] != "changed" || after[9999] != "new" {
		t.Errorf("with: %d rows, %q, %q", len(after), after[20], after[9999])
	}
	for n := range len(wal) { // a cut log never gives part of a transaction
		if n%97 != 0 {
			continue
		}
		w, err := ReadWAL(bytes.NewReader(wal[:n]), int64(n))
		if n > 0 && n < walHeader {
			if err == nil {
				t.Errorf("cut at %d: no error", n)
			}
			continue
		}
		if err != nil || w.Committed != 0 {
			t.Fatalf("cut at %d: %+v %v", n, w, err)
		}
	}
	flipped := bytes.Clone(wal)
	flipped[walHeader+frameHeader+100] ^= 1
	if w, err := ReadWAL(bytes.NewReader(flipped), int64(len(flipped))); err != nil || w.Committed != 0 || w.Stale == 0 {
		t.Errorf("%+v %v", w, err)
	}
}

// TestComputedColumns: a column that is computed is not asked for, and one that
// claims more than the limit is not made.
func TestComputedColumns(t *testing.T) {
	db, _ := made(t, "INSERT INTO t VALUES (400, 'x')", 3)
	p := filepath.Join(t.TempDir(), "y.db")
	if err := os.WriteFile(p, db, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := sql.Open("sqlite", p)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{`CREATE TABLE g (a, b AS (hex(zeroblob(40000000))) VIRTUAL, c)`, `INSERT INTO g (a, c) VALUES (1, 2)`} {
		if _, err := c.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = os.ReadFile(p); err != nil {
		t.Fatal(err)
	}
	d := open(t, db, Options{})
	if g := d.Table("g"); strings.Join(g.Columns, " ") != "a c" {
		t.Errorf("%v", g.Columns)
	}
	for row, err := range d.Rows("g", "a", "b", "c") {
		if err != nil || row.Values[1].Kind != Null || row.Values[2].Int != 2 {
			t.Errorf("%+v %v", row, err)
		}
	}
	if _, err := d.conn.ExecContext(t.Context(), `SELECT hex(zeroblob(40000000))`); err == nil {
		t.Error("a value of 80 MB was made")
	}
}

func TestRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty": nil, "text": []byte(strings.Repeat("no database here ", 100)),
		"page size": append(append([]byte("SQLite format 3\x00"), 3, 0), make([]byte, 5000)...),
	} {
		if _, err := Open(bytes.NewReader(b), int64(len(b)), Options{}); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := ReadWAL(strings.NewReader(strings.Repeat("x", 64)), 64); err == nil {
		t.Error("a text is no log")
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(sample(f, "downloads.sqlite"), []byte{})
	f.Add(sample(f, "qutebrowser.sqlite"), []byte{})
	db, wal := made(f, "UPDATE t SET v = 1", 3)
	f.Add(db, wal)
	f.Fuzz(func(t *testing.T, b, log []byte) {
		if len(b) > 1<<20 || len(log) > 1<<20 {
			return
		}
		w, err := ReadWAL(bytes.NewReader(log), int64(len(log)))
		if err != nil {
			w = nil
		}
		d, err := Open(bytes.NewReader(b), int64(len(b)), Options{WAL: w})
		if err != nil {
			return
		}
		defer d.Close()
		most := 0
		for range d.Tables {
			most += len(b) + len(log)
		}
		if rows, _ := drain(d); rows > most {
			t.Fatalf("%d rows of %d bytes", rows, len(b))
		}
	})
}

func BenchmarkRows(b *testing.B) {
	db, _ := made(b, "", 20000)
	b.SetBytes(int64(len(db)))
	b.ReportAllocs()
	for b.Loop() {
		if rows, errs := read(bytes.NewReader(db), int64(len(db))); rows != 20000 || errs != 0 {
			b.Fatal(rows, errs)
		}
	}
}
