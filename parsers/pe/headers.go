package pe

import (
	"bytes"
	"errors"
	"slices"

	"kanshiki/parsers/internal/cursor"
)

const (
	magic32 = 0x10b
	magic64 = 0x20b

	sectionHeaderSize = 40
	directories       = 16
)

// ErrNotPE is what every refusal of Parse wraps: the bytes are something else.
var ErrNotPE = errors.New("not a portable executable")

// NotPE says where the headers stop to be those of a program.
type NotPE struct {
	Off  int64
	What string
}

func (e *NotPE) Error() string { return ErrNotPE.Error() + ": " + e.What }

// Offset is the place of the header that does not fit.
func (e *NotPE) Offset() int64 { return e.Off }

// Unwrap lets errors.Is find ErrNotPE.
func (e *NotPE) Unwrap() error { return ErrNotPE }

// readHeaders reads DOS, NT and optional header. Fields of the optional header
// past the end of the file are zero: the loader reads them from a zeroed page.
func (f *File) readHeaders() error {
	if len(f.b) < 64 {
		return &NotPE{0, "shorter than a DOS header"}
	}
	if string(f.b[:2]) != "MZ" {
		return &NotPE{0, "no MZ signature"}
	}
	c := cursor.New(f.b)
	c.Seek(0x3c, "e_lfanew")
	f.NTOffset = int64(c.U32("e_lfanew"))
	if f.NTOffset+24 > int64(len(f.b)) {
		return &NotPE{0x3c, "the NT headers would lie behind the end"}
	}
	c.Seek(int(f.NTOffset), "NT headers")
	switch sig := c.Take(4, "signature"); {
	case string(sig) == "PE\x00\x00":
	case string(sig[:2]) == "NE" || string(sig[:2]) == "LE" || string(sig[:2]) == "LX":
		return &NotPE{f.NTOffset, "a 16-bit or OS/2 program (" + string(sig[:2]) + ")"}
	default:
		return &NotPE{f.NTOffset, "no PE signature"}
	}
	f.Machine = c.U16("machine")
	f.DeclaredSections = int(c.U16("number of sections"))
	f.Timestamp = c.U32("time stamp")
	c.Skip(8, "symbol table")
	f.OptionalSize = int(c.U16("size of optional header"))
	f.Characteristics = c.U16("characteristics")
	return f.readOptional()
}

func (f *File) optionalOffset() int64 { return f.NTOffset + 24 }

func (f *File) readOptional() error {
	// Up to the first byte of Subsystem it must be there: a smaller file does
	// not load (corkami, tinyXP.exe).
	const least, most = 69, 240
	at := f.optionalOffset()
	have := f.b[at:min(at+most, int64(len(f.b)))]
	if len(have) < least {
		return &NotPE{at, "the optional header is cut off"}
	}
	b := make([]byte, most)
	copy(b, have)
	c := cursor.At(b, at)
	f.Magic = c.U16("magic")
	f.Linker = [2]uint8{c.U8("linker"), c.U8("linker")}
	c.Skip(12, "sizes")
	f.EntryPoint = c.U32("entry point")
	c.Skip(4, "base of code")
	if f.Is64() {
		f.ImageBase = c.U64("image base")
	} else {
		c.Skip(4, "base of data")
		f.ImageBase = uint64(c.U32("image base"))
		if f.Magic != magic32 {
			f.damage(at, "optional header of kind %#x is read as PE32", f.Magic)
		}
	}
	f.SectionAlignment = c.U32("section alignment")
	f.FileAlignment = c.U32("file alignment")
	c.Skip(16, "versions")
	f.SizeOfImage = c.U32("size of image")
	f.SizeOfHeaders = c.U32("size of headers")
	f.Checksum = c.U32("checksum")
	f.Subsystem = c.U16("subsystem")
	f.DLLFlags = c.U16("DLL characteristics")
	if f.Is64() {
		c.Skip(32, "stack and heap sizes")
	} else {
		c.Skip(16, "stack and heap sizes")
	}
	c.Skip(4, "loader flags")
	n := c.U32("number of directories")
	if n > directories {
		f.damage(c.Pos()-4, "%d directories declared, %d can be", n, directories)
		n = directories
	}
	for range n {
		if c.Pos() >= int64(len(f.b)) {
			break
		}
		f.Directories = append(f.Directories, Directory{c.U32("directory"), c.U32("directory")})
	}
	return nil
}

// readSections reads the section table. Names are kept as they are; a table
// that runs over the end of the file gives the entries that are whole.
func (f *File) readSections() {
	at := f.optionalOffset() + int64(f.OptionalSize)
	if f.DeclaredSections > 0 && at > int64(len(f.b)) {
		f.damage(at, "the table of %d sections would lie behind the end", f.DeclaredSections)
		return
	}
	c := cursor.At(f.b[min(at, int64(len(f.b))):], at)
	for i := range f.DeclaredSections {
		if c.Left() < sectionHeaderSize {
			f.damage(c.Pos(), "%d of %d section headers are there", i, f.DeclaredSections)
			break
		}
		name := bytes.TrimRight(c.Take(8, "name"), "\x00")
		s := Section{Name: string(name), VirtualSize: c.U32("virtual size"), VirtualAddress: c.U32("virtual address"),
			RawSize: c.U32("raw size"), RawOffset: c.U32("raw offset")}
		c.Skip(12, "relocations and line numbers")
		s.Characteristics = c.U32("characteristics")
		if s.RawSize > 0 && s.RawOffset > 0 && int64(s.RawOffset)+int64(s.RawSize) > f.Size {
			f.damage(int64(s.RawOffset), "section %d (%q) ends at %#x, the file at %#x", i, s.Name,
				int64(s.RawOffset)+int64(s.RawSize), f.Size)
		}
		f.Sections = append(f.Sections, s)
	}
	f.byAddress = make([]int, len(f.Sections))
	for i := range f.byAddress {
		f.byAddress[i] = i
	}
	slices.SortStableFunc(f.byAddress, func(a, b int) int {
		return int(int64(f.Sections[a].VirtualAddress) - int64(f.Sections[b].VirtualAddress))
	})
}

// sectionBytes is what of a section is in the file, from the place where the
// header points.
func (f *File) sectionBytes(s *Section) []byte {
	from := min(int64(s.RawOffset), int64(len(f.b)))
	return f.b[from:min(from+int64(s.RawSize), int64(len(f.b)))]
}
