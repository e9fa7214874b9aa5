// Package sqlite reads SQLite 3 databases: tables and rows, each row with its
// place in the file.
//
// Read: the database file format (sqlite.org/fileformat2.html) with page sizes
// of 512 to 65536, all text encodings, rowid tables and WITHOUT ROWID tables;
// the write-ahead log (same document, section 4) as far as it is committed and
// its checksums agree. Rows are decoded by modernc.org/sqlite v1.61.1, which
// sees the file through a read-only file system of ours and never a copy on
// disk. Where rows lie, how many there are and which pages hold them is found
// by a walk of our own, so that a page that SQLite refuses costs its own rows
// and no others, and no row is lost without a word.
//
// Not read: a rollback journal (a hot one is for the caller to see), rows in
// free pages and free blocks, earlier generations of the log, virtual tables
// (FTS, R-tree: their shadow tables are tables like others), indices, views.
package sqlite

// Limits. A database is bounded by its caller; a row by MaxRow.
const (
	// MaxRow is the largest row that is decoded, overflow pages included.
	MaxRow = 32 << 20
	// maxDepth of a table's tree: SQLite's own limit (BTCURSOR_MAX_DEPTH).
	maxDepth = 20
	// maxTables and maxColumns bound what a schema may claim.
	maxTables  = 10000
	maxColumns = 2000
)
