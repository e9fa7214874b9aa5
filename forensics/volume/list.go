package volume

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/gpt"
	"kanshiki/parsers/mbr"
	"kanshiki/parsers/volumeboot"
)

// Image is what List needs of an image.
type Image interface {
	io.ReaderAt
	Size() int64
	SectorSize() int
}

// lister gathers what an image holds.
type lister struct {
	img      Image
	exhibit  string
	source   string
	volumes  []Volume
	problems []problem.Problem
}

// List names every part of an image, in order of place: partitions or the bare
// volume, and the gaps between them. source is the image's name, for the
// problems. A table that cannot be read is a problem, not an error: what it
// would have said is then "not recognised".
func List(img Image, exhibit, source string) ([]Volume, []problem.Problem) {
	l := &lister{img: img, exhibit: exhibit, source: source}
	whole := volumeboot.Recognise(img, img.Size())
	boot := make([]byte, 512)
	n, _ := img.ReadAt(boot, 0)
	var table *mbr.Table
	if n == len(boot) && !bootSectorOf(whole) && mbr.Plausible(boot) {
		table = l.mbr()
	}
	switch {
	case l.gpt(table, whole):
	case table != nil:
		l.partitions(table)
	default:
		l.bare(whole)
	}
	if whole.Tail != "" && len(l.volumes) > 0 && l.volumes[0].Scheme != "bare" {
		l.volumes = append(l.volumes, Volume{Scheme: "bare", Len: img.Size(), Kind: RAIDMember,
			Detail: "the whole disk: " + whole.Tail, SectorSize: img.SectorSize()})
	}
	slices.SortStableFunc(l.volumes, func(a, b Volume) int { return cmp.Or(cmp.Compare(a.Off, b.Off), cmp.Compare(a.Len, b.Len)) })
	return l.volumes, l.problems
}

// bootSectorOf tells whether sector 0 is the boot sector of a volume: it ends
// in the signature of an MBR, and its code lies where a table would.
func bootSectorOf(h volumeboot.Head) bool {
	switch h.Kind {
	case volumeboot.NTFS, volumeboot.FAT12, volumeboot.FAT16, volumeboot.FAT32, volumeboot.ExFAT, volumeboot.ReFS,
		volumeboot.BitLocker, volumeboot.BitLockerToGo:
		return !h.Copy
	}
	return false
}

func (l *lister) report(off int64, kind problem.Kind, severity problem.Severity, err error) {
	p := problem.From(locator.Locator{Exhibit: l.exhibit, Offset: off}, kind, severity, err)
	p.Source = l.source
	l.problems = append(l.problems, p)
}

// gpt lists a GUID partition table, if there is one that counts: an MBR that
// does not protect it hides it from Windows.
func (l *lister) gpt(table *mbr.Table, whole volumeboot.Head) bool {
	if bootSectorOf(whole) {
		return false
	}
	var t *gpt.Table
	var first error
	for _, ss := range l.sectorSizes() {
		found, err := gpt.Read(l.img, l.img.Size(), ss)
		if found != nil {
			t = found
			break
		}
		if first == nil && (table != nil && table.Protective) {
			first = err
		}
	}
	switch {
	case t == nil && first != nil:
		l.report(512, problem.Malformed, problem.Lost, fmt.Errorf("the MBR protects a GPT, but neither copy can be read: %w", first))
		return false
	case t == nil:
		return false
	case table != nil && !table.Protective && len(table.Partitions) > 0:
		l.report(512, problem.Inconsistent, problem.Doubt,
			fmt.Errorf("a GPT with %d partitions lies behind an MBR that does not protect it: left over, or hidden", len(t.Partitions)))
		return false
	}
	if table == nil || !table.Protective {
		l.report(0, problem.Inconsistent, problem.Note, fmt.Errorf("no protective MBR before the GPT"))
	} else if len(table.Partitions) > 0 {
		l.report(446, problem.Inconsistent, problem.Note, fmt.Errorf("the protective MBR lists %d partitions of its own", len(table.Partitions)))
	}
	for _, err := range t.Problems {
		l.report(0, problem.Malformed, problem.Doubt, err)
	}
	ss := int64(t.SectorSize)
	for _, p := range t.Partitions {
		v := Volume{Number: p.Number, Scheme: "GPT", Off: int64(p.First) * ss, Len: int64(p.Last-p.First+1) * ss,
			Label: p.Name, TypeCode: p.Type.String(), SectorSize: t.SectorSize}
		l.recognise(&v, gptKinds[v.TypeCode], gpt.TypeName(p.Type))
		if t.FromBackup {
			v.Detail = join("from the backup table", v.Detail)
		}
		l.volumes = append(l.volumes, v)
	}
	l.gaps(t.SectorSize, times(t.Usable[1]+1, ss), times(t.Backup+1, ss))
	return true
}

// gptKinds are types that say more than what the partition begins with.
var gptKinds = map[string]Kind{
	"e3c9e316-0b5c-4db8-817d-f92df00215ae": Reserved,
	"21686148-6449-6e6f-744e-656564454649": Reserved,
	"5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": DynamicDisk,
	"af9b60a0-1431-4f62-bc68-3311714a69ad": DynamicDisk,
	"e75caf8f-f680-4cee-afa3-b001e56efc2d": StorageSpaces,
}

// sectorSizes are those worth trying, the image's own first.
func (l *lister) sectorSizes() []int {
	own := l.img.SectorSize()
	out := []int{own}
	for _, ss := range []int{512, 4096} {
		if ss != own {
			out = append(out, ss)
		}
	}
	return out
}

// mbr reads the MBR's table with the sector size that fits best: the table has
// no word for it, but partitions begin with something, and extended ones with
// another table.
func (l *lister) mbr() *mbr.Table {
	var best *mbr.Table
	score := math.MinInt
	for _, ss := range l.sectorSizes() {
		t, err := mbr.Read(l.img, l.img.Size(), ss)
		if err != nil {
			continue
		}
		s := len(t.Tables) - len(t.Problems)
		for _, p := range t.Partitions {
			off, n := int64(p.First)*int64(ss), int64(p.Sectors)*int64(ss)
			if h := l.headAt(off, n); known(h) && h.Kind != volumeboot.RAIDMember {
				s += 4
			}
			if off+n > l.img.Size() {
				s--
			}
		}
		if s > score {
			best, score = t, s
		}
	}
	return best
}

func known(h volumeboot.Head) bool {
	return h.Kind != volumeboot.Unknown && h.Kind != volumeboot.Empty && h.Kind != volumeboot.Unread
}

// headAt recognises what begins at a place, as far as the image goes.
func (l *lister) headAt(off, n int64) volumeboot.Head {
	n = min(n, l.img.Size()-off)
	if off < 0 || n <= 0 {
		return volumeboot.Head{Kind: volumeboot.Unread}
	}
	return volumeboot.Recognise(io.NewSectionReader(l.img, off, n), n)
}

// partitions lists an MBR's partitions.
func (l *lister) partitions(t *mbr.Table) {
	for _, err := range t.Problems {
		l.report(446, problem.Malformed, problem.Doubt, err)
	}
	ss := int64(t.SectorSize)
	for _, p := range t.Partitions {
		v := Volume{Number: p.Number, Scheme: "MBR", Off: int64(p.First) * ss, Len: int64(p.Sectors) * ss,
			TypeCode: fmt.Sprintf("%02x", p.Type), SectorSize: t.SectorSize}
		if p.Logical {
			v.Scheme = "MBR logical"
		}
		l.recognise(&v, mbrKinds[p.Type], mbr.TypeName(p.Type))
		l.volumes = append(l.volumes, v)
	}
	l.gaps(t.SectorSize, l.img.Size(), l.img.Size())
}

var mbrKinds = map[uint8]Kind{0x42: DynamicDisk, 0xE7: StorageSpaces}

// bare takes the whole image as one volume.
func (l *lister) bare(h volumeboot.Head) {
	v := Volume{Scheme: "bare", Len: l.img.Size(), SectorSize: l.img.SectorSize()}
	if h.Size > 0 && h.Size < math.MaxInt64 && kinds[h.Kind] != RAIDMember {
		v.Len = h.Size
	}
	l.describe(&v, h)
	if v.Len-l.img.Size() > int64(v.SectorSize) { // the copy of a boot sector may be left out
		l.beyond(&v, "volume")
	}
	l.volumes = append(l.volumes, v)
	if rest := l.img.Size() - v.Len; rest >= int64(v.SectorSize) {
		l.gap(v.Len, rest, v.SectorSize, Unallocated)
	}
}

// recognise says what a partition holds. A type that Windows acts on whatever
// the partition begins with is stronger than its first sector.
func (l *lister) recognise(v *Volume, byType Kind, typeName string) {
	if v.Off >= l.img.Size() {
		v.Kind, v.Detail = Unrecognised, "lies beyond the end of the image"
		l.report(l.img.Size(), problem.Unreadable, problem.Lost,
			fmt.Errorf("partition %d: begins at %#x, the image ends at %#x", v.Number, v.Off, l.img.Size()))
		return
	}
	h := l.headAt(v.Off, v.Len)
	l.describe(v, h)
	if byType != "" && v.Kind != byType {
		if known(h) {
			v.Detail = join(fmt.Sprintf("%s begins here", v.Kind), v.Detail)
		}
		v.Kind = byType
	}
	if !v.Kind.Readable() && typeName != "" && typeName != string(v.Kind) {
		v.Detail = join("type "+typeName, v.Detail)
	}
	if v.Off+v.Len > l.img.Size() {
		l.beyond(v, "partition")
	}
}

// beyond reports that the image ends before the volume does.
func (l *lister) beyond(v *Volume, what string) {
	end := v.Off + v.Len
	v.Detail = join(v.Detail, fmt.Sprintf("the last %d bytes lie beyond the end of the image", end-l.img.Size()))
	l.report(l.img.Size(), problem.Unreadable, problem.Lost,
		fmt.Errorf("%s %d: ends at %#x, the image at %#x", what, v.Number, end, l.img.Size()))
}

var kinds = map[volumeboot.Kind]Kind{
	volumeboot.Empty: Empty, volumeboot.NTFS: NTFS, volumeboot.FAT12: FAT12, volumeboot.FAT16: FAT16,
	volumeboot.FAT32: FAT32, volumeboot.ExFAT: ExFAT, volumeboot.ReFS: ReFS, volumeboot.BitLocker: BitLocker,
	volumeboot.BitLockerToGo: BitLockerToGo, volumeboot.DynamicDisk: DynamicDisk,
	volumeboot.StorageSpaces: StorageSpaces, volumeboot.RAIDMember: RAIDMember, volumeboot.LVM: LVM,
	volumeboot.LUKS: LUKS, volumeboot.Ext: Ext, volumeboot.Btrfs: Btrfs, volumeboot.XFS: XFS,
	volumeboot.HFSPlus: HFSPlus, volumeboot.APFS: APFS, volumeboot.ISO9660: ISO9660, volumeboot.Swap: Swap,
	volumeboot.Unknown: Unrecognised, volumeboot.Unread: Unrecognised,
}

// describe takes over what the head says.
func (l *lister) describe(v *Volume, h volumeboot.Head) {
	v.Kind = kinds[h.Kind]
	if h.Label != "" {
		v.Label = h.Label
	}
	if h.SectorSize > 0 {
		v.SectorSize = h.SectorSize
	}
	v.Detail = join(h.Detail, h.Tail)
	if h.Serial != "" {
		v.Detail = join(v.Detail, "serial "+h.Serial)
	}
	if h.Size > 0 && h.Size > v.Len+int64(v.SectorSize) && h.Size < math.MaxInt64 {
		v.Detail = join(v.Detail, fmt.Sprintf("its file system claims %d bytes", h.Size))
	}
	if h.Kind == volumeboot.Unread {
		v.Detail = join(v.Detail, "its first sectors cannot be read")
	}
	if h.Err != nil {
		l.report(v.Off, problem.Unreadable, problem.Lost, fmt.Errorf("head of volume %d: %w", v.Number, h.Err))
	}
	if h.Copy {
		l.report(v.Off, problem.Malformed, problem.Doubt, fmt.Errorf("volume %d: %s", v.Number, h.Detail))
	}
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" }), "; ")
}

// times multiplies without overflow: headers are hostile.
func times(sectors uint64, size int64) int64 {
	if sectors > uint64(math.MaxInt64/size) {
		return math.MaxInt64
	}
	return int64(sectors) * size
}

// gaps lists what no partition covers, and partitions that overlap. From
// usable to backup lies the backup table.
func (l *lister) gaps(sectorSize int, usable, backup int64) {
	parts := slices.Clone(l.volumes)
	slices.SortStableFunc(parts, func(a, b Volume) int { return cmp.Compare(a.Off, b.Off) })
	at, kind, size := int64(0), Reserved, l.img.Size()
	for i, v := range parts {
		if v.Off > at && at < size {
			l.gap(at, min(v.Off, size)-at, sectorSize, kind)
		}
		if v.Off < at && i > 0 {
			l.report(v.Off, problem.Inconsistent, problem.Doubt, fmt.Errorf("partition %d overlaps the one before it", v.Number))
		}
		at, kind = max(at, v.Off+v.Len), Unallocated
	}
	if len(parts) == 0 { // the table itself, and then nothing
		l.gap(0, int64(sectorSize), sectorSize, Reserved)
		at, kind = int64(sectorSize), Unallocated
	}
	for _, part := range []struct {
		end  int64
		kind Kind
	}{{usable, kind}, {backup, Reserved}, {size, Unallocated}} {
		if end := min(part.end, size); at < end {
			l.gap(at, end-at, sectorSize, part.kind)
			at = end
		}
	}
}

// gap names a range without a partition, and what begins in it: the boot
// sector of a deleted partition often lies where it lay.
func (l *lister) gap(off, n int64, sectorSize int, kind Kind) {
	if n <= 0 {
		return
	}
	v := Volume{Scheme: "gap", Off: off, Len: n, Kind: kind, SectorSize: sectorSize}
	if kind == Unallocated {
		if h := l.headAt(off, n); known(h) {
			v.Detail = fmt.Sprintf("%s begins here: of a deleted partition?", h.Kind)
		} else if h.Kind == volumeboot.Empty {
			v.Detail = "begins with zeros"
		}
	}
	l.volumes = append(l.volumes, v)
}
