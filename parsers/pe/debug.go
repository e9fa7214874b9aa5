package pe

import (
	"bytes"
	"fmt"

	"kanshiki/parsers/internal/cursor"
)

// DebugEntry is one entry of the debug directory.
type DebugEntry struct {
	Type      uint32
	Timestamp uint32
	Offset    uint32 // of its data in the file
	Address   uint32
	Size      uint32
	PDB       *PDB // of a CodeView entry
}

// Debug types with a meaning of their own here.
const (
	DebugCodeView = 2
	DebugRepro    = 16 // the build is reproducible: time stamps are hashes
)

// PDB names the file with the symbols, with the path that the linker saw.
type PDB struct {
	Path string // bytes as they stand, UTF-8 or the builder's code page
	ID   string // GUID or signature, then age, as symbol servers write it
}

func (f *File) readDebug() {
	const size = 28
	dir := f.directory(dirDebug)
	if dir.Address == 0 {
		return
	}
	n := dir.Size / size
	if n > MaxDebug {
		f.damage(0, "%d debug entries declared, %d are read", n, MaxDebug)
		n = MaxDebug
	}
	for i := range n {
		b, off := f.bytesAt(dir.Address+i*size, size)
		if len(b) < size {
			f.damage(off, "debug entry %d of %d: %d of %d bytes", i, n, len(b), size)
			return
		}
		c := cursor.At(b, off)
		c.Skip(4, "characteristics")
		d := DebugEntry{Timestamp: c.U32("time stamp")}
		c.Skip(4, "version")
		d.Type, d.Size, d.Address, d.Offset = c.U32("type"), c.U32("size"), c.U32("address"), c.U32("offset")
		if d.Type == DebugCodeView {
			d.PDB = f.readPDB(d, off)
		}
		f.Debug = append(f.Debug, d)
	}
}

// readPDB reads a CodeView record: RSDS (PDB 7.0) or NB10 (PDB 2.0).
func (f *File) readPDB(d DebugEntry, at int64) *PDB {
	off := int64(d.Offset)
	if off == 0 && d.Address != 0 {
		off, _ = f.Offset(d.Address)
	}
	if off > int64(len(f.b)) {
		f.damage(at, "CodeView record at %#x lies behind the end", off)
		return nil
	}
	b := f.b[off:min(off+int64(d.Size), int64(len(f.b)))]
	if int64(len(b)) < int64(d.Size) {
		f.damage(off, "CodeView record: %d of %d bytes", len(b), d.Size)
	}
	c := cursor.At(b, off)
	var p PDB
	switch sig := c.Take(4, "signature"); string(sig) {
	case "RSDS":
		p.ID = fmt.Sprintf("%08X%04X%04X%X", c.U32("GUID"), c.U16("GUID"), c.U16("GUID"), c.Take(8, "GUID"))
		p.ID += fmt.Sprintf("%X", c.U32("age"))
	case "NB10":
		c.Skip(4, "offset")
		p.ID = fmt.Sprintf("%X", c.U32("signature"))
		p.ID += fmt.Sprintf("%X", c.U32("age"))
	default:
		if c.Err() != nil {
			f.damageErr(c.Err())
		}
		return nil
	}
	if c.Err() != nil {
		f.damageErr(c.Err())
		return nil
	}
	path, _, _ := bytes.Cut(c.Take(min(c.Left(), 4*maxName), "path"), []byte{0})
	p.Path = string(path)
	return &p
}

// PDBs gives the paths of all CodeView entries.
func (f *File) PDBs() []*PDB {
	var out []*PDB
	for _, d := range f.Debug {
		if d.PDB != nil {
			out = append(out, d.PDB)
		}
	}
	return out
}
