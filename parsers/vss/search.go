package vss

import (
	"cmp"
	"slices"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
)

// found is a block of the format that lies where it says.
type found struct {
	off, next int64
	kind      uint32
}

// search reads the volume for stores that the catalogue does not have: Windows
// frees the blocks of a deleted store and does not wipe them. A header is one
// with a list of blocks behind it. Their age among the others is not known:
// they are taken as older, in the order of their places.
func (v *Volume) search() {
	if v.storage.R == nil {
		return
	}
	known := map[int64]bool{}
	for _, s := range v.Stores {
		known[s.head] = true
	}
	blocks := v.searchBlocks()
	led := map[int64]bool{} // blocks that another one leads to
	for _, b := range blocks {
		led[b.next] = true
	}
	var stores []*Store
	for i, h := range blocks {
		if h.kind != typeStore || known[h.off] || len(stores) >= maxStores {
			continue
		}
		s := &Store{v: v, Found: true, placed: true, head: h.off}
		for _, b := range blocks[i+1:] {
			if b.kind == typeStore {
				break
			}
			if led[b.off] {
				continue
			}
			if b.kind == typeList && s.list == 0 {
				s.list = b.off
			}
			if b.kind == typeBitmap && s.bitmap == 0 {
				s.bitmap = b.off
			}
		}
		if s.list == 0 {
			v.report(h.off, nil, "header of a store without a list of blocks behind it")
			continue
		}
		stores = append(stores, s)
	}
	v.Stores = append(stores, v.Stores...)
}

// searchBlocks lists the blocks of stores in the order of their places.
func (v *Volume) searchBlocks() []found {
	var out []found
	buf := make([]byte, 1<<20)
	for off := int64(0); off < v.storage.Size; off += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), v.storage.Size-off)]
		n, err := v.storage.R.ReadAt(b, off)
		if n < len(b) && err != nil {
			v.report(off+int64(n), err, "search for stores")
		}
		for p := 0; p+blockHead <= n; p += blockSize {
			if guid.GUID(b[p:p+16]) != identifier {
				continue
			}
			c := cursor.At(b[p:], off+int64(p))
			c.Skip(20, "head")
			x := found{off: off + int64(p), kind: c.U32("record type")}
			c.Skip(8, "relative offset")
			at := c.U64("own offset")
			x.next = int64(c.U64("next offset") & (1<<63 - 1))
			if at == uint64(x.off) && x.kind >= typeList && x.kind <= typeBitmap {
				out = append(out, x)
			}
		}
	}
	slices.SortFunc(out, func(a, b found) int { return cmp.Compare(a.off, b.off) })
	return out
}
