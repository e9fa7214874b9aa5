package pe

import (
	"bytes"
	"crypto/md5" // the hash of the Rich header is an MD5 by custom
	"encoding/binary"
	"encoding/hex"
)

// Rich is the undocumented header by which Microsoft's linker notes the tools
// and objects of the build (Pistelli, "Microsoft's Rich Signature", 2010).
type Rich struct {
	Offset  int64
	Key     uint32
	Entries []RichEntry
	Hash    string // MD5 of the decoded bytes from DanS up to Rich
	KeyFits bool   // the key is the checksum of headers and entries, as a linker writes it
}

// RichEntry counts the objects that one tool made.
type RichEntry struct {
	Product, Build uint16
	Count          uint32
}

// readRich looks for the header between the DOS header and the NT headers,
// decoded back from "Rich" to "DanS" by the key that follows.
func (f *File) readRich() {
	const dosHeader = 0x40
	head := f.b[:min(f.optionalOffset(), int64(len(f.b)))]
	end := bytes.Index(head[min(dosHeader, len(head)):], []byte("Rich")) + dosHeader
	if end < dosHeader || end%4 != 0 || end+8 > len(f.b) {
		return
	}
	key := binary.LittleEndian.Uint32(f.b[end+4:])
	start := -1
	for at := end - 4; at >= dosHeader; at -= 4 {
		if binary.LittleEndian.Uint32(f.b[at:])^key == 0x536e6144 { // DanS
			start = at
			break
		}
	}
	if start < 0 || end-start < 16 {
		f.damage(int64(end), "Rich signature without its beginning")
		return
	}
	r := &Rich{Offset: int64(start), Key: key}
	plain := make([]byte, end-start)
	for i := 0; i < len(plain); i += 4 {
		binary.LittleEndian.PutUint32(plain[i:], binary.LittleEndian.Uint32(f.b[start+i:])^key)
	}
	for i := 16; i+8 <= len(plain); i += 8 {
		r.Entries = append(r.Entries, RichEntry{Build: binary.LittleEndian.Uint16(plain[i:]),
			Product: binary.LittleEndian.Uint16(plain[i+2:]), Count: binary.LittleEndian.Uint32(plain[i+4:])})
	}
	sum := md5.Sum(plain)
	r.Hash = hex.EncodeToString(sum[:])
	r.KeyFits = f.richChecksum(r, start) == key
	f.Rich = r
}

// richChecksum is the linker's: the offset of the header, every byte before it
// (e_lfanew as zero) turned by its place, every entry turned by its count.
func (f *File) richChecksum(r *Rich, start int) uint32 {
	sum := uint32(start)
	for i := range start {
		if i < 0x3c || i >= 0x40 {
			sum += rotate(uint32(f.b[i]), i)
		}
	}
	for _, e := range r.Entries {
		sum += rotate(uint32(e.Product)<<16|uint32(e.Build), int(e.Count&31))
	}
	return sum
}

func rotate(v uint32, n int) uint32 { n &= 31; return v<<n | v>>(32-n) }
