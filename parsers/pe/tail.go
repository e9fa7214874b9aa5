package pe

import (
	"encoding/binary"
	"hash"
	"io"

	"kanshiki/parsers/internal/cursor"
)

// Certificate is one entry of the attribute certificate table.
type Certificate struct {
	Offset   int64 // of its header
	Revision uint16
	Type     uint16
	Data     []byte // without the header, with the padding that its length includes
}

// CertificatePKCS7 is the type of an Authenticode signature.
const CertificatePKCS7 = 2

// readCertificates walks the table: entries begin on eight bytes.
func (f *File) readCertificates() {
	const header = 8
	at, size := f.certificateRange()
	if size == 0 {
		return
	}
	if at+size > f.Size {
		f.damage(at, "the certificate table (%d bytes at %#x) lies behind the end of the file (%#x)", size, at, f.Size)
		return
	}
	base, b := int64(0), f.b
	if len(f.certTable) > 0 {
		base, b = at, f.certTable
	}
	end := min(at+size, base+int64(len(b)))
	if end < at+size {
		f.damage(at, "%d of %d bytes of the certificate table were given", max(end-at, 0), size)
	}
	for at+header <= end {
		c := cursor.At(b[at-base:end-base], at)
		n := int64(c.U32("length"))
		cert := Certificate{Offset: at, Revision: c.U16("revision"), Type: c.U16("type")}
		if n == 0 && cert.Revision == 0 && cert.Type == 0 {
			return // padding
		}
		if n < header || n > end-at {
			f.damage(at, "certificate of %d bytes where %d are left", n, end-at)
			return
		}
		cert.Data = c.Take(int(n)-header, "certificate")
		f.Certificates = append(f.Certificates, cert)
		at += (n + 7) &^ 7
	}
}

// certificateRange is what the directory states, size 0 for none.
func (f *File) certificateRange() (off, size int64) {
	d := f.directory(dirCertificate)
	if d.Address == 0 || d.Size == 0 {
		return 0, 0
	}
	return int64(d.Address), int64(d.Size)
}

// CertificateTable gives the range that the directory states, and whether it
// lies within the file.
func (f *File) CertificateTable() (off, size int64, inside bool) {
	off, size = f.certificateRange()
	return off, size, size > 0 && off+size <= f.Size
}

// Overlay is where data begins that neither headers nor sections nor
// directories describe, -1 where there is none. The certificate table is part
// of it.
func (f *File) Overlay() int64 {
	var end int64
	reach := func(off, n int64) {
		if off+n <= f.Size && off+n > end {
			end = off + n
		}
	}
	reach(f.optionalOffset(), int64(f.OptionalSize))
	for _, s := range f.Sections {
		reach(int64(s.RawOffset), int64(s.RawSize))
	}
	for i, d := range f.Directories {
		if off, ok := f.Offset(d.Address); ok && i != dirCertificate {
			reach(off, int64(d.Size))
		}
	}
	if end >= f.Size {
		return -1
	}
	return end
}

// Extent is a range of the file.
type Extent struct{ Off, Len int64 }

// HashExtents are the parts of the file that an Authenticode image hash
// covers: all but the checksum, the directory entry of the certificate table
// and that table itself. For a file whose sections leave no gaps this is the
// order of the specification too; hashing gaps as well is what the signing
// tools do.
func (f *File) HashExtents() []Extent {
	checksum := f.optionalOffset() + 64
	cuts := []Extent{{checksum, 4}}
	entry := f.optionalOffset() + 96 + 8*dirCertificate
	if f.Is64() {
		entry += 16
	}
	if len(f.Directories) > dirCertificate {
		cuts = append(cuts, Extent{entry, 8})
	}
	if off, size, ok := f.CertificateTable(); ok && off >= entry+8 {
		cuts = append(cuts, Extent{off, size})
	}
	var out []Extent
	var at int64
	for _, c := range cuts {
		if from := min(c.Off, f.Size); from > at {
			out = append(out, Extent{at, from - at})
		}
		at = max(at, min(c.Off+c.Len, f.Size))
	}
	if at < f.Size {
		out = append(out, Extent{at, f.Size - at})
	}
	return out
}

// ImageHash feeds the bytes that a signature covers to h. With pad, a file
// without a signature is filled up with zeros to eight bytes, as the signing
// tools do before they append the table: the digest that it would have when
// signed, and that a catalogue of such a file may hold.
func (f *File) ImageHash(r io.ReaderAt, h hash.Hash, pad bool) error {
	for _, e := range f.HashExtents() {
		if _, err := io.Copy(h, io.NewSectionReader(r, e.Off, e.Len)); err != nil {
			return err
		}
	}
	if _, _, signed := f.CertificateTable(); pad && !signed && f.Size%8 != 0 {
		h.Write(make([]byte, 8-f.Size%8))
	}
	return nil
}

// ComputeChecksum is the checksum that Windows demands of drivers: the sum of
// all 16-bit words with carry, the field itself as zero, plus the length.
func (f *File) ComputeChecksum(r io.ReaderAt) (uint32, error) {
	at := f.optionalOffset() + 64
	var sum uint64
	buf := make([]byte, 1<<16)
	for off := int64(0); off < f.Size; off += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), f.Size-off)]
		if _, err := r.ReadAt(b, off); err != nil && err != io.EOF {
			return 0, err
		}
		for i := max(at, off); i < min(at+4, off+int64(len(b))); i++ {
			b[i-off] = 0
		}
		if len(b)%2 != 0 {
			b = append(b, 0)
		}
		for ; len(b) >= 8; b = b[8:] {
			v := binary.LittleEndian.Uint64(b)
			sum += v&0xffff + v>>16&0xffff + v>>32&0xffff + v>>48
		}
		for ; len(b) > 1; b = b[2:] {
			sum += uint64(binary.LittleEndian.Uint16(b))
		}
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint32(sum) + uint32(f.Size), nil
}
