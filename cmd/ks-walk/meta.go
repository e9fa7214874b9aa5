package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/filesystem"
)

const metaHelp = `
    ks-walk meta fixtures/quarantined-pc/quarantined-pc.E01

ks-walk meta [OPTIONS] IMAGE

What the metadata files of a volume say, a row each.

volume         label, time of formatting, serial number, sizes, marks ($Volume)
change journal its id, which is the time when it was made, and how far it goes
               back ($UsnJrnl:$Max). One that is younger than the volume, or
               goes back less far than it could, may have been deleted and made
               again; the fault names what else explains it
object id      an id that was given to a file to find it again after a move, as
               links do ($ObjId). time: when the id was made, where it holds that;
               such ids hold the network address of the machine that made them
reparse point  a file that leads elsewhere, or is stored elsewhere ($Reparse)
quota          an owner of files, who may be no user of the machine any more; time:
               when the bytes were counted last ($Quota)

fault says where such a row and the file that it names disagree. That a file
carries an id of another machine says where the id was made, not who copied it.
`

var metaColumns = []string{"volume", "snapshot", "what", "value", "entry", "sequence", "path", "path_proof", "time", "detail", "fault", "offset"}

func runMeta(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(metaHelp, stdout)
	format := c.flags.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return cli.Usage("name one image, for example ks-walk meta disk.E01")
	}
	s, err := c.open(ctx, args[0], stderr)
	if err != nil {
		return err
	}
	return s.write(stdout, func(w *bufio.Writer) error {
		return s.meta(ctx, newTable(w, *format, metaColumns...))
	})
}

func (s *session) meta(ctx context.Context, t *table) error {
	for _, v := range s.ntfs("metadata file") {
		for m, err := range v.fs.Meta(ctx) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.warn("volume %d: %v", v.Number, err)
				continue
			}
			if err := t.meta(v, &m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *table) meta(v opened, m *filesystem.Meta) error {
	people := ""
	if t.format == "text" {
		people = metaLine(v, m)
	}
	entry, sequence, offset := number(m.Ref.Entry), number(m.Ref.Sequence), number(m.Offset)
	if m.Ref == (filesystem.Ref{}) {
		entry, sequence = absent, absent
	}
	if m.Offset < 0 {
		offset = absent
	}
	return t.row(people, number(v.Number), number(v.snapshot), word(m.What), word(m.Value), entry, sequence, word(m.Path), word(m.Proof),
		moment(m.Time), word(m.Detail), word(m.Fault), offset)
}

func metaLine(v opened, m *filesystem.Meta) string {
	line := fmt.Sprintf("%d%s  %-14s  %s", v.Number, shadowName(v.snapshot), m.What, escape.Text(m.Value))
	if m.Ref != (filesystem.Ref{}) {
		path := m.Path
		if path == "" && m.Fault == "" {
			path = "/"
		}
		line += fmt.Sprintf("  %d-%d  %s", m.Ref.Entry, m.Ref.Sequence, escape.Text(path))
	}
	if m.Time != 0 && m.Time.Valid() {
		line += "  " + m.Time.String()
	}
	if m.Detail != "" {
		line += "  " + escape.Text(m.Detail)
	}
	if m.Fault != "" {
		line += "  ! " + m.Fault
	}
	return strings.TrimRight(line, " ")
}
