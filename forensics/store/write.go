package store

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

const (
	// rowGroupBytes is the most uncompressed text and numbers of a row group;
	// with headers and indexes it stays below 64 MiB.
	rowGroupBytes = 48 << 20
	rowGroupRows  = 256 << 10
	// fileRows is where a dataset's file ends and its next begins.
	fileRows  = 5_000_000
	batchRows = 1024
	// pageBytes bounds a page, so that a time range reads little beside it.
	pageBytes = 128 << 10
)

// unbounded lists the columns whose least and greatest value no reader can use
// to leave a page out: digests and free text.
var unbounded = func() parquet.WriterOption {
	c := &parquet.WriterConfig{}
	for _, name := range []string{"id", "message", "fields", "text_raw", "path", "url", "inner", "record", "program", "source", "registry_key",
		"registry_value", "stream", "source_stream", "meaning", "zone", "mail", "sha256", "path_utf16", "problems", "note", "how", "expected", "found", "evidence"} {
		c.SkipPageBounds = append(c.SkipPageBounds, []string{name})
		c.SkipPageStatistics = append(c.SkipPageStatistics, []string{name})
	}
	return c
}()

var codec = &zstd.Codec{Level: zstd.SpeedFastest}

// file writes rows of one dataset to 0.parquet, 1.parquet … in a folder.
type file[T any] struct {
	dir    string
	sorted []string // columns that the rows are sorted by, for readers that care
	n      int
	f      *os.File
	b      *bufio.Writer
	w      *parquet.GenericWriter[T]
	rows   int64 // of this file
	group  int64 // rows of this row group
	bytes  int64 // and their size
	total  int64
}

func (d *file[T]) open() error {
	if err := os.MkdirAll(d.dir, 0o777); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(d.dir, fmt.Sprintf("%d.parquet", d.n)))
	if err != nil {
		return err
	}
	d.n++
	d.f, d.b = f, bufio.NewWriterSize(f, 256<<10)
	var by []parquet.SortingColumn
	for _, c := range d.sorted {
		by = append(by, parquet.Ascending(c))
	}
	d.w = parquet.NewGenericWriter[T](d.b,
		parquet.Compression(codec),
		parquet.PageBufferSize(pageBytes),
		parquet.WriteBufferSize(0),
		parquet.CreatedBy("kanshiki", Version, ""),
		parquet.KeyValueMetadata("kanshiki.schema", Version),
		parquet.SortingWriterConfig(parquet.SortingColumns(by...)),
		unbounded,
	)
	d.rows, d.group, d.bytes = 0, 0, 0
	return nil
}

// write adds rows; size is about what they hold.
func (d *file[T]) write(rows []T, size int64) error {
	if d.w != nil && d.rows >= fileRows {
		if err := d.closeFile(); err != nil {
			return err
		}
	}
	if d.w == nil {
		if err := d.open(); err != nil {
			return err
		}
	}
	if d.group > 0 && (d.group+int64(len(rows)) > rowGroupRows || d.bytes+size > rowGroupBytes) {
		if err := d.w.Flush(); err != nil {
			return err
		}
		d.group, d.bytes = 0, 0
	}
	if _, err := d.w.Write(rows); err != nil {
		return err
	}
	n := int64(len(rows))
	d.rows, d.group, d.total, d.bytes = d.rows+n, d.group+n, d.total+n, d.bytes+size
	return nil
}

func (d *file[T]) closeFile() error {
	if d.w == nil {
		return nil
	}
	err := d.w.Close()
	if ferr := d.b.Flush(); err == nil {
		err = ferr
	}
	if serr := d.f.Sync(); err == nil {
		err = serr
	}
	if cerr := d.f.Close(); err == nil {
		err = cerr
	}
	d.w, d.f = nil, nil
	return err
}

// close ends the dataset; one without rows gets a file with the schema, so
// that every exhibit has every table.
func (d *file[T]) close() error {
	if d.n == 0 {
		if err := d.open(); err != nil {
			return err
		}
	}
	return d.closeFile()
}

// abandon lets go of an unfinished file.
func (d *file[T]) abandon() {
	if d.f != nil {
		d.f.Close()
	}
}
