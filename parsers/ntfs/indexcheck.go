package ntfs

import "iter"

// IndexFault says in which way a directory's index and the $MFT disagree.
type IndexFault uint8

// The ways. The $MFT is the truth of a walk; the index is what Windows shows.
const (
	Agrees     IndexFault = iota // they agree, or the entry is left over and need not
	NotIndexed                   // a live name that the index does not hold: hidden from listings
	NoEntry                      // the index names a record that is not in use, or no file
	OldEntry                     // the index names a record that was used again: its sequence number differs
	NoName                       // the record is in use, and has no such name in this directory
)

var indexFaultNames = [...]string{"", "not in the index", "entry not in use", "entry used again", "no such name in the entry"}

func (k IndexFault) String() string { return indexFaultNames[k] }

// CheckedEntry is an entry of a directory's index with what the $MFT says of it.
// One that is NotIndexed has Name, Ref and Namespace alone.
type CheckedEntry struct {
	IndexEntry
	Fault IndexFault
}

// nameKey is what an index entry and a $FILE_NAME have in common.
type nameKey struct {
	ref   Ref
	space uint8
	name  string // UTF-16LE
}

// CheckIndex yields what Index does, and compares the live entries of a
// directory in use with the names of the $MFT, both ways. An index that could
// not be read whole gives its damage, and no NotIndexed: the missing names may
// stand in what is lost.
func (f File) CheckIndex() iter.Seq2[CheckedEntry, error] {
	return func(yield func(CheckedEntry, error) bool) {
		names := map[nameKey]struct{}{}
		if f.InUse() {
			names = f.namesBelow()
		}
		whole := true
		for e, err := range f.Index() {
			x := CheckedEntry{IndexEntry: e}
			if err != nil {
				whole = false
			} else if e.State == IndexLive && f.InUse() {
				k := nameKey{e.Ref, e.Namespace, string(e.Name)}
				if _, ok := names[k]; ok {
					delete(names, k)
				} else {
					x.Fault = f.c.indexFault(e.Ref)
				}
			}
			if !yield(x, err) {
				return
			}
		}
		if !whole || len(names) == 0 {
			return
		}
		// In the order of the $MFT, not of the map.
		for k := range f.eachNameBelow() {
			if _, ok := names[k]; !ok {
				continue
			}
			delete(names, k)
			missing := IndexEntry{Ref: k.ref, Namespace: k.space, Name: []byte(k.name), Off: -1}
			if !yield(CheckedEntry{missing, NotIndexed}, nil) {
				return
			}
		}
	}
}

func (f File) namesBelow() map[nameKey]struct{} {
	out := map[nameKey]struct{}{}
	for k := range f.eachNameBelow() {
		out[k] = struct{}{}
	}
	return out
}

// eachNameBelow yields every live name in the directory, DOS names too, in
// record order. The root names itself.
func (f File) eachNameBelow() iter.Seq[nameKey] {
	return func(yield func(nameKey) bool) {
		last, first := uint32(0), true
		one := func(kid File) bool {
			for n := range kid.records() {
				e := f.c.entries.at(n)
				for i := range uint32(e.nlinks) {
					l := f.c.links.at(e.links + i)
					if p, proof := f.c.parent(l.parent); proof != ProofLive || p != f.n {
						continue
					}
					if !yield(nameKey{kid.Ref(), l.space, string(f.c.name(l.name, l.len))}) {
						return false
					}
				}
			}
			return true
		}
		if f.n == RootRecord && !one(f) {
			return
		}
		for _, kid := range f.Children() {
			if !kid.InUse() || !first && kid.n == last {
				continue
			}
			last, first = kid.n, false
			if !one(kid) {
				return
			}
		}
	}
}

// indexFault says what the record is that an index entry names.
func (c *Catalog) indexFault(ref Ref) IndexFault {
	f, ok := c.File(ref.Record())
	switch {
	case !ok || !f.InUse():
		return NoEntry
	case f.e().seq != ref.Seq():
		return OldEntry
	}
	return NoName
}
