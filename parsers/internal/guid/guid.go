// Package guid prints the identifiers of Windows and reads what the first
// kind of them tells: the time and the network card of the machine that made
// one.
//
// Sources: [MS-DTYP] 2.3.4 (byte order), RFC 9562 5.1 (version 1).
package guid

import "encoding/hex"

// GUID is an identifier in the byte order in which Windows stores it.
type GUID [16]byte

// From takes the first sixteen bytes of b; fewer are padded with zeros.
func From(b []byte) (g GUID) {
	copy(g[:], b)
	return g
}

// String prints it without braces, in small letters.
func (g GUID) String() string {
	var b [36]byte
	d := [16]byte{g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6]}
	copy(d[8:], g[8:])
	hex.Encode(b[0:], d[0:4])
	hex.Encode(b[9:], d[4:6])
	hex.Encode(b[14:], d[6:8])
	hex.Encode(b[19:], d[8:10])
	hex.Encode(b[24:], d[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// Zero tells whether it is not set.
func (g GUID) Zero() bool { return g == GUID{} }

// beforeFiletime is the number of 100 ns ticks from 1582-10-15, where version
// 1 counts from, to 1601.
const beforeFiletime = 6653 * 864000000000

// Time is the FILETIME at which a version 1 identifier was made, or 0 for
// another version or a time before 1601.
func (g GUID) Time() uint64 {
	if g[7]>>4 != 1 {
		return 0
	}
	t := uint64(g[0]) | uint64(g[1])<<8 | uint64(g[2])<<16 | uint64(g[3])<<24 |
		uint64(g[4])<<32 | uint64(g[5])<<40 | uint64(g[6])<<48 | uint64(g[7]&15)<<56
	if t < beforeFiletime {
		return 0
	}
	return t - beforeFiletime
}

// MAC is the node of a version 1 identifier as a hardware address, or "" for
// another version. A node with the lowest bit of its first byte set is random
// (RFC 9562 6.10) and no address.
func (g GUID) MAC() string {
	if g[7]>>4 != 1 || g[10]&1 != 0 {
		return ""
	}
	out := make([]byte, 0, 17)
	for i, c := range g[10:16] {
		if i > 0 {
			out = append(out, ':')
		}
		out = hex.AppendEncode(out, []byte{c})
	}
	return string(out)
}
