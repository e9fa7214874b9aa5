package evidence

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Tree is evidence in files: a folder as a triage tool leaves it, one file, or
// the files in a logical image.
type Tree struct{ b backing }

// backing is where the files of a tree lie.
type backing interface {
	files(ctx context.Context) ([]TreeFile, []Skipped, error)
	open(p string) (File, error)
	digests(p string) ([]Digest, error)
	info() Info
	close() error
}

// folderTree is a folder of the examiner's disk, or one file. Symbolic links
// are not followed: they may lead out of the evidence.
type folderTree struct {
	root   string
	single bool
	opener Opener
}

// TreeFile is a file of a tree.
type TreeFile struct {
	Path  string // "/" between names, relative to the root
	Size  int64
	Place uint64 // in path order, from 1: the locator's entry number
}

// Skipped is something in a tree that is not read, and why.
type Skipped struct {
	Path string
	Err  error
}

const (
	maxTreeFiles = 1 << 22
	maxTreeDepth = 256
)

// Files lists the regular files in path order, and what is not read.
func (t *Tree) Files(ctx context.Context) ([]TreeFile, []Skipped, error) {
	files, skipped, err := t.b.files(ctx)
	slices.SortFunc(files, func(a, b TreeFile) int { return strings.Compare(a.Path, b.Path) })
	for i := range files {
		files[i].Place = uint64(i + 1)
	}
	return files, skipped, err
}

// Open opens a file that Files listed.
func (t *Tree) Open(p string) (File, error) { return t.b.open(p) }

// Info is what a logical image says of itself; a folder has no Format.
func (t *Tree) Info() Info { return t.b.info() }

// Digests are those that a logical image states of a file. With an error they
// are those that could be read.
func (t *Tree) Digests(p string) ([]Digest, error) { return t.b.digests(p) }

func (t *folderTree) close() error                     { return nil }
func (t *folderTree) info() Info                       { return Info{} }
func (t *folderTree) digests(string) ([]Digest, error) { return nil, nil }

func (t *folderTree) files(ctx context.Context) ([]TreeFile, []Skipped, error) {
	if t.single {
		st, err := t.opener.Stat(t.root)
		if err != nil {
			return nil, nil, plainError(t.root, err)
		}
		return []TreeFile{{Path: filepath.Base(t.root), Size: st.Size()}}, nil, nil
	}
	var files []TreeFile
	var skipped []Skipped
	skip := func(p, format string, args ...any) {
		skipped = append(skipped, Skipped{p, fmt.Errorf(format, args...)})
	}
	var walk func(dir string, depth int) error
	walk = func(dir string, depth int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := t.opener.ReadDir(filepath.Join(t.root, filepath.FromSlash(dir)))
		if err != nil && len(entries) == 0 && dir == "" {
			return plainError(t.root, err)
		}
		if err != nil {
			skip(dir, "list folder: %w", err)
		}
		for _, e := range entries {
			p := path.Join(dir, e.Name())
			switch {
			case e.IsDir() && depth >= maxTreeDepth:
				skip(p, "more than %d folders deep", maxTreeDepth)
			case e.IsDir():
				if err := walk(p, depth+1); err != nil {
					return err
				}
			case e.Type()&fs.ModeSymlink != 0:
				skip(p, "is a symbolic link, not followed")
			case !e.Type().IsRegular():
				skip(p, "%s", irregular(e.Type()))
			default:
				in, err := e.Info()
				if err != nil {
					skip(p, "%w", err)
					continue
				}
				if len(files) >= maxTreeFiles {
					return fmt.Errorf("%s: more than %d files", t.root, maxTreeFiles)
				}
				files = append(files, TreeFile{Path: p, Size: in.Size()})
			}
		}
		return nil
	}
	if err := walk("", 0); err != nil {
		return nil, nil, err
	}
	return files, skipped, nil
}

func (t *folderTree) open(p string) (File, error) {
	name := t.root
	if !t.single {
		if !fs.ValidPath(p) {
			return nil, fmt.Errorf("%s: not a path in the evidence", p)
		}
		name = filepath.Join(t.root, filepath.FromSlash(p))
	}
	f, err := t.opener.Open(name)
	if err != nil {
		return nil, plainError(p, err)
	}
	return f, nil
}
