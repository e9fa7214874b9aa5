package vmdk

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

// Options change how a disk is opened. The zero value opens what is one file.
type Options struct {
	// Open opens an extent or a parent by the name that the descriptor gives,
	// folder and all: whether that folder is looked into is the caller's choice.
	Open       func(name string) (container.File, error)
	CacheBytes int64 // decoded grains kept of a compressed extent; 0 is 32 MiB
	Workers    int   // grains decoded ahead; 0 is GOMAXPROCS
}

// Disk is a virtual disk. It is safe for concurrent use.
type Disk struct {
	*container.Disk
	top      *link
	problems *container.Problems
	files    []string
	missing  []error
	checked  bool
}

// Descriptor is what the disk says of itself: that of the snapshot, where it
// is one.
func (d *Disk) Descriptor() *Descriptor { return d.top.d }

// Files are the names of all files that are read, the one that was opened
// first, then its extents, then its parents'.
func (d *Disk) Files() []string { return d.files }

// Problems lists what was found wrong so far. A damaged table is found when it
// is read.
func (d *Disk) Problems() []container.Problem { return d.problems.Problems() }

// Missing says which extents and parents could not be used, and why.
func (d *Disk) Missing() []error { return d.missing }

// Checked tells whether all that is stored has checksums: whether all extents
// are compressed.
func (d *Disk) Checked() bool { return d.checked }

// Fields are the values of the descriptor, the extents, and the parents.
func (d *Disk) Fields() []container.Field {
	out := slices.Clone(d.top.d.Fields)
	for i, e := range d.top.d.Extents {
		v := strings.TrimSpace(fmt.Sprintf("%s %d %s %s", e.Access, e.Sectors, e.Type, e.Name))
		out = append(out, container.Field{Name: "extent " + strconv.Itoa(i+1), Value: v})
	}
	n := 0
	for l := d.top.parent; l != nil; l = l.parent {
		n++
		out = append(out, container.Field{Name: "parent " + strconv.Itoa(n), Value: fmt.Sprintf("%s, CID %08x", l.file, l.d.CID)})
	}
	return out
}

// link is one disk of a chain of snapshots.
type link struct {
	file   string
	d      *Descriptor
	disk   *container.Disk
	parent *link // nil where there is none, or it cannot be used
}

// chain is what the disks of a chain share.
type chain struct {
	o        Options
	kept     *tables
	problems *container.Problems
	files    []string
	opened   []string // the links: none is its own ancestor

	missing []error
	plain   bool // an extent is not compressed
	streams int  // compressed extents
	cache   int64
	under   []*container.Disk // the compressed extents of the link that is opened now
}

func (c *chain) report(file string, off int64, format string, args ...any) {
	c.problems.Report(container.Problem{File: file, Off: off, What: fmt.Sprintf(format, args...)})
}

// Open opens a disk by its descriptor, or by the extent that has it inside. An
// extent without one is opened as far as it can be understood by itself.
// ErrUnsupported is in the error for a kind that is not read.
func Open(f container.File, o Options) (*Disk, error) {
	c := &chain{o: o, kept: &tables{all: map[tableKey]*table{}}, problems: &container.Problems{}, cache: 2 * o.CacheBytes}
	if o.CacheBytes <= 0 {
		c.cache = 64 << 20
	}
	l, err := c.open(f)
	if err != nil {
		return nil, err
	}
	return &Disk{Disk: l.disk, top: l, problems: c.problems, files: c.files, missing: c.missing, checked: !c.plain}, nil
}

// ReadDescriptor reads the descriptor of a file, its own text or what is
// inside an extent, and opens nothing else. It is nil where an extent has none.
func ReadDescriptor(f container.File) (*Descriptor, error) {
	_, d, err := readFile(f, func(int64, string, ...any) {})
	return d, err
}

// readFile reads the file that begins a disk. h is nil for a bare descriptor.
func readFile(f container.File, report func(int64, string, ...any)) (h *header, d *Descriptor, err error) {
	head := make([]byte, min(sectorSize, f.Size))
	if err := readFull(f.R, head, 0); err != nil {
		return nil, nil, fmt.Errorf("its first bytes: %w", err)
	}
	off, n := int64(0), f.Size
	if Identify(head) != Text {
		if h, err = readHeader(f, report); err != nil {
			return nil, nil, err
		}
		if h.descriptor == 0 {
			return h, nil, nil
		}
		off, n = h.descriptor*sectorSize, h.descriptorLen*sectorSize
		if off >= f.Size {
			return h, nil, cursor.Errorf(28, "descriptor at %#x, behind the file's end", off)
		}
		n = min(n, f.Size-off, MaxDescriptor)
		if n < 1 {
			return h, nil, nil
		}
	}
	if n > MaxDescriptor {
		return h, nil, cursor.Errorf(off, "descriptor: %d bytes, limit %d", n, MaxDescriptor)
	}
	b := make([]byte, n)
	if err := readFull(f.R, b, off); err != nil {
		return h, nil, cursor.Errorf(off, "descriptor: %w", err)
	}
	if h != nil && b[0] == 0 { // room that an extent of a set does not use
		return h, nil, nil
	}
	if d, err = ParseDescriptor(b, off); err != nil {
		return h, nil, err
	}
	d.Embedded = h != nil
	return h, d, nil
}

// open opens one disk of a chain.
func (c *chain) open(f container.File) (*link, error) {
	for _, name := range c.opened {
		if strings.EqualFold(name, f.Name) {
			return nil, fmt.Errorf("%s is its own parent", f.Name)
		}
	}
	if len(c.opened) > MaxParents {
		return nil, fmt.Errorf("more than %d parents", MaxParents)
	}
	c.opened = append(c.opened, f.Name)
	c.use(f.Name)
	report := func(off int64, format string, args ...any) { c.report(f.Name, off, format, args...) }
	h, d, err := readFile(f, report)
	bare := h != nil && d == nil
	switch {
	case err != nil && h == nil:
		return nil, err
	case err != nil:
		report(h.descriptor*sectorSize, "%v", err)
		fallthrough
	case bare:
		report(0, "an extent without its descriptor: what it does not store may be zero or a parent's, and it may be a part only")
		d, bare = &Descriptor{ParentCID: NoParent, Extents: []Extent{{Access: "RW", Sectors: h.capacity, Type: "SPARSE", Name: f.Name}}}, true
	}
	for _, p := range d.problems {
		p.File = f.Name
		c.problems.Report(p)
	}
	l := &link{file: f.Name, d: d}
	hole := &hole{}
	parts, err := c.extents(f, h, d, hole)
	if err != nil {
		return nil, err
	}
	under := c.under
	c.under = nil
	if bare {
		hole.err = errors.New("not stored, and no descriptor tells whether there is a parent")
	} else if hole.err = c.parent(l); l.parent != nil {
		hole.parent = l.parent.disk
		under = append(under, l.parent.disk)
	}
	l.disk = concat(parts, under)
	return l, nil
}

func (c *chain) use(name string) {
	if !slices.Contains(c.files, name) {
		c.files = append(c.files, name)
	}
}

// parent opens the disk that a snapshot stands on. The error says why what the
// snapshot does not store is unknown.
func (c *chain) parent(l *link) error {
	d := l.d
	if d.ParentCID == NoParent {
		if d.ParentName != "" {
			c.report(l.file, 0, "descriptor: names the parent %s but has no parentCID: it is read without", d.ParentName)
		}
		return nil
	}
	fail := func(format string, args ...any) error {
		err := fmt.Errorf("the snapshot's parent %s: %w", d.ParentName, fmt.Errorf(format, args...))
		c.report(l.file, 0, "%v: what the snapshot does not store is unknown", err)
		c.missing = append(c.missing, err)
		return err
	}
	if d.ParentName == "" || c.o.Open == nil {
		return fail("is not there")
	}
	f, err := c.o.Open(d.ParentName)
	if err != nil {
		return fail("%w", err)
	}
	files := slices.Clone(c.files)
	p, err := c.open(f)
	if err == nil && p.d.CID != d.ParentCID {
		err = fmt.Errorf("its content identifier is %08x, the snapshot was made of %08x: it was changed since, or is another disk", p.d.CID, d.ParentCID)
	}
	if err != nil {
		c.files = files
		return fail("%w", err)
	}
	l.parent = p
	return nil
}

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
