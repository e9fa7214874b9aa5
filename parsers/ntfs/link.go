package ntfs

import (
	"iter"
	"slices"

	"kanshiki/parsers/internal/utf16"
)

// Link is one name of a file in one directory: a hard link. A DOS name is no
// link of its own, it belongs to the Win32 name in the same directory.
type Link struct {
	c *Catalog
	l *link
	n uint32 // record that holds it
}

// Links yields the names in the order of the records. A DOS name without its
// Win32 name is yielded itself.
func (f File) Links() iter.Seq[Link] {
	return func(yield func(Link) bool) {
		var long parentSet
		for n := range f.records() {
			e := f.c.entries.at(n)
			for i := range uint32(e.nlinks) {
				l := f.c.links.at(e.links + i)
				if l.space == NameDOS && long.has(f, l.parent) {
					continue
				}
				if !yield(Link{f.c, l, n}) {
					return
				}
			}
		}
	}
}

// parentSet knows the directories in which a file has a Win32 name. It is made
// for the first DOS name; a forged file may have very many of both.
type parentSet struct {
	made bool
	few  []Ref
	many map[Ref]bool
}

func (s *parentSet) has(f File, parent Ref) bool {
	if !s.made {
		s.made = true
		for n := range f.records() {
			e := f.c.entries.at(n)
			for i := range uint32(e.nlinks) {
				if l := f.c.links.at(e.links + i); l.space == NameWin32 {
					s.add(l.parent)
				}
			}
		}
	}
	return slices.Contains(s.few, parent) || s.many[parent]
}

func (s *parentSet) add(parent Ref) {
	if len(s.few) < 8 {
		s.few = append(s.few, parent)
		return
	}
	if s.many == nil {
		s.many = map[Ref]bool{}
	}
	s.many[parent] = true
}

// DOSName is the short name that belongs to a Win32 name in UTF-16LE, or nil.
func (f File) DOSName(of Link) []byte {
	if of.l.space != NameWin32 {
		return nil
	}
	for n := range f.records() {
		e := f.c.entries.at(n)
		for i := range uint32(e.nlinks) {
			if l := f.c.links.at(e.links + i); l.space == NameDOS && l.parent == of.l.parent {
				return f.c.name(l.name, l.len)
			}
		}
	}
	return nil
}

// nameRank orders namespaces for "the" name of a file: Win32, both, POSIX, DOS.
var nameRank = [4]uint8{NameWin32: 0, NameWin32DOS: 1, NamePOSIX: 2, NameDOS: 3}

// Primary is the link to show where only one can be: by namespace, then the
// lowest attribute id.
func (f File) Primary() (Link, bool) {
	var best Link
	for l := range f.Links() {
		if best.l == nil || nameRank[l.l.space&3] < nameRank[best.l.space&3] ||
			nameRank[l.l.space&3] == nameRank[best.l.space&3] && l.n == best.n && l.l.id < best.l.id {
			best = l
		}
	}
	return best, best.l != nil
}

func (c *Catalog) name(at uint32, units uint8) []byte { return c.names.get(at, 2*uint32(units)) }

// Name is the name in UTF-16LE.
func (l Link) Name() []byte { return l.c.name(l.l.name, l.l.len) }

// Parent is the reference to the directory, as the name holds it.
func (l Link) Parent() Ref { return l.l.parent }

// Namespace is POSIX, Win32, DOS or Win32 and DOS.
func (l Link) Namespace() uint8 { return l.l.space }

// Times are those of $FILE_NAME.
func (l Link) Times() Times { return *l.c.times.at(l.l.times) }

// Attributes are the file attributes kept beside the name, often outdated.
func (l Link) Attributes() uint32 { return l.l.flags }

// Record is the MFT entry that holds the name.
func (l Link) Record() uint64 { return uint64(l.n) }

// Proof says how the path of a name is known; a path is as good as its worst
// step.
type Proof uint8

// The proofs of a path, best first.
const (
	ProofLive    Proof = iota // each parent is in use under its reference
	ProofPlusOne              // a parent was deleted, and its record not used again
	ProofUSN                  // a parent is named by the change journal
	ProofLog                  // a parent is named by $LogFile
	ProofIndex                // a parent is named by what is left in a directory's index
	ProofUnknown              // a parent's record was used again, or is not there
	ProofCycle                // the chain of parents comes back to itself
	ProofCut                  // longer than the limit of Options
)

var proofNames = [...]string{"live", "plus-one", "usn", "log", "index", "unknown", "cycle", "cut"}

func (p Proof) String() string { return proofNames[p] }

// parent finds the entry that a parent reference means: the record in use with
// this sequence number, or the record not in use whose number was raised by one
// when it was freed. Some drivers do not raise it, so an equal number counts
// too. Anything else is another object, whose name must not be shown.
func (c *Catalog) parent(ref Ref) (uint32, Proof) {
	num, seq := ref.Record(), ref.Seq()
	if num >= uint64(c.entries.n) {
		return 0, ProofUnknown
	}
	n := uint32(num)
	e := c.entries.at(n)
	const firstReserved = 16 // metadata files are never freed
	switch {
	case e.state == recLive && (seq == 0 || seq == e.seq):
		return n, ProofLive
	case e.state == recDeleted && n >= firstReserved && (e.seq == nextSeq(seq) || e.seq == seq):
		return n, ProofPlusOne
	}
	return 0, ProofUnknown
}

// GoneDir is what other records say of a directory whose MFT entry was used
// again: its last name known, UTF-16LE, and the directory above it.
type GoneDir struct {
	Name   []byte
	Parent Ref
	Proof  Proof
}

// NameGone tells the catalogue whom to ask for directories that the $MFT does
// not know any more; paths then go through them. It comes before the first use
// of the catalogue. find may be called by several goroutines at once, and must
// not ask the catalogue for a path itself.
func (c *Catalog) NameGone(find func(Ref) (GoneDir, bool)) { c.gone = find }

// dirStep is one directory on the way to the root.
type dirStep struct {
	ref  Ref // under which it is or was known
	name []byte
}

// up finds the directory that a parent reference means and what is above it. Of
// the root the name is nil; with ProofUnknown there is neither.
func (c *Catalog) up(ref Ref) (dirStep, Ref, Proof) {
	n, proof := c.parent(ref)
	switch {
	case proof == ProofUnknown:
		if c.gone != nil {
			if g, ok := c.gone(ref); ok {
				return dirStep{ref, g.Name}, g.Parent, g.Proof
			}
		}
		return dirStep{}, 0, ProofUnknown
	case n == RootRecord:
		return dirStep{ref: File{c, n}.Ref()}, 0, proof
	}
	l, ok := c.dirLink(n)
	if !ok {
		return dirStep{}, 0, ProofUnknown
	}
	return dirStep{File{c, n}.Ref(), c.name(l.name, l.len)}, l.parent, proof
}

// walkUp collects the directories from a parent up to the root. With a proof
// that is no path to the root, the reference is that of the parent where it ends.
func (c *Catalog) walkUp(ref Ref, steps []dirStep) ([]dirStep, Ref, Proof) {
	worst := ProofLive
	size := 0
	// Brent's algorithm: the mark moves to powers of two, so a cycle is found
	// within a small multiple of its length, without memory.
	var mark Ref
	power, count := 1, 0
	for {
		s, above, p := c.up(ref)
		worst = max(worst, p)
		if p == ProofUnknown || s.ref.Record() == RootRecord {
			return steps, ref, worst
		}
		if count > 0 && s.ref == mark {
			return steps, ref, ProofCycle
		}
		if count++; count == power {
			mark, power = s.ref, power*2
		}
		if size += len(s.name) + 2; size > c.v.opt.MaxPath {
			return steps, ref, ProofCut
		}
		steps = append(steps, s)
		ref = above
	}
}

// dirLink is the name of a directory, which has one.
func (c *Catalog) dirLink(n uint32) (*link, bool) {
	e := c.entries.at(n)
	if e.nlinks == 1 {
		return c.links.at(e.links), true
	}
	l, ok := (File{c, n}).Primary()
	return l.l, ok
}

// Path appends the path of the link from the root in UTF-16LE, "/" between
// names. A path whose beginning is not known starts with "?/entry-sequence".
func (l Link) Path(dst []byte) ([]byte, Proof) {
	if l.n == RootRecord {
		return dst, ProofLive
	}
	dst, proof := l.c.appendDir(dst, l.l.parent)
	return append(dst, l.Name()...), proof
}

// PathString is Path as WTF-8.
func (l Link) PathString() (string, Proof) {
	b, p := l.Path(nil)
	return utf16.String(b), p
}

// appendDir appends the path of a directory with a "/" behind it; nothing for
// the root.
func (c *Catalog) appendDir(dst []byte, ref Ref) ([]byte, Proof) {
	var few [32]dirStep
	steps, top, proof := c.walkUp(ref, few[:0])
	if proof == ProofCycle {
		steps = c.cutCycle(steps)
	}
	if proof >= ProofUnknown {
		dst = appendUnknown(dst, top)
	}
	for _, s := range slices.Backward(steps) {
		dst = append(append(dst, s.name...), '/', 0)
	}
	return dst, proof
}

// cutCycle leaves each directory of a cycle in the path once.
func (c *Catalog) cutCycle(steps []dirStep) []dirStep {
	seen := map[Ref]bool{}
	for i, s := range steps {
		if seen[s.ref] {
			return steps[:i]
		}
		seen[s.ref] = true
	}
	return steps
}

func appendUnknown(dst []byte, ref Ref) []byte {
	dst = append(dst, '?', 0, '/', 0)
	var b [32]byte
	for _, ch := range ref.Append(b[:0]) {
		dst = append(dst, ch, 0)
	}
	return append(dst, '/', 0)
}

// DirPath appends the path of the directory that a parent reference means, in
// UTF-16LE with a "/" behind it; nothing for the root.
func (c *Catalog) DirPath(dst []byte, parent Ref) ([]byte, Proof) { return c.appendDir(dst, parent) }

// DirStep is one step of DirPath: the name of the directory that a parent
// reference means, and the reference to the directory above it. Of the root the
// name is nil; with ProofUnknown there is neither.
func (c *Catalog) DirStep(ref Ref) (name []byte, above Ref, proof Proof) {
	s, above, proof := c.up(ref)
	return s.name, above, proof
}

// ParentIsDirectory tells whether the parent reference means an entry that is
// one; true where the parent is not known.
func (l Link) ParentIsDirectory() bool {
	n, p := l.c.parent(l.l.parent)
	return p >= ProofUnknown || l.c.entries.at(n).flags&FlagDirectory != 0
}
