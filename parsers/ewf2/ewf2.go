package ewf2

import (
	"bytes"
	"cmp"
	"compress/bzip2"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"sync"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/inflate"
)

// Options change how an image is read. The zero value works.
type Options struct {
	CacheBytes int64 // decoded chunks that are kept; 0 is 32 MiB
	Workers    int   // chunks decoded ahead; 0 is GOMAXPROCS
}

// run is one of sectors that could not be read when they were acquired.
type run struct{ First, Count int64 }

// Reader gives the medium of a set of segments. It is safe for concurrent use.
type Reader struct {
	*container.Disk
	container.Problems
	files    []container.File
	method   uint16
	sector   int64
	chunk    int64
	size     int64
	fields   []container.Field
	digests  []container.Digest
	runs     []run
	groups   []*group
	missing  error // what is not there, where chunks have no table
	tables   *container.Kept[*group, []byte]
	decoders sync.Pool
}

// group is a sector table: the chunks from first on.
type group struct {
	first, n int64
	file     container.File
	at       int64 // of the table's data
	size     int64
}

// Open reads the structure of a set. The segments may come in any order, and may
// be incomplete: what is missing becomes ranges.
func Open(files []container.File, o Options) (*Reader, error) {
	r := &Reader{}
	type seg struct {
		h header
		f container.File
	}
	var all []seg
	for _, f := range files {
		b := make([]byte, min(fileHeader, max(f.Size, 0)))
		n, rerr := f.R.ReadAt(b, 0)
		h, err := parseHeader(b[:n])
		if err != nil {
			if len(files) == 1 {
				return nil, err
			}
			r.report(f, 0, fmt.Errorf("%v (%v)", err, rerr))
			continue
		}
		all = append(all, seg{h, f})
	}
	slices.SortStableFunc(all, func(a, b seg) int { return cmp.Compare(a.h.segment, b.h.segment) })
	last := uint32(0)
	for i, s := range all {
		if i > 0 && (s.h.set != all[0].h.set || s.h.segment == all[i-1].h.segment) {
			r.report(s.f, 12, fmt.Errorf("is of another set, or a segment twice: not used"))
			continue
		}
		if want := uint32(len(r.files) + 1); s.h.segment != want && r.missing == nil {
			r.missing = fmt.Errorf("segment %d is missing", want)
			r.report(s.f, 12, r.missing)
		}
		r.method = s.h.method
		secs, end, err := sections(s.f, &r.Problems)
		if err != nil {
			if errors.Is(err, ErrUnsupported) || len(all) == 1 {
				return nil, err
			}
			r.report(s.f, 0, err)
			r.missing = err
			continue
		}
		last = end
		r.files = append(r.files, s.f)
		for _, sec := range secs {
			if err := r.take(s.f, sec); err != nil {
				r.report(s.f, sec.at, err)
			}
		}
	}
	if last != lastDone && r.missing == nil && len(r.files) > 0 {
		r.missing = errors.New("the segments after the last one are missing")
		r.report(r.files[len(r.files)-1], 0, r.missing)
	}
	return r, r.ready(o)
}

func (r *Reader) report(f container.File, off int64, err error) {
	if e, ok := errors.AsType[*cursor.Error](err); ok {
		off = e.Off
	}
	r.Report(container.Problem{File: f.Name, Off: off, What: err.Error()})
}

// take takes one section in.
func (r *Reader) take(f container.File, s section) error {
	switch s.kind {
	case deviceInfo, caseData:
		v, err := s.values(f, r.method, &r.Problems)
		if len(r.files) == 1 || len(r.fields) == 0 {
			r.fields = append(r.fields, v...)
		}
		return err
	case sectorTable:
		return r.table(f, s)
	case errorTable:
		return r.errors(f, s)
	case md5Hash, sha1Hash:
		alg, n := "md5", 16
		if s.kind == sha1Hash {
			alg, n = "sha1", 20
		}
		b, err := s.data(f, 4096, &r.Problems)
		if err == nil {
			b, err = sealed(b, n, s.at, alg)
		}
		if err == nil {
			r.digests = append(r.digests, container.Digest{Alg: alg, Sum: hex.EncodeToString(b), Source: alg + " section"})
		}
		return err
	}
	return nil
}

const tableHead = 32 // 20 bytes, a checksum among them, and padding

func (r *Reader) table(f container.File, s section) error {
	b := make([]byte, tableHead)
	if s.size < tableHead {
		return cursor.Errorf(s.at, "sector table: %d bytes", s.size)
	}
	if n, err := f.R.ReadAt(b, s.at); n < len(b) {
		return fmt.Errorf("sector table: %w", err)
	}
	if _, err := sealed(b, 16, s.at, "header of the sector table"); err != nil {
		return err
	}
	g := &group{first: int64(min(binary.LittleEndian.Uint64(b), 1<<62)), n: int64(binary.LittleEndian.Uint32(b[8:])), file: f, at: s.at, size: s.size}
	if g.n > MaxTable || tableHead+16*g.n+4 > s.size {
		return cursor.Errorf(s.at+8, "sector table: %d chunks in %d bytes", g.n, s.size)
	}
	if g.n > 0 {
		r.groups = append(r.groups, g)
	}
	return nil
}

func (r *Reader) errors(f container.File, s section) error {
	b, err := s.data(f, 32+16*maxRuns+16, &r.Problems)
	if err != nil {
		return err
	}
	head, err := sealed(b, 16, s.at, "header of the error table")
	if err != nil {
		return err
	}
	n := int(binary.LittleEndian.Uint32(head))
	if n > (len(b)-36)/16 || len(b) < 36 {
		return cursor.Errorf(s.at, "error table: %d runs in %d bytes", n, len(b))
	}
	body, err := sealed(b[32:], 16*n, s.at+32, "error table")
	for ; len(body) >= 16; body = body[16:] {
		r.runs = append(r.runs, run{int64(min(binary.LittleEndian.Uint64(body), 1<<48)), int64(binary.LittleEndian.Uint32(body[8:]))})
	}
	return err
}

// value is that of a field, 0 where it is no number.
func (r *Reader) value(name string) int64 {
	for _, f := range r.fields {
		if f.Name == name {
			if n, err := strconv.ParseInt(f.Value, 10, 64); err == nil && n > 0 {
				return n
			}
		}
	}
	return 0
}

// ready finds out the medium's size and makes the disk.
func (r *Reader) ready(o Options) error {
	if len(r.files) == 0 {
		return errors.New("no segment that can be read")
	}
	r.sector = r.value("bp")
	perChunk := r.value("sb")
	if r.sector == 0 || r.sector > MaxChunk {
		return fmt.Errorf("the device information says sectors of %d bytes", r.sector)
	}
	if perChunk == 0 {
		perChunk = 64
	}
	if perChunk > MaxChunk/r.sector {
		return fmt.Errorf("chunks of %d sectors of %d bytes", perChunk, r.sector)
	}
	r.chunk = perChunk * r.sector
	slices.SortStableFunc(r.groups, func(a, b *group) int { return cmp.Compare(a.first, b.first) })
	if n := r.value("ts"); n > 0 && n < 1<<62/r.sector {
		r.size = n * r.sector
	} else if k := len(r.groups); k > 0 {
		r.size = (r.groups[k-1].first + r.groups[k-1].n) * r.chunk
		r.Reportf(0, "the device information counts no sectors; taken from the tables")
	}
	if r.size == 0 {
		return errors.New("no sectors")
	}
	r.tables = container.NewKept(maxTables, readTable)
	slices.SortFunc(r.runs, func(a, b run) int { return cmp.Compare(a.First, b.First) })
	r.decoders.New = func() any { return &decoder{} }
	r.Disk = container.New(container.Layout{Size: r.size, Span: r.unread, UnitSize: r.chunk, Decode: r.decode, CacheBytes: o.CacheBytes, Workers: o.Workers})
	return nil
}

// Filling is the medium with what the image holds in sectors that could not be
// read: it was hashed so.
func (r *Reader) Filling() *container.Disk {
	return r.With(r.span)
}

// unread is span with the sectors that could not be read apart.
func (r *Reader) unread(off, limit int64) container.Span {
	i := sort.Search(len(r.runs), func(i int) bool { return (r.runs[i].First+r.runs[i].Count)*r.sector > off })
	if i < len(r.runs) {
		from, to := r.runs[i].First*r.sector, (r.runs[i].First+r.runs[i].Count)*r.sector
		if from <= off {
			return container.Span{Len: min(limit, to-off), Kind: container.Unreadable, Err: errors.New("unreadable when it was acquired (error table)")}
		}
		limit = min(limit, from-off)
	}
	return r.span(off, limit)
}

func (r *Reader) groupOf(chunk int64) *group {
	i := sort.Search(len(r.groups), func(i int) bool { return r.groups[i].first > chunk })
	if i == 0 || chunk >= r.groups[i-1].first+r.groups[i-1].n {
		return nil
	}
	return r.groups[i-1]
}

// span gives one chunk, or all that no table tells of.
func (r *Reader) span(off, limit int64) container.Span {
	chunk := off / r.chunk
	if r.groupOf(chunk) != nil {
		return container.Span{Len: min(limit, r.chunk-off%r.chunk), Unit: chunk, Skip: off % r.chunk}
	}
	i := sort.Search(len(r.groups), func(i int) bool { return r.groups[i].first > chunk })
	if i < len(r.groups) {
		limit = min(limit, r.groups[i].first*r.chunk-off)
	}
	if r.missing != nil {
		return container.Span{Len: limit, Kind: container.Unknown, Err: r.missing}
	}
	return container.Span{Len: limit, Kind: container.Corrupt, Err: errors.New("no intact sector table tells of it")}
}

// decoder is what one goroutine needs.
type decoder struct {
	z      inflate.Decoder
	stored []byte
}

// Flags of a chunk.
const (
	compressed  = 1
	checksummed = 2
	pattern     = 4
)

// decode fills dst with a chunk.
func (r *Reader) decode(chunk int64, dst []byte) error {
	dst = dst[:min(r.chunk, r.size-chunk*r.chunk)]
	g := r.groupOf(chunk)
	t, err := r.tables.Get(g)
	if err != nil {
		return fmt.Errorf("%s: %w", g.file.Name, err)
	}
	e := t[16*(chunk-g.first):]
	off, n, flags := binary.LittleEndian.Uint64(e), int64(binary.LittleEndian.Uint32(e[8:])), binary.LittleEndian.Uint32(e[12:])
	if flags&pattern != 0 {
		for i := range dst {
			dst[i] = byte(off >> (8 * (i % 8)))
		}
		return nil
	}
	if off > uint64(g.file.Size) || n > g.file.Size-int64(off) || n > 2*r.chunk+1024 {
		return cursor.Errorf(g.at, "%s: chunk %d has %d bytes at %#x, in a file of %d", g.file.Name, chunk, n, off, g.file.Size)
	}
	d := r.decoders.Get().(*decoder)
	defer r.decoders.Put(d)
	d.stored = slices.Grow(d.stored[:0], int(n))[:n]
	if k, err := g.file.R.ReadAt(d.stored, int64(off)); k < len(d.stored) {
		return fmt.Errorf("%s: chunk %d: %w", g.file.Name, chunk, err)
	}
	if err := r.unpack(d, dst, flags); err != nil {
		return fmt.Errorf("%s: chunk %d at %#x: %w", g.file.Name, chunk, off, err)
	}
	return nil
}

func (r *Reader) unpack(d *decoder, dst []byte, flags uint32) error {
	switch {
	case flags&compressed == 0:
		b := d.stored
		if len(b) < len(dst) {
			return fmt.Errorf("%d bytes, %d are needed", len(b), len(dst))
		}
		if flags&checksummed != 0 {
			n := len(b) - 4
			if n < len(dst) || inflate.Sum(b[:n]) != binary.LittleEndian.Uint32(b[n:]) {
				return errors.New("its checksum is wrong")
			}
		}
		copy(dst, b)
		return nil
	case r.method == 2:
		_, err := io.ReadFull(bzip2.NewReader(bytes.NewReader(d.stored)), dst)
		return err
	}
	out := make([]byte, r.chunk)
	n, _, err := d.z.Zlib(out, d.stored)
	if err == nil && n < len(dst) {
		err = fmt.Errorf("inflates to %d bytes, %d are needed", n, len(dst))
	}
	copy(dst, out)
	return err
}

// readTable reads the entries of a group, their checksum compared.
func readTable(g *group) ([]byte, error) {
	b := make([]byte, 16*g.n+4)
	if n, err := g.file.R.ReadAt(b, g.at+tableHead); n < len(b) {
		return nil, fmt.Errorf("sector table at %#x: %w", g.at, err)
	}
	return sealed(b, int(16*g.n), g.at, "sector table")
}

// Digests are those that the image states of its medium.
func (r *Reader) Digests() []container.Digest { return r.digests }

// SectorSize is in bytes.
func (r *Reader) SectorSize() int { return int(r.sector) }

// Files are the names of the segments in use, in order.
func (r *Reader) Files() (out []string) {
	for _, f := range r.files {
		out = append(out, f.Name)
	}
	return out
}

var fieldNames = map[string]string{"nm": "description", "cn": "case number", "en": "evidence number", "ex": "examiner", "nt": "notes",
	"av": "acquisition software", "os": "acquisition system", "tt": "system time", "at": "acquired", "md": "model", "sn": "serial number",
	"lb": "device label", "ts": "sectors", "bp": "bytes per sector", "sb": "sectors per chunk"}

// Fields are device information and case data.
func (r *Reader) Fields() (out []container.Field) {
	for _, f := range r.fields {
		if f.Value == "" {
			continue
		}
		if n, ok := fieldNames[f.Name]; ok {
			f.Name = n
		}
		out = append(out, f)
	}
	return out
}
