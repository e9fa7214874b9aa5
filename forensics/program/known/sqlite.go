package known

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver that database/sql is told by name
)

// database is an RDS version 3 database ("RDSv3 Data Dictionary", NIST): a
// table or view FILE or METADATA with the columns sha256, sha1, md5, file_name.
type database struct {
	db      *sql.DB
	columns []string // digest columns of the table, the longest first
	query   string
}

// openDatabase opens it read-only and as one that nobody writes.
func openDatabase(path string) (*database, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: "mode=ro&immutable=1"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	d := &database{db: db}
	if err := d.learn(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

// learn finds the table.
func (d *database) learn() error {
	for _, table := range []string{"FILE", "METADATA"} {
		have := map[string]bool{}
		rows, err := d.db.Query("select name from pragma_table_info(?)", table)
		if err != nil {
			return err
		}
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return errors.Join(err, rows.Close())
			}
			have[strings.ToLower(name)] = true
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		for _, c := range []string{"sha256", "sha1", "md5"} {
			if have[c] {
				d.columns = append(d.columns, c)
			}
		}
		if len(d.columns) > 0 {
			name := "''"
			if have["file_name"] {
				name = "file_name"
			}
			d.query = fmt.Sprintf("select coalesce(%s, '') from %s where ", name, table)
			return nil
		}
	}
	return errors.New("an SQLite database without a table FILE or METADATA that holds digests")
}

func (d *database) lookup(md5, sha1, sha256 string) (string, bool, error) {
	sums := map[string]string{"md5": md5, "sha1": sha1, "sha256": sha256}
	for _, c := range d.columns {
		if sums[c] == "" {
			continue
		}
		var name string
		// The RDS holds upper case; lists made from it, lower. Both use the index.
		err := d.db.QueryRow(d.query+c+" in (?, ?) limit 1", strings.ToUpper(sums[c]), strings.ToLower(sums[c])).Scan(&name)
		if err == nil {
			return name, true, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return "", false, err
		}
	}
	return "", false, nil
}

func (d *database) close() error { return d.db.Close() }
