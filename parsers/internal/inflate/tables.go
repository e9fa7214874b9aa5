package inflate

import "math/bits"

// An entry of a table:
//
//	bits 0-5   bits to take: the code word's and the extra ones
//	bits 8-11  of these, the code word's
//	bits 12-15 flags
//	bits 16-30 a literal, a base, or where the sub-table begins
//	bit  31    it is a literal
//
// An entry that leads to a sub-table has the number of its index bits in bits
// 8-11; in the sub-table only the code word's bits behind the first table's
// count.
const (
	isSpecial = 1 << 15 // no symbol that makes output: end, or no code
	isSub     = 1 << 14
	isEnd     = 1 << 13
	isLiteral = 1 << 31

	litBits  = 11
	distBits = 8
	preBits  = 7

	// The most entries that codes of up to 15 bits can need (zlib, examples/enough.c).
	litSize  = 2342
	distSize = 402

	maxLit  = 288
	maxDist = 32
	maxBits = 15
)

// Symbols of each code: base<<16 | extra bits (RFC 1951, 3.2.5).
var (
	litSymbols  = makeLitSymbols()
	distSymbols = makeDistSymbols()
	preSymbols  = makePreSymbols()
)

func makeLitSymbols() (t [maxLit]uint32) {
	for i := range 256 {
		t[i] = isLiteral | uint32(i)<<16
	}
	t[256] = isSpecial | isEnd
	base := uint32(3)
	for i := range 28 { // 257 … 284
		extra := uint32(max(i/4-1, 0))
		t[257+i] = base<<16 | extra
		base += 1 << extra
	}
	t[285] = 258 << 16
	t[286], t[287] = isSpecial, isSpecial
	return t
}

func makeDistSymbols() (t [maxDist]uint32) {
	base := uint32(1)
	for i := range 30 {
		extra := uint32(max(i/2-1, 0))
		t[i] = base<<16 | extra
		base += 1 << extra
	}
	t[30], t[31] = isSpecial, isSpecial
	return t
}

func makePreSymbols() (t [19]uint32) {
	for i := range t {
		t[i] = uint32(i) << 16
	}
	return t
}

// entry joins a symbol with the length of its code word.
func entry(symbol uint32, length uint) uint32 {
	return symbol + uint32(length) | uint32(length)<<8
}

// build makes a decoding table of the code lengths of symbols. As in zlib, a
// code that leaves bit patterns without a meaning is refused, unless it is a
// single code of one bit, or no code at all.
func build(table []uint32, tableBits uint, lens []uint8, symbols []uint32) bool {
	var count [maxBits + 1]int
	for _, l := range lens {
		count[l]++
	}
	longest := uint(maxBits)
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	main := table[:1<<tableBits]
	left, code := 1, uint32(0)
	var next [maxBits + 1]uint32
	for l := uint(1); l <= maxBits; l++ {
		left = left<<1 - count[l]
		if left < 0 {
			return false
		}
		next[l] = code
		code = (code + uint32(count[l])) << 1
	}
	if left > 0 {
		if longest > 1 {
			return false
		}
		for i := range main {
			main[i] = isSpecial
		}
	}
	if longest > tableBits {
		if !subTables(table, tableBits, lens, next) {
			return false
		}
	}
	for i, l := range lens {
		if l == 0 {
			continue
		}
		length := uint(l)
		word := uint32(bits.Reverse16(uint16(next[length]))) >> (16 - length)
		next[length]++
		if length <= tableBits {
			e := entry(symbols[i], length)
			for k := word; k < 1<<tableBits; k += 1 << length {
				main[k] = e
			}
			continue
		}
		link := main[word&(1<<tableBits-1)]
		sub := table[link>>16:][:1<<(link>>8&0x0F)]
		e := entry(symbols[i], length-tableBits)
		for k := word >> tableBits; k < uint32(len(sub)); k += 1 << (length - tableBits) {
			sub[k] = e
		}
	}
	return true
}

// subTables makes room behind the main table for code words that are longer
// than its index, as much as the longest word of each prefix needs.
func subTables(table []uint32, tableBits uint, lens []uint8, next [maxBits + 1]uint32) bool {
	var longest [1 << litBits]uint8
	for _, l := range lens {
		if uint(l) <= tableBits {
			if l > 0 {
				next[l]++
			}
			continue
		}
		word := uint32(bits.Reverse16(uint16(next[l]))) >> (16 - l)
		next[l]++
		p := &longest[word&(1<<tableBits-1)]
		*p = max(*p, l)
	}
	at := uint32(1) << tableBits
	for prefix, l := range longest[:1<<tableBits] {
		if l == 0 {
			continue
		}
		n := uint32(l) - uint32(tableBits)
		if at+1<<n > uint32(len(table)) {
			return false // more than a complete code can need
		}
		table[prefix] = isSub | n<<8 | at<<16
		at += 1 << n
	}
	return true
}

func (d *Decoder) fixedTables() {
	for i := range maxLit {
		switch {
		case i < 144:
			d.lens[i] = 8
		case i < 256:
			d.lens[i] = 9
		case i < 280:
			d.lens[i] = 7
		default:
			d.lens[i] = 8
		}
	}
	build(d.lit[:], litBits, d.lens[:maxLit], litSymbols[:])
	for i := range maxDist {
		d.lens[i] = 5
	}
	build(d.dist[:], distBits, d.lens[:maxDist], distSymbols[:])
	d.fixed = true
}

// The order in which the lengths of the code length code are stored.
var preOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamicTables reads the codes of a block.
func (d *Decoder) dynamicTables(s *state) error {
	s.fill()
	if s.n < 14 {
		return ErrCut
	}
	nlit, ndist, npre := int(s.take(5))+257, int(s.take(5))+1, int(s.take(4))+4
	if nlit > 286 || ndist > 30 {
		return ErrCorrupt
	}
	var pre [19]uint8
	for i := range npre {
		s.fill()
		if s.n < 3 {
			return ErrCut
		}
		pre[preOrder[i]] = uint8(s.take(3))
	}
	if !build(d.pre[:], preBits, pre[:], preSymbols[:]) {
		return ErrCorrupt
	}
	lens := d.lens[:]
	for i := 0; i < nlit+ndist; {
		s.fill()
		e := d.pre[s.bits&(1<<preBits-1)]
		if e&isSpecial != 0 {
			return ErrCorrupt
		}
		word := uint(e >> 8 & 0x0F)
		if s.n < word {
			return ErrCut
		}
		s.take(word)
		symbol := e >> 16
		if symbol < 16 {
			lens[i] = uint8(symbol)
			i++
			continue
		}
		n, fill := 0, uint8(0)
		extra := [3]uint{2, 3, 7}[symbol-16]
		if s.n < extra {
			return ErrCut
		}
		switch symbol {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			n, fill = 3+int(s.take(2)), lens[i-1]
		case 17:
			n = 3 + int(s.take(3))
		case 18:
			n = 11 + int(s.take(7))
		}
		if i+n > nlit+ndist {
			return ErrCorrupt
		}
		for range n {
			lens[i] = fill
			i++
		}
	}
	if lens[256] == 0 { // a block that cannot end
		return ErrCorrupt
	}
	if !build(d.lit[:], litBits, lens[:nlit], litSymbols[:]) || !build(d.dist[:], distBits, lens[nlit:nlit+ndist], distSymbols[:]) {
		return ErrCorrupt
	}
	return nil
}
