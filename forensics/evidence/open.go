package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Options change how evidence is opened. The zero value works.
type Options struct {
	Exhibit    string // its name; "" makes one of the evidence's own identity
	Machine    string // the machine it belongs to
	CacheBytes int64  // decoded chunks kept of a compressed image; 0 is 32 MiB
	Workers    int    // goroutines that inflate; 0 is GOMAXPROCS
	Opener     Opener // how files are opened; nil is the file system, read-only
	Snapshot   string // id or name of an internal snapshot of a QCOW2; "" is the disk's last state
	MFT        bool   // a file that begins like an $MFT is taken as it is, for who can read one
	Map        string // ddrescue map of a raw image; "" is one that lies beside it and is named like it
}

func (o Options) opener() Opener {
	if o.Opener == nil {
		return OS{}
	}
	return o.Opener
}

// Form is what a piece of evidence is.
type Form string

// The forms of evidence.
const (
	Disk   Form = "image"  // an array of sectors
	Folder Form = "folder" // a tree of files, as a triage tool leaves it, or in a logical image
	Loose  Form = "file"   // one file: a hive, a log
)

// Evidence is one piece of evidence, open for reading.
type Evidence struct {
	Form    Form
	Path    string // as it was given
	Name    string // for people: the first segment's file name, the folder's name
	Exhibit string // given, or made of the evidence's own identity
	Machine string
	Image   Image    // set where Form is Disk
	Tree    *Tree    // set where Form is Folder or Loose
	Notes   []string // what the examiner should know of how it was opened
}

// Close closes what Open opened.
func (e *Evidence) Close() error {
	switch {
	case e.Image != nil:
		return e.Image.Close()
	case e.Tree != nil:
		return e.Tree.b.close()
	}
	return nil
}

// NotAnImage is the error for evidence that no reader takes.
type NotAnImage struct {
	Name string // as the user gave it
	What string // the rest of the sentence
}

func (e *NotAnImage) Error() string { return e.Name + ": " + e.What }

// Broken is the error for a container that is known, but so damaged that
// nothing of it can be read.
type Broken struct {
	Name string
	Err  error
}

func (e *Broken) Error() string { return e.Name + ": " + e.Err.Error() }

func (e *Broken) Unwrap() error { return e.Err }

// Formats lists what is opened as an image, and what is only known by name.
func Formats() (read, named []string) {
	read = []string{"E01, S01 (EWF version 1: EnCase 1 to 7, linen, FTK Imager, SMART, EWF-X), one segment or many",
		"raw sectors, whole or split (.001, .000, .aa)"}
	for _, c := range formats() {
		read = append(read, c.name)
	}
	read = append(read, formatAD1)
	for _, s := range signatures {
		if s.how != asFiles {
			named = append(named, s.name)
		}
	}
	named = append(named, "DMG", "zip archive")
	slices.Sort(named)
	return read, slices.Compact(named)
}

// Open opens evidence of any form, by signature first and by extension second.
// A folder and a loose file are taken as they are; a container that is not
// read is refused by name.
func Open(ctx context.Context, path string, o Options) (*Evidence, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	st, err := o.opener().Stat(path)
	if err != nil {
		return nil, plainError(path, err)
	}
	if st.IsDir() {
		if first := onlySet(o.opener(), path); first != "" {
			e, err := Open(ctx, first, o)
			if err == nil {
				e.Path = path
				e.Notes = append(e.Notes, fmt.Sprintf("the folder holds one image; opened the set from %s", filepath.Base(first)))
			}
			return e, err
		}
		e := &Evidence{Form: Folder, Path: path, Name: filepath.Base(path), Machine: o.Machine}
		if abs, err := filepath.Abs(path); err == nil {
			e.Name = filepath.Base(abs) // "." has no name
		}
		e.Tree = &Tree{&folderTree{root: path, opener: o.opener()}}
		e.Exhibit, err = exhibitOf(ctx, o.Exhibit, e)
		return e, err
	}
	if e, err := OpenLogical(ctx, path, o); e != nil || err != nil {
		return e, err
	}
	img, notes, err := openImage(ctx, path, o)
	if err == nil {
		e := &Evidence{Form: Disk, Path: path, Name: img.Info().Segments[0], Image: img, Notes: notes, Machine: o.Machine}
		e.Exhibit, err = exhibitOf(ctx, o.Exhibit, e)
		if s, ok := img.(interface{ setExhibit(string) }); ok {
			s.setExhibit(e.Exhibit)
		}
		return e, err
	}
	var no *NotAnImage
	if !errors.As(err, &no) || !loose(no) {
		return nil, err
	}
	e := &Evidence{Form: Loose, Path: path, Name: filepath.Base(path), Machine: o.Machine}
	e.Tree = &Tree{&folderTree{root: path, single: true, opener: o.opener()}}
	e.Exhibit, err = exhibitOf(ctx, o.Exhibit, e)
	return e, err
}

// OpenLogical opens a logical image, which holds files and no sectors. It is
// nil where the file is none.
func OpenLogical(ctx context.Context, path string, o Options) (*Evidence, error) {
	tree, notes, err := openAD1(ctx, path, o)
	if tree == nil || err != nil {
		return nil, err
	}
	e := &Evidence{Form: Folder, Path: path, Name: filepath.Base(path), Tree: tree, Notes: notes, Machine: o.Machine}
	e.Exhibit, err = exhibitOf(ctx, o.Exhibit, e)
	return e, err
}

// OpenImage opens evidence that must be an array of sectors.
func OpenImage(ctx context.Context, path string, o Options) (*Evidence, error) {
	st, err := o.opener().Stat(path)
	if err != nil {
		return nil, plainError(path, err)
	}
	if st.IsDir() && onlySet(o.opener(), path) == "" {
		return nil, &NotAnImage{path, "is a folder, not an image"}
	}
	e, err := Open(ctx, path, o)
	if err != nil {
		return nil, err
	}
	if e.Form != Disk {
		e.Close()
		_, _, err = openImage(ctx, path, o)
		return nil, err
	}
	return e, nil
}

const unknownFormat = "no image, volume or file system that I know"

// loose tells whether a file that is no image may be evidence as it is.
func loose(e *NotAnImage) bool { return e.Unknown() }

// Unknown tells whether nothing of the file's form is known, not even its name.
func (e *NotAnImage) Unknown() bool { return strings.HasPrefix(e.What, unknownFormat) }

// plainError says what the system said, without its prefix and twice the path.
func plainError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", path, pe.Err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// openImage opens a file and, where it is a segment, the rest of its set.
func openImage(ctx context.Context, path string, o Options) (Image, []string, error) {
	op := o.opener()
	st, err := op.Stat(path)
	if err != nil {
		return nil, nil, plainError(path, err)
	}
	if what := irregular(st.Mode()); what != "" {
		return nil, nil, &NotAnImage{path, what}
	}
	f, err := op.Open(path)
	if err != nil {
		return nil, nil, plainError(path, err)
	}
	defer f.Close()
	if f.Size() == 0 {
		return nil, nil, &NotAnImage{path, "is empty"}
	}
	head, err := readPart(f, 0, headSize)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: cannot read its first bytes: %w", path, err)
	}
	tail, _ := readPart(f, max(f.Size()-512, 0), 512)
	if isEWF(head) {
		return openEWF(ctx, path, head, o)
	}
	for _, c := range formats() {
		if c.is(head, tail) {
			return c.open(ctx, path, o)
		}
	}
	if img, notes, err := flatVMDK(ctx, path, o); img != nil || err != nil {
		return img, notes, err
	}
	name, how := refused(head, tail)
	if name != "" {
		return nil, nil, &NotAnImage{path, name + " " + how}
	}
	if set := rawSegments(op, path); set.isSplit(op) {
		return openRaw(path, set, o)
	}
	if looksLikeDisk(f, head) || namedRaw(path, f, head) || o.MFT && bytes.HasPrefix(head, []byte("FILE")) {
		return openRaw(path, rawSet{names: []string{path}}, o)
	}
	return nil, nil, &NotAnImage{path, fmt.Sprintf("%s (it begins with % x)", unknownFormat, head[:min(4, len(head))])}
}

// irregular says why something that is no regular file is not opened; opening
// a FIFO would wait for a writer for ever.
func irregular(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return ""
	case m&fs.ModeNamedPipe != 0:
		return "is a FIFO, not a file"
	case m&fs.ModeSocket != 0:
		return "is a socket, not a file"
	case m&fs.ModeDevice != 0:
		return "is a device; acquire it first (ks-acquire)"
	case m.IsDir():
		return "is a folder, not an image"
	}
	return "is not a regular file"
}

func readPart(f File, off int64, n int) ([]byte, error) {
	b := make([]byte, min(int64(n), f.Size()-off))
	got, err := f.ReadAt(b, off)
	if got == len(b) {
		err = nil
	}
	return b[:got], err
}
