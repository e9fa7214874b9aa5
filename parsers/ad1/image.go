package ad1

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

// Types of item that are known. The metadata of category 2 tells more.
const (
	File   = 0
	Folder = 5
)

// Item is a file or a folder.
type Item struct {
	Name   string // as stored; UTF-8 from FTK Imager
	Parent int    // place in Items, -1 at the top
	Type   uint32 // File, Folder, or another that is not known
	Size   int64  // bytes of the content
	Addr   int64  // where it stands

	next, child, meta, chunks int64
	parent                    int64
	hurt                      error // an address in it that cannot be
}

// Image is an open AD1. It is safe for concurrent use.
type Image struct {
	s        *space
	problems container.Problems
	version  uint32
	chunk    int64 // bytes of a chunk, inflated
	name     string
	first    int64 // address of the first item
	items    []Item
	decoders sync.Pool
}

// Version is 3 or 4.
func (im *Image) Version() int { return int(im.version) }

// Name is what the image was made of, in its own words: "E:\folder", "Custom
// Content Image([Multi])".
func (im *Image) Name() string { return im.name }

// Items are all files and folders; a parent stands before its children.
func (im *Image) Items() []Item { return im.items }

// Files are the names of the segments that are there, in order.
func (im *Image) Files() []string {
	var out []string
	for _, p := range im.s.parts {
		if p.f.R != nil {
			out = append(out, p.f.Name)
		}
	}
	return out
}

// Problems lists what was found wrong with the structure.
func (im *Image) Problems() []container.Problem { return im.problems.Problems() }

// Path is the names from the top to item i.
func (im *Image) Path(i int) []string {
	var out []string
	for ; i >= 0; i = im.items[i].Parent {
		out = append(out, im.items[i].Name)
	}
	slices.Reverse(out)
	return out
}

func (im *Image) report(off int64, format string, args ...any) {
	p := container.Problem{Off: off, What: fmt.Sprintf(format, args...)}
	if in := im.s.part(off); in != nil {
		p.File, p.Off = in.f.Name, off-in.at+segmentHeader
	}
	im.problems.Report(p)
}

// Open opens the segments of a set, in any order. Those that are not given are
// missing: what they hold is unknown.
func Open(segments []container.File) (*Image, error) {
	if len(segments) == 0 {
		return nil, errors.New("no segments")
	}
	im := &Image{decoders: sync.Pool{New: func() any { return &decoder{} }}}
	var err error
	if im.s, err = newSpace(segments, &im.problems); err != nil {
		return nil, err
	}
	if err := im.header(); err != nil {
		return nil, err
	}
	if im.first != 0 {
		im.walk()
	}
	return im, nil
}

// header reads what stands at address 0.
func (im *Image) header() error {
	b := make([]byte, min(92, im.s.size()))
	if err := readFull(im.s, b, 0); err != nil {
		return im.s.errorf(0, "image header: %w", err)
	}
	c := cursor.At(b, segmentHeader)
	if sig := c.Take(16, "signature"); c.Err() == nil && string(sig) != "ADLOGICALIMAGE\x00\x00" {
		return cursor.Errorf(segmentHeader, "no logical image: begins with % x", sig[:4])
	}
	im.version = c.U32("version")
	c.U32("unknown")
	im.chunk = int64(c.U32("size of a chunk"))
	c.U64("metadata of the image")
	first := c.U64("first item")
	nameLen := c.U32("length of the name")
	name := int64(48)
	footers := []footer{}
	if im.version == 4 {
		c.Take(4, "AD")
		name = int64(c.U32("place of the name"))
		c.U32("place of the name, high half")
		footers = append(footers, footer{"ATTRGUID", c.U64("ATTRGUID")})
		c.U64("unknown")
		footers = append(footers, footer{"LOCSGUID", c.U64("LOCSGUID")})
	}
	switch {
	case c.Err() != nil:
		return c.Err()
	case im.version != 3 && im.version != 4:
		return fmt.Errorf("AD1 version %d %w", im.version, ErrUnsupported)
	case im.chunk < 512 || im.chunk > MaxChunk:
		return cursor.Errorf(segmentHeader+24, "chunks of %d bytes", im.chunk)
	case first >= uint64(im.s.size()):
		return cursor.Errorf(segmentHeader+36, "first item at %#x, the image ends at %#x", first, im.s.size())
	case nameLen > MaxName:
		return cursor.Errorf(segmentHeader+44, "name of %d bytes", nameLen)
	}
	im.first = int64(first)
	n := make([]byte, nameLen)
	if err := readFull(im.s, n, name); err != nil {
		im.report(name, "name of the image: %v", err)
		n = nil
	}
	im.name = string(n)
	im.checkFooters(footers)
	return nil
}

type footer struct {
	sig string
	at  uint64
}

// checkFooters looks whether the tables at the end are there: an image that is
// cut lacks them.
func (im *Image) checkFooters(all []footer) {
	for _, f := range all {
		b := make([]byte, len(f.sig))
		if f.at >= uint64(im.s.size()) {
			im.report(0, "the image ends at %#x, its table %s is at %#x: it is cut", im.s.size(), f.sig, f.at)
		} else if err := readFull(im.s, b, int64(f.at)); err != nil {
			im.report(int64(f.at), "table %s: %v", f.sig, err)
		} else if string(b) != f.sig {
			im.report(int64(f.at), "no table %s here", f.sig)
		}
	}
}
