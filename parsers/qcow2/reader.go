package qcow2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/inflate"
)

// Options change how a disk is opened. The zero value opens what is one file.
type Options struct {
	// Open opens the backing file or the external data file by the name that
	// the header gives; format is "raw", "qcow2" …, "" where the header does not
	// say. Its R may be a *container.Disk.
	Open       func(name, format string) (container.File, error)
	Snapshot   string // id or name of the internal snapshot to read; "" is the disk's present state
	CacheBytes int64  // decoded clusters kept of a compressed disk; 0 is 32 MiB
	Workers    int    // clusters decoded ahead; 0 is GOMAXPROCS
}

// Reader is a disk. It is safe for concurrent use.
type Reader struct {
	*container.Disk
	h         *Header
	f         container.File
	data      container.File // where clusters lie: f, or the external data file
	backing   *container.File
	l1        []uint64
	l2        *container.Kept[int64, []byte]
	snapshots []Snapshot
	chosen    *Snapshot
	files     []string
	problems  container.Problems
	lost      error // why what the disk does not store is not known, nil where it is zero or the backing file's
	decoders  sync.Pool
}

// Snapshot is an internal snapshot of the disk.
type Snapshot struct {
	ID, Name string
	Seconds  uint32 // since 1970, UTC
	Nanos    uint32
	Size     int64 // bytes of the medium then
	VMState  int64 // bytes of the machine's memory that are stored with it

	l1Offset uint64
	l1Size   uint32
}

// Open opens a disk.
func Open(f container.File, o Options) (*Reader, error) {
	r := &Reader{f: f, data: f, files: []string{f.Name}}
	var err error
	if r.h, err = readHeader(f, &r.problems); err != nil {
		return nil, err
	}
	r.doubts()
	if err := r.readSnapshots(); err != nil {
		r.problems.Reportf(int64(r.h.snapshotsFrom), "%v", err)
	}
	size, l1Offset, l1Size := r.h.Size, r.h.l1Offset, r.h.l1Size
	if o.Snapshot != "" {
		s, err := r.choose(o.Snapshot)
		if err != nil {
			return nil, err
		}
		r.chosen = s
		size, l1Offset, l1Size = s.Size, s.l1Offset, s.l1Size
	}
	if r.l1, err = r.readL1(l1Offset, l1Size, size); err != nil {
		return nil, err
	}
	r.l2 = newTables(f.R, r.h.cluster())
	r.others(o)
	r.decoders.New = func() any { return &decoder{} }
	l := container.Layout{Size: size, Span: r.span, UnitSize: r.h.cluster(), Decode: r.decode, CacheBytes: o.CacheBytes, Workers: o.Workers}
	if r.backing != nil {
		if d, ok := r.backing.R.(*container.Disk); ok {
			l.Under = []*container.Disk{d}
		}
	}
	r.Disk = container.New(l)
	return r, nil
}

// doubts are what the header itself warns of.
func (r *Reader) doubts() {
	if r.h.Incompatible&bitCorrupt != 0 {
		r.problems.Reportf(72, "marked as corrupt by its writer")
	}
	if r.h.Incompatible&bitDirty != 0 {
		r.problems.Report(container.Problem{Off: 72, Note: true, What: "marked as dirty: reference counts were not written back; the content is not touched by that"})
	}
}

// others opens the files that the header names. Without them what the disk does
// not store is not known.
func (r *Reader) others(o Options) {
	open := func(name, format string) (container.File, error) {
		if o.Open == nil {
			return container.File{}, errors.New("no other file can be opened")
		}
		return o.Open(name, format)
	}
	if r.h.external() {
		f, err := open(r.h.DataFile, "raw")
		if err != nil {
			err = fmt.Errorf("external data file %q: %w", r.h.DataFile, err)
			r.problems.Reportf(0, "%v", err)
			f = container.File{Name: r.h.DataFile, R: failing{err}}
		} else {
			r.files = append(r.files, f.Name)
		}
		r.data = f
	}
	if r.h.BackingFile == "" {
		return
	}
	f, err := open(r.h.BackingFile, r.h.BackingFormat)
	if err != nil {
		r.lost = fmt.Errorf("backing file %q: %w", r.h.BackingFile, err)
		r.problems.Reportf(8, "%v: what lies there is not known", r.lost)
		return
	}
	r.backing = &f
	r.files = append(r.files, f.Name)
}

// failing is a file that is not there.
type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

// readL1 reads the first table of tables, as much of it as the medium needs.
func (r *Reader) readL1(off uint64, n uint32, size int64) ([]uint64, error) {
	covers := r.h.perTable() * r.h.cluster()
	need := (size + covers - 1) / covers
	if int64(n) < need {
		r.problems.Reportf(36, "the L1 table has %d entries, the medium needs %d", n, need)
		need = int64(n)
	}
	if need*8 > MaxL1 {
		return nil, cursor.Errorf(36, "an L1 table of %d bytes, limit %d", need*8, MaxL1)
	}
	if need == 0 {
		return nil, nil
	}
	if off > uint64(r.f.Size) || need*8 > r.f.Size-int64(off) {
		return nil, cursor.Errorf(40, "an L1 table of %d bytes at %#x, in a file of %d", need*8, off, r.f.Size)
	}
	b := make([]byte, need*8)
	if k, err := r.f.R.ReadAt(b, int64(off)); k < len(b) {
		return nil, fmt.Errorf("L1 table: %w", err)
	}
	l1 := make([]uint64, need)
	for i := range l1 {
		l1[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	return l1, nil
}

// readSnapshots lists the internal snapshots.
func (r *Reader) readSnapshots() error {
	if r.h.snapshots > MaxSnapshots {
		return fmt.Errorf("%d snapshots, limit %d", r.h.snapshots, MaxSnapshots)
	}
	at := int64(min(r.h.snapshotsFrom, 1<<62))
	for i := range r.h.snapshots {
		if at >= r.f.Size {
			return fmt.Errorf("snapshot %d of %d lies behind the file's end", i+1, r.h.snapshots)
		}
		b := make([]byte, min(40+1024+2*65535, r.f.Size-at))
		if n, err := r.f.R.ReadAt(b, at); n < len(b) {
			return err
		}
		c := cursor.At(b, at)
		s := Snapshot{l1Offset: c.U64BE("L1 offset"), l1Size: c.U32BE("L1 size")}
		idSize, nameSize := int(c.U16BE("id size")), int(c.U16BE("name size"))
		s.Seconds, s.Nanos = c.U32BE("time"), c.U32BE("nanoseconds")
		c.U64BE("time of the machine")
		s.VMState = int64(c.U32BE("size of the machine's state"))
		extra := c.Take(int(min(c.U32BE("size of extra data"), 1024)), "extra data")
		s.Size = r.h.Size
		if len(extra) >= 16 {
			s.VMState = int64(binary.BigEndian.Uint64(extra) & (1<<63 - 1))
			s.Size = int64(min(binary.BigEndian.Uint64(extra[8:]), 1<<62))
		}
		s.ID, s.Name = string(c.Take(idSize, "id")), string(c.Take(nameSize, "name"))
		if c.Err() != nil {
			return c.Err()
		}
		r.snapshots = append(r.snapshots, s)
		at += int64(c.Off()+7) &^ 7
	}
	return nil
}

func (r *Reader) choose(what string) (*Snapshot, error) {
	i := slices.IndexFunc(r.snapshots, func(s Snapshot) bool { return s.ID == what || s.Name == what })
	if i < 0 {
		var have []string
		for _, s := range r.snapshots {
			have = append(have, fmt.Sprintf("%s (%s)", s.ID, s.Name))
		}
		return nil, fmt.Errorf("no snapshot %q in the disk; it has %q", what, have)
	}
	return &r.snapshots[i], nil
}

// Header is what the disk says of itself.
func (r *Reader) Header() *Header { return r.h }

// Snapshots are the internal snapshots, in the file's order.
func (r *Reader) Snapshots() []Snapshot { return r.snapshots }

// Files are the names of all files that are read, the one that was opened first.
func (r *Reader) Files() []string { return r.files }

// Problems lists what was found wrong so far.
func (r *Reader) Problems() []container.Problem { return r.problems.Problems() }

// Fields are the values of the header and the snapshots.
func (r *Reader) Fields() []container.Field {
	h := r.h
	out := []container.Field{{Name: "version", Value: fmt.Sprint(h.Version)}, {Name: "cluster size", Value: fmt.Sprint(h.cluster())}}
	if h.BackingFile != "" {
		out = append(out, container.Field{Name: "backing file", Value: h.BackingFile}, container.Field{Name: "backing format", Value: h.BackingFormat})
	}
	if h.DataFile != "" {
		out = append(out, container.Field{Name: "external data file", Value: h.DataFile})
	}
	for _, s := range r.snapshots {
		out = append(out, container.Field{Name: "snapshot " + s.ID, Value: fmt.Sprintf("%s, at %d s since 1970, %d bytes", s.Name, s.Seconds, s.Size)})
	}
	if r.chosen != nil {
		out = append(out, container.Field{Name: "read", Value: "snapshot " + r.chosen.ID})
	}
	return out
}

// decoder decodes clusters for one goroutine.
type decoder struct {
	packed []byte
	zstd   *zstd.Decoder
}

// decode fills dst with a compressed cluster.
func (r *Reader) decode(cluster int64, dst []byte) error {
	per := r.h.perTable()
	l2, err := r.l2.Get(int64(r.l1[cluster/per] & maskOffset))
	if err != nil {
		return err
	}
	off, n := r.entry(l2, cluster%per).packed(r.h.ClusterBits)
	if off >= r.f.Size {
		return fmt.Errorf("compressed cluster at %#x, behind the file's end", off)
	}
	n = min(n, r.f.Size-off)
	d := r.decoders.Get().(*decoder)
	defer r.decoders.Put(d)
	d.packed = slices.Grow(d.packed[:0], int(n))[:n]
	if k, err := r.f.R.ReadAt(d.packed, off); k < len(d.packed) {
		return fmt.Errorf("compressed cluster at %#x: %w", off, err)
	}
	if !r.h.zstd() {
		if err := inflate.Raw(dst, d.packed); err != nil {
			return fmt.Errorf("compressed cluster at %#x: %w", off, err)
		}
		return nil
	}
	return d.unzstd(dst, off)
}

func (d *decoder) unzstd(dst []byte, off int64) error {
	if d.zstd == nil {
		var err error
		d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(64<<20))
		if err != nil {
			return err
		}
	}
	err := d.zstd.Reset(bytes.NewReader(d.packed))
	if err == nil {
		_, err = io.ReadFull(d.zstd, dst)
	}
	if err != nil {
		return fmt.Errorf("compressed cluster at %#x: %w", off, err)
	}
	return nil
}
