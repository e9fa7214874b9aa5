package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
)

const indexHelp = `
    ks-walk index fixtures/quarantined-pc/quarantined-pc.E01

ks-walk index [OPTIONS] IMAGE [PATTERN…]

The names in the indexes of directories ($I30): what Windows lists, and what the
indexes still hold of names that went. Patterns choose by the path of the name.

state   live; slack: behind the last entry of an index record; free record: in
        one that is not in use; entry slack: behind the attributes of the
        directory's own MFT entry
fault   how index and $MFT disagree: not in the index (a live file that no
        listing shows); entry not in use, entry used again, no such name in the
        entry (Windows lists what is not there)

A name in slack was in this directory once. It need not have been deleted:
entries that move from one index record to another leave copies. The times are
a third set beside $SI and $FN, brought up to date when the index is written.
`

var indexColumns = []string{"volume", "snapshot", "dir_entry", "dir_sequence", "path", "path_proof", "entry", "sequence", "kind", "namespace", "state", "fault",
	"size", "allocated", "attributes", "created", "modified", "entry_modified", "accessed", "cut", "offset", "path_utf16"}

func runIndex(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(indexHelp, stdout)
	format := c.flags.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	slack := c.flags.Bool("slack", false, "only names that are left over, none that is live")
	faults := c.flags.Bool("faults", false, "only where index and $MFT disagree")
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return cli.Usage("name an image, for example ks-walk index disk.E01")
	}
	s, err := c.open(ctx, args[0], stderr)
	if err != nil {
		return err
	}
	keep := func(n *filesystem.IndexName) bool {
		left := n.State != "live" && n.State != ""
		return (!*slack || left) && (!*faults || n.Fault != "")
	}
	return s.write(stdout, func(w *bufio.Writer) error {
		return s.index(ctx, args[1:], keep, newTable(w, *format, indexColumns...))
	})
}

func (s *session) index(ctx context.Context, patterns []string, keep func(*filesystem.IndexName) bool, t *table) error {
	for _, v := range s.ntfs("index of names") {
		match := v.fs.Matcher(patterns)
		for n, err := range v.fs.Index(ctx) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.warn("volume %d: %v", v.Number, err)
				continue
			}
			path := n.Name
			if n.DirPath != "" {
				path = n.DirPath + "/" + n.Name
			}
			if !keep(&n) || !match.Match(path, "") {
				continue
			}
			if err := t.indexName(v, &n, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *table) indexName(v opened, n *filesystem.IndexName, path string) error {
	people := ""
	if t.format == "text" {
		people = indexLine(n, path)
	}
	kind := filesystem.File
	if n.IsDir {
		kind = filesystem.Dir
	}
	entry, sequence, offset, cut := number(n.Ref.Entry), number(n.Ref.Sequence), number(n.Offset), absent
	if n.Ref == (filesystem.Ref{}) {
		entry, sequence = absent, absent
	}
	if n.Offset < 0 {
		offset = absent
	}
	if n.Cut {
		cut = word("yes")
	}
	size, alloc, attrs := number(n.Size), number(n.Alloc), number(n.Attrs)
	if n.State == "" { // not there, so it has none of these
		size, alloc, attrs = absent, absent, absent
	}
	times := [4]field{moment(n.Times.Created), moment(n.Times.Modified), moment(n.Times.Changed), moment(n.Times.Accessed)}
	return t.row(people, number(v.Number), number(v.snapshot), number(n.Dir.Entry), number(n.Dir.Sequence), word(path), word(n.Proof), entry, sequence,
		word(kind), word(n.Space), word(n.State), word(n.Fault), size, alloc, attrs, times[0], times[1], times[2], times[3],
		cut, offset, bytesOf(exactUnits(path)))
}

func indexLine(n *filesystem.IndexName, path string) string {
	ref := "?"
	if n.Ref != (filesystem.Ref{}) {
		ref = fmt.Sprintf("%d-%d", n.Ref.Entry, n.Ref.Sequence)
	}
	created := "-"
	if n.Times.Created.Valid() {
		created = n.Times.Created.Format(event.Second)
	}
	state := n.State
	if state == "" {
		state = "missing"
	}
	line := fmt.Sprintf("%-12s %-12s %12d  %-20s  %s", ref, state, n.Size, created, escape.Text(path))
	if n.Cut {
		line += "…"
	}
	if n.Fault != "" {
		line += "  ! " + n.Fault
	}
	return line
}
