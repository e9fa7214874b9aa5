package main

import (
	"context"
	"io"
	"strconv"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/filesystem"
)

const deletedHelp = `
    ks-walk deleted fixtures/quarantined-pc/quarantined-pc.E01

ks-walk deleted [OPTIONS] IMAGE [PATTERN…]

The rows of ks-walk list --deleted with what became of the clusters, proven from
the run lists of all entries and from $Bitmap:

recovery  whole: no one else owns a cluster of it; partly overwritten,
          overwritten: another entry owns them now; unproven: another deleted
          entry claims them too, or $Bitmap says they are in use
own_bytes  bytes that no one else owns or claims
not_own   the other ranges, with their owner
`

// recovery is the part of a row that ks-walk deleted adds.
type recovery struct{ filesystem.Recovery }

var recoveryColumns = []string{"recovery", "own_bytes", "not_own"}

func (r *recovery) appendJSON(b []byte) []byte {
	b = append(append(append(b, `,"recovery":"`...), r.Verdict...), `","own_bytes":`...)
	b = strconv.AppendInt(b, r.Own, 10)
	b = append(b, `,"not_own":[`...)
	for i, x := range r.Ranges {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"offset":`...), x.Off, 10)
		b = strconv.AppendInt(append(b, `,"length":`...), x.Len, 10)
		b = appendString(append(b, `,"what":`...), x.What)
		if x.Owner != (filesystem.Ref{}) {
			b = strconv.AppendUint(append(b, `,"entry":`...), x.Owner.Entry, 10)
			b = strconv.AppendUint(append(b, `,"sequence":`...), uint64(x.Owner.Sequence), 10)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

func (r *recovery) ranges() []string {
	var out []string
	for _, x := range r.Ranges {
		out = append(out, x.String())
	}
	return out
}

func (r *recovery) appendCSV(b []byte) []byte {
	b = append(append(b, ','), r.Verdict...)
	b = strconv.AppendInt(append(b, ','), r.Own, 10)
	return appendCell(append(b, ','), join(r.ranges()))
}

func (r *recovery) appendText(b []byte) []byte {
	b = append(append(b, "  "...), r.Verdict...)
	if len(r.Ranges) > 0 {
		b = append(append(append(b, " ("...), escape.Text(join(r.ranges()))...), ')')
	}
	return b
}

func runDeleted(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(deletedHelp, stdout)
	format := c.flags.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	hash := c.flags.String("hash", "", "`digest` of what is whole: sha256")
	zone := c.flags.Zone()
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return cli.Usage("name an image, for example ks-walk deleted disk.E01")
	}
	if *hash != "" && *hash != "sha256" {
		return cli.Usage("no digest %q; there is sha256", *hash)
	}
	return listAll(ctx, c, args, lister{format: *format, hash: *hash != "", deleted: true, zone: *zone, recover: true}, stdout, stderr)
}
