package volumeboot

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"kanshiki/parsers/internal/cursor"
)

func luks(b []byte, _ int64) (Head, bool) {
	if !at(b, 0, "LUKS\xba\xbe") {
		return Head{}, false
	}
	c := cursor.New(b)
	c.Seek(6, "version")
	h := Head{Kind: LUKS, Detail: fmt.Sprintf("version %d", c.U16BE("version"))}
	if c.Err() == nil && at(b, 6, "\x00\x02") && len(b) > 72 {
		h.Label = trim(b[24:72])
	}
	return h, true
}

const mdMagic = 0xA92B4EFC

// mdHead finds the superblock of Linux RAID where the member's data follows
// it: version 1.1 at the start, 1.2 at 4 KiB.
func mdHead(b []byte, _ int64) (Head, bool) {
	for _, off := range []int{0, 4096} {
		c := cursor.New(b)
		c.Seek(off, "superblock")
		if c.U32("magic") == mdMagic && c.U32("major version") == 1 && c.Err() == nil {
			h := Head{Kind: RAIDMember, Detail: "Linux md 1." + map[int]string{0: "1", 4096: "2"}[off]}
			c.Seek(off+32, "set name")
			h.Label = trim(c.Take(32, "set name"))
			return h, true
		}
	}
	return Head{}, false
}

// recogniseTail finds storage metadata near the end, which leaves the start as
// the file system made it.
func recogniseTail(r io.ReaderAt, size int64) string {
	var b [64]byte
	for _, t := range []struct {
		off  int64
		what string
		ok   func() bool
	}{
		{size&^0xFFFF - 0x10000, "Linux md 0.90", func() bool { return binary.LittleEndian.Uint32(b[:]) == mdMagic }},
		{(size - 8192) &^ 4095, "Linux md 1.0", func() bool {
			return binary.LittleEndian.Uint32(b[:]) == mdMagic && binary.LittleEndian.Uint32(b[4:]) == 1
		}},
		{size - 1024, "Intel Rapid Storage", func() bool { return at(b[:], 0, "Intel Raid ISM Cfg Sig. ") }},
		{size - 512, "SNIA DDF", func() bool { return binary.BigEndian.Uint32(b[:]) == 0xDE11DE11 }},
	} {
		if t.off <= 0 || t.off+int64(len(b)) > size {
			continue
		}
		if n, _ := r.ReadAt(b[:], t.off); n == len(b) && t.ok() {
			return t.what + " metadata at the end"
		}
	}
	return ""
}

func lvm(b []byte, _ int64) (Head, bool) {
	for s := 0; s < 4; s++ {
		if at(b, s*512, "LABELONE") && at(b, s*512+24, "LVM2 001") {
			return Head{Kind: LVM, Detail: "LVM2 physical volume"}, true
		}
	}
	return Head{}, false
}

func iso9660(b []byte, _ int64) (Head, bool) {
	if !at(b, 32769, "CD001") {
		return Head{}, false
	}
	h := Head{Kind: ISO9660, SectorSize: 2048, ClusterSize: 2048}
	if len(b) >= 32768+88 {
		h.Label = trim(b[32768+40 : 32768+72])
		c := cursor.New(b)
		c.Seek(32768+80, "volume space")
		h.Size = times(uint64(c.U32("volume space")), 2048)
	}
	return h, true
}

func btrfs(b []byte, _ int64) (Head, bool) {
	const sb = 65536
	if !at(b, sb+64, "_BHRfS_M") {
		return Head{}, false
	}
	c := cursor.New(b)
	c.Seek(sb+0x70, "total bytes")
	h := Head{Kind: Btrfs, Size: times(c.U64("total bytes"), 1)}
	c.Seek(sb+0x90, "sector size")
	h.ClusterSize = int64(c.U32("sector size"))
	c.Seek(sb+0x12B, "label")
	h.Label = trim(c.Take(256, "label"))
	return h, true
}

func xfs(b []byte, _ int64) (Head, bool) {
	if !at(b, 0, "XFSB") {
		return Head{}, false
	}
	c := cursor.New(b)
	c.Seek(4, "block size")
	h := Head{Kind: XFS, ClusterSize: int64(c.U32BE("block size"))}
	h.Size = times(c.U64BE("blocks"), h.ClusterSize)
	c.Seek(108, "label")
	h.Label = trim(c.Take(12, "label"))
	return h, true
}

func apfs(b []byte, _ int64) (Head, bool) {
	if !at(b, 32, "NXSB") {
		return Head{}, false
	}
	c := cursor.New(b)
	c.Seek(36, "block size")
	h := Head{Kind: APFS, ClusterSize: int64(c.U32("block size"))}
	h.Size = times(c.U64("blocks"), h.ClusterSize)
	return h, true
}

func hfs(b []byte, _ int64) (Head, bool) {
	for _, v := range []struct{ sig, what string }{
		{"H+\x00\x04", "HFS+"}, {"HX\x00\x05", "HFSX"}, {"BD", "HFS"},
	} {
		if !at(b, 1024, v.sig) {
			continue
		}
		h := Head{Kind: HFSPlus, Detail: v.what}
		c := cursor.New(b)
		if v.sig == "BD" { // two letters prove little: block size and name must fit too
			c.Seek(1024+18, "blocks")
			blocks, n := c.U16BE("blocks"), c.U32BE("block size")
			c.Seek(1024+36, "name")
			name := c.U8("length of the name")
			return h, blocks > 0 && n >= 512 && n%512 == 0 && n < 1<<24 && name > 0 && name < 28
		}
		c.Seek(1024+40, "block size")
		h.ClusterSize = int64(c.U32BE("block size"))
		h.Size = times(uint64(c.U32BE("blocks")), h.ClusterSize)
		return h, true
	}
	return Head{}, false
}

// ext recognises ext2, 3 and 4 by the magic and a superblock that adds up.
func ext(b []byte, _ int64) (Head, bool) {
	const sb = 1024
	c := cursor.New(b)
	c.Seek(sb, "inodes")
	inodes, blocks := c.U32("inodes"), uint64(c.U32("blocks"))
	c.Seek(sb+24, "block size")
	shift := c.U32("block size")
	c.Seek(sb+32, "blocks per group")
	perGroup := c.U32("blocks per group")
	c.Seek(sb+56, "magic")
	magic := c.U16("magic")
	c.Seek(sb+76, "revision")
	if revision := c.U32("revision"); magic != 0xEF53 || c.Err() != nil || shift > 6 || inodes == 0 || blocks == 0 ||
		perGroup == 0 || perGroup > 8<<(10+shift) || revision > 1 {
		return Head{}, false
	}
	h := Head{Kind: Ext, ClusterSize: 1024 << shift, Detail: "ext2"}
	c.Seek(sb+92, "features")
	compat, incompat, roCompat := c.U32("compatible"), c.U32("incompatible"), c.U32("read-only compatible")
	switch {
	case incompat&0x2C0 != 0 || roCompat&0x78 != 0: // extents, 64 bit, flex_bg; huge files … nanoseconds
		h.Detail = "ext4"
	case compat&4 != 0:
		h.Detail = "ext3"
	}
	if incompat&0x80 != 0 {
		c.Seek(sb+0x150, "blocks, high")
		blocks |= uint64(c.U32("blocks, high")) << 32
	}
	h.Size = times(blocks, h.ClusterSize)
	if len(b) >= sb+136 {
		h.Label = trim(b[sb+120 : sb+136])
	}
	return h, true
}

func swap(b []byte, _ int64) (Head, bool) {
	for _, page := range []int{4096, 8192, 16384, 32768, 65536} {
		for _, sig := range []string{"SWAPSPACE2", "SWAP-SPACE"} {
			if at(b, page-10, sig) {
				h := Head{Kind: Swap, ClusterSize: int64(page)}
				if sig == "SWAPSPACE2" {
					h.Label = trim(b[1052:1068])
				}
				return h, true
			}
		}
	}
	return Head{}, false
}

// describe says what can be said of a head that no test knows: other
// signatures worth a name, or whether the bytes look random.
func describe(b []byte, first int) string {
	for _, s := range []struct {
		off  int
		sig  string
		what string
	}{
		{3, "PGPGUARD", "PGP Whole Disk Encryption boot sector"},
		{3, "SafeBoot", "SafeBoot (McAfee Endpoint Encryption) boot sector"},
		{512, "\x57\x45\x56\x82", "BSD disk label"},
		{0, "UBI#", "UBI"},
		{0, "hsqs", "SquashFS"},
		{1024, "\x10\x20\xf5\xf2", "F2FS"},
	} {
		if at(b, s.off, s.sig) {
			return s.what
		}
	}
	for _, off := range []int{1024, 8192, 65536} {
		if at(b, off+1372, "\x19\x01\x54\x19") || at(b, off+1372, "\x00\x01\x19\x54") {
			return "UFS"
		}
	}
	if len(b) >= 4096 && random(b) {
		return "bytes look random: encrypted, compressed or wiped"
	}
	if first >= 512 {
		return fmt.Sprintf("zeros up to %#x", first)
	}
	return "begins with " + hexHead(b)
}

func hexHead(b []byte) string { return fmt.Sprintf("% x", b[:min(8, len(b))]) }

// random tells whether the bytes are spread as evenly as encryption spreads
// them: a chi-square over 256 values, which text, code and even most
// compressed data exceed by far.
func random(b []byte) bool {
	var n [256]int64
	ones := 0
	for _, c := range b {
		n[c]++
		ones += bits.OnesCount8(c)
	}
	var sum int64
	for _, k := range n {
		sum += k * k
	}
	// chi² = 256/len·Σk² − len; 255 expected, 400 is beyond 1 in 10⁸.
	chi := float64(sum)*256/float64(len(b)) - float64(len(b))
	return chi < 400 && ones > len(b)*39/10 && ones < len(b)*41/10
}
