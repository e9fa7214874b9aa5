package fat

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sort"

	"kanshiki/parsers/internal/cursor"
)

// Extents are the clusters of an entry, as far as they are known. Of a deleted
// entry they are those that its first cluster leads to: by the chain where exFAT
// has left it whole, else in a row (Entry.Assumed). The error says what is wrong
// with them, or lacks.
func (c *Catalog) Extents(e *Entry) ([]Extent, error) {
	size := e.Size
	if e.IsDir() && c.v.geo.Kind != ExFAT {
		size = -1
		if e.Deleted {
			size = c.v.geo.ClusterSize
		}
	}
	switch {
	case size == 0:
		return nil, nil
	case e.First == 0:
		return nil, cursor.Errorf(e.Off, "%d bytes, and no first cluster", size)
	case e.Straight:
		return c.v.straight(e.First, size)
	case !e.Deleted:
		return c.v.chain(e.First, size)
	case c.v.geo.Kind == ExFAT:
		if x, err := c.v.chain(e.First, size); err == nil && c.ends(x) {
			return x, nil
		}
	}
	return c.v.straight(e.First, size)
}

// ends tells whether the table ends a chain behind these extents: what is left of
// a deleted file's.
func (c *Catalog) ends(x []Extent) bool {
	if len(x) == 0 {
		return false
	}
	last := x[len(x)-1]
	n, err := c.v.tab.next(uint32((last.Disk+last.Len-c.v.geo.DataOff)/c.v.geo.ClusterSize) + 1)
	return err == nil && n == ending
}

// RangeError says which bytes of a stream could not be read.
type RangeError struct {
	From, To int64
	Err      error
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("bytes %#x to %#x of the stream: %v", e.From, e.To, e.Err)
}

// Offset is the first byte of the stream that could not be read.
func (e *RangeError) Offset() int64 { return e.From }

func (e *RangeError) Unwrap() error { return e.Err }

// Content is the content of an entry. ReadAt gives zeros from the valid size on;
// a range that cannot be read gives the good bytes and a *RangeError.
type Content struct {
	v     *Volume
	list  []Extent
	err   error // why the extents end before the size
	valid int64
	size  int64
}

// Open opens the content of an entry.
func (c *Catalog) Open(e *Entry) *Content {
	x, err := c.Extents(e)
	o := &Content{v: c.v, list: x, err: err, valid: e.Valid, size: e.Size}
	if e.IsDir() {
		o.size = 0
		for _, p := range x {
			o.size += p.Len
		}
		o.valid = o.size
	}
	return o
}

// Size and ValidSize are in bytes.
func (o *Content) Size() int64 { return o.size }

// ValidSize is how much was written; what follows reads as zeros.
func (o *Content) ValidSize() int64 { return o.valid }

// DiskOffset is the place of a byte on the volume, false where it has none.
func (o *Content) DiskOffset(off int64) (int64, bool) {
	if i := o.at(off); i >= 0 {
		return o.list[i].Disk + off - o.list[i].Off, true
	}
	return 0, false
}

func (o *Content) at(off int64) int {
	i := sort.Search(len(o.list), func(i int) bool { return o.list[i].Off+o.list[i].Len > off })
	if i == len(o.list) || off < o.list[i].Off {
		return -1
	}
	return i
}

func (o *Content) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= o.size {
		return 0, io.EOF
	}
	want := int(min(int64(len(p)), o.size-off))
	n := 0
	for n < want {
		at := off + int64(n)
		if at >= o.valid {
			clear(p[n:want])
			n = want
			break
		}
		i := o.at(at)
		if i < 0 {
			err := o.err
			if err == nil {
				err = cursor.Errorf(o.v.geo.DataOff, "no cluster holds them")
			}
			return n, &RangeError{at, o.size, err}
		}
		x := o.list[i]
		part := p[n:want][:min(int64(want-n), x.Off+x.Len-at, o.valid-at)]
		k, err := o.v.r.ReadAt(part, x.Disk+at-x.Off)
		if n += k; k < len(part) {
			at += int64(k)
			disk := x.Disk + at - x.Off
			// What cannot be read is a sector.
			to := min(at+o.v.geo.SectorSize-disk%o.v.geo.SectorSize, o.size)
			return n, &RangeError{at, to, cursor.Errorf(disk, "cannot be read: %w", unexpected(err))}
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Fate says what became of a part of a deleted file.
type Fate uint8

// The fates.
const (
	Free    Fate = iota // its clusters are free, and no other deleted entry claims them
	Claimed             // free, and another deleted entry claims them too
	Reused              // in use by another file now
	Outside             // there are no such clusters, or they cannot be told
)

func (f Fate) String() string {
	return [...]string{"free", "claimed by another deleted entry too", "in use by another file", "outside the volume"}[f]
}

// Piece is a part of the stream of a deleted entry. Owner is the entry that owns
// or claims it, nil where none is known.
type Piece struct {
	Off, Len int64
	Fate     Fate
	Owner    *Entry
}

// Pieces tells what became of the clusters of a deleted entry, as Extents gives
// them.
func (c *Catalog) Pieces(e *Entry) []Piece {
	var out []Piece
	x, _ := c.Extents(e)
	cs := c.v.geo.ClusterSize
	end := int64(0)
	put := func(p Piece) {
		if p.Len = min(p.Len, e.Size-p.Off); p.Len <= 0 {
			return
		}
		if k := len(out) - 1; k >= 0 && out[k].Fate == p.Fate && out[k].Owner == p.Owner {
			out[k].Len += p.Len
			return
		}
		out = append(out, p)
	}
	for _, r := range x {
		for at := int64(0); at < r.Len && r.Off+at < e.Size; at += cs {
			cluster := uint32((r.Disk+at-c.v.geo.DataOff)/cs) + 2
			p := Piece{Off: r.Off + at, Len: cs}
			used, err := c.allocated(cluster)
			switch {
			case err != nil:
				p.Fate = Outside
			case used:
				p.Fate, p.Owner = Reused, c.owner(cluster, e, false)
			default:
				if o := c.owner(cluster, e, true); o != nil {
					p.Fate, p.Owner = Claimed, o
				}
			}
			put(p)
		}
		end = r.Off + r.Len
	}
	put(Piece{Off: end, Len: e.Size - end, Fate: Outside})
	return out
}

// ownerIndex knows which entries own clusters, made when it is first needed.
type ownerIndex struct {
	live, dead []claim
}

type claim struct {
	from, to uint32 // clusters, to is not inside
	entry    int32
	most     uint32 // the largest to of all claims up to this one
}

func (c *Catalog) owner(cluster uint32, not *Entry, deleted bool) *Entry {
	c.ownOnce.Do(c.findOwners)
	list := c.owners.live
	if deleted {
		list = c.owners.dead
	}
	i := sort.Search(len(list), func(i int) bool { return list[i].from > cluster }) - 1
	for ; i >= 0 && list[i].most > cluster; i-- {
		if e := &c.entries[list[i].entry]; list[i].to > cluster && e.Off != not.Off {
			return e
		}
	}
	return nil
}

func (c *Catalog) findOwners() {
	cs := c.v.geo.ClusterSize
	// Forged entries may share long chains: what was followed is bounded.
	budget := 8*int64(c.v.geo.Clusters) + 1<<20
	for i := range c.entries {
		e := &c.entries[i]
		if budget -= e.Size/cs + 1; budget < 0 {
			break
		}
		x, _ := c.Extents(e)
		for _, r := range x {
			if r.Disk < c.v.geo.DataOff {
				continue
			}
			from := uint32((r.Disk-c.v.geo.DataOff)/cs) + 2
			k := claim{from: from, to: from + uint32(r.Len/cs), entry: int32(i)}
			if e.Deleted {
				c.owners.dead = append(c.owners.dead, k)
			} else {
				c.owners.live = append(c.owners.live, k)
			}
		}
	}
	for _, list := range [][]claim{c.owners.live, c.owners.dead} {
		slices.SortFunc(list, func(a, b claim) int {
			return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.entry, b.entry))
		})
		most := uint32(0)
		for i := range list {
			most = max(most, list[i].to)
			list[i].most = most
		}
	}
}

// Usage counts clusters: those marked in use, those that entries in use own, and
// those that two of them own.
type Usage struct {
	Clusters, Used, Owned, Double uint32
	Lost                          uint32 // in use, and no entry owns them
	NotMarked                     uint32 // owned and not marked
	Bad                           uint32
	Unread                        uint32
}
