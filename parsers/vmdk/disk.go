package vmdk

import (
	"errors"
	"fmt"
	"slices"
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
	if d.encrypted {
		return nil, fmt.Errorf("an encrypted disk %w", ErrUnsupported)
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
