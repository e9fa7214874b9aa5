package regf

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"

	"kanshiki/parsers/internal/cursor"
)

// Log is a transaction log: its base block, and what follows it.
type Log struct {
	Base
	data []byte
}

// ParseLog reads the base block of a transaction log.
func ParseLog(data []byte) (*Log, error) {
	base, err := parseBase(data)
	if err != nil {
		return nil, err
	}
	if base.Type != OldLog && base.Type != OldLog2 && base.Type != NewLog {
		return nil, cursor.Errorf(28, "file type %d is no transaction log", base.Type)
	}
	return &Log{base, data}, nil
}

// Page is a part of the hive bins as a log holds it.
type Page struct {
	Offset int64 // where it lies in the log
	Bins   uint32
	Data   []byte
}

// Entry is one log entry of the new format.
type Entry struct {
	Offset   int64 // in the log
	Flags    uint32
	Sequence uint32
	BinsSize uint32 // size of the hive bins when it was written
	Pages    []Page
}

// Entries yields the entries of a log of the new format, whose numbers rise by
// one. The first entry that is damaged, stale or of another number ends them:
// with an error if it claims to be the next one, for what lies behind the last
// entry is left over from earlier rounds.
func (l *Log) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if l.Type != NewLog {
			yield(Entry{}, cursor.Errorf(28, "log of file type %d has no log entries", l.Type))
			return
		}
		next, first := l.PrimarySeq, true
		for off := sectorSize; off+40 <= len(l.data); {
			e, size, err := l.entry(off)
			if err != nil {
				// Left-over bytes are no loss; an entry with the number
				// that is due is one.
				if string(l.data[off:off+4]) == "HvLE" && binary.LittleEndian.Uint32(l.data[off+12:]) == next {
					yield(Entry{}, err)
				}
				return
			}
			if e.Sequence != next && !(first && !l.ChecksumValid) {
				return
			}
			if !yield(e, nil) {
				return
			}
			next, first = e.Sequence+1, false
			off += size
		}
	}
}

func (l *Log) entry(off int) (Entry, int, error) {
	c := cursor.At(l.data[off:], int64(off))
	if sig := c.Take(4, "log entry"); string(sig) != "HvLE" {
		return Entry{}, 0, cursor.Errorf(int64(off), "log entry: signature HvLE expected, found %q", sig)
	}
	e := Entry{Offset: int64(off)}
	size := c.U32("size of a log entry")
	e.Flags, e.Sequence, e.BinsSize = c.U32("flags"), c.U32("sequence number"), c.U32("size of the hive bins")
	n := c.U32("number of dirty pages")
	hash1, hash2 := c.U64("hash 1"), c.U64("hash 2")
	switch {
	case c.Err() != nil:
		return e, 0, c.Err()
	case size < 40 || size%sectorSize != 0 || int64(size) > int64(len(l.data)-off):
		return e, 0, cursor.Errorf(int64(off), "log entry %d: size %d, where %d bytes are left", e.Sequence, size, len(l.data)-off)
	case marvin32(l.data[off:off+32]) != hash2:
		return e, 0, cursor.Errorf(int64(off)+32, "log entry %d: hash of its header does not fit", e.Sequence)
	case marvin32(l.data[off+40:off+int(size)]) != hash1:
		return e, 0, cursor.Errorf(int64(off)+24, "log entry %d: hash of its pages does not fit", e.Sequence)
	case e.BinsSize%binAlign != 0:
		return e, 0, cursor.Errorf(int64(off)+16, "log entry %d: size of the hive bins %d", e.Sequence, e.BinsSize)
	}
	refs := cursor.At(l.data[off:off+int(size)], int64(off))
	refs.Skip(40, "log entry")
	pages := cursor.At(l.data[off:off+int(size)], int64(off))
	pages.Skip(40, "log entry")
	for range n {
		pages.Skip(8, "reference to a page")
		if pages.Err() != nil {
			return e, 0, pages.Err()
		}
	}
	for range n {
		p := Page{Bins: refs.U32("offset of a page"), Offset: 0}
		length := refs.U32("size of a page")
		p.Offset = pages.Pos()
		p.Data = pages.Take(int(min(length, 1<<30)), "dirty page")
		if pages.Err() != nil {
			return e, 0, pages.Err()
		}
		if int64(p.Bins)+int64(length) > int64(e.BinsSize) {
			return e, 0, cursor.Errorf(p.Offset, "log entry %d: page at %#x lies outside %d bytes of bins", e.Sequence, p.Bins, e.BinsSize)
		}
		e.Pages = append(e.Pages, p)
	}
	return e, int(size), nil
}

// vector reads the dirty vector of the old format and the pages behind it.
func (l *Log) vector() ([]Page, error) {
	sector := sectorSize
	if l.Clustering > 1 && l.Clustering <= 8 {
		sector = int(l.Clustering) * sectorSize
	}
	if l.BinsSize%binAlign != 0 {
		return nil, cursor.Errorf(40, "log: size of the hive bins %d is no multiple of %d", l.BinsSize, binAlign)
	}
	c := cursor.New(l.data)
	c.Seek(sector, "dirty vector")
	if sig := c.Take(4, "dirty vector"); c.Err() == nil && string(sig) != "DIRT" {
		return nil, cursor.Errorf(int64(sector), "dirty vector: signature DIRT expected, found %q", sig)
	}
	bitmap := c.Take(int(l.BinsSize/sectorSize/8), "dirty vector")
	c.Seek((c.Off()+sector-1)/sector*sector, "dirty pages")
	if c.Err() != nil {
		return nil, c.Err()
	}
	var out []Page
	for i, x := range bitmap {
		for ; x != 0; x &= x - 1 {
			p := Page{Offset: c.Pos(), Bins: uint32(i*8+bits.TrailingZeros8(x)) * sectorSize}
			p.Data = c.Take(sectorSize, "dirty page")
			if c.Err() != nil {
				return nil, c.Err()
			}
			out = append(out, p)
		}
	}
	return out, nil
}

// Applied tells what one log gave to the replay.
type Applied struct {
	Log     int    // which of the logs given, from 0
	Format  uint32 // OldLog or NewLog; 0 where the log could not be read
	Entries int    // log entries applied; 1 for a dirty vector
	First   uint32 // their sequence numbers
	Last    uint32
	Pages   int    // pages applied
	Older   int    // entries that the hive already holds
	Refused string // why the log, or what follows its last entry, was not applied
}

// Replay is a hive before and after its transaction logs.
type Replay struct {
	Before        *Hive // nil where its base block makes no sense
	After         *Hive // the same as Before where nothing was applied
	Logs          []Applied
	Pages         int // pages applied, all logs together
	Changed       int // 512-byte pages of the bins whose content is another now
	BaseRecovered bool
	Gap           uint32 // sequence numbers between the hive and the first entry applied: they are in no log
	Reason        string // why nothing was applied, else empty

	origins map[uint32]origin // by 512-byte block of the bins
}

// origin is the place in a log that a block came from.
type origin struct {
	log int
	at  int64
}

// Origin tells for a place of the hive After whether its byte came from a log,
// from which one (as they were given) and where it stands there.
func (r *Replay) Origin(off int64) (log int, at int64, ok bool) {
	if off < BaseSize || off-BaseSize > 1<<32-1 {
		return 0, 0, false
	}
	o, ok := r.origins[uint32(off-BaseSize)/sectorSize]
	return o.log, o.at + (off-BaseSize)%sectorSize, ok
}

// note remembers where a page came from.
func (r *Replay) note(log int, p Page) {
	if r.origins == nil {
		r.origins = map[uint32]origin{}
	}
	for i := 0; i < len(p.Data); i += sectorSize {
		r.origins[(p.Bins+uint32(i))/sectorSize] = origin{log, p.Offset + int64(i)}
	}
}

func (r *Replay) refuse(format string, args ...any) { r.Reason = fmt.Sprintf(format, args...) }
