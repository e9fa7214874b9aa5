package ntfs

import (
	"context"
	"encoding/binary"
)

// checkLists compares each attribute list with the records that claim its
// base. The join by base reference does not need the lists, but a record that
// its base does not list is a leftover, and a listed record that is not there
// is a loss.
func (c *Catalog) checkLists(ctx context.Context) error {
	for i := range c.entries.n {
		e := c.entries.at(i)
		if e.state != recLive || e.marks&markList == 0 {
			// Without a list no record belongs to the base, unless the list
			// itself may have been lost.
			if e.state == recLive && e.ext != 0 && e.marks&markDamage == 0 {
				c.dropUnlisted(i, nil)
			}
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		c.perRec = 0
		c.checkList(i)
	}
	return nil
}

func (c *Catalog) checkList(i uint32) {
	rec, err := c.v.Record(uint64(i))
	if err != nil {
		return // reported by the scan
	}
	if c.v.alone {
		if a, ok := rec.attr(AttrAttributeList); ok && a.NonResident {
			return
		}
	}
	list, err := c.v.attributeList(&rec)
	if err != nil {
		c.report(asDamage(err))
	}
	whole := err == nil
	listed := map[uint32]bool{}
	for le, err := range list.entries() {
		if err != nil {
			c.report(asDamage(err))
			whole = false
			break
		}
		n := le.Ref.Record()
		if n != uint64(i) && !c.belongs(le.Ref, i) || !c.holds(uint32(n), le) {
			c.report(Damage{Kind: MissingExtension, Record: uint64(i), Attr: le.Type, Off: rec.Off, Got: uint64(le.Ref)})
			continue
		}
		listed[uint32(n)] = true
	}
	if whole {
		c.dropUnlisted(i, listed)
	}
	c.checkSizes(i)
}

// checkSizes tells when the pieces of a stream do not reach its data size.
func (c *Catalog) checkSizes(i uint32) {
	for s := range (File{c, i}).Attributes() {
		if d := s.described(); !s.Resident() && s.Size() > d {
			c.report(Damage{Kind: SizeBeyond, Record: uint64(i), Attr: s.Type(), Off: c.v.mftDisk(int64(i) * int64(c.v.geo.RecordSize)),
				Got: uint64(s.Size()), Want: uint64(d)})
		}
	}
}

// holds tells whether a record has the $DATA piece that a list entry names;
// other attributes are not asked for.
func (c *Catalog) holds(n uint32, le ListEntry) bool {
	e := c.entries.at(n)
	for i := range uint32(e.nattrs) {
		if a := c.attrs.at(e.attrs + i); a.typ == le.Type && a.id == le.ID && a.low == le.LowVCN {
			return true
		}
	}
	return le.Type != AttrData
}

func (c *Catalog) belongs(ref Ref, base uint32) bool {
	n := ref.Record()
	if n >= uint64(c.entries.n) {
		return false
	}
	x := c.entries.at(uint32(n))
	return x.state == recExtension && x.base.Record() == uint64(base) && (ref.Seq() == 0 || x.seq == ref.Seq())
}

// dropUnlisted takes the records that base does not list out of its chain.
func (c *Catalog) dropUnlisted(base uint32, listed map[uint32]bool) {
	e := c.entries.at(base)
	at := &e.ext
	for *at != 0 {
		x := &c.exts[*at-1]
		if listed[x.record] {
			at = &x.next
			continue
		}
		c.entries.at(x.record).state = recLeftover
		c.report(Damage{Kind: UnlistedExtension, Record: uint64(base), Got: uint64(x.record),
			Off: c.v.mftDisk(int64(x.record) * int64(c.v.geo.RecordSize))})
		*at = x.next
	}
}

// attr is the first attribute of a type, without a name.
func (r *Record) attr(t AttrType) (Attr, bool) {
	for a := range r.Attrs(nil) {
		if a.Type == t && len(a.Name) == 0 {
			return a, true
		}
	}
	return Attr{}, false
}

// gatherMarks brings to each base what its extension records know of the file,
// and reads the tags of reparse points in use that stand in clusters: what a
// stream's clusters mean hangs on them.
func (c *Catalog) gatherMarks(ctx context.Context) error {
	for i := range c.entries.n {
		e := c.entries.at(i)
		if e.ext == 0 && e.marks&markNotRead == 0 {
			continue
		}
		f := File{c, i}
		for x := range f.extensions() {
			xe := c.entries.at(x)
			e.marks |= xe.marks & (markObject | markEA | markNotRead)
			if e.reparse == 0 {
				e.reparse = xe.reparse
			}
		}
		if e.marks&markNotRead == 0 || e.reparse != 0 || e.state != recLive || c.v.alone {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		b, _, err := f.Value(AttrReparsePoint)
		if len(b) >= 4 {
			e.reparse = binary.LittleEndian.Uint32(b)
		} else if err != nil {
			c.perRec = 0
			c.report(asDamage(err))
		}
	}
	return nil
}
