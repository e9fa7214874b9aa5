// Package store keeps what is known of a case as plain Parquet files that our
// commands, DuckDB, ClickHouse, Spark, Trino and Polars read alike.
//
//	store/events/exhibit=X/0.parquet     one row per thing at a time
//	store/facts/exhibit=X/0.parquet      rows without a time of their own, with the interval that bounds them
//	store/files/exhibit=X/0.parquet      every name and stream of every entry of every volume
//	store/coverage/, problems/, sources/ what could have been shown, what was lost, what was parsed
//	store/origins/                       further places of an event that stands once in events
//	store/views.sql                      the joins, ready to run
//
// The columns are those of schema.go; their names and meanings change only
// with Version, which every file carries in its key-value metadata as
// "kanshiki.schema". There are no nested types: lists are JSON text. An absent
// value is NULL. Text that is no UTF-8 (lone surrogates of file names) is
// stored in its escaped form, and its exact bytes in text_raw, so that every
// engine can read the column and nothing is lost.
//
// Rows of events are sorted by time and a total key, whatever order they were
// added in and by how many workers: the same evidence gives the same bytes. An
// exhibit's rows are replaced as a whole (Builder.Commit): a run that dies
// before leaves the old ones.
//
// The package does not lock the case; package custody does, and whoever
// builds holds its lock.
package store
