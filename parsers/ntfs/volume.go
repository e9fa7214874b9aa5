package ntfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
)

// Options of Open. The zero value works.
type Options struct {
	// Geometry, if the caller knows better than the volume does.
	Geometry *Geometry
	// MaxRuns of one stream; 0 is 1,048,576.
	MaxRuns int
	// MaxList is the longest attribute list in bytes; 0 is 256 KiB, as Windows has it.
	MaxList int64
	// MaxPath is the longest path in bytes of UTF-16; the front of a longer one
	// is cut off. 0 is 128 KiB, twice what Windows can make.
	MaxPath int
	// MaxDamage is how many damages a catalogue keeps; all are counted. 0 is 65,536.
	MaxDamage int
}

func (o Options) withDefaults() Options {
	if o.MaxRuns <= 0 {
		o.MaxRuns = 1 << 20
	}
	if o.MaxList <= 0 {
		o.MaxList = 256 << 10
	}
	if o.MaxPath <= 0 {
		o.MaxPath = 128 << 10
	}
	if o.MaxDamage <= 0 {
		o.MaxDamage = 1 << 16
	}
	return o
}

// Volume is an opened NTFS volume. Its methods may be used by several
// goroutines at once.
type Volume struct {
	r        io.ReaderAt
	size     int64
	opt      Options
	geo      Geometry
	src      Source
	clusters int64 // of the volume, as far as a run may reach
	mft      clusterMap
	mftSize  int64 // bytes of the $MFT that are described and can be on the medium
	alone    bool  // only an $MFT
	findings []Damage

	upOnce sync.Once
	up     []uint16
	upErr  error
}

// Open reads the boot sector, or its backup, and finds the $MFT.
func Open(r io.ReaderAt, size int64, opt Options) (*Volume, error) {
	v := &Volume{r: r, size: size, opt: opt.withDefaults()}
	if opt.Geometry != nil {
		v.geo, v.src = *opt.Geometry, FromCaller
		if err := checkGeometry(v.geo); err != nil {
			return nil, err
		}
	} else {
		var err error
		if v.geo, v.src, v.findings, err = findGeometry(r, size); err != nil {
			return nil, err
		}
	}
	// A cut image still has the runs of the whole volume: they are not wrong,
	// they cannot be read.
	cs := int64(v.geo.ClusterSize)
	v.clusters = min(max(int64(min(v.geo.Clusters(), 1<<62)), (size+cs-1)/cs), 1<<62/cs)
	if err := v.openMFT(); err != nil {
		return nil, err
	}
	if v.src == FromBoot {
		v.compareBoot()
	}
	return v, nil
}

// compareBoot looks whether the backup boot sector, where there is one, says
// the same. A volume that was formatted over, or enlarged, may differ.
func (v *Volume) compareBoot() {
	b := make([]byte, 512)
	off := v.size - 512
	if _, err := readFull(v.r, b, off, v.size); err != nil || !Recognize(b) {
		return
	}
	if g, err := ParseBoot(b, v.size); err != nil || g != v.geo {
		v.found(Damage{Kind: BootDiffers, Off: off, Len: 512, Got: g.Serial, Want: v.geo.Serial, Err: err})
	}
}

func checkGeometry(g Geometry) error {
	if g.ClusterSize < minCluster || g.ClusterSize > maxCluster || g.ClusterSize&(g.ClusterSize-1) != 0 ||
		g.RecordSize < minRecord || g.RecordSize > maxRecord || g.RecordSize&(g.RecordSize-1) != 0 {
		return fmt.Errorf("geometry: clusters of %d bytes, MFT entries of %d bytes", g.ClusterSize, g.RecordSize)
	}
	return nil
}

// OpenMFT opens an $MFT that was taken from its volume. Contents in clusters
// cannot be read.
func OpenMFT(r io.ReaderAt, size int64, opt Options) (*Volume, error) {
	v := &Volume{r: r, size: size, opt: opt.withDefaults(), alone: true, mftSize: size}
	head := make([]byte, 48)
	if _, err := readFull(r, head, 0, size); err != nil {
		return nil, fmt.Errorf("first MFT entry: %w", err)
	}
	v.geo = Geometry{SectorSize: 512, ClusterSize: 4096, RecordSize: 1024, IndexSize: 4096}
	if n := binary.LittleEndian.Uint32(head[28:]); isRecord(head) && n >= minRecord && n <= maxRecord && n&(n-1) == 0 {
		v.geo.RecordSize = n
	}
	if opt.Geometry != nil {
		v.geo = *opt.Geometry
		if err := checkGeometry(v.geo); err != nil {
			return nil, err
		}
	}
	v.src, v.clusters = FromCaller, 1<<62/int64(v.geo.ClusterSize)
	return v, nil
}

// Geometry is what the boot sector said, or what was found without it.
func (v *Volume) Geometry() Geometry { return v.geo }

// Source says where the geometry came from.
func (v *Volume) Source() Source { return v.src }

// Findings lists what was wrong, or had to be repaired, to open the volume.
func (v *Volume) Findings() []Damage { return v.findings }

// Size is the size of the medium in bytes.
func (v *Volume) Size() int64 { return v.size }

// Medium is what the volume is read from.
func (v *Volume) Medium() (io.ReaderAt, int64) { return v.r, v.size }

// Entries is the number of places in the $MFT.
func (v *Volume) Entries() uint64 { return uint64(v.mftSize / int64(v.geo.RecordSize)) }

func (v *Volume) found(d Damage) { v.findings = append(v.findings, d) }

// openMFT finds the run list of the $MFT in its entry 0, and in the mirror
// where that is damaged.
func (v *Volume) openMFT() error {
	cs := int64(v.geo.ClusterSize)
	var best *mftEntry
	var clean [2]*mftEntry // as far as they can be told by themselves
	var first error
	for i, lcn := range []uint64{v.geo.MFTCluster, v.geo.MirrCluster} {
		if lcn >= uint64(v.clusters) {
			continue
		}
		e, err := v.mftEntry(int64(lcn) * cs)
		if err != nil {
			v.found(asDamage(err))
			if first == nil {
				first = err
			}
		}
		if e != nil && (best == nil || err == nil && clean[0] == nil) {
			best = e
		}
		if err == nil {
			clean[i] = e
		}
	}
	if a, b := clean[0], clean[1]; a != nil && b != nil && (a.size != b.size || !slices.Equal(a.runs, b.runs)) {
		v.found(Damage{Kind: MirrorDiffers, Attr: AttrData, Off: a.rec.Off, Len: int64(v.geo.RecordSize), Got: uint64(a.size), Want: uint64(b.size)})
		if v.entriesAt(b) > v.entriesAt(a) {
			best = b
		}
	}
	if best == nil {
		if first == nil {
			first = &Damage{Kind: Unreadable, Off: -1}
		}
		return fmt.Errorf("entry 0 of the $MFT: %w", first)
	}
	v.mft.add(0, best.runs)
	v.limitMFT(best.size)
	v.joinMFT(&best.rec)
	v.limitMFT(best.size)
	if v.mftSize < int64(v.geo.RecordSize) {
		return fmt.Errorf("entry 0 of the $MFT: %w", &Damage{Kind: BadRuns, Attr: AttrData, Off: best.rec.Off, Want: uint64(best.size)})
	}
	if v.mftSize < best.size {
		v.found(Damage{Kind: SizeBeyond, Attr: AttrData, Off: best.rec.Off, Got: uint64(best.size), Want: uint64(v.mftSize)})
	}
	return nil
}

// mftEntry is entry 0 with the first piece of its run list.
type mftEntry struct {
	rec  Record
	runs []Run
	size int64
}

// entriesAt counts where the runs of an entry 0 lead to MFT entries: among the
// first, and here and there behind them.
func (v *Volume) entriesAt(e *mftEntry) int {
	var m clusterMap
	m.add(0, e.runs)
	rs, cs := int64(v.geo.RecordSize), int64(v.geo.ClusterSize)
	n := min(e.size, m.bytes(cs), v.size) / rs
	const first, more = 16, 48
	count := 0
	b := make([]byte, 4)
	for i := range int64(first + more) {
		num := i
		if i >= first {
			num = n * (i - first) / more
		}
		if num >= n {
			continue
		}
		if at := m.disk(num*rs, cs); at >= 0 {
			if _, err := readFull(v.r, b, at, v.size); err == nil && isRecord(b) {
				count++
			}
		}
	}
	return count
}

// mftEntry decodes entry 0 at a place. With an error it may still be of use.
func (v *Volume) mftEntry(disk int64) (*mftEntry, error) {
	var bad error
	rec, err := v.recordAt(disk, 0, func(d Damage) {
		if bad == nil {
			bad = &d
		}
	})
	if err != nil {
		return nil, err
	}
	a, ok := rec.unnamedData()
	if !ok {
		return nil, &Damage{Kind: BadRuns, Attr: AttrData, Off: rec.Off}
	}
	e := &mftEntry{rec: rec, size: int64(min(a.Size, 1<<62))}
	var dmg *Damage
	if e.runs, dmg = decodeRuns(nil, a.RunList, 0, a.HighVCN, a.clusters(v.geo.ClusterSize), v.clusters); dmg != nil {
		dmg.Attr, dmg.Off = AttrData, offAdd(rec.Off, a.Off)
		bad = dmg
	}
	if d, ok := bad.(*Damage); ok && d.Kind == RunsBeyond {
		v.found(*d)
		bad = nil
	}
	return e, bad
}

// limitMFT bounds the $MFT by its data size, by its runs, and by the medium: it
// cannot have more entries than the medium has room for.
func (v *Volume) limitMFT(declared int64) {
	v.mftSize = min(declared, v.mft.bytes(int64(v.geo.ClusterSize)), v.size)
	v.mftSize -= v.mftSize % int64(v.geo.RecordSize)
}

// joinMFT adds the pieces of the $MFT that its attribute list names. Each
// piece lies in a record that an earlier piece leads to.
func (v *Volume) joinMFT(rec *Record) {
	list, err := v.attributeList(rec)
	if err != nil {
		v.findings = append(v.findings, asDamage(err))
	}
	type piece struct {
		low uint64
		ref Ref
	}
	var pieces []piece
	for e, err := range list.entries() {
		if err != nil {
			v.findings = append(v.findings, asDamage(err))
			break
		}
		if e.Type == AttrData && len(e.Name) == 0 && e.LowVCN > 0 {
			pieces = append(pieces, piece{e.LowVCN, e.Ref})
		}
	}
	slices.SortFunc(pieces, func(a, b piece) int { return cmpUint(a.low, b.low) })
	for _, p := range pieces {
		v.mftSize = min(v.mft.bytes(int64(v.geo.ClusterSize)), v.size)
		ext, err := v.Record(p.ref.Record())
		if err != nil || ext.Base.Record() != 0 || ext.Base == 0 && ext.Num != 0 {
			v.found(Damage{Kind: MissingExtension, Attr: AttrData, Off: rec.Off, Got: uint64(p.ref), Err: err})
			continue
		}
		for a := range ext.Attrs(v.found) {
			if a.Type != AttrData || len(a.Name) != 0 || !a.NonResident || a.LowVCN != p.low {
				continue
			}
			runs, dmg := decodeRuns(nil, a.RunList, a.LowVCN, a.HighVCN, a.clusters(v.geo.ClusterSize), v.clusters)
			if dmg != nil {
				dmg.Record, dmg.Attr, dmg.Off = ext.Num, AttrData, offAdd(ext.Off, a.Off)
				v.found(*dmg)
			}
			v.mft.add(int64(a.LowVCN), runs)
		}
	}
}

func (r *Record) unnamedData() (Attr, bool) {
	for a := range r.Attrs(nil) {
		if a.Type == AttrData && len(a.Name) == 0 && a.NonResident && a.LowVCN == 0 && a.RunList != nil {
			return a, true
		}
	}
	return Attr{}, false
}

// Record reads and decodes one MFT entry. The error is a *Damage where the
// entry cannot be read or has no FILE signature; lesser damage is kept for
// Attrs to report.
func (v *Volume) Record(num uint64) (Record, error) {
	rs := int64(v.geo.RecordSize)
	if num >= v.Entries() {
		return Record{}, &Damage{Kind: MissingPiece, Record: num, Off: -1, Got: num, Want: v.Entries()}
	}
	b := make([]byte, rs)
	off := int64(num) * rs
	if err := v.readMFT(b, off); err != nil {
		return Record{}, err
	}
	return v.decode(b, num, v.mftDisk(off), nil)
}

func (v *Volume) recordAt(disk int64, num uint64, report func(Damage)) (Record, error) {
	b := make([]byte, v.geo.RecordSize)
	if _, err := readFull(v.r, b, disk, v.size); err != nil {
		return Record{}, &Damage{Kind: Unreadable, Record: num, Off: disk, Len: int64(len(b)), Want: uint64(len(b)), Err: err}
	}
	return v.decode(b, num, disk, report)
}

func (v *Volume) decode(b []byte, num uint64, disk int64, report func(Damage)) (Record, error) {
	if !isRecord(b) {
		return Record{}, &Damage{Kind: BadSignature, Record: num, Off: disk, Len: int64(len(b)), Got: uint64(binary.LittleEndian.Uint32(b))}
	}
	return decodeRecord(b, num, disk, report), nil
}

// readMFT fills b from the $MFT, or gives a *Damage.
func (v *Volume) readMFT(b []byte, off int64) error {
	var n int
	var err error
	if v.alone {
		n, err = readFull(v.r, b, off, v.size)
		if err != nil {
			err = &Damage{Kind: Unreadable, Off: off, Len: int64(len(b)), Want: uint64(len(b)), Err: err}
		}
	} else {
		n, err = v.readClusters(&v.mft, b, off)
	}
	if err == nil {
		return nil
	}
	d := asDamage(err)
	d.Record = uint64((off + int64(n)) / int64(v.geo.RecordSize))
	d.Attr = AttrData
	return &d
}

// mftDisk is the place on the volume of a byte of the $MFT.
func (v *Volume) mftDisk(off int64) int64 {
	if v.alone {
		return off
	}
	return v.mft.disk(off, int64(v.geo.ClusterSize))
}

func asDamage(err error) Damage {
	if d, ok := err.(*Damage); ok {
		return *d
	}
	if re, ok := err.(*RangeError); ok {
		return re.Damage
	}
	return Damage{Kind: Unreadable, Off: -1, Err: err}
}

func cmpUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Upcase is the volume's own table of 65,536 upper-case units ($UpCase), or the
// error that keeps it from being read; then ASCII letters are folded.
func (v *Volume) Upcase() ([]uint16, error) {
	v.upOnce.Do(func() {
		v.up = make([]uint16, 65536)
		for i := range v.up {
			v.up[i] = uint16(i)
			if i >= 'a' && i <= 'z' {
				v.up[i] -= 32
			}
		}
		const upcaseRecord = 10
		b, err := v.systemFile(upcaseRecord, 2*65536)
		if err != nil {
			v.upErr = err
			return
		}
		for i := range v.up {
			if 2*i+1 < len(b) {
				v.up[i] = binary.LittleEndian.Uint16(b[2*i:])
			}
		}
	})
	return v.up, v.upErr
}

// EqualFold compares two names (UTF-16LE) as the volume does.
func (v *Volume) EqualFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	if bytes.Equal(a, b) {
		return true
	}
	up, _ := v.Upcase()
	for i := 0; i+1 < len(a); i += 2 {
		if up[binary.LittleEndian.Uint16(a[i:])] != up[binary.LittleEndian.Uint16(b[i:])] {
			return false
		}
	}
	return true
}

// systemFile reads at most limit bytes of the unnamed $DATA of a metadata file
// that lies in one record.
func (v *Volume) systemFile(num uint64, limit int64) ([]byte, error) {
	rec, err := v.Record(num)
	if err != nil {
		return nil, err
	}
	for a := range rec.Attrs(nil) {
		if a.Type == AttrData && len(a.Name) == 0 && a.LowVCN == 0 {
			return v.value(&rec, a, limit)
		}
	}
	return nil, &Damage{Kind: MissingPiece, Record: num, Attr: AttrData, Off: rec.Off}
}

// value reads the content of an attribute that is described whole in its record.
func (v *Volume) value(rec *Record, a Attr, limit int64) ([]byte, error) {
	if !a.NonResident {
		return bytes.Clone(a.Value[:min(int64(len(a.Value)), limit)]), nil
	}
	if v.alone {
		return nil, &Damage{Kind: NoVolume, Record: rec.Num, Attr: a.Type, Off: -1}
	}
	if a.Size > uint64(limit) {
		return nil, &Damage{Kind: TooLong, Record: rec.Num, Attr: a.Type, Off: offAdd(rec.Off, a.Off), Got: a.Size, Want: uint64(limit)}
	}
	runs, dmg := decodeRuns(nil, a.RunList, a.LowVCN, a.HighVCN, a.clusters(v.geo.ClusterSize), v.clusters)
	var m clusterMap
	m.add(0, runs)
	n := min(int64(a.Size), m.bytes(int64(v.geo.ClusterSize)))
	b := make([]byte, n)
	k, err := v.readClusters(&m, b, 0)
	if err == nil && dmg != nil {
		err = dmg
	}
	if err == nil && n < int64(a.Size) {
		err = &Damage{Kind: SizeBeyond, Got: a.Size, Want: uint64(n)}
	}
	if err != nil {
		d := asDamage(err)
		d.Record, d.Attr = rec.Num, a.Type
		if d.Off <= 0 {
			d.Off = offAdd(rec.Off, a.Off)
		}
		return b[:k], &d
	}
	if init := int64(min(a.Initialized, uint64(n))); init < n {
		clear(b[init:])
	}
	return b, nil
}
