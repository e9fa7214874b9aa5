package fve

import (
	"fmt"
	"hash/crc32"
	"io"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/utf16"
)

const (
	blockHead   = 64
	headerSize  = 48
	maxMetadata = 64 << 10
)

// Types of entries, and of their values.
const (
	entryProperty    = 0x0000
	entryVMK         = 0x0002
	entryFVEK        = 0x0003
	entryDescription = 0x0007

	valueKey      = 0x0001
	valueText     = 0x0002
	valueStretch  = 0x0003
	valueCCM      = 0x0005
	valueVMK      = 0x0008
	valueExternal = 0x0009
)

// entry is one entry of the metadata.
type entry struct {
	kind, value uint16
	data        []byte
	off         int64 // of data on the volume
}

// entries splits a list. A length that makes no sense ends it with an error.
func entries(b []byte, off int64) (out []entry, err error) {
	for p := 0; p+8 <= len(b); {
		c := cursor.At(b[p:], off+int64(p))
		n := int(c.U16("size"))
		e := entry{kind: c.U16("entry type"), value: c.U16("value type"), off: off + int64(p) + 8}
		if n == 0 {
			break
		}
		if n < 8 || n > len(b)-p {
			return out, cursor.Errorf(off+int64(p), "entry of %d bytes, have %d", n, len(b)-p)
		}
		e.data = b[p+8 : p+n : p+n]
		out = append(out, e)
		p += n
	}
	return out, nil
}

// Volume is a volume of BitLocker's.
type Volume struct {
	Info
	r          io.ReaderAt
	size       int64
	boot       boot
	headerOff  int64 // where the first sectors of the volume lie
	headerLen  int64
	mirror     uint64 // Vista: the cluster of $MFTMirr
	dirty      int64  // bytes that were being converted
	entries    []entry
	protectors [][]entry // nested entries, beside Info.Protectors
	eow        *eow
	problems   []Problem
	cipher     sectorCipher
	places     [3]int64 // of the metadata, by the copy that counts
	reserved   []span
}

// Problems lists what was wrong with the metadata.
func (v *Volume) Problems() []Problem { return v.problems }

func (v *Volume) report(off int64, err error, format string, args ...any) {
	v.problems = append(v.problems, Problem{off, fmt.Sprintf(format, args...), err})
}

// Open reads the boot sector and the best copy of the metadata. No key is
// needed.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	b := make([]byte, 512)
	if err := readFull(r, size, b, 0); err != nil {
		return nil, &Problem{What: "boot sector", Err: err}
	}
	o, err := parseBoot(b)
	if err != nil {
		return nil, err
	}
	v := &Volume{r: r, size: size, boot: o}
	v.SectorSize, v.ToGo = o.sector, o.toGo
	if !v.readCopies() {
		return nil, &Problem{Off: o.metadata[0], What: "no copy of the metadata can be read", Err: v.firstProblem()}
	}
	if o.eow[0] != 0 || o.eow[1] != 0 {
		v.EOW = true
		v.openEOW()
	}
	v.reserve()
	return v, nil
}

func (v *Volume) firstProblem() error {
	if len(v.problems) == 0 {
		return nil
	}
	return &v.problems[0]
}

// readCopies tries the copies in order; the first whose checksum holds counts, or
// where none does the first that is there: its keys have a proof of their own. The
// boot sector of Vista names the first only, the metadata name the others.
func (v *Volume) readCopies() bool {
	places := v.boot.metadata[:]
	seen := map[int64]bool{0: true}
	found := false
	var doubtful *metadata
	var doubtfulAt int64
	for i := 0; i < len(places); i++ {
		off := places[i]
		if seen[off] {
			continue
		}
		seen[off] = true
		m, err := v.readCopy(off)
		if err != nil {
			v.report(off, err, "copy of the metadata")
			if m == nil {
				continue
			}
		}
		if v.boot.vista && i == 0 {
			places = append(places, m.places[:]...)
		}
		v.Metadata = append(v.Metadata, off)
		if err == nil && !found {
			found = true
			v.take(m, off)
		}
		if m.b != nil && doubtful == nil {
			doubtful, doubtfulAt = m, off
		}
	}
	if !found && doubtful != nil {
		v.report(doubtfulAt, nil, "no copy of the metadata has the checksum of its bytes; this one is used")
		v.take(doubtful, doubtfulAt)
		found = true
	}
	return found
}

// metadata is a copy whose checksum holds.
type metadata struct {
	b      []byte
	places [3]int64
}

// readCopy reads the block header and the bytes it counts. With an error the
// copy may still say where the others lie.
func (v *Volume) readCopy(off int64) (*metadata, error) {
	head := make([]byte, blockHead+headerSize)
	if err := readFull(v.r, v.size, head, off); err != nil {
		return nil, err
	}
	c := cursor.At(head, off)
	sig := c.Take(8, "signature")
	n := int64(c.U16("size"))
	version := c.U16("version")
	c.Skip(20, "states and sizes")
	if string(sig) != signature {
		return nil, cursor.Errorf(off, "no signature")
	}
	m := &metadata{}
	for i := range m.places {
		m.places[i] = int64(c.U64("metadata") & (1<<63 - 1))
	}
	if version >= 2 {
		n *= 16
	}
	if n < blockHead+headerSize || n > maxMetadata || version == 0 || version > 2 {
		return m, cursor.Errorf(off+8, "metadata of %d bytes, version %d", n, version)
	}
	m.b = make([]byte, n+8)
	if err := readFull(v.r, v.size, m.b[:n], off); err != nil {
		m.b = nil
		return m, err
	}
	if err := readFull(v.r, v.size, m.b[n:], off+n); err != nil {
		if version == 1 {
			return m, nil
		}
		m.b = m.b[:n]
		return m, nil // a medium that ends here: the checksum cannot be had
	}
	c = cursor.At(m.b[n:], off+n)
	c.Skip(4, "size and version")
	if sum := c.U32("CRC-32"); version >= 2 && sum != crc32.ChecksumIEEE(m.b[:n]) {
		m.b = m.b[:n]
		return m, cursor.Errorf(off+n+4, "CRC-32 %#08x, the metadata have %#08x", sum, crc32.ChecksumIEEE(m.b[:n]))
	}
	m.b = m.b[:n]
	return m, nil
}

// take decodes the copy that counts.
func (v *Volume) take(m *metadata, off int64) {
	v.Used, v.places = off, m.places
	c := cursor.At(m.b, off)
	c.Skip(10, "signature and size")
	v.Version = c.U16("version")
	v.State, v.Next = State(c.U16("state")), State(c.U16("next state"))
	v.Converted = int64(c.U64("converted size")&(1<<63-1)) / v.boot.sector * v.boot.sector
	v.dirty = int64(c.U32("size of the block in work"))
	sectors := int64(c.U32("sectors of the volume header"))
	c.Skip(24, "metadata")
	last := c.U64("volume header")
	if v.Version == 1 {
		v.mirror, v.Converted = last, 0
	} else {
		v.headerOff, v.headerLen = int64(last&(1<<63-1)), max(sectors, 1)*v.boot.sector
		if v.headerOff%v.boot.sector != 0 {
			v.report(off+56, nil, "the first sectors of the volume lie at %#x, in the middle of a sector", v.headerOff)
			v.headerOff -= v.headerOff % v.boot.sector
		}
	}
	total := int64(c.U32("metadata size"))
	c.Skip(4, "version")
	head := int64(c.U32("header size"))
	c.Skip(4, "copy of the size")
	v.ID = guid.From(c.Take(16, "volume id"))
	c.Skip(4, "next nonce")
	v.Method = Method(c.U16("method"))
	c.Skip(2, "method")
	v.Created = c.U64("creation time")
	v.Size = v.Converted
	if v.Size == 0 || v.EOW {
		v.Size = v.size
	}
	if total < head || head < headerSize || total > int64(len(m.b))-blockHead {
		v.report(off+blockHead, nil, "metadata of %d bytes, %d of them header, have %d", total, head, len(m.b)-blockHead)
		total = int64(len(m.b)) - blockHead
		head = min(max(head, headerSize), total)
	}
	var err error
	if v.entries, err = entries(m.b[blockHead+head:blockHead+total], off+blockHead+head); err != nil {
		v.report(off, err, "entries of the metadata")
	}
	for _, e := range v.entries {
		switch {
		case e.kind == entryDescription && e.value == valueText:
			v.Description = utf16.String(trimNUL(e.data))
		case e.kind == entryVMK && e.value == valueVMK:
			v.protector(e)
		}
	}
}

func trimNUL(b []byte) []byte {
	for len(b) >= 2 && b[len(b)-1] == 0 && b[len(b)-2] == 0 {
		b = b[:len(b)-2]
	}
	return b
}

// protector decodes a VMK entry: id, time of the last change, kind, then the
// parts of its key.
func (v *Volume) protector(e entry) {
	c := cursor.At(e.data, e.off)
	p := Protector{ID: guid.From(c.Take(16, "id")), Changed: c.U64("last change")}
	c.Skip(2, "reserved")
	p.Kind = Kind(c.U16("kind"))
	rest, off := c.Take(c.Left(), "parts"), e.off+28
	if c.Err() != nil {
		v.report(e.off, c.Err(), "protector")
		return
	}
	parts, err := entries(rest, off)
	if err != nil {
		v.report(e.off, err, "protector %s", p.ID)
	}
	for _, x := range parts {
		if x.value == valueText {
			p.Name = utf16.String(trimNUL(x.data))
		}
	}
	v.Protectors = append(v.Protectors, p)
	v.protectors = append(v.protectors, parts)
}
