package fat

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"sync"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// Catalog is every entry of a volume, by its place. It does not change once it is
// made, and may be used by several goroutines at once.
type Catalog struct {
	v       *Volume
	entries []Entry
	errs    []error
	lost    int // problems counted, not kept
	left    int // entries counted, not kept
	label   string
	bits    bitmap // exFAT
	upcase  []uint16
	dirs    map[uint32]struct{} // clusters that were read as directories
	ownOnce sync.Once
	owners  ownerIndex

	upcaseAt []Extent
}

// maxProblems bounds the problems that are kept.
const maxProblems = 1 << 14

// Scan reads every directory, then looks for directories that no entry leads to
// in the free clusters. The error is that of ctx.
func (v *Volume) Scan(ctx context.Context) (*Catalog, error) {
	c := &Catalog{v: v, dirs: map[uint32]struct{}{}, label: v.geo.BootLabel}
	s := scanner{c: c, v: v}
	s.root()
	if err := s.all(ctx); err != nil {
		return nil, err
	}
	if err := s.orphans(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(c.entries, func(a, b Entry) int { return cmp.Compare(a.Off, b.Off) })
	c.entries = slices.CompactFunc(c.entries, func(a, b Entry) bool { return a.Off == b.Off })
	return c, nil
}

// Volume is the volume that the catalogue was made from.
func (c *Catalog) Volume() *Volume { return c.v }

// Entries are all entries in the order of their places.
func (c *Catalog) Entries() []Entry { return c.entries }

// Entry finds the entry at a place.
func (c *Catalog) Entry(off int64) (*Entry, bool) {
	i, ok := slices.BinarySearchFunc(c.entries, off, func(e Entry, off int64) int { return cmp.Compare(e.Off, off) })
	if !ok {
		return nil, false
	}
	return &c.entries[i], true
}

// Problems lists what could not be read or makes no sense, and how many more
// there are.
func (c *Catalog) Problems() (list []error, more int) { return c.errs, c.lost }

// Label is the name of the volume: that of the root directory, else of the boot
// sector.
func (c *Catalog) Label() string { return c.label }

func (c *Catalog) problem(off int64, format string, args ...any) {
	if len(c.errs) >= maxProblems {
		c.lost++
		return
	}
	c.errs = append(c.errs, cursor.Errorf(off, format, args...))
}

// directory is one that is still to be read.
type directory struct {
	off     int64 // of its entry, 0 for the root, -1 for none
	first   uint32
	size    int64 // exFAT
	deleted bool
	exact   bool // exFAT: its clusters follow each other
}

type scanner struct {
	c    *Catalog
	v    *Volume
	todo []directory
	dead []directory // after all others: their clusters may be another's now
}

// all reads the directories that are queued and those below them.
func (s *scanner) all(ctx context.Context) error {
	for len(s.todo)+len(s.dead) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		queue := &s.todo
		if len(*queue) == 0 {
			queue = &s.dead
		}
		d := (*queue)[0]
		*queue = (*queue)[1:]
		s.directory(d)
	}
	return nil
}

func (s *scanner) root() {
	g := &s.v.geo
	if g.RootSize > 0 {
		s.read([]Extent{{0, g.RootSize, g.RootOff}}, directory{})
		return
	}
	s.directory(directory{first: g.Root, size: -1})
}

// directory reads one directory and queues those below it.
func (s *scanner) directory(d directory) {
	if _, again := s.c.dirs[d.first]; again {
		if !d.deleted {
			s.c.problem(max(d.off, 0), "directory of cluster %d is another's, or one above itself", d.first)
		}
		return
	}
	if d.deleted {
		s.deleted(d)
		return
	}
	var x []Extent
	var err error
	switch {
	case d.exact:
		x, err = s.v.straight(d.first, d.size)
	default:
		x, err = s.v.chainUntil(d.first, d.size, s.c.dirs)
	}
	if err != nil {
		s.c.problem(max(d.off, 0), "directory: %v", err)
	}
	s.read(x, d)
}

// deleted reads a directory that was deleted, as far as its clusters look like
// one and are free.
func (s *scanner) deleted(d directory) {
	cs := s.v.geo.ClusterSize
	b := make([]byte, cs)
	for c := d.first; s.v.valid(c); c++ {
		if _, again := s.c.dirs[c]; again {
			return
		}
		if n, err := s.v.r.ReadAt(b, s.v.offset(c)); n < len(b) {
			s.c.problem(s.v.offset(c)+int64(n), "deleted directory: cannot be read: %w", unexpected(err))
			return
		}
		if !s.looksLike(b, c, c == d.first) {
			return
		}
		// A first cluster that names itself is the directory, whatever the
		// table says of it.
		named := c == d.first && s.v.geo.Kind != ExFAT
		if used, err := s.c.allocated(c); !named && (err != nil || used) {
			return
		}
		s.read([]Extent{{0, cs, s.v.offset(c)}}, d)
		ended := false
		for p := 0; p < len(b); p += slotSize {
			ended = ended || b[p] == 0
		}
		if ended || s.v.geo.Kind == ExFAT && int64(c-d.first+1)*cs >= d.size {
			return
		}
	}
}

// looksLike tells whether a free cluster may hold a directory: its first one
// begins with the entries of itself and of the one above, and exFAT has a set of
// entries there.
func (s *scanner) looksLike(b []byte, cluster uint32, first bool) bool {
	if s.v.geo.Kind == ExFAT {
		return b[0]|inUse == exFile && b[1] >= 2 && b[1] <= 18 && b[slotSize]|inUse == exStream || !first && b[0]|inUse >= exStream && b[0] != 0xFF
	}
	if first {
		return s.dots(b, cluster)
	}
	return b[0] != 0 && b[0] != '.' && (b[11]&0x3F == attrLong || plausible(b))
}

// dots tells whether b begins as a directory of FAT at this cluster does.
func (s *scanner) dots(b []byte, cluster uint32) bool {
	return string(b[:11]) == ".          " && string(b[slotSize:slotSize+11]) == "..         " &&
		b[11]&attrDir != 0 && b[slotSize+11]&attrDir != 0 && s.clusterIn(b) == cluster
}

func (s *scanner) clusterIn(b []byte) uint32 {
	le := binary.LittleEndian
	n := uint32(le.Uint16(b[26:]))
	if s.v.geo.Kind == FAT32 {
		n |= uint32(le.Uint16(b[20:])) << 16
	}
	return n
}

// read goes through the slots of a directory.
func (s *scanner) read(x []Extent, d directory) {
	give := func(e Entry, residue bool) {
		e.Parent = d.off
		switch {
		case residue:
			e.Deleted = true
			e.Odd = join(e.Odd, "behind the end of the directory")
		case d.deleted:
			e.Deleted = true
		}
		if e.Deleted && !e.Straight {
			e.Assumed = true
		}
		s.keep(e)
		if e.IsDir() && e.First != 0 {
			d := directory{e.Off, e.First, dirSize(s.v, &e), e.Deleted, e.Straight}
			if e.Deleted {
				s.dead = append(s.dead, d)
			} else {
				s.todo = append(s.todo, d)
			}
		}
	}
	var put func(slot)
	var end func()
	if s.v.geo.Kind == ExFAT {
		r := exReader{give: give, meta: s.meta}
		put, end = r.slot, r.flush
	} else {
		r := shortReader{v: s.v, give: give}
		if d.off == 0 {
			r.label = func(l string) { s.c.label = l }
		}
		put, end = r.slot, func() {}
	}
	const block = 64 << 10
	buf := make([]byte, block)
	cs := s.v.geo.ClusterSize
	for _, e := range x {
		for at := int64(0); at < e.Len; {
			n := min(block, e.Len-at)
			disk := e.Disk + at
			if disk >= s.v.geo.DataOff { // a cluster at a time
				c := uint32((disk-s.v.geo.DataOff)/cs) + 2
				n = min(n, cs-(disk-s.v.geo.DataOff)%cs)
				if _, again := s.c.dirs[c]; again && (disk-s.v.geo.DataOff)%cs == 0 {
					s.c.problem(disk, "cluster %d is part of two directories", c)
					at += cs
					continue
				}
				s.c.dirs[c] = struct{}{}
			}
			k, err := s.v.r.ReadAt(buf[:n], disk)
			for p := int64(0); p+slotSize <= int64(k); p += slotSize {
				put(slot{buf[p : p+slotSize], disk + p})
			}
			if int64(k) < n {
				s.c.problem(disk+int64(k), "directory: %d bytes cannot be read: %w", n-int64(k), unexpected(err))
			}
			at += n
		}
	}
	end()
}

// keep takes an entry, as far as memory allows.
func (s *scanner) keep(e Entry) {
	if len(s.c.entries) >= maxEntries {
		if s.c.left++; s.c.left == 1 {
			s.c.problem(e.Off, "more than %d entries: those from here on are not listed", maxEntries)
		}
		return
	}
	s.c.entries = append(s.c.entries, e)
}

// maxEntries bounds the entries that are kept: a forged volume may hold nothing
// else.
const maxEntries = 1 << 20

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// dirSize is how long a directory is: exFAT says so.
func dirSize(v *Volume, e *Entry) int64 {
	if v.geo.Kind == ExFAT {
		return min(e.Size, maxExDir)
	}
	return -1
}

// maxExDir is the limit of a directory of exFAT.
const maxExDir = 256 << 20

// meta takes the entries of the root directory of exFAT that are no files.
func (s *scanner) meta(m slot) {
	le := binary.LittleEndian
	first, size := le.Uint32(m.b[20:]), int64(le.Uint64(m.b[24:]))
	switch m.b[0] {
	case exLabel:
		s.c.label = utf16.String(m.b[2 : 2+2*min(int(m.b[1]), 11)])
	case exBitmap:
		if want := (int64(s.v.geo.Clusters) + 7) / 8; size < want {
			s.c.problem(m.off, "allocation bitmap of %d bytes, %d are needed", size, want)
		}
		x, err := s.v.chain(first, min(max(size, 0), s.v.geo.Size))
		if err != nil {
			s.c.problem(m.off, "allocation bitmap: %v", err)
		}
		if s.c.bits.list == nil {
			s.c.bits.list = x
		}
	case exUpcase:
		s.upcase(m, first, size)
	}
}

// upcase reads the table of capital letters, which is packed: 0xFFFF and a number
// stand for so many letters that have none.
func (s *scanner) upcase(m slot, first uint32, size int64) {
	const most = 2 * 65536
	if size < 0 || size > most {
		s.c.problem(m.off, "table of capital letters of %d bytes", size)
		return
	}
	x, err := s.v.chain(first, size)
	s.c.upcaseAt = x
	b := make([]byte, size)
	if err == nil {
		_, err = s.v.readExtents(x, b, 0)
	}
	if err != nil {
		s.c.problem(m.off, "table of capital letters: %v", err)
		return
	}
	var total uint32
	for _, c := range b {
		total = total>>1 | total<<31
		total += uint32(c)
	}
	if want := binary.LittleEndian.Uint32(m.b[4:]); total != want {
		s.c.problem(m.off, "table of capital letters: checksum %#08x, its bytes give %#08x", want, total)
	}
	up := make([]uint16, 65536)
	for i := range up {
		up[i] = uint16(i)
	}
	at := 0
	for p := 0; p+1 < len(b) && at < len(up); p += 2 {
		u := binary.LittleEndian.Uint16(b[p:])
		if u == 0xFFFF && p+3 < len(b) {
			at += int(binary.LittleEndian.Uint16(b[p+2:]))
			p += 2
			continue
		}
		up[at] = u
		at++
	}
	s.c.upcase = up
}

// exOrphans finds clusters with parts of directories of exFAT, which have no mark
// of their own: a set of entries whose checksum fits must be among the first.
func (s *scanner) exOrphans(ctx context.Context) error {
	b := make([]byte, min(s.v.geo.ClusterSize, 4096))
	for c := uint32(2); s.v.valid(c); c++ {
		if c%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if used, err := s.c.allocated(c); err != nil || used {
			continue
		}
		if _, known := s.c.dirs[c]; known {
			continue
		}
		if n, _ := s.v.r.ReadAt(b[:slotSize], s.v.offset(c)); n < slotSize || b[0] == 0xFF || b[0]|inUse != exFile && b[0]|inUse < exStream {
			continue
		}
		if n, _ := s.v.r.ReadAt(b, s.v.offset(c)); n < len(b) {
			continue
		}
		good := false
		r := exReader{give: func(e Entry, _ bool) { good = good || e.Odd == "" }, meta: func(slot) {}}
		for p := 0; p < len(b); p += slotSize {
			r.slot(slot{b[p : p+slotSize], int64(p)})
		}
		if r.flush(); !good {
			continue
		}
		// It has no entry: a place of its own between two of the set's.
		e := Entry{Off: s.v.offset(c) + 1, Parent: -1, Attr: attrDir, First: c, Deleted: true, Assumed: true, Odd: noEntry}
		s.keep(e)
		s.read([]Extent{{0, s.v.geo.ClusterSize, s.v.offset(c)}}, directory{off: e.Off, first: c, deleted: true})
		if err := s.all(ctx); err != nil {
			return err
		}
	}
	return nil
}

const noEntry = "no entry leads to this directory; its name is not known"

// orphans finds directories in free clusters that nothing leads to.
func (s *scanner) orphans(ctx context.Context) error {
	g := &s.v.geo
	if g.Kind == ExFAT {
		return s.exOrphans(ctx)
	}
	above := map[uint32]uint32{} // of the cluster of each
	var order []uint32
	var b [2 * slotSize]byte
	for c := uint32(2); s.v.valid(c); c++ {
		if c%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if n, err := s.v.tab.next(c); err != nil || n != free {
			continue
		}
		if _, known := s.c.dirs[c]; known {
			continue
		}
		if n, _ := s.v.r.ReadAt(b[:], s.v.offset(c)); n == len(b) && s.dots(b[:], c) {
			above[c] = s.clusterIn(b[slotSize:])
			order = append(order, c)
		}
	}
	// Those that lie below another one are found from there, where its entry
	// for them is left.
	inner := func(c uint32) int {
		if _, below := above[above[c]]; below {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(order, func(a, b uint32) int { return cmp.Compare(inner(a), inner(b)) })
	byFirst := map[uint32]int64{g.Root: 0, 0: 0}
	for i := range s.c.entries {
		if e := &s.c.entries[i]; e.IsDir() && !e.Deleted {
			byFirst[e.First] = e.Off
		}
	}
	for _, c := range order {
		if _, known := s.c.dirs[c]; known {
			continue
		}
		e := Entry{Off: s.v.offset(c), Parent: -1, Attr: attrDir, First: c, Deleted: true, Assumed: true, Odd: noEntry}
		if off, ok := byFirst[above[c]]; ok {
			e.Parent = off
		}
		var dot [slotSize]byte
		if n, _ := s.v.r.ReadAt(dot[:], e.Off); n == len(dot) {
			le := binary.LittleEndian
			e.Created, e.Modified, e.Accessed = local(le.Uint16(dot[16:]), le.Uint16(dot[14:]), dot[13]), local(le.Uint16(dot[24:]), le.Uint16(dot[22:]), 0), local(le.Uint16(dot[18:]), 0, 0)
		}
		s.keep(e)
		s.dead = append(s.dead, directory{off: e.Off, first: c, size: -1, deleted: true})
		if err := s.all(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Upper folds a name as the volume does: the table of exFAT, else ASCII.
func (c *Catalog) Upper(u uint16) uint16 {
	if c.upcase != nil {
		return c.upcase[u]
	}
	if u >= 'a' && u <= 'z' {
		return u - 32
	}
	return u
}

// allocated tells whether a cluster is in use: by the table, or by the bitmap of
// exFAT.
func (c *Catalog) allocated(cluster uint32) (bool, error) {
	if c.v.geo.Kind != ExFAT {
		n, err := c.v.tab.next(cluster)
		return n != free, err
	}
	return c.bits.bit(c.v, cluster)
}
