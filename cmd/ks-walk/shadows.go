package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/volume"
	"kanshiki/parsers/vss"
)

const shadowsHelp = `
    ks-walk shadows fixtures/quarantined-pc/quarantined-pc.E01

ks-walk shadows [OPTIONS] IMAGE

The shadow copies of each NTFS volume, oldest first. Every other command takes
one with --shadow NUMBER, or --shadow all: it is read as a volume of its own.

changed  bytes that are not those of the volume today: saved, moved, or not used
         then. What is not in it costs nothing to look at twice.
state    whole; doubtful: the list of saved blocks could not be read whole, so a
         block may look as it does today; elsewhere: the data lies on a volume
         that is not in this image; found: the catalogue has lost it, with
         --search, its age is not known
`

var shadowColumns = []string{"volume", "snapshot", "store_id", "created", "state", "size", "changed", "ranges", "copy_id", "set_id", "attributes", "attribute_names",
	"machine", "service_machine", "detail"}

func runShadows(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(shadowsHelp, stdout)
	format := c.flags.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	search := c.flags.Bool("search", false, "read the whole volume for shadow copies that the catalogue has lost")
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return cli.Usage("name an image, for example ks-walk shadows disk.E01")
	}
	s, err := c.openImage(ctx, args[0], evidence.Options{}, stderr)
	if err != nil {
		return err
	}
	return s.write(stdout, func(w *bufio.Writer) error {
		return s.shadows(ctx, *c.volume, *c.keys, *search, newTable(w, *format, shadowColumns...))
	})
}

func (s *session) shadows(ctx context.Context, only int, keys []volume.Key, search bool, t *table) error {
	all, others := s.contents(only, keys)
	count := 0
	for _, f := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.Content.Kind != volume.NTFS {
			continue
		}
		copies, err := s.shadowsOf(f, all, search)
		if err != nil {
			s.warn("volume %d: shadow copies: %v", f.Number, err)
			continue
		}
		if copies == nil {
			continue
		}
		for i, st := range copies.Stores {
			count++
			if err := s.shadow(f, i+1, st, t); err != nil {
				return err
			}
		}
	}
	for _, o := range others {
		s.warn("%s, not read", o)
	}
	if count == 0 {
		fmt.Fprintf(s.stderr, "%s: no shadow copies in %s\n", name, s.img.Name)
	}
	return nil
}

func (s *session) shadow(f found, copyNumber int, st *vss.Store, t *table) error {
	state, detail := "whole", ""
	var changed, ranges int64
	snap, err := st.Open()
	switch {
	case errors.Is(err, vss.ErrElsewhere):
		state, detail = "elsewhere", err.Error()
		s.warn("volume %d shadow copy %d: %v", f.Number, copyNumber, err)
	case err != nil:
		state, detail = "doubtful", err.Error()
		s.warn("volume %d shadow copy %d: %v", f.Number, copyNumber, err)
	default:
		for r := range snap.Changed() {
			changed, ranges = changed+r.Len, ranges+1
		}
		if st.Found {
			state = "found"
		}
		if !st.Complete() {
			state, detail = "doubtful", "its list of saved blocks, or that of a newer copy, could not be read whole"
		}
		for _, p := range st.Problems() {
			s.warn("volume %d shadow copy %d: at byte %#x of the volume: %v", f.Number, copyNumber, p.Off, &p)
		}
	}
	created := event.Ticks(st.Created)
	people := fmt.Sprintf("%d.%d  %-20s  %s  %-9s  %s bytes changed in %d ranges  %s", f.Number, copyNumber, ticksOr(created, "age not known"), st.ID, state, cli.Count(changed), ranges,
		strings.Join(st.AttributeNames(), ", "))
	if st.Machine != "" {
		people += "  of " + escape.Text(st.Machine)
	}
	return t.row(people, number(f.Number), number(copyNumber), word(st.ID.String()), moment(created), word(state), number(st.VolumeSize), number(changed), number(ranges),
		word(st.CopyID.String()), word(st.SetID.String()), number(st.Attributes), word(strings.Join(st.AttributeNames(), "|")), word(st.Machine), word(st.Service), word(detail))
}

func ticksOr(t event.Ticks, none string) string {
	if !t.Valid() {
		return none
	}
	return t.Format(event.Second)
}
