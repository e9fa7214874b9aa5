package volumeboot

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"

	"kanshiki/parsers/internal/cursor"
)

func at(b []byte, off int, want string) bool {
	return off+len(want) <= len(b) && string(b[off:off+len(want)]) == want
}

// GUIDs as they lie on the disk (libbde, "BitLocker Drive Encryption format").
const (
	guidBitLocker = "\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01" // 4967d63b-…
	guidEOW       = "\x3b\x4d\xa8\x92\x80\xdd\x0e\x4d\x9e\x4e\xb1\xe3\x28\x4e\xae\xd8" // 92a84d3b-…
)

func bitlocker(b []byte, _ int64) (Head, bool) {
	switch {
	case at(b, 3, "-FVE-FS-"):
		h := Head{Kind: BitLocker, SectorSize: sectorSize(b), Detail: "Windows 7 or later"}
		if at(b, 160, guidEOW) {
			h.Detail = "encrypted on write"
		} else if !at(b, 160, guidBitLocker) {
			h.Detail = "Windows Vista"
		}
		return h, true
	case at(b, 424, guidBitLocker):
		return Head{Kind: BitLockerToGo, SectorSize: sectorSize(b), Detail: "behind a FAT decoy"}, true
	}
	return Head{}, false
}

// sectorSize is the field of the BIOS parameter block, 0 where it makes no sense.
func sectorSize(b []byte) int {
	c := cursor.New(b)
	c.Seek(11, "bytes per sector")
	n := int(c.U16("bytes per sector"))
	if n < 256 || n > 4096 || n&(n-1) != 0 {
		return 0
	}
	return n
}

func ntfs(b []byte, _ int64) (Head, bool) {
	if !at(b, 3, "NTFS    ") {
		return Head{}, false
	}
	h := Head{Kind: NTFS, SectorSize: sectorSize(b)}
	c := cursor.New(b)
	c.Seek(13, "sectors per cluster")
	spc := int64(c.U8("sectors per cluster"))
	if spc > 0x80 { // a power of two, as a negative number (Windows 10, clusters over 64 KiB)
		spc = 1 << min(256-spc, 30)
	}
	c.Seek(40, "total sectors")
	total := c.U64("total sectors")
	c.Seek(72, "serial number")
	h.Serial = fmt.Sprintf("%016X", c.U64("serial number"))
	if c.Err() != nil || h.SectorSize == 0 {
		return Head{}, false
	}
	h.ClusterSize = spc * int64(h.SectorSize)
	h.Size = times(total+1, int64(h.SectorSize)) // the copy of the boot sector is not counted
	return h, true
}

// times multiplies without overflow.
func times(n uint64, unit int64) int64 {
	if unit <= 0 || n > uint64(math.MaxInt64/unit) {
		return math.MaxInt64
	}
	return int64(n) * unit
}

func refs(b []byte, _ int64) (Head, bool) {
	if !at(b, 3, "ReFS\x00\x00\x00\x00") {
		return Head{}, false
	}
	c := cursor.New(b)
	c.Seek(24, "sectors")
	sectors := c.U64("sectors")
	h := Head{Kind: ReFS, SectorSize: int(c.U32("bytes per sector"))}
	spc := c.U32("sectors per cluster")
	major, minor := c.U8("major version"), c.U8("minor version")
	if c.Err() != nil || h.SectorSize <= 0 || h.SectorSize > 1<<16 {
		return Head{Kind: ReFS}, true
	}
	h.Size = times(sectors, int64(h.SectorSize))
	h.ClusterSize = times(uint64(spc), int64(h.SectorSize))
	h.Detail = fmt.Sprintf("version %d.%d", major, minor)
	return h, true
}

func exfat(b []byte, _ int64) (Head, bool) {
	if !at(b, 3, "EXFAT   ") {
		return Head{}, false
	}
	c := cursor.New(b)
	c.Seek(72, "volume length")
	sectors := c.U64("volume length")
	c.Seek(100, "serial number")
	serial := c.U32("serial number")
	c.Seek(108, "shifts")
	ss, cs := c.U8("sector shift"), c.U8("cluster shift")
	if c.Err() != nil || ss < 9 || ss > 12 || cs > 25-ss {
		return Head{}, false
	}
	return Head{Kind: ExFAT, SectorSize: 1 << ss, ClusterSize: 1 << (ss + cs), Size: times(sectors, 1<<ss),
		Serial: fmt.Sprintf("%04X-%04X", serial>>16, serial&0xFFFF)}, true
}

func storageSpaces(b []byte, _ int64) (Head, bool) {
	return Head{Kind: StorageSpaces}, at(b, 0, "SPACEDB ") || at(b, 4096, "SPACEDB ")
}

// dynamicDisk finds the private header of the Logical Disk Manager: in sector
// 6 of a disk, and in the first sector of its metadata partition.
func dynamicDisk(b []byte, _ int64) (Head, bool) {
	for _, off := range []int{0, 512, 6 * 512} {
		if at(b, off, "PRIVHEAD") {
			return Head{Kind: DynamicDisk, Detail: "Logical Disk Manager"}, true
		}
	}
	return Head{}, false
}

// fat recognises FAT by a parameter block that adds up; which of the three it
// is depends on the number of clusters and on nothing else (Microsoft's
// document, "FAT type determination").
func fat(b []byte, size int64) (Head, bool) {
	c := cursor.New(b)
	jump := c.U8("jump")
	c.Seek(11, "parameter block")
	c.U16("bytes per sector")
	spc, reserved, fats := int64(c.U8("sectors per cluster")), int64(c.U16("reserved")), int64(c.U8("FATs"))
	rootEntries, total, media := int64(c.U16("root entries")), int64(c.U16("sectors")), c.U8("media")
	fatSize := int64(c.U16("FAT size"))
	c.Seek(32, "sectors")
	if total == 0 {
		total = int64(c.U32("sectors"))
	} else {
		c.U32("sectors")
	}
	wide := fatSize == 0
	if wide {
		fatSize = int64(c.U32("FAT size"))
	}
	bps := int64(sectorSize(b))
	if c.Err() != nil || jump != 0xEB && jump != 0xE9 || bps < 512 || spc == 0 || spc&(spc-1) != 0 ||
		reserved == 0 || fats == 0 || fats > 4 || media < 0xF0 || total == 0 || fatSize == 0 || wide != (rootEntries == 0) {
		return Head{}, false
	}
	data := total - reserved - fats*fatSize - (rootEntries*32+bps-1)/bps
	if data <= 0 {
		return Head{}, false
	}
	h := Head{Kind: FAT16, SectorSize: int(bps), ClusterSize: spc * bps, Size: total * bps}
	label, serial := 43, 39
	switch clusters := data / spc; {
	case wide:
		h.Kind, label, serial = FAT32, 71, 67
	case clusters < 4085:
		h.Kind = FAT12
	case clusters >= 65525:
		return Head{}, false
	}
	c.Seek(serial-1, "extended boot signature")
	if sig := c.U8("extended boot signature"); sig == 0x28 || sig == 0x29 {
		s := c.U32("serial number")
		h.Serial = fmt.Sprintf("%04X-%04X", s>>16, s&0xFFFF)
		if sig == 0x29 {
			h.Label = trim(b[label : label+11])
			if h.Label == "NO NAME" {
				h.Label = ""
			}
		}
	}
	if h.Size > size {
		h.Detail = fmt.Sprintf("claims %d bytes, %d are there", h.Size, size)
	}
	return h, true
}

// trim makes a label of padded 8-bit text; what is not plain ASCII is kept as
// hexadecimal, since the code page is not stored.
func trim(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	var s strings.Builder
	for _, c := range bytes.TrimRight(b, " ") {
		if c < 0x20 || c > 0x7E {
			fmt.Fprintf(&s, `\x%02x`, c)
		} else {
			s.WriteByte(c)
		}
	}
	return s.String()
}

// recogniseCopy looks for the boot sector's copy: NTFS keeps it in the last
// sector, FAT32 in sector 6, exFAT in sector 12.
func recogniseCopy(r io.ReaderAt, size int64) (Head, bool) {
	b := make([]byte, 512)
	for _, sector := range []int64{512, 4096} {
		for _, c := range []struct {
			off int64
			t   test
		}{{size - size%sector - sector, ntfs}, {6 * sector, fat}, {12 * sector, exfat}} {
			if c.off <= 0 || c.off+512 > size {
				continue
			}
			if n, _ := r.ReadAt(b, c.off); n < 512 {
				continue
			}
			h, ok := c.t(b, size)
			if ok && (h.Kind != FAT32 || h.SectorSize == int(sector)) && h.Kind != FAT12 && h.Kind != FAT16 &&
				h.Size <= size+int64(h.SectorSize) {
				h.Copy, h.Detail = true, fmt.Sprintf("first sector damaged; recognised by its copy at %#x", c.off)
				return h, true
			}
		}
	}
	return Head{}, false
}
