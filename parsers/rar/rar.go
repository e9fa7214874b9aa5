// Package rar lists the members of RAR archives of format 1.5 to 4 and gives
// the content of those that are stored without packing.
//
// Source: technote.txt of RAR 4 (blocks, file header, HEAD_CRC) as shipped with
// the archiver; the Unicode form of names as the public unrar describes it.
// Not decoded: packed methods (0x31 to 0x35), encryption, RAR 5 (recognised,
// ErrVersion5), solid sets and further volumes. Where a block does not fit its
// checksum the next file header that does is searched for, and the range in
// between is damage.
package rar

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"

	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/filetime"
	"kanshiki/parsers/internal/utf16"
)

// MaxMembers bounds the list.
const MaxMembers = 1 << 20

const (
	markerLength = 7
	fileHeader   = 0x74
	endHeader    = 0x7B
	longBlock    = 0x8000
	highSizes    = 0x100
	unicodeName  = 0x200
	encrypted    = 0x04
	stored       = 0x30
)

// Errors of archives that are not read.
var (
	ErrNotRAR   = errors.New("no RAR archive")
	ErrVersion5 = errors.New("RAR 5, which is not read yet")
)

// Member is a file in an archive.
type Member struct {
	Name     string // "\" between names, as the archiver writes it
	RawName  []byte
	Size     int64 // unpacked
	Packed   int64
	CRC32    uint32 // of the unpacked content
	Method   uint8  // 0x30 stored
	Flags    uint16
	Modified uint64 // FILETIME of the local clock that packed it, 2 s steps; 0 not set
	Offset   int64  // of the file header
	Data     int64  // of the content
}

// Encrypted tells whether the content needs a password.
func (m *Member) Encrypted() bool { return m.Flags&encrypted != 0 }

// Dir tells whether the member is a folder: all window bits of the flags.
func (m *Member) Dir() bool { return m.Flags&0xE0 == 0xE0 }

// Archive is a RAR archive.
type Archive struct {
	r       io.ReaderAt
	size    int64
	Members []Member
	Ended   bool    // the end block was found
	Damage  []error // what could not be read; each has an Offset
}

// NewReader lists an archive of size bytes.
func NewReader(r io.ReaderAt, size int64) (*Archive, error) {
	var head [8]byte
	n, _ := r.ReadAt(head[:min(8, size)], 0)
	switch {
	case n >= 8 && string(head[:8]) == "Rar!\x1a\x07\x01\x00":
		return nil, ErrVersion5
	case n < markerLength || string(head[:markerLength]) != "Rar!\x1a\x07\x00":
		return nil, ErrNotRAR
	}
	a := &Archive{r: r, size: size}
	a.walk(markerLength)
	return a, nil
}

// walk goes from block to block; a bad one is damage, and the search goes on
// behind it.
func (a *Archive) walk(off int64) {
	for off < a.size && len(a.Members) < MaxMembers {
		next, end, err := a.block(off)
		if err == nil {
			if end {
				a.Ended = true
				return
			}
			off = next
			continue
		}
		found := a.search(off + 1)
		a.Damage = append(a.Damage, err)
		if found < 0 {
			return
		}
		off = found
	}
	if !a.Ended {
		a.Damage = append(a.Damage, cursor.Errorf(a.size, "the archive has no end block"))
	}
}

// block reads the header at off and returns where the next one is.
func (a *Archive) block(off int64) (next int64, end bool, err error) {
	var b [7]byte
	if n, e := a.r.ReadAt(b[:], off); n < 7 {
		return 0, false, cursor.Errorf(off, "block header: %v", e)
	}
	c := cursor.At(b[:], off)
	sum, kind, flags, length := c.U16("crc"), c.U8("type"), c.U16("flags"), int(c.U16("size"))
	if length < 7 || kind < 0x72 || kind > 0x7B {
		return 0, false, cursor.Errorf(off, "no block of a RAR archive")
	}
	h := make([]byte, length)
	if n, e := a.r.ReadAt(h, off); n < length {
		return 0, false, cursor.Errorf(off, "block of %d bytes: %v", length, e)
	}
	if uint16(crc32.ChecksumIEEE(h[2:])) != sum {
		return 0, false, cursor.Errorf(off, "block does not fit its checksum")
	}
	next = off + int64(length)
	switch {
	case kind == endHeader:
		return next, true, nil
	case kind == fileHeader:
		m, err := member(h, off, flags)
		if err != nil {
			return 0, false, err
		}
		m.Data = next
		a.Members = append(a.Members, m)
		if m.Packed > a.size-next {
			return 0, false, cursor.Errorf(next, "content of %d bytes does not lie in %d bytes", m.Packed, a.size)
		}
		return next + m.Packed, false, nil
	case flags&longBlock != 0:
		c := cursor.At(h, off)
		c.Skip(7, "header")
		add := int64(c.U32("further size"))
		if c.Err() != nil || add > a.size-next {
			return 0, false, cursor.Errorf(off, "block of %d further bytes", add)
		}
		return next + add, false, nil
	}
	return next, false, nil
}

// member decodes a file header.
func member(h []byte, off int64, flags uint16) (Member, error) {
	m := Member{Offset: off, Flags: flags}
	c := cursor.At(h, off)
	c.Skip(7, "block header")
	m.Packed = int64(c.U32("packed size"))
	m.Size = int64(c.U32("size"))
	c.Skip(1, "system")
	m.CRC32 = c.U32("crc")
	clock, date := c.U16("time"), c.U16("date")
	m.Modified = filetime.FromDOS(date, clock)
	c.Skip(1, "version")
	m.Method = c.U8("method")
	n := int(c.U16("name length"))
	c.Skip(4, "attributes")
	if flags&highSizes != 0 {
		m.Packed |= int64(c.U32("high packed size")&0x7FFFFFFF) << 32
		m.Size |= int64(c.U32("high size")&0x7FFFFFFF) << 32
	}
	m.RawName = c.Take(n, "name")
	if c.Err() != nil {
		return m, c.Err()
	}
	m.Name = decodeName(m.RawName, flags)
	return m, nil
}

// decodeName: with the Unicode flag the field holds the name in the machine's
// code page, a zero, and differences from it that make the full units.
func decodeName(b []byte, flags uint16) string {
	oem, coded, ok := bytes.Cut(b, []byte{0})
	if flags&unicodeName == 0 || !ok || len(coded) == 0 {
		if flags&unicodeName != 0 && !ok { // the whole field is UTF-8
			return string(b)
		}
		return codepage.Decode(oem, codepage.Presume)
	}
	high := coded[0]
	coded = coded[1:]
	var out []byte // UTF-16LE
	var ops byte
	bits := 0
	take := func() (byte, bool) {
		if len(coded) == 0 {
			return 0, false
		}
		x := coded[0]
		coded = coded[1:]
		return x, true
	}
	for len(out)/2 < len(b) {
		if bits == 0 {
			x, ok := take()
			if !ok {
				break
			}
			ops, bits = x, 8
		}
		bits -= 2
		lo, ok := take()
		if !ok {
			break
		}
		switch ops >> bits & 3 {
		case 0:
			out = append(out, lo, 0)
		case 1:
			out = append(out, lo, high)
		case 2:
			hi, ok := take()
			if !ok {
				return utf16.String(out)
			}
			out = append(out, lo, hi)
		case 3: // a run that follows the code page's bytes
			fix := byte(0)
			h := byte(0)
			if lo&0x80 != 0 {
				if fix, ok = take(); !ok {
					return utf16.String(out)
				}
				h = high
			}
			for range int(lo&0x7F) + 2 {
				at := len(out) / 2
				if at >= len(oem) {
					break
				}
				out = append(out, oem[at]+fix, h)
			}
		}
	}
	return utf16.String(out)
}

// search finds the next file header that fits its checksum.
func (a *Archive) search(from int64) int64 {
	const step = 1 << 20
	buf := make([]byte, step+3)
	for off := from; off < a.size; off += step {
		n, _ := a.r.ReadAt(buf[:min(step+3, a.size-off)], off)
		for i := 0; i+2 < n && i < step; i++ {
			if buf[i+2] != fileHeader {
				continue
			}
			if a.fits(off + int64(i)) {
				return off + int64(i)
			}
		}
	}
	return -1
}

func (a *Archive) fits(off int64) bool {
	var b [7]byte
	if n, _ := a.r.ReadAt(b[:], off); n < 7 {
		return false
	}
	c := cursor.New(b[:])
	sum, _, _, length := c.U16("crc"), c.U8("type"), c.U16("flags"), int(c.U16("size"))
	if length < 32 || int64(length) > a.size-off || length > 1<<14 {
		return false
	}
	h := make([]byte, length)
	n, _ := a.r.ReadAt(h, off)
	return n == length && uint16(crc32.ChecksumIEEE(h[2:])) == sum
}

// ErrPacked says that content is packed or encrypted, which is not decoded.
var ErrPacked = errors.New("packed or encrypted")

// Content gives a stored member of at most limit bytes and checks its CRC32.
// Bytes that do not fit the checksum are returned with the error.
func (a *Archive) Content(m *Member, limit int64) ([]byte, error) {
	if m.Method != stored || m.Encrypted() || m.Packed != m.Size {
		return nil, cursor.Errorf(m.Data, "%w", ErrPacked)
	}
	if m.Size > limit || m.Size < 0 || m.Size > a.size-m.Data {
		return nil, cursor.Errorf(m.Data, "member of %d bytes is over the limit", m.Size)
	}
	b := make([]byte, m.Size)
	if n, err := a.r.ReadAt(b, m.Data); int64(n) < m.Size {
		return b[:n], cursor.Errorf(m.Data+int64(n), "content: %v", err)
	}
	if crc32.ChecksumIEEE(b) != m.CRC32 {
		return b, cursor.Errorf(m.Data, "content does not fit its CRC32")
	}
	return b, nil
}
