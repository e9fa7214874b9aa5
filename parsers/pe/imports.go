package pe

import (
	"crypto/md5" // the imphash is an MD5 by definition
	"encoding/hex"
	"strings"

	saferwall "github.com/saferwall/pe"

	"kanshiki/parsers/internal/cursor"
)

// Import is what a program takes from one library.
type Import struct {
	Library string // bytes as they stand
	Symbols []Symbol
}

// Symbol is an imported name or number.
type Symbol struct {
	Name      string // of an import by number: the library's well-known name, if any
	Ordinal   uint16
	ByOrdinal bool
}

const (
	importDescriptorSize = 20
	delayDescriptorSize  = 32
	maxDescriptors       = 1 << 12
	maxBadInRow          = 8 // descriptors that name no library end the table
)

// readImports walks the import descriptors as the loader does: it ends where a
// descriptor has no name or no address table, or where the file ends.
func (f *File) readImports() {
	dir := f.directory(dirImport)
	if dir.Address == 0 {
		return
	}
	left, bad := MaxImports, 0
	for i := range uint32(maxDescriptors) {
		at := dir.Address + i*importDescriptorSize
		b, off := f.bytesAt(at, importDescriptorSize)
		if len(b) < importDescriptorSize {
			if i == 0 || len(b) > 0 {
				f.damage(off, "import descriptor %d: %d of %d bytes", i, len(b), importDescriptorSize)
			}
			return
		}
		c := cursor.At(b, off)
		names := c.U32("original first thunk")
		c.Skip(8, "time stamp, forwarder chain")
		name, addresses := c.U32("name"), c.U32("first thunk")
		if name == 0 || addresses == 0 {
			return
		}
		if !f.addImport(&f.Imports, name, names, addresses, off, &left, 0) {
			if bad++; bad == maxBadInRow {
				return
			}
			continue
		}
		bad = 0
	}
	f.damage(0, "more than %d import descriptors", maxDescriptors)
}

// readDelayImports walks the table of libraries loaded on first use. Version 1
// of it (attribute bit 0 clear) holds addresses, not RVAs.
func (f *File) readDelayImports() {
	dir := f.directory(dirDelay)
	if dir.Address == 0 {
		return
	}
	left, bad := MaxImports, 0
	for i := range uint32(maxDescriptors) {
		b, off := f.bytesAt(dir.Address+i*delayDescriptorSize, delayDescriptorSize)
		if len(b) < delayDescriptorSize {
			if i == 0 || len(b) > 0 {
				f.damage(off, "delay import descriptor %d: %d of %d bytes", i, len(b), delayDescriptorSize)
			}
			return
		}
		c := cursor.At(b, off)
		attributes, name := c.U32("attributes"), c.U32("name")
		c.Skip(4, "module handle")
		addresses, names := c.U32("address table"), c.U32("name table")
		if name == 0 {
			return
		}
		var base uint64
		if attributes&1 == 0 {
			base = f.ImageBase
			name, addresses, names = name-uint32(base), addresses-uint32(base), names-uint32(base)
		}
		if !f.addImport(&f.DelayImports, name, names, addresses, off, &left, base) {
			if bad++; bad == maxBadInRow {
				return
			}
			continue
		}
		bad = 0
	}
	f.damage(0, "more than %d delay import descriptors", maxDescriptors)
}

// addImport reads one library's thunks: from the name table, and where that is
// absent or empty from the address table, which holds the same until the
// program is bound or loaded. What names no library is no import (a program of
// which only the loader's relocations make the name is one that Windows runs
// and that is misread here: the damage says so).
func (f *File) addImport(to *[]Import, name, names, addresses uint32, off int64, left *int, base uint64) bool {
	library, _ := f.text(name, maxName)
	imp := Import{Library: library}
	var whole bool
	if names != 0 && f.isThunk(names) {
		imp.Symbols, whole = f.thunks(names, library, left, base)
	}
	if len(imp.Symbols) == 0 {
		imp.Symbols, whole = f.thunks(addresses, library, left, base)
	}
	if !validLibrary(library) {
		f.damage(off, "import descriptor: no library name at address %#x, %d names not counted", name, len(imp.Symbols))
		return false
	}
	if !whole {
		f.damage(off, "imports of %q: the table at %#x does not end within the file", library, addresses)
	}
	*to = append(*to, imp)
	return true
}

// isThunk tells whether a table can begin with these bytes: a number has no
// more than 16 bits. Where the loader's relocations make the name table, the
// address table still holds the imports.
func (f *File) isThunk(rva uint32) bool {
	b, off := f.bytesAt(rva, f.pointerSize())
	if len(b) < f.pointerSize() {
		return false
	}
	v := f.pointer(cursor.At(b, off))
	flag := uint64(1) << (8*f.pointerSize() - 1)
	return v&flag == 0 || v&^flag <= 0xffff
}

// thunks reads a table of imported names and numbers.
func (f *File) thunks(rva uint32, library string, left *int, base uint64) (out []Symbol, whole bool) {
	width := f.pointerSize()
	flag := uint64(1) << (8*width - 1)
	for i := uint32(0); ; i++ {
		if *left <= 0 {
			f.damage(0, "more than %d imported names", MaxImports)
			return out, true
		}
		b, off := f.bytesAt(rva+i*uint32(width), width)
		if len(b) < width {
			return out, len(b) == 0 && i > 0 && f.section(rva+i*uint32(width)) != nil // zeros follow in memory
		}
		v := f.pointer(cursor.At(b, off))
		if v == 0 {
			return out, true
		}
		*left--
		if v&flag != 0 {
			n := uint16(v)
			out = append(out, Symbol{ByOrdinal: true, Ordinal: n, Name: saferwall.OrdLookup(library, uint64(n), false)})
			continue
		}
		s, ok := f.text(uint32(v-base)+2, maxName)
		if !ok || !validName(s) {
			f.damage(off, "import of %q: no name at address %#x", library, v)
			if !ok {
				return out, true
			}
			continue
		}
		out = append(out, Symbol{Name: s})
	}
}

// validName tells whether bytes can be the name of a function: printable ASCII.
func validName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// validLibrary tells whether bytes can be the name of a file in some code page.
func validLibrary(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

// ImportCount is the number of imported names and numbers, without those that
// are loaded on first use.
func (f *File) ImportCount() int {
	n := 0
	for _, imp := range f.Imports {
		n += len(imp.Symbols)
	}
	return n
}

// Imphash is the MD5 over "library.name" of every import in order, in lower
// case, as Mandiant defined it and pefile computes it; "" where there is none.
func (f *File) Imphash() string {
	if len(f.Imports) == 0 {
		return ""
	}
	var parts []string
	for _, imp := range f.Imports {
		lib := strings.ToLower(imp.Library)
		if i := strings.LastIndexByte(lib, '.'); i >= 0 {
			switch lib[i+1:] {
			case "dll", "ocx", "sys":
				lib = lib[:i]
			}
		}
		for _, s := range imp.Symbols {
			name := s.Name
			if name == "" {
				name = saferwall.OrdLookup(imp.Library, uint64(s.Ordinal), true)
			}
			parts = append(parts, lib+"."+strings.ToLower(name))
		}
	}
	sum := md5.Sum([]byte(strings.Join(parts, ",")))
	return hex.EncodeToString(sum[:])
}
