package ntfs

import (
	"encoding/binary"
	"iter"
)

// IndexState says how an entry of a directory's index was found.
type IndexState uint8

// The states of an index entry.
const (
	IndexLive      IndexState = iota // in use: Windows shows it
	IndexSlack                       // behind the last entry of a node in use
	IndexFreeBlock                   // in an index record that $BITMAP marks free
	IndexMFTSlack                    // behind the last attribute of the directory's MFT entry: $INDEX_ROOT was longer
)

var indexStateNames = [...]string{"live", "slack", "free record", "entry slack"}

func (s IndexState) String() string { return indexStateNames[s] }

// IndexEntry is one entry of the index of a directory ($I30): a copy of a
// $FILE_NAME with a third set of times, brought up to date when the driver
// writes the index.
type IndexEntry struct {
	Ref         Ref // 0 where the head of an entry in slack was overwritten
	Parent      Ref
	Times       Times
	Allocated   uint64
	Size        uint64
	Attributes  uint32
	EAOrReparse uint32 // size of the extended attributes, or reparse tag
	Namespace   uint8
	Name        []byte // UTF-16LE, valid until the next entry
	State       IndexState
	Cut         bool  // the name goes on behind the end of what is there
	Off         int64 // of the entry on the volume; of its key where Ref is 0; or -1
	Block       int64 // byte of $INDEX_ALLOCATION, -1 in $INDEX_ROOT
}

// IsDir tells whether the entry names a directory.
func (e *IndexEntry) IsDir() bool { return e.Attributes&0x10000000 != 0 }

// Index yields the entries of the directory's index in the order of the
// medium: the live ones of each node, then what its slack still holds. An
// index record that cannot be read is told (*Damage) and the next is tried.
func (f File) Index() iter.Seq2[IndexEntry, error] {
	return func(yield func(IndexEntry, error) bool) {
		x, ok := f.openIndex("$I30")
		if !ok {
			return
		}
		for n, d := range x.nodes() {
			if d != nil && !yield(IndexEntry{Block: n.block}, d) {
				return
			}
			if n.b != nil && !x.node(&n, yield) {
				return
			}
		}
		for i := range x.slack {
			if !x.carve(&x.slack[i], 0, IndexMFTSlack, yield) {
				return
			}
		}
	}
}

// node yields the entries of one node.
func (x *index) node(n *node, yield func(IndexEntry, error) bool) bool {
	more := true
	state := IndexLive
	if n.free {
		state = IndexFreeBlock
	}
	slack, whole := n.entries(func(raw rawEntry) bool {
		e, ok := indexEntry(raw.key, state)
		e.Ref, e.Off, e.Block = Ref(binary.LittleEndian.Uint64(raw.b)), n.disk(raw.at), n.block
		var err error
		if !ok && state == IndexLive {
			err = &Damage{Kind: BadIndex, Record: uint64(x.f.n), Attr: AttrIndexAllocation, Off: e.Off, Len: int64(len(raw.b)), Got: uint64(len(raw.key)), Want: fileNameHead}
		}
		if ok || err != nil {
			more = yield(e, err)
		}
		return more
	})
	if !more {
		return false
	}
	if !whole && state == IndexLive {
		d := &Damage{Kind: BadIndex, Record: uint64(x.f.n), Attr: AttrIndexAllocation, Off: n.disk(slack), Len: int64(n.end - slack), Got: uint64(slack), Want: uint64(n.end)}
		if !yield(IndexEntry{Block: n.block}, d) {
			return false
		}
	}
	if state == IndexLive {
		state = IndexSlack
	}
	return x.carve(n, slack, state, yield)
}

// carve looks for entries in the room behind the last one, at steps of eight
// bytes: a key that names this very directory as its parent.
func (x *index) carve(n *node, from int, state IndexState, yield func(IndexEntry, error) bool) bool {
	for p := from &^ 7; p+fileNameHead+2 <= len(n.b); {
		e, ok := indexEntry(n.b[p:], state)
		if !ok && !e.Cut || e.Parent.Record() != uint64(x.f.n) || !likelyTimes(e.Times) {
			p += 8
			continue
		}
		e.Off, e.Block = n.disk(p), n.block
		if h := p - entryHead; h >= from {
			b := n.b[h:]
			size, key := int(binary.LittleEndian.Uint16(b[8:])), int(binary.LittleEndian.Uint16(b[10:]))
			ref := Ref(binary.LittleEndian.Uint64(b))
			if key == fileNameHead+len(e.Name) && size >= entryHead+key && size <= entryHead+key+16 && ref.Seq() != 0 && ref.Record() < x.f.c.Len() {
				e.Ref, e.Off = ref, n.disk(h)
			}
		}
		if !yield(e, nil) {
			return false
		}
		p += (fileNameHead + len(e.Name) + 7) &^ 7
	}
	return true
}

// indexEntry decodes a key, which is a $FILE_NAME. What is cut by the end of b
// is Cut, and not ok.
func indexEntry(key []byte, state IndexState) (IndexEntry, bool) {
	if len(key) < fileNameHead+2 {
		return IndexEntry{}, false
	}
	fn, ok := parseFileName(key)
	e := IndexEntry{Parent: fn.parent, Times: fn.times, Attributes: fn.flags, Namespace: fn.namespace, Name: fn.name, State: state}
	e.Allocated, e.Size = binary.LittleEndian.Uint64(key[40:]), binary.LittleEndian.Uint64(key[48:])
	e.EAOrReparse = binary.LittleEndian.Uint32(key[60:])
	units := int(key[64])
	if fn.namespace > NameWin32DOS || units == 0 {
		return e, false
	}
	e.Cut = !ok
	return e, ok
}

// likelyTimes tells whether four times can be such: unset, or from 1601 to
// 30828. Names in slack are proven by their parent; this only drops noise.
func likelyTimes(t Times) bool {
	return t.Created < 1<<63 && t.Modified < 1<<63 && t.EntryModified < 1<<63 && t.Accessed < 1<<63
}
