package main

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"strings"
	"unicode/utf8"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/store"
)

// timed writes the formats of other timeline programs.
type timed struct {
	w      *bufio.Writer
	csv    *csv.Writer
	format string
	buf    []byte
	cells  []string
	more   []string // further columns of timesketch
}

// Columns of the formats, ANCHORS 8.
var (
	l2tColumns = []string{"date", "time", "timezone", "MACB", "source", "sourcetype", "type", "user", "host", "short", "desc", "version", "filename", "inode", "notes", "format", "extra"}
	tsColumns  = []string{"message", "timestamp", "datetime", "timestamp_desc"}
)

// tsLimit is the longest keyword that Timesketch's index takes.
const tsLimit = 32766

func (t *timed) head() {
	t.csv = csv.NewWriter(t.w)
	switch t.format {
	case "timesketch":
		for _, c := range store.EventColumns() {
			if c != "message" && c != "time" && c != "ticks" {
				t.more = append(t.more, c)
			}
		}
		t.csv.Write(append(append([]string{}, tsColumns...), t.more...))
	case "l2tcsv":
		t.csv.Write(l2tColumns)
	}
	t.csv.Flush()
}

func (t *timed) row(e *event.Event) error {
	switch t.format {
	case "timesketch":
		return t.timesketch(e)
	case "l2tcsv":
		return t.l2t(e)
	}
	_, err := fmt.Fprintf(t.w, "%d|%s|%s|%s|%s\n", unix(timeOf(e)), shortSource(e.Artifact), pipeless(e.Machine), pipeless(user(e)), pipeless(desc(e)))
	return err
}

func (t *timed) timesketch(e *event.Event) error {
	at := timeOf(e)
	t.cells = append(t.cells[:0], cut(escape.CSV(orText(e.Message, e.Meaning)), tsLimit), fmt.Sprint(at.Micros()),
		at.Time().Format("2006-01-02T15:04:05.000000+00:00"), escape.CSV(orText(e.Meaning, string(e.Action))))
	for _, c := range t.more {
		t.buf = store.AppendText(t.buf[:0], e, c)
		t.cells = append(t.cells, cut(escape.CSV(string(t.buf)), tsLimit))
	}
	return t.write()
}

func (t *timed) l2t(e *event.Event) error {
	at := timeOf(e).Time()
	inode := ""
	if e.Entry != 0 || e.Sequence != 0 {
		inode = fmt.Sprintf("%d-%d", e.Entry, e.Sequence)
	}
	path := e.Path
	if path == "" {
		path = e.Source
	}
	t.cells = append(t.cells[:0], at.Format("01/02/2006"), at.Format("15:04:05"), "UTC", macb(e), shortSource(e.Artifact), e.Artifact,
		escape.CSV(orText(e.Meaning, string(e.Action))), dash(escape.CSV(user(e))), dash(escape.CSV(e.Machine)), escape.CSV(cut(desc(e), 80)), escape.CSV(desc(e)),
		"2", escape.CSV(path), dash(inode), "-", "kanshiki", escape.CSV(string(event.AppendFields(nil, e.Fields))))
	return t.write()
}

func (t *timed) write() error {
	if err := t.csv.Write(t.cells); err != nil {
		return err
	}
	t.csv.Flush() // into the buffer below
	return t.csv.Error()
}

// macb folds the marks of both attributes into the four letters; what is no
// entry's time is a modification, as log2timeline writes it.
func macb(e *event.Event) string {
	if e.MACB == 0 {
		return "M..."
	}
	m := e.MACB | e.MACB>>4
	b := []byte("....")
	for i, c := range []byte("MACB") {
		if m>>i&1 == 1 {
			b[i] = c
		}
	}
	return string(b)
}

// shortSource is the short word of log2timeline for an artifact's group.
func shortSource(artifact string) string {
	group, rest, _ := strings.Cut(artifact, "/")
	switch {
	case group == "filesystem":
		return "FILE"
	case group == "registry", rest == "userassist", rest == "shimcache", rest == "bam":
		return "REG"
	case strings.Contains(rest, "evt"), strings.Contains(rest, "eventlog"):
		return "EVT"
	case rest == "lnk", rest == "jumplist":
		return "LNK"
	case group == "browser":
		return "WEBHIST"
	case group == "mail":
		return "EMAIL"
	case rest == "recyclebin":
		return "RECBIN"
	}
	return "LOG"
}

func user(e *event.Event) string { return orText(e.User, e.UserSID) }

func desc(e *event.Event) string {
	s := orText(e.Message, e.Meaning+" "+e.Path)
	if e.Fact {
		s += " (fact, " + when(e) + ")"
	}
	return oneLine(s)
}

func oneLine(s string) string { return escape.Text(s) }

func orText(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func dash(s string) string { return orText(s, "-") }

// cut shortens a text at a character's border.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
