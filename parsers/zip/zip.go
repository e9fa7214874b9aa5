// Package zip lists the members of ZIP archives and gives their content.
//
// Source: PKWARE APPNOTE.TXT 6.3, sections 4.3 (records), 4.4 (fields), 4.5.3
// (ZIP64), 6.1 (traditional encryption). The central directory is believed
// where it is there; where it is not (a deleted archive whose end belongs to
// another file), local headers are searched for. Decoded are stored and
// deflated members, and such that carry the traditional encryption and a
// password is given. Not decoded: other methods, AES (9901) and strong
// encryption; their headers are listed. Split archives are read as far as this
// part goes.
package zip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"

	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/filetime"
)

// Limits.
const (
	MaxMembers = 65535 * 16 // members of one archive
	maxTail    = 1 << 16    // the longest comment behind the end record, and more
	maxName    = 1 << 12
)

// Member is a file in an archive.
type Member struct {
	Name       string // as text; by flag UTF-8, else presumed code page
	RawName    []byte
	Size       int64 // unpacked
	Packed     int64
	CRC32      uint32 // of the content before packing and encryption
	Method     uint16 // 0 stored, 8 deflated
	Flags      uint16 // bit 0 encrypted, bit 11 name is UTF-8
	Modified   uint64 // FILETIME of the local clock that packed it, 2 s steps; 0 not set
	Offset     int64  // of the local header
	FromHeader bool   // found by its local header alone
}

// Encrypted tells whether the content needs a password.
func (m *Member) Encrypted() bool { return m.Flags&1 != 0 }

// Dir tells whether the member is a folder.
func (m *Member) Dir() bool { return len(m.RawName) > 0 && m.RawName[len(m.RawName)-1] == '/' }

// Archive is a ZIP archive.
type Archive struct {
	r       io.ReaderAt
	size    int64
	Members []Member
	Damage  []error // what could not be read; each has an Offset
}

// ErrNotZip says that no record of a ZIP archive is there.
var ErrNotZip = errors.New("no ZIP archive")

// NewReader lists an archive of size bytes. An archive whose directory is gone
// is listed by its local headers, and says so in Damage.
func NewReader(r io.ReaderAt, size int64) (*Archive, error) {
	a := &Archive{r: r, size: size}
	var head [4]byte
	if n, _ := r.ReadAt(head[:], 0); n < 4 || head[0] != 'P' || head[1] != 'K' {
		return nil, ErrNotZip
	}
	err := a.directory()
	if err == nil {
		return a, nil
	}
	a.Members = nil
	a.Damage = append(a.Damage, err)
	a.scan()
	if len(a.Members) == 0 {
		return nil, ErrNotZip
	}
	return a, nil
}

// directory reads the central directory.
func (a *Archive) directory() error {
	n := min(a.size, maxTail+22)
	tail := make([]byte, n)
	if k, err := a.r.ReadAt(tail, a.size-n); int64(k) < n {
		return cursor.Errorf(a.size-n, "end of central directory: %v", err)
	}
	i := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if i < 0 || len(tail)-i < 22 {
		return cursor.Errorf(a.size-n, "no end of central directory")
	}
	end := a.size - n + int64(i)
	c := cursor.At(tail[i:], end)
	c.Skip(10, "end record")
	count := int64(c.U16("entries"))
	length := int64(c.U32("directory size"))
	off := int64(c.U32("directory offset"))
	if count == 0xFFFF || length == 0xFFFFFFFF || off == 0xFFFFFFFF {
		if c64, l64, o64, ok := a.zip64(tail[:i]); ok {
			count, length, off = c64, l64, o64
		}
	}
	if off < 0 || length < 0 || off > a.size || length > a.size-off {
		return cursor.Errorf(end, "central directory of %d bytes at %#x does not lie in %d bytes", length, off, a.size)
	}
	if count > MaxMembers || count*46 > length {
		return cursor.Errorf(end, "%d members in %d bytes of directory", count, length)
	}
	b := make([]byte, length)
	if k, err := a.r.ReadAt(b, off); int64(k) < length {
		return cursor.Errorf(off+int64(k), "central directory: %v", err)
	}
	c = cursor.At(b, off)
	for range count {
		m, err := entry(c)
		if err != nil {
			return err
		}
		a.Members = append(a.Members, m)
	}
	return nil
}

// zip64 reads the ZIP64 end record in front of its locator.
func (a *Archive) zip64(before []byte) (count, length, off int64, ok bool) {
	if len(before) < 20 || string(before[len(before)-20:len(before)-16]) != "PK\x06\x07" {
		return 0, 0, 0, false
	}
	at := int64(binary.LittleEndian.Uint64(before[len(before)-12:]))
	var b [56]byte
	if at < 0 || at > a.size-56 {
		return 0, 0, 0, false
	}
	if k, _ := a.r.ReadAt(b[:], at); k < 56 || string(b[:4]) != "PK\x06\x06" {
		return 0, 0, 0, false
	}
	return int64(binary.LittleEndian.Uint64(b[32:])), int64(binary.LittleEndian.Uint64(b[40:])), int64(binary.LittleEndian.Uint64(b[48:])), true
}

// entry reads one record of the central directory.
func entry(c *cursor.Cursor) (Member, error) {
	if string(c.Take(4, "central directory entry")) != "PK\x01\x02" {
		c.Fail("no central directory entry")
		return Member{}, c.Err()
	}
	c.Skip(4, "versions")
	var m Member
	nameLength := fields(c, &m)
	extra := int(c.U16("extra length"))
	comment := int(c.U16("comment length"))
	c.Skip(8, "disk and attributes")
	m.Offset = int64(c.U32("offset of the local header"))
	m.RawName = bytes.Clone(c.Take(nameLength, "name"))
	x := c.Take(extra, "extra field")
	c.Skip(comment, "comment")
	if c.Err() != nil {
		return m, c.Err()
	}
	m.extra(x)
	m.name(x)
	return m, nil
}

// fields reads what local and central headers have in common, from the flags to
// the length of the name.
func fields(c *cursor.Cursor, m *Member) (nameLength int) {
	m.Flags = c.U16("flags")
	m.Method = c.U16("method")
	clock := c.U16("time")
	date := c.U16("date")
	m.Modified = filetime.FromDOS(date, clock)
	m.CRC32 = c.U32("crc")
	m.Packed = int64(c.U32("packed size"))
	m.Size = int64(c.U32("size"))
	return int(c.U16("name length"))
}

// extra takes the 64-bit sizes, in their fixed order, where the 32-bit ones say
// that they stand there.
func (m *Member) extra(x []byte) {
	c := cursor.New(x)
	for c.Left() >= 4 {
		id, n := c.U16("id"), int(c.U16("length"))
		b := c.Take(n, "extra")
		if c.Err() != nil {
			return
		}
		if id != 1 {
			continue
		}
		e := cursor.New(b)
		for _, v := range []*int64{&m.Size, &m.Packed, &m.Offset} {
			if *v == 0xFFFFFFFF && e.Left() >= 8 {
				*v = int64(e.U64("64-bit size") &^ (1 << 63))
			}
		}
	}
}

// name decodes the name: UTF-8 by flag or by the Unicode path field (0x7075),
// else the code page that the bytes fit.
func (m *Member) name(x []byte) {
	if m.Flags&0x800 != 0 {
		m.Name = string(m.RawName)
		return
	}
	c := cursor.New(x)
	for c.Left() >= 4 {
		id, n := c.U16("id"), int(c.U16("length"))
		b := c.Take(n, "extra")
		if c.Err() == nil && id == 0x7075 && n > 5 && binary.LittleEndian.Uint32(b[1:]) == crc32.ChecksumIEEE(m.RawName) {
			m.Name = string(b[5:])
			return
		}
	}
	m.Name = codepage.Decode(m.RawName, codepage.Presume)
}

// scan searches local headers, in steps of a buffer.
func (a *Archive) scan() {
	const step = 1 << 20
	buf := make([]byte, step+4)
	for off := int64(0); off < a.size; off += step {
		n, _ := a.r.ReadAt(buf[:min(step+4, a.size-off)], off)
		for i := 0; ; {
			j := bytes.Index(buf[i:n], []byte("PK\x03\x04"))
			if j < 0 || i+j >= step {
				break
			}
			i += j
			if m, ok := a.local(off + int64(i)); ok {
				a.Members = append(a.Members, m)
			}
			i += 4
			if len(a.Members) >= MaxMembers {
				return
			}
		}
	}
}

func (a *Archive) local(off int64) (Member, bool) {
	var b [30]byte
	if n, _ := a.r.ReadAt(b[:], off); n < 30 {
		return Member{}, false
	}
	c := cursor.At(b[:], off)
	c.Skip(6, "signature and version")
	m := Member{Offset: off, FromHeader: true}
	n := fields(c, &m)
	x := int(c.U16("extra length"))
	if n == 0 || n > maxName || m.Method > 99 {
		return m, false
	}
	rest := make([]byte, n+x)
	if k, _ := a.r.ReadAt(rest, off+30); k < n+x {
		return m, false
	}
	m.RawName = rest[:n:n]
	m.extra(rest[n:])
	m.name(rest[n:])
	return m, true
}

// ErrPassword says that content is encrypted and no given password opens it.
var ErrPassword = errors.New("encrypted")

// ErrMethod says that content is packed in a way that is not decoded.
var ErrMethod = errors.New("packed in a way that is not decoded")

// Content unpacks a member of at most limit bytes and checks its CRC32. Bytes
// that do not fit the checksum are returned with the error.
func (a *Archive) Content(m *Member, limit int64, passwords ...string) ([]byte, error) {
	if m.Size > limit || m.Packed > limit+limit/2+1024 || m.Size < 0 || m.Packed < 0 {
		return nil, cursor.Errorf(m.Offset, "member of %d bytes is over the limit of %d", m.Size, limit)
	}
	var h [30]byte
	if n, err := a.r.ReadAt(h[:], m.Offset); n < 30 || string(h[:4]) != "PK\x03\x04" {
		return nil, cursor.Errorf(m.Offset, "no local header: %v", err)
	}
	from := m.Offset + 30 + int64(binary.LittleEndian.Uint16(h[26:])) + int64(binary.LittleEndian.Uint16(h[28:]))
	if from > a.size || m.Packed > a.size-from {
		return nil, cursor.Errorf(from, "content of %d bytes does not lie in %d bytes", m.Packed, a.size)
	}
	b := make([]byte, m.Packed)
	if n, err := a.r.ReadAt(b, from); int64(n) < m.Packed {
		return nil, cursor.Errorf(from+int64(n), "content: %v", err)
	}
	if !m.Encrypted() {
		return m.unpack(b, from)
	}
	if m.Method == 99 || m.Flags&0x40 != 0 || len(b) < 12 {
		return nil, cursor.Errorf(from, "%w by a method that is not read", ErrPassword)
	}
	check := byte(m.CRC32 >> 24)
	if m.Flags&8 != 0 { // sizes stand behind the content, and the time is the check
		check = h[11]
	}
	for _, p := range passwords {
		plain := decrypt(b, p)
		if plain[11] != check {
			continue
		}
		if out, err := m.unpack(plain[12:], from); err == nil {
			return out, nil
		}
	}
	return nil, cursor.Errorf(from, "%w", ErrPassword)
}

func (m *Member) unpack(b []byte, at int64) ([]byte, error) {
	switch m.Method {
	case 0:
	case 8:
		f := flate.NewReader(bytes.NewReader(b))
		out, err := io.ReadAll(io.LimitReader(f, m.Size+1))
		if err != nil {
			return out, cursor.Errorf(at, "inflate: %v", err)
		}
		b = out
	default:
		return nil, cursor.Errorf(at, "method %d: %w", m.Method, ErrMethod)
	}
	if int64(len(b)) != m.Size || crc32.ChecksumIEEE(b) != m.CRC32 {
		return b, cursor.Errorf(at, "content does not fit its CRC32")
	}
	return b, nil
}

// decrypt is the traditional stream cipher (6.1.5, 6.1.6); it is weak, and
// checking a password costs twelve bytes.
func decrypt(b []byte, password string) []byte {
	t := crc32.IEEETable
	k0, k1, k2 := uint32(0x12345678), uint32(0x23456789), uint32(0x34567890)
	update := func(c byte) {
		k0 = k0>>8 ^ t[byte(k0)^c]
		k1 = (k1+k0&0xFF)*134775813 + 1
		k2 = k2>>8 ^ t[byte(k2)^byte(k1>>24)]
	}
	for i := range len(password) {
		update(password[i])
	}
	out := make([]byte, len(b))
	for i, c := range b {
		x := uint16(k2 | 2)
		out[i] = c ^ byte(uint32(x)*uint32(x^1)>>8)
		update(out[i])
	}
	return out
}
