package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/container"
	"kanshiki/parsers/ddrescue"
)

// mappedRaw is raw sectors with a map of ddrescue, which tells what of them was
// read from the medium.
type mappedRaw struct {
	*rawImage
	name string // of the map
	m    *ddrescue.Map
	lost rangeSet
}

// maxMapRanges bounds how many ranges of a map are problems one by one.
const maxMapRanges = 1 << 12

// withMap puts the map to a raw image: the one that was asked for, or one that
// lies beside it and is named like it.
func withMap(img *rawImage, path string, o Options) (Image, []string, error) {
	if o.Map != "" {
		m, err := readMap(o.opener(), o.Map)
		if err != nil {
			return nil, nil, err
		}
		out := newMapped(img, o.Map, m)
		return out, []string{out.note()}, nil
	}
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	for _, name := range []string{path + ".map", path + ".mapfile", stem + ".map", stem + ".mapfile"} {
		m, err := readMap(o.opener(), name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return img, []string{fmt.Sprintf("%v; the image is read as if all of it had been acquired", err)}, nil
		case len(m.Bad(img.size)) == 0 && len(m.Problems.Problems()) == 0:
			return img, nil, nil // all was read
		default:
			out := newMapped(img, name, m)
			return out, []string{out.note()}, nil
		}
	}
	return img, nil, nil
}

func readMap(op Opener, name string) (*ddrescue.Map, error) {
	st, err := op.Stat(name)
	if err != nil {
		return nil, plainError(name, err)
	}
	if what := irregular(st.Mode()); what != "" {
		return nil, &NotAnImage{name, what}
	}
	f, err := op.Open(name)
	if err != nil {
		return nil, plainError(name, err)
	}
	defer f.Close()
	b, err := readPart(f, 0, ddrescue.MaxSize+1) // Parse refuses one that is larger
	if err != nil {
		return nil, plainError(name, err)
	}
	m, err := ddrescue.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s is no ddrescue map: %w", name, err)
	}
	return m, nil
}

func newMapped(img *rawImage, name string, m *ddrescue.Map) *mappedRaw {
	out := &mappedRaw{rawImage: img, name: filepath.Base(name), m: m}
	for _, r := range m.Bad(img.size) {
		out.lost.add(Range{r.Off, r.Len, rangeKind(r.Kind)})
	}
	return out
}

func (m *mappedRaw) note() string {
	sum := int64(0)
	for _, x := range m.lost.in(0, m.size) {
		sum += x.Len
	}
	if sum == 0 {
		return m.name + " says that all of it was read from the medium"
	}
	return fmt.Sprintf("%s says that %d bytes of %d were not read from the medium", m.name, sum, m.size)
}

// filling is the image as it was hashed: what failed counts as what the file
// holds there.
func (m *mappedRaw) filling() *mappedRaw {
	out := &mappedRaw{rawImage: m.rawImage, name: m.name, m: m.m}
	for _, x := range m.lost.in(0, m.size) {
		if x.Kind == Unknown {
			out.lost.add(x)
		}
	}
	return out
}

func (m *mappedRaw) Info() Info {
	in := m.rawImage.Info()
	in.Format = "mapped " + in.Format
	in.Fields = append(in.Fields, Field{"ddrescue map", m.name})
	return in
}

// ReadAt reads the medium's own bytes. What the map calls not read is not given,
// whatever the file holds there.
func (m *mappedRaw) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.rawImage.ReadAt(p, off)
	if off < 0 || off >= m.size {
		return n, err
	}
	lost := m.lost.in(off, int64(len(p)))
	if len(lost) == 0 {
		return n, err
	}
	for _, x := range lost {
		clear(p[x.Off-off : x.Off-off+x.Len])
	}
	out := &RangeError{Ranges: lost, Err: fmt.Errorf("not read, says %s", m.name)}
	if re, ok := errors.AsType[*RangeError](err); ok {
		out.Ranges = append(out.Ranges, re.Ranges...)
		slices.SortFunc(out.Ranges, func(a, b Range) int { return int(min(max(a.Off-b.Off, -1), 1)) })
	}
	return int(out.Ranges[0].Off - off), out
}

// Ranges tells what the map says, and what of the file cannot be read.
func (m *mappedRaw) Ranges(off, n int64) iter.Seq[Range] {
	var s rangeSet
	for _, x := range m.lost.in(off, n) {
		s.add(x)
	}
	for _, x := range m.bad.in(off, n) {
		s.add(x)
	}
	return s.over(off, n, m.size)
}

// Problems are those of the files, of the map, and each range that it calls not
// read.
func (m *mappedRaw) Problems() []problem.Problem {
	var list problem.List
	for _, p := range m.rawImage.Problems() {
		list.Report(p)
	}
	at := locator.Locator{Exhibit: m.exhibit}
	for _, p := range m.m.Problems.Problems() {
		list.Report(problem.Problem{At: at.At(p.Off), Source: m.name, Kind: problem.Malformed, Severity: problem.Doubt,
			Expected: "a ddrescue map", Found: p.What})
	}
	bad := m.m.Bad(m.size)
	for i, r := range bad {
		if i == maxMapRanges {
			last := bad[len(bad)-1]
			list.Report(problem.Problem{At: at.At(r.Off), Source: m.names[0], Length: last.Off + last.Len - r.Off, Kind: problem.Unreadable,
				Severity: problem.Lost, Expected: "the medium's bytes", Found: fmt.Sprintf("%d more ranges that were not read", len(bad)-i)})
			break
		}
		list.Report(problem.Problem{At: at.At(r.Off), Source: m.names[0], Length: r.Len, Kind: problem.Unreadable,
			Severity: problem.Lost, Expected: "the medium's bytes", Found: rangeWords(r)})
	}
	if k := len(m.m.Blocks); k > 0 {
		if b := m.m.Blocks[k-1]; b.Off+b.Len > m.size && b.Off+b.Len != math.MaxInt64 {
			list.Report(problem.Problem{At: at.At(m.size), Source: m.name, Kind: problem.Inconsistent, Severity: problem.Doubt,
				Expected: "a map of this image", Found: fmt.Sprintf("it speaks of %d bytes, the image has %d", b.Off+b.Len, m.size)})
		}
	}
	return list.Sorted()
}

func rangeWords(r container.Range) string {
	return fmt.Sprintf("%s: %v", rangeKind(r.Kind), r.Err)
}
