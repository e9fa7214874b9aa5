package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
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
	"kanshiki/parsers/vss"
)

// session is an opened image with the file systems that are looked at, and what
// was in the way.
type session struct {
	img     *evidence.Evidence
	volumes []opened
	stderr  io.Writer
	quiet   bool
	verbose bool
	gaps    bool     // some evidence could not be read
	others  []string // volumes that are not read, and why
	changed bool     // of shadow copies only what differs is wanted
}

type opened struct {
	volume.Volume
	snapshot int // 0 is the live volume
	files    files
	fs       *filesystem.NTFS // nil where it is another file system
	fat      *filesystem.FAT
}

// files is what every file system gives.
type files interface {
	filesystem.FS
	LookupDeleted(ctx context.Context, path string) (filesystem.Ref, string, error)
	Matcher(patterns []string) *filesystem.Matcher
	Recovery(ref filesystem.Ref, stream string) (filesystem.Recovery, error)
	Coverage(ctx context.Context) ([]filesystem.CoverageLine, error)
	Place(off int64) string
}

// ntfs are the volumes of NTFS. Of the others it is said that they have none of
// what a command shows.
func (s *session) ntfs(what string) []opened {
	var out []opened
	for _, v := range s.volumes {
		if v.fs != nil {
			out = append(out, v)
		} else if !s.quiet {
			fmt.Fprintf(s.stderr, "%s: volume %d is %s: there is no %s\n", name, v.Number, v.files.Info().Kind, what)
		}
	}
	return out
}

// common are the options that every command has.
type common struct {
	flags    *cli.Flags
	volume   *int
	shadow   *string
	keys     *[]volume.Key
	quiet    *bool
	verbose  *bool
	progress *string
	changed  *bool // of the command that has it
}

func newCommon(help string, stdout io.Writer) common {
	f := cli.NewFlags(name, help, stdout)
	return common{
		flags:    f,
		volume:   f.Int("volume", -1, "only the volume with this `number`, as ks-walk list prints it"),
		shadow:   f.String("shadow", "", "shadow copies instead of the volume of today: a `number` of ks-walk shadows, or all"),
		keys:     keyFlags(f),
		quiet:    f.Bool("quiet", false, "no warnings about single structures; the exit code still tells"),
		verbose:  f.Bool("verbose", false, "say what each volume holds, and list every problem, not only the first ten"),
		progress: f.Choice("progress", "what to show of long work", cli.ProgressModes...),
	}
}

// keyFlags takes the keys of encrypted volumes. Those in a file are not seen by
// others who list the processes of the machine.
func keyFlags(f *cli.Flags) *[]volume.Key {
	keys := new([]volume.Key)
	add := func(s string) error {
		k, err := volume.ParseKey(s, os.ReadFile)
		if err == nil {
			*keys = append(*keys, k)
		}
		return err
	}
	f.Func("key", "a `key` of an encrypted volume: password:TEXT, recovery:DIGITS, startup:FILE.BEK or volume:HEX", add)
	f.Func("key-file", "a `file` with such keys, one a line", func(name string) error {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				if err := add(line); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return keys
}

// open opens the image and reads the file system of each volume in it.
func (c common) open(ctx context.Context, path string, stderr io.Writer) (*session, error) {
	s, err := c.openImage(ctx, path, evidence.Options{MFT: true}, stderr)
	if err != nil {
		return nil, err
	}
	s.changed = c.changed != nil && *c.changed
	if err := s.openVolumes(ctx, *c.volume, *c.shadow, *c.keys); err != nil {
		s.img.Close()
		return nil, err
	}
	return s, nil
}

// openImage opens the image and none of its volumes.
func (c common) openImage(ctx context.Context, path string, opt evidence.Options, stderr io.Writer) (*session, error) {
	e, err := evidence.OpenImage(ctx, path, opt)
	if err != nil {
		return nil, reading.Explain(name, err)
	}
	for _, n := range e.Notes {
		fmt.Fprintf(stderr, "%s: %s\n", name, n)
	}
	return &session{img: e, stderr: stderr, quiet: *c.quiet, verbose: *c.verbose}, nil
}

// found is a volume whose content is at hand.
type found struct {
	volume.Volume
	volume.Content
}

// contents gives what the file systems of the volumes are read from, and says
// of the others what they are.
func (s *session) contents(only int, keys []volume.Key) (out []found, others []string) {
	vols, problems := volume.List(s.img.Image, s.img.Exhibit, s.img.Name)
	s.report(problems)
	for _, v := range vols {
		if v.Scheme == "gap" || only >= 0 && v.Number != only {
			continue
		}
		c, err := volume.Open(s.img.Image, v, s.img.Exhibit, keys)
		s.report(c.Problems)
		switch {
		case errors.Is(err, volume.ErrLocked):
			others = append(others, fmt.Sprintf("volume %d is %s: %v; --key opens it", v.Number, v.Kind, err))
		case err != nil:
			others = append(others, fmt.Sprintf("volume %d: %v", v.Number, err))
		case c.Kind != volume.NTFS && !isFAT(c.Kind) && !bareMFT(c):
			if c.Kind != volume.Unallocated && c.Kind != volume.Reserved && c.Kind != volume.Empty {
				others = append(others, fmt.Sprintf("volume %d is %s", v.Number, c.Kind))
			}
		default:
			out = append(out, found{v, c})
		}
	}
	return out, others
}

func isFAT(k volume.Kind) bool {
	return k == volume.FAT12 || k == volume.FAT16 || k == volume.FAT32 || k == volume.ExFAT
}

// bareMFT tells whether the image is an $MFT that was taken from its volume.
func bareMFT(c volume.Content) bool {
	var b [4]byte
	_, err := c.R.ReadAt(b[:], 0)
	return c.Base == 0 && err == nil && string(b[:]) == "FILE"
}

func (s *session) openVolumes(ctx context.Context, only int, shadow string, keys []volume.Key) error {
	all, others := s.contents(only, keys)
	for _, f := range all {
		var err error
		switch {
		case shadow == "":
			err = s.openFS(ctx, f, 0, nil)
		case isFAT(f.Content.Kind):
		default:
			err = s.openShadows(ctx, f, all, shadow)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			others = append(others, fmt.Sprintf("volume %d: %v", f.Number, err))
		}
	}
	s.others = others
	if len(s.volumes) > 0 {
		for _, o := range others {
			s.gaps = true
			cli.Warn(s.stderr, name, "%s, not read", o)
		}
		return nil
	}
	switch {
	case shadow == "all" && len(others) == 0:
		return fmt.Errorf("%s: no shadow copy that can be read; ks-walk shadows shows what there is", s.img.Path)
	case shadow != "" && len(others) == 0:
		return fmt.Errorf("%s: no shadow copy %s; ks-walk shadows shows what there is", s.img.Path, shadow)
	case only >= 0 && len(others) == 0:
		return fmt.Errorf("%s: no volume %d that can be read; ks-walk list shows their numbers", s.img.Path, only)
	case len(others) == 0:
		return fmt.Errorf("%s: no file system in this image", s.img.Path)
	}
	return fmt.Errorf("%s: no NTFS or FAT volume that can be read: %s", s.img.Path, strings.Join(others, "; "))
}

// base is a volume of today of which a shadow copy is made.
type base struct {
	fs      *filesystem.NTFS
	changed iter.Seq2[int64, int64]
}

// openFS reads the file system of a volume, or of its shadow copy with this
// number, from what is known of the volume of today where that is given.
func (s *session) openFS(ctx context.Context, f found, snapshot int, today *base) error {
	opt := filesystem.Options{At: locator.Locator{Exhibit: s.img.Exhibit, Volume: f.Number, Snapshot: snapshot}, Base: f.Base}
	switch {
	case snapshot > 0:
		opt.Medium = fmt.Sprintf("shadow copy %d", snapshot)
	case f.Base < 0:
		opt.Medium = "decrypted volume"
	}
	v := opened{Volume: f.Volume, snapshot: snapshot}
	var err error
	switch {
	case today != nil:
		v.fs, err = filesystem.OpenSnapshot(ctx, today.fs, f.R, f.Size, today.changed, opt)
		v.files = v.fs
	case f.Content.Kind == volume.NTFS:
		v.fs, err = filesystem.OpenNTFS(ctx, f.R, f.Size, opt)
		v.files = v.fs
	case isFAT(f.Content.Kind):
		v.fat, err = filesystem.OpenFAT(ctx, f.R, f.Size, opt)
		v.files = v.fat
	default:
		v.fs, err = filesystem.OpenMFT(ctx, f.R, f.Size, opt)
		v.files = v.fs
	}
	if err != nil {
		return err
	}
	s.volumes = append(s.volumes, v)
	if s.verbose {
		i := v.files.Info()
		fmt.Fprintf(s.stderr, "%s: volume %d%s  %s %s  %s entries (%s live, %s deleted, %s orphaned)\n", name, f.Number, shadowName(snapshot), i.Kind, escape.Text(i.Label),
			cli.Count(int64(i.Entries)), cli.Count(int64(i.LiveCount)), cli.Count(int64(i.Deleted)), cli.Count(int64(i.Orphans)))
	}
	s.report(v.files.Problems())
	return nil
}

func shadowName(snapshot int) string {
	if snapshot == 0 {
		return ""
	}
	return fmt.Sprintf(" shadow copy %d", snapshot)
}

// openShadows reads the file systems of the shadow copies of a volume that are
// asked for.
func (s *session) openShadows(ctx context.Context, f found, all []found, which string) error {
	copies, err := s.shadowsOf(f, all, false)
	if err != nil || copies == nil {
		return err
	}
	// Most of each is as on the volume of today, which is read once for all.
	var today *filesystem.NTFS
	if which == "all" || s.changed {
		if today, err = filesystem.OpenNTFS(ctx, f.R, f.Size, filesystem.Options{}); err != nil {
			s.warn("volume %d: the volume of today: %v", f.Number, err)
		}
	}
	for i, st := range copies.Stores {
		if which != "all" && which != strconv.Itoa(i+1) {
			continue
		}
		snap, err := st.Open()
		if err == nil {
			for _, p := range st.Problems() {
				s.warn("volume %d shadow copy %d: at byte %#x of the volume: %v", f.Number, i+1, p.Off, &p)
			}
			var b *base
			if today != nil {
				b = &base{today, changedIn(snap)}
			}
			err = s.openFS(ctx, found{f.Volume, volume.Content{R: snap, Size: snap.Size(), Kind: volume.NTFS, Base: -1}}, i+1, b)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.warn("volume %d shadow copy %d: %v", f.Number, i+1, err)
		}
	}
	return nil
}

func changedIn(snap *vss.Snapshot) iter.Seq2[int64, int64] {
	return func(yield func(int64, int64) bool) {
		for r := range snap.Changed() {
			if !yield(r.Off, r.Len) {
				return
			}
		}
	}
}

// shadowsOf opens the catalogue of shadow copies of a volume; nil where there
// is none.
func (s *session) shadowsOf(f found, all []found, search bool) (*vss.Volume, error) {
	var others []volume.Content
	for _, o := range all {
		if o.Number != f.Number {
			others = append(others, o.Content)
		}
	}
	copies, err := volume.Snapshots(f.Content, others, search)
	if copies != nil {
		for _, p := range copies.Problems() {
			s.warn("volume %d: shadow copies: at byte %#x of the volume: %v", f.Number, p.Off, &p)
		}
	}
	return copies, err
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

// write is how a command ends that writes rows: they are written out, whatever
// became of the last ones, and the image is closed.
func (s *session) write(stdout io.Writer, rows func(w *bufio.Writer) error) error {
	return s.end(buffered(stdout, rows))
}

// buffered lets rows write in pieces, and writes what is left at the end. Pieces
// that are larger go past the buffer.
func buffered(stdout io.Writer, rows func(w *bufio.Writer) error) error {
	w := bufio.NewWriterSize(stdout, 64<<10)
	err := rows(w)
	if ferr := w.Flush(); err == nil {
		err = ferr
	}
	return err
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
				look := v.files.LookupDeleted
				if live {
					look = v.files.Lookup
				}
				if ref, stream, ok := reference(p); ok {
					look = func(context.Context, string) (filesystem.Ref, string, error) {
						e, err := v.files.Entry(ctx, ref)
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
