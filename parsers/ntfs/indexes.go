package ntfs

import "context"

// CheckIndexes looks at every index record of every directory in use, as far as
// its own structure goes, and reports what is damaged. Names are not compared:
// CheckIndex does that, for one directory.
func (c *Catalog) CheckIndexes(ctx context.Context, report func(Damage)) error {
	if c.v.alone {
		return nil
	}
	buf := make([]byte, 64<<10)
	count := 0
	for f := range c.Files() {
		if count++; count%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if f.e().flags&FlagDirectory == 0 || !f.InUse() || c.indexLooksGood(f, buf) {
			continue
		}
		// Which records are in use its $BITMAP says, and that costs more.
		for _, err := range f.Index() {
			if err != nil {
				report(asDamage(err))
			}
		}
	}
	return nil
}

// indexLooksGood tells whether every index record of a directory, used or not,
// is one.
func (c *Catalog) indexLooksGood(f File, buf []byte) bool {
	cs, size := int64(c.v.geo.ClusterSize), int(c.v.geo.IndexSize)
	for s := range f.streams(AttrIndexAllocation) {
		if !asciiEqual(s.Name(), "$I30") {
			continue
		}
		var room int64 // a forged run list gives no more than the volume has
		left := min(s.Size(), c.v.size)
		for r := range s.Runs() {
			if left <= 0 {
				break
			}
			if r.LCN < 0 || room > c.v.size || r.Len*cs%int64(size) != 0 {
				return false
			}
			room += r.Len * cs
			for at, n := r.LCN*cs, min(r.Len*cs, left); n > 0; {
				b := buf[:min(int64(len(buf)), n)]
				if _, err := readFull(c.v.r, b, at, c.v.size); err != nil || !goodIndexRecords(b, size) {
					return false
				}
				at, n, left = at+int64(len(b)), n-int64(len(b)), left-int64(len(b))
			}
		}
		if left > 0 {
			return false
		}
	}
	return true
}

// goodIndexRecords checks fixups, node header and the chain of entries.
func goodIndexRecords(b []byte, size int) bool {
	for ; len(b) >= size; b = b[size:] {
		p, good := b[:size], true
		if string(p[:4]) != "INDX" {
			return false
		}
		n := recordNode(p, -1, func(Kind, int, uint64, uint64) { good = false })
		if !good || !n.good() {
			return false
		}
	}
	return len(b) == 0
}

// good tells whether the node header fits and its entries lead to the last one.
func (n *node) good() bool {
	if n.head() != nil {
		return false
	}
	_, ok := n.entries(func(rawEntry) bool { return true })
	return ok
}
