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
	"kanshiki/parsers/ewf"
)

// ewfImage is an E01 or S01 set.
type ewfImage struct {
	*ewf.Reader
	pool    *pool
	first   string   // name of the first segment
	lost    rangeSet // sectors that could not be read when they were acquired
	exhibit string
}

// openEWF opens the set that a segment belongs to.
func openEWF(ctx context.Context, path string, head []byte, o Options) (Image, []string, error) {
	own, err := ewf.SegmentOf(head)
	if err != nil {
		return nil, nil, &Broken{path, err}
	}
	p := &pool{opener: o.opener()}
	names := ewfSet(p.opener, path, own)
	var sources []ewf.Source
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		st, err := p.opener.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, plainError(name, err)
		}
		if what := irregular(st.Mode()); what != "" {
			return nil, nil, &NotAnImage{name, what}
		}
		sources = append(sources, ewf.Source{Name: filepath.Base(name), R: p.file(name, st.Size()), Size: st.Size()})
	}
	r, err := ewf.Open(sources, ewf.Options{CacheBytes: o.CacheBytes, Workers: o.Workers})
	if err != nil {
		p.Close()
		return nil, nil, &Broken{path, err}
	}
	img := &ewfImage{Reader: r, pool: p, first: r.Segments()[0]}
	bps := int64(r.Volume().BytesPerSector)
	for _, e := range r.ReadErrors() {
		off, n := int64(e.First)*bps, int64(e.Count)*bps
		if off < r.Size() {
			img.lost.add(Range{off, min(n, r.Size()-off), Unreadable})
		}
	}
	var notes []string
	if own != 1 && filepath.Base(path) != img.first {
		notes = append(notes, fmt.Sprintf("%s is segment %d; opened the set from %s", filepath.Base(path), own, img.first))
	}
	return img, notes, nil
}

// ewfSet lists the files of a set, found by their names without regard to case.
func ewfSet(op Opener, path string, own int) []string {
	dir, base := filepath.Split(path)
	if _, ok := ewf.SegmentName(base, own, 1); !ok {
		return []string{path} // renamed: its own number is all that is known
	}
	entries, err := op.ReadDir(folderOf(dir))
	if err != nil {
		return []string{path}
	}
	folded := map[string]string{}
	for _, e := range entries {
		name := e.Name()
		if len(name) != len(base) {
			continue
		}
		if k := strings.ToLower(name); folded[k] == "" || name == base {
			folded[k] = name
		}
	}
	var out []string
	last := 0
	for n := 1; ; n++ {
		name, ok := ewf.SegmentName(base, own, n)
		if !ok {
			return out
		}
		real, ok := folded[strings.ToLower(name)]
		if !ok {
			continue
		}
		real = filepath.Join(dir, real)
		if n > last+1 && !beginsEWF(op, real) {
			continue // behind a gap stands disk.raw too, as segment 8,910 would be called
		}
		out, last = append(out, real), n
	}
}

// beginsEWF tells whether a file begins as a segment does.
func beginsEWF(op Opener, name string) bool {
	f, err := op.Open(name)
	if err != nil {
		return true // its own error will be told
	}
	defer f.Close()
	head, err := readPart(f, 0, 8)
	return err != nil || isEWF(head)
}

// Close ends read-ahead and closes the segments.
func (m *ewfImage) Close() error {
	m.Reader.Close()
	return m.pool.Close()
}

func (m *ewfImage) SectorSize() int      { return int(m.Volume().BytesPerSector) }
func (m *ewfImage) setExhibit(id string) { m.exhibit = id }

// ReadAt reads the medium's own bytes. Sectors that could not be read when
// they were acquired are not: whatever the image has there, they are bad.
func (m *ewfImage) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.Reader.ReadAt(p, off)
	var bad []Range
	var cause error
	if re, ok := errors.AsType[*ewf.RangeError](err); ok {
		cause = re.Unwrap()
		for _, x := range re.Ranges {
			bad = append(bad, Range{x.Off, x.Len, kindOf(x.Kind)})
		}
	}
	if off >= 0 {
		for _, x := range m.lost.in(off, int64(len(p))) {
			clear(p[x.Off-off : x.Off-off+x.Len])
			bad = append(bad, x)
		}
	}
	if len(bad) == 0 {
		return n, err
	}
	slices.SortFunc(bad, func(a, b Range) int { return int(min(max(a.Off-b.Off, -1), 1)) })
	return int(bad[0].Off - off), &RangeError{bad, cause}
}

func kindOf(k ewf.Kind) RangeKind {
	if k == ewf.Missing {
		return Unknown
	}
	return Corrupt
}

// Ranges tells what is known now: a damaged chunk is found when it is read.
func (m *ewfImage) Ranges(off, n int64) iter.Seq[Range] {
	var s rangeSet
	for _, x := range m.Bad() {
		s.add(Range{x.Off, x.Len, kindOf(x.Kind)})
	}
	for _, x := range m.lost.in(off, n) {
		s.add(x)
	}
	return s.over(off, n, m.Size())
}

func (m *ewfImage) Digests() []Digest {
	var out []Digest
	for _, d := range m.Reader.Digests() {
		out = append(out, Digest{d.Alg, d.Sum, "media", d.Source + " section"})
	}
	return out
}

func (m *ewfImage) Info() Info {
	v := m.Volume()
	in := Info{Format: "E01", Variant: m.Variant(), Segments: m.Segments()}
	if v.Smart {
		in.Format = "S01"
	}
	if g := v.GUID; g != [16]byte{} {
		in.GUID = fmt.Sprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%x-%x",
			g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8:10], g[10:])
	}
	for _, h := range m.Headers() {
		in.Fields = append(in.Fields, Field{h.Name(), h.Text})
	}
	return in
}

func (m *ewfImage) Problems() []problem.Problem {
	var list problem.List
	for _, p := range m.Reader.Problems() {
		name := p.Name
		if name == "" {
			name = m.first
		}
		list.Report(problem.Problem{At: locator.Locator{Exhibit: m.exhibit, Offset: p.Off}, Source: name,
			Kind: problem.Malformed, Severity: problem.Doubt, Expected: "an intact segment", Found: p.What})
	}
	for _, x := range m.Bad() {
		list.Report(problem.Problem{At: locator.Locator{Exhibit: m.exhibit, Offset: x.Off}, Source: m.first, Length: x.Len,
			Kind: problem.Unreadable, Severity: problem.Lost, Expected: "the medium's bytes",
			Found: fmt.Sprintf("%s: %v", kindOf(x.Kind), x.Err)})
	}
	for _, x := range m.lost.in(0, m.Size()) {
		list.Report(problem.Problem{At: locator.Locator{Exhibit: m.exhibit, Offset: x.Off}, Source: m.first, Length: x.Len,
			Kind: problem.Unreadable, Severity: problem.Lost, Expected: "the medium's bytes",
			Found: "unreadable when it was acquired (error2 section)"})
	}
	return list.Sorted()
}

// onlySet finds the first segment, or the disk, of a folder that holds one set
// or the disk of one machine and nothing else but sidecars, "" where the folder
// is anything else.
func onlySet(op Opener, dir string) string {
	entries, err := op.ReadDir(dir)
	if err != nil {
		return ""
	}
	first := ""
	var names []string
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".txt", ".json", ".map", ".log", ".csv", ".md5", ".sha1", ".sha256":
			continue
		}
		if !e.Type().IsRegular() {
			return ""
		}
		names = append(names, e.Name())
		if _, ok := ewf.SegmentName(e.Name(), 1, 1); ok {
			if first != "" {
				return ""
			}
			first = e.Name()
		}
	}
	if first == "" {
		return vmdkSet(op, dir, names)
	}
	if len(ewfSet(op, filepath.Join(dir, first), 1)) != len(names) {
		return ""
	}
	return filepath.Join(dir, first)
}
