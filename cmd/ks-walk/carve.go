package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"os"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
	"kanshiki/parsers/ntfs"
)

const carveHelp = `
    ks-walk carve fixtures/quarantined-pc/quarantined-pc.E01

ks-walk carve [OPTIONS] IMAGE
ks-walk carve --file FILE

Structures of NTFS in clusters that $Bitmap calls free: MFT entries (FILE), names
of directory indexes (INDX), records of the change journal (USN), pages of
$LogFile (RCRD). They are found by their form: what they say was true when they
were written, on this volume or on one that lay here before. With --all the
whole volume is searched, with --file any file: memory, slack, a swap file.
`

var carveColumns = []string{"volume", "snapshot", "kind", "offset", "length", "entry", "sequence", "in_use", "name", "parent_entry", "parent_sequence",
	"created", "modified", "entry_modified", "accessed", "size", "usn", "time", "reason", "torn"}

func runCarve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(carveHelp, stdout)
	format := c.flags.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	all := c.flags.Bool("all", false, "search the whole volume, not only free clusters")
	file := c.flags.Bool("file", false, "search any file, which need be no image")
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return cli.Usage("name one image, for example ks-walk carve disk.E01")
	}
	if *file {
		return buffered(stdout, func(w *bufio.Writer) error {
			return carveFile(ctx, args[0], newTable(w, *format, carveColumns...), stderr)
		})
	}
	s, err := c.open(ctx, args[0], stderr)
	if err != nil {
		return err
	}
	return s.write(stdout, func(w *bufio.Writer) error {
		return s.carveVolumes(ctx, *all, newTable(w, *format, carveColumns...))
	})
}

func (s *session) carveVolumes(ctx context.Context, all bool, t *table) error {
	for _, v := range s.ntfs("search for NTFS records") {
		r, size := v.fs.Catalog().Volume().Medium()
		ranges := v.fs.Catalog().FreeRanges(func(d ntfs.Damage) {
			s.warn("volume %d: $Bitmap: %v; the clusters that it calls free there are not known and not searched", v.Number, &d)
		})
		if all {
			ranges = wholeOf(size)
		}
		if err := s.carve(ctx, v, r, ranges, t); err != nil {
			return err
		}
	}
	return nil
}

func wholeOf(size int64) iter.Seq2[int64, int64] {
	return func(yield func(int64, int64) bool) { yield(0, size) }
}

func carveFile(ctx context.Context, path string, t *table, stderr io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	s := &session{stderr: stderr}
	if err := s.carve(ctx, opened{}, f, wholeOf(st.Size()), t); err != nil {
		return err
	}
	if s.gaps {
		return cli.Exit(cli.Gaps, nil)
	}
	return nil
}

func (s *session) carve(ctx context.Context, v opened, r io.ReaderAt, ranges iter.Seq2[int64, int64], t *table) error {
	count := 0
	for x, err := range ntfs.Carve(r, ranges) {
		if count++; count%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.warn("volume %d: byte %#x: %v", v.Number, x.Off, err)
			continue
		}
		if err := t.carved(v, &x); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// carvedRow is what the kinds have in common.
type carvedRow struct {
	ref, parent filesystem.Ref
	hasRef      bool
	name        string
	times       filesystem.Times
	size        field
	inUse       field
	usn, time   field
	reason      field
	when        event.Ticks
	more        string
}

func (t *table) carved(v opened, x *ntfs.Carved) error {
	var c carvedRow
	switch x.Kind {
	case ntfs.CarvedRecord:
		c = carvedRecord(&x.Record)
	case ntfs.CarvedIndex:
		e := &x.Index
		c = carvedRow{ref: filesystem.RefOf(e.Ref), hasRef: true, parent: filesystem.RefOf(e.Parent), name: filesystem.Text(e.Name), times: filesystem.TimesOf(e.Times), size: number(e.Size)}
		c.when = c.times.Created
	case ntfs.CarvedUSN:
		u := &x.USN
		c = carvedRow{ref: filesystem.RefOf(u.Ref), hasRef: true, parent: filesystem.RefOf(u.Parent), name: filesystem.Text(u.Name), usn: number(u.USN),
			time: moment(event.Ticks(u.Time)), reason: word(reasonNames(u.Reason)), when: event.Ticks(u.Time), more: reasonNames(u.Reason)}
	}
	entry, sequence, up, upSeq, torn := absent, absent, absent, absent, absent
	if c.hasRef {
		entry, sequence = number(c.ref.Entry), number(c.ref.Sequence)
	}
	if c.parent != (filesystem.Ref{}) {
		up, upSeq = number(c.parent.Entry), number(c.parent.Sequence)
	}
	if x.Torn {
		torn = word("yes")
	}
	times := []field{absent, absent, absent, absent}
	for i, k := range []event.Ticks{c.times.Created, c.times.Modified, c.times.Changed, c.times.Accessed} {
		if k != 0 {
			times[i] = moment(k)
		}
	}
	people := ""
	if t.format == "text" {
		people = fmt.Sprintf("%#12x  %s  %-14s  %-20s  %s", x.Off, x.Kind, refText(c), ticksOr(c.when, "-"), escape.Text(c.name))
		if c.more != "" {
			people += "  " + c.more
		}
		if x.Torn {
			people += "  ! torn"
		}
	}
	return t.row(people, append([]field{number(v.Number), number(v.snapshot), word(x.Kind.String()), number(x.Off), number(x.Len), entry, sequence, c.inUse, word(c.name), up, upSeq,
		times[0], times[1], times[2], times[3]}, c.size, c.usn, c.time, c.reason, torn)...)
}

func refText(c carvedRow) string {
	if !c.hasRef {
		return ""
	}
	return fmt.Sprintf("%d-%d", c.ref.Entry, c.ref.Sequence)
}

// carvedRecord takes name and times of an MFT entry.
func carvedRecord(r *ntfs.Record) carvedRow {
	c := carvedRow{ref: filesystem.Ref{Entry: r.Num, Sequence: r.Seq}, hasRef: r.HasNum, inUse: word("no")}
	if r.InUse() {
		c.inUse = word("yes")
	}
	for a := range r.Attrs(nil) {
		switch a.Type {
		case ntfs.AttrStandardInformation:
			if t, ok := a.Times(); ok {
				c.times = filesystem.TimesOf(t)
				c.when = c.times.Created
			}
		case ntfs.AttrFileName:
			if fn, ok := a.FileName(); ok && (c.name == "" || fn.Namespace != ntfs.NameDOS) {
				c.name, c.parent = filesystem.Text(fn.Name), filesystem.RefOf(fn.Parent)
			}
		case ntfs.AttrData:
			if len(a.Name) == 0 && a.LowVCN == 0 {
				c.size = number(a.Size)
			}
		}
	}
	return c
}
