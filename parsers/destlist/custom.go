package destlist

import (
	"bytes"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/utf16"
)

// Custom is a file of custom destinations.
type Custom struct {
	Version    uint32
	Declared   uint32 // categories, by the header
	Categories []Category
	Damage     []error
}

// Category is a group of destinations.
type Category struct {
	Offset   int64
	Type     uint32 // 0 named by the program, 1 known, 2 tasks
	Name     string // of type 0
	Known    int32  // of type 1: 1 frequent, 2 recent
	Declared uint32 // entries, by the category
	Links    []Link
}

// Link is the place of a shell link in the file.
type Link struct {
	Offset int64
	Length int64
}

// linkClass is the class that stands before each link; the link repeats it
// four bytes after its own beginning.
var linkClass = []byte{0x01, 0x14, 0x02, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46}

// footer ends a category.
const footer = 0xBABFFBAB

// ParseCustom reads a file of custom destinations. length tells how many bytes
// of its argument, which begins with a link, belong to it; 0 where it is none.
func ParseCustom(b []byte, length func([]byte) int64) (*Custom, error) {
	c := cursor.New(b)
	f := &Custom{Version: c.U32("version"), Declared: c.U32("number of categories")}
	c.Skip(4, "header")
	if c.Err() != nil {
		return nil, c.Err()
	}
	if f.Version != 2 {
		return nil, cursor.Errorf(0, "version %d of custom destinations is not known", f.Version)
	}
	for uint32(len(f.Categories)) < f.Declared && c.Err() == nil {
		f.category(c, b, length)
	}
	if c.Err() != nil {
		f.Damage = append(f.Damage, c.Err())
	} else if c.Left() > 0 {
		f.Damage = append(f.Damage, cursor.Errorf(c.Pos(), "%d bytes behind the %d categories that the header declares", c.Left(), f.Declared))
	}
	return f, nil
}

// category reads one; what it held before an error is kept.
func (f *Custom) category(c *cursor.Cursor, b []byte, length func([]byte) int64) {
	cat := Category{Offset: c.Pos(), Type: c.U32("category type")}
	switch cat.Type {
	case 0:
		cat.Name = utf16.String(c.Take(2*int(c.U16("size of name")), "name"))
		cat.Declared = c.U32("number of entries")
	case 1:
		cat.Known = int32(c.U32("category"))
	case 2:
		cat.Declared = c.U32("number of entries")
	default:
		c.Fail("category type %d", cat.Type)
	}
	for uint32(len(cat.Links)) < cat.Declared && c.Err() == nil {
		class := c.Take(16, "class of entry")
		if class == nil {
			break
		}
		if !bytes.Equal(class, linkClass) {
			c.Fail("entry of class %s is not read", guid.From(class))
			break
		}
		at := c.Off()
		n := length(b[at:])
		if n <= 0 {
			c.Fail("no link where one is declared")
			break
		}
		c.Skip(int(n), "link")
		cat.Links = append(cat.Links, Link{int64(at), n})
	}
	if end := c.U32("end of category"); c.Err() == nil && end != footer {
		c.Fail("category ends with %#x", end)
	}
	if c.Err() == nil || len(cat.Links) > 0 {
		f.Categories = append(f.Categories, cat)
	}
}
