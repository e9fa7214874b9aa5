package vhdx

import (
	"encoding/binary"
	"fmt"
	"io"
	"unicode/utf16"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
)

// Metadata is what the disk says of itself (2.6).
type Metadata struct {
	Block     int64 // bytes of a payload block
	Fixed     bool  // blocks are left allocated
	HasParent bool
	Size      int64 // bytes of the medium
	Logical   int64 // bytes of a sector
	Physical  int64
	ID        guid.GUID // page 83 of the virtual disk
	Parent    []Locator // of a differencing disk, in the file's order
}

// Locator is one key and value of the parent locator.
type Locator struct{ Key, Value string }

// value is that of a key, "" where there is none.
func (m *Metadata) value(key string) string {
	for _, l := range m.Parent {
		if l.Key == key {
			return l.Value
		}
	}
	return ""
}

// The identifiers of the items, as guid.GUID prints them.
const (
	itemFile     = "caa16737-fa36-4d43-b3b6-33f0aa44e76b"
	itemSize     = "2fa54224-cd1b-4876-b211-5dbed83bf4b8"
	itemID       = "beca12ab-b2e6-4523-93ef-c309e000c746"
	itemLogical  = "8141bf1d-a96f-4709-ba47-f233a8faab5f"
	itemPhysical = "cda348c7-445d-4471-9cc9-e9885251c556"
	itemParent   = "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"

	locatorVHDX = "b04aefb7-d19e-4a81-b789-25b8e9445913"
)

func readMetadata(r io.ReaderAt, at region, problems *container.Problems) (*Metadata, error) {
	b, err := full(r, min(at.size, 32), at.at)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	if len(b) < 32 || string(b[:8]) != "metadata" {
		return nil, cursor.Errorf(at.at, "metadata: no signature")
	}
	n := int64(binary.LittleEndian.Uint16(b[10:]))
	if n > maxEntries || 32+32*n > at.size {
		return nil, cursor.Errorf(at.at+10, "metadata: %d items in %d bytes", n, at.size)
	}
	if b, err = full(r, 32+32*n, at.at); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	m := &Metadata{}
	for i := range n {
		e := b[32+32*i:]
		off, size := int64(binary.LittleEndian.Uint32(e[16:])), int64(binary.LittleEndian.Uint32(e[20:]))
		id, flags := guid.From(e[:16]).String(), binary.LittleEndian.Uint32(e[24:])
		if off+size > at.size || size > maxLocator {
			problems.Reportf(at.at+32+32*i, "metadata item %s: %d bytes at %#x", id, size, off)
			continue
		}
		v, err := full(r, size, at.at+off)
		if err != nil {
			problems.Reportf(at.at+off, "metadata item %s: %v", id, err)
			continue
		}
		if err := m.item(id, v, at.at+off, problems); err != nil {
			return nil, err
		}
		if flags&4 != 0 && !known(id) {
			return nil, fmt.Errorf("a metadata item %s that a reader must know, so the disk %w", id, ErrUnsupported)
		}
	}
	if !m.HasParent && m.Parent != nil {
		problems.Reportf(at.at, "metadata: a parent is named, and a flag says that there is none; it is taken as there")
		m.HasParent = true
	}
	return m, m.check(at.at)
}

func known(id string) bool {
	switch id {
	case itemFile, itemSize, itemID, itemLogical, itemPhysical, itemParent:
		return true
	}
	return false
}

// item takes one item in.
func (m *Metadata) item(id string, v []byte, at int64, problems *container.Problems) error {
	c := cursor.At(v, at)
	switch id {
	case itemFile:
		m.Block = int64(c.U32("block size"))
		flags := c.U32("flags")
		m.Fixed, m.HasParent = flags&1 != 0, flags&2 != 0
	case itemSize:
		m.Size = int64(min(c.U64("disk size"), 1<<62))
	case itemID:
		if b := c.Take(16, "page 83"); b != nil {
			m.ID = guid.From(b)
		}
	case itemLogical:
		m.Logical = int64(c.U32("logical sector"))
	case itemPhysical:
		m.Physical = int64(c.U32("physical sector"))
	case itemParent:
		return m.locators(v, at, problems)
	}
	return c.Err()
}

// locators takes the keys and values that name the parent in (2.6.2.6).
func (m *Metadata) locators(v []byte, at int64, problems *container.Problems) error {
	c := cursor.At(v, at)
	if b := c.Take(16, "type of locator"); b != nil && guid.From(b).String() != locatorVHDX {
		problems.Reportf(at, "parent locator of type %s, which is not VHDX's", guid.From(b))
	}
	c.Skip(2, "reserved")
	n := int(c.U16("keys"))
	part := func(off, n int) string {
		if off > len(v) || n > len(v)-off {
			problems.Reportf(at, "parent locator: %d bytes at %#x, in %d", n, off, len(v))
			return ""
		}
		return text(v[off : off+n])
	}
	for range n {
		key, value := c.U32("key offset"), c.U32("value offset")
		keyLen, valueLen := int(c.U16("key length")), int(c.U16("value length"))
		if c.Err() != nil {
			return c.Err()
		}
		limit := uint32(maxLocator + 1)
		m.Parent = append(m.Parent, Locator{part(int(min(key, limit)), keyLen), part(int(min(value, limit)), valueLen)})
	}
	return nil
}

func text(b []byte) string {
	var u []uint16
	for ; len(b) >= 2; b = b[2:] {
		u = append(u, binary.LittleEndian.Uint16(b))
	}
	return string(utf16.Decode(u))
}

// check holds the items to what the format allows.
func (m *Metadata) check(at int64) error {
	switch {
	case m.Block < 1<<20 || m.Block > 256<<20 || m.Block&(m.Block-1) != 0:
		return cursor.Errorf(at, "metadata: blocks of %d bytes", m.Block)
	case m.Logical != 512 && m.Logical != 4096:
		return cursor.Errorf(at, "metadata: sectors of %d bytes", m.Logical)
	case m.Size <= 0 || m.Size%m.Logical != 0:
		return cursor.Errorf(at, "metadata: a medium of %d bytes", m.Size)
	}
	return nil
}
