package vhd

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

// Options change how a disk is opened. The zero value opens what is one file.
type Options struct {
	// Open opens a parent by a name that the disk gives, folder and all: whether
	// that folder is looked into is the caller's choice.
	Open func(name string) (container.File, error)

	depth  int
	expect *[16]byte // identifier that the disk must have: it is a parent
}

// Reader is a disk. It is safe for concurrent use.
type Reader struct {
	*container.Disk
	Footer   *Footer
	f        container.File
	h        *header // nil in a fixed disk
	bat      []byte  // 4 bytes per block
	maps     *maps   // of a differencing disk
	parent   *Reader
	lost     error // why what the disk does not store is not known
	size     int64
	problems container.Problems
}

// Open opens a disk.
func Open(f container.File, o Options) (*Reader, error) {
	r := &Reader{f: f}
	var err error
	if r.Footer, err = readFooter(f, &r.problems); err != nil {
		return nil, err
	}
	if o.expect != nil && r.Footer.UniqueID != *o.expect {
		return nil, fmt.Errorf("%s has the identifier %x, the parent has %x", f.Name, r.Footer.UniqueID, *o.expect)
	}
	if r.Footer.CurrentSize > 1<<62 {
		return nil, cursor.Errorf(48, "a medium of %d bytes", r.Footer.CurrentSize)
	}
	r.size = int64(r.Footer.CurrentSize)
	l := container.Layout{Size: r.size, Span: r.fixed}
	if r.Footer.Type != Fixed {
		if r.Footer.Type != Dynamic && r.Footer.Type != Differencing {
			return nil, cursor.Errorf(60, "disk type %d", r.Footer.Type)
		}
		if err := r.dynamic(o); err != nil {
			return nil, err
		}
		l.Span = r.span
	}
	if r.parent != nil {
		l.Under = []*container.Disk{r.parent.Disk}
	}
	if r.Footer.SavedState {
		r.problems.Report(container.Problem{Off: 84, Note: true, What: "the machine's state was saved: part of what it wrote may be in its memory"})
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
		need = r.h.entries
	}
	n := min(need*4, max(r.f.Size-r.h.tableAt, 0))
	r.bat = make([]byte, n)
	if k, err := r.f.R.ReadAt(r.bat, r.h.tableAt); k < len(r.bat) {
		r.problems.Reportf(r.h.tableAt+int64(k), "table of blocks: %v", err)
		r.bat = r.bat[:k/4*4]
	} else if n < need*4 {
		r.problems.Reportf(r.h.tableAt+n, "the table of blocks is cut by the end of the file")
	}
	r.twice()
	if r.Footer.Type == Differencing {
		r.maps = newMaps(r.f.R, r.bitmap())
		r.openParent(o)
	}
	return nil
}

// twice reports blocks that claim the same place of the file.
func (r *Reader) twice() {
	seen := make(map[uint32]int, len(r.bat)/4)
	for i := range len(r.bat) / 4 {
		at := binary.BigEndian.Uint32(r.bat[4*i:])
		if at == noBlock {
			continue
		}
		if k, ok := seen[at]; ok {
			r.problems.Reportf(r.h.tableAt+int64(4*i), "blocks %d and %d are stored at the same place, sector %d", k, i, at)
		}
		seen[at] = i
	}
}

func (r *Reader) openParent(o Options) {
	r.lost = errNoParent
	o.expect = &r.h.parentID // before its own parents are looked for: names could branch at every step
	if o.depth++; o.depth > MaxParents {
		r.lost = fmt.Errorf("more than %d disks below each other", MaxParents)
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
func (r *Reader) bitmap() int64 { return (r.h.block/512/8 + 511) &^ 511 }

// fixed gives the sectors as they lie in the file.
func (r *Reader) fixed(off, limit int64) container.Span {
	if off >= r.f.Size {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: errors.New("behind the file's end")}
	}
	return container.Span{Len: min(limit, r.f.Size-off), From: r.f.R, At: off}
}

// span gives a run inside one block, or a row of blocks that are not stored.
func (r *Reader) span(off, limit int64) container.Span {
	i, in := off/r.h.block, off%r.h.block
	if 4*i+4 > int64(len(r.bat)) {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: errors.New("behind the end of the table of blocks")}
	}
	at := func(i int64) int64 { return int64(binary.BigEndian.Uint32(r.bat[4*i:])) }
	first := at(i)
	if first == noBlock {
		n := r.h.block - in
		for n < limit && 4*i+8 <= int64(len(r.bat)) && at(i+1) == noBlock {
			i, n = i+1, n+r.h.block
		}
		return r.hole(off, min(limit, n))
	}
	limit = min(limit, r.h.block-in)
	place := first*512 + r.bitmap() + in
	if r.maps != nil {
		own, n, err := r.maps.run(first*512, in, limit)
		switch {
		case err != nil:
			return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("bitmap of block %d: %w", i, err)}
		case !own:
			return r.hole(off, n)
		}
		limit = n
	}
	if place >= r.f.Size {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("block %d at %#x, behind the file's end", i, place)}
	}
	return container.Span{Len: min(limit, r.f.Size-place), From: r.f.R, At: place}
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
		{Name: "identifier", Value: fmt.Sprintf("%x", f.UniqueID)},
		{Name: "original size", Value: fmt.Sprint(f.OriginalSize)},
		{Name: "geometry", Value: fmt.Sprintf("%d/%d/%d", f.Cylinders, f.Heads, f.Sectors)},
	}
	if r.h != nil {
		out = append(out, container.Field{Name: "block size", Value: fmt.Sprint(r.h.block)})
	}
	if f.Type == Differencing {
		out = append(out, container.Field{Name: "identifier of the parent", Value: fmt.Sprintf("%x", r.h.parentID)})
		for _, name := range r.h.parents {
			out = append(out, container.Field{Name: "parent", Value: name})
		}
	}
	return out
}
