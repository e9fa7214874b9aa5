package ewf

import (
	"math"

	"kanshiki/parsers/internal/cursor"
)

// Media is the kind of medium that was imaged.
type Media uint8

func (m Media) String() string {
	switch m {
	case 0:
		return "removable disk"
	case 1:
		return "fixed disk"
	case 3:
		return "optical disc"
	case 0x0E:
		return "logical evidence"
	case 0x10:
		return "memory"
	}
	return "unknown"
}

// Volume is the payload of the volume (or disk, or data) section.
type Volume struct {
	Media           Media
	Chunks          uint32
	SectorsPerChunk uint32
	BytesPerSector  uint32
	Sectors         uint64
	Flags           uint8  // 1 image, 2 physical, 4 Fastbloc, 8 Tableau; 0 in the short form
	Compression     uint8  // 0 none, 1 fast, 2 best; for information only
	Granularity     uint32 // sectors lost at a time around a read error
	GUID            [16]byte
	Short           bool // the 94-byte form of EWF and SMART
	Smart           bool // the short form is marked "SMART"
}

// ChunkSize is the number of media bytes in a full chunk.
func (v *Volume) ChunkSize() int64 { return int64(v.SectorsPerChunk) * int64(v.BytesPerSector) }

// payload is the size of the section's payload.
func (v *Volume) payload() int64 {
	if v.Short {
		return volumeShort
	}
	return volumeLong
}

const (
	maxMedia    = 1 << 60 // bytes; leaves room to add a chunk
	volumeShort = 94
	volumeLong  = 1052
)

// parseVolume decodes the payload that begins at off in its segment. A volume
// with a bad checksum is returned together with the error: some devices write
// 0 there, and geometry that fits the tables is still the best there is.
func parseVolume(b []byte, off int64) (*Volume, error) {
	v := &Volume{}
	var sumErr error
	switch {
	case len(b) >= volumeLong:
		_, sumErr = checked(b[:volumeLong], off, "volume")
	case len(b) >= volumeShort:
		v.Short = true
		_, sumErr = checked(b[:volumeShort], off, "volume")
	default:
		return nil, cursor.Errorf(off, "volume: need %d bytes, have %d", volumeShort, len(b))
	}
	c := cursor.At(b, off)
	v.Media = Media(c.U8("media"))
	c.Skip(3, "padding")
	v.Chunks = c.U32("chunks")
	v.SectorsPerChunk = c.U32("sectors per chunk")
	v.BytesPerSector = c.U32("bytes per sector")
	if v.Short {
		v.Sectors = uint64(c.U32("sectors"))
		c.Seek(85, "signature")
		v.Smart = string(c.Take(5, "signature")) == "SMART"
		v.Media = 1 // the field is no medium type in this form
	} else {
		v.Sectors = c.U64("sectors")
		c.Seek(36, "flags")
		v.Flags = c.U8("flags")
		c.Seek(52, "compression")
		v.Compression = c.U8("compression")
		c.Seek(56, "granularity")
		v.Granularity = c.U32("error granularity")
		c.Seek(64, "set identifier")
		copy(v.GUID[:], c.Take(16, "set identifier"))
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := v.check(off); err != nil {
		return nil, err
	}
	return v, sumErr
}

func (v *Volume) check(off int64) error {
	bps, spc := int64(v.BytesPerSector), int64(v.SectorsPerChunk)
	if bps < 64 || bps > 1<<16 || bps&(bps-1) != 0 {
		return cursor.Errorf(off+12, "bytes per sector: %d", bps)
	}
	if spc < 1 || spc*bps > MaxChunk {
		return cursor.Errorf(off+8, "sectors per chunk: %d of %d bytes, limit %d bytes", spc, bps, MaxChunk)
	}
	// Early writers left other things in the upper half of the count.
	if low := v.Sectors & math.MaxUint32; v.Sectors != low && v.Chunks != 0 &&
		v.chunksFor(v.Sectors) != uint64(v.Chunks) && v.chunksFor(low) == uint64(v.Chunks) {
		v.Sectors = low
	}
	if v.Sectors > maxMedia/uint64(bps) {
		return cursor.Errorf(off+16, "sectors: %d of %d bytes", v.Sectors, bps)
	}
	return nil
}

func (v *Volume) chunksFor(sectors uint64) uint64 {
	n := sectors / uint64(v.SectorsPerChunk)
	if sectors%uint64(v.SectorsPerChunk) != 0 {
		n++
	}
	return n
}
