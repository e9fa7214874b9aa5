package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/artifact/all"
	"kanshiki/forensics/custody"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/store"
	"kanshiki/forensics/timeline"
)

const sourceHelp = `
    ks-timeline source --case ./case --artifact execution/prefetch --limit 1

ks-timeline source --case DIR [OPTIONS] [EVENT…]

Shows the record of an event (its id, or the beginning of it, or the first rows
that the options choose): the bytes as the evidence has them, where they lie,
and the rule card of their kind: what they prove and what not. The evidence is
opened again and must be where it was.
`

// shownBytes is how much of a record is shown without --all.
const shownBytes = 256

func source(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := cli.NewFlags(name, sourceHelp, stdout)
	x := newFilters(f, "events", "facts", "both")
	from := f.String("evidence", "", "where the evidence lies now, if not where it was: `path`")
	whole := f.Bool("all", false, "show the whole record, however long")
	ids, err := f.Parse(args)
	if err != nil {
		return err
	}
	q, err := x.query()
	if err != nil {
		return err
	}
	if len(ids) == 0 && q.Limit == 0 {
		return cli.Usage("name an event, for example ks-timeline source --case ./case 4f2a91c07be1, or choose rows and say how many: --limit 1")
	}
	s, err := open(*x.dir)
	if err != nil {
		return err
	}
	chosen, err := choose(ctx, s, x, q, ids)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(stdout)
	defer w.Flush()
	for i := range chosen {
		e := &chosen[i]
		if i > 0 {
			fmt.Fprintln(w)
		}
		limit := int64(shownBytes)
		if *whole {
			limit = 1 << 40
		}
		if err := showRecord(ctx, w, s, *x.dir, *from, e, limit); err != nil {
			return err
		}
		if zone := *x.zone; zone != nil && local(e, zone) != "" {
			fmt.Fprintf(w, "%-11s %s\n", "local", local(e, zone))
		}
	}
	return w.Flush()
}

// choose finds the events that were named, or those that the filters give.
func choose(ctx context.Context, s *store.Store, x *filters, q store.Query, ids []string) ([]event.Event, error) {
	var out []event.Event
	for _, id := range ids {
		e, err := s.Event(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, *e)
	}
	if len(ids) > 0 {
		return out, nil
	}
	for _, d := range datasets(*x.rows) {
		for e, err := range seek(ctx, s, d, q) {
			if err != nil {
				return nil, err
			}
			if out = append(out, *e); int64(len(out)) == q.Limit {
				return out, nil
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no row fits these options")
	}
	return out, nil
}

func showRecord(ctx context.Context, w io.Writer, s *store.Store, dir, from string, e *event.Event, limit int64) error {
	title, card, known := all.Card(e.Artifact)
	if !known {
		title = e.Artifact
	}
	where := fmt.Sprintf("entry %d-%d, volume %d", e.At.Entry, e.At.Sequence, e.At.Volume)
	if e.At.Volume == 0 && e.At.Sequence == 0 && e.At.Entry != 0 {
		where = "exhibit " + e.At.Exhibit
	}
	if e.At.Snapshot != 0 {
		where += fmt.Sprintf(", shadow copy %d", e.At.Snapshot)
	}
	fmt.Fprintf(w, "%s  %s     %s\n", title, escape.Text(e.Source), where)
	if e.At.Inner != "" {
		fmt.Fprintf(w, "in          %s\n", escape.Text(e.At.Inner))
	}
	if err := showBytes(ctx, w, dir, from, e, limit); err != nil {
		return err
	}
	line := func(left, right string) {
		if right != "" {
			fmt.Fprintf(w, "%-11s %s\n", left, escape.Text(right))
		}
	}
	line("event", e.ID.String())
	line("says", e.Message)
	line("fields", string(event.AppendFields(nil, e.Fields)))
	if e.Recovered != event.Allocated {
		line("state", string(e.Recovered)+": the record was found where it is no longer in use")
	}
	line("proves", card.Proves)
	line("not proven", card.NotProven)
	line("clock", clockLine(e, card.Clock))
	for o, err := range s.Origins(ctx, e.Exhibit) {
		if err != nil {
			return err
		}
		if o.ID == e.ID {
			line("also at", fmt.Sprintf("%s, offset %#x, volume %d, shadow copy %d (%s)", o.Source, o.At.Offset, o.At.Volume, o.At.Snapshot, o.Recovered))
		}
	}
	return nil
}

func clockLine(e *event.Event, card string) string {
	s := string(e.Clock) + ", " + string(e.Precision)
	if e.Zone != "" {
		s += ", zone " + e.Zone
		if e.ZoneAssumed {
			s += " (assumed)"
		}
	}
	if card != "" {
		s += "; " + card
	}
	return s
}

// showBytes prints the record as a hex dump, or says why it cannot.
func showBytes(ctx context.Context, w io.Writer, dir, from string, e *event.Event, limit int64) error {
	info, err := custody.Read(dir)
	if err != nil {
		return err
	}
	x, ok := info.Exhibit(e.Exhibit)
	if !ok || len(x.Evidence) == 0 {
		return fmt.Errorf("case.json does not know exhibit %s", e.Exhibit)
	}
	if from == "" {
		from = x.Evidence[0]
	}
	ev, err := evidence.Open(ctx, from, evidence.Options{Exhibit: e.Exhibit})
	if err != nil {
		return fmt.Errorf("open the evidence again: %w (if it lies elsewhere now: --evidence PATH)", err)
	}
	defer ev.Close()
	r, err := timeline.OpenRecord(ctx, ev, e.At)
	if err != nil {
		return fmt.Errorf("find the source again: %w", err)
	}
	defer r.Close()
	n := min(max(e.Length, 0), limit, max(r.Size()-e.At.Offset, 0))
	fmt.Fprintf(w, "offset %#x, %s bytes", e.At.Offset, cli.Count(e.Length))
	if off, ok := r.ImageOffset(e.At.Offset); ok {
		fmt.Fprintf(w, "  (image offset %#x)", off)
	}
	fmt.Fprintln(w)
	buf := make([]byte, n)
	k, err := r.ReadAt(buf, e.At.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintf(w, "some of these bytes could not be read and are shown as zeros: %s\n", escape.Text(err.Error()))
		k = len(buf)
	}
	note := e.Meaning
	if !e.Fact && e.Ticks.Valid() {
		note += " " + string(store.AppendText(nil, e, "time"))
	}
	hexdump(w, buf[:k], e.At.Offset, escape.Text(note))
	if rest := e.Length - int64(k); rest > 0 {
		fmt.Fprintf(w, "… %s more bytes: --all shows them\n", cli.Count(rest))
	}
	return nil
}

// hexdump prints 16 bytes a line; the note stands beside the first.
func hexdump(w io.Writer, b []byte, off int64, note string) {
	for i := 0; i < len(b); i += 16 {
		row := b[i:min(i+16, len(b))]
		var text strings.Builder
		for _, c := range row {
			if c < 0x20 || c > 0x7E {
				c = '.'
			}
			text.WriteByte(c)
		}
		line := fmt.Sprintf("%08x  % x", off+int64(i), row)
		fmt.Fprintf(w, "%-57s  %-16s", line, text.String())
		if i == 0 && note != "" {
			fmt.Fprintf(w, "  %s", note)
		}
		fmt.Fprintln(w)
	}
}
