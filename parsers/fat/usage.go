package fat

import (
	"context"
	"encoding/binary"
	"errors"
)

// Usage compares the table, or the bitmap of exFAT, with the clusters that
// entries in use own.
func (c *Catalog) Usage(ctx context.Context) (Usage, error) {
	c.ownOnce.Do(c.findOwners)
	u := Usage{Clusters: c.v.geo.Clusters}
	list := c.owners.live
	next := 0
	reach := uint32(0) // owned up to here
	system := c.system()
	for n := uint32(2); c.v.valid(n); n++ {
		if n%65536 == 0 && ctx.Err() != nil {
			return u, ctx.Err()
		}
		owned := n < reach || system[n]
		for next < len(list) && list[next].from == n {
			if owned {
				u.Double++
			}
			owned = true
			reach = max(reach, list[next].to)
			next++
		}
		used, err := c.allocated(n)
		switch {
		case err != nil:
			u.Unread++
			continue
		case used && c.isBad(n):
			u.Bad++
			continue
		}
		if used {
			u.Used++
		}
		if owned {
			u.Owned++
		}
		switch {
		case used && !owned:
			u.Lost++
		case !used && owned:
			u.NotMarked++
		}
	}
	return u, nil
}

func (c *Catalog) isBad(n uint32) bool {
	m, err := c.v.tab.next(n)
	return err == nil && m == bad
}

// system are the clusters that no entry of a directory names: the root directory,
// and the files of exFAT that are no files.
func (c *Catalog) system() map[uint32]bool {
	out := map[uint32]bool{}
	mark := func(x []Extent) {
		for _, r := range x {
			for at := int64(0); at < r.Len && r.Disk >= c.v.geo.DataOff; at += c.v.geo.ClusterSize {
				out[uint32((r.Disk+at-c.v.geo.DataOff)/c.v.geo.ClusterSize)+2] = true
			}
		}
	}
	if c.v.geo.RootSize == 0 {
		x, _ := c.v.chain(c.v.geo.Root, -1)
		mark(x)
	}
	mark(c.bits.list)
	mark(c.upcaseAt)
	return out
}

// TablesDiffer counts the entries in which the second table differs from the one
// in use; false where there is one alone.
func (v *Volume) TablesDiffer() (sectors int64, ok bool, err error) {
	g := &v.geo
	if g.otherFAT == 0 || g.otherFAT == g.FATOff {
		return 0, false, nil
	}
	const block = 64 << 10
	a, b := make([]byte, block), make([]byte, block)
	for off := int64(0); off < g.FATSize; off += block {
		n := min(block, g.FATSize-off)
		for i, at := range []int64{g.FATOff, g.otherFAT} {
			buf := [][]byte{a, b}[i][:n]
			if k, err := v.r.ReadAt(buf, at+off); int64(k) < n {
				return sectors, true, unexpected(err)
			}
		}
		for s := int64(0); s < n; s += g.SectorSize {
			if string(a[s:min(s+g.SectorSize, n)]) != string(b[s:min(s+g.SectorSize, n)]) {
				sectors++
			}
		}
	}
	return sectors, true, nil
}

// FreeCount is the number of free clusters that FSInfo of FAT32 names; false
// where there is none.
func (v *Volume) FreeCount() (uint32, bool, error) {
	if v.geo.info == 0 {
		return 0, false, nil
	}
	var b [512]byte
	if n, err := v.r.ReadAt(b[:], v.geo.info); n < len(b) {
		return 0, true, unexpected(err)
	}
	le := binary.LittleEndian
	if le.Uint32(b[:]) != 0x41615252 || le.Uint32(b[484:]) != 0x61417272 {
		return 0, true, errors.New("no FSInfo in its sector")
	}
	n := le.Uint32(b[488:])
	return n, n != 0xFFFFFFFF, nil
}
