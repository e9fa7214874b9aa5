package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/filesystem"
)

const coverageHelp = `
    ks-walk coverage fixtures/quarantined-pc/quarantined-pc.E01

ks-walk coverage [OPTIONS] IMAGE

What was read of each volume, and whether the sums hold: every MFT entry by what
it is, against $MFT:$BITMAP; every cluster that a run list describes, against
$Bitmap; the first entries against $MFTMirr; object ids, reparse points and
security descriptors against their indexes. Of FAT: the clusters of all entries
against the allocation table, and that against its copy. A volume that is not read
(encrypted, a dynamic disk, another file system) is a row too. A verdict is

holds    the two ways of counting agree to the last one
differs  they do not: the detail says how, with the first places
unread   one of the two could not be read

The exit code is 4 where a sum does not hold, 3 where one could not be made.
`

var coverageColumns = []string{"volume", "snapshot", "what", "verdict", "count", "detail"}

func runCoverage(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(coverageHelp, stdout)
	format := c.flags.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return cli.Usage("name an image, for example ks-walk coverage disk.E01")
	}
	s, err := c.open(ctx, args[0], stderr)
	if err != nil {
		return err
	}
	differs := false
	err = s.write(stdout, func(w *bufio.Writer) (err error) {
		differs, err = s.coverage(ctx, newTable(w, *format, coverageColumns...))
		return err
	})
	if differs && (err == nil || cli.Code(err) == cli.Gaps) {
		return cli.Exit(cli.No, nil)
	}
	return err
}

func (s *session) coverage(ctx context.Context, t *table) (differs bool, err error) {
	for _, v := range s.volumes {
		lines, err := v.files.Coverage(ctx)
		if err != nil {
			return differs, err
		}
		for _, l := range lines {
			differs = differs || l.Verdict == filesystem.Differs
			s.gaps = s.gaps || l.Verdict == filesystem.Unread
			people := fmt.Sprintf("%d%s  %-44s %14s  %-8s %s", v.Number, shadowName(v.snapshot), l.What, cli.Count(int64(l.Count)), l.Verdict, l.Detail)
			if err := t.row(people, number(v.Number), number(v.snapshot), word(l.What), word(string(l.Verdict)), number(l.Count), word(l.Detail)); err != nil {
				return differs, err
			}
		}
	}
	for _, o := range s.others {
		people := fmt.Sprintf("-  %-44s %14s  %-8s %s", "not read", "1", filesystem.Unread, o)
		if err := t.row(people, absent, absent, word("not read"), word(string(filesystem.Unread)), number(1), word(o)); err != nil {
			return differs, err
		}
	}
	return differs, nil
}
