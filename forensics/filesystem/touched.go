package filesystem

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"kanshiki/parsers/ntfs"
)

// Part is a range of bytes of a volume.
type Part struct{ Off, Len int64 }

// Touched is a stream, or an entry's own record, that lies in given parts of
// the volume.
type Touched struct {
	Ref    Ref
	State  State
	Path   string // one of its names
	Stream string // with the attribute's type where it is no $DATA: "$I30:$INDEX_ALLOCATION"
	Record bool   // the entry's record in the $MFT lies there: its names and times, and content that is resident
	Bytes  int64  // of the stream that lie there; what a deleted entry claims may be another's by now
}

// FilesIn finds what lies in some parts of the volume, by the run lists of all
// entries: streams, directories' indexes, records. The order is that of the
// $MFT, so the same volume gives the same list.
func (n *NTFS) FilesIn(ctx context.Context, parts []Part) ([]Touched, error) {
	parts = slices.Clone(parts)
	slices.SortFunc(parts, func(a, b Part) int { return cmp.Compare(a.Off, b.Off) })
	var out []Touched
	b := builder{n: n}
	count := 0
	for f := range n.cat.Files() {
		if count++; count%1024 == 0 && ctx.Err() != nil {
			return out, ctx.Err()
		}
		record := int64(n.vol.Geometry().RecordSize)
		inRecord := f.Offset() >= 0 && overlap(parts, f.Offset(), record) > 0
		var found []Touched
		for s := range f.Attributes() {
			if bytes := n.inParts(s, parts); bytes > 0 {
				found = append(found, Touched{Stream: attributeName(s), Bytes: bytes})
			}
		}
		if inRecord {
			found = append(found, Touched{Record: true})
		}
		if len(found) == 0 {
			continue
		}
		e := b.entry(f)
		for _, t := range found {
			t.Ref, t.State = e.Ref, e.State
			if len(e.Names) > 0 {
				t.Path = e.Names[0].Path
			}
			out = append(out, t)
		}
	}
	return out, nil
}

// inParts counts the bytes of a stream's clusters that lie in the parts.
func (n *NTFS) inParts(s ntfs.Stream, parts []Part) (bytes int64) {
	if s.Resident() {
		return 0
	}
	cs := int64(n.vol.Geometry().ClusterSize)
	for r := range s.Runs() {
		if r.LCN >= 0 && r.Len > 0 && r.LCN <= n.vol.Size()/cs && r.Len <= n.vol.Size()/cs {
			bytes += overlap(parts, r.LCN*cs, r.Len*cs)
		}
	}
	return bytes
}

// overlap counts the bytes of [off, off+size) that lie in the parts, which are
// in order.
func overlap(parts []Part, off, size int64) (bytes int64) {
	i := sort.Search(len(parts), func(i int) bool { return parts[i].Off+parts[i].Len > off })
	for ; i < len(parts) && parts[i].Off < off+size; i++ {
		bytes += min(parts[i].Off+parts[i].Len, off+size) - max(parts[i].Off, off)
	}
	return bytes
}

func attributeName(s ntfs.Stream) string {
	name := text(s.Name())
	if s.Type() == ntfs.AttrData {
		return name
	}
	return name + ":" + s.Type().String()
}

// Used is a stream of a live file and the parts of the volume that hold what was
// ever written of it: behind its initialised size clusters hold anything.
type Used struct {
	Path  string
	Parts []Part
}

// Used gives each unnamed and named data stream of live files that lies in
// clusters of its own, but compressed and sparse ones. What is given is valid
// until the next call.
func (n *NTFS) Used(ctx context.Context, do func(Used)) error {
	b := builder{n: n}
	cs := int64(n.vol.Geometry().ClusterSize)
	count := 0
	var parts []Part
	for f := range n.cat.Files() {
		if count++; count%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if !f.InUse() {
			continue
		}
		path := ""
		for s := range f.Streams() {
			if s.Resident() || s.Compressed() || s.Flags()&ntfs.AttrSparse != 0 || s.Elsewhere() != "" {
				continue
			}
			parts = parts[:0]
			left := min(s.Initialized(), s.Size())
			for r := range s.Runs() {
				size := min(min(r.Len, n.vol.Size()/cs)*cs, left)
				if size <= 0 {
					break
				}
				if r.LCN >= 0 && r.LCN <= n.vol.Size()/cs {
					parts = append(parts, Part{r.LCN * cs, size})
				}
				left -= size
			}
			if len(parts) == 0 {
				continue
			}
			if path == "" {
				if e := b.entry(f); len(e.Names) > 0 {
					path = e.Names[0].Path
				}
			}
			u := Used{Path: path, Parts: parts}
			if name := text(s.Name()); name != "" {
				u.Path += ":" + name
			}
			do(u)
		}
	}
	return nil
}
