package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
	"kanshiki/parsers/lfs"
)

const logHelp = `
    ks-walk log fixtures/quarantined-pc/quarantined-pc.E01

ks-walk log [OPTIONS] IMAGE [PATTERN…]

The records of $LogFile in the order in which they were written (lsn): what the
driver changed, with the value before (old_…) and after (new_…), where it logged
both. The log has no clock of its own: the times are those that it wrote. Without
--all only records that name a file or change times; patterns choose by path.

state    chain; earlier: before what the driver would need for recovery, often of
         an earlier round through the file; copy: only in a copy of its page
path     that of today: of the entry, or of the directory for a name in its index
`

var logColumns = []string{"volume", "snapshot", "lsn", "transaction", "state", "what", "redo", "undo", "entry", "sequence", "attribute", "name", "parent_entry", "parent_sequence", "path",
	"old_created", "old_modified", "old_entry_modified", "old_accessed", "new_created", "new_modified", "new_entry_modified", "new_accessed", "usn", "usn_time", "usn_reason", "offset", "cut"}

func runLog(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(logHelp, stdout)
	format := c.flags.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	all := c.flags.Bool("all", false, "every record, also those that name no file")
	pages := c.flags.Bool("pages", false, "count the pages of the file by what they hold")
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return cli.Usage("name an image, for example ks-walk log disk.E01")
	}
	s, err := c.open(ctx, args[0], stderr)
	if err != nil {
		return err
	}
	return s.write(stdout, func(w *bufio.Writer) error {
		if *pages {
			return s.logPages(w)
		}
		return s.log(ctx, args[1:], *all, newTable(w, *format, logColumns...))
	})
}

func (s *session) logPages(w io.Writer) error {
	for _, v := range s.ntfs("$LogFile") {
		f, err := v.fs.Log()
		if err != nil {
			s.warn("volume %d: $LogFile: %v", v.Number, err)
			continue
		}
		var count [lfs.UnreadPage + 1]int
		var bytes int64
		for _, p := range f.Pages() {
			count[p.Kind]++
			bytes += p.Len
		}
		version := "no restart page"
		if r := f.Restart; r != nil {
			version = fmt.Sprintf("version %d.%d, current LSN %d, oldest %d", r.Major, r.Minor, r.CurrentLSN, r.OldestLSN)
		}
		fmt.Fprintf(w, "%d%s  %s; %s bytes in %d pages:", v.Number, shadowName(v.snapshot), version, cli.Count(bytes), len(f.Pages()))
		for k, n := range count {
			fmt.Fprintf(w, " %d %s", n, lfs.Kind(k))
		}
		fmt.Fprintln(w)
	}
	return nil
}

func (s *session) log(ctx context.Context, patterns []string, all bool, t *table) error {
	records := 0
	for _, v := range s.ntfs("$LogFile") {
		f, err := v.fs.Log()
		if err != nil {
			s.warn("volume %d: $LogFile: %v", v.Number, err)
			continue
		}
		for _, d := range f.Damage {
			s.warn("volume %d: $LogFile, byte %#x: %v", v.Number, d.Off, &d)
		}
		match := v.fs.Matcher(patterns)
		for r, err := range v.fs.LogRecords(ctx, f) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.warn("volume %d: $LogFile, byte %#x: %v", v.Number, r.Offset, err)
				continue
			}
			records++
			path := r.Path
			if r.Name != "" && (strings.HasPrefix(r.What, "name ") || path == "") {
				path = strings.TrimPrefix(r.Path+"/"+r.Name, "/")
			}
			if !all && r.Name == "" && r.OldTimes == nil && r.NewTimes == nil && len(r.Changes) == 0 || !match.Match(path, "") {
				continue
			}
			if err := t.logRecord(v, &r); err != nil {
				return err
			}
		}
	}
	if records == 0 {
		return cli.Exit(cli.Failed, filesystem.ErrNoLog)
	}
	return nil
}

func (t *table) logRecord(v opened, r *filesystem.LogRecord) error {
	state := "chain"
	if r.Earlier {
		state = "earlier"
	}
	if r.Copy {
		state = "copy"
	}
	entry, sequence, up, upSeq, cut := absent, absent, absent, absent, absent
	if r.HasEntry {
		entry = number(r.Entry)
		if r.Sequence != 0 {
			sequence = number(r.Sequence)
		}
	}
	if r.Parent != (filesystem.Ref{}) {
		up, upSeq = number(r.Parent.Entry), number(r.Parent.Sequence)
	}
	if r.Cut {
		cut = word("yes")
	}
	people := ""
	if t.format == "text" {
		people = logLine(r, state)
	}
	fields := []field{number(v.Number), number(v.snapshot), number(r.LSN), number(r.Transaction), word(state), word(r.What), word(r.Redo), word(r.Undo), entry, sequence,
		word(r.Attribute), word(r.Name), up, upSeq, word(r.Path)}
	for _, x := range []*filesystem.Times{r.OldTimes, r.NewTimes} {
		if x == nil {
			fields = append(fields, absent, absent, absent, absent)
			continue
		}
		for _, k := range []event.Ticks{x.Created, x.Modified, x.Changed, x.Accessed} {
			if k == 0 {
				fields = append(fields, absent)
			} else {
				fields = append(fields, moment(k))
			}
		}
	}
	if len(r.Changes) == 0 {
		fields = append(fields, absent, absent, absent)
	} else {
		c := r.Changes[0]
		fields = append(fields, number(c.USN), moment(c.Time), word(reasonNames(c.Reason)))
	}
	return t.row(people, append(fields, number(r.Offset), cut)...)
}

func logLine(r *filesystem.LogRecord, state string) string {
	b := fmt.Sprintf("%-12d %-8s", r.LSN, state)
	if r.HasEntry {
		b += fmt.Sprintf("entry %-8d", r.Entry)
	} else {
		b += fmt.Sprintf("%14s", "")
	}
	what := r.What
	if what == "" {
		what = r.Redo
	}
	b += " " + what
	if r.Name != "" {
		b += "  " + escape.Text(r.Name)
	}
	if r.Path != "" {
		b += "  (" + escape.Text(r.Path) + ")"
	}
	for i, c := range r.Changes {
		if i == 0 {
			b += "  " + c.Time.String() + " " + reasonNames(c.Reason)
		}
	}
	old, now := r.OldTimes, r.NewTimes
	if old == nil {
		old = &filesystem.Times{}
	}
	if now == nil {
		now = &filesystem.Times{}
	}
	for _, x := range []struct {
		name     string
		old, now event.Ticks
	}{{"created", old.Created, now.Created}, {"modified", old.Modified, now.Modified}, {"entry modified", old.Changed, now.Changed}, {"accessed", old.Accessed, now.Accessed}} {
		switch {
		case x.old.Valid() && x.now.Valid() && x.old != x.now:
			b += fmt.Sprintf("  %s %s → %s", x.name, x.old, x.now)
		case x.now.Valid() && !x.old.Valid():
			b += fmt.Sprintf("  %s %s", x.name, x.now)
		case x.old.Valid() && !x.now.Valid():
			b += fmt.Sprintf("  %s was %s", x.name, x.old)
		}
	}
	if r.Cut {
		b += "  ! goes on in a page that is lost"
	}
	return b
}
