package aff4

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/url"
	"slices"
	"strings"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

// archive is the zip archive under a volume: where each segment lies. The parts
// of bevies, of which a large image has a million, are kept apart from other
// segments in little memory.
//
// Source: PKWARE APPNOTE.TXT 6.3, 4.3 (records), 4.5.3 (ZIP64).
type archive struct {
	f       container.File
	comment string
	other   map[string]segment // by name, unescaped
	bevies  map[string]*bevies // by the name of their stream
	count   int
	said    []container.Problem // what is wrong with the directory
}

// segment is a member of the archive.
type segment struct {
	header int64 // offset of its local header
	size   int64 // unpacked
	packed int64
	crc    uint32 // of its content
	method uint16 // 0 stored, 8 deflated
	flags  uint16
}

// numbered is a segment of a bevy.
type numbered struct {
	n uint32
	segment
}

// bevies are the segments of a stream, by what they are: "" the chunks, "index",
// or the algorithm of their block hashes. They are in order of their numbers.
type bevies map[string][]numbered

var (
	errSum       = errors.New("its CRC-32 is wrong")
	errEncrypted = fmt.Errorf("is encrypted, and %w", ErrUnsupported)
)

// openArchive reads the central directory. What it cannot read of it is said;
// the rest is there.
func openArchive(f container.File) (*archive, error) {
	a := &archive{f: f, other: map[string]segment{}, bevies: map[string]*bevies{}}
	at, length, count, err := a.end()
	if err != nil {
		return nil, err
	}
	if err := a.directory(at, length, count); err != nil {
		if a.count == 0 {
			return nil, err
		}
		a.say(at, fmt.Errorf("central directory: %w; what it lists behind is lost", err))
	}
	for name, b := range a.bevies {
		for kind, list := range *b {
			slices.SortStableFunc(list, func(x, y numbered) int { return int(int64(x.n) - int64(y.n)) })
			kept := list[:0]
			for _, x := range list {
				if k := len(kept); k > 0 && kept[k-1].n == x.n { // the later one, as other readers take it
					a.say(x.header, fmt.Errorf("%s/%08d %s is there twice", name, x.n, kind))
					kept = kept[:k-1]
				}
				kept = append(kept, x)
			}
			(*b)[kind] = kept
		}
	}
	return a, nil
}

func (a *archive) say(off int64, err error) {
	if e, ok := errors.AsType[*cursor.Error](err); ok {
		off = e.Off
	}
	if len(a.said) < 1<<10 {
		a.said = append(a.said, container.Problem{File: a.f.Name, Off: off, What: err.Error()})
	}
}

const endRecord = 22

// end finds the central directory by the record at the archive's end.
func (a *archive) end() (at, length, count int64, err error) {
	n := min(a.f.Size, endRecord+1<<16)
	tail := make([]byte, n)
	if k, err := a.f.R.ReadAt(tail, a.f.Size-n); int64(k) < n {
		return 0, 0, 0, cursor.Errorf(a.f.Size-n+int64(k), "end of the zip archive: %w", err)
	}
	i := len(tail) - endRecord
	for ; i >= 0; i-- {
		if string(tail[i:i+4]) == "PK\x05\x06" && i+endRecord+int(binary.LittleEndian.Uint16(tail[i+20:])) <= len(tail) {
			break
		}
	}
	if i < 0 {
		return 0, 0, 0, cursor.Errorf(a.f.Size, "the zip archive has no end: the volume is cut, or was never completed")
	}
	end := a.f.Size - n + int64(i)
	c := cursor.At(tail[i:], end)
	c.Skip(10, "end record")
	count, length, at = int64(c.U16("entries")), int64(c.U32("directory size")), int64(c.U32("directory offset"))
	a.comment = string(bytes.TrimRight(c.Take(int(c.U16("comment length")), "comment"), "\x00\r\n "))
	if i >= 20 && string(tail[i-20:i-16]) == "PK\x06\x07" {
		c, err := a.at(int64(min(binary.LittleEndian.Uint64(tail[i-12:]), 1<<62)), 56)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("ZIP64 end record: %w", err)
		}
		if string(c.Take(4, "signature")) != "PK\x06\x06" {
			c.Fail("no ZIP64 end record")
		}
		c.Skip(28, "ZIP64 end record")
		count, length, at = int64(min(c.U64("entries"), 1<<62)), int64(min(c.U64("directory size"), 1<<62)), int64(min(c.U64("directory offset"), 1<<62))
		if c.Err() != nil {
			return 0, 0, 0, c.Err()
		}
	}
	if at > end || length > end-at {
		return 0, 0, 0, cursor.Errorf(end, "a central directory of %d bytes at %#x, in %d bytes", length, at, a.f.Size)
	}
	return at, length, count, nil
}

// at reads n bytes of the file.
func (a *archive) at(off int64, n int) (*cursor.Cursor, error) {
	b := make([]byte, n)
	if off > a.f.Size-int64(n) {
		return nil, cursor.Errorf(min(off, a.f.Size), "need %d bytes at %#x, the file has %d", n, off, a.f.Size)
	}
	if k, err := a.f.R.ReadAt(b, off); k < n {
		return nil, cursor.Errorf(off+int64(k), "%w", err)
	}
	return cursor.At(b, off), nil
}

const entrySize = 46

// directory reads the central directory in parts.
func (a *archive) directory(at, length, count int64) error {
	r := bufio.NewReaderSize(io.NewSectionReader(a.f.R, at, length), 1<<16)
	end := at + length
	b := make([]byte, entrySize+3<<16)
	last, folder := "", "" // the folder of the entry before, raw and unescaped
	for at < end {
		if _, err := io.ReadFull(r, b[:entrySize]); err != nil {
			return cursor.Errorf(at, "entry %d: %w", a.count, err)
		}
		c := cursor.At(b[:entrySize], at)
		if string(c.Take(4, "signature")) != "PK\x01\x02" {
			return cursor.Errorf(at, "entry %d is none", a.count)
		}
		c.Skip(4, "versions")
		s := segment{flags: c.U16("flags"), method: c.U16("method")}
		c.Skip(4, "time")
		s.crc, s.packed, s.size = c.U32("CRC-32"), int64(c.U32("packed size")), int64(c.U32("size"))
		name, extra, comment := int(c.U16("name length")), int(c.U16("extra length")), int(c.U16("comment length"))
		c.Skip(8, "disk, attributes")
		s.header = int64(c.U32("local header"))
		rest := b[entrySize : entrySize+name+extra+comment]
		if _, err := io.ReadFull(r, rest); err != nil {
			return cursor.Errorf(at, "entry %d: %w", a.count, err)
		}
		s.zip64(rest[name : name+extra])
		full := string(rest[:name])
		i := strings.LastIndexByte(full, '/')
		if raw := full[:max(i, 0)]; raw != last {
			last, folder = raw, unescape(raw)
		}
		if err := a.add(folder, full, i, s); err != nil {
			return cursor.Errorf(at, "%w", err)
		}
		a.count++
		at += int64(entrySize + len(rest))
	}
	if int64(a.count) != count {
		return cursor.Errorf(end, "%d entries, the end record counts %d", a.count, count)
	}
	return nil
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// zip64 takes the 64-bit values, in their fixed order, where the 32-bit ones
// say that they stand there.
func (s *segment) zip64(extra []byte) {
	c := cursor.New(extra)
	for c.Left() >= 4 {
		id, n := c.U16("id"), int(c.U16("length"))
		b := c.Take(n, "field")
		if id != 1 || c.Err() != nil {
			continue
		}
		e := cursor.New(b)
		for _, v := range []*int64{&s.size, &s.packed, &s.header} {
			if *v == 0xFFFFFFFF && e.Left() >= 8 {
				*v = int64(min(e.U64("value"), 1<<62))
			}
		}
	}
}

// add files an entry: with the bevies of its stream, or by its name.
func (a *archive) add(folder, full string, slash int, s segment) error {
	if n, kind, ok := bevyName(full[slash+1:]); ok && slash >= 0 {
		b := a.bevies[folder]
		if b == nil {
			if len(a.bevies) == MaxTargets {
				return fmt.Errorf("more than %d streams", MaxTargets)
			}
			b = &bevies{}
			a.bevies[folder] = b
		}
		(*b)[kind] = append((*b)[kind], numbered{n, s})
		return nil
	}
	if len(a.other) == maxOther {
		return fmt.Errorf("more than %d segments beside bevies", maxOther)
	}
	name := unescape(full)
	if old, twice := a.other[name]; twice {
		a.say(old.header, fmt.Errorf("%s is there twice", name))
	}
	a.other[name] = s
	return nil
}

// bevyName reads the last part of a segment's name: NNNNNNNN, NNNNNNNN.index,
// NNNNNNNN.blockHash.md5 (the standard writes NNNNNNNN.md5).
func bevyName(s string) (n uint32, kind string, ok bool) {
	if len(s) < 8 {
		return 0, "", false
	}
	i := 0
	for ; i < len(s) && i < 9 && s[i] >= '0' && s[i] <= '9'; i++ {
		n = 10*n + uint32(s[i]-'0')
	}
	if i < 8 {
		return 0, "", false
	}
	if i == len(s) {
		return n, "", true
	}
	switch kind := strings.TrimPrefix(strings.TrimPrefix(s[i:], "."), "blockHash."); kind {
	case "index", "md5", "sha1", "sha256", "sha512", "blake2b":
		return n, kind, s[i] == '.'
	}
	return 0, "", false
}

// part is where a stored segment's bytes lie in the file.
func (a *archive) part(s segment) (off, n int64, err error) {
	switch {
	case s.flags&1 != 0:
		return 0, 0, cursor.Errorf(s.header, "a segment %w", errEncrypted)
	case s.method != 0 && s.method != 8:
		return 0, 0, cursor.Errorf(s.header, "a segment packed by method %d %w", s.method, ErrUnsupported)
	}
	c, err := a.at(s.header, 30)
	if err != nil {
		return 0, 0, fmt.Errorf("local header: %w", err)
	}
	if string(c.Take(4, "signature")) != "PK\x03\x04" {
		return 0, 0, cursor.Errorf(s.header, "no local header")
	}
	c.Skip(22, "local header")
	off = s.header + 30 + int64(c.U16("name length")) + int64(c.U16("extra length"))
	if off > a.f.Size || s.packed > a.f.Size-off {
		return 0, 0, cursor.Errorf(s.header, "a segment of %d bytes, in a file of %d", s.packed, a.f.Size)
	}
	return off, s.packed, nil
}

// reader reads a segment, and compares its CRC-32 at its end.
func (a *archive) reader(s segment) (io.Reader, error) {
	off, n, err := a.part(s)
	if err != nil {
		return nil, err
	}
	var r io.Reader = io.NewSectionReader(a.f.R, off, n)
	if s.method == 8 {
		r = flate.NewReader(bufio.NewReader(r))
	}
	return &summed{r: io.LimitReader(r, s.size+1), h: crc32.NewIEEE(), s: s}, nil
}

// bytes reads a segment of limit bytes at most. Where its CRC-32 alone is
// wrong, the bytes come with errSum.
func (a *archive) bytes(s segment, limit int64) ([]byte, error) {
	if s.size > limit {
		return nil, cursor.Errorf(s.header, "%d bytes, limit %d", s.size, limit)
	}
	r, err := a.reader(s)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	return b.Bytes(), err
}

// summed is a segment as it is read.
type summed struct {
	r io.Reader
	h hash.Hash32
	n int64
	s segment
}

func (r *summed) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.h.Write(p[:n])
	r.n += int64(n)
	switch {
	case err == io.EOF && r.n != r.s.size:
		return n, cursor.Errorf(r.s.header, "a segment of %d bytes, %d are stated", r.n, r.s.size)
	case err == io.EOF && r.h.Sum32() != r.s.crc:
		return n, cursor.Errorf(r.s.header, "%w", errSum)
	case err != nil && err != io.EOF:
		return n, cursor.Errorf(r.s.header, "%w", err)
	}
	return n, err
}

// find is a segment of a resource.
func (v *volume) find(resource, name string) (segment, bool) {
	full := resource + "/" + name
	s, ok := v.a.other[full]
	if !ok {
		s, ok = v.a.other[strings.TrimPrefix(strings.TrimPrefix(full, v.name), "/")]
	}
	return s, ok
}

// bevies are those of a stream, nil where the volume has none. The volume's own
// resources may be named without it.
func (v *volume) bevies(stream string) *bevies {
	if b := v.a.bevies[stream]; b != nil {
		return b
	}
	return v.a.bevies[strings.TrimPrefix(strings.TrimPrefix(stream, v.name), "/")]
}

// get is a part of a bevy.
func (b *bevies) get(kind string, n int64) (segment, bool) {
	list := (*b)[kind]
	i, ok := slices.BinarySearchFunc(list, n, func(x numbered, n int64) int { return int(int64(x.n) - n) })
	if !ok {
		return segment{}, false
	}
	return list[i].segment, true
}
