package zseek

import (
	"encoding/binary"
	"hash/crc32"
)

// Magic numbers of frames, and of the seek table's last bytes.
const (
	magicFrame    = 0xFD2FB528
	magicSkip     = 0x184D2A50 // the low 4 bits are free
	magicMeta     = magicSkip
	magicIndex    = magicSkip + 1
	magicEnd      = magicSkip + 2
	magicTable    = magicSkip + 14
	magicSeekable = 0x8F92EAB1
)

const (
	skipHead   = 8 // magic, u32 length of what follows
	footerSize = 9 // u32 frames, u8 descriptor, u32 magic

	checksums = 0x80 // descriptor: entries have a checksum
	reserved  = 0x7C // descriptor: must be zero

	emptySum = 0x51D8E999 // low half of the XXH64 of nothing
)

// Limits of what is written and read.
const (
	MaxFrame     = 16 << 20 // bytes of the medium in a frame
	maxFrames    = 1 << 27  // of a table, as zstd's own reader has it
	indexFrames  = 4096     // data frames to an index
	maxRuns      = 1 << 20  // of bad bytes that End lists
	maxMetaBytes = 64 << 20 // of the JSON in a skippable frame
	maxInput     = MaxFrame + MaxFrame/128 + 1024
)

// Meta is what a file says of itself at its start, as JSON.
type Meta struct {
	Size   int64   `json:"size"`  // bytes of the medium
	Frame  int     `json:"frame"` // bytes of the medium in each frame but the last
	Sector int     `json:"sector,omitempty"`
	Fields []Field `json:"fields,omitempty"`
}

// Field is a word of the examiner's or the tool's, in their order.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// End is what was known when the last frame was written, as JSON.
type End struct {
	Digests []Digest `json:"digests,omitempty"`
	Bad     []Run    `json:"bad,omitempty"`    // bytes that the source did not give
	NotBad  int      `json:"notbad,omitempty"` // runs that did not find room in Bad
}

// Digest of the medium, zero fill included.
type Digest struct {
	Alg string `json:"alg"` // "md5", "sha1", "sha256"
	Sum string `json:"sum"` // lower-case hex
}

// Run is a part of the medium.
type Run struct {
	Off int64 `json:"off"`
	Len int64 `json:"len"`
}

// FrameSize is how many bytes of the medium a frame has in an image of so many:
// 128 KiB up to 1 TiB, then 1 MiB and more, so that the table has no more than
// 2^23 frames; other readers take no larger one.
func FrameSize(media int64) int {
	const most = 1 << 23
	if media <= most*(128<<10) {
		return 128 << 10
	}
	frame := int64(1 << 20)
	for frame < MaxFrame && media > most*frame {
		frame *= 2
	}
	return int(frame)
}

// castagnoli makes the checksum of our own skippable frames.
func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

const ownHead = 8 // tag, u32 CRC-32C of what follows

// The tags of our own skippable frames: other writers use the same magics.
const (
	tagMeta  = "KSZM"
	tagIndex = "KSZI"
	tagEnd   = "KSZE"
)

// skippable makes a skippable frame of our own.
func skippable(magic uint32, tag string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, magic)
	b = binary.LittleEndian.AppendUint32(b, uint32(ownHead+len(body)))
	b = append(b, tag...)
	b = binary.LittleEndian.AppendUint32(b, castagnoli(body))
	return append(b, body...)
}

// indexFrame makes the list of up to indexFrames frames: u64 offset of the
// index before (0: none), u64 number of the first frame, then for each u32
// compressed size, u32 checksum.
func indexFrame(before, first int64, entries []entry) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(before))
	b = binary.LittleEndian.AppendUint64(b, uint64(first))
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint32(b, e.stored)
		b = binary.LittleEndian.AppendUint32(b, e.sum)
	}
	return skippable(magicIndex, tagIndex, b)
}

// entry is one frame of a table.
type entry struct {
	stored uint32 // bytes in the file
	raw    uint32 // bytes of the medium; an index leaves it out
	sum    uint32 // low half of the XXH64 of these
}
