package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/filesystem"
)

const extractHelp = `
    ks-walk extract fixtures/quarantined-pc/quarantined-pc.E01 'Users/**' -o extracted

ks-walk extract [OPTIONS] IMAGE [PATTERN…] -o FOLDER

Writes every stream that fits to FOLDER, under names that are safe on this
machine: no "..", no device names, no control or direction marks, twins by case
told apart, long names cut. Programs and what else a double click runs get .bin
added, or go into FOLDER/programs.zip with --zip (password: infected).
FOLDER/manifest.jsonl says for each file what it is, with its SHA-256.

With --slack also what older files left in the clusters of these: behind their
end (file slack), and up to it where nothing was ever written. Such a file is
named after the one whose clusters it lay in; nothing else ties it to that.

With --deleted, deleted files: ranges that belong to another file now are zero
in the output and named in the manifest; what is overwritten whole is only
named.
`

// item is a line of the manifest. Keys are those of ks-walk list.
type item struct {
	File     string            `json:"file,omitempty"` // below the folder, or in the zip
	Zip      string            `json:"zip,omitempty"`
	Volume   int               `json:"volume"`
	Snapshot int               `json:"snapshot"`
	Entry    uint64            `json:"entry"`
	Sequence uint16            `json:"sequence"`
	State    filesystem.State  `json:"state"`
	Path     string            `json:"path"`
	UTF16    string            `json:"path_utf16,omitempty"`
	Proof    string            `json:"path_proof"`
	Stream   string            `json:"stream"`
	Slack    string            `json:"slack,omitempty"` // what of the clusters of the stream it is, where it is not its content
	Size     int64             `json:"size"`
	Written  int64             `json:"written"`
	SHA256   string            `json:"sha256,omitempty"` // of what was written; where whole is false, not of the file
	Whole    bool              `json:"whole"`
	Recovery string            `json:"recovery,omitempty"`
	NotOwn   []string          `json:"not_own,omitempty"`
	Problems []string          `json:"problems"`
	Times    map[string]string `json:"times"`
	Also     []string          `json:"also,omitempty"` // other names of the same entry
	name     string            // last name, to tell programs
	ref      filesystem.Ref
	stream   string // as the volume has it
	cluster  int64  // where the content begins
}

// extractor writes files and the manifest.
type extractor struct {
	s        *session
	dir      string
	names    *safeNames
	root     *os.Root // nothing is written outside, whatever links lie in the folder
	manifest *os.File
	zip      *cryptZip
	zipFile  *os.File
	useZip   bool
	slack    bool // what lies in the clusters of files and is not their content, too
	many     bool // more than one volume: a folder for each
	files    int
	bytes    int64
	partly   int
	none     int
}

func runExtract(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(extractHelp, stdout)
	out := c.flags.String("o", "", "`folder` to write to")
	deleted := c.flags.Bool("deleted", false, "deleted files, not live ones")
	slack := c.flags.Bool("slack", false, "also what older files left in the clusters: behind the end, and where nothing was written")
	zipped := c.flags.Bool("zip", false, "programs go into programs.zip, password infected")
	force := c.flags.Bool("force", false, "write into a folder that is not empty")
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	switch {
	case len(args) == 0:
		return cli.Usage("name an image, for example ks-walk extract disk.E01 'Windows/Prefetch/*' -o extracted")
	case *out == "":
		return cli.Usage("-o is missing: name the folder to write to, for example -o extracted")
	}
	s, err := c.open(ctx, args[0], stderr)
	if err != nil {
		return err
	}
	x := &extractor{s: s, dir: *out, names: newSafeNames(), useZip: *zipped, slack: *slack, many: len(s.volumes) > 1}
	if err := x.begin(*force); err != nil {
		return s.end(err)
	}
	keep := func(e *filesystem.Entry) bool { return e.InUse != *deleted }
	p := cli.NewProgress(name, *c.progress, stderr)
	p.Start("extracted bytes", 0)
	err = x.all(ctx, args[1:], keep, p)
	p.Done()
	if ferr := x.finish(); err == nil {
		err = ferr
	}
	fmt.Fprintf(stdout, "files extracted: %s (%s bytes, to %s); only partly: %s; not at all: %s; manifest.jsonl says why\n",
		cli.Count(int64(x.files)), cli.Count(x.bytes), escape.Text(x.dir), cli.Count(int64(x.partly)), cli.Count(int64(x.none)))
	if ctx.Err() != nil {
		cli.Warn(stderr, name, "interrupted: what is whole stays in %s; the same command with --force begins again", x.dir)
	}
	if err == nil && x.files+x.none == 0 {
		err = fmt.Errorf("nothing fits; ks-walk list shows what is there")
	}
	return s.end(err)
}

func (x *extractor) begin(force bool) error {
	if fi, err := os.Stat(x.dir); err == nil && !fi.IsDir() {
		return fmt.Errorf("%s: is a file, not a folder", x.dir)
	}
	if err := os.MkdirAll(x.dir, 0o777); err != nil {
		return err
	}
	have, err := os.ReadDir(x.dir)
	if err != nil {
		return err
	}
	if len(have) > 0 && !force {
		return cli.Usage("%s is not empty; name another folder or add --force", x.dir)
	}
	x.names.taken["manifest.jsonl"], x.names.taken["programs.zip"] = true, true
	if x.root, err = os.OpenRoot(x.dir); err != nil {
		return err
	}
	x.manifest, err = x.root.Create("manifest.jsonl.part")
	return err
}

// finish closes manifest and zip under their own names. An interrupted run
// keeps what is whole.
func (x *extractor) finish() error {
	var errs []error
	if x.zip != nil {
		errs = append(errs, x.zip.Close(), x.settle(x.zipFile, "programs.zip"))
	}
	errs = append(errs, x.settle(x.manifest, "manifest.jsonl"), x.root.Close())
	return errors.Join(errs...)
}

// settle gives a file that was written beside its name that name.
func (x *extractor) settle(f *os.File, name string) error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return x.root.Rename(name+".part", name)
}

func (x *extractor) all(ctx context.Context, patterns []string, keep func(*filesystem.Entry) bool, p *cli.Progress) error {
	for _, v := range x.s.volumes {
		match := v.files.Matcher(patterns)
		var batch []*item
		for e, err := range v.files.Walk(ctx) {
			if err != nil {
				return err
			}
			if !keep(e) {
				continue
			}
			for i := range e.Streams {
				it, ok := newItem(v, e, &e.Streams[i], match, len(patterns) > 0)
				if !ok {
					continue
				}
				if batch = append(batch, it); len(batch) < maxBatch {
					continue
				}
				if err := x.batch(ctx, v, batch, p); err != nil {
					return err
				}
				batch = batch[:0]
			}
		}
		if err := x.batch(ctx, v, batch, p); err != nil {
			return err
		}
	}
	return nil
}

// maxBatch is how many streams are put in the order of the disk at once.
const maxBatch = 4096

// batch writes streams in the order in which they lie on the disk.
func (x *extractor) batch(ctx context.Context, v opened, batch []*item, p *cli.Progress) error {
	slices.SortStableFunc(batch, func(a, b *item) int { return cmp.Compare(a.cluster, b.cluster) })
	for _, it := range batch {
		if err := x.one(ctx, v, it); err != nil {
			return err
		}
		p.Add(it.Written)
		if !x.slack || v.fs == nil {
			continue
		}
		if err := x.slackOf(ctx, v, it); err != nil {
			return err
		}
	}
	return nil
}

// slackOf writes what lies in the clusters of a stream and is not its content.
func (x *extractor) slackOf(ctx context.Context, v opened, it *item) error {
	parts, err := v.fs.Slack(it.ref, it.stream)
	if err != nil {
		return x.nothing(it, "slack: "+err.Error())
	}
	const small = 1 << 30
	for _, s := range parts {
		more := *it
		more.Slack, more.Size, more.File, more.Zip, more.SHA256, more.Written = s.What, s.Len, "", "", "", 0
		more.Problems, more.Recovery, more.NotOwn = []string{}, "", nil
		if s.Len > max(v.Len, small) {
			if err := x.nothing(&more, fmt.Sprintf("%d bytes, larger than the volume", s.Len)); err != nil {
				return err
			}
			continue
		}
		if err := x.something(ctx, v, &content{from: s.R, size: s.Len}, &more); err != nil {
			return err
		}
	}
	return nil
}

// newItem takes the first name that fits. Without patterns metadata files are
// left out: they are the volume, not what is on it.
func newItem(v opened, e *filesystem.Entry, s *filesystem.StreamInfo, match *filesystem.Matcher, asked bool) (*item, bool) {
	const firstUser = 24
	if !asked && v.fs != nil && e.Ref.Entry < firstUser {
		return nil, false
	}
	it := &item{Volume: v.Number, Snapshot: v.snapshot, stream: s.Name, cluster: firstCluster(v, e.Ref, s.Name), Entry: e.Ref.Entry, Sequence: e.Ref.Sequence, ref: e.Ref, State: e.State, Stream: s.Name, Size: s.Size,
		Problems: append([]string{}, e.Problems...), Times: map[string]string{}}
	found := false
	for i := range e.Names {
		n := &e.Names[i]
		if !asked && strings.HasPrefix(n.Path, "$Extend/") || !match.Match(n.Path, s.Name) {
			continue
		}
		if found {
			it.Also = append(it.Also, escape.Text(n.Path))
			continue
		}
		found = true
		it.Path, it.Proof, it.name = n.Path, n.Proof, n.Base
		it.UTF16 = hex.EncodeToString(n.UTF16)
		it.time("fn", n.Times, filesystem.Clock{})
	}
	if len(e.Names) == 0 && match.Match("", s.Name) {
		found, it.Proof = true, "unknown"
		it.Path = fmt.Sprintf("?/%d-%d", e.Ref.Entry, e.Ref.Sequence)
	}
	it.time("si", e.SI, e.Clock)
	if s.Note != "" {
		it.Problems = append(it.Problems, s.Note)
	}
	return it, found
}

func (it *item) time(prefix string, t filesystem.Times, clock filesystem.Clock) {
	for i, k := range [4]string{"created", "modified", "entry_modified", "accessed"} {
		if v := ticks(t)[i]; v.Valid() {
			it.Times[prefix+"_"+k] = string(clock.Append(nil, i, v))
		}
	}
}

// firstCluster is where a stream begins, for the order of the disk.
func firstCluster(v opened, ref filesystem.Ref, stream string) int64 {
	if v.fs != nil {
		return v.fs.FirstCluster(ref, stream)
	}
	if x, err := v.fat.Extents(ref); err == nil && len(x) > 0 {
		return x[0].Disk
	}
	return 0
}

// one writes one stream and its line of the manifest.
func (x *extractor) one(ctx context.Context, v opened, it *item) error {
	c, err := openContent(ctx, v, it.ref, it.Stream)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return x.nothing(it, err.Error())
	}
	if c.rec != nil {
		it.Recovery = c.rec.Verdict
		for _, r := range c.rec.Ranges {
			it.NotOwn = append(it.NotOwn, r.String())
		}
		if c.rec.Verdict == "overwritten" && it.Size > 0 {
			return x.nothing(it, "overwritten")
		}
	}
	// A few bytes of a run list can make petabytes of zeros.
	const small = 1 << 30
	if it.Size > max(v.Len, small) {
		return x.nothing(it, fmt.Sprintf("%d bytes, larger than the volume: mostly holes", it.Size))
	}
	return x.something(ctx, v, c, it)
}

// something writes content, whole or not, and says which.
func (x *extractor) something(ctx context.Context, v opened, c *content, it *item) error {
	if err := x.write(ctx, v, c, it); err != nil {
		return err
	}
	if it.Whole = c.whole(); !it.Whole {
		it.Problems = append(it.Problems, c.warnings()...)
		x.partly++
		x.s.gaps = true
	}
	x.files++
	x.bytes += it.Written
	return x.note(it)
}

func (x *extractor) nothing(it *item, why string) error {
	it.Problems = append(it.Problems, "not extracted: "+why)
	x.none++
	x.s.gaps = true
	return x.note(it)
}

func (x *extractor) note(it *item) error {
	it.Path, it.Stream = escape.Text(it.Path), escape.Text(it.Stream)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(it); err != nil {
		return err
	}
	_, err := x.manifest.Write(b.Bytes())
	return err
}

func (x *extractor) write(ctx context.Context, v opened, c *content, it *item) error {
	head := make([]byte, 16)
	n, _ := c.from.ReadAt(head, 0)
	program := isProgram(it.name, it.Stream, head[:n])
	volume := ""
	if x.many {
		volume = fmt.Sprintf("volume-%d", v.Number)
		if v.snapshot > 0 {
			volume += fmt.Sprintf("-shadow-%d", v.snapshot)
		}
	}
	if it.Slack != "" {
		program = true // whatever it is, it must not run
	}
	path := it.Path
	if it.Slack != "" {
		path += "~" + strings.ReplaceAll(it.Slack, " ", "-")
	}
	it.File = x.names.file(volume, path, it.Stream, program && !x.useZip)
	h := sha256.New()
	var err error
	if program && x.useZip {
		it.Zip = "programs.zip"
		err = x.writeZip(ctx, c, it, h)
	} else {
		err = x.writeFile(ctx, c, it, h)
	}
	it.SHA256 = hex.EncodeToString(h.Sum(nil))
	return err
}

func (x *extractor) writeZip(ctx context.Context, c *content, it *item, h io.Writer) error {
	if x.zip == nil {
		f, err := x.root.Create("programs.zip.part")
		if err != nil {
			return err
		}
		x.zipFile, x.zip = f, newCryptZip(f)
	}
	w, end, err := x.zip.create(it.File)
	if err != nil {
		return err
	}
	if it.Written, err = c.copyTo(ctx, io.MultiWriter(w, h)); err != nil {
		return err
	}
	return end()
}

func (x *extractor) writeFile(ctx context.Context, c *content, it *item, h io.Writer) error {
	path, part := filepath.FromSlash(it.File), ".part"
	if err := x.root.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := x.root.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	it.Written, err = c.copyTo(ctx, io.MultiWriter(f, h))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = x.root.Rename(part, path)
	}
	if err != nil {
		if rerr := x.root.Remove(part); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			return errors.Join(err, rerr)
		}
	}
	return err
}
