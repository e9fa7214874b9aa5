package ntfs

import (
	"encoding/binary"

	"kanshiki/parsers/internal/cursor"
)

// Record is one FILE record after its fixups: the bytes of an MFT entry.
type Record struct {
	Num     uint64 // its place in the $MFT
	Off     int64  // byte offset on the volume, or -1
	BAAD    bool   // chkdsk saw a torn write
	LSN     uint64 // of $LogFile
	Seq     uint16
	Links   uint16 // as counted by the driver; a DOS name counts too
	Flags   uint16
	Base    Ref // 0 for a base record
	NextID  uint16
	Number  uint32 // the number that the record gives itself; NT 5.1 and later
	HasNum  bool
	used    int
	start   int
	data    []byte
	torn    uint64 // bit for each 512-byte stride whose end mark differs
	damaged bool
}

// Ref is the reference that names this record now.
func (r *Record) Ref() Ref { return MakeRef(r.Num, r.Seq) }

// InUse tells whether the record belongs to something that exists.
func (r *Record) InUse() bool { return r.Flags&FlagInUse != 0 }

func isRecord(b []byte) bool {
	return len(b) >= 4 && (string(b[:4]) == "FILE" || string(b[:4]) == "BAAD")
}

// stride is what one update sequence number protects. It is 512 bytes on
// volumes with 4096-byte sectors too (measured: 9 array words for a 4096-byte
// entry).
const stride = 512

// decodeRecord applies the fixups in b, in place, and reads the header. Damage
// goes to report, which may be nil. b must hold at least minRecord bytes that
// begin with a signature.
func decodeRecord(b []byte, num uint64, off int64, report func(Damage)) Record {
	r := Record{Num: num, Off: off, data: b}
	say := func(k Kind, at int, got, want uint64) {
		r.damaged = true
		if report != nil {
			report(Damage{Kind: k, Record: num, Off: offAdd(off, at), Got: got, Want: want})
		}
	}
	c := cursor.New(b)
	h := c.Take(48, "record header")
	if h == nil {
		say(BadUsedSize, 0, uint64(len(b)), 48)
		return r
	}
	r.BAAD = h[0] == 'B'
	if r.BAAD {
		say(TornRecord, 0, 0, 0)
	}
	r.fixup(int(binary.LittleEndian.Uint16(h[4:])), int(binary.LittleEndian.Uint16(h[6:])), say)
	used := r.header()
	r.used = len(b)
	if used <= uint32(len(b)) && int(used) >= r.start {
		r.used = int(used)
	} else {
		say(BadUsedSize, 24, uint64(used), uint64(len(b)))
	}
	if r.start < 42 || r.start > len(b)-8 {
		say(BadAttribute, 20, uint64(r.start), 0)
		r.start = r.used
	}
	return r
}

// header reads the fields behind the update sequence and returns the bytes used,
// as the record says.
func (r *Record) header() (used uint32) {
	h := r.data[:48]
	r.LSN = binary.LittleEndian.Uint64(h[8:])
	r.Seq = binary.LittleEndian.Uint16(h[16:])
	r.Links = binary.LittleEndian.Uint16(h[18:])
	r.start = int(binary.LittleEndian.Uint16(h[20:]))
	r.Flags = binary.LittleEndian.Uint16(h[22:])
	used = binary.LittleEndian.Uint32(h[24:])
	r.Base = Ref(binary.LittleEndian.Uint64(h[32:]))
	r.NextID = binary.LittleEndian.Uint16(h[40:])
	// The number stands in records whose update sequence begins behind it.
	if usa := binary.LittleEndian.Uint16(h[4:]); usa >= 0x30 {
		r.Number, r.HasNum = binary.LittleEndian.Uint32(h[44:]), true
	}
	return used
}

// fixup puts the protected words back. A stride whose end mark differs was
// torn: its words stay as they are, the other strides are still good.
func (r *Record) fixup(usa, count int, say func(Kind, int, uint64, uint64)) {
	n := len(r.data) / stride
	if count-1 != n {
		say(BadFixup, 4, uint64(usa), uint64(count))
	}
	n = min(n, count-1)
	if usa < 40 || n < 1 || usa+2*(n+1) > stride-2 {
		if count-1 == len(r.data)/stride {
			say(BadFixup, 4, uint64(usa), uint64(count))
		}
		return
	}
	usn := binary.LittleEndian.Uint16(r.data[usa:])
	for i := range n {
		end := (i+1)*stride - 2
		got := binary.LittleEndian.Uint16(r.data[end:])
		if got != usn {
			if i < 64 {
				r.torn |= 1 << i
			}
			say(TornStride, i*stride, uint64(got), uint64(usn))
			continue
		}
		copy(r.data[end:end+2], r.data[usa+2*(i+1):])
	}
}

func offAdd(off int64, n int) int64 {
	if off < 0 {
		return -1
	}
	return off + int64(n)
}

// Attr is one attribute of a record; its slices are parts of the record.
type Attr struct {
	Type        AttrType
	ID          uint16 // unique within its record only
	Flags       uint16
	NonResident bool
	Name        []byte // UTF-16LE
	Off         int    // of the attribute in the record
	Value       []byte // resident content

	// Non-resident attributes only. The sizes are valid where LowVCN is 0.
	LowVCN, HighVCN uint64 // HighVCN is LowVCN-1, wrapped, for no clusters
	Unit            uint8  // log2 of the clusters of a compression unit
	Allocated       uint64
	Size            uint64
	Initialized     uint64
	RunList         []byte
}

func (r *Record) first() int { return r.start }

// next decodes the attribute at *pos and moves on. It ends at the end mark, or
// after reporting what does not fit: lengths chain, so nothing behind a bad
// one can be trusted.
func (r *Record) next(pos *int, a *Attr, report func(Damage)) bool {
	p := *pos
	if p+8 > r.used {
		// Bytes used end with the end mark and four bytes more; older
		// drivers leave the four out.
		if p+4 > r.used || binary.LittleEndian.Uint32(r.data[p:]) != attrEnd {
			r.say(report, BadAttribute, 0, p, 0, 0)
		}
		return false
	}
	t := binary.LittleEndian.Uint32(r.data[p:])
	if t == attrEnd {
		return false
	}
	n := binary.LittleEndian.Uint32(r.data[p+4:])
	*a = Attr{Type: AttrType(t), Off: p}
	if t == 0 || n < 24 || n%8 != 0 || uint64(n) > uint64(r.used-p) {
		r.say(report, BadAttribute, AttrType(t), p, uint64(t), uint64(n))
		return false
	}
	b := r.data[p : p+int(n) : p+int(n)]
	*pos = p + int(n)
	a.NonResident = b[8] != 0
	a.Flags = binary.LittleEndian.Uint16(b[12:])
	a.ID = binary.LittleEndian.Uint16(b[14:])
	if nl := int(b[9]) * 2; nl > 0 {
		no := int(binary.LittleEndian.Uint16(b[10:]))
		if no+nl > len(b) {
			r.say(report, BadName, a.Type, p, uint64(no), uint64(nl))
		} else {
			a.Name = b[no : no+nl]
		}
	}
	if !a.NonResident {
		r.resident(b, a, report)
		return true
	}
	r.nonResident(b, a, report)
	return true
}

func (r *Record) resident(b []byte, a *Attr, report func(Damage)) {
	vl := binary.LittleEndian.Uint32(b[16:])
	vo := int(binary.LittleEndian.Uint16(b[20:]))
	a.Size = uint64(vl)
	if vo > len(b) || uint64(vl) > uint64(len(b)-vo) {
		r.say(report, BadValue, a.Type, a.Off, uint64(vo), uint64(vl))
		if vo <= len(b) {
			a.Value = b[vo:]
		}
		return
	}
	a.Value = b[vo : vo+int(vl) : vo+int(vl)]
}

// valueOff is where the value of a resident attribute begins in the record: behind
// its name.
func (r *Record) valueOff(a *Attr) int {
	return a.Off + int(binary.LittleEndian.Uint16(r.data[a.Off+20:]))
}

func (r *Record) nonResident(b []byte, a *Attr, report func(Damage)) {
	c := cursor.New(b)
	c.Seek(16, "lowest VCN")
	a.LowVCN = c.U64("lowest VCN")
	a.HighVCN = c.U64("highest VCN")
	ro := int(c.U16("run list offset"))
	unit := c.U16("compression unit")
	c.Seek(40, "sizes")
	if a.LowVCN == 0 {
		a.Allocated = c.U64("allocated size")
		a.Size = c.U64("data size")
		a.Initialized = c.U64("initialised size")
	}
	if unit > 16 {
		r.say(report, BadUnit, a.Type, a.Off, uint64(unit), 16)
		unit = 0
	}
	a.Unit = uint8(unit)
	if c.Err() != nil || ro < 0x40 || ro >= len(b) {
		r.say(report, BadRuns, a.Type, a.Off, 0, a.HighVCN-a.LowVCN+1)
		return
	}
	a.RunList = b[ro:]
}

// clusters is the allocated size in clusters, where the attribute states it.
func (a *Attr) clusters(cs uint32) uint64 {
	if a.LowVCN != 0 {
		return 0
	}
	return a.Allocated / uint64(cs)
}

func (r *Record) say(report func(Damage), k Kind, t AttrType, at int, got, want uint64) {
	r.damaged = true
	if report != nil {
		report(Damage{Kind: k, Record: r.Num, Attr: t, Off: offAdd(r.Off, at), Got: got, Want: want})
	}
}

// Attrs yields the attributes in the order of the record. Damage goes to
// report, which may be nil.
func (r *Record) Attrs(report func(Damage)) func(yield func(Attr) bool) {
	return func(yield func(Attr) bool) {
		var a Attr
		for pos := r.first(); r.next(&pos, &a, report); {
			if !yield(a) {
				return
			}
		}
	}
}

// named tells whether a $FILE_NAME says this ASCII name.
func (r *Record) named(name string) bool {
	for a := range r.Attrs(nil) {
		if fn, ok := parseFileName(a.Value); ok && a.Type == AttrFileName && asciiEqual(fn.name, name) {
			return true
		}
	}
	return false
}

func asciiEqual(name []byte, s string) bool {
	if len(name) != 2*len(s) {
		return false
	}
	for i := range len(s) {
		if name[2*i] != s[i] || name[2*i+1] != 0 {
			return false
		}
	}
	return true
}

// fileName is a decoded $FILE_NAME. Its sizes are stale by design and left out.
type fileName struct {
	parent    Ref
	times     Times
	flags     uint32
	namespace uint8
	name      []byte
}

// fileNameHead is the length of a $FILE_NAME before its name.
const fileNameHead = 66

func parseFileName(v []byte) (fileName, bool) {
	var fn fileName
	if len(v) < fileNameHead {
		return fn, false
	}
	h := v[:fileNameHead]
	fn.parent = Ref(binary.LittleEndian.Uint64(h))
	fn.times = parseTimes(h[8:40])
	fn.flags = binary.LittleEndian.Uint32(h[56:])
	fn.namespace = h[65]
	n := int(h[64]) * 2
	if n > len(v)-fileNameHead {
		fn.name = v[fileNameHead : fileNameHead+(len(v)-fileNameHead)&^1]
		return fn, false
	}
	fn.name = v[fileNameHead : fileNameHead+n]
	return fn, n > 0
}

// Times are the four times of $STANDARD_INFORMATION or $FILE_NAME, in ticks of
// 100 ns since 1601; 0 is "not set".
type Times struct {
	Created, Modified, EntryModified, Accessed uint64
}

func parseTimes(b []byte) Times {
	b = b[:32]
	return Times{
		Created:       binary.LittleEndian.Uint64(b),
		Modified:      binary.LittleEndian.Uint64(b[8:]),
		EntryModified: binary.LittleEndian.Uint64(b[16:]),
		Accessed:      binary.LittleEndian.Uint64(b[24:]),
	}
}
