// Command ks-acquire makes an image of a disk or volume, or converts one, and
// reads it back.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/acquire"
)

const name = "ks-acquire"

const help = `
    ks-acquire fixtures/quarantined-pc/quarantined-pc.E01 -o copy.zst

ks-acquire SOURCE -o IMAGE [OPTIONS]

Images a disk (/dev/sdb, \\.\PhysicalDrive1), a volume (/dev/sdb1, \\.\E:) or a
file of sectors; any image that is read (ks-verify --formats) is converted, with
its fields, its ranges and its stored digests checked. IMAGE's ending chooses the
format: .E01 (EnCase 6), .zst (seekable zstd, unpacked by zstd -d), .raw.

Beside the image: IMAGE.json (custody record), IMAGE.jsonld (the same in
CASE/UCO), IMAGE.map (ddrescue's form), IMAGE.sha256.bin (SHA-256 of each MiB).
Sectors that cannot be read are zeros in the image, and listed; a device that
goes away is never filled with zeros: the run stops and can go on with --resume.

Digests: MD5 is the slowest of them, about 0.7 to 0.9 GB a second on one core,
and bounds fast disks; --hash sha1,sha256 leaves it out.
`

func main() { cli.Main(name, run) }

// request is what the user asks for.
type request struct {
	source, output          string
	o                       acquire.Options
	resume, force, noVerify bool
	from                    string // image that is continued in another folder
	read                    readOptions
	record                  recordOptions
	progress                string
	quiet                   bool
	args                    []string
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	q, err := parse(args, stdout)
	if err != nil {
		return err
	}
	if err := q.record.check(); err != nil {
		return err
	}
	src, err := open(ctx, q, stderr)
	if err != nil {
		return err
	}
	defer src.close()
	if err := src.allowed(q, stderr); err != nil {
		return err
	}
	src.carryOver(&q.o)
	show := cli.NewProgress(name, q.progress, stderr)
	q.o.Progress = show
	started := time.Now()
	var res *acquire.Result
	if q.resume || q.from != "" {
		res, err = acquire.Resume(ctx, &src.medium, q.o, q.from)
	} else {
		res, err = acquire.Begin(ctx, &src.medium, q.o)
	}
	show.Done()
	if err != nil {
		return src.stopped(q, err, stderr)
	}
	e := end{q: q, src: src, res: res, took: time.Since(started)}
	return e.finish(ctx, show, stdout, stderr)
}

func parse(args []string, stdout io.Writer) (*request, error) {
	q := &request{args: args}
	f := cli.NewFlags(name, help, stdout)
	f.StringVar(&q.output, "o", "", "the `image` to write; an existing one is refused")
	f.StringVar(&q.o.Format, "format", "", "`e01|zst|raw` where the image's ending does not say")
	f.StringVar(&q.o.Level, "compression", "", "`fast|default|best`; E01: default, zst: fast")
	segment := f.String("segment-size", "", "largest file of an E01 (default 2GiB) or of split raw: `size` as 640MiB, 2GiB")
	hashes := f.String("hash", "", "`digests` of the medium: md5, sha1, sha256, with commas between (default all three; zst: sha256)")
	h := &q.o.Header
	f.StringVar(&h.Case, "case-number", "", "case `number`, for the image's header and the record")
	f.StringVar(&h.Exhibit, "exhibit", "", "`exhibit` number")
	f.StringVar(&h.Examiner, "examiner", "", "`name` of who acquires")
	f.StringVar(&h.Description, "description", "", "what the source is, one `line`")
	f.StringVar(&h.Notes, "notes", "", "further `text`")
	f.StringVar(&q.record.organisation, "organisation", "", "the examiner's `organisation`")
	f.StringVar(&q.record.writeBlocker, "write-blocker", "", "how the source is protected from writing: make and serial of the blocker, or none (`statement` for the record)")
	f.StringVar(&q.record.caseDir, "case", "", "file the image in this case `folder`: its papers name it, and an image without a folder goes to its images")
	f.StringVar(&q.record.key, "sign", "", "sign the custody record with this minisign secret `key`")
	f.StringVar(&q.record.passwordFile, "password-file", "", "`file` with the secret key's password")
	f.IntVar(&q.read.retries, "retries", 1, "how often a bad sector is tried again: `n`")
	f.DurationVar(&q.read.budget, "bad-budget", 20*time.Second, "longest `time` for one bad region before the rest of it is left")
	f.StringVar(&q.read.mapFile, "map", "", "ddrescue `map` of a raw SOURCE: what it calls not read is not read")
	f.StringVar(&q.read.snapshot, "snapshot", "", "`id` or name of the internal snapshot of a QCOW2 to convert, not its last state")
	f.BoolVar(&q.resume, "resume", false, "go on with an image that was begun")
	f.StringVar(&q.from, "continue", "", "go on in the folder of -o with this `image`, whose folder is full")
	checkpoint := f.String("checkpoint", "", "`size` between two checkpoints (default 256MiB)")
	f.BoolVar(&q.noVerify, "no-verify", false, "do not read the image back: no digests per MiB and per segment, no picture of the image")
	f.BoolVar(&q.force, "force", false, "take a source that is mounted writable, or too little room; recorded")
	progress := f.Choice("progress", "what to show of long work", cli.ProgressModes...)
	f.BoolVar(&q.quiet, "quiet", false, "print only what is not in order")
	rest, err := f.Parse(args)
	if err != nil {
		return nil, err
	}
	q.progress = *progress
	switch {
	case len(rest) == 0:
		return nil, cli.Usage("name the source, for example ks-acquire /dev/sdb -o disk.E01")
	case len(rest) > 1:
		return nil, cli.Usage("one source at a time, not %d; any segment of a set opens the set", len(rest))
	case q.output == "":
		return nil, cli.Usage("name the image to write with -o, for example -o disk.E01")
	case q.resume && q.from != "":
		return nil, cli.Usage("--resume goes on in place, --continue in another folder: one of them")
	}
	if q.record.caseDir != "" && filepath.Dir(q.output) == "." {
		q.output = filepath.Join(q.record.caseDir, "images", q.output)
	}
	version, _ := cli.BuildVersion()
	q.o.NoBlocks = q.noVerify
	q.source, q.o.Image, q.o.Now, q.o.Tool = rest[0], q.output, time.Now, "ks "+version
	if q.o.SegmentSize, err = size("segment-size", *segment); err != nil {
		return nil, err
	}
	if q.o.Checkpoint, err = size("checkpoint", *checkpoint); err != nil {
		return nil, err
	}
	return q, q.choose(*hashes)
}

// choose fixes format, compression and digests.
func (q *request) choose(hashes string) error {
	byName := acquire.FormatOf(q.output)
	switch {
	case q.o.Format == "" && byName == "":
		return cli.Usage("%s: the ending names no format; .E01, .zst, .raw, or --format", q.output)
	case q.o.Format == "":
		q.o.Format = byName
	case !slices.Contains(acquire.Formats, q.o.Format):
		return cli.Usage("no format %q; there are %s", q.o.Format, strings.Join(acquire.Formats, ", "))
	case byName != "" && byName != q.o.Format:
		return cli.Usage("%s: the ending says %s, --format %s", q.output, byName, q.o.Format)
	case q.o.Format == acquire.E01 && byName == "":
		return cli.Usage("%s: the name of an E01 ends in .E01", q.output)
	}
	if l := q.o.Level; l != "" && !slices.Contains(acquire.Levels, l) {
		return cli.Usage("no compression %q; there are fast, default, best", l)
	}
	for _, h := range strings.FieldsFunc(hashes, func(r rune) bool { return r == ',' || r == ' ' }) {
		if !slices.Contains(acquire.Hashes, h) {
			return cli.Usage("no digest %q; there are %s", h, strings.Join(acquire.Hashes, ", "))
		}
		if !slices.Contains(q.o.Hashes, h) {
			q.o.Hashes = append(q.o.Hashes, h)
		}
	}
	slices.Sort(q.o.Hashes)
	return nil
}

// size reads a number of bytes with a unit.
func size(option, s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	i := strings.LastIndexAny(s, "0123456789") + 1
	var n int64
	if _, err := fmt.Sscanf(s[:i], "%d", &n); err == nil && n > 0 {
		for _, u := range []struct {
			names string
			shift int
		}{{" b", 0}, {"k kib", 10}, {"m mib", 20}, {"g gib", 30}, {"t tib", 40}} {
			if slices.Contains(strings.Split(u.names, " "), strings.ToLower(s[i:])) && n <= (1<<62)>>u.shift {
				return n << u.shift, nil
			}
		}
	}
	return 0, cli.Usage("--%s %s is no size; sizes are written 640MiB, 2GiB", option, s)
}

// stopped says what to run to go on.
func (s *source) stopped(q *request, err error, stderr io.Writer) error {
	if _, begun := errors.AsType[*acquire.Stopped](err); !begun {
		return err
	}
	again := fmt.Sprintf("%s %s -o %s --resume", name, q.source, q.output)
	if acquire.NoRoom(err) {
		return fmt.Errorf("%w: the image is kept; make room and run %s, or go on in another folder: %s %s -o OTHER/%s --continue %s",
			err, again, name, q.source, base(q.output), q.output)
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "%s: to go on: %s\n", name, again)
		return err
	}
	return fmt.Errorf("%w; the image is kept, to go on: %s", err, again)
}
