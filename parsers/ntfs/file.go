package ntfs

import (
	"iter"
	"sort"
)

// State of a file: what its MFT entry says.
type State uint8

// The states of a file.
const (
	Live    State = iota // in use
	Deleted              // not in use, and not yet used again
	Orphan               // in use, and no name leads to it; or a leftover record without its base
	Damaged              // the record cannot be decoded
)

var stateNames = [...]string{"live", "deleted", "orphan", "damaged"}

func (s State) String() string { return stateNames[s] }

// File is a handle to one entry of the catalogue.
type File struct {
	c *Catalog
	n uint32
}

// Files yields every file in record order: live, deleted, orphaned, damaged.
func (c *Catalog) Files() iter.Seq[File] {
	return func(yield func(File) bool) {
		for i := range c.entries.n {
			if f := (File{c, i}); f.exists() && !yield(f) {
				return
			}
		}
	}
}

// File is the entry of one record, if it is a file: no extension, not empty.
func (c *Catalog) File(num uint64) (File, bool) {
	if num >= uint64(c.entries.n) {
		return File{}, false
	}
	f := File{c, uint32(num)}
	return f, f.exists()
}

// Lookup is the entry that a reference names: its sequence number must be that
// of the record, or, where the record is not in use, one less. A reference
// with sequence 0 names whatever is there.
func (c *Catalog) Lookup(ref Ref) (File, bool) {
	f, ok := c.File(ref.Record())
	if !ok || ref.Seq() == 0 || f.e().seq == ref.Seq() {
		return f, ok
	}
	return f, !f.InUse() && f.e().seq == nextSeq(ref.Seq())
}

func (f File) e() *entry { return f.c.entries.at(f.n) }

func (f File) exists() bool {
	switch f.e().state {
	case recLive, recDeleted, recLeftover, recBad:
		return true
	}
	return false
}

// Ref names the entry with the sequence number that it has now. Freeing an
// entry raises the number by one: a deleted entry was known under Was.
func (f File) Ref() Ref { return MakeRef(uint64(f.n), f.e().seq) }

// Was is the reference that named the entry while it was in use.
func (f File) Was() Ref {
	e := f.e()
	if e.flags&FlagInUse != 0 || e.seq == 0 || e.state == recBad {
		return f.Ref()
	}
	if e.seq == 1 {
		return MakeRef(uint64(f.n), 65535)
	}
	return MakeRef(uint64(f.n), e.seq-1)
}

// State tells live, deleted, orphaned and damaged entries apart.
func (f File) State() State {
	e := f.e()
	switch e.state {
	case recBad:
		return Damaged
	case recDeleted:
		return Deleted
	case recLeftover:
		if e.flags&FlagInUse == 0 {
			return Deleted
		}
		return Orphan
	}
	const firstUser = 24 // entries below may lack a name
	if f.n < firstUser {
		return Live
	}
	for l := range f.Links() {
		if _, p := f.c.parent(l.l.parent); p == ProofLive {
			return Live
		}
	}
	return Orphan
}

// HasKnownParent tells whether the parent of one of the names is known, live
// or deleted.
func (f File) HasKnownParent() bool {
	for l := range f.Links() {
		if _, p := f.c.parent(l.l.parent); p < ProofUnknown {
			return true
		}
	}
	return false
}

// InUse is the flag of the record.
func (f File) InUse() bool { return f.e().flags&FlagInUse != 0 }

// IsBase tells whether this is the base record of a file in use, so that its
// State is Live or Orphan.
func (f File) IsBase() bool { return f.e().state == recLive }

// IsDir tells whether the entry has a file name index.
func (f File) IsDir() bool { return f.e().flags&FlagDirectory != 0 }

// Flags are the flags of the record.
func (f File) Flags() uint16 { return f.e().flags }

// LSN is the last $LogFile record that changed the entry.
func (f File) LSN() uint64 { return f.e().lsn }

// HardLinks is the count in the record; a DOS name counts too.
func (f File) HardLinks() uint16 { return f.e().hardLinks }

// ReparseTag is the tag of the reparse point, or 0.
func (f File) ReparseTag() uint32 { return f.e().reparse }

// HasReparse tells whether there is a reparse point, also one whose data
// could not be read in the scan.
func (f File) HasReparse() bool { return f.e().reparse != 0 || f.e().marks&markNotRead != 0 }

// Info is what $STANDARD_INFORMATION says.
type Info struct {
	Times
	Attributes uint32
	OwnerID    uint32 // this and the next are 0 before NTFS 3.0
	SecurityID uint32
	USN        uint64
}

// Info is false where there is no $STANDARD_INFORMATION.
func (f File) Info() (Info, bool) {
	e := f.e()
	if e.marks&markSI == 0 {
		// Windows keeps it in the base record; a list may move it.
		for x := range f.extensions() {
			if xe := f.c.entries.at(x); xe.marks&markSI != 0 {
				e = xe
				break
			}
		}
	}
	if e.marks&markSI == 0 {
		return Info{}, false
	}
	return Info{*f.c.times.at(e.times), e.fileAttrs, e.owner, e.security, e.usn}, true
}

// extensions yields the record numbers of the extension records.
func (f File) extensions() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for at := f.e().ext; at != 0; {
			x := f.c.exts[at-1]
			if !yield(x.record) {
				return
			}
			at = x.next
		}
	}
}

// records yields the record itself and its extensions.
func (f File) records() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		if !yield(f.n) {
			return
		}
		if f.e().ext != 0 {
			f.extensions()(yield)
		}
	}
}

// Records yields the MFT entry numbers that make up the file.
func (f File) Records() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for n := range f.records() {
			if !yield(uint64(n)) {
				return
			}
		}
	}
}

// HasDamage tells without a search whether Damage lists something.
func (f File) HasDamage() bool {
	for n := range f.records() {
		if f.c.entries.at(n).marks&markDamage != 0 {
			return true
		}
	}
	return false
}

// Damage lists what the scan found wrong with the records of the file.
func (f File) Damage() []Damage {
	var out []Damage
	for n := range f.records() {
		d := f.c.damage
		i := sort.Search(len(d), func(i int) bool { return d[i].Record >= uint64(n) })
		for ; i < len(d) && d[i].Record == uint64(n); i++ {
			out = append(out, d[i])
		}
	}
	return out
}

// Offset is the place of the base record on the volume, or -1.
func (f File) Offset() int64 {
	return f.c.v.mftDisk(int64(f.n) * int64(f.c.v.geo.RecordSize))
}
