// Package browser reads what browsers keep of pages and downloads: the
// histories of Chrome and its relatives, of Firefox, and of Internet Explorer
// of all versions; cookies; what was typed into forms. Not read: the bodies of
// caches, sessions and tabs.
//
// The SQLite databases are read in place, with their write-ahead log and without it.
// What only the log has is marked; what only the database has (the log removes
// or changes it) is given as a recovered record. Deleted rows in free pages are
// not searched: the coverage fact says how many such pages there are.
//
// A browser's record speaks of a profile, not of a person: pages load others,
// extensions and other programs open pages, and visits come from other machines
// by synchronisation.
package browser
