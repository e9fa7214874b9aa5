package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/event"
	"kanshiki/forensics/store"
)

const exportHelp = `
    ks-timeline export --case ./case --format timesketch -o timeline.csv

ks-timeline export --case DIR [OPTIONS]

Writes rows for other programs, to standard output or to a file.

  csv, jsonl   every column; nothing is lost
  timesketch   CSV with message, timestamp, datetime, timestamp_desc and the
               rest; lost: rows without a time, 100 ns, texts over 32,766 bytes
  l2tcsv       the 17 columns of log2timeline; lost: rows without a time,
               parts of a second, intervals, the place of the record
  bodyfile     the entries of file systems as mactime reads them; lost: every
               other artifact, parts of a second, the place of the record
  tln          Time|Source|Host|User|Description; lost: as l2tcsv
`

func export(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := cli.NewFlags(name, exportHelp, stdout)
	x := newFilters(f, "events", "facts", "both")
	format := f.Choice("format", "shape of the rows", "csv", "jsonl", "timesketch", "l2tcsv", "bodyfile", "tln")
	out := f.String("o", "", "write to this `file`, not to standard output")
	force := f.Bool("force", false, "replace the file where it exists")
	rest, err := f.Parse(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return cli.Usage("export takes no arguments: %s", rest[0])
	}
	q, err := x.query()
	if err != nil {
		return err
	}
	s, err := open(*x.dir)
	if err != nil {
		return err
	}
	w := &output{w: stdout}
	if *out != "" {
		if w, err = create(*out, *force); err != nil {
			return err
		}
		defer w.abandon()
	}
	lost, err := exportRows(ctx, s, x, q, *format, w)
	if err != nil {
		return err
	}
	if err := w.commit(); err != nil {
		return err
	}
	if lost != "" {
		fmt.Fprintf(stderr, "%s: %s cannot say: %s\n", name, *format, lost)
	}
	return nil
}

// exportRows writes the rows and tells what the format could not say.
func exportRows(ctx context.Context, s *store.Store, x *filters, q store.Query, format string, w io.Writer) (lost string, err error) {
	var write func(e *event.Event) error
	var end func() error
	switch format {
	case "csv", "jsonl":
		p := newPrinter(format, w, *x.zone)
		write, end = p.row, p.end
	case "bodyfile":
		return exportBody(ctx, s, q, w)
	default:
		b := bufio.NewWriterSize(w, 64<<10)
		t := &timed{w: b, format: format}
		t.head()
		write, end = t.row, b.Flush
	}
	n, untimed := int64(0), int64(0)
	for _, d := range datasets(*x.rows) {
		for e, err := range seek(ctx, s, d, q) {
			if err != nil {
				return "", err
			}
			n++
			if format != "csv" && format != "jsonl" && !timeOf(e).Valid() {
				untimed++
				continue
			}
			if err := write(e); err != nil {
				return "", err
			}
		}
	}
	if err := end(); err != nil {
		return "", err
	}
	switch format {
	case "timesketch":
		lost = "parts of a microsecond, intervals of facts"
	case "l2tcsv", "tln":
		lost = "parts of a second, intervals, the place of the record"
	}
	if untimed > 0 {
		lost += fmt.Sprintf("; %s of %s rows have no time and are left out", cli.Count(untimed), cli.Count(n))
	}
	return lost, nil
}

// timeOf is the time that a row stands at in a format that knows only moments.
func timeOf(e *event.Event) event.Ticks {
	if !e.Fact {
		return e.Ticks
	}
	if e.From.Valid() {
		return e.From
	}
	return e.To
}

// output is a file that gets its name when it is whole.
type output struct {
	w    io.Writer
	f    *os.File
	name string
}

func (o *output) Write(p []byte) (int, error) { return o.w.Write(p) }

func create(name string, force bool) (*output, error) {
	if _, err := os.Lstat(name); err == nil && !force {
		return nil, fmt.Errorf("%s exists; --force replaces it", name)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(name+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, err
	}
	return &output{f, f, name}, nil
}

func (o *output) commit() error {
	if o.f == nil {
		return nil
	}
	f := o.f
	o.f = nil
	err := f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(o.name + ".part")
		return err
	}
	return os.Rename(o.name+".part", o.name)
}

func (o *output) abandon() {
	if o.f != nil {
		o.f.Close()
		os.Remove(o.name + ".part")
	}
}

// entryTimes are the bodyfile's, in its order.
func exportBody(ctx context.Context, s *store.Store, q store.Query, w io.Writer) (string, error) {
	if q.From != 0 || q.To != 0 || q.Text != "" || len(q.Artifacts) > 0 || len(q.Actions) > 0 || slices.ContainsFunc(q.Where, func(c store.Where) bool { return c.Column != "path" }) {
		return "", cli.Usage("a bodyfile has the entries of file systems; of the filters it knows --path, --exhibit and --limit")
	}
	b := bufio.NewWriterSize(w, 64<<10)
	n := int64(0)
	for r, err := range s.Files(ctx, q.Exhibits...) {
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(q.Where, func(c store.Where) bool { return !store.Match([]string{c.Pattern}, r.Path) }) {
			continue
		}
		if q.Limit > 0 && n >= q.Limit {
			break
		}
		n++
		bodyLine(b, r, r.SI, "")
		if r.Link == 0 && r.Stream == "" || r.Kind == "dir" {
			bodyLine(b, r, r.FN, " ($FILE_NAME)")
		}
	}
	return "artifacts other than entries of file systems, parts of a second, the place of the record", b.Flush()
}

// bodyLine is MD5|name|inode|mode|UID|GID|size|atime|mtime|ctime|crtime.
func bodyLine(w io.Writer, f *store.File, t store.Times, suffix string) {
	mode := "r/rrwxrwxrwx"
	if f.Kind == "dir" {
		mode = "d/drwxrwxrwx"
	}
	path := "/" + f.Path
	if f.Path == "" && f.State != "live" { // the root has no name of its own
		path = fmt.Sprintf("/$OrphanFiles/entry-%d", f.Entry)
	}
	if f.Stream != "" {
		path += ":" + f.Stream
	}
	if f.Volume > 0 {
		path = fmt.Sprintf("/vol%d", f.Volume) + path
	}
	path += suffix
	if f.State != "live" {
		path += " (" + f.State + ")"
	}
	fmt.Fprintf(w, "0|%s|%d-%d|%s|0|0|%d|%d|%d|%d|%d\n", pipeless(path), f.Entry, f.Sequence, mode, f.Size,
		unix(t.Accessed), unix(t.Modified), unix(t.Changed), unix(t.Created))
}

func unix(t event.Ticks) int64 {
	if !t.Valid() {
		return 0
	}
	return t.Time().Unix()
}

// pipeless keeps a text from making a field of its own.
func pipeless(s string) string { return strings.ReplaceAll(oneLine(s), "|", "%7C") }
