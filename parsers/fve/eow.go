package fve

import (
	"cmp"
	"errors"
	"hash/crc32"
	"slices"
	"sort"

	"kanshiki/parsers/internal/cursor"
)

// eow is what a volume that encrypts on write knows of its chunks: a bitmap for
// each region, in which a set bit is a chunk that is encrypted.
type eow struct {
	copies  []int64 // places of the information
	size    int64   // of each
	chunk   int64
	logSize int64
	bitmaps []int64 // their places
	regions []region
}

type region struct {
	off, len  int64 // of the region on the volume
	at, size  int64 // of its bitmap with the header
	logAt     int64
	bits      []byte
	bitsCount int64
}

var errWiped = errors.New("zeros")

const (
	maxEOW    = 64 << 10
	maxBitmap = 64 << 20 // of all regions
)

// openEOW reads both copies of the information and takes the first that is good.
// Windows wipes both once all is encrypted, and leaves the boot sector: then there
// is nothing to ask.
func (v *Volume) openEOW() {
	wiped := 0
	for _, off := range v.boot.eow {
		if off == 0 {
			continue
		}
		e, err := v.readEOW(off)
		switch {
		case errors.Is(err, errWiped):
			if wiped++; wiped == len(v.boot.eow) {
				v.EOW = false
			}
		case err != nil:
			v.report(off, err, "information of encrypt-on-write")
		case v.eow == nil:
			v.eow = e
		default:
			v.eow.copies = append(v.eow.copies, off)
			v.eow.size = max(v.eow.size, e.size)
		}
	}
	if v.eow != nil {
		v.readRegions(v.eow)
	}
}

// readEOW decodes the information: sizes of sectors, chunks and log, CRC-32 with
// its own field zero, then the places of the bitmaps.
func (v *Volume) readEOW(off int64) (*eow, error) {
	head := make([]byte, 56)
	if err := readFull(v.r, v.size, head, off); err != nil {
		return nil, err
	}
	c := cursor.At(head, off)
	sig := string(c.Take(8, "signature"))
	hs, n := int(c.U16("header size")), int(c.U16("size"))
	if !slices.ContainsFunc(head, func(x byte) bool { return x != 0 }) {
		return nil, errWiped
	}
	if sig != "FVE-EOW\x00" || hs < 56 || n < hs || n > maxEOW {
		return nil, cursor.Errorf(off, "no information: header of %d bytes, %d in all", hs, n)
	}
	b := make([]byte, n)
	if err := readFull(v.r, v.size, b, off); err != nil {
		return nil, err
	}
	c = cursor.At(b, off)
	c.Skip(20, "head")
	e := &eow{copies: []int64{off}, size: int64(n), chunk: int64(c.U32("chunk size")), logSize: int64(c.U32("size of the log"))}
	c.Skip(8, "regions")
	sum := c.U32("CRC-32")
	clear(b[36:40])
	if have := crc32.ChecksumIEEE(b); have != sum {
		return nil, cursor.Errorf(off+36, "CRC-32 %#08x, the information has %#08x", sum, have)
	}
	if e.chunk < v.boot.sector || e.chunk%v.boot.sector != 0 {
		return nil, cursor.Errorf(off+20, "chunks of %d bytes", e.chunk)
	}
	c.Seek(hs, "bitmaps")
	for c.Left() >= 8 {
		e.bitmaps = append(e.bitmaps, int64(c.U64("bitmap")&(1<<63-1)))
	}
	return e, nil
}

// readRegions reads the bitmaps. What a bitmap that cannot be read was for cannot
// be told: its region is left out, and nothing is known of it.
func (v *Volume) readRegions(e *eow) {
	left := int64(maxBitmap)
	for _, at := range e.bitmaps {
		r, err := v.readRegion(at, left)
		if err != nil {
			v.report(at, err, "bitmap of encrypt-on-write")
			continue
		}
		left -= r.size
		e.regions = append(e.regions, r)
	}
	slices.SortFunc(e.regions, func(a, b region) int { return cmp.Compare(a.off, b.off) })
}

// readRegion decodes the head of a bitmap and the newer of its two records.
func (v *Volume) readRegion(at, left int64) (region, error) {
	r := region{at: at}
	head := make([]byte, 56)
	if err := readFull(v.r, v.size, head, at); err != nil {
		return r, err
	}
	c := cursor.At(head, at)
	sig := string(c.Take(10, "signature"))
	c.Skip(2, "header size")
	r.size = int64(c.U32("size"))
	c.Skip(4, "reserved")
	r.off, r.len = int64(c.U64("region")&(1<<63-1)), int64(c.U64("size")&(1<<63-1))
	r.logAt = int64(c.U64("log") & (1<<63 - 1))
	records := [2]int64{int64(c.U32("record")), int64(c.U32("record"))}
	if sig != "FVE-EOWBM\x00" || r.size < 56 || r.size > left || r.off%v.boot.sector != 0 {
		return r, cursor.Errorf(at, "no bitmap: %d bytes, room for %d", r.size, left)
	}
	var newest uint64
	var first error
	for _, p := range records {
		bits, count, seq, err := v.readBits(at+p, r.size-p)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		if r.bits == nil || seq > newest {
			r.bits, r.bitsCount, newest = bits, count, seq
		}
	}
	if r.bits == nil {
		return r, first
	}
	return r, nil
}

// readBits decodes a record: size, bits, sequence, flags, CRC-32, the bitmap.
func (v *Volume) readBits(at, room int64) (bits []byte, count int64, seq uint64, err error) {
	const head = 36
	h := make([]byte, head)
	if err := readFull(v.r, v.size, h, at); err != nil {
		return nil, 0, 0, err
	}
	c := cursor.At(h, at)
	sig := string(c.Take(10, "signature"))
	hs, n := int64(c.U16("header size")), int64(c.U32("size"))
	count, seq = int64(c.U32("bits")), c.U64("sequence")
	c.Skip(4, "flags")
	sum := c.U32("CRC-32")
	if sig != "FVE-EOWBR\x00" || hs < head || n < hs || n > room {
		return nil, 0, 0, cursor.Errorf(at, "no record of a bitmap: %d bytes, room for %d", n, room)
	}
	b := make([]byte, n)
	if err := readFull(v.r, v.size, b, at); err != nil {
		return nil, 0, 0, err
	}
	clear(b[32:36])
	if have := crc32.ChecksumIEEE(b); have != sum {
		return nil, 0, 0, cursor.Errorf(at+32, "CRC-32 %#08x, the record has %#08x", sum, have)
	}
	return b[hs:], min(count, (n-hs)*8), seq, nil
}

// state tells whether the bytes at a place are encrypted, and for how many that
// holds. known is false where no bitmap says.
func (e *eow) state(off, n int64) (encrypted, known bool, length int64) {
	i := sort.Search(len(e.regions), func(i int) bool { return e.regions[i].off > off }) - 1
	if i+1 < len(e.regions) {
		n = min(n, e.regions[i+1].off-off)
	}
	if i < 0 {
		return false, false, n
	}
	r := &e.regions[i]
	k := (off - r.off) / e.chunk
	if off >= r.off+r.len || k >= r.bitsCount {
		return false, false, n
	}
	n = min(n, r.off+r.len-off)
	bit := r.bits[k/8] >> (k % 8) & 1
	length = e.chunk - (off-r.off)%e.chunk
	for k++; length < n && k < r.bitsCount && r.bits[k/8]>>(k%8)&1 == bit; k++ {
		length += e.chunk
	}
	return bit != 0, true, min(length, n)
}
