package regf

import (
	"encoding/binary"
	"math/bits"
)

// marvin32 is Marvin32 with the seed of registry logs. "Log entries" (note 3)
// gives the seed as 14219357686671994754, which is this number with its bytes
// reversed; the logs of Windows 8.1 and 10 decide for the number used here.
func marvin32(b []byte) uint64 {
	const seed uint64 = 0x82EF4D887A4E55C5
	lo, hi := uint32(seed&0xFFFFFFFF), uint32(seed>>32)
	mix := func(v uint32) {
		lo += v
		hi ^= lo
		lo = bits.RotateLeft32(lo, 20) + hi
		hi = bits.RotateLeft32(hi, 9) ^ lo
		lo = bits.RotateLeft32(lo, 27) + hi
		hi = bits.RotateLeft32(hi, 19)
	}
	for len(b) >= 4 {
		mix(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	last := uint32(0x80)
	for i := len(b) - 1; i >= 0; i-- {
		last = last<<8 | uint32(b[i])
	}
	mix(last)
	mix(0)
	return uint64(hi)<<32 | uint64(lo)
}
