package regf

import (
	"cmp"
	"encoding/binary"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Places where a recovered record lay.
const (
	InFreeCell   = "free cell"
	Unreferenced = "allocated cell that nothing points to"
	InSlack      = "slack of an allocated cell"
)

// Recovered is a key or a value that no key of the hive leads to any more.
type Recovered struct {
	Key   *Key   // the key; for a value, the key it belonged to, nil where none is proven
	Value *Value // nil where a key was recovered
	Where string
	// Path is the path of Key as far as parents prove it. A parent is known by
	// its cell, which may have been used anew since.
	Path     string
	Complete bool // Path begins at the root
	// DataReused: the cell of the value's data belongs to something else now,
	// or is not there.
	DataReused bool
}

// Offset is where the record lies in the file.
func (r *Recovered) Offset() int64 {
	if r.Value != nil {
		return r.Value.Offset
	}
	return r.Key.Offset
}

// recovery gathers candidates and what is needed to place them.
type recovery struct {
	h       *Hive
	live    *walk // keys, values and data that the root leads to
	slack   [][2]int
	keys    map[uint32]*Recovered
	values  map[uint32]*Recovered
	parents map[uint32]*Key // live keys that recovered ones name
}

// Recovered yields deleted keys and values, in the order of their place. The
// errors are of cells that could not be walked.
func (h *Hive) Recovered() iter.Seq2[Recovered, error] {
	return func(yield func(Recovered, error) bool) {
		r := &recovery{h: h, live: h.newWalk(), keys: map[uint32]*Recovered{}, values: map[uint32]*Recovered{}, parents: map[uint32]*Key{}}
		r.walkLive()
		for b, err := range h.Bins() {
			if err != nil {
				continue // Check tells
			}
			for c, err := range h.cells(b) {
				if err != nil {
					if !yield(Recovered{}, err) {
						return
					}
					continue
				}
				r.cell(c)
			}
		}
		for _, s := range r.slack {
			r.scan(s[0], s[1], InSlack)
		}
		r.place()
		all := make([]*Recovered, 0, len(r.keys)+len(r.values))
		for _, k := range r.keys {
			all = append(all, k)
		}
		for _, v := range r.values {
			all = append(all, v)
		}
		slices.SortFunc(all, func(a, b *Recovered) int { return cmp.Compare(a.Offset(), b.Offset()) })
		for _, x := range all {
			if !yield(*x, nil) {
				return
			}
		}
	}
}

// walkLive marks the cells in use and notes the slack behind lists and data.
func (r *recovery) walkLive() {
	for k, err := range r.h.Keys() {
		if err != nil {
			continue
		}
		r.live.visit(k.Cell)
		if k.ValueCount > 0 {
			r.noteSlack(k.values, int64(k.ValueCount)*4)
		}
		for v, err := range k.Values() {
			if err == nil && r.live.visit(v.Cell) && !v.Resident && v.Size > 0 {
				r.live.visit(v.DataCell)
				r.noteSlack(v.DataCell, int64(v.Size))
			}
		}
	}
}

// noteSlack remembers the unused end of a cell where a record has room.
func (r *recovery) noteSlack(off uint32, used int64) {
	b, _, err := r.h.cell(off, "")
	if err != nil || int64(len(b)) < used+24 || len(b) >= 2 && string(b[:2]) == "db" {
		return
	}
	start := int(off) + r.h.header
	r.slack = append(r.slack, [2]int{start + int(used), start + len(b)})
}

func (r *recovery) cell(c Cell) {
	at := int(c.Offset - BaseSize)
	if !c.Allocated {
		r.scan(at, at+4+len(c.Data), InFreeCell)
		return
	}
	if h := r.h.header - 4; len(c.Data) >= h+2 && !r.live.marked(uint32(at)) {
		r.candidate(at, at+4+len(c.Data), Unreferenced)
	}
}

// marked tells whether a cell was visited.
func (w *walk) marked(off uint32) bool {
	return int64(off/512) < int64(len(w.seen)) && w.seen[off/512]>>(off/8%64)&1 == 1
}

// scan looks for records at every place where a cell may have begun: joined
// free cells keep the old ones inside.
func (r *recovery) scan(from, to int, where string) {
	for at := (from + 7) &^ 7; at+r.h.header+20 <= to; at += 8 {
		r.candidate(at, to, where)
	}
}

// candidate keeps the cell at at, which ends before to, if it is a key or a
// value that can be believed.
func (r *recovery) candidate(at, to int, where string) {
	h, off := r.h, uint32(at)
	b := h.bins[at+h.header : to]
	if size := int32(binary.LittleEndian.Uint32(h.bins[at:])); where != InSlack {
		if n := max(size, -size); int(n) > h.header && int(n) <= to-at {
			b = h.bins[at+h.header : at+int(n)]
		}
	}
	if len(b) < 20 || b[1] != 'k' {
		return
	}
	switch b[0] {
	case 'n':
		k, err := h.parseKey(b, off)
		if err == nil && r.plausibleKey(k) {
			k.walk = &walk{left: len(h.bins)}
			k.Allocated = where != InFreeCell
			r.keys[off] = &Recovered{Key: k, Where: where}
		}
	case 'v':
		v, err := h.parseValue(b, off)
		if err == nil && r.plausibleValue(v) {
			v.Allocated = where != InFreeCell
			r.values[off] = &Recovered{Value: &v, Where: where, DataReused: r.reused(v)}
		}
	}
}

func (r *recovery) plausibleKey(k *Key) bool {
	return k.Name != "" && len(k.Name) <= 3*255 && !strings.ContainsRune(k.Name, 0) && !strings.Contains(k.Name, `\`) &&
		k.Flags < 0x1000 && k.LastWritten>>63 == 0 && k.LastWritten != 0 &&
		(k.ParentCell%8 == 0 && int64(k.ParentCell) < int64(len(r.h.bins)) || k.Flags&KeyHiveEntry != 0) &&
		int64(k.SubkeyCount)*4 < int64(len(r.h.bins)) && int64(k.ValueCount)*4 < int64(len(r.h.bins))
}

func (r *recovery) plausibleValue(v Value) bool {
	switch {
	case v.Flags > 3 || strings.ContainsRune(v.Name, 0):
		return false
	case v.Resident:
		return v.Size <= 4
	case v.Size == 0:
		return true
	}
	return int64(v.Size) < int64(len(r.h.bins)) && v.DataCell%8 == 0 && int64(v.DataCell) < int64(len(r.h.bins)) &&
		(v.Type < 0x20 || v.Type>>16 == 0xFFFF)
}

// reused tells whether the data of a deleted value is no longer its own: its
// cell is in use by a live value, or does not hold enough.
func (r *recovery) reused(v Value) bool {
	if v.Resident || v.Size == 0 {
		return false
	}
	_, err := v.Data()
	return err != nil || r.live.marked(v.DataCell)
}

// place finds owners and paths.
func (r *recovery) place() {
	if len(r.keys)+len(r.values) == 0 {
		return
	}
	// In the order of their cells: two keys may claim one value, and the same
	// hive gives the same answer.
	keys := slices.Sorted(maps.Keys(r.keys))
	for _, cell := range keys {
		k := r.keys[cell]
		r.parents[k.Key.ParentCell] = nil
		for off := range r.listed(k.Key.values, 0, int(min(k.Key.ValueCount, 1<<20))) {
			if v := r.values[off]; v != nil && v.Key == nil {
				v.Key = k.Key
			}
		}
	}
	for k, err := range r.h.Keys() {
		if err != nil {
			continue
		}
		if _, wanted := r.parents[k.Cell]; wanted {
			r.parents[k.Cell] = k
		}
		if k.ValueCount == 0 {
			continue
		}
		for off := range r.listed(k.values, int(k.ValueCount), 1<<20) {
			if v := r.values[off]; v != nil && v.Key == nil {
				v.Key = k
			}
		}
	}
	for _, cell := range keys {
		k := r.keys[cell]
		k.Path, k.Complete = r.path(k.Key, 0)
	}
	for _, v := range r.values {
		if v.Key == nil {
			continue
		}
		if owner := r.keys[v.Key.Cell]; owner != nil {
			v.Path, v.Complete = owner.Path, owner.Complete
		} else {
			v.Path, v.Complete = v.Key.Path(), true
		}
	}
}

// listed yields the elements from..to of a list of values, as far as its cell
// reaches.
func (r *recovery) listed(list uint32, from, to int) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		b, _, err := r.h.cell(list, "")
		if err != nil {
			return
		}
		for i := from; i < to && i*4+4 <= len(b); i++ {
			if !yield(binary.LittleEndian.Uint32(b[i*4:])) {
				return
			}
		}
	}
}

// path joins the names of a recovered key and its parents. Parents may lead in
// a circle, so the depth ends it.
func (r *recovery) path(k *Key, depth int) (string, bool) {
	if k.Flags&KeyHiveEntry != 0 {
		return "", true
	}
	if live := r.parents[k.ParentCell]; live != nil {
		k.parent = live
		return k.Path(), true
	}
	up := r.keys[k.ParentCell]
	if up == nil || depth > maxDepth || up.Key == k {
		k.path = k.Name
		return k.Name, false
	}
	if up.Path == "" {
		up.Path, up.Complete = r.path(up.Key, depth+1)
	}
	k.path = strings.TrimPrefix(up.Path+`\`+k.Name, `\`)
	return k.path, up.Complete
}
