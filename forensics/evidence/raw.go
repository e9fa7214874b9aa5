package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

// rawImage is the sectors as they are, in one file or several.
type rawImage struct {
	pool    *pool
	parts   []rawPart
	size    int64
	names   []string
	bad     rangeSet
	exhibit string

	mu    sync.Mutex
	cause error // why the first bad range cannot be read
	at    int64 // where that is
}

type rawPart struct {
	off  int64
	file *segmentFile
}

// rawSet is what lies beside a file that may be one part of a split image.
type rawSet struct {
	names   []string // in order, with their folder
	missing []string // in the middle or at the start
}

// rawSegments finds the parts of a split image: .001, .002 … or .000, .001 …,
// two or three digits; .aa, .ab … as split(1) names them.
func rawSegments(op Opener, path string) rawSet {
	dir, base := filepath.Split(path)
	one := rawSet{names: []string{path}}
	i := strings.LastIndexByte(base, '.')
	if i < 1 {
		return one
	}
	stem, ext := base[:i+1], base[i+1:]
	place := splitPlace(ext)
	if place < 0 {
		return one
	}
	entries, err := op.ReadDir(folderOf(dir))
	if err != nil {
		return one
	}
	found := map[int]string{}
	last := 0
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, stem) || len(name) != len(base) {
			continue
		}
		if n := splitPlace(name[i+1:]); n >= 0 && letters(name[i+1:]) == letters(ext) {
			found[n] = name
			last = max(last, n)
		}
	}
	first := 0
	if _, ok := found[0]; !ok {
		if letters(ext) {
			return one
		}
		first = 1
	}
	var set rawSet
	for n := first; n <= last; n++ {
		if name, ok := found[n]; ok {
			set.names = append(set.names, filepath.Join(dir, name))
		} else {
			set.missing = append(set.missing, stem+splitExt(n, ext))
		}
	}
	return set
}

// filesBeside lists the regular files of a folder whose name is as wanted, by
// name; none where the folder cannot be listed.
func filesBeside(op Opener, dir string, like func(name string) bool) (names []string) {
	entries, err := op.ReadDir(folderOf(dir))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.Type().IsRegular() && like(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

func folderOf(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

func letters(ext string) bool { return ext[0] > '9' }

// splitPlace is the place that an extension stands for, -1 if it is none.
func splitPlace(ext string) int {
	if len(ext) < 2 || len(ext) > 3 {
		return -1
	}
	n := 0
	for i := range len(ext) {
		c := ext[i]
		switch {
		case c >= '0' && c <= '9' && !letters(ext):
			n = n*10 + int(c-'0')
		case c >= 'a' && c <= 'z' && letters(ext):
			n = n*26 + int(c-'a')
		default:
			return -1
		}
	}
	return n
}

func splitExt(n int, like string) string {
	if !letters(like) {
		return fmt.Sprintf("%0*d", len(like), n)
	}
	b := make([]byte, len(like))
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('a' + n%26)
		n /= 26
	}
	return string(b)
}

// isSplit tells whether files that are named like parts are parts: the first
// looks like a disk, or all but the last have the same size in whole sectors.
// Rotated logs are named like that too.
func (s rawSet) isSplit(op Opener) bool {
	if len(s.names) < 2 {
		return false
	}
	f, err := op.Open(s.names[0])
	if err != nil {
		return false
	}
	defer f.Close()
	head, err := readPart(f, 0, headSize)
	if err == nil && looksLikeDisk(f, head) {
		return true
	}
	for _, name := range s.names[1 : len(s.names)-1] {
		if st, err := op.Stat(name); err != nil || st.Size() != f.Size() {
			return false
		}
	}
	last, err := op.Stat(s.names[len(s.names)-1])
	return err == nil && f.Size()%512 == 0 && f.Size() > 0 && last.Size() <= f.Size() && len(s.names) > 2
}

// minRaw is the least size at which a name alone makes a disk: smaller files
// called .raw are pieces of other things.
const minRaw = 1 << 20

// namedRaw tells whether the name says that a file is a raw image although
// nothing in it does: a wiped or encrypted disk, or one without its start.
func namedRaw(path string, f File, head []byte) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".raw", ".dd", ".img", ".001", ".000":
		return f.Size() >= minRaw && f.Size()%512 == 0 && !isLoose(head)
	}
	return false
}

// OpenRaw opens bare sectors by the names of their files, in order, whatever
// they hold: where nothing in them says so, only who wrote them knows.
func OpenRaw(names []string, o Options) (*Evidence, error) {
	img, notes, err := openRaw(names[0], rawSet{names: names}, o)
	if err != nil {
		return nil, err
	}
	e := &Evidence{Form: Disk, Path: names[0], Name: img.Info().Segments[0], Image: img, Notes: notes, Machine: o.Machine}
	e.Exhibit, err = exhibitOf(context.Background(), o.Exhibit, e)
	return e, err
}

func openRaw(path string, set rawSet, o Options) (Image, []string, error) {
	if len(set.missing) > 0 {
		return nil, nil, &NotAnImage{path, fmt.Sprintf("%s missing: a split image is no disk without %s",
			count(set.missing, "part is", "parts are"), strings.Join(clipNames(set.missing), ", "))}
	}
	img := &rawImage{pool: &pool{opener: o.opener()}}
	for _, name := range set.names {
		st, err := o.opener().Stat(name)
		if err != nil {
			return nil, nil, plainError(name, err)
		}
		if what := irregular(st.Mode()); what != "" {
			return nil, nil, &NotAnImage{name, what}
		}
		img.parts = append(img.parts, rawPart{img.size, img.pool.file(name, st.Size())})
		img.names = append(img.names, filepath.Base(name))
		img.size += st.Size()
	}
	var notes []string
	if len(set.names) > 1 && filepath.Base(path) != img.names[0] {
		i := slices.Index(img.names, filepath.Base(path))
		notes = append(notes, fmt.Sprintf("%s is part %d; opened the set from %s", filepath.Base(path), i+1, img.names[0]))
	}
	mapped, more, err := withMap(img, path, o)
	return mapped, append(notes, more...), err
}

func count(names []string, one, many string) string {
	if len(names) == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", len(names), many)
}

func clipNames(names []string) []string {
	if len(names) > 5 {
		return append(slices.Clone(names[:5]), "…")
	}
	return names
}

func (m *rawImage) Size() int64       { return m.size }
func (m *rawImage) SectorSize() int   { return 512 }
func (m *rawImage) Digests() []Digest { return nil }
func (m *rawImage) Close() error      { return m.pool.Close() }

func (m *rawImage) Info() Info {
	f := "raw"
	if len(m.names) > 1 {
		f = "split raw"
	}
	return Info{Format: f, Segments: slices.Clone(m.names)}
}

func (m *rawImage) Ranges(off, n int64) iter.Seq[Range] { return m.bad.over(off, n, m.size) }

// Problems are made of what is bad by now, each range once.
func (m *rawImage) Problems() []problem.Problem {
	var list problem.List
	at := locator.Locator{Exhibit: m.exhibit}
	if m.size%512 != 0 {
		list.Report(problem.Problem{Source: m.names[0], At: at.At(m.size), Kind: problem.Inconsistent, Severity: problem.Doubt,
			Expected: "a whole number of 512-byte sectors", Found: fmt.Sprintf("%d bytes; cut short?", m.size)})
	}
	m.mu.Lock()
	cause := m.cause
	m.mu.Unlock()
	for _, x := range m.bad.in(0, m.size) {
		list.Report(problem.Problem{Source: m.names[0], At: at.At(x.Off), Length: x.Len, Kind: problem.Unreadable,
			Severity: problem.Lost, Expected: "the medium's bytes", Found: fmt.Sprint(cause)})
	}
	return list.Sorted()
}

func (m *rawImage) setExhibit(id string) { m.exhibit = id }

func (m *rawImage) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off >= m.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > m.size-off
	if short {
		p = p[:m.size-off]
	}
	var bad []Range
	var cause error
	i, _ := slices.BinarySearchFunc(m.parts, off, func(r rawPart, off int64) int {
		if r.off+r.file.size <= off {
			return -1
		}
		return 1
	})
	for done := int64(0); done < int64(len(p)); i++ {
		part := m.parts[i]
		n := min(part.off+part.file.size-(off+done), int64(len(p))-done)
		m.readPart(part, p[done:done+n], off+done, &bad, &cause)
		done += n
	}
	if len(bad) > 0 {
		return int(bad[0].Off - off), &RangeError{bad, cause}
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

// readPart fills p from one file. Around a place that cannot be read it halves
// the read down to a sector, so that all readable bytes are given.
func (m *rawImage) readPart(part rawPart, p []byte, off int64, bad *[]Range, cause *error) {
	n, err := part.file.ReadAt(p, off-part.off)
	if n == len(p) {
		return
	}
	p, off = p[n:], off+int64(n)
	if len(p) > 512 && err != nil && err != io.EOF && !errors.Is(err, context.Canceled) {
		half := (len(p)/2 + 511) &^ 511
		m.readPart(part, p[:half], off, bad, cause)
		m.readPart(part, p[half:], off+int64(half), bad, cause)
		return
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF // the file is shorter than when it was opened
	}
	clear(p)
	x := Range{off, int64(len(p)), Corrupt}
	m.bad.add(x)
	m.mu.Lock()
	if m.cause == nil || off < m.at {
		m.cause, m.at = fmt.Errorf("%s: %w", filepath.Base(part.file.name), err), off
	}
	m.mu.Unlock()
	if k := len(*bad); k > 0 && (*bad)[k-1].Off+(*bad)[k-1].Len == off {
		(*bad)[k-1].Len += x.Len
	} else {
		*bad = append(*bad, x)
	}
	if *cause == nil {
		*cause = err
	}
}
