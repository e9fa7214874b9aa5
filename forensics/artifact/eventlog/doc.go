// Package eventlog reads the logs of the event log service, of Vista and later
// (EVTX) and of XP (EVT).
//
// One log serves many questions, so it is one artifact, and what a record
// means stands in tables by provider and event identifier: the action, who and
// what it is about, and one readable line. Every other record is kept as it
// is. What the log could have shown (its span, gaps in record numbers, that it
// was cleared, that the service stood still, that the clock was set) goes to
// coverage.
package eventlog
