// Package scca reads prefetch files: what the Windows prefetcher noted about
// the first seconds of a program.
//
// Read: format versions 17 (XP, 2003), 23 (Vista, 7), 26 (8, 8.1), 30 (10, 11;
// both layouts of its file information, told apart by where the file metrics
// begin, 304 or 296) and 31 (11) by its published layout, for which no sample
// was at hand; plain, or packed with MAM (LZ77+Huffman, with or without
// checksum). Source: "Windows Prefetch File (PF) format" of the libscca
// project, revision June 2026; MAM header: "Windows SuperFetch (DB) format" of
// libagdb. The place of the run count in the second layout of version 30 is
// byte 200, checked against libscca on 124 files.
//
// Not read: trace chains (their number is kept), Layout.ini, ReadyBoot files,
// SuperFetch databases, the strings of unused space.
//
// Times are FILETIME as stored. A file of which a part does not fit gives what
// can be read, and an error for each part in Damage.
package scca
