package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/filesystem/secondreader"
)

// The rows of ks-walk list --second-reader.
var secondColumns = []string{"volume", "snapshot", "entry", "sequence", "path", "stream", "field", "ours", "theirs", "cause", "reason", "path_utf16", "stream_utf16"}

func runSecondReader(ctx context.Context, c common, image, format string, o secondreader.Options, stdout, stderr io.Writer) error {
	s, err := c.open(ctx, image, stderr)
	if err != nil {
		return err
	}
	unexplained := false
	err = s.write(stdout, func(w *bufio.Writer) error {
		t := newTable(w, format, secondColumns...)
		p := cli.NewProgress(name, *c.progress, stderr)
		for _, v := range s.ntfs("second reader for it") {
			sum, err := s.secondReader(ctx, v, o, t, p)
			if err != nil {
				return err
			}
			unexplained = unexplained || sum.Unexplained > 0
		}
		return nil
	})
	if unexplained && (err == nil || cli.Code(err) == cli.Gaps) {
		return cli.Exit(cli.No, nil)
	}
	return err
}

func (s *session) secondReader(ctx context.Context, v opened, o secondreader.Options, t *table, p *cli.Progress) (*secondreader.Summary, error) {
	p.Start("entries", int64(v.fs.Slots()))
	o.Progress = func(n int) { p.Add(int64(n)) }
	sum, err := secondreader.Run(ctx, v.fs, o, func(d secondreader.Difference) error { return secondRow(t, v, d) })
	p.Done()
	if err != nil {
		return nil, fmt.Errorf("volume %d%s: second reader: %w", v.Number, shadowName(v.snapshot), err)
	}
	s.tellSecond(v, sum)
	return sum, nil
}

func secondRow(t *table, v opened, d secondreader.Difference) error {
	var causes, reasons []string
	for _, cause := range d.Causes {
		causes, reasons = append(causes, string(cause)), append(reasons, cause.Reason())
	}
	cause, reason := strings.Join(causes, ", "), strings.Join(reasons, "; ")
	if d.Detail != "" {
		reason += ": " + d.Detail
	}
	path := d.Path
	if d.Stream != "" {
		path += ":" + d.Stream
	}
	shown := func(s string) string {
		if s == "" {
			return "nothing"
		}
		return escape.Text(s)
	}
	entry := fmt.Sprintf("%d%s %d-%d", v.Number, shadowName(v.snapshot), d.Entry, d.Sequence)
	people := fmt.Sprintf("%-16s %s  %s: ours %s, theirs %s  [%s]", entry, escape.Text(path), d.Field, shown(d.Ours), shown(d.Theirs), cause)
	return t.row(people, number(v.Number), number(v.snapshot), number(d.Entry), number(d.Sequence), word(d.Path), word(d.Stream), word(d.Field),
		word(d.Ours), word(d.Theirs), word(cause), word(reason), bytesOf(exactUnits(d.Path)), bytesOf(exactUnits(d.Stream)))
}

// tellSecond says on standard error what was compared, and what was not.
func (s *session) tellSecond(v opened, sum *secondreader.Summary) {
	where := fmt.Sprintf("volume %d%s", v.Number, shadowName(v.snapshot))
	again := ""
	if !sum.End.Repeatable {
		again = " (not repeatable)"
	}
	switch sum.End.Kind {
	case secondreader.Refused:
		s.warn("%s: second reader: could not open the volume: %s", where, escape.Text(sum.End.Reason))
	case secondreader.Endless:
		s.warn("%s: second reader: %s", where, sum.End.Reason)
	case secondreader.Died, secondreader.Stopped:
		s.warn("%s: second reader: ended by %s after entry %s of %s%s", where, escape.Text(sum.End.Reason), cli.Count(int64(sum.Reached)), cli.Count(int64(sum.Places)), again)
	}
	if sum.BadBytes > 0 {
		s.warn("%s: second reader: %s bytes that it asked for cannot be read", where, cli.Count(sum.BadBytes))
	}
	if sum.Unread > 0 {
		s.warn("%s: second reader: content of %s streams not compared: our reader does not give it whole; ks-walk list --hash sha256 says why", where, cli.Count(int64(sum.Unread)))
	}
	if s.quiet {
		return
	}
	say := func(format string, args ...any) {
		fmt.Fprintf(s.stderr, "%s: %s: "+format+"\n", append([]any{name, where}, args...)...)
	}
	say("second reader: %s; %s entries compared, %s agree in every value, %s do not; %s only ours, %s only theirs, %s not reached", sum.SecondReader,
		cli.Count(int64(sum.Compared)), cli.Count(int64(sum.Agree)), cli.Count(int64(sum.Differ)), cli.Count(int64(sum.OnlyOurs)), cli.Count(int64(sum.OnlyTheirs)), cli.Count(int64(sum.NotReached)))
	if sum.Hashed+sum.Holes+sum.Unread > 0 {
		say("second reader: content of %s streams compared, of %s not: mostly holes, larger than the volume", cli.Count(int64(sum.Hashed)), cli.Count(int64(sum.Holes)))
	}
	for _, k := range sum.Causes {
		say("%9s  %-22s %s", cli.Count(int64(k.N)), k.Cause, k.Cause.Reason())
	}
}
