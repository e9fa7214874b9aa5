package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
)

const usnHelp = `
    ks-walk usn fixtures/quarantined-pc/quarantined-pc.E01

ks-walk usn [OPTIONS] IMAGE [PATTERN…]

The records of the change journal, oldest first. path is the one that the name
had when the record was written: renamed and deleted directories are taken back
to that time. path_proof is live (a directory of today), plus-one (a deleted
one), usn (the journal itself names it), log or index (only $LogFile or what is
left in a directory's index does) or unknown.
`

// reasons names the bits of a USN reason, lowest first ([MS-FSCC] 2.3 and
// winioctl.h).
var reasons = []struct {
	bit  uint32
	name string
}{
	{0x00000001, "data-overwrite"}, {0x00000002, "data-extend"}, {0x00000004, "data-truncation"},
	{0x00000010, "named-data-overwrite"}, {0x00000020, "named-data-extend"}, {0x00000040, "named-data-truncation"},
	{0x00000100, "file-create"}, {0x00000200, "file-delete"}, {0x00000400, "ea-change"}, {0x00000800, "security-change"},
	{0x00001000, "rename-old-name"}, {0x00002000, "rename-new-name"}, {0x00004000, "indexable-change"},
	{0x00008000, "basic-info-change"}, {0x00010000, "hard-link-change"}, {0x00020000, "compression-change"},
	{0x00040000, "encryption-change"}, {0x00080000, "object-id-change"}, {0x00100000, "reparse-point-change"},
	{0x00200000, "stream-change"}, {0x00400000, "transacted-change"}, {0x00800000, "integrity-change"},
	{0x80000000, "close"},
}

func reasonNames(v uint32) string { return string(appendReasons(nil, v)) }

func appendReasons(b []byte, v uint32) []byte {
	from := len(b)
	for _, r := range reasons {
		if v&r.bit == 0 {
			continue
		}
		if len(b) > from {
			b = append(b, '|')
		}
		b = append(b, r.name...)
		v &^= r.bit
	}
	if v != 0 {
		if len(b) > from {
			b = append(b, '|')
		}
		b = appendHex32(b, v)
	}
	return b
}

var usnColumns = []string{"volume", "snapshot", "usn", "time", "entry", "sequence", "parent_entry", "parent_sequence",
	"reason", "reason_bits", "source_info", "attributes", "version", "path", "path_proof", "path_utf16"}

func runUSN(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(usnHelp, stdout)
	format := c.flags.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	from, to := c.flags.Times()
	zone := c.flags.Zone()
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return cli.Usage("name an image, for example ks-walk usn disk.E01")
	}
	s, err := c.open(ctx, args[0], stderr)
	if err != nil {
		return err
	}
	return s.write(stdout, func(w *bufio.Writer) error {
		if *format == "csv" {
			w.WriteString(strings.Join(usnColumns, ","))
			if *zone != nil {
				w.WriteString(",time_zone")
			}
			w.WriteByte('\n')
		}
		return s.usn(ctx, args[1:], usnOptions{*format, *from, *to, *zone}, w)
	})
}

type usnOptions struct {
	format   string
	from, to event.Ticks
	zone     *time.Location
}

func (s *session) usn(ctx context.Context, patterns []string, o usnOptions, w *bufio.Writer) error {
	journals := 0
	for _, v := range s.ntfs("change journal") {
		match := v.fs.Matcher(patterns)
		var line []byte
		found := true
		for c, err := range v.fs.Changes(ctx) {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(err, filesystem.ErrNoJournal):
				found = false
				continue
			case err != nil:
				s.warn("volume %d: $Extend/$UsnJrnl:$J: %v", v.Number, err)
				continue
			case o.from != 0 && c.Time < o.from || o.to != 0 && c.Time >= o.to || !match.Match(c.Path, ""):
				continue
			}
			line = appendChange(line[:0], o, v, &c)
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		if found {
			journals++
		}
	}
	if journals == 0 {
		return cli.Exit(cli.Failed, filesystem.ErrNoJournal)
	}
	return nil
}

func appendChange(b []byte, o usnOptions, v opened, c *filesystem.Change) []byte {
	switch o.format {
	case "jsonl":
		return appendChangeJSON(b, o.zone, v, c)
	case "csv":
		return appendChangeCSV(b, o.zone, v, c)
	}
	at := len(b)
	if c.Time.Valid() {
		b = c.Time.Append(b, event.Exact)
	}
	b = pad(b, at+29)
	if o.zone != nil {
		b = append(appendZone(b, c.Time, o.zone), ' ')
		at = len(b) - 29
	}
	b = strconv.AppendUint(b, c.Ref.Entry, 10)
	b = strconv.AppendUint(append(b, '-'), uint64(c.Ref.Sequence), 10)
	b = pad(b, at+42)
	b = appendReasons(b, c.Reason)
	b = append(append(b, "  "...), escape.Text(c.Path)...)
	if c.Proof != "live" {
		b = append(append(append(b, "  ["...), c.Proof...), ']')
	}
	return append(b, '\n')
}

func appendChangeJSON(b []byte, zone *time.Location, v opened, c *filesystem.Change) []byte {
	number := func(key string, v uint64) {
		b = append(append(append(b, ',', '"'), key...), '"', ':')
		b = strconv.AppendUint(b, v, 10)
	}
	b = strconv.AppendInt(append(b, `{"volume":`...), int64(v.Number), 10)
	number("snapshot", uint64(v.snapshot))
	number("usn", c.USN)
	b = appendTimeJSON(append(b, `,"time":`...), c.Time)
	if zone != nil {
		b = appendZoneJSON(append(b, `,"time_zone":`...), c.Time, zone)
	}
	number("entry", c.Ref.Entry)
	number("sequence", uint64(c.Ref.Sequence))
	number("parent_entry", c.Parent.Entry)
	number("parent_sequence", uint64(c.Parent.Sequence))
	b = append(appendReasons(append(b, `,"reason":"`...), c.Reason), '"')
	number("reason_bits", uint64(c.Reason))
	number("source_info", uint64(c.SourceInfo))
	number("attributes", uint64(c.Attributes))
	number("version", uint64(c.Version))
	b = appendPathJSON(append(b, `,"path":`...), c.Path, c.UTF16 == nil)
	b = appendString(append(b, `,"path_proof":`...), c.Proof)
	if c.UTF16 != nil {
		b = append(hex.AppendEncode(append(b, `,"path_utf16":"`...), c.UTF16), '"')
	}
	return append(b, '}', '\n')
}

func appendChangeCSV(b []byte, zone *time.Location, v opened, c *filesystem.Change) []byte {
	b = strconv.AppendInt(b, int64(v.Number), 10)
	b = strconv.AppendInt(append(b, ','), int64(v.snapshot), 10)
	number := func(v uint64) { b = strconv.AppendUint(append(b, ','), v, 10) }
	number(c.USN)
	b = c.Time.Append(append(b, ','), event.Exact)
	number(c.Ref.Entry)
	number(uint64(c.Ref.Sequence))
	number(c.Parent.Entry)
	number(uint64(c.Parent.Sequence))
	b = appendReasons(append(b, ','), c.Reason)
	number(uint64(c.Reason))
	number(uint64(c.SourceInfo))
	number(uint64(c.Attributes))
	number(uint64(c.Version))
	b = appendPathCSV(append(b, ','), c.Path, c.UTF16 == nil)
	b = append(append(b, ','), c.Proof...)
	b = hex.AppendEncode(append(b, ','), c.UTF16)
	if zone != nil {
		b = appendZone(append(b, ','), c.Time, zone)
	}
	return append(b, '\n')
}
