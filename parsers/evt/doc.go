// Package evt reads the event log files of Windows NT to 2003 (.evt).
//
// Read: the header, the end-of-file record, and every record with its strings,
// SID and data, from [MS-EVEN] 2.2.3 and "Windows Event Log (EVT) format"
// (libevt documentation). Times are seconds since 1970 UTC, as in the file.
//
// A log is a ring: the newest record may stand before the oldest one, and one
// record may go over the end of the file to its begin. The header of a log
// that was not closed is old; the end-of-file record, which the service moves
// with every write, is believed before it. Records that the chain from the
// oldest to the end-of-file record does not reach are found by their signature
// and yielded as recovered.
//
// Not read: message texts (they are in the source's message files).
package evt
