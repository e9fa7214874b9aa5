package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/program"
	"kanshiki/forensics/volume"
)

// endings are those under which Windows runs or loads programs; --glob looks
// at others too.
var endings = []string{"exe", "dll", "sys", "scr", "ocx", "cpl", "com", "drv", "efi", "tsp", "ax", "pif"}

// source gives the files to describe.
type source struct {
	named    bool // each file was named by the user
	items    func(ctx context.Context) iter.Seq[program.Item]
	volumes  []volumeFS
	tree     *evidence.Tree
	found    problem.List
	closers  []io.Closer
	evidence *evidence.Evidence
}

type volumeFS struct {
	fs *filesystem.NTFS
	at locator.Locator
}

func (s *source) close() {
	for _, c := range s.closers {
		_ = c.Close()
	}
}

func (s *source) problems() []problem.Problem {
	if s.evidence != nil && s.evidence.Image != nil {
		for _, p := range s.evidence.Image.Problems() {
			s.found.Report(p)
		}
	}
	return s.found.Sorted()
}

func (s *survey) open(ctx context.Context, paths []string) (*source, error) {
	if s.o.image == "" {
		return s.openFiles(ctx, paths)
	}
	e, err := evidence.Open(ctx, s.o.image, evidence.Options{})
	if err != nil {
		return nil, err
	}
	src := &source{closers: []io.Closer{e}, evidence: e}
	for _, n := range e.Notes {
		fmt.Fprintf(s.stderr, "%s: %s\n", name, n)
	}
	switch e.Form {
	case evidence.Disk:
		err = s.openVolumes(ctx, src)
	case evidence.Folder:
		src.tree = e.Tree
		src.items = s.treeItems(src, e, s.patterns())
	default:
		err = fmt.Errorf("%s: neither an image nor a folder; name a program without --image", s.o.image)
	}
	if err != nil {
		src.close()
		return nil, err
	}
	return src, nil
}

func (s *survey) patterns() []string {
	if len(s.o.globs) > 0 {
		return s.o.globs
	}
	var out []string
	for _, e := range endings {
		out = append(out, "**/*."+e)
	}
	return out
}

// openFiles takes files and folders of the examiner's disk.
func (s *survey) openFiles(ctx context.Context, paths []string) (*source, error) {
	src := &source{named: true}
	var lists []iter.Seq[program.Item]
	for i, p := range paths {
		fi, err := os.Stat(p)
		if err == nil && fi.IsDir() {
			e, err := evidence.Open(ctx, p, evidence.Options{})
			if err != nil {
				src.close()
				return nil, err
			}
			src.closers = append(src.closers, e)
			src.named = false
			lists = append(lists, s.treeItems(src, e, []string{"**"})(ctx))
			continue
		}
		at := locator.Locator{Exhibit: filepath.Base(p), Entry: uint64(i) + 1}
		lists = append(lists, func(yield func(program.Item) bool) {
			yield(program.Item{Source: p, At: at, Open: func(context.Context) (io.ReaderAt, int64, io.Closer, error) { return openFile(p) }})
		})
	}
	src.items = func(context.Context) iter.Seq[program.Item] {
		return func(yield func(program.Item) bool) {
			for _, l := range lists {
				for it := range l {
					if !yield(it) {
						return
					}
				}
			}
		}
	}
	return src, nil
}

func openFile(p string) (io.ReaderAt, int64, io.Closer, error) {
	f, err := evidence.OS{}.Open(p)
	if err != nil {
		return nil, 0, nil, err
	}
	return f, f.Size(), f, nil
}

// treeItems lists a folder; what cannot be listed is a problem.
func (s *survey) treeItems(src *source, e *evidence.Evidence, patterns []string) func(context.Context) iter.Seq[program.Item] {
	return func(ctx context.Context) iter.Seq[program.Item] {
		return func(yield func(program.Item) bool) {
			files, skipped, err := e.Tree.Files(ctx)
			if err != nil {
				src.found.Report(problem.From(locator.Locator{Exhibit: e.Exhibit}, problem.Unreadable, problem.Lost, err))
				return
			}
			for _, k := range skipped {
				p := problem.From(locator.Locator{Exhibit: e.Exhibit}, problem.NotLooked, problem.Note, k.Err)
				p.Source = k.Path
				src.found.Report(p)
			}
			for _, f := range files {
				if !matches(patterns, f.Path) {
					continue
				}
				it := program.Item{Source: f.Path, At: locator.Locator{Exhibit: e.Exhibit, Entry: f.Place},
					Open: func(context.Context) (io.ReaderAt, int64, io.Closer, error) {
						r, err := e.Tree.Open(f.Path)
						if err != nil {
							return nil, 0, nil, err
						}
						return r, r.Size(), r, nil
					}}
				if !yield(it) {
					return
				}
			}
		}
	}
}

// openVolumes opens every NTFS volume of an image; others are named.
func (s *survey) openVolumes(ctx context.Context, src *source) error {
	e := src.evidence
	vols, problems := volume.List(e.Image, e.Exhibit, e.Name)
	for _, p := range problems {
		src.found.Report(p)
	}
	var others []string
	for _, v := range vols {
		switch {
		case v.Scheme == "gap" || v.Kind == volume.Unallocated || v.Kind == volume.Reserved || v.Kind == volume.Empty:
			continue
		case !v.Kind.Readable():
			others = append(others, fmt.Sprintf("volume %d is %s", v.Number, v.Kind))
			continue
		}
		at := locator.Locator{Exhibit: e.Exhibit, Volume: v.Number}
		n, err := filesystem.OpenNTFS(ctx, io.NewSectionReader(e.Image, v.Off, v.Len), v.Len, filesystem.Options{At: at, Base: v.Off})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			others = append(others, fmt.Sprintf("volume %d: %v", v.Number, err))
			continue
		}
		for _, p := range n.Problems() {
			src.found.Report(p)
		}
		src.volumes = append(src.volumes, volumeFS{n, at})
	}
	if len(src.volumes) == 0 {
		if len(others) == 0 {
			others = []string{"no file system in this image"}
		}
		return fmt.Errorf("%s: no volume that can be read: %s", e.Path, strings.Join(others, "; "))
	}
	for _, o := range others {
		s.gaps = true
		cli.Warn(s.stderr, name, "%s, not read", o)
	}
	src.items = s.volumeItems(src)
	return nil
}

// volumeItems lists the programs of all volumes in the order of their paths'
// discovery; a name that was found twice is read once.
func (s *survey) volumeItems(src *source) func(context.Context) iter.Seq[program.Item] {
	return func(ctx context.Context) iter.Seq[program.Item] {
		return func(yield func(program.Item) bool) {
			for _, v := range src.volumes {
				if !s.volume(ctx, src, v, yield) {
					return
				}
			}
		}
	}
}

func (s *survey) volume(ctx context.Context, src *source, v volumeFS, yield func(program.Item) bool) bool {
	type key struct {
		ref    filesystem.Ref
		stream string
	}
	seen := map[key]bool{}
	for m, err := range v.fs.Glob(ctx, s.patterns()) {
		if err != nil {
			if ctx.Err() != nil {
				return false
			}
			src.found.Report(problem.From(v.at, problem.Malformed, problem.Lost, err))
			continue
		}
		k := key{m.Entry.Ref, m.Stream}
		if m.Entry.Kind != filesystem.File || seen[k] {
			continue // a directory, or another hard link of what was read
		}
		seen[k] = true
		at := v.at
		at.Entry, at.Sequence, at.Stream = k.ref.Entry, k.ref.Sequence, k.stream
		path := m.Entry.Names[m.Name].Path
		if k.stream != "" {
			path += ":" + k.stream
		}
		if len(src.volumes) > 1 {
			path = fmt.Sprintf("volume %d: %s", v.at.Volume, path)
		}
		it := program.Item{Source: path, At: at, Open: func(ctx context.Context) (io.ReaderAt, int64, io.Closer, error) {
			st, err := v.fs.Open(ctx, k.ref, k.stream)
			if err != nil {
				return nil, 0, nil, err
			}
			return st, st.Size(), nil, nil
		}}
		if !yield(it) {
			return false
		}
	}
	return true
}

// catalogues reads those of the image, and those that the user named.
func (s *survey) catalogues(ctx context.Context, src *source, into *program.Catalogues) error {
	for _, v := range src.volumes {
		if err := into.Load(ctx, v.fs, v.at); err != nil {
			return err
		}
	}
	if src.tree != nil {
		if err := s.treeCatalogues(ctx, src.evidence, []string{program.CatalogueGlob}, into); err != nil {
			return err
		}
	}
	for _, dir := range s.o.catalogues {
		e, err := evidence.Open(ctx, dir, evidence.Options{})
		if err != nil {
			return err
		}
		if e.Form != evidence.Folder {
			err = fmt.Errorf("--catalogues %s: not a folder", dir)
		} else {
			err = s.treeCatalogues(ctx, e, []string{"**/*.cat"}, into)
		}
		if err := errors.Join(err, e.Close()); err != nil {
			return err
		}
	}
	if n := into.Len(); n > 0 && !s.o.quiet {
		fmt.Fprintf(s.stderr, "%s: %s catalogues read\n", name, cli.Count(int64(n)))
	}
	for _, p := range into.Problems() { // doubts too: they stand in no row
		if p.Severity == problem.Lost {
			s.gaps = true
		}
		cli.Warn(s.stderr, name, "%s: %s", p.Source, p.Found)
	}
	return nil
}

func (s *survey) treeCatalogues(ctx context.Context, e *evidence.Evidence, patterns []string, into *program.Catalogues) error {
	files, _, err := e.Tree.Files(ctx)
	if err != nil {
		return err
	}
	for _, f := range files {
		if !matches(patterns, f.Path) {
			continue
		}
		at := locator.Locator{Exhibit: e.Exhibit, Entry: f.Place}
		b, err := readAll(e.Tree, f)
		if err != nil {
			p := problem.From(at, problem.Unreadable, problem.Lost, err)
			p.Source = f.Path
			into.Missing(p)
			continue
		}
		into.Add(at, f.Path, b)
	}
	return nil
}

func readAll(t *evidence.Tree, f evidence.TreeFile) ([]byte, error) {
	const most = 32 << 20
	if f.Size > most {
		return nil, fmt.Errorf("a catalogue of %d bytes, the limit is %d", f.Size, most)
	}
	r, err := t.Open(f.Path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := make([]byte, f.Size)
	if n, err := r.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) || n < len(b) {
		return nil, fmt.Errorf("%d of %d bytes: %w", n, len(b), err)
	}
	return b, nil
}
