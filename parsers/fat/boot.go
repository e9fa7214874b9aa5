package fat

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"kanshiki/parsers/internal/cursor"
)

// Kind is the file system.
type Kind uint8

// The kinds, after the width of an entry of the file allocation table.
const (
	FAT12 Kind = iota
	FAT16
	FAT32
	ExFAT
)

func (k Kind) String() string { return [...]string{"FAT12", "FAT16", "FAT32", "exFAT"}[k] }

// Geometry is what the boot sector says. Places are bytes from the start of the
// volume.
type Geometry struct {
	Kind        Kind
	SectorSize  int64
	ClusterSize int64
	Clusters    uint32 // they are numbered from 2
	FATOff      int64  // the table in use
	FATSize     int64  // of one table
	FATs        int
	RootOff     int64 // the root directory of FAT12 and FAT16, which has no cluster
	RootSize    int64
	Root        uint32 // its first cluster, else
	DataOff     int64  // of cluster 2
	Size        int64  // bytes of the volume
	Serial      uint32
	BootLabel   string // of the boot sector; FAT only
	FromBackup  bool   // the first sector is damaged
	Dirty       bool
	PercentUsed int // exFAT; -1 where it is not known

	otherFAT int64 // the second table, 0 for none
	info     int64 // FSInfo of FAT32, 0 for none
}

// Volume is an opened volume. It may be used by several goroutines at once.
type Volume struct {
	r    io.ReaderAt
	size int64 // of the medium
	geo  Geometry
	errs []error
	tab  table
}

// Open reads the boot sector, or its backup where that is damaged (FAT32, exFAT).
// The error says why this is no volume of these kinds; what is odd about one that
// can be read is in Problems.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	v := &Volume{r: r, size: size}
	first := v.boot(0)
	if first != nil {
		backup := false
		for _, at := range []int64{6 * 512, 12 * 512, 6 * 4096, 12 * 4096} {
			if v.boot(at) == nil {
				backup = true
				break
			}
		}
		if !backup {
			return nil, first
		}
		v.geo.FromBackup = true
		v.problem(0, "boot sector: %w; its backup is used", first)
	}
	v.check()
	v.tab = newTable(v)
	return v, nil
}

// Geometry is what the boot sector says.
func (v *Volume) Geometry() Geometry { return v.geo }

// Problems lists what is odd about the volume itself, each with its place.
func (v *Volume) Problems() []error { return v.errs }

func (v *Volume) problem(off int64, format string, args ...any) {
	v.errs = append(v.errs, cursor.Errorf(off, format, args...))
}

func (v *Volume) boot(at int64) error {
	var b [512]byte
	if n, err := v.r.ReadAt(b[:], at); n < len(b) {
		return cursor.Errorf(at, "cannot be read: %w", unexpected(err))
	}
	var g Geometry
	var err error
	if string(b[3:11]) == "EXFAT   " {
		g, err = exfatBoot(b[:])
	} else {
		g, err = fatBoot(b[:])
	}
	if err != nil {
		return cursor.Errorf(at, "%w", err)
	}
	v.geo = g
	return nil
}

func unexpected(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func powerOfTwo(n, least, most int64) bool {
	return n >= least && n <= most && bits.OnesCount64(uint64(n)) == 1
}

func fatBoot(b []byte) (Geometry, error) {
	le := binary.LittleEndian
	sector, perCluster := int64(le.Uint16(b[11:])), int64(b[13])
	reserved, fats, roots := int64(le.Uint16(b[14:])), int64(b[16]), int64(le.Uint16(b[17:]))
	sectors, fatSectors := int64(le.Uint16(b[19:])), int64(le.Uint16(b[22:]))
	if sectors == 0 {
		sectors = int64(le.Uint32(b[32:]))
	}
	wide := fatSectors == 0 // FAT32 whatever the number of clusters: its tables stand elsewhere
	if wide {
		fatSectors = int64(le.Uint32(b[36:]))
	}
	switch {
	case !powerOfTwo(sector, 512, 4096):
		return Geometry{}, fmt.Errorf("%d bytes a sector", sector)
	case !powerOfTwo(perCluster, 1, 128):
		return Geometry{}, fmt.Errorf("%d sectors a cluster", perCluster)
	case fats < 1 || fats > 4 || reserved < 1 || fatSectors < 1:
		return Geometry{}, fmt.Errorf("%d reserved sectors, %d tables of %d sectors", reserved, fats, fatSectors)
	case wide && roots != 0 || !wide && roots == 0:
		return Geometry{}, fmt.Errorf("%d entries in the root directory", roots)
	}
	g := Geometry{SectorSize: sector, ClusterSize: sector * perCluster, FATs: int(fats), Size: sectors * sector,
		FATOff: reserved * sector, FATSize: fatSectors * sector, PercentUsed: -1}
	g.RootOff = g.FATOff + fats*g.FATSize
	g.RootSize = roots * 32
	g.DataOff = g.RootOff + (g.RootSize+sector-1)/sector*sector
	if g.DataOff >= g.Size {
		return Geometry{}, fmt.Errorf("%d sectors, and the first cluster would begin in sector %d", sectors, g.DataOff/sector)
	}
	clusters := (g.Size - g.DataOff) / g.ClusterSize
	if fats > 1 {
		g.otherFAT = g.FATOff + g.FATSize
	}
	ext := b[36:]
	switch {
	case wide:
		g.Kind, g.Root, g.RootOff, g.RootSize = FAT32, le.Uint32(b[44:])&0x0FFFFFFF, 0, 0
		g.info = int64(le.Uint16(b[48:])) * sector
		if flags := le.Uint16(b[40:]); flags&0x80 != 0 && int64(flags&15) < fats { // no mirror: one is in use
			g.FATOff += int64(flags&15) * g.FATSize
			g.otherFAT = 0
		}
		ext = b[64:]
	case clusters < 4085:
		g.Kind = FAT12
	default:
		g.Kind = FAT16
	}
	if most := int64(1)<<28 - 16; clusters > most {
		clusters = most
	}
	g.Clusters = uint32(clusters)
	if ext[2] == 0x29 {
		g.Serial, g.BootLabel = le.Uint32(ext[3:]), labelText(ext[7:18])
	}
	return g, nil
}

func exfatBoot(b []byte) (Geometry, error) {
	le := binary.LittleEndian
	ss, cs := int(b[108]), int(b[109])
	if ss < 9 || ss > 12 || cs > 25-ss {
		return Geometry{}, fmt.Errorf("sectors of 2^%d bytes, clusters of 2^%d sectors", ss, cs)
	}
	sectors, heap, count := le.Uint64(b[72:]), int64(le.Uint32(b[88:])), le.Uint32(b[92:])
	if sectors > 1<<(62-ss) {
		return Geometry{}, fmt.Errorf("%d sectors", sectors)
	}
	g := Geometry{Kind: ExFAT, SectorSize: 1 << ss, ClusterSize: 1 << (ss + cs), Clusters: count, FATs: int(b[110]), Size: int64(sectors) << ss,
		FATOff: int64(le.Uint32(b[80:])) << ss, FATSize: int64(le.Uint32(b[84:])) << ss, Root: le.Uint32(b[96:]), DataOff: heap << ss,
		Serial: le.Uint32(b[100:]), PercentUsed: int(b[112])}
	flags := le.Uint16(b[106:])
	g.Dirty = flags&2 != 0
	if g.PercentUsed > 100 {
		g.PercentUsed = -1
	}
	switch {
	case g.FATs < 1 || g.FATs > 2 || g.FATSize == 0 || g.DataOff >= g.Size || g.FATOff >= g.Size:
		return Geometry{}, fmt.Errorf("%d tables at %#x, clusters at %#x of %#x bytes", g.FATs, g.FATOff, g.DataOff, g.Size)
	case g.FATs == 2 && flags&1 != 0:
		g.FATOff += g.FATSize
	}
	if room := (g.Size - g.DataOff) / g.ClusterSize; int64(count) > room {
		g.Clusters = uint32(room)
	}
	return g, nil
}

// check tells what does not fit, and holds the number of clusters to what the
// table can describe.
func (v *Volume) check() {
	g := &v.geo
	if g.Size > v.size {
		v.problem(v.size, "the volume has %d bytes, the medium ends after %d", g.Size, v.size)
	}
	width := map[Kind]int64{FAT12: 12, FAT16: 16, FAT32: 32, ExFAT: 32}[g.Kind]
	// A table that is not there describes nothing: what loops over clusters ends
	// with it.
	table := max(min(g.FATSize, v.size-g.FATOff), 0)
	if most := table*8/width - 2; int64(g.Clusters) > most {
		v.problem(g.FATOff, "the table describes %d clusters, the volume has %d", max(most, 0), g.Clusters)
		g.Clusters = uint32(max(most, 0))
	}
	if g.Kind == ExFAT {
		v.checksum()
	}
}

// checksum proves the boot region of exFAT: eleven sectors, and one that repeats
// their sum.
func (v *Volume) checksum() {
	g := &v.geo
	at := int64(0)
	if g.FromBackup {
		at = 12 * g.SectorSize
	}
	b := make([]byte, 12*g.SectorSize)
	if n, err := v.r.ReadAt(b, at); n < len(b) {
		v.problem(at+int64(n), "boot region: cannot be read: %w", unexpected(err))
		return
	}
	var sum uint32
	for i, c := range b[:11*g.SectorSize] {
		if i != 106 && i != 107 && i != 112 {
			sum = bits.RotateLeft32(sum, -1) + uint32(c)
		}
	}
	if got := binary.LittleEndian.Uint32(b[11*g.SectorSize:]); got != sum {
		v.problem(at, "boot region: checksum %#08x, its bytes give %#08x", got, sum)
	}
}

// offset is the place of a cluster on the volume.
func (v *Volume) offset(cluster uint32) int64 {
	return v.geo.DataOff + int64(cluster-2)*v.geo.ClusterSize
}

// valid tells whether there is a cluster of this number.
func (v *Volume) valid(cluster uint32) bool {
	return cluster >= 2 && int64(cluster) < int64(v.geo.Clusters)+2
}
