package vmdk

import (
	"slices"
	"sync"

	"kanshiki/parsers/internal/cursor"
)

// table holds the entries of one grain table, or of a page of a directory.
type table struct {
	entries []uint32 // sectors; nil where all are 0
	copy    []uint32 // what the copy says, where it says something else
	bad     []bool   // entries that name no place; nil where there are none
	err     error    // why nothing of the table is known
}

func (t *table) isBad(i int) bool { return t.err != nil || t.bad != nil && t.bad[i] }

func (t *table) at(i int) uint32 {
	if t.err != nil || t.entries == nil {
		return 0
	}
	return t.entries[i]
}

func (t *table) spoil(i int) {
	if t.bad == nil {
		t.bad = make([]bool, len(t.entries))
	}
	t.bad[i] = true
}

// why says what is wrong with entry i of grain table n.
func (s *sparse) why(t *table, n int64, i int) error {
	g := n*s.h.perTable + int64(i)
	switch {
	case t.err != nil:
		return t.err
	case t.copy != nil && t.copy[i] != t.entries[i]:
		return s.errorf(int64(t.entries[i])*sectorSize, "grain %d: its table names sector %#x and the copy %#x: one is wrong", g, t.entries[i], t.copy[i])
	case t.entries[i] == 0:
		return s.errorf(s.f.Size, "grain %d: its table is cut by the file's end", g)
	}
	return s.errorf(int64(t.entries[i])*sectorSize, "grain %d: its table names sector %#x, where no grain can be", g, t.entries[i])
}

// tables keeps tables that were read, of all extents of a disk and its
// parents, up to tableBytes; the oldest goes first.
type tables struct {
	mu    sync.Mutex
	all   map[tableKey]*table
	order []tableKey
	bytes int
}

type tableKey struct {
	s    *sparse
	what uint8
	n    int64
}

const (
	grainTable uint8 = iota
	firstDirectory
	copyDirectory
)

func (c *tables) get(k tableKey, load func() *table) *table {
	c.mu.Lock()
	t := c.all[k]
	c.mu.Unlock()
	if t != nil {
		return t
	}
	t = load()
	c.mu.Lock()
	defer c.mu.Unlock()
	if have := c.all[k]; have != nil {
		return have
	}
	for len(c.order) > 0 && c.bytes >= tableBytes {
		c.bytes -= c.all[c.order[0]].size()
		delete(c.all, c.order[0])
		c.order = c.order[1:]
	}
	c.all[k] = t
	c.order = append(c.order, k)
	c.bytes += t.size()
	return t
}

func (t *table) size() int { return 200 + 4*len(t.entries) + 4*len(t.copy) + len(t.bad) }

// directoryPage is how many entries of a grain directory are read at once.
const directoryPage = 1024

// directory gives entry n of a grain directory that begins at a sector.
func (s *sparse) directory(what uint8, sector, n int64) (uint32, error) {
	page := n / directoryPage
	t := s.kept.get(tableKey{s, what, page}, func() *table {
		count := min(directoryPage, s.h.tables()-page*directoryPage)
		return s.read(sector*sectorSize+page*directoryPage*4, count, "grain directory")
	})
	if i := int(n - page*directoryPage); !t.isBad(i) {
		return t.at(i), nil
	}
	if t.err != nil {
		return 0, t.err
	}
	return 0, s.errorf(s.f.Size, "grain directory: entry %d lies behind the file's end", n)
}

// known is how many grain tables can be told of at all: as many as the larger
// directory has in the file, or as many as the markers of a stream show.
func (s *sparse) known() int64 {
	n := int64(0)
	if s.h.gd != atEnd {
		n = (s.f.Size - s.h.gd*sectorSize) / 4
	}
	if s.h.copy != 0 {
		n = max(n, (s.f.Size-s.h.copy*sectorSize)/4)
	}
	if n < s.h.tables() && s.h.compressed && s.h.markers() {
		n = max(n, s.scan().last)
	}
	return n
}

// read reads entries at a place of the file. What lies behind the file's end
// is an error of those entries.
func (s *sparse) read(off, count int64, what string) *table {
	have := min(count, max(s.f.Size-off, 0)/4)
	if have <= 0 {
		return &table{err: s.errorf(off, "%s: lies behind the file's end at %#x", what, s.f.Size)}
	}
	b := make([]byte, have*4)
	if err := readFull(s.f.R, b, off); err != nil {
		return &table{err: s.errorf(off, "%s: %w", what, err)}
	}
	t := &table{entries: make([]uint32, count)}
	c := cursor.New(b)
	for i := range have {
		t.entries[i] = c.U32("entry")
	}
	for i := have; i < count; i++ {
		t.spoil(int(i))
	}
	return t
}

// table gives grain table n: what the first and its copy say, and where they
// contradict each other.
func (s *sparse) table(n int64) *table {
	return s.kept.get(tableKey{s, grainTable, n}, func() *table { return s.loadTable(n) })
}

func (s *sparse) loadTable(n int64) *table {
	count := min(s.h.perTable, s.h.grains()-n*s.h.perTable)
	if s.h.gd == atEnd {
		at, ok := s.scan().tables[n]
		if !ok {
			return &table{err: s.errorf(s.f.Size, "no grain directory: %w", errLost)}
		}
		return s.checked(s.read(at, count, "grain table"))
	}
	t := s.checked(s.follow(firstDirectory, s.h.gd, n, count))
	if s.h.copy == 0 {
		return t
	}
	return s.merge(t, s.checked(s.follow(copyDirectory, s.h.copy, n, count)), n, count)
}

// follow reads the table that a directory names.
func (s *sparse) follow(what uint8, sector, n, count int64) *table {
	v, err := s.directory(what, sector, n)
	switch {
	case err != nil:
		return &table{err: err}
	case v == 0:
		return &table{}
	case v == 1 && s.h.zeroGrain():
		t := &table{entries: make([]uint32, count)}
		for i := range t.entries {
			t.entries[i] = 1
		}
		return t
	case v < s.h.first():
		return &table{err: s.errorf(sector*sectorSize+n*4, "grain directory: entry %d names sector %d, in the header", n, v)}
	}
	return s.read(int64(v)*sectorSize, count, "grain table")
}

// checked marks the entries that cannot be.
func (s *sparse) checked(t *table) *table {
	for i, v := range t.entries {
		if v == 0 || v == 1 && s.h.zeroGrain() {
			continue
		}
		if v < s.h.first() || int64(v)*sectorSize >= s.f.Size {
			t.spoil(i)
		}
	}
	return t
}

// merge puts a table and its copy together, see the package's documentation.
func (s *sparse) merge(a, b *table, n, count int64) *table {
	if a.err != nil || b.err != nil {
		if a.err == nil {
			a, b = b, a // the one that is whole is the answer
		}
		if b.err == nil {
			s.reportf(n, "a grain table cannot be read, its other copy is used: %v", a.err)
		}
		return b
	}
	if a.entries == nil && b.entries == nil {
		return a
	}
	out := &table{entries: make([]uint32, count)}
	differ, first := 0, 0
	for i := range int(count) {
		v, w := a.at(i), b.at(i)
		if v == w && !a.isBad(i) && !b.isBad(i) {
			out.entries[i] = v
			continue
		}
		if differ++; differ == 1 {
			first = i
		}
		switch {
		case a.isBad(i) && b.isBad(i):
			out.entries[i] = v
			out.spoil(i)
		case a.isBad(i) || !b.isBad(i) && v == 0:
			out.entries[i] = w
		case b.isBad(i) || w == 0:
			out.entries[i] = v
		default:
			if out.copy == nil {
				out.copy = slices.Clone(out.entries)
			}
			out.entries[i] = v
			out.copy[i] = w
			out.spoil(i)
		}
		if out.copy != nil && !out.isBad(i) {
			out.copy[i] = out.entries[i]
		}
	}
	if differ > 0 {
		s.reportf(n, "a grain table and its copy differ or are damaged in %d of %d entries, the first is entry %d: sectors %#x and %#x",
			differ, count, first, a.at(first), b.at(first))
	}
	return out
}
