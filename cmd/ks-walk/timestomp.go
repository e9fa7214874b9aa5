package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"io"
	"strconv"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/filesystem"
)

const timestompHelp = `
    ks-walk timestomp fixtures/quarantined-pc/quarantined-pc.E01

ks-walk timestomp [OPTIONS] IMAGE [PATTERN…]

Entries whose times contradict each other or the change journal. Each test has
its values, its strength, and what else does the same: no test proves alone that
times were forged. Entries with weak tests that say the same are left out without --all.

si-before-fn        $SI created lies before $FN created
whole-seconds       $SI times without a fraction of a second, $FN has one
all-equal           all four $SI times are the same, $FN created is another
before-volume       $SI created lies before the volume was made
usn-basic-info      the journal has a change of times or attributes alone
usn-after-si        … and $SI says that nothing was changed then
log-created         $LogFile holds a change of the creation time, both values
log-entry-modified-back, log-modified-back  … of a time that went back
index-created       the directory's index has another creation time
usn-beyond-journal  $SI has a USN that the journal has not reached
`

func runTimestomp(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(timestompHelp, stdout)
	format := c.flags.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	all := c.flags.Bool("all", false, "entries with one weak test only, too")
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return cli.Usage("name an image, for example ks-walk timestomp disk.E01")
	}
	s, err := c.open(ctx, args[0], stderr)
	if err != nil {
		return err
	}
	return s.write(stdout, func(w *bufio.Writer) error {
		if *format == "csv" {
			w.WriteString("volume,entry,sequence,state,path,test,strength,values,innocent,path_utf16,snapshot\n")
		}
		return s.timestomp(ctx, args[1:], *format, *all, w)
	})
}

func (s *session) timestomp(ctx context.Context, patterns []string, format string, all bool, w *bufio.Writer) error {
	var line []byte
	for _, v := range s.ntfs("second set of times") {
		match := v.fs.Matcher(patterns)
		for f, err := range v.fs.TimeFindings(ctx) {
			if err != nil {
				return err
			}
			n := &f.Entry.Names[0]
			if !all && !worthShowing(f.Tests) || !match.Match(n.Path, "") {
				continue
			}
			line = appendFinding(line[:0], format, v, f, n)
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// worthShowing holds back what every installer leaves: one weak test, or two
// that say the same.
func worthShowing(tests []filesystem.TimeTest) bool {
	weak := 0
	for _, t := range tests {
		if t.Strength > filesystem.Weak {
			return true
		}
		if t.Name != "before-volume" { // follows from si-before-fn
			weak++
		}
	}
	return weak > 1
}

func appendFinding(b []byte, format string, v opened, f filesystem.TimeFinding, n *filesystem.Name) []byte {
	switch format {
	case "jsonl":
		b = strconv.AppendInt(append(b, `{"volume":`...), int64(v.Number), 10)
		b = strconv.AppendInt(append(b, `,"snapshot":`...), int64(v.snapshot), 10)
		b = strconv.AppendUint(append(b, `,"entry":`...), f.Entry.Ref.Entry, 10)
		b = strconv.AppendUint(append(b, `,"sequence":`...), uint64(f.Entry.Ref.Sequence), 10)
		b = appendString(append(b, `,"state":`...), string(f.Entry.State))
		b = appendString(append(b, `,"path":`...), n.Path)
		b = append(b, `,"tests":[`...)
		for i, t := range f.Tests {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(append(b, `{"test":`...), t.Name)
			b = appendString(append(b, `,"strength":`...), t.Strength.String())
			b = appendString(append(b, `,"values":`...), t.Values)
			b = append(appendString(append(b, `,"innocent":`...), t.Innocent), '}')
		}
		b = append(b, ']')
		if n.UTF16 != nil {
			b = append(hex.AppendEncode(append(b, `,"path_utf16":"`...), n.UTF16), '"')
		}
		return append(b, '}', '\n')
	case "csv":
		for _, t := range f.Tests {
			b = strconv.AppendInt(b, int64(v.Number), 10)
			b = strconv.AppendUint(append(b, ','), f.Entry.Ref.Entry, 10)
			b = strconv.AppendUint(append(b, ','), uint64(f.Entry.Ref.Sequence), 10)
			for _, cell := range []string{string(f.Entry.State), n.Path, t.Name, t.Strength.String(), t.Values, t.Innocent} {
				b = appendCell(append(b, ','), cell)
			}
			b = hex.AppendEncode(append(b, ','), n.UTF16)
			b = append(strconv.AppendInt(append(b, ','), int64(v.snapshot), 10), '\n')
		}
		return b
	}
	b = strconv.AppendUint(b, f.Entry.Ref.Entry, 10)
	b = strconv.AppendUint(append(b, '-'), uint64(f.Entry.Ref.Sequence), 10)
	b = append(append(b, "  "...), escape.Text(n.Path)...)
	b = append(b, '\n')
	for _, t := range f.Tests {
		b = append(append(append(b, "    "...), t.Name...), strings.Repeat(" ", max(1, 20-len(t.Name)))...)
		b = append(append(append(b, t.Strength.String()...), strings.Repeat(" ", 8-len(t.Strength.String()))...), t.Values...)
		b = append(append(append(b, "\n                                innocent: "...), t.Innocent...), '\n')
	}
	return b
}
