package ese

import (
	"encoding/binary"
	"fmt"
)

// Flags of a page.
const (
	pageRoot      = 0x0001
	pageLeaf      = 0x0002
	pageEmpty     = 0x0008
	pageSpace     = 0x0020
	pageIndex     = 0x0040
	pageLong      = 0x0080
	pageNewChecks = 0x2000
)

// Flags of a node.
const (
	nodeDeleted    = 2
	nodeCompressed = 4 // the first part of its key stands in tag 0
)

// page is one page, taken apart.
type page struct {
	number uint32
	off    int64
	b      []byte
	object uint32 // the tree that it belongs to
	flags  uint32
	prefix []byte // what keys of the page begin with
	nodes  []node
	bad    bool // checksum
}

// node is one entry of a page.
type node struct {
	off   int    // in the page
	size  int    // all of it
	flags uint16 // nodeDeleted, nodeCompressed
	key   []byte
	data  []byte
	err   error // it does not fit
}

func (f *File) at(n uint32) int64 { return (int64(n) + 1) * int64(f.Header.PageSize) }

// readPage reads and takes apart a page.
func (f *File) readPage(n uint32) (*page, error) {
	if n == 0 || n > f.Header.Pages {
		return nil, &Error{Off: f.at(min(n, f.Header.Pages)), What: fmt.Sprintf("page %d of %d", n, f.Header.Pages)}
	}
	p := &page{number: n, off: f.at(n), b: make([]byte, f.Header.PageSize)}
	if got, err := f.r.ReadAt(p.b, p.off); got < len(p.b) {
		return nil, &Error{Off: p.off, What: fmt.Sprintf("page %d: %d of %d bytes: %v", n, got, len(p.b), err), Err: err}
	}
	p.object = binary.LittleEndian.Uint32(p.b[24:])
	p.flags = binary.LittleEndian.Uint32(p.b[36:])
	p.bad = !f.sound(p)
	return p, f.tags(p)
}

// sound checks a small page's XOR checksum: over all words behind the two that
// hold it, begun with the page's number (libesedb, "checksum"). Large pages
// have one over four parts, which is not checked.
func (f *File) sound(p *page) bool {
	if f.large {
		return true
	}
	sum, from := p.number, 8
	if p.flags&pageNewChecks == 0 {
		sum, from = signature, 4
	}
	for b := p.b[from:]; len(b) >= 4; b = b[4:] {
		sum ^= binary.LittleEndian.Uint32(b)
	}
	return sum == binary.LittleEndian.Uint32(p.b)
}

// tags reads the entries: their places stand at the end of the page, the last
// one first.
func (f *File) tags(p *page) error {
	head := 40
	if f.large {
		head = 80
	}
	count := int(binary.LittleEndian.Uint16(p.b[34:]) & 0x0fff)
	if count*4 > len(p.b)-head {
		return &Error{Off: p.off + 34, What: fmt.Sprintf("page %d: %d entries do not fit", p.number, count)}
	}
	mask := 0x1fff
	if f.large {
		mask = 0x7fff
	}
	for i := range count {
		t := p.b[len(p.b)-4*(i+1):]
		size, off := int(binary.LittleEndian.Uint16(t)), int(binary.LittleEndian.Uint16(t[2:]))
		n := node{flags: uint16(off) >> 13, size: size & mask, off: head + off&mask}
		if n.off+n.size > len(p.b)-4*count {
			n.err = &Error{Off: p.off + int64(len(p.b)-4*(i+1)), What: fmt.Sprintf("page %d entry %d: %d bytes at %d do not fit", p.number, i, n.size, n.off)}
			n.size, n.off = 0, min(n.off, len(p.b))
		}
		b := p.b[n.off : n.off+n.size : n.off+n.size]
		if f.large && len(b) >= 2 { // the flags stand in the first word of the entry
			n.flags = uint16(b[1]) >> 5
		}
		if i == 0 {
			p.prefix = b
			if n.err != nil {
				return n.err
			}
			continue
		}
		if n.err == nil {
			f.split(p, &n, b)
		}
		p.nodes = append(p.nodes, n)
	}
	return nil
}

// split takes an entry apart into key and data.
func (f *File) split(p *page, n *node, b []byte) {
	word := func(what string) int {
		if len(b) < 2 {
			n.err = &Error{Off: p.off + int64(n.off), What: fmt.Sprintf("page %d: entry of %d bytes has no %s", p.number, n.size, what)}
			return 0
		}
		v := int(binary.LittleEndian.Uint16(b))
		b = b[2:]
		return v & 0x1fff // the upper bits are flags where pages are large
	}
	common := 0
	if n.flags&nodeCompressed != 0 {
		common = word("length of the common key")
	}
	local := word("length of the key")
	if n.err != nil {
		return
	}
	if local > len(b) || common > len(p.prefix) {
		n.err = &Error{Off: p.off + int64(n.off), What: fmt.Sprintf("page %d: key of %d and %d bytes in an entry of %d", p.number, common, local, n.size)}
		return
	}
	n.key = b[:local:local]
	if common > 0 {
		n.key = append(append(make([]byte, 0, common+local), p.prefix[:common]...), b[:local]...)
	}
	n.data = b[local:]
}

// leaves walks a tree in the order of its keys, each page once, and gives its
// leaf pages. An error belongs to one page or entry.
func (f *File) leaves(root uint32, yield func(*page, error) bool) {
	w := walk{f: f, seen: map[uint32]bool{}, yield: yield}
	w.page(root, 0)
}

type walk struct {
	f      *File
	object uint32
	seen   map[uint32]bool
	yield  func(*page, error) bool
}

// page tells whether to go on.
func (w *walk) page(n uint32, depth int) bool {
	if w.seen[n] || depth > maxDepth {
		return w.yield(nil, &Error{Off: w.f.at(min(n, w.f.Header.Pages)), What: fmt.Sprintf("page %d: the tree leads there twice, or is deeper than %d", n, maxDepth)})
	}
	w.seen[n] = true
	p, err := w.f.readPage(n)
	if p == nil {
		return w.yield(nil, err)
	}
	if depth == 0 {
		w.object = p.object
	}
	switch {
	case p.object != w.object:
		return w.yield(nil, &Error{Off: p.off, What: fmt.Sprintf("page %d belongs to tree %d, not %d", n, p.object, w.object)})
	case depth == 0 && p.flags&pageRoot == 0:
		return w.yield(nil, &Error{Off: p.off, What: fmt.Sprintf("page %d with flags %#x is no root", n, p.flags)})
	case p.flags&(pageSpace|pageIndex) != 0:
		return w.yield(nil, &Error{Off: p.off, What: fmt.Sprintf("page %d with flags %#x is none of a table", n, p.flags)})
	}
	if p.bad && !w.yield(nil, &Error{Off: p.off, What: fmt.Sprintf("page %d: %v", n, ErrChecksum), Err: ErrChecksum}) {
		return false
	}
	if err != nil && !w.yield(nil, err) {
		return false
	}
	if p.flags&pageLeaf != 0 {
		return w.yield(p, nil)
	}
	for i := range p.nodes {
		e := &p.nodes[i]
		if e.err == nil && len(e.data) < 4 {
			e.err = &Error{Off: p.off + int64(e.off), What: fmt.Sprintf("page %d: a branch of %d bytes", n, len(e.data))}
		}
		if e.err != nil {
			if !w.yield(nil, e.err) {
				return false
			}
			continue
		}
		if !w.page(binary.LittleEndian.Uint32(e.data), depth+1) {
			return false
		}
	}
	return true
}
