package pe

import "kanshiki/parsers/internal/cursor"

// Export is what a library offers.
type Export struct {
	Name      string
	Timestamp uint32
	Symbols   []ExportSymbol
}

// ExportSymbol is one name, or a number without a name.
type ExportSymbol struct {
	Name      string
	Ordinal   uint32
	Address   uint32
	Forwarder string // "LIBRARY.Name" where another library serves it
}

// Forwarders counts the symbols that another library serves.
func (e *Export) Forwarders() int {
	n := 0
	for _, s := range e.Symbols {
		if s.Forwarder != "" {
			n++
		}
	}
	return n
}

// readExports reads the export directory: every name that leads to an address,
// then every address without a name.
func (f *File) readExports() {
	const size = 40
	dir := f.directory(dirExport)
	if dir.Address == 0 {
		return
	}
	b, off := f.bytesAt(dir.Address, size)
	if len(b) < size {
		f.damage(off, "export directory: %d of %d bytes", len(b), size)
		return
	}
	c := cursor.At(b, off)
	c.Skip(4, "characteristics")
	e := &Export{Timestamp: c.U32("time stamp")}
	c.Skip(4, "version")
	name, base := c.U32("name"), c.U32("base")
	functions, nNames := c.U32("number of functions"), c.U32("number of names")
	atFunctions, atNames, atOrdinals := c.U32("functions"), c.U32("names"), c.U32("ordinals")
	if allZero(b) {
		return
	}
	e.Name, _ = f.text(name, maxName)
	f.Export = e
	addresses := f.table(atFunctions, functions, 4, "export addresses")
	names := f.table(atNames, nNames, 4, "export names")
	ordinals := f.table(atOrdinals, nNames, 2, "export ordinals")
	named := make(map[uint16]bool, min(len(names)/4, MaxExports))
	for i := 0; (i+1)*4 <= len(names) && (i+1)*2 <= len(ordinals); i++ {
		o := uint16(ordinals[2*i]) | uint16(ordinals[2*i+1])<<8
		if int(o)*4+4 > len(addresses) {
			f.damage(off, "export name %d leads to function %d of %d", i, o, functions)
			continue
		}
		s, ok := f.text(u32(names[4*i:]), maxName)
		if !ok {
			f.damage(off, "export name %d: no text at address %#x", i, u32(names[4*i:]))
			continue
		}
		if s != "" && !validName(s) {
			f.damage(off, "export name %d: %q is no name", i, s)
			continue
		}
		named[o] = true
		f.addExport(e, dir, s, base+uint32(o), u32(addresses[4*int(o):]))
	}
	for i := 0; (i+1)*4 <= len(addresses); i++ {
		if i > 0xffff || !named[uint16(i)] {
			f.addExport(e, dir, "", base+uint32(i), u32(addresses[4*i:]))
		}
	}
}

func (f *File) addExport(e *Export, dir Directory, name string, ordinal, address uint32) {
	if address == 0 || len(e.Symbols) >= MaxExports {
		return
	}
	s := ExportSymbol{Name: name, Ordinal: ordinal, Address: address}
	if address >= dir.Address && uint64(address) < uint64(dir.Address)+uint64(dir.Size) {
		s.Forwarder, _ = f.text(address, maxName)
	}
	e.Symbols = append(e.Symbols, s)
}

// table gives the bytes of a table of n items, or as many whole ones as are
// there.
func (f *File) table(rva, n uint32, width int, what string) []byte {
	if n == 0 {
		return nil
	}
	if n > MaxExports {
		f.damage(0, "%s: %d declared, %d are read", what, n, MaxExports)
		n = MaxExports
	}
	b, off := f.bytesAt(rva, int(n)*width)
	if len(b) < int(n)*width {
		f.damage(off, "%s: %d of %d are there", what, len(b)/width, n)
	}
	return b
}

func u32(b []byte) uint32 { return cursor.New(b).U32("address") }

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
