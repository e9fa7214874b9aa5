package pe

import "kanshiki/parsers/internal/cursor"

// TLS is the thread-local storage directory: its callbacks run before the
// entry point does.
type TLS struct {
	Callbacks []uint64 // addresses as they stand, not RVAs
}

func (f *File) readTLS() {
	dir := f.directory(dirTLS)
	if dir.Address == 0 {
		return
	}
	width := f.pointerSize()
	b, off := f.bytesAt(dir.Address, 4*width+8)
	if len(b) < 4*width {
		f.damage(off, "TLS directory: %d of %d bytes", len(b), 4*width+8)
		return
	}
	c := cursor.At(b, off)
	c.Skip(3*width, "data and index")
	f.TLS = &TLS{}
	at := f.pointer(c)
	if at == 0 {
		return
	}
	for i := range uint64(MaxCallbacks) {
		rva := at - f.ImageBase + i*uint64(width)
		b, off := f.bytesAt(uint32(rva), width)
		if rva > 0xffffffff || len(b) < width {
			if i == 0 && (rva > 0xffffffff || f.section(uint32(rva)) == nil) {
				f.damage(off, "TLS callbacks at address %#x are not in the file", at)
			}
			return // zeros in memory end the list
		}
		v := f.pointer(cursor.At(b, off))
		if v == 0 {
			return
		}
		f.TLS.Callbacks = append(f.TLS.Callbacks, v)
	}
	f.damage(off, "more than %d TLS callbacks", MaxCallbacks)
}

func (f *File) pointer(c *cursor.Cursor) uint64 {
	if f.Is64() {
		return c.U64("pointer")
	}
	return uint64(c.U32("pointer"))
}
