package ntfs

import (
	"cmp"
	"io"
	"slices"
	"sort"
	"sync"
)

// ownerIndex says which live entry owns which clusters, and which deleted
// entries did, made when it is first needed.
type ownerIndex struct {
	once    sync.Once
	live    []claim // by first cluster
	deleted []claim
	bitmap  *Reader
	bitErr  error

	mu    sync.Mutex
	page  []byte // of $Bitmap
	start int64
	have  int
	err   error // where have ends
}

const bitmapPage = 64 << 10

type claim struct {
	lcn, end int64
	n        uint32
	reach    int64 // highest end up to here, so that a search can stop
}

func (c *Catalog) ownersOf() *ownerIndex {
	c.owners.once.Do(func() {
		o := &c.owners
		for f := range c.Files() {
			list := &o.deleted
			if f.InUse() {
				list = &o.live
			}
			for s := range f.Attributes() {
				for r := range s.Runs() {
					if r.LCN >= 0 && r.Len > 0 {
						*list = append(*list, claim{lcn: r.LCN, end: r.LCN + r.Len, n: f.n})
					}
				}
			}
		}
		for _, list := range [][]claim{o.live, o.deleted} {
			slices.SortFunc(list, func(a, b claim) int {
				return cmp.Or(cmp.Compare(a.lcn, b.lcn), cmp.Compare(a.n, b.n), cmp.Compare(a.end, b.end))
			})
			var reach int64
			for i := range list {
				reach = max(reach, list[i].end)
				list[i].reach = reach
			}
		}
		const bitmapRecord = 6
		o.bitErr = &Damage{Kind: MissingPiece, Record: bitmapRecord, Attr: AttrData, Off: -1}
		if f, ok := c.File(bitmapRecord); ok {
			if s, ok := f.Stream(""); ok {
				o.bitmap, o.bitErr = s.Open(0)
			}
		}
	})
	return &c.owners
}

// maxClaims bounds how many claims on one run are looked at: a forged volume
// can claim every cluster in every entry.
const maxClaims = 256

// overlaps appends the claims of list, of other entries than not, that meet
// [lcn, end), and tells whether these are all. It looks from the last that can
// begin before end downward, until none can reach lcn.
func overlaps(dst, list []claim, lcn, end int64, not uint32) ([]claim, bool) {
	i := sort.Search(len(list), func(i int) bool { return list[i].lcn >= end })
	for steps := 0; i > 0 && list[i-1].reach > lcn; steps++ {
		if i--; list[i].end > lcn && list[i].n != not {
			dst = append(dst, list[i])
		}
		if steps >= 16*maxClaims || len(dst) >= maxClaims {
			return dst, false
		}
	}
	slices.Reverse(dst)
	return dst, true
}

// allocated tells whether $Bitmap marks a cluster. A $Bitmap that cannot be
// read says nothing.
func (o *ownerIndex) allocated(lcn int64) (bool, error) {
	if o.bitErr != nil {
		return false, o.bitErr
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	at := lcn / 8
	if o.page == nil || at < o.start || at >= o.start+bitmapPage {
		if o.page == nil {
			o.page = make([]byte, bitmapPage)
		}
		o.start = at - at%bitmapPage
		o.have, o.err = o.bitmap.ReadAt(o.page, o.start)
	}
	if at-o.start >= int64(o.have) {
		if o.err != nil && o.err != io.EOF {
			return false, o.err
		}
		return false, &Damage{Kind: MissingPiece, Record: 6, Attr: AttrData, Off: -1, Got: uint64(lcn)}
	}
	return o.page[at-o.start]>>(lcn%8)&1 != 0, nil
}

// Fate says what became of clusters of a deleted stream.
type Fate uint8

// The fates of a range.
const (
	Free      Fate = iota // no live entry owns it, and $Bitmap says it is free
	Reused                // a live entry owns it: the bytes are that entry's
	Marked                // no live entry owns it, yet $Bitmap says it is in use
	Contested             // another deleted entry owned it too; one of them wrote last
	Outside               // described nowhere, or outside the volume
	Unproven              // $Bitmap cannot be read
)

var fateNames = [...]string{"free", "reused", "in use, owner unknown", "claimed by another deleted entry", "outside", "unproven"}

func (f Fate) String() string { return fateNames[f] }

// Remnant is a range of a stream with its fate.
type Remnant struct {
	Off, Len int64 // bytes of the stream
	Fate     Fate
	Owner    Ref // for Reused and Contested
}

// Remnants tells for each range of a stream of a deleted entry whether its
// clusters are still its own, in the order of the stream. A resident stream
// lies in its entry and is whole. Neighbours with one fate are joined.
func (s Stream) Remnants() []Remnant {
	size := s.Size()
	if size == 0 {
		return nil
	}
	if packed, ok := s.f.Stream(wofStream); ok && s.unnamed() && s.f.ReparseTag() == TagWOF {
		return s.packedRemnants(packed)
	}
	if s.Resident() {
		return []Remnant{{Len: size, Fate: Free}}
	}
	c := s.f.c
	o := c.ownersOf()
	cs := int64(c.v.geo.ClusterSize)
	var out []Remnant
	add := func(r Remnant) {
		r.Len = min(r.Len, size-r.Off)
		if r.Len <= 0 {
			return
		}
		if k := len(out) - 1; k >= 0 && out[k].Fate == r.Fate && out[k].Owner == r.Owner && out[k].Off+out[k].Len == r.Off {
			out[k].Len += r.Len
			return
		}
		out = append(out, r)
	}
	for x := range s.Extents() {
		if x.Off >= size {
			break
		}
		switch {
		case x.Disk == Hole:
			add(Remnant{Off: x.Off, Len: x.Len, Fate: Free})
		case x.Disk < 0:
			add(Remnant{Off: x.Off, Len: x.Len, Fate: Outside})
		default:
			s.remnantsOf(o, x, x.Disk/cs, cs, add)
		}
	}
	var end int64
	if k := len(out) - 1; k >= 0 {
		end = out[k].Off + out[k].Len
	}
	add(Remnant{Off: end, Len: size - end, Fate: Outside})
	return out
}

// packedRemnants judges a stream by the one that holds its content compressed:
// a lost cluster there costs an unknown part here, so all of it is in doubt.
func (s Stream) packedRemnants(packed Stream) []Remnant {
	whole := Remnant{Len: s.Size(), Fate: Free}
	for _, r := range packed.Remnants() {
		if r.Fate != Free {
			whole.Fate, whole.Owner = r.Fate, r.Owner
			break
		}
	}
	return []Remnant{whole}
}

// remnantsOf splits one run at the borders of the claims on it.
func (s Stream) remnantsOf(o *ownerIndex, x Extent, lcn, cs int64, add func(Remnant)) {
	end := lcn + x.Len/cs
	live, allLive := overlaps(nil, o.live, lcn, end, s.f.n)
	dead, allDead := overlaps(nil, o.deleted, lcn, end, s.f.n)
	for at := lcn; at < end; {
		next := end
		own, fate := claim{}, Free
		for _, list := range []struct {
			claims []claim
			fate   Fate
		}{{dead, Contested}, {live, Reused}} {
			for _, c := range list.claims {
				if c.lcn <= at && at < c.end {
					own, fate = c, list.fate
					next = min(next, c.end)
				} else if c.lcn > at {
					next = min(next, c.lcn)
				}
			}
		}
		r := Remnant{Off: x.Off + (at-lcn)*cs, Fate: fate}
		if fate != Free {
			r.Owner = File{s.f.c, own.n}.Ref()
		}
		if fate == Reused {
			r.Len = (next - at) * cs
			add(r)
			at = next
			continue
		}
		// $Bitmap may differ from cluster to cluster.
		for ; at < next; at++ {
			one := r
			one.Off, one.Len = x.Off+(at-lcn)*cs, cs
			switch used, err := o.allocated(at); {
			case fate == Free && (err != nil || !allLive || !allDead):
				one.Fate = Unproven
			case used:
				one.Fate, one.Owner = Marked, 0
			}
			add(one)
		}
	}
}
