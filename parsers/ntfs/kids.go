package ntfs

import (
	"iter"
	"sync"
)

// kidIndex lists the names below each directory, made when it is first needed.
type kidIndex struct {
	once  sync.Once
	first []uint32 // by record number, into kids; one more at the end
	kids  []kid
}

type kid struct {
	link  uint32
	owner uint32 // base record
	rec   uint32 // record that holds the link
}

func (c *Catalog) kidsOf() *kidIndex {
	c.kids.once.Do(func() {
		k := &c.kids
		k.first = make([]uint32, c.entries.n+2)
		// Counting sort by parent, in record order: counts are shifted by
		// two so that the filling pass leaves the starts behind.
		c.eachKid(func(parent uint32, _ kid) { k.first[parent+2]++ })
		for i := 2; i < len(k.first); i++ {
			k.first[i] += k.first[i-1]
		}
		k.kids = make([]kid, k.first[len(k.first)-1])
		c.eachKid(func(parent uint32, x kid) {
			k.kids[k.first[parent+1]] = x
			k.first[parent+1]++
		})
	})
	return &c.kids
}

func (c *Catalog) eachKid(do func(parent uint32, x kid)) {
	for f := range c.Files() {
		var long parentSet
		for n := range f.records() {
			e := c.entries.at(n)
			for i := range uint32(e.nlinks) {
				l := c.links.at(e.links + i)
				if l.space == NameDOS && long.has(f, l.parent) {
					continue
				}
				if p, proof := c.parent(l.parent); proof < ProofUnknown && p != f.n {
					do(p, kid{e.links + i, f.n, n})
				}
			}
		}
	}
}

// Children yields the names whose parent reference means this directory, of
// live and deleted files, in record order. It takes the names of the $MFT as
// the truth, not the index.
func (f File) Children() iter.Seq2[Link, File] {
	return func(yield func(Link, File) bool) {
		k := f.c.kidsOf()
		for _, x := range k.kids[k.first[f.n]:k.first[f.n+1]] {
			if !yield(Link{f.c, f.c.links.at(x.link), x.rec}, File{f.c, x.owner}) {
				return
			}
		}
	}
}
