package vhdx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
)

// Options change how a disk is opened. The zero value opens what is one file.
type Options struct {
	// Open opens a parent by a name that the disk gives, folder and all: whether
	// that folder is looked into is the caller's choice.
	Open func(name string) (container.File, error)

	above  []guid.GUID // data write identifiers of the disks that stand on this one
	expect []string    // data write identifiers of which the disk must have one: it is a parent
}

// Reader is a disk. It is safe for concurrent use.
type Reader struct {
	*container.Disk
	Metadata *Metadata
	Replayed int // entries of the log that were replayed
	f        container.File
	r        io.ReaderAt // f, with its log replayed
	size     int64       // of that
	h        *head
	creator  string
	bat      region
	blocks   int64 // payload blocks of the medium
	ratio    int64 // payload blocks to a sector bitmap block
	parent   *Reader
	lost     error // why what the disk does not store is not known
	problems container.Problems
}

// Open opens a disk.
func Open(f container.File, o Options) (*Reader, error) {
	r := &Reader{f: f, r: f.R, size: f.Size}
	b, err := full(f.R, 8+512, 0)
	if err != nil {
		return nil, fmt.Errorf("file type identifier: %w", err)
	}
	if string(b[:8]) != Magic {
		return nil, cursor.Errorf(0, "no file type identifier, but % x", b[:8])
	}
	r.creator, _, _ = strings.Cut(text(b[8:]), "\x00")
	if r.h, err = readHead(f, &r.problems); err != nil {
		return nil, err
	}
	if id := r.h.dataID.String(); o.expect != nil && !slices.Contains(o.expect, id) {
		return nil, fmt.Errorf("%s has changed or is another disk: its data was written as %s, the parent's as %s", f.Name, id, o.expect[0])
	}
	if !r.h.log.Zero() {
		r.replay()
	}
	var meta region
	if r.bat, meta, err = readRegions(r.r, &r.problems); err != nil {
		return nil, err
	}
	if r.Metadata, err = readMetadata(r.r, meta, &r.problems); err != nil {
		return nil, err
	}
	m := r.Metadata
	r.ratio = (1 << 23) * m.Logical / m.Block
	r.blocks = (m.Size + m.Block - 1) / m.Block
	if need := r.index(r.blocks-1)*8 + 8; need > r.bat.size || need > MaxBAT {
		return nil, fmt.Errorf("a table of blocks of %d bytes, the medium needs %d", r.bat.size, need)
	}
	r.checkTable(meta)
	l := container.Layout{Size: m.Size, Span: r.span}
	if m.HasParent {
		r.openParent(o)
	}
	if r.parent != nil {
		l.Under = []*container.Disk{r.parent.Disk}
	}
	r.Disk = container.New(l)
	return r, nil
}

// replay lays the log over the file.
func (r *Reader) replay() {
	x, err := replay(r.f, r.h)
	if err != nil {
		r.problems.Reportf(r.h.logAt, "the disk was not closed, and its log is not replayed: %v; what is read may be of two times", err)
		return
	}
	r.r, r.size, r.Replayed = x, x.size, x.entries
	r.problems.Report(container.Problem{Off: r.h.logAt, Note: true, What: fmt.Sprintf("the disk was not closed; %d entries of its log were replayed in memory", x.entries)})
	for _, d := range x.doubts {
		r.problems.Reportf(r.h.logAt, "%s", d)
	}
}

// index is the place of a payload block in the table: after each ratio of them
// stands a sector bitmap block.
func (r *Reader) index(block int64) int64 { return block + block/r.ratio }

func (r *Reader) openParent(o Options) {
	r.lost = errors.New("no other file can be opened")
	// Told before its own parents are looked for: names could branch at every step.
	o.expect = []string{fold(r.Metadata.value("parent_linkage")), fold(r.Metadata.value("parent_linkage2"))}
	o.above = append(slices.Clip(o.above), r.h.dataID)
	if len(o.above) > MaxParents {
		r.lost = fmt.Errorf("more than %d disks below each other", MaxParents)
	} else if slices.ContainsFunc(o.above, func(id guid.GUID) bool { return id.String() == o.expect[0] }) {
		r.lost = errors.New("the disk stands on itself")
	} else if o.Open != nil {
		for _, key := range []string{"relative_path", "absolute_win32_path", "volume_path"} {
			name := r.Metadata.value(key)
			if name == "" {
				continue
			}
			f, err := o.Open(name)
			if err == nil {
				r.parent, err = Open(f, o)
			}
			if r.lost = err; err == nil {
				return
			}
		}
	}
	r.lost = fmt.Errorf("the parent: %w", r.lost)
	r.problems.Reportf(0, "%v: what lies there is not known", r.lost)
}

// fold is a GUID's text without braces.
func fold(s string) string { return strings.ToLower(strings.Trim(s, "{}")) }

// States of a payload block (2.5.1.1).
const (
	notPresent = 0
	undefined  = 1
	zero       = 2
	unmapped   = 3
	unmapped95 = 5 // in drafts of the format (0.95)
	fullyHere  = 6
	partlyHere = 7

	bitmapHere  = 6 // of a sector bitmap block
	stateBits   = 7
	offsetShift = 20 // the rest of an entry: its place, in MiB
)

// span gives a run of the medium, as far as one part of the table tells.
func (r *Reader) span(off, limit int64) container.Span {
	m := r.Metadata
	i, in := off/m.Block, off%m.Block
	n := min((in+limit+m.Block-1)/m.Block, r.ratio-i%r.ratio, batPart/8)
	b, err := full(r.r, 8*n, r.bat.at+8*r.index(i))
	if err != nil && n > 1 { // what one sector of the table tells is lost, and no more
		n = min(n, max((512-(r.bat.at+8*r.index(i))%512)/8, 1))
		b, err = full(r.r, 8*n, r.bat.at+8*r.index(i))
	}
	if err != nil {
		return container.Span{Len: min(limit, n*m.Block-in), Kind: container.Corrupt, Err: fmt.Errorf("table of blocks from %d on: %w", i, err)}
	}
	at := func(k int64) uint64 { return binary.LittleEndian.Uint64(b[8*k:]) }
	e := at(0)
	state := e & stateBits
	run := int64(1)
	for ; run < n; run++ { // neighbours that go on in the same way
		x := at(run)
		if x&stateBits != state || state == partlyHere || state == fullyHere && x>>offsetShift != e>>offsetShift+uint64(run*m.Block>>offsetShift) {
			break
		}
	}
	limit = min(limit, run*m.Block-in)
	switch state {
	case notPresent:
		if m.HasParent {
			return r.below(off, limit)
		}
		return container.Span{Len: limit, Kind: container.Zero}
	case undefined, zero, unmapped, unmapped95:
		return container.Span{Len: limit, Kind: container.Zero}
	case fullyHere:
		return r.stored(i, int64(e>>offsetShift)<<offsetShift+in, limit)
	case partlyHere:
		if !m.HasParent {
			return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("block %d is shared with a parent, and there is none", i)}
		}
		return r.partly(i, e, off, in, limit)
	}
	return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("block %d has the state %d", i, state)}
}

// stored is a run that lies in the file as it is.
func (r *Reader) stored(i, place, limit int64) container.Span {
	if place < 1<<20 || place >= r.size {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("block %d at %#x, in a file of %d bytes", i, place, r.size)}
	}
	return container.Span{Len: min(limit, r.size-place), From: r.r, At: place}
}

// partly is a run of a block that shares its sectors with the parent's: a bit
// for each, the lowest of a byte first.
func (r *Reader) partly(i int64, e uint64, off, in, limit int64) container.Span {
	m := r.Metadata
	bad := func(err error) container.Span {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("sector bitmap of block %d: %w", i, err)}
	}
	b, err := full(r.r, 8, r.bat.at+8*(r.index(i-i%r.ratio)+r.ratio))
	if err != nil {
		return bad(err)
	}
	x := binary.LittleEndian.Uint64(b)
	if x&stateBits != bitmapHere {
		return bad(fmt.Errorf("state %d", x&stateBits))
	}
	first := (i%r.ratio*m.Block + in) / m.Logical // sector in the chunk
	from := first / 8
	place := int64(x>>offsetShift)<<offsetShift + from
	bits, err := full(r.r, min((limit/m.Logical+16)/8+1, bitmapPart, 1<<20-from), place)
	if err != nil {
		n := min((limit/m.Logical+16)/8+1, 512-place%512)
		if bits, err = full(r.r, n, place); err != nil {
			limit = min(limit, (8*(from+n)-first)*m.Logical-in%m.Logical)
			return bad(err)
		}
	}
	bit := func(s int64) bool { return bits[s/8-from]>>(s%8)&1 != 0 }
	own := bit(first)
	n := m.Logical - in%m.Logical
	for s := first + 1; n < limit && s/8-from < int64(len(bits)) && bit(s) == own; s++ {
		n += m.Logical
	}
	limit = min(limit, n)
	if own {
		return r.stored(i, int64(e>>offsetShift)<<offsetShift+in, limit)
	}
	return r.below(off, limit)
}

// below is what the disk leaves to its parent.
func (r *Reader) below(off, limit int64) container.Span {
	switch {
	case r.lost != nil:
		return container.Span{Len: limit, Kind: container.Unknown, Err: r.lost}
	case r.parent == nil || off >= r.parent.Size():
		return container.Span{Len: limit, Kind: container.Zero}
	}
	return container.Span{Len: min(limit, r.parent.Size()-off), From: r.parent.Disk, At: off}
}

// Variant names the type of disk.
func (r *Reader) Variant() string {
	switch {
	case r.Metadata.HasParent:
		return "differencing"
	case r.Metadata.Fixed:
		return "fixed"
	}
	return "dynamic"
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

// Fields are the values of headers and metadata.
func (r *Reader) Fields() []container.Field {
	m := r.Metadata
	out := []container.Field{{Name: "creator", Value: r.creator}, {Name: "block size", Value: fmt.Sprint(m.Block)},
		{Name: "physical sector", Value: fmt.Sprint(m.Physical)}, {Name: "identifier", Value: m.ID.String()},
		{Name: "data write identifier", Value: r.h.dataID.String()}}
	if r.h.log != (guid.GUID{}) {
		out = append(out, container.Field{Name: "log entries replayed", Value: fmt.Sprint(r.Replayed)})
	}
	for _, l := range m.Parent {
		out = append(out, container.Field{Name: "parent " + l.Key, Value: l.Value})
	}
	return out
}
