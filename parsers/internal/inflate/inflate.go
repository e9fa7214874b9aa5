// Package inflate decodes whole zlib streams (RFC 1950, RFC 1951) between two
// buffers.
//
// Images hold millions of small streams whose plain size is known. A decoder
// that needs no window and no reader underneath takes about half the time of
// a streaming one there. The method is that of libdeflate: a 64-bit bit
// buffer, tables that give a symbol, its base and its extra bits in one look,
// and matches copied eight bytes at a time.
//
// It accepts what zlib accepts, writes only inside the output buffer and
// compares the checksum. Preset dictionaries are refused.
package inflate

import (
	"encoding/binary"
	"errors"
	"hash/adler32"
)

// The ways in which a stream can be wrong.
var (
	ErrHeader   = errors.New("zlib: invalid header")
	ErrCorrupt  = errors.New("zlib: invalid data")
	ErrCut      = errors.New("zlib: the stream ends too early")
	ErrTooLong  = errors.New("zlib: inflates to more than expected")
	ErrChecksum = errors.New("zlib: invalid checksum")
)

// Decoder holds the tables of one stream at a time. The zero value is ready.
type Decoder struct {
	lit   [litSize]uint32
	dist  [distSize]uint32
	pre   [1 << preBits]uint32
	lens  [maxLit + maxDist]uint8
	fixed bool // the tables hold the fixed codes
}

// Zlib decodes the stream at the start of src into dst and tells how many
// bytes came out and how many were used. A stream that would fill more than
// dst is ErrTooLong.
func (d *Decoder) Zlib(dst, src []byte) (n, used int, err error) {
	if len(src) < 2 || src[0]&0x0F != 8 || src[0]>>4 > 7 || binary.BigEndian.Uint16(src)%31 != 0 || src[1]&0x20 != 0 {
		return 0, 0, ErrHeader
	}
	n, used, err = d.raw(dst, src[2:])
	used += 2
	if err != nil {
		return n, 0, err
	}
	if len(src)-used < 4 {
		return n, 0, ErrCut
	}
	if binary.BigEndian.Uint32(src[used:]) != adler32.Checksum(dst[:n]) {
		return n, 0, ErrChecksum
	}
	return n, used + 4, nil
}

// state is where a stream stands.
type state struct {
	src  []byte
	dst  []byte
	in   int
	out  int
	bits uint64
	n    uint // valid bits; more may be in bits, read ahead of in
}

// fill takes bytes until there are at least 56 bits, or the input ends.
func (s *state) fill() {
	if s.in+8 <= len(s.src) {
		s.bits |= binary.LittleEndian.Uint64(s.src[s.in:]) << (s.n & 63)
		s.in += int(63-s.n) >> 3
		s.n |= 56
		return
	}
	for s.n < 56 && s.in < len(s.src) {
		s.bits |= uint64(s.src[s.in]) << (s.n & 63)
		s.in++
		s.n += 8
	}
}

// take removes k bits, which the caller knows to be there.
func (s *state) take(k uint) uint32 {
	v := uint32(s.bits & (1<<k - 1))
	s.bits >>= k & 63
	s.n -= k
	return v
}

func (d *Decoder) raw(dst, src []byte) (n, used int, err error) {
	s := state{src: src, dst: dst}
	for {
		s.fill()
		if s.n < 3 {
			return s.out, 0, ErrCut
		}
		final := s.take(1)
		switch s.take(2) {
		case 0:
			err = s.stored()
		case 1:
			if !d.fixed {
				d.fixedTables()
			}
			err = d.block(&s)
		case 2:
			d.fixed = false
			if err = d.dynamicTables(&s); err == nil {
				err = d.block(&s)
			}
		default:
			err = ErrCorrupt
		}
		if err != nil {
			return s.out, 0, err
		}
		if final == 1 {
			return s.out, s.in - int(s.n>>3), nil
		}
	}
}

// stored copies a block without compression.
func (s *state) stored() error {
	s.in -= int(s.n >> 3) // back to the next whole byte
	s.bits, s.n = 0, 0
	if len(s.src)-s.in < 4 {
		return ErrCut
	}
	size := binary.LittleEndian.Uint16(s.src[s.in:])
	if size != ^binary.LittleEndian.Uint16(s.src[s.in+2:]) {
		return ErrCorrupt
	}
	s.in += 4
	if len(s.src)-s.in < int(size) {
		return ErrCut
	}
	if len(s.dst)-s.out < int(size) {
		return ErrTooLong
	}
	copy(s.dst[s.out:], s.src[s.in:s.in+int(size)])
	s.in, s.out = s.in+int(size), s.out+int(size)
	return nil
}

// The fast loop needs this much room: three literals and a match with eight
// bytes to spare, and two fills.
const (
	roomOut = 3 + 258 + 8
	roomIn  = 16
)

// block decodes the symbols of a compressed block.
func (d *Decoder) block(s *state) error {
	if done, err := d.fast(s); done || err != nil {
		return err
	}
	return d.slow(s)
}

// fast decodes as long as nothing can reach the end of a buffer. done tells
// that the block ended. The state lives in variables of its own until then.
func (d *Decoder) fast(s *state) (done bool, err error) {
	src, dst := s.src, s.dst
	in, out, bits, n := s.in, s.out, s.bits, s.n
	for in+roomIn <= len(src) && out+roomOut <= len(dst) {
		bits |= binary.LittleEndian.Uint64(src[in:]) << (n & 63)
		in += int(63-n) >> 3
		n |= 56
		e := d.lit[bits&(1<<litBits-1)]
		if e&isLiteral != 0 { // up to three literals fit in one fill
			bits >>= e & 63
			n -= uint(e & 63)
			dst[out] = byte(e >> 16)
			out++
			e = d.lit[bits&(1<<litBits-1)]
			if e&isLiteral != 0 {
				bits >>= e & 63
				n -= uint(e & 63)
				dst[out] = byte(e >> 16)
				out++
				e = d.lit[bits&(1<<litBits-1)]
			}
		}
		if e&isSub != 0 {
			bits >>= litBits
			n -= litBits
			e = d.lit[(e>>16)+uint32(bits)&(1<<(e>>8&0x0F)-1)]
		}
		saved := uint32(bits)
		bits >>= e & 63
		n -= uint(e & 63)
		if e&isLiteral != 0 {
			dst[out] = byte(e >> 16)
			out++
			continue
		}
		if e&isSpecial != 0 {
			done = e&isEnd != 0
			if !done {
				err = ErrCorrupt
			}
			break
		}
		length := int(e>>16) + int(saved&(1<<(e&63)-1)>>(e>>8&0x0F))
		if n < 32 {
			bits |= binary.LittleEndian.Uint64(src[in:]) << (n & 63)
			in += int(63-n) >> 3
			n |= 56
		}
		e = d.dist[bits&(1<<distBits-1)]
		if e&isSub != 0 {
			bits >>= distBits
			n -= distBits
			e = d.dist[(e>>16)+uint32(bits)&(1<<(e>>8&0x0F)-1)]
		}
		dist := int(e>>16) + int(uint32(bits)&(1<<(e&63)-1)>>(e>>8&0x0F))
		if e&isSpecial != 0 || dist > out {
			err = ErrCorrupt
			break
		}
		bits >>= e & 63
		n -= uint(e & 63)
		copyMatch(dst[out-dist:out+length+8], dist, length)
		out += length
	}
	s.in, s.out, s.bits, s.n = in, out, bits, n
	return done, err
}

// copyMatch copies length bytes from the start of b to b[dist:]. It may write
// up to seven bytes more.
func copyMatch(b []byte, dist, length int) {
	switch to := b[dist:]; {
	case dist >= length && length > 32:
		copy(to[:length], b)
	case dist >= 8:
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(to[i:], binary.LittleEndian.Uint64(b[i:]))
		}
	case dist == 1:
		v := uint64(b[0]) * 0x0101010101010101
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(to[i:], v)
		}
	default:
		for i := range length {
			to[i] = b[i]
		}
	}
}

// slow decodes the rest of a block symbol by symbol, with every check.
func (d *Decoder) slow(s *state) error {
	for {
		s.fill()
		e, ok := s.symbol(d.lit[:], litBits)
		switch {
		case !ok:
			return ErrCut
		case e&isLiteral != 0:
			if s.out == len(s.dst) {
				return ErrTooLong
			}
			s.dst[s.out] = byte(e >> 16)
			s.out++
			continue
		case e&isEnd != 0:
			return nil
		case e&isSpecial != 0:
			return ErrCorrupt
		}
		length, ok := s.value(e)
		if !ok {
			return ErrCut
		}
		s.fill()
		e, ok = s.symbol(d.dist[:], distBits)
		if !ok {
			return ErrCut
		}
		if e&isSpecial != 0 {
			return ErrCorrupt
		}
		dist, ok := s.value(e)
		switch {
		case !ok:
			return ErrCut
		case dist > s.out:
			return ErrCorrupt
		case length > len(s.dst)-s.out:
			return ErrTooLong
		}
		if s.out+length+8 <= len(s.dst) {
			copyMatch(s.dst[s.out-dist:s.out+length+8], dist, length)
			s.out += length
			continue
		}
		for range length {
			s.dst[s.out] = s.dst[s.out-dist]
			s.out++
		}
	}
}

// symbol looks a code word up and takes it, but not its extra bits. It is
// false where the input ends inside it.
func (s *state) symbol(table []uint32, tableBits uint) (uint32, bool) {
	e := table[s.bits&(1<<tableBits-1)]
	if e&isSub != 0 {
		if s.n < tableBits {
			return 0, false
		}
		s.take(tableBits)
		e = table[(e>>16)+uint32(s.bits)&(1<<(e>>8&0x0F)-1)]
	}
	word := uint(e >> 8 & 0x0F)
	if s.n < word {
		return 0, false
	}
	s.take(word)
	return e, true
}

// value adds the extra bits to the base of a length or distance.
func (s *state) value(e uint32) (int, bool) {
	extra := uint(e&63) - uint(e>>8&0x0F)
	if s.n < extra {
		return 0, false
	}
	return int(e>>16) + int(s.take(extra)), true
}
