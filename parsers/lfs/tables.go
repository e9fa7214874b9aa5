package lfs

import (
	"encoding/binary"

	"kanshiki/parsers/internal/cursor"
)

// Attribute is what a key of the open attribute table stands for.
type Attribute struct {
	Ref  uint64 // file reference: entry and sequence
	Type uint32
	Name []byte // UTF-16LE
}

// Resolver knows the open attributes at a place of the log. Give it the records
// in order.
type Resolver struct {
	table map[uint16]Attribute
}

// NewResolver knows nothing yet.
func NewResolver() *Resolver { return &Resolver{table: map[uint16]Attribute{}} }

// Lookup tells what a target of an operation is. ok is false where the log no
// longer holds the record that opened it.
func (r *Resolver) Lookup(target uint16) (Attribute, bool) {
	a, ok := r.table[target]
	return a, ok
}

// Add takes in what a record says of open attributes. Dumps replace what is
// known of their keys; a key that is opened again stands for another attribute
// from then on.
func (r *Resolver) Add(rec *Record) error {
	switch o := &rec.Op; o.Redo {
	case OpenNonresident:
		a, ok := openEntry(o.RedoData)
		if !ok {
			return cursor.Errorf(rec.Off, "entry of the open attribute table: %d bytes", len(o.RedoData))
		}
		a.Name = append([]byte(nil), o.UndoData...)
		r.table[o.Target] = a
	case OpenTableDump:
		return r.dump(rec)
	case NamesDump:
		return r.names(rec)
	}
	return nil
}

// openEntry decodes an entry: 44 bytes as 32-bit Windows had it, or 40.
func openEntry(b []byte) (Attribute, bool) {
	le := binary.LittleEndian
	switch {
	case len(b) >= 44 && len(b) < 48:
		return Attribute{Ref: le.Uint64(b[8:]), Type: le.Uint32(b[28:])}, true
	case len(b) >= 40:
		return Attribute{Ref: le.Uint64(b[16:]), Type: le.Uint32(b[8:])}, true
	}
	return Attribute{}, false
}

// dump reads a restart table: sizes and counts in 24 bytes, then entries that
// begin with 0xFFFFFFFF where they are in use. The key is the place in it.
func (r *Resolver) dump(rec *Record) error {
	const head = 24
	b := rec.Op.RedoData
	c := cursor.At(b, rec.Off)
	size, count := int(c.U16("entry size")), int(c.U16("entries"))
	if c.Err() != nil || size < 40 || size > 0x100 || len(b) < head {
		return cursor.Errorf(rec.Off, "open attribute table: %d bytes, entries of %d", len(b), size)
	}
	old := r.table
	r.table = map[uint16]Attribute{}
	for i := range count {
		p := head + i*size
		if p+size > len(b) {
			return cursor.Errorf(rec.Off, "open attribute table: %d of %d entries", i, count)
		}
		if binary.LittleEndian.Uint32(b[p:]) != 0xFFFFFFFF {
			continue
		}
		if a, ok := openEntry(b[p : p+size]); ok {
			if was := old[uint16(p)]; was.Ref == a.Ref && was.Type == a.Type {
				a.Name = was.Name // until the dump of names
			}
			r.table[uint16(p)] = a
		}
	}
	return nil
}

// names reads the names that belong to a dump of the table: key, length in
// bytes, name, a zero unit; key 0 ends them.
func (r *Resolver) names(rec *Record) error {
	c := cursor.At(rec.Op.RedoData, rec.Off)
	for c.Left() >= 4 {
		key, n := c.U16("key"), int(c.U16("length"))
		if key == 0 {
			return nil
		}
		name := c.Take(n, "name")
		c.Skip(2, "end of the name")
		if c.Err() != nil {
			return c.Err()
		}
		if a, ok := r.table[key]; ok {
			a.Name = append([]byte(nil), name...)
			r.table[key] = a
		}
	}
	return nil
}
