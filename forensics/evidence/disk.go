package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/container"
)

// diskImage is the medium inside a container of which the parser gives a
// container.Disk: virtual disks, AFF4, seekable zstd and the like.
type diskImage struct {
	*container.Disk
	pool     *pool
	info     Info
	sector   int  // 0 is 512
	bare     bool // some of what is stored has no checksum
	digests  []container.Digest
	problems func() []container.Problem
	hashed   func() *container.Disk // the medium as it was hashed, where sectors could not be read; nil: as it is
	check    func()                 // compares what reading did not need; nil for nothing
	exhibit  string
}

// rangeKind turns a parser's word into the image's.
func rangeKind(k container.Kind) RangeKind {
	return [...]RangeKind{container.Data: Data, container.Zero: Zero, container.Unreadable: Unreadable,
		container.Unknown: Unknown, container.Corrupt: Corrupt}[k]
}

func (m *diskImage) SectorSize() int {
	if m.sector == 0 {
		return 512
	}
	return m.sector
}

func (m *diskImage) Info() Info           { return m.info }
func (m *diskImage) setExhibit(id string) { m.exhibit = id }

func (m *diskImage) Close() error {
	m.Disk.Close()
	return m.pool.Close()
}

// Check compares what reading did not need, and reports what differs.
func (m *diskImage) Check() {
	if m.check != nil {
		m.check()
	}
}

// filling is the image as it was hashed.
func (m *diskImage) filling() Image {
	if m.hashed == nil {
		return m
	}
	return &diskImage{Disk: m.hashed(), info: m.info, sector: m.sector, problems: m.problems}
}

func (m *diskImage) Digests() []Digest {
	var out []Digest
	for _, d := range m.digests {
		out = append(out, Digest{d.Alg, d.Sum, "media", d.Source})
	}
	return out
}

func (m *diskImage) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.Disk.ReadAt(p, off)
	return n, rangeError(err)
}

// rangeError turns a parser's error of a read into the image's.
func rangeError(err error) error {
	e, ok := errors.AsType[*container.Error](err)
	if !ok {
		return err
	}
	re := &RangeError{Err: e.Unwrap()}
	for _, r := range e.Ranges {
		re.Ranges = append(re.Ranges, Range{r.Off, r.Len, rangeKind(r.Kind)})
	}
	return re
}

func (m *diskImage) Ranges(off, n int64) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		for r := range m.Disk.Ranges(off, n) {
			if !yield(Range{r.Off, r.Len, rangeKind(r.Kind)}) {
				return
			}
		}
	}
}

// Problems are what the parser found wrong, and each range that cannot be
// given; damage inside a unit is known once it was read.
func (m *diskImage) Problems() []problem.Problem {
	var list problem.List
	at := locator.Locator{Exhibit: m.exhibit}
	for _, p := range m.problems() {
		name := p.File
		if name == "" {
			name = m.info.Segments[0]
		}
		severity := problem.Doubt
		if p.Note {
			severity = problem.Note
		}
		list.Report(problem.Problem{At: at.At(p.Off), Source: name, Kind: problem.Malformed, Severity: severity,
			Expected: "an intact container", Found: p.What})
	}
	for r := range m.Disk.Ranges(0, m.Size()) {
		if !r.Kind.Bad() {
			continue
		}
		found := string(rangeKind(r.Kind))
		if r.Err != nil {
			found += ": " + r.Err.Error()
		}
		list.Report(problem.Problem{At: at.At(r.Off), Source: m.info.Segments[0], Length: r.Len, Kind: problem.Unreadable,
			Severity: problem.Lost, Expected: "the medium's bytes", Found: found})
	}
	if n := m.Disk.Unlisted(); n > 0 {
		list.Report(problem.Problem{At: at, Source: m.info.Segments[0], Kind: problem.Unreadable, Severity: problem.Lost,
			Expected: "the medium's bytes", Found: fmt.Sprintf("%d more reads met damage that is not listed: there is too much of it", n)})
	}
	return list.Sorted()
}

// beside opens a file that a container names: an extent, a parent. Whatever
// folder it names, only the container's own is looked into, for a regular file
// of that name: the name comes from the evidence and may point anywhere.
func (p *pool) beside(path, name string) (container.File, error) {
	base := baseName(name)
	dir := folderOf(filepath.Dir(path))
	entries, err := p.opener.ReadDir(dir)
	if err != nil {
		return container.File{}, plainError(dir, err)
	}
	i := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return e.Name() == base })
	if i < 0 {
		i = slices.IndexFunc(entries, func(e fs.DirEntry) bool { return strings.EqualFold(e.Name(), base) })
	}
	if i < 0 || base == "" {
		return container.File{}, fmt.Errorf("%s: %w in the image's folder", base, fs.ErrNotExist)
	}
	e := entries[i]
	if !e.Type().IsRegular() {
		return container.File{}, fmt.Errorf("%s: not a regular file", base)
	}
	full := filepath.Join(dir, e.Name())
	st, err := p.opener.Stat(full)
	if err != nil {
		return container.File{}, plainError(full, err)
	}
	return container.File{Name: e.Name(), R: p.file(full, st.Size()), Size: st.Size()}, nil
}

// main opens the file that the user named.
func (p *pool) main(path string) (container.File, error) {
	st, err := p.opener.Stat(path)
	if err != nil {
		return container.File{}, plainError(path, err)
	}
	return container.File{Name: filepath.Base(path), R: p.file(path, st.Size()), Size: st.Size()}, nil
}

// format is a container that is read. They are tried in order, the most
// specific first.
type format struct {
	name string // as Formats lists it
	is   func(head, tail []byte) bool
	open func(ctx context.Context, path string, o Options) (Image, []string, error)
}

// formats beside E01 and raw, which need more than this to be recognised.
func formats() []format {
	return []format{
		{formatVMDK, isVMDK, openVMDK},
		{formatQCOW2, isQCOW2, openQCOW2},
		{formatVDI, isVDI, openVDI},
		{formatVHD, isVHD, openVHD},
		{formatVHDX, isVHDX, openVHDX},
		{formatAFF4, isAFF4, openAFF4},
		{formatEWF2, isEWF2, openEWF2},
		{formatZseek, isZseek, openZseek},
		{formatPacked, isPacked, openPacked},
	}
}

// fields copies what a container says of itself.
func fields(in []container.Field) (out []Field) {
	for _, f := range in {
		out = append(out, Field(f))
	}
	return out
}
