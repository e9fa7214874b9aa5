package inflate

import (
	"encoding/binary"
)

// A run of words that are summed at once: 22 words of 255s are the most for
// which no 16-bit lane overflows (255 × (1 + … + 21) = 58,905).
const sumRun = 22 * 8

// Sum is the Adler-32 of b (RFC 1950, section 9), the checksum of a zlib stream.
// It takes eight bytes at a time, since images are summed whole: twice as fast
// as hash/adler32.
func Sum(b []byte) uint32 {
	const (
		mod  = 65521
		even = 0x00FF00FF00FF00FF
	)
	s1, s2 := uint64(1), uint64(0)
	for len(b) >= sumRun {
		q := (*[sumRun]byte)(b)
		b = b[sumRun:]
		// Lanes of the bytes at even and odd places, and the sums of what the
		// lanes were before each word.
		var a0, a1, p0, p1 uint64
		for i := 0; i < sumRun; i += 16 {
			w, x := binary.LittleEndian.Uint64(q[i:i+8]), binary.LittleEndian.Uint64(q[i+8:i+16])
			p0 += a0
			p1 += a1
			a0 += w & even
			a1 += w >> 8 & even
			p0 += a0
			p1 += a1
			a0 += x & even
			a1 += x >> 8 & even
		}
		// A byte counts once for itself and once for each that follows it.
		s2 += sumRun*s1 + 8*(lanes(p0)+lanes(p1)) +
			8*(a0&0xFFFF) + 7*(a1&0xFFFF) + 6*(a0>>16&0xFFFF) + 5*(a1>>16&0xFFFF) +
			4*(a0>>32&0xFFFF) + 3*(a1>>32&0xFFFF) + 2*(a0>>48) + a1>>48
		s1 += lanes(a0) + lanes(a1)
		s1 %= mod
		s2 %= mod
	}
	for _, c := range b {
		s1 += uint64(c)
		s2 += s1
	}
	return uint32(s2%mod)<<16 | uint32(s1%mod)
}

// lanes is the sum of four lanes.
func lanes(v uint64) uint64 {
	v = v&0x0000FFFF0000FFFF + v>>16&0x0000FFFF0000FFFF
	return v&0xFFFFFFFF + v>>32
}
