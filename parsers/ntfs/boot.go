package ntfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"kanshiki/parsers/internal/cursor"
)

// Limits of the format.
const (
	minSector, maxSector   = 256, 4096
	minCluster, maxCluster = 256, 2 << 20 // Windows 10 writes up to 2 MiB
	minRecord, maxRecord   = 512, 65536
)

// Geometry is what the boot sector says. Sizes in bytes.
type Geometry struct {
	SectorSize   uint32
	ClusterSize  uint32
	RecordSize   uint32 // an MFT entry
	IndexSize    uint32 // an index record
	TotalSectors uint64 // one less than the partition has: the backup boot sector is not counted
	MFTCluster   uint64
	MirrCluster  uint64
	Serial       uint64
}

// Source says where the geometry was found.
type Source string

// The sources of a geometry.
const (
	FromBoot   Source = "boot sector"
	FromBackup Source = "backup boot sector"
	FromSearch Source = "search for the $MFT"
	FromCaller Source = "caller"
)

var (
	errNotNTFS   = errors.New("no NTFS boot sector")
	errBitLocker = errors.New("volume is encrypted by BitLocker (-FVE-FS-)")
)

// ErrNotNTFS says that neither a boot sector, nor its backup, nor an $MFT was
// found; ErrBitLocker that the volume is locked.
var (
	ErrNotNTFS   = errNotNTFS
	ErrBitLocker = errBitLocker
)

// Recognize tells whether a boot sector says that it is NTFS. It does not say
// that the volume can be opened.
func Recognize(boot []byte) bool {
	return len(boot) >= 512 && string(boot[3:11]) == "NTFS    "
}

// ParseBoot decodes and checks a boot sector of a volume of size bytes. A size
// of 0 leaves out the checks against the medium.
func ParseBoot(b []byte, size int64) (Geometry, error) {
	var g Geometry
	c := cursor.New(b)
	c.Skip(3, "jump")
	oem := c.Take(8, "OEM id")
	if bytes.Equal(oem, []byte("-FVE-FS-")) {
		return g, errBitLocker
	}
	if string(oem) != "NTFS    " {
		return g, errNotNTFS
	}
	g.SectorSize = uint32(c.U16("bytes per sector"))
	spc := c.U8("sectors per cluster")
	c.Seek(0x28, "total sectors")
	g.TotalSectors = c.U64("total sectors")
	g.MFTCluster = c.U64("cluster of $MFT")
	g.MirrCluster = c.U64("cluster of $MFTMirr")
	rec := c.U8("clusters per MFT entry")
	c.Seek(0x44, "clusters per index record")
	idx := c.U8("clusters per index record")
	c.Seek(0x48, "serial number")
	g.Serial = c.U64("serial number")
	if c.Err() != nil {
		return g, c.Err()
	}
	if bits.OnesCount32(g.SectorSize) != 1 || g.SectorSize < minSector || g.SectorSize > maxSector {
		return g, cursor.Errorf(0x0B, "bytes per sector: %d", g.SectorSize)
	}
	cluster := clusterSize(g.SectorSize, spc)
	if cluster == 0 {
		return g, cursor.Errorf(0x0D, "sectors per cluster: %#x with %d-byte sectors", spc, g.SectorSize)
	}
	g.ClusterSize = cluster
	if g.RecordSize = recordSize(cluster, rec); g.RecordSize == 0 {
		return g, cursor.Errorf(0x40, "clusters per MFT entry: %#x with %d-byte clusters", rec, cluster)
	}
	if g.IndexSize = recordSize(cluster, idx); g.IndexSize == 0 {
		return g, cursor.Errorf(0x44, "clusters per index record: %#x with %d-byte clusters", idx, cluster)
	}
	if size > 0 && (g.MFTCluster == 0 || g.MFTCluster >= uint64(size)/uint64(cluster)+1) {
		return g, cursor.Errorf(0x30, "cluster of $MFT: %d, the volume has %d", g.MFTCluster, uint64(size)/uint64(cluster))
	}
	return g, nil
}

// clusterSize decodes sectors per cluster: 1 to 128 as it is, from 0xF4 as a
// power of two (clusters of 128 KiB and more, since Windows 10), or 0.
func clusterSize(sector uint32, spc uint8) uint32 {
	var n uint64
	switch {
	case spc >= 1 && spc <= 128 && bits.OnesCount8(spc) == 1:
		n = uint64(sector) * uint64(spc)
	case spc >= 0xF4:
		n = uint64(sector) << (256 - uint(spc))
	}
	if n < minCluster || n > maxCluster {
		return 0
	}
	return uint32(n)
}

// recordSize decodes clusters per MFT entry or index record: positive as a
// count, negative as a power of two in bytes, or 0.
func recordSize(cluster uint32, v uint8) uint32 {
	var n uint64
	if s := int8(v); s > 0 {
		n = uint64(cluster) * uint64(s)
	} else if s < 0 && s > -32 {
		n = 1 << uint(-int(s))
	}
	if n < minRecord || n > maxRecord || bits.OnesCount64(n) != 1 {
		return 0
	}
	return uint32(n)
}

// Clusters is the number of clusters that the boot sector gives the volume.
func (g Geometry) Clusters() uint64 {
	if g.ClusterSize == 0 {
		return 0
	}
	hi, lo := bits.Mul64(g.TotalSectors, uint64(g.SectorSize))
	if hi != 0 {
		return 1<<63 - 1
	}
	return lo / uint64(g.ClusterSize)
}

// findGeometry reads the boot sector, else a backup, else searches the $MFT.
// A boot sector that leads to the mirror of the $MFT only comes second.
func findGeometry(r io.ReaderAt, size int64) (Geometry, Source, []Damage, error) {
	var found []Damage
	var first error
	places := append([]int64{0}, backupPlaces(size)...)
	look := func(check func(Geometry) error) (Geometry, Source, bool) {
		for _, off := range places {
			b := make([]byte, 512)
			_, err := readFull(r, b, off, size)
			if err != nil {
				err = &Damage{Kind: Unreadable, Off: off, Len: 512, Want: 512, Err: err}
			}
			var g Geometry
			if err == nil {
				g, err = ParseBoot(b, size)
			}
			if err == nil {
				err = check(g)
			}
			if err == nil {
				if off == 0 {
					return g, FromBoot, true
				}
				return g, FromBackup, true
			}
			if off == 0 && first == nil {
				first = err
				found = append(found, Damage{Kind: BootDamaged, Off: 0, Len: 512, Err: err})
			}
		}
		return Geometry{}, "", false
	}
	if g, src, ok := look(func(g Geometry) error { return checkMFT(r, size, g, g.MFTCluster) }); ok {
		return g, src, found, nil
	}
	if errors.Is(first, errBitLocker) {
		return Geometry{}, "", nil, first
	}
	if g, src, ok := look(func(g Geometry) error { return checkMFT(r, size, g, g.MirrCluster) }); ok {
		return g, src, found, nil
	}
	// A search reads the whole medium: only where a boot sector still says NTFS.
	if anyBoot(r, size, places) {
		if g, ok := searchMFT(r, size); ok {
			return g, FromSearch, found, nil
		}
		return Geometry{}, "", found, first
	}
	if errors.Is(first, errNotNTFS) {
		return Geometry{}, "", found, errNotNTFS
	}
	return Geometry{}, "", found, fmt.Errorf("%w: %w", errNotNTFS, first)
}

// backupPlaces lists where the copy of the boot sector lies: the last sector
// of the partition, in the time of NT 3.51 and 4 the middle.
func backupPlaces(size int64) []int64 {
	var out []int64
	for _, off := range []int64{size - 512, size - 4096, size / 2 &^ 511} {
		if off > 0 {
			out = append(out, off)
		}
	}
	return out
}

func anyBoot(r io.ReaderAt, size int64, places []int64) bool {
	b := make([]byte, 512)
	for _, off := range places {
		if _, err := readFull(r, b, off, size); err == nil && Recognize(b) {
			return true
		}
	}
	return false
}

// checkMFT looks whether an MFT entry lies at cluster lcn.
func checkMFT(r io.ReaderAt, size int64, g Geometry, lcn uint64) error {
	b := make([]byte, 4)
	if lcn <= uint64(size)/uint64(g.ClusterSize) {
		if _, err := readFull(r, b, int64(lcn)*int64(g.ClusterSize), size); err == nil && isRecord(b) {
			return nil
		}
	}
	return cursor.Errorf(0x30, "no MFT entry at cluster %d", lcn)
}

// searchMFT looks for entry 0, which names its own first cluster: the cluster
// size is the offset divided by that.
func searchMFT(r io.ReaderAt, size int64) (Geometry, bool) {
	buf := make([]byte, 1<<20+maxRecord)
	for base := int64(0); base < size; base += 1 << 20 {
		n, _ := r.ReadAt(buf[:min(int64(len(buf)), size-base)], base)
		for i := 0; i+512 <= n && i < 1<<20; i += 512 {
			if string(buf[i:i+4]) != "FILE" {
				continue
			}
			if g, ok := geometryFrom(buf[i:n], base+int64(i), size); ok {
				return g, true
			}
		}
	}
	return Geometry{}, false
}

// geometryFrom tries the record at off as entry 0 of the $MFT.
func geometryFrom(b []byte, off, size int64) (Geometry, bool) {
	c := cursor.New(b)
	c.Seek(28, "bytes allocated")
	alloc := c.U32("bytes allocated")
	if alloc < minRecord || alloc > maxRecord || bits.OnesCount32(alloc) != 1 || int(alloc) > len(b) {
		return Geometry{}, false
	}
	rec := decodeRecord(bytes.Clone(b[:alloc]), 0, off, nil)
	if rec.Base != 0 || !rec.named("$MFT") {
		return Geometry{}, false
	}
	var a Attr
	for pos := rec.first(); rec.next(&pos, &a, nil); {
		if a.Type != AttrData || len(a.Name) != 0 || !a.NonResident || a.LowVCN != 0 {
			continue
		}
		runs, _ := decodeRuns(nil, a.RunList, 0, a.HighVCN, 0, 1<<62)
		if len(runs) == 0 || runs[0].LCN <= 0 || off%runs[0].LCN != 0 {
			return Geometry{}, false
		}
		cs := off / runs[0].LCN
		if cs < 512 || cs > maxCluster || bits.OnesCount64(uint64(cs)) != 1 {
			return Geometry{}, false // the mirror has the same runs at another place
		}
		return Geometry{SectorSize: 512, ClusterSize: uint32(cs), RecordSize: alloc, IndexSize: 4096,
			TotalSectors: uint64(size) / 512, MFTCluster: uint64(runs[0].LCN)}, true
	}
	return Geometry{}, false
}

// readFull reads len(p) bytes at off, or says how many there were. Readers
// below may fill a bad range with zeros and tell it with an error beside the
// full count: then none of the bytes is counted as good.
func readFull(r io.ReaderAt, p []byte, off, size int64) (int, error) {
	if off < 0 || off >= size {
		return 0, io.ErrUnexpectedEOF
	}
	q := p[:min(int64(len(p)), size-off)]
	n, err := r.ReadAt(q, off)
	switch {
	case err != nil && err != io.EOF && err != io.ErrUnexpectedEOF:
		return 0, err
	case n == len(p):
		return n, nil
	}
	return n, io.ErrUnexpectedEOF
}
