// Package evtx reads the event log files of Windows Vista and later (.evtx).
//
// Read: the file header, every chunk with its two checksums, every record, and
// the binary XML of records with their templates, from "Windows XML Event Log
// (EVTX) format" (libevtx documentation, revision 2021) and [MS-EVEN6] 2.2.12
// to 2.2.19. Templates are compiled once for each chunk into a flat program;
// a record is read by filling that program with its values, without building
// a document.
//
// The chunks are believed, not the file header: the header of a log that was
// not closed is old. Inside a chunk the chain of records from its start to the
// recorded end is live. What is found by its signature after a break in that
// chain, behind the recorded end or in the slack of a chunk comes as a
// recovered record and says so. Nothing that looks like a record is passed
// over without an error that has its place.
//
// Not read: message texts (they are in the provider's files), the chunk's
// string and template hash tables (only a way to share, and often damaged),
// records that lie outside of chunks, and chunks that do not begin on their
// 64 KiB step.
package evtx
