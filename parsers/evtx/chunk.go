package evtx

import (
	"bytes"
	"cmp"
	"hash/crc32"
	"slices"

	"kanshiki/parsers/internal/cursor"
)

// ChunkState says what a chunk place holds.
type ChunkState uint8

const (
	ChunkUsed       ChunkState = iota // has the signature
	ChunkEmpty                        // nothing but zero bytes: never used
	ChunkUnknown                      // something else; searched for records
	ChunkUnreadable                   // the reader below gave nothing
)

func (s ChunkState) String() string {
	return [...]string{"used", "empty", "unknown", "unreadable"}[s]
}

// ChunkInfo is the header of a chunk and what was found in it.
type ChunkInfo struct {
	Index                 int
	Offset                int64
	State                 ChunkState
	FirstNumber           uint64 // of the records, counted in the file
	LastNumber            uint64
	FirstID               uint64
	LastID                uint64
	LastRecord            uint32 // offset of the last record in the chunk
	Free                  uint32 // offset of the recorded end
	HeaderCheck, DataSums Check
	Cut                   bool // the file ends inside
	Stale                 bool // the records are newer than the header
	Counts                Counts
}

// Counts is how many records were declared, found and lost.
// Declared = Live + Damaged + Resynced + Lost, where the header of each chunk
// is believed; a stale chunk header declares what was found.
type Counts struct {
	Declared   int // by the chunk headers
	Live       int // in the unbroken chain of their chunk
	Damaged    int // with a record, but also with an error
	Resynced   int // found by signature after a break, inside the recorded end
	Lost       int // declared and not found
	Beyond     int // follow the recorded end without a gap in identifiers
	Slack      int // older records behind the recorded end
	Duplicates int // of Resynced, Beyond and Slack: also live in this file
	Remnants   int // places in slack with a signature and no whole record
	Errors     int // all errors that were yielded
}

// Recovered is the number of records that no chain of live records holds.
func (c Counts) Recovered() int { return c.Resynced + c.Beyond + c.Slack }

func (c *Counts) add(o Counts) {
	c.Declared += o.Declared
	c.Live += o.Live
	c.Damaged += o.Damaged
	c.Resynced += o.Resynced
	c.Lost += o.Lost
	c.Beyond += o.Beyond
	c.Slack += o.Slack
	c.Duplicates += o.Duplicates
	c.Remnants += o.Remnants
	c.Errors += o.Errors
}

// readChunkHeader decodes the header of a chunk that has its signature, and
// checks what the checksums cover as far as the bytes are there.
func (ci *ChunkInfo) readHeader(b []byte, noCRC bool) error {
	c := cursor.At(b, ci.Offset)
	c.Skip(8, "chunk signature")
	ci.FirstNumber = c.U64("first record number")
	ci.LastNumber = c.U64("last record number")
	ci.FirstID = c.U64("first record identifier")
	ci.LastID = c.U64("last record identifier")
	c.Skip(4, "chunk header size")
	ci.LastRecord = c.U32("last record offset")
	ci.Free = c.U32("free space offset")
	dataSum := c.U32("records checksum")
	c.Skip(64, "reserved")
	c.U32("chunk flags")
	headSum := c.U32("chunk header checksum")
	c.Skip(chunkHeaderSize-128, "string and template tables")
	if c.Err() != nil {
		return c.Err()
	}
	if noCRC {
		return nil
	}
	ci.HeaderCheck, ci.DataSums = Bad, Bad
	if crc32.Update(crc32.ChecksumIEEE(b[:120]), crc32.IEEETable, b[128:chunkHeaderSize]) == headSum {
		ci.HeaderCheck = Good
	}
	if end := int(min(ci.Free, ChunkSize)); end >= chunkHeaderSize && end <= len(b) &&
		crc32.ChecksumIEEE(b[chunkHeaderSize:end]) == dataSum {
		ci.DataSums = Good
	}
	return nil
}

// declared is the number of records by the header, or 0 where it makes no
// sense: a chunk cannot hold more records than its bytes.
func (ci *ChunkInfo) declared() int {
	if ci.FirstID == 0 || ci.LastID < ci.FirstID || ci.LastID-ci.FirstID >= ChunkSize/minRecord {
		return 0
	}
	return int(ci.LastID - ci.FirstID + 1)
}

var zeros [ChunkSize]byte

func allZero(b []byte) bool { return bytes.Equal(b, zeros[:len(b)]) }

// Range is a run of live records whose identifiers follow each other.
type Range struct {
	First, Last               uint64 // identifiers, both included
	FirstWritten, LastWritten uint64 // FILETIME
}

// maxRanges bounds the runs that are kept; a log of that many holes is told
// as one whose holes were not all kept.
const maxRanges = 1 << 16

type runs struct {
	list []Range
	full bool
}

func (r *runs) add(id, written uint64) {
	if n := len(r.list); n > 0 && r.list[n-1].Last+1 == id {
		r.list[n-1].Last, r.list[n-1].LastWritten = id, written
		return
	}
	if len(r.list) >= maxRanges {
		r.full = true
		return
	}
	r.list = append(r.list, Range{id, id, written, written})
}

// sorted joins the runs that touch: a log that wrapped begins in the middle.
func (r *runs) sorted() []Range {
	list := slices.Clone(r.list)
	slices.SortFunc(list, func(a, b Range) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
	})
	out := list[:0]
	for _, x := range list {
		n := len(out)
		switch {
		case n > 0 && x.First > 0 && out[n-1].Last >= x.First-1:
			if x.Last > out[n-1].Last {
				out[n-1].Last, out[n-1].LastWritten = x.Last, x.LastWritten
			}
		default:
			out = append(out, x)
		}
	}
	return out
}
