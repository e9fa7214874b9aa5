package ntfs

import (
	"bytes"
	"encoding/binary"
	"io"
	"iter"
)

// CarvedKind is what was found by its form alone.
type CarvedKind uint8

// The kinds.
const (
	CarvedRecord CarvedKind = iota // an MFT entry (FILE)
	CarvedIndex                    // an index record (INDX)
	CarvedUSN                      // a record of a change journal
	CarvedLog                      // a page of $LogFile (RCRD)
)

var carvedNames = [...]string{"FILE", "INDX", "USN", "RCRD"}

func (k CarvedKind) String() string { return carvedNames[k] }

// Carved is a structure found outside its place. Which volume and which time it
// is from its bytes alone must say.
type Carved struct {
	Kind   CarvedKind
	Off    int64 // in what was searched
	Len    int64
	Record Record     // of CarvedRecord, fixups in place
	Index  IndexEntry // of CarvedIndex: each entry of a directory is yielded by itself
	USN    USNRecord
	Torn   bool // a sector is from another write
}

const carveBlock = 1 << 20

// Carve looks for NTFS structures in ranges (from, to) of r: MFT entries, index
// records and pages of $LogFile at steps of 512 bytes, journal records at steps
// of eight. Values are good until the next step. A range that cannot be read is
// told, and the search goes on behind it.
func Carve(r io.ReaderAt, ranges iter.Seq2[int64, int64]) iter.Seq2[Carved, error] {
	return func(yield func(Carved, error) bool) {
		c := carver{r: r, yield: yield, buf: make([]byte, carveBlock+maxRecord)}
		for from, to := range ranges {
			for off := from &^ 7; off < to; off += carveBlock {
				if !c.block(off, to) {
					return
				}
			}
		}
	}
}

type carver struct {
	r     io.ReaderAt
	yield func(Carved, error) bool
	buf   []byte
	next  int64 // behind what was found last
}

// block searches one block; what begins in it may end behind it.
func (c *carver) block(off, to int64) bool {
	b := c.buf[:min(int64(len(c.buf)), to-off)]
	n, err := c.r.ReadAt(b, off)
	if n < len(b) && err != nil && err != io.EOF {
		// Sector by sector: the good ones are searched.
		if !c.yield(Carved{Off: off + int64(n)}, &Damage{Kind: Unreadable, Off: off + int64(n), Len: int64(len(b) - n), Want: uint64(len(b) - n), Err: err}) {
			return false
		}
		for p := n &^ (stride - 1); p < len(b); p += stride {
			q := b[p:min(p+stride, len(b))]
			if k, err := c.r.ReadAt(q, off+int64(p)); k < len(q) || err != nil && err != io.EOF {
				clear(q)
			}
		}
		n = len(b)
	}
	b = b[:n]
	for p := 0; p < min(carveBlock, n-8); p += 8 {
		at := off + int64(p)
		if at < c.next {
			continue
		}
		if at%stride == 0 && n-p >= minRecord {
			if ok, found := c.signed(b[p:], at); !ok {
				return false
			} else if found {
				continue
			}
		}
		if v := b[p+4]; (v == 2 || v == 3) && b[p+5] == 0 && b[p+6] == 0 && b[p+7] == 0 && b[p+2] == 0 && b[p+3] == 0 {
			if u, ok := parseUSN(b[p:], at); ok && likelyUSN(&u) {
				c.next = at + u.Length
				if !c.yield(Carved{Kind: CarvedUSN, Off: at, Len: u.Length, USN: u}, nil) {
					return false
				}
			}
		}
	}
	return true
}

// signed looks for what begins with a signature.
func (c *carver) signed(b []byte, at int64) (ok, found bool) {
	switch string(b[:4]) {
	case "FILE", "BAAD":
		n := binary.LittleEndian.Uint32(b[28:])
		if n < minRecord || n > maxRecord || n&(n-1) != 0 || int(n) > len(b) {
			return true, false
		}
		rec := decodeRecord(bytes.Clone(b[:n]), 0, at, nil)
		if rec.HasNum {
			rec.Num = uint64(rec.Number)
		}
		if rec.start >= rec.used || rec.data == nil {
			return true, false
		}
		c.next = at + int64(n)
		return c.yield(Carved{Kind: CarvedRecord, Off: at, Len: int64(n), Record: rec, Torn: rec.torn != 0}, nil), true
	case "RCRD":
		const page = 4096
		if len(b) < page || binary.LittleEndian.Uint16(b[6:]) != page/stride+1 {
			return true, false
		}
		c.next = at + page
		return c.yield(Carved{Kind: CarvedLog, Off: at, Len: page}, nil), true
	case "INDX":
		return c.index(b, at)
	}
	return true, false
}

// index yields the file names of an index record. The directory is that which
// its entries name as their parent.
func (c *carver) index(b []byte, at int64) (ok, found bool) {
	n := (int(binary.LittleEndian.Uint16(b[6:])) - 1) * stride
	if n < minRecord || n > maxRecord || n > len(b) || n&(n-1) != 0 {
		return true, false
	}
	torn := false
	nd := recordNode(bytes.Clone(b[:n]), at, func(Kind, int, uint64, uint64) { torn = true })
	if nd.head() != nil {
		return true, false
	}
	c.next = at + int64(n)
	more := true
	nd.entries(func(raw rawEntry) bool {
		e, ok := indexEntry(raw.key, IndexFreeBlock)
		if !ok || !likelyTimes(e.Times) {
			return true // of a view, or damaged
		}
		e.Ref, e.Off = Ref(binary.LittleEndian.Uint64(raw.b)), nd.disk(raw.at)
		more = c.yield(Carved{Kind: CarvedIndex, Off: e.Off, Len: int64(len(raw.b)), Index: e, Torn: torn}, nil)
		return more
	})
	return more, true
}

// likelyUSN holds back bytes that only look like a journal record.
func likelyUSN(u *USNRecord) bool {
	const year1980, year2200 = 119600064000000000, 189026784000000000
	if u.Time < year1980 || u.Time > year2200 || u.Reason == 0 || u.Ref.Seq() == 0 || u.Parent.Seq() == 0 || u.High|u.ParentHigh != 0 ||
		len(u.Name) == 0 || len(u.Name) > 510 || u.Length > 60+16+512+8 {
		return false
	}
	for i := 0; i+1 < len(u.Name); i += 2 {
		if u.Name[i]|u.Name[i+1] == 0 {
			return false
		}
	}
	return true
}

// FreeRanges yields the ranges of the volume that $Bitmap calls free, in bytes. A
// page of $Bitmap that cannot be read is reported, and nothing in it is free.
func (c *Catalog) FreeRanges(report func(Damage)) iter.Seq2[int64, int64] {
	return func(yield func(int64, int64) bool) {
		o := c.ownersOf()
		cs, clusters := int64(c.v.geo.ClusterSize), min(c.v.clusters, c.v.size/int64(c.v.geo.ClusterSize))
		from := int64(-1)
		for lcn := int64(0); lcn < clusters; lcn++ {
			used, err := o.allocated(lcn)
			if err == nil && !used {
				if from < 0 {
					from = lcn
				}
				continue
			}
			if from >= 0 && !yield(from*cs, lcn*cs) {
				return
			}
			from = -1
			if err != nil {
				report(asDamage(err))
				lcn |= bitmapPage*8 - 1 // the last cluster of the page
			}
		}
		if from >= 0 {
			yield(from*cs, clusters*cs)
		}
	}
}
