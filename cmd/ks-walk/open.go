package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/cmd/internal/reading"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/volume"
)

// session is an opened image with the file systems that are looked at, and what
// was in the way.
type session struct {
	img     *evidence.Evidence
	volumes []opened
	stderr  io.Writer
	quiet   bool
	verbose bool
	gaps    bool // some evidence could not be read
}

type opened struct {
	volume.Volume
	snapshot int // 0 is the live volume
	fs       *filesystem.NTFS
}

// common are the options that every command has.
type common struct {
	flags    *cli.Flags
	volume   *int
	quiet    *bool
	verbose  *bool
	progress *string
}

func newCommon(help string, stdout io.Writer) common {
	f := cli.NewFlags(name, help, stdout)
	return common{
		flags:    f,
		volume:   f.Int("volume", -1, "only the volume with this `number`, as ks-walk list prints it"),
		quiet:    f.Bool("quiet", false, "no warnings about single structures; the exit code still tells"),
		verbose:  f.Bool("verbose", false, "say what each volume holds, and list every problem, not only the first ten"),
		progress: f.Choice("progress", "what to show of long work", cli.ProgressModes...),
	}
}

// open opens the image and reads the $MFT of each NTFS volume in it.
func (c common) open(ctx context.Context, path string, stderr io.Writer) (*session, error) {
	e, err := evidence.OpenImage(ctx, path, evidence.Options{})
	if err != nil {
		return nil, reading.Explain(name, err)
	}
	s := &session{img: e, stderr: stderr, quiet: *c.quiet, verbose: *c.verbose}
	for _, n := range e.Notes {
		fmt.Fprintf(stderr, "%s: %s\n", name, n)
	}
	if err := s.openVolumes(ctx, *c.volume); err != nil {
		e.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) openVolumes(ctx context.Context, only int) error {
	vols, problems := volume.List(s.img.Image, s.img.Exhibit, s.img.Name)
	s.report(problems)
	var others []string
	for _, v := range vols {
		if v.Scheme == "gap" || only >= 0 && v.Number != only {
			continue
		}
		if v.Kind != volume.NTFS {
			if v.Kind != volume.Unallocated && v.Kind != volume.Reserved && v.Kind != volume.Empty {
				others = append(others, fmt.Sprintf("volume %d is %s", v.Number, v.Kind))
			}
			continue
		}
		n, err := filesystem.OpenNTFS(ctx, io.NewSectionReader(s.img.Image, v.Off, v.Len), v.Len, filesystem.Options{
			At: locator.Locator{Exhibit: s.img.Exhibit, Volume: v.Number}, Base: v.Off})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			others = append(others, fmt.Sprintf("volume %d: %v", v.Number, err))
			continue
		}
		s.volumes = append(s.volumes, opened{Volume: v, fs: n})
		if s.verbose {
			i := n.Info()
			fmt.Fprintf(s.stderr, "%s: volume %d  %s %s  %s entries (%s live, %s deleted, %s orphaned)\n", name, v.Number, i.Kind, escape.Text(i.Label),
				cli.Count(int64(i.Entries)), cli.Count(int64(i.LiveCount)), cli.Count(int64(i.Deleted)), cli.Count(int64(i.Orphans)))
		}
		s.report(n.Problems())
	}
	if len(s.volumes) > 0 {
		for _, o := range others {
			s.gaps = true
			cli.Warn(s.stderr, name, "%s, not read", o)
		}
		return nil
	}
	switch {
	case only >= 0 && len(others) == 0:
		return fmt.Errorf("%s: no volume %d that can be read; ks-walk list shows their numbers", s.img.Path, only)
	case len(others) == 0:
		return fmt.Errorf("%s: no file system in this image", s.img.Path)
	}
	return fmt.Errorf("%s: no NTFS volume that can be read: %s", s.img.Path, strings.Join(others, "; "))
}

// maxShown is how many problems are printed without --verbose.
const maxShown = 10

func (s *session) report(ps []problem.Problem) {
	shown := 0
	for _, p := range ps {
		if p.Severity == problem.Lost {
			s.gaps = true
		}
		if s.quiet || shown >= maxShown && !s.verbose {
			continue
		}
		shown++
		cli.Warn(s.stderr, name, "volume %d: %s: %s", p.At.Volume, p.Source, p.Found)
	}
	if rest := len(ps) - shown; rest > 0 && !s.quiet {
		cli.Warn(s.stderr, name, "%d more problems; --verbose lists them all", rest)
	}
}

func (s *session) warn(format string, args ...any) {
	s.gaps = true
	if !s.quiet {
		cli.Warn(s.stderr, name, format, args...)
	}
}

// end closes the image; its own problems count too.
func (s *session) end(err error) error {
	if err == nil {
		s.report(s.img.Image.Problems())
	}
	if cerr := s.img.Close(); err == nil {
		err = cerr
	}
	if err == nil && s.gaps {
		return cli.Exit(cli.Gaps, nil)
	}
	return err
}

// target is what a PATH of the command line means.
type target struct {
	vol    opened
	ref    filesystem.Ref
	stream string
	path   string // as it was given
}

// find looks a path up in each volume: live entries first, then deleted ones.
func (s *session) find(ctx context.Context, path string) (target, error) {
	for _, live := range []bool{true, false} {
		for _, v := range s.volumes {
			for _, p := range spellings(path) {
				look := v.fs.LookupDeleted
				if live {
					look = v.fs.Lookup
				}
				if ref, stream, ok := reference(p); ok {
					look = func(context.Context, string) (filesystem.Ref, string, error) {
						e, err := v.fs.Entry(ctx, ref)
						if err != nil {
							return ref, "", err
						}
						return e.Ref, stream, nil
					}
				}
				ref, stream, err := look(ctx, p)
				if err == nil {
					return target{v, ref, stream, path}, nil
				}
				if !errors.Is(err, fs.ErrNotExist) {
					return target{}, err
				}
			}
		}
	}
	return target{}, fmt.Errorf("%s: no such path in %s; ks-walk list shows what is there", escape.Text(path), s.img.Name)
}

// spellings are the path as it is, then as Windows writes it: with a drive
// letter, with backslashes. A POSIX name may hold either, so these come last.
func spellings(path string) []string {
	out := []string{path}
	if len(path) > 2 && path[1] == ':' && (path[2] == '/' || path[2] == '\\') {
		out = append(out, path[2:])
	}
	if p := out[len(out)-1]; strings.Contains(p, `\`) {
		out = append(out, strings.ReplaceAll(p, `\`, "/"))
	}
	return out
}

// reference reads "#entry", "#entry-sequence", each with ":stream" or not.
func reference(path string) (ref filesystem.Ref, stream string, ok bool) {
	rest, ok := strings.CutPrefix(path, "#")
	if !ok {
		return ref, "", false
	}
	rest, stream, _ = strings.Cut(rest, ":")
	entry, seq, hasSeq := strings.Cut(rest, "-")
	n, err := strconv.ParseUint(entry, 10, 48)
	if err != nil {
		return ref, "", false
	}
	ref.Entry = n
	if hasSeq {
		q, err := strconv.ParseUint(seq, 10, 16)
		if err != nil {
			return ref, "", false
		}
		ref.Sequence = uint16(q)
	}
	return ref, stream, true
}
