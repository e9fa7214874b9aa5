package ewf

import (
	"encoding/binary"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/inflate"
)

// Level is how hard chunks are compressed; its number stands in the volume
// section.
type Level uint8

// The levels. None stores every chunk as it is.
const (
	None    Level = iota
	Fast          // larger than ewfacquire's fast by some per cent
	Best          // as large as ewfacquire's best
	Default       // smaller than ewfacquire's fast; written as Fast
)

// deflateLevel are the library's levels: measured on a disk of programs,
// documents, noise and zeros, each is the cheapest of its size.
var deflateLevel = map[Level]int{Fast: 2, Default: 6, Best: 7}

// MaxChunks is the most that libewf 20140813, and what is built on it, opens:
// it refuses more than 2^27-1 chunks.
const MaxChunks = 1<<27 - 1

// chunkSizes are those that are written: EnCase 7 accepts none above 512 KiB.
var chunkSizes = []int64{32 << 10, 64 << 10, 128 << 10, 512 << 10}

// ChunkSectors is how many sectors a chunk has in an image of so many bytes: 32
// KiB of them as long as that makes no more than MaxChunks (just under 4 TiB),
// then 64 KiB (8 TiB), 128 KiB (16 TiB), 512 KiB. From 64 TiB on there are more
// than libewf opens, whatever the size.
func ChunkSectors(media int64, sector int) int {
	for _, chunk := range chunkSizes {
		if (media+chunk-1)/chunk <= MaxChunks {
			return int(chunk / int64(sector))
		}
	}
	return int(chunkSizes[len(chunkSizes)-1] / int64(sector))
}

// Encoder turns chunks into their stored form. One goroutine uses one Encoder.
type Encoder struct {
	z    *inflate.Encoder // nil where nothing is compressed
	try  *inflate.Encoder // tells cheaply that nothing can be won; nil where z is cheap
	zero map[int][]byte   // the stream of so many zeros
}

// sampleSize is how much of a chunk is tried first.
const sampleSize = 4 << 10

// NewEncoder makes an Encoder.
func NewEncoder(level Level) (*Encoder, error) {
	e := &Encoder{zero: map[int][]byte{}}
	if level == None {
		return e, nil
	}
	var err error
	if e.z, err = inflate.NewEncoder(deflateLevel[level]); err == nil && level == Best {
		e.try, err = inflate.NewEncoder(deflateLevel[Default])
	}
	return e, err
}

// noise tells whether a chunk does not compress, at a tenth of what the best
// level takes for that: a piece of it first, then all of it.
func (e *Encoder) noise(dst, chunk []byte) bool {
	if e.try == nil || len(chunk) < sampleSize {
		return false
	}
	from := len(dst)
	piece := chunk[(len(chunk)-sampleSize)/2:][:sampleSize]
	for _, b := range [][]byte{piece, chunk} {
		if dst = e.try.Zlib(dst[:from], b, 0); len(dst)-from < len(b) {
			return false
		}
	}
	return true
}

// Encode appends the stored form of a chunk to dst: a zlib stream where that is
// smaller, else the bytes and their Adler-32.
func (e *Encoder) Encode(dst, chunk []byte) (out []byte, compressed bool) {
	if e.z != nil && container.IsZero(chunk) {
		z, ok := e.zero[len(chunk)]
		if !ok {
			z = e.z.Zlib(nil, chunk, inflate.Sum(chunk))
			e.zero[len(chunk)] = z
		}
		if len(z) < len(chunk)+4 {
			return append(dst, z...), true
		}
	}
	sum := inflate.Sum(chunk)
	from := len(dst)
	if e.z != nil && !e.noise(dst, chunk) {
		if dst = e.z.Zlib(dst, chunk, sum); len(dst)-from < len(chunk)+4 {
			return dst, true
		}
	}
	return binary.LittleEndian.AppendUint32(append(dst[:from], chunk...), sum), false
}
