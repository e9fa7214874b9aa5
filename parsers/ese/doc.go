// Package ese reads databases of the Extensible Storage Engine ("JET Blue"):
// SRUDB.dat, WebCacheV01.dat, qmgr.db, Windows.edb, Current.mdb.
//
// Read: format 0x620 up to revision 0x300 with pages of 4 to 32 KiB: file
// header with its state and its copy, the checksum of small pages, the catalog,
// every table's rows by a walk of its tree, fixed, variable and tagged columns,
// several values of one column, long values in segments, 7-bit and LZ77
// compression, rows whose node is marked deleted. Sources: libesedb,
// "Extensible Storage Engine (ESE) Database File (EDB) format"; the Extensible
// Storage Engine in source (microsoft, dev/ese/src: cpage, node, fld, lv).
//
// Rows are counted in the tests as esedbexport and go-ese count them. Neither
// is used here, since neither says what it could not read: go-ese
// (v0.2.1-0.20250215160921) takes an unreadable number for 0, loses the rest of
// a table with one bad row, cuts dates to seconds, reads only the first segment
// of a long value, takes entries that were given up for rows (see TestSamples)
// and prints to standard output.
//
// Not read: the transaction logs (a database in dirty state lacks what they
// hold: see State), indices, space trees, rows in slack, checksums of pages of
// 16 KiB and more, XPRESS9 and XPRESS10 compression, encryption.
//
// Values leave as they are stored; a date is a number or its eight bytes, since
// the column does not say which kind of time it holds.
package ese

// Limits.
const (
	// maxDepth of a tree. A page of 4 KiB holds more than a hundred children.
	maxDepth = 32
	// maxLong bounds one long value.
	maxLong = 16 << 20
	// maxSegments bounds the segments of long values that a table's index holds.
	maxSegments = 4 << 20
	maxTables   = 10000
	maxColumns  = 65535
)
