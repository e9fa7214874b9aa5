package filesystem

import (
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"kanshiki/forensics/escape"
	"kanshiki/parsers/ntfs"
)

// IOFS shows what is live below the root as an fs.FS, for code that wants one.
// It shows less than there is: one of two equal names, no streams, no deleted
// entries; a name that is no UTF-8 stands escaped. Names are exact, as fs.FS
// wants them. The metadata files of the volume are left out.
func (n *NTFS) IOFS() fs.FS { return ioFS{n} }

type ioFS struct{ n *NTFS }

// Open opens a file or directory.
func (f ioFS) Open(name string) (fs.File, error) {
	fail := func(err error) (fs.File, error) { return nil, &fs.PathError{Op: "open", Path: name, Err: err} }
	if !fs.ValidPath(name) {
		return fail(fs.ErrInvalid)
	}
	at, ok := f.n.cat.File(ntfs.RootRecord)
	for _, part := range strings.Split(name, "/") {
		if name == "." {
			break
		}
		found := false
		for kid := range ioKids(at) {
			if kid.name == part {
				at, found = kid.f, true
				break
			}
		}
		if !found {
			ok = false
			break
		}
	}
	if !ok {
		return fail(fs.ErrNotExist)
	}
	info := ioInfo{name: path.Base(name), f: at}
	if at.IsDir() {
		return &ioDir{info: info}, nil
	}
	file := &ioFile{info: info}
	if s, ok := at.Stream(""); ok {
		rd, err := s.Open(0)
		if err != nil {
			return fail(err)
		}
		file.SectionReader = io.NewSectionReader(rd, 0, rd.Size())
		return file, nil
	}
	file.SectionReader = io.NewSectionReader(strings.NewReader(""), 0, 0)
	return file, nil
}

func ioKids(dir ntfs.File) func(yield func(ioInfo) bool) {
	return func(yield func(ioInfo) bool) {
		seen := map[string]bool{}
		for l, f := range dir.Children() {
			if !f.InUse() || f.Ref().Record() < firstUser {
				continue
			}
			name := text(l.Name())
			if strings.ToValidUTF8(name, "") != name || name == "." || name == ".." {
				name = escape.Text(name)
			}
			if seen[name] {
				continue
			}
			seen[name] = true
			if !yield(ioInfo{name, f}) {
				return
			}
		}
	}
}

// ioInfo is FileInfo and DirEntry.
type ioInfo struct {
	name string
	f    ntfs.File
}

func (i ioInfo) Name() string               { return i.name }
func (i ioInfo) IsDir() bool                { return i.f.IsDir() }
func (i ioInfo) Type() fs.FileMode          { return i.Mode().Type() }
func (i ioInfo) Info() (fs.FileInfo, error) { return i, nil }
func (i ioInfo) Sys() any                   { return RefOf(i.f.Was()) }

func (i ioInfo) Mode() fs.FileMode {
	if i.f.IsDir() {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

func (i ioInfo) Size() int64 {
	if s, ok := i.f.Stream(""); ok {
		return s.Size()
	}
	return 0
}

func (i ioInfo) ModTime() time.Time {
	if info, ok := i.f.Info(); ok && TimesOf(info.Times).Modified.Valid() {
		return TimesOf(info.Times).Modified.Time()
	}
	return time.Time{}
}

type ioFile struct {
	*io.SectionReader
	info ioInfo
}

func (f *ioFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *ioFile) Close() error               { return nil }

type ioDir struct {
	info ioInfo
	rest []fs.DirEntry
	read bool
}

func (d *ioDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *ioDir) Close() error               { return nil }

func (d *ioDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: fs.ErrInvalid}
}

func (d *ioDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		d.read = true
		for kid := range ioKids(d.info.f) {
			d.rest = append(d.rest, kid)
		}
		slices.SortFunc(d.rest, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
	if n <= 0 {
		out := d.rest
		d.rest = nil
		return out, nil
	}
	if len(d.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.rest))
	out := d.rest[:n:n]
	d.rest = d.rest[n:]
	return out, nil
}
