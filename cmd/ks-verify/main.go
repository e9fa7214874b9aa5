// Command ks-verify checks images: their structure, the checksum of every
// part, and the digests they state; it names the sectors that are damaged.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/cmd/internal/reading"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/picture"
)

const name = "ks-verify"

const help = `
    ks-verify fixtures/quarantined-pc/quarantined-pc.E01

ks-verify [OPTIONS] IMAGE…

Reads each image once and says for each check pass, fail or not-checkable:
structure (segments and sections are there and intact), checksums (every
chunk), digests (what the image states of its media, computed again; or, where
ks-acquire's custody record IMAGE.json lies beside it, the SHA-256 of every MiB,
of every file, and that the image states what the record says), signature (of
the record, with --public-key), custody (of the case, with --case). Damaged
parts are named as sectors of the medium, and, on NTFS, the files that lie
there. Any segment of a set opens the set.
Of a logical image (AD1) the files are checked, each against its own digests.
`

func main() { cli.Main(name, run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := cli.NewFlags(name, help, stdout)
	format := f.Choice("format", "shape of the rows", "text", "jsonl", "csv")
	progress := f.Choice("progress", "what to show of long work", cli.ProgressModes...)
	quiet := f.Bool("quiet", false, "print only what is not in order")
	verbose := f.Bool("verbose", false, "print what the image says of itself too: case number, examiner, times, segments")
	formats := f.Bool("formats", false, "list the formats that are read and those that are known by name")
	hashes := f.String("hash", "", "compute these `digests` too: md5, sha1, sha256, with commas between")
	var papers papers
	f.StringVar(&papers.key, "public-key", "", "check the signature of the custody record with this minisign public `key`: its file, or the key itself")
	f.StringVar(&papers.caseDir, "case", "", "check the custody chain of this case `folder`, and what it says of the image")
	f.BoolVar(&papers.picture, "picture", false, "say too what the image holds: zeros, how random it is, files that are empty")
	expect := f.String("expect", "", "compare with this `digest` in hexadecimal, known from elsewhere (one image)")
	paths, err := f.Parse(args)
	if err != nil {
		return err
	}
	if *formats {
		return reading.Formats(stdout)
	}
	o, err := options(*hashes, *expect, paths)
	if err != nil {
		return err
	}
	out := newRows(*format, stdout, *quiet, *verbose)
	show := cli.NewProgress(name, *progress, stderr)
	o.Add = show.Add
	failed, no := false, false
	for _, path := range paths {
		ok, err := verify(ctx, path, o, papers, show, out, stderr)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed = true
			cli.Warn(stderr, name, "%v", reading.Explain(name, err))
		}
		no = no || err == nil && !ok
	}
	if err := out.end(); err != nil {
		return err
	}
	switch {
	case no:
		return cli.Exit(cli.No, nil)
	case failed:
		return cli.Exit(cli.Failed, nil)
	}
	return nil
}

func options(hashes, expect string, paths []string) (o evidence.VerifyOptions, err error) {
	if len(paths) == 0 {
		return o, cli.Usage("name the image to verify, for example ks-verify disk.E01")
	}
	for _, h := range strings.FieldsFunc(hashes, func(r rune) bool { return r == ',' }) {
		if !slices.Contains(evidence.Algorithms, h) {
			return o, cli.Usage("no digest %q; there are %s", h, strings.Join(evidence.Algorithms, ", "))
		}
		o.Hashes = append(o.Hashes, h)
	}
	if expect != "" {
		alg := map[int]string{32: "md5", 40: "sha1", 64: "sha256"}[len(expect)]
		if alg == "" || strings.Trim(strings.ToLower(expect), "0123456789abcdef") != "" {
			return o, cli.Usage("--expect %s is no digest; it has 32, 40 or 64 hexadecimal digits", expect)
		}
		if len(paths) > 1 {
			return o, cli.Usage("--expect goes with one image, not with %d", len(paths))
		}
		o.Expect = []evidence.Digest{{Alg: alg, Sum: strings.ToLower(expect), Scope: "media", Source: "--expect"}}
	}
	return o, nil
}

// verify checks one image. An error says that there was nothing to check; a
// container too damaged to open is an answer.
func verify(ctx context.Context, path string, o evidence.VerifyOptions, p papers, show *cli.Progress, out *rows, stderr io.Writer) (bool, error) {
	if len(o.Hashes)+len(o.Expect) == 0 { // those are of a medium
		e, err := evidence.OpenLogical(ctx, path, evidence.Options{})
		if e != nil && err == nil {
			defer e.Close()
			return verifyFiles(ctx, e, o, show, out, stderr)
		}
		if broken, ok := errors.AsType[*evidence.Broken](err); ok {
			return false, out.broken(path, broken)
		}
	}
	e, err := openImage(ctx, path)
	if broken, ok := errors.AsType[*evidence.Broken](err); ok {
		return false, out.broken(path, broken)
	}
	if err != nil {
		return false, err
	}
	defer e.Close()
	for _, n := range e.Notes {
		fmt.Fprintf(stderr, "%s: %s\n", name, n)
	}
	if err := out.begin(e); err != nil {
		return false, err
	}
	p.image = firstFile(e)
	if o.Record, err = evidence.OpenRecord(p.image); err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.broken = err
	}
	if o.Record != nil {
		defer o.Record.Close()
	}
	var look *picture.Looker
	if p.picture {
		look = picture.New(e.Image.Size())
		o.See = look.See
	}
	show.Start("verify "+e.Name, e.Image.Size())
	checks, err := evidence.Verify(ctx, e.Image, o)
	show.Done()
	if err != nil {
		return false, err
	}
	if look != nil {
		if err := out.picture(ctx, e, look.Picture()); err != nil {
			return false, err
		}
	}
	checks = append(checks, p.signature(), p.custody(e, o.Record))
	ok, err := out.addAll(e.Name, checks, e.Image.SectorSize())
	if err != nil || ok {
		return ok, err
	}
	return false, out.files(ctx, e, checks)
}

// verifyFiles checks a logical image, which states digests of its files.
func verifyFiles(ctx context.Context, e *evidence.Evidence, o evidence.VerifyOptions, show *cli.Progress, out *rows, stderr io.Writer) (bool, error) {
	for _, n := range e.Notes {
		fmt.Fprintf(stderr, "%s: %s\n", name, n)
	}
	if err := out.begin(e); err != nil {
		return false, err
	}
	files, _, err := e.Tree.Files(ctx)
	if err != nil {
		return false, err
	}
	total := int64(0)
	for _, f := range files {
		total += f.Size
	}
	show.Start("verify "+e.Name, total)
	checks, err := evidence.VerifyFiles(ctx, e.Tree, o.Add)
	show.Done()
	if err != nil {
		return false, err
	}
	return out.addAll(e.Name, checks, 512)
}
