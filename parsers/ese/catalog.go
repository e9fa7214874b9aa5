package ese

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

const catalogPage = 4

// Type is a column's type (JET_coltyp).
type Type uint32

// The types.
const (
	Bit           Type = 1
	UnsignedByte  Type = 2
	Short         Type = 3
	Long          Type = 4
	Currency      Type = 5
	Single        Type = 6
	Double        Type = 7
	DateTime      Type = 8
	Binary        Type = 9
	TextType      Type = 10
	LongBinary    Type = 11
	LongText      Type = 12
	UnsignedLong  Type = 14
	LongLong      Type = 15
	GUID          Type = 16
	UnsignedShort Type = 17
)

// fixed is the size of a type, 0 where it varies.
func (t Type) fixed() int {
	switch t {
	case Bit, UnsignedByte:
		return 1
	case Short, UnsignedShort:
		return 2
	case Long, UnsignedLong, Single:
		return 4
	case Currency, Double, DateTime, LongLong:
		return 8
	case GUID:
		return 16
	}
	return 0
}

// Column is one column of a table.
type Column struct {
	ID       uint32 // 1 to 127 fixed, 128 to 255 variable, above tagged
	Name     string
	Type     Type
	Size     uint32
	CodePage uint32
	Flags    uint32
	offset   int // of a fixed one in its row
}

// Table is one table.
type Table struct {
	Name    string
	ID      uint32
	Page    uint32 // root of its tree
	Columns []Column
	long    uint32 // root of its long values
}

// Table finds a table by its name, nil where there is none.
func (f *File) Table(name string) *Table {
	for i := range f.Tables {
		if f.Tables[i].Name == name {
			return &f.Tables[i]
		}
	}
	return nil
}

// Kinds of catalog entries.
const (
	entryTable  = 1
	entryColumn = 2
	entryLong   = 4
)

// readCatalog reads MSysObjects: a row for each table, column, index and tree
// of long values. Its own columns are fixed (libesedb, "catalog").
func (f *File) readCatalog() {
	templates := map[int]string{}
	f.leaves(catalogPage, func(p *page, err error) bool {
		if err != nil {
			f.Damage = append(f.Damage, fmt.Errorf("catalog: %w", err))
			return len(f.Damage) < 1000
		}
		for i := range p.nodes {
			n := &p.nodes[i]
			if n.flags&nodeDeleted != 0 {
				continue
			}
			err := n.err
			if err == nil {
				err = f.catalogEntry(p, n, templates)
			}
			if err != nil {
				f.Damage = append(f.Damage, fmt.Errorf("catalog: %w", err))
			}
		}
		return true
	})
	f.derive(templates)
	for i := range f.Tables {
		f.Tables[i].place()
	}
}

func (f *File) catalogEntry(p *page, n *node, templates map[int]string) error {
	c := cursor.At(n.data, p.off+int64(n.off))
	lastFixed, lastVariable := c.U8("last fixed column"), c.U8("last variable column")
	variable := int(c.U16("variable columns"))
	table, kind, id := c.U32("table"), c.U16("type"), c.U32("id")
	kindOrPage, size, flags, pages := c.U32("column type or page"), c.U32("size"), c.U32("flags"), c.U32("pages or code page")
	offset := 0
	if lastFixed >= 9 {
		c.Skip(1, "root flag")
		offset = int(c.U16("record offset"))
	}
	if err := c.Err(); err != nil {
		return err
	}
	texts, _, err := variables(n.data, lastVariable, variable)
	if err != nil {
		return &Error{Off: p.off + int64(n.off), What: err.Error()}
	}
	name := ""
	if len(texts) > 0 {
		name = string(texts[0])
	}
	if kind == entryTable {
		if len(f.Tables) >= maxTables {
			return fmt.Errorf("more than %d tables", maxTables)
		}
		if len(texts) > 2 && len(texts[2]) > 0 {
			templates[len(f.Tables)] = string(texts[2])
		}
		f.Tables = append(f.Tables, Table{Name: name, ID: table, Page: kindOrPage})
		return nil
	}
	if kind != entryColumn && kind != entryLong {
		return nil
	}
	i := slices.IndexFunc(f.Tables, func(t Table) bool { return t.ID == table })
	if i < 0 {
		return &Error{Off: p.off + int64(n.off), What: fmt.Sprintf("%q belongs to table %d, which is not there", name, table)}
	}
	t := &f.Tables[i]
	if kind == entryLong {
		t.long = kindOrPage
		return nil
	}
	if len(t.Columns) >= maxColumns {
		return fmt.Errorf("table %q: more than %d columns", t.Name, maxColumns)
	}
	if kindOrPage != 0 { // a column that was removed keeps its entry, without a type
		t.Columns = append(t.Columns, Column{ID: id, Name: name, Type: Type(kindOrPage), Size: size, Flags: flags, CodePage: pages, offset: offset})
	}
	return nil
}

// derive gives tables that were made after a template the template's columns.
func (f *File) derive(templates map[int]string) {
	for i := range f.Tables {
		name, ok := templates[i]
		if !ok {
			continue
		}
		t := f.Table(name)
		if t == nil || t == &f.Tables[i] {
			f.Damage = append(f.Damage, fmt.Errorf("table %q: its template %q is not there", f.Tables[i].Name, name))
			continue
		}
		f.Tables[i].Columns = append(slices.Clone(t.Columns), f.Tables[i].Columns...)
	}
}

// place settles where the fixed columns lie in a row: one after the other, and
// further back where the catalog says so, since a column was removed before
// them. (For its own columns the catalog states 4 each time.)
func (t *Table) place() {
	slices.SortStableFunc(t.Columns, func(a, b Column) int { return int(int64(a.ID) - int64(b.ID)) })
	next := rowHeader
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.ID > 127 {
			break
		}
		c.offset = max(c.offset, next)
		size := c.Type.fixed()
		if size == 0 {
			size = int(min(c.Size, 1<<15))
		}
		next = c.offset + size
	}
}

const rowHeader = 4

// variables takes the variable columns of a row apart; a null one is nil. It
// also says where they end.
func variables(b []byte, last uint8, at int) ([][]byte, int, error) {
	n := int(last) - 127
	if last == 127 || last == 0 {
		return nil, at, nil
	}
	if n < 0 {
		n = int(last) // the catalog's first revisions count from 1
	}
	c := cursor.New(b)
	c.Seek(at, "variable columns")
	ends := c.Take(2*n, "ends of the variable columns")
	base, from := at+2*n, 0
	var out [][]byte
	for len(ends) > 0 {
		end := int(ends[0]) | int(ends[1])<<8
		ends = ends[2:]
		if end&0x8000 != 0 {
			out = append(out, nil)
			continue
		}
		if end < from || base+end > len(b) {
			return out, base + from, fmt.Errorf("variable column from %d to %d in a row of %d bytes", base+from, base+end, len(b))
		}
		out = append(out, b[base+from:base+end:base+end])
		from = end
	}
	if err := c.Err(); err != nil {
		return nil, 0, errors.Join(err)
	}
	return out, base + from, nil
}

// text decodes by a column's code page, without what follows a zero.
func text(b []byte, page uint32) string {
	if page == 1200 {
		return utf16.CString(b)
	}
	b, _, _ = bytes.Cut(b, []byte{0})
	if page == 0 {
		page = 1252
	}
	return codepage.Decode(b, int(page))
}
