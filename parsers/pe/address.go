package pe

import "bytes"

// Where an address lies in the file. Windows maps a section from its offset
// rounded down to 512 bytes to its address rounded down to the alignment; a
// section reaches as far as the larger of its two sizes, and no further than
// where the next one begins. What no section covers is mapped from the start
// of the file: the headers, and the whole file where there are no sections.

const (
	sectorSize = 0x200
	pageSize   = 0x1000
)

// start is the address at which the loader puts a section.
func (f *File) start(s *Section) uint32 {
	align := f.SectionAlignment
	if align < pageSize {
		align = f.FileAlignment
	}
	if align > 0 {
		return s.VirtualAddress / align * align
	}
	return s.VirtualAddress
}

// rawStart is the offset from which the loader reads a section.
func (f *File) rawStart(s *Section) int64 {
	if f.FileAlignment < sectorSize {
		return int64(s.RawOffset)
	}
	return int64(s.RawOffset) / sectorSize * sectorSize
}

// covers tells whether the i-th section in address order holds an address.
func (f *File) covers(i int, rva uint32) bool {
	s := &f.Sections[f.byAddress[i]]
	from := uint64(f.start(s))
	size := uint64(max(s.RawSize, s.VirtualSize))
	if int64(len(f.b))-f.rawStart(s) < int64(s.RawSize) {
		size = uint64(s.VirtualSize) // the raw size is not to be trusted
	}
	if i+1 < len(f.byAddress) {
		if next := uint64(f.Sections[f.byAddress[i+1]].VirtualAddress); next > uint64(s.VirtualAddress) {
			size = min(size, next-from)
		}
	}
	return uint64(rva) >= from && uint64(rva) < from+size
}

// section finds the section that holds an address, nil for none.
func (f *File) section(rva uint32) *Section {
	if f.lastFound >= 0 && f.covers(f.lastFound, rva) {
		return &f.Sections[f.byAddress[f.lastFound]]
	}
	for i := range f.byAddress {
		if f.covers(i, rva) {
			f.lastFound = i
			return &f.Sections[f.byAddress[i]]
		}
	}
	return nil
}

// Offset gives the place in the file of an address, false where it has none.
func (f *File) Offset(rva uint32) (int64, bool) {
	s := f.section(rva)
	if s == nil {
		return int64(rva), int64(rva) < f.Size
	}
	off := int64(rva) - int64(f.start(s)) + f.rawStart(s)
	return off, off >= 0 && off < f.Size
}

// bytesAt gives what the file holds at an address, up to n bytes: none where
// memory would hold zeros that are not in the file.
func (f *File) bytesAt(rva uint32, n int) ([]byte, int64) {
	s := f.section(rva)
	off, end := int64(rva), int64(len(f.b))
	if s != nil {
		off = int64(rva) - int64(f.start(s)) + f.rawStart(s)
		end = min(end, int64(s.RawOffset)+int64(s.RawSize))
	}
	if off < 0 || off >= end {
		return nil, off
	}
	return f.b[off:min(off+int64(n), end)], off
}

// text gives the bytes at an address up to a zero.
func (f *File) text(rva uint32, limit int) (string, bool) {
	b, _ := f.bytesAt(rva, limit)
	if len(b) == 0 {
		return "", false
	}
	t, _, _ := bytes.Cut(b, []byte{0})
	return string(t), true
}

// pointerAt reads a pointer of the image's own width.
func (f *File) pointerSize() int {
	if f.Is64() {
		return 8
	}
	return 4
}
