package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
	"modernc.org/sqlite/vfs"

	"kanshiki/parsers/internal/cursor"
)

// Options of Open. The zero value reads the file alone.
type Options struct {
	WAL    *WAL  // its committed pages stand over those of the file
	MaxRow int64 // 0 is MaxRow
}

// DB is an open database. It is for one goroutine.
type DB struct {
	Header Header
	Tables []Table // in the order of the schema
	// Damage is what is wrong with the file as a whole: pages that are not
	// there, a page in part, a schema that could not be read whole.
	Damage []error

	p      *pages
	maxRow int64
	files  *vfs.FS
	sql    *sql.DB
	conn   *sql.Conn // the only one, with its limits
}

// Open reads header and schema. Nothing is written and no file is made.
func Open(r io.ReaderAt, size int64, o Options) (*DB, error) {
	d := &DB{p: &pages{r: r}, maxRow: o.MaxRow}
	if d.maxRow <= 0 {
		d.maxRow = MaxRow
	}
	if o.WAL != nil && o.WAL.Committed > 0 {
		d.p.wal = o.WAL
	}
	if err := d.readFirst(size); err != nil {
		return nil, err
	}
	if err := d.connect(); err != nil {
		_ = d.Close()
		return nil, err
	}
	if err := d.readSchema(); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// readFirst reads the first page and settles how many pages there are.
func (d *DB) readFirst(size int64) error {
	p := d.p
	at, src := int64(0), p.r
	if p.wal != nil {
		if off, ok := p.wal.pages[1]; ok {
			at, src = off, p.wal.r
		}
	}
	head := make([]byte, headerSize)
	if n, err := src.ReadAt(head, at); n < headerSize {
		return cursor.Errorf(0, "header: %d of %d bytes: %v", n, headerSize, err)
	}
	h, err := parseHeader(head)
	if err != nil {
		return err
	}
	if p.wal != nil && p.wal.PageSize != h.PageSize {
		return fmt.Errorf("pages of %d bytes, those of the log %d", h.PageSize, p.wal.PageSize)
	}
	d.Header, p.size = h, h.PageSize
	have := size / int64(h.PageSize)
	if rest := size % int64(h.PageSize); rest != 0 {
		d.Damage = append(d.Damage, cursor.Errorf(have*int64(h.PageSize), "%d bytes of a page of %d", rest, h.PageSize))
	}
	want := int64(h.Pages)
	if p.wal != nil {
		want = int64(p.wal.count)
		for n := range p.wal.pages { // pages that only the log has
			if int64(n) <= want {
				have = max(have, int64(n))
			}
		}
	}
	if want == 0 {
		want = have
	}
	if want > have {
		d.Damage = append(d.Damage, cursor.Errorf(have*int64(h.PageSize), "%d pages, the header says %d", have, want))
	}
	if want = min(want, have); want < 1 || want > 1<<32-2 {
		return cursor.Errorf(28, "%d pages", want)
	}
	p.count = uint32(want)
	if p.first, err = p.page(1); err != nil {
		return err
	}
	p.patch()
	return nil
}

// pragmas: a schema of the evidence is not trusted with functions, cells are
// checked, and a schema that is broken in part is read in part.
const pragmas = "&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&_pragma=writable_schema(1)&_pragma=query_only(1)&_pragma=mmap_size(0)&_pragma=cache_size(-4096)"

func (d *DB) connect() error {
	name, files, err := vfs.New(oneFile{d.p})
	if err != nil {
		return err
	}
	d.files = files
	if d.sql, err = sql.Open("sqlite", "file:"+fileName+"?vfs="+name+"&mode=ro&immutable=1"+pragmas); err != nil {
		return err
	}
	d.sql.SetMaxOpenConns(1)
	if d.conn, err = d.sql.Conn(context.Background()); err != nil {
		return err
	}
	// An expression of the schema could otherwise make a value of a gigabyte.
	for limit, n := range map[int]int{sqlite3.SQLITE_LIMIT_LENGTH: int(min(max(d.maxRow, 1<<20), 1<<30)), sqlite3.SQLITE_LIMIT_ATTACHED: 0} {
		if _, err := sqlite.Limit(d.conn, limit, n); err != nil {
			return err
		}
	}
	return nil
}

// Close frees what SQLite holds. It does not close the reader.
func (d *DB) Close() error {
	var err error
	if d.conn != nil {
		err = d.conn.Close()
	}
	if d.sql != nil {
		err = errors.Join(err, d.sql.Close())
	}
	if d.files != nil {
		err = errors.Join(err, d.files.Close())
	}
	d.conn, d.sql, d.files = nil, nil, nil
	return err
}

const fileName = "database"

// oneFile is a file system that holds the database and nothing beside it: no
// journal and no log are found, none can be made.
type oneFile struct{ p *pages }

func (o oneFile) Open(name string) (fs.File, error) {
	if name != fileName {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	size := int64(o.p.count) * int64(o.p.size)
	return &openFile{io.NewSectionReader(o.p, 0, size), size}, nil
}

type openFile struct {
	*io.SectionReader
	size int64
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *openFile) Close() error               { return nil }
func (f *openFile) Name() string               { return fileName }
func (f *openFile) Size() int64                { return f.size }
func (f *openFile) Mode() fs.FileMode          { return 0o444 }
func (f *openFile) ModTime() time.Time         { return time.Time{} }
func (f *openFile) IsDir() bool                { return false }
func (f *openFile) Sys() any                   { return nil }
