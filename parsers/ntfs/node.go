package ntfs

import (
	"encoding/binary"
	"iter"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// node is one node of an index: the one in $INDEX_ROOT, or an index record
// (INDX) of $INDEX_ALLOCATION.
type node struct {
	b     []byte // from the node header to the end of the room
	off   int64  // of b on the volume, or -1
	first int    // of the entries in b
	end   int    // behind the last entry
	free  bool
	block int64 // byte of $INDEX_ALLOCATION, -1 for the root
}

// disk is the place of a byte of b on the volume, or -1.
func (n *node) disk(at int) int64 { return offAdd(n.off, at) }

// index is an index of a file: $I30 of a directory, or a view ($O, $SII …).
type index struct {
	f     File
	name  []byte // UTF-16LE
	root  node
	slack []node  // room behind the attributes of the MFT entries
	size  int64   // of an index record
	alloc *Reader // nil without $INDEX_ALLOCATION
	bits  []byte  // $BITMAP: an index record each
	lost  []Damage
}

// nodeHead is the length of a node header; indexHead of what lies before it in
// an index record.
const (
	nodeHead  = 16
	indexHead = 24
	entryHead = 16
)

// openIndex finds an index by its name. ok is false where the file has none.
// Parts that cannot be had are in lost.
func (f File) openIndex(name string) (x *index, ok bool) {
	x = &index{f: f, name: utf16.Units(name), size: int64(f.c.v.geo.IndexSize)}
	var bits Attr
	haveBits := false
	for n := range f.records() {
		rec, err := f.c.v.Record(uint64(n))
		if err != nil {
			x.lose(asDamage(err))
			continue
		}
		if at := rec.slackAt(); at < len(rec.data) {
			x.slack = append(x.slack, node{b: rec.data[at:], block: -1, off: offAdd(rec.Off, at)})
		}
		for a := range rec.Attrs(nil) {
			if string(a.Name) != string(x.name) {
				continue
			}
			switch {
			case a.Type == AttrIndexRoot && !ok:
				ok = x.openRoot(&rec, a)
			case a.Type == AttrBitmap && !a.NonResident:
				bits, haveBits = a, true
			}
		}
	}
	if !ok {
		return x, len(x.lost) > 0
	}
	x.bits = bits.Value
	for s := range f.Attributes() {
		if string(s.Name()) != string(x.name) || s.Resident() {
			continue
		}
		rd, err := s.Open(0)
		if err != nil {
			x.lose(asDamage(err))
			continue
		}
		switch s.Type() {
		case AttrIndexAllocation:
			x.alloc = rd
		case AttrBitmap:
			haveBits = true
			var d *Damage
			if x.bits, d = readUpTo(rd, maxIndexBits); d != nil {
				x.lose(*d)
			}
		}
	}
	if x.alloc != nil && !haveBits {
		x.lose(Damage{Kind: MissingPiece, Record: uint64(f.n), Attr: AttrBitmap, Off: f.Offset()})
	}
	return x, true
}

// maxIndexBits is the bitmap of an index of 32 GiB.
const maxIndexBits = 1 << 20

func (x *index) lose(d Damage) { x.lost = append(x.lost, d) }

// readUpTo reads a stream that fits into memory, or what comes before the first
// byte that cannot be read.
func readUpTo(rd *Reader, limit int64) ([]byte, *Damage) {
	b := make([]byte, min(rd.Size(), limit))
	n, err := rd.ReadAt(b, 0)
	if n < len(b) && err != nil {
		d := asDamage(err)
		return b[:n], &d
	}
	return b[:n], nil
}

// openRoot decodes the value of $INDEX_ROOT: type of the key, collation, size
// of an index record, clusters of one, then a node.
func (x *index) openRoot(rec *Record, a Attr) bool {
	c := cursor.New(a.Value)
	c.Skip(8, "type and collation")
	size := int64(c.U32("size of an index record"))
	if c.Err() != nil || len(a.Value) < 16+nodeHead {
		x.lose(Damage{Kind: BadIndex, Record: rec.Num, Attr: a.Type, Off: offAdd(rec.Off, a.Off), Got: uint64(len(a.Value)), Want: 16 + nodeHead})
		return false
	}
	if size >= minRecord && size <= maxRecord && size&(size-1) == 0 {
		x.size = size
	}
	at := a.Off + int(binary.LittleEndian.Uint16(rec.data[a.Off+20:])) + 16
	x.root = node{b: a.Value[16:], block: -1, off: offAdd(rec.Off, at)}
	if d := x.root.head(); d != nil {
		d.Record, d.Attr = rec.Num, a.Type
		x.lose(*d)
	}
	return true
}

// recordNode puts the protected words of an index record (INDX) back and gives
// its node, whose header is still to be decoded.
func recordNode(b []byte, off int64, say func(k Kind, at int, got, want uint64)) node {
	r := Record{data: b, Off: off}
	r.fixup(int(binary.LittleEndian.Uint16(b[4:])), int(binary.LittleEndian.Uint16(b[6:])), say)
	return node{b: b[indexHead:], off: offAdd(off, indexHead)}
}

// head decodes the node header and bounds the entries by the room there is.
func (n *node) head() *Damage {
	c := cursor.New(n.b)
	first, end := c.U32("first entry"), c.U32("end of entries")
	if c.Err() != nil || first < nodeHead || first > uint32(len(n.b)) || end < first || end > uint32(len(n.b)) {
		n.first, n.end = len(n.b), len(n.b)
		if len(n.b) >= nodeHead { // all of it is carved
			n.first, n.end = nodeHead, nodeHead
		}
		return &Damage{Kind: BadIndex, Off: n.disk(0), Got: uint64(first), Want: uint64(end)}
	}
	n.first, n.end = int(first), int(end)
	return nil
}

// nodes yields the root and then every index record in the order of the
// medium, those that $BITMAP marks free too. A record that cannot be had is
// told, and the next one is tried. The node is valid until the next step.
func (x *index) nodes() iter.Seq2[node, *Damage] {
	return func(yield func(node, *Damage) bool) {
		for i := range x.lost {
			if !yield(node{}, &x.lost[i]) {
				return
			}
		}
		if x.root.b != nil && !yield(x.root, nil) || x.alloc == nil {
			return
		}
		buf := make([]byte, x.size)
		for from, to := range x.alloc.stored {
			for off := (from + x.size - 1) / x.size * x.size; off+x.size <= to; off += x.size {
				n, d := x.record(buf, off)
				if d != nil {
					d.Record, d.Attr = uint64(x.f.n), AttrIndexAllocation
				}
				if (n.b != nil || d != nil) && !yield(n, d) {
					return
				}
			}
		}
	}
}

// used tells whether $BITMAP marks index record i; without $BITMAP all are.
func (x *index) used(i int64) bool {
	if x.bits == nil {
		return true
	}
	return i/8 < int64(len(x.bits)) && x.bits[i/8]>>(i%8)&1 != 0
}

// record reads the index record at a byte of $INDEX_ALLOCATION. One that is
// free may hold anything: then it is no damage.
func (x *index) record(b []byte, off int64) (node, *Damage) {
	used := x.used(off / x.size)
	disk := x.alloc.DiskOffset(off)
	if n, err := x.alloc.ReadAt(b, off); n < len(b) {
		d := asDamage(err)
		return node{}, &d
	}
	if string(b[:4]) != "INDX" && string(b[:4]) != "BAAD" {
		if !used {
			return node{}, nil
		}
		return node{}, &Damage{Kind: BadIndex, Off: disk, Len: x.size, Got: uint64(binary.LittleEndian.Uint32(b))}
	}
	var dmg *Damage
	n := recordNode(b, disk, func(k Kind, at int, got, want uint64) {
		if dmg == nil {
			dmg = &Damage{Kind: k, Off: offAdd(disk, at), Len: stride, Got: got, Want: want}
		}
	})
	n.block, n.free = off, !used
	if d := n.head(); d != nil && dmg == nil {
		dmg = d
	}
	if !used { // what is free may be torn
		dmg = nil
	}
	return n, dmg
}

// rawEntry is an entry of a node: what lies before the key differs between a
// directory and a view.
type rawEntry struct {
	b   []byte // whole
	key []byte
	at  int // in the node
}

// entries yields the entries of a node up to its end mark, and how far they
// were good. A length that makes no sense ends them.
func (n *node) entries(yield func(rawEntry) bool) (good int, ok bool) {
	p := n.first
	for p+entryHead <= n.end {
		b := n.b[p:n.end]
		size, key := int(binary.LittleEndian.Uint16(b[8:])), int(binary.LittleEndian.Uint16(b[10:]))
		if size < entryHead || size > len(b) || size%8 != 0 || entryHead+key > size {
			return p, false
		}
		const isLast = 2
		e := rawEntry{b: b[:size:size], key: b[entryHead : entryHead+key : entryHead+key], at: p}
		p += size
		if b[12]&isLast != 0 {
			return p, true
		}
		if !yield(e) {
			return p, true
		}
	}
	return p, false
}
