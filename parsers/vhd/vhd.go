package vhd

import (
	"errors"
	"fmt"
	"slices"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

// Options change how a disk is opened. The zero value opens what is one file.
type Options struct {
	// Open opens a parent by a name that the disk gives, folder and all: whether
	// that folder is looked into is the caller's choice.
	Open func(name string) (container.File, error)

	above  [][16]byte // the disks that stand on this one
	expect *[16]byte  // identifier that the disk must have: it is a parent
}

// Reader is a disk. It is safe for concurrent use.
type Reader struct {
	*container.Disk
	Footer   *Footer
	f        container.File
	end      int64   // of what the file stores: there the footer begins
	h        *header // nil in a fixed disk
	blocks   int64   // that the table has of the medium
	table    *container.Kept[int64, []byte]
	maps     *maps
	parent   *Reader
	lost     error // why what the disk does not store is not known
	size     int64
	problems container.Problems
}

// Open opens a disk.
func Open(f container.File, o Options) (*Reader, error) {
	r := &Reader{f: f}
	var err error
	if r.Footer, r.end, err = readFooter(f, &r.problems); err != nil {
		return nil, err
	}
	if o.expect != nil && r.Footer.UniqueID != *o.expect {
		return nil, fmt.Errorf("%s has the identifier %x, the parent has %x", f.Name, r.Footer.UniqueID, *o.expect)
	}
	if r.Footer.CurrentSize == 0 || r.Footer.CurrentSize > 1<<62 {
		return nil, cursor.Errorf(r.end+48, "a medium of %d bytes", r.Footer.CurrentSize)
	}
	r.size = int64(r.Footer.CurrentSize)
	if r.Footer.Version>>16 != 1 {
		r.problems.Reportf(r.end+12, "footer: version %#x", r.Footer.Version)
	}
	l := container.Layout{Size: r.size, Span: r.fixed}
	if r.Footer.Type != Fixed {
		if r.Footer.Type != Dynamic && r.Footer.Type != Differencing {
			return nil, cursor.Errorf(r.end+60, "disk type %d", r.Footer.Type)
		}
		if err := r.dynamic(o); err != nil {
			return nil, err
		}
		l.Span = r.span
	} else if r.size < r.end {
		r.problems.Reportf(r.size, "%d bytes between the medium and the footer", r.end-r.size)
	}
	if r.parent != nil {
		l.Under = []*container.Disk{r.parent.Disk}
	}
	if r.Footer.SavedState {
		r.problems.Report(container.Problem{Off: r.end + 84, Note: true, What: "the machine's state was saved: part of what it wrote may be in its memory"})
	}
	r.Disk = container.New(l)
	return r, nil
}

// dynamic reads the header and the table of blocks.
func (r *Reader) dynamic(o Options) (err error) {
	if r.h, err = readHeader(r.f, r.Footer.DataOffset, &r.problems); err != nil {
		return err
	}
	need := (r.size + r.h.block - 1) / r.h.block
	if need > r.h.entries {
		r.problems.Reportf(int64(r.Footer.DataOffset)+28, "the table has %d blocks, the medium needs %d", r.h.entries, need)
	}
	r.blocks = min(need, r.h.entries)
	r.table = newTable(r.f, r.h)
	r.maps = newMaps(r.f.R, r.bitmap())
	r.checkTable()
	if r.Footer.Type == Differencing {
		r.openParent(o)
	}
	return nil
}

func (r *Reader) openParent(o Options) {
	r.lost = errNoParent
	o.expect = &r.h.parentID // before its own parents are looked for: names could branch at every step
	o.above = append(slices.Clip(o.above), r.Footer.UniqueID)
	if len(o.above) > MaxParents {
		r.lost = fmt.Errorf("more than %d disks below each other", MaxParents)
	} else if slices.Contains(o.above, r.h.parentID) {
		r.lost = errors.New("the disk stands on itself")
	} else if o.Open != nil {
		for _, name := range r.h.parents {
			f, err := o.Open(name)
			if err == nil {
				r.parent, err = Open(f, o)
			}
			if err == nil {
				r.lost = nil
				break
			}
			r.lost = err
		}
	}
	if r.lost != nil {
		r.lost = fmt.Errorf("the parent: %w", r.lost)
		r.problems.Reportf(int64(r.Footer.DataOffset)+40, "%v: what lies there is not known", r.lost)
	}
}

// bitmap is the size of a block's bitmap, in whole sectors.
func (r *Reader) bitmap() int64 { return max((r.h.block/512/8+511)&^511, 512) }

// fixed gives the sectors as they lie in the file.
func (r *Reader) fixed(off, limit int64) container.Span {
	if off >= r.end {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: errCut}
	}
	return container.Span{Len: min(limit, r.end-off), From: r.f.R, At: off}
}

// span gives a run inside one block, or a row of blocks that are not stored.
func (r *Reader) span(off, limit int64) container.Span {
	i, in := off/r.h.block, off%r.h.block
	if i >= r.blocks {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: errors.New("behind the end of the table of blocks")}
	}
	row, err := r.table.Get(i / perPart)
	if err != nil {
		n := (i/perPart+1)*perPart*r.h.block - off
		return container.Span{Len: min(limit, n), Kind: container.Corrupt, Err: fmt.Errorf("table of blocks: %w", err)}
	}
	first := entry(row, i)
	if first == noBlock {
		n := r.h.block - in
		for n < limit && (i+1)%perPart != 0 && i+1 < r.blocks && entry(row, i+1) == noBlock {
			i, n = i+1, n+r.h.block
		}
		return r.hole(off, min(limit, n))
	}
	return r.stored(i, int64(first)*512, off, in, min(limit, r.h.block-in))
}

// stored gives a run of the block whose bitmap lies at a place of the file.
func (r *Reader) stored(i, at, off, in, limit int64) container.Span {
	if at >= r.end {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("block %d at %#x: %w", i, at, errCut)}
	}
	own, n, err := r.maps.run(at, in, limit)
	switch {
	case err == nil:
		limit = n
	case r.Footer.Type == Differencing:
		return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("bitmap of block %d: %w", i, err)}
	default:
		r.problems.Reportf(at, "bitmap of block %d: %v; all its sectors are given as they are stored", i, err)
		own = true
	}
	place := at + r.bitmap() + in
	switch {
	case !own && r.Footer.Type == Differencing:
		return r.hole(off, limit)
	case place >= r.end:
		return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("block %d at %#x: %w", i, at, errCut)}
	case !own:
		return container.Span{Len: min(limit, r.end-place), From: never{r, i, at}, At: place}
	}
	return container.Span{Len: min(limit, r.end-place), From: r.f.R, At: place}
}

// hole is what the disk does not store.
func (r *Reader) hole(off, limit int64) container.Span {
	switch {
	case r.lost != nil:
		return container.Span{Len: limit, Kind: container.Unknown, Err: r.lost}
	case r.parent == nil || off >= r.parent.Size():
		return container.Span{Len: limit, Kind: container.Zero}
	}
	return container.Span{Len: min(limit, r.parent.Size()-off), From: r.parent.Disk, At: off}
}

// Files are the names of all files that are read, the one that was opened first.
func (r *Reader) Files() []string {
	if r.parent != nil {
		return append([]string{r.f.Name}, r.parent.Files()...)
	}
	return []string{r.f.Name}
}

// Problems lists what was found wrong so far, with the parents'.
func (r *Reader) Problems() []container.Problem {
	out := r.problems.Problems()
	for i := range out {
		out[i].File = r.f.Name
	}
	if r.parent != nil {
		out = append(out, r.parent.Problems()...)
	}
	return out
}

// Fields are the values of the footer.
func (r *Reader) Fields() []container.Field {
	f := r.Footer
	out := []container.Field{
		{Name: "creator", Value: fmt.Sprintf("%s %d.%d on %s", trim(f.CreatorApp), f.CreatorVersion>>16, f.CreatorVersion&0xFFFF, trim(f.CreatorHost))},
		{Name: "time", Value: f.Time().Format("2006-01-02T15:04:05Z")},
		{Name: "identifier", Value: uuid(f.UniqueID)},
		{Name: "original size", Value: fmt.Sprint(f.OriginalSize)},
		{Name: "geometry", Value: fmt.Sprintf("%d/%d/%d", f.Cylinders, f.Heads, f.Sectors)},
	}
	if r.h != nil {
		out = append(out, container.Field{Name: "block size", Value: fmt.Sprint(r.h.block)})
	}
	if f.Type == Differencing {
		out = append(out, container.Field{Name: "identifier of the parent", Value: uuid(r.h.parentID)},
			container.Field{Name: "time of the parent", Value: stamp(r.h.parentTime).Format("2006-01-02T15:04:05Z")})
		for _, name := range r.h.parents {
			out = append(out, container.Field{Name: "parent", Value: name})
		}
	}
	return out
}
