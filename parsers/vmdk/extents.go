package vmdk

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

// part is a run of the medium: an extent.
type part struct {
	off, size int64
	span      func(off, limit int64) container.Span // offsets within it
}

// extents opens all extents. At least one must be readable.
func (c *chain) extents(f container.File, h *header, d *Descriptor, hole *hole) ([]part, error) {
	own := -1
	if h != nil {
		own = ownExtent(f.Name, d)
	}
	var parts []part
	var off int64
	var first error
	good := false
	for i, e := range d.Extents {
		p := part{off: off, size: e.Sectors * sectorSize}
		if off += p.size; off > maxSectors*sectorSize {
			return nil, fmt.Errorf("descriptor: more than %d sectors", int64(maxSectors))
		}
		if p.size == 0 {
			continue
		}
		var err error
		switch {
		case i == own:
			p.span, err = c.sparse(f, h, p, hole)
		case e.Type == "ZERO":
			p.span = func(_, limit int64) container.Span { return container.Span{Len: limit, Kind: container.Zero} }
		default:
			p.span, err = c.extent(e, p, hole)
		}
		if errors.Is(err, ErrUnsupported) {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
		if err != nil {
			c.report(f.Name, 0, "medium %#x to %#x: %v", p.off, p.off+p.size, err)
			c.missing = append(c.missing, err)
			if first == nil {
				first = err
			}
			p.span = missing(err)
		}
		good = good || err == nil
		parts = append(parts, p)
	}
	switch {
	case len(parts) == 0:
		return nil, errors.New("descriptor: lists no extent")
	case !good:
		return nil, fmt.Errorf("nothing of the disk can be read: %w", first)
	}
	return parts, nil
}

// ownExtent is the extent that the descriptor's own file is. Its name is that
// of the day when it was written: files are renamed.
func ownExtent(name string, d *Descriptor) int {
	for i, e := range d.Extents {
		if strings.EqualFold(e.Name[strings.LastIndexAny(e.Name, `/\`)+1:], name) {
			return i
		}
	}
	return 0
}

// extentError tells a file that cannot be understood from one that is not there.
type extentError struct {
	kind container.Kind
	err  error
}

func (e *extentError) Error() string { return e.err.Error() }
func (e *extentError) Unwrap() error { return e.err }

func missing(err error) func(off, limit int64) container.Span {
	kind := container.Unknown
	if e, ok := errors.AsType[*extentError](err); ok {
		kind = e.kind
	}
	return func(_, limit int64) container.Span { return container.Span{Len: limit, Kind: kind, Err: err} }
}

// extent opens the file of an extent.
func (c *chain) extent(e Extent, p part, hole *hole) (func(off, limit int64) container.Span, error) {
	flat := e.Type == "FLAT" || e.Type == "VMFS"
	switch {
	case e.Type == "SESPARSE":
		return nil, fmt.Errorf("a SESPARSE extent %w", ErrUnsupported)
	case !flat && e.Type != "SPARSE" && e.Type != "VMFSSPARSE":
		return nil, fmt.Errorf("extent %s of type %s: its content is not in a file", e.Name, e.Type)
	case c.o.Open == nil:
		return nil, fmt.Errorf("extent %s: is another file", e.Name)
	}
	f, err := c.o.Open(e.Name)
	if err != nil {
		return nil, fmt.Errorf("extent %w", err)
	}
	if flat {
		c.use(f.Name)
		c.plain = true
		return c.flat(f, e, p), nil
	}
	h, err := readHeader(f, func(off int64, format string, args ...any) { c.report(f.Name, off, format, args...) })
	if err != nil {
		return nil, &extentError{container.Corrupt, fmt.Errorf("extent %s: %w", f.Name, err)}
	}
	c.use(f.Name)
	return c.sparse(f, h, p, hole)
}

// flat is an extent whose file holds the sectors as they are.
func (c *chain) flat(f container.File, e Extent, p part) func(off, limit int64) container.Span {
	start := e.Start * sectorSize
	cut := cursor.Errorf(f.Size, "%s: the file ends, the extent goes on to %#x", f.Name, start+p.size)
	if f.Size < start+p.size {
		c.report(f.Name, f.Size, "medium %#x to %#x: the file ends, the extent goes on to %#x",
			p.off+max(f.Size-start, 0), p.off+p.size, start+p.size)
	}
	return func(off, limit int64) container.Span {
		at := start + off
		if at >= f.Size {
			return container.Span{Len: limit, Kind: container.Unknown, Err: cut}
		}
		return container.Span{Len: min(limit, f.Size-at), Kind: container.Data, From: f.R, At: at}
	}
}

func (c *chain) sparse(f container.File, h *header, p part, hole *hole) (func(off, limit int64) container.Span, error) {
	s := newSparse(f, h, p.off, hole, c)
	if h.unclean {
		c.problems.Report(container.Problem{File: f.Name, What: "was not closed cleanly: the machine ran, or was switched off", Note: true})
	}
	if have := h.capacity * sectorSize; have != p.size {
		c.report(f.Name, 12, "the extent has %d sectors, the descriptor says %d", h.capacity, p.size/sectorSize)
	}
	if !h.compressed {
		c.plain = true
		return s.span, nil
	}
	if c.streams++; c.streams > MaxStreams {
		return nil, fmt.Errorf("%s: more than %d compressed extents", f.Name, MaxStreams)
	}
	// Each has a cache of its own: the first half of what there is, the next
	// half of the rest; there is seldom more than one.
	c.cache /= 2
	disk := s.disk(c.cache, c.o.Workers)
	c.under = append(c.under, disk)
	return func(off, limit int64) container.Span {
		if off >= disk.Size() {
			return s.span(off, limit)
		}
		return container.Span{Len: min(limit, disk.Size()-off), Kind: container.Data, From: disk, At: off}
	}, nil
}

// concat is the medium that the extents make, one behind the other.
func concat(parts []part, under []*container.Disk) *container.Disk {
	last := parts[len(parts)-1]
	return container.New(container.Layout{Size: last.off + last.size, Under: under, Span: func(off, limit int64) container.Span {
		i := sort.Search(len(parts), func(i int) bool { return parts[i].off > off }) - 1
		p := parts[i]
		return p.span(off-p.off, min(limit, p.off+p.size-off))
	}})
}
