package ntfs

import (
	"bytes"
	"context"
	"io"
	"math/bits"
)

// Account proves the sums of a walk against what the volume itself counts: the
// bit of each MFT entry ($MFT:$BITMAP) and of each cluster ($Bitmap).
type Account struct {
	Records  RecordAccount
	Clusters ClusterAccount
	Mirror   []uint64 // MFT entries whose copy in $MFTMirr differs from the $MFT
	Damage   []Damage // what could not be read to make the account
}

// RecordAccount compares the in-use flags of MFT entries with $MFT:$BITMAP.
type RecordAccount struct {
	Checked   bool
	Marked    uint64   // entries that the bitmap marks
	InUse     uint64   // entries with the flag
	NotMarked []uint64 // in use, and free in the bitmap; the first maxListed
	NotUsed   []uint64 // marked, and not in use, above the metadata files
	NotListed uint64   // of both, beyond those
}

// ClusterAccount compares the run lists of all entries in use with $Bitmap.
// Allocated is Owned - NotMarked + Unowned.
type ClusterAccount struct {
	Checked   bool
	Clusters  uint64 // of the volume
	Allocated uint64 // marked in $Bitmap
	Owned     uint64 // described by the run list of an entry in use
	Unowned   uint64 // marked, and no entry in use has it
	NotMarked uint64 // of an entry in use, and free in $Bitmap
	Double    uint64 // of two entries in use
	Examples  []ClusterFault
	NotListed uint64 // faults beyond those
}

// ClusterFault is a range of clusters that two entries own (Other is not 0), or
// that $Bitmap calls free though Owner has it.
type ClusterFault struct {
	LCN, Len     int64
	Owner, Other Ref
}

const maxListed = 64

// Account reads both bitmaps and the mirror.
func (c *Catalog) Account(ctx context.Context) (*Account, error) {
	a := &Account{}
	if c.v.alone {
		return a, nil
	}
	c.accountRecords(a)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.accountClusters(ctx, a); err != nil {
		return nil, err
	}
	c.compareMirror(a)
	return a, nil
}

func (c *Catalog) accountRecords(a *Account) {
	f, ok := c.File(0)
	if !ok {
		return
	}
	x, dmg := f.bitmap()
	if dmg != nil { // the entries behind it would seem not to be marked
		a.Damage = append(a.Damage, *dmg)
		return
	}
	a.Records.Checked = true
	for i := range c.entries.n {
		marked := int64(i/8) < int64(len(x)) && x[i/8]>>(i%8)&1 != 0
		e := c.entries.at(i)
		used := e.flags&FlagInUse != 0 && (e.state == recLive || e.state == recExtension || e.state == recLeftover)
		if marked {
			a.Records.Marked++
		}
		if used {
			a.Records.InUse++
		}
		const reserved = 24 // mkntfs and Windows mark these whatever they hold
		switch {
		case used && !marked:
			a.Records.add(&a.Records.NotMarked, i)
		case marked && !used && i >= reserved && e.state != recUnread:
			a.Records.add(&a.Records.NotUsed, i)
		}
	}
}

func (r *RecordAccount) add(list *[]uint64, n uint32) {
	if len(*list) < maxListed {
		*list = append(*list, uint64(n))
	} else {
		r.NotListed++
	}
}

// bitmap reads the $BITMAP without a name, resident or not. Nothing is less than
// all of it.
func (f File) bitmap() ([]byte, *Damage) {
	for n := range f.records() {
		rec, err := f.c.v.Record(uint64(n))
		if err != nil {
			continue
		}
		for a := range rec.Attrs(nil) {
			if a.Type == AttrBitmap && !a.NonResident && len(a.Name) == 0 {
				return bytes.Clone(a.Value), nil
			}
		}
	}
	for s := range f.Attributes() {
		if s.Type() != AttrBitmap || len(s.Name()) != 0 {
			continue
		}
		rd, err := s.Open(0)
		if err != nil {
			d := asDamage(err)
			return nil, &d
		}
		return readUpTo(rd, int64(f.c.entries.n/8)+8)
	}
	return nil, &Damage{Kind: MissingPiece, Attr: AttrBitmap, Off: f.Offset()}
}

// accountClusters goes through $Bitmap once, beside the claims in the order of
// the volume.
func (c *Catalog) accountClusters(ctx context.Context, a *Account) error {
	o := c.ownersOf()
	if o.bitErr != nil {
		a.Damage = append(a.Damage, asDamage(o.bitErr))
		return nil
	}
	k := &a.Clusters
	k.Checked, k.Clusters = true, c.v.geo.Clusters()
	buf := make([]byte, bitmapPage)
	w := claimWalk{claims: o.live, c: c, k: k}
	for off := int64(0); off*8 < int64(k.Clusters); off += bitmapPage {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := o.bitmap.ReadAt(buf, off)
		if err != nil && err != io.EOF {
			a.Damage = append(a.Damage, asDamage(err))
			k.Checked = false // part of the sum is missing
		}
		b := buf[:n]
		if rest := int64(k.Clusters) - off*8; int64(n)*8 > rest { // bits behind the volume are set
			b = b[:(rest+7)/8]
			if rest%8 != 0 {
				b[len(b)-1] &= 1<<(rest%8) - 1
			}
		}
		w.page(b, off*8)
		if n < bitmapPage {
			break
		}
	}
	k.Unowned = k.Allocated + k.NotMarked - k.Owned
	return nil
}

// claimWalk goes through the claims in the order of the volume.
type claimWalk struct {
	c      *Catalog
	k      *ClusterAccount
	claims []claim
	next   int
	end    int64 // of what was owned so far
	owner  uint32
	open   []claim // claims that reach into the next page
}

// page counts one page of $Bitmap, whose first bit is cluster first.
func (w *claimWalk) page(b []byte, first int64) {
	for _, x := range b {
		w.k.Allocated += uint64(bits.OnesCount8(x))
	}
	last := first + int64(len(b))*8
	again := w.open
	w.open = nil
	for _, x := range again {
		w.marked(b, first, x)
	}
	for ; w.next < len(w.claims) && w.claims[w.next].lcn < last; w.next++ {
		x := w.claims[w.next]
		if x.lcn < w.end { // what another claim had before
			over := min(x.end, w.end) - x.lcn
			if x.n != w.owner {
				w.k.Double += uint64(over)
				w.fault(ClusterFault{x.lcn, over, File{w.c, w.owner}.Ref(), File{w.c, x.n}.Ref()})
			}
			x.lcn += over
		}
		if x.lcn >= x.end {
			continue
		}
		w.end, w.owner = x.end, x.n
		x.end = min(x.end, int64(w.k.Clusters))
		if x.lcn < x.end {
			w.k.Owned += uint64(x.end - x.lcn)
			w.marked(b, first, x)
		}
	}
}

// marked counts the clusters of a claim that the page calls free; what goes on
// behind the page waits for the next one.
func (w *claimWalk) marked(b []byte, first int64, x claim) {
	last := first + int64(len(b))*8
	from, to := max(x.lcn, first), min(x.end, last)
	if x.end > last {
		w.open = append(w.open, x)
	}
	bad := int64(-1)
	flush := func(at int64) {
		if bad >= 0 {
			w.k.NotMarked += uint64(at - bad)
			w.fault(ClusterFault{LCN: bad, Len: at - bad, Owner: File{w.c, x.n}.Ref()})
			bad = -1
		}
	}
	for at := from; at < to; {
		i := at - first
		if i%8 == 0 && to-at >= 8 && b[i/8] == 0xFF {
			flush(at)
			at += 8
			continue
		}
		if b[i/8]>>(i%8)&1 != 0 {
			flush(at)
		} else if bad < 0 {
			bad = at
		}
		at++
	}
	flush(to)
}

func (w *claimWalk) fault(f ClusterFault) {
	if len(w.k.Examples) < maxListed {
		w.k.Examples = append(w.k.Examples, f)
	} else {
		w.k.NotListed++
	}
}

// compareMirror looks whether the first entries are the same in $MFTMirr.
// Fixups differ between two writes of one record, so decoded bytes count.
func (c *Catalog) compareMirror(a *Account) {
	const mirrRecords = 4
	rs := int64(c.v.geo.RecordSize)
	n := max(mirrRecords, uint64(c.v.geo.ClusterSize)/uint64(rs))
	for num := range min(n, c.v.Entries()) {
		off := int64(c.v.geo.MirrCluster)*int64(c.v.geo.ClusterSize) + int64(num)*rs
		own, err := c.v.Record(num)
		if err != nil {
			continue // told by the scan
		}
		copied, err := c.v.recordAt(off, num, nil)
		if err != nil {
			d := asDamage(err)
			if num < mirrRecords && d.Kind == Unreadable {
				a.Damage = append(a.Damage, d)
			}
			if num >= mirrRecords {
				break // the mirror holds a whole cluster only with some drivers
			}
			a.Mirror = append(a.Mirror, num)
			continue
		}
		const head = 48 // the update sequence lies behind it
		start := max(head, own.start)
		if own.LSN != copied.LSN || own.Flags != copied.Flags || own.used != copied.used || own.start != copied.start ||
			!bytes.Equal(own.data[start:max(own.used, start)], copied.data[start:max(own.used, start)]) {
			a.Mirror = append(a.Mirror, num)
		}
	}
}
