package zseek

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/zframe"
)

// Identify tells by a file's first bytes and its last ones whether Open may
// read it: it is one that Writer began, or has a seek table.
func Identify(head, tail []byte) bool {
	if len(head) >= skipHead+4 && binary.LittleEndian.Uint32(head) == magicMeta && string(head[skipHead:skipHead+4]) == tagMeta {
		return true
	}
	if len(head) < 4 || len(tail) < footerSize || binary.LittleEndian.Uint32(tail[len(tail)-4:]) != magicSeekable {
		return false
	}
	m := binary.LittleEndian.Uint32(head)
	return m == magicFrame || m&^15 == magicSkip
}

// Options change how an image is read. The zero value works.
type Options struct {
	CacheBytes int64 // decoded frames that are kept; 0 is 32 MiB
	Workers    int   // goroutines that decode; 0 is GOMAXPROCS
}

// Image is the medium in a file. It is safe for concurrent use.
type Image struct {
	*container.Disk
	container.Problems
	l     *layout
	z     *zstd.Decoder
	own   bool // Writer made it
	bare  bool // frames without a checksum were seen
	meta  Meta
	end   End
	bad   []Run // of end, in order, apart
	size  int64 // of the medium
	ended error // why the medium ends before size
	in    sync.Pool
	o     Options
}

// Open opens an image. It reads the whole table, but keeps only some ten
// thousandths of it.
func Open(r io.ReaderAt, size int64, o Options) (*Image, error) {
	m := &Image{o: o}
	var err error
	meta, metaSize, merr := own(r, 0, size, magicMeta, tagMeta, maxMetaBytes+ownHead)
	if merr == nil {
		if err := json.Unmarshal(meta, &m.meta); err != nil || m.meta.Size <= 0 || m.meta.Frame <= 0 || m.meta.Frame > MaxFrame {
			return nil, cursor.Errorf(skipHead, "a medium of %d bytes in frames of %d: %v", m.meta.Size, m.meta.Frame, err)
		}
		m.own = true
	} else if tagged(r) {
		m.Reportf(0, "%v", merr)
	}
	if m.l, err = m.layout(r, size, metaSize); err != nil {
		return nil, err
	}
	m.size = m.l.media
	if m.own {
		m.readEnd(r, size)
	}
	if m.own && m.size < m.meta.Size {
		m.size, m.ended = m.meta.Size, errors.New("the file ends before it")
	}
	if m.z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(m.workers()), zstd.WithDecoderMaxMemory(MaxFrame),
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true)); err != nil {
		return nil, err
	}
	if m.size == 0 {
		return nil, cursor.Errorf(0, "no frame holds anything")
	}
	m.Disk = container.New(container.Layout{Size: m.size, Span: m.span, UnitSize: max(m.l.unit, 1), Decode: m.decode,
		CacheBytes: o.CacheBytes, Workers: o.Workers})
	return m, nil
}

func (m *Image) workers() int {
	if m.o.Workers > 0 {
		return m.o.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// tagged tells whether a file begins as Writer begins one.
func tagged(r io.ReaderAt) bool {
	b := make([]byte, skipHead+4)
	return readFull(r, b, 0) == nil && Identify(b, nil)
}

// layout finds the frames: by the table where it is right, else without it.
func (m *Image) layout(r io.ReaderAt, size, first int64) (*layout, error) {
	each := func(entry, int64, int64) error { return nil }
	if m.own {
		c := &checker{r: r, size: size, frame: int64(m.meta.Frame), media: m.meta.Size, damaged: m.Reportf}
		each = c.entry
	}
	t, err := findTable(r, size)
	var l *layout
	if err == nil {
		l, err = readTable(r, size, t, each)
	}
	if err == nil && m.own && t.descriptor != checksums {
		m.Reportf(size-footerSize+4, "the seek table's descriptor is %#02x", t.descriptor)
	}
	if err == nil && m.own && l.media != m.meta.Size {
		err = cursor.Errorf(t.start, "seek table: %d bytes of %d", l.media, m.meta.Size)
	}
	if err == nil && !m.own {
		return m.agreed(l)
	}
	if err == nil || errors.Is(err, ErrUnsupported) && !m.own {
		return l, err
	}
	var placed *cursor.Error
	off := size
	if errors.As(err, &placed) {
		off = placed.Off
	}
	if m.own {
		m.Reportf(off, "%v; the frames are found by the indexes among them", err)
		return rebuildOwn(r, size, first, m.meta, m.Reportf), nil
	}
	m.Reportf(off, "%v; the frames are found one by one", err)
	return m.oneByOne(r, size)
}

// agreed compares the table of another program with the frames' headers: one
// wrong size would move all that follows. Where all frames but the last have one
// size the last one tells.
func (m *Image) agreed(l *layout) (*layout, error) {
	w := zframe.Walker{R: l.r, Size: l.size}
	for g := range l.groups {
		if l.uniform && g < len(l.groups)-1 {
			continue
		}
		all, err := l.places(g)
		if err != nil {
			return nil, err
		}
		if l.uniform {
			all = all[len(all)-1:]
		}
		for _, p := range all {
			stored, h, sum, err := w.Frame(p.at)
			m.bare = m.bare || err == nil && !h.Skip && !h.Checksum && !p.sums
			switch {
			case err != nil:
				m.Reportf(p.at, "what the seek table says cannot be compared with the frame: %v", err)
				continue
			case h.Raw < 0:
				return nil, fmt.Errorf("%w: the frame at %#x does not say its size", ErrUnsupported, p.at)
			case stored != int64(p.stored) || h.Raw != int64(p.raw) || h.Checksum && p.sums && sum != p.sum:
				m.Reportf(l.groups[g].list, "seek table: %d bytes for %d and the checksum %08x, the frame at %#x has %d for %d and %08x; the frames are found one by one",
					p.stored, p.raw, p.sum, p.at, stored, h.Raw, sum)
				return m.oneByOne(l.r, l.size)
			}
		}
	}
	return l, nil
}

// oneByOne finds the frames of another program's file without its table.
func (m *Image) oneByOne(r io.ReaderAt, size int64) (*layout, error) {
	l, err := walkAll(r, size)
	if err != nil && l != nil && l.media > 0 {
		m.Reportf(l.file, "no frame is found behind this place: %v", err)
		err = nil
	}
	return l, err
}

// readEnd reads what Writer wrote behind the last index.
func (m *Image) readEnd(r io.ReaderAt, size int64) {
	b, at, err := m.findEnd(r, size)
	if err == nil {
		if err = json.Unmarshal(b, &m.end); err != nil {
			err = cursor.Errorf(at, "what was written at the end: %v", err)
		}
	}
	if err != nil {
		m.Reportf(at, "%v: the digests and the sectors that were not read are not known", err)
		m.end = End{}
	}
	if m.end.NotBad > 0 {
		m.Reportf(at, "%d more places that were not read are not listed", m.end.NotBad)
	}
	for _, b := range m.end.Bad {
		if b.Off < 0 || b.Len <= 0 || b.Off >= m.meta.Size || b.Len > m.meta.Size-b.Off {
			m.Reportf(at, "bytes %#x to %#x of the medium are said not to have been read, of %#x", b.Off, b.Off+b.Len, m.meta.Size)
			continue
		}
		m.bad = append(m.bad, b)
	}
	slices.SortFunc(m.bad, func(a, b Run) int { return int(min(max(a.Off-b.Off, -1), 1)) })
	apart := m.bad[:0]
	for _, b := range m.bad {
		if k := len(apart) - 1; k >= 0 && apart[k].Off+apart[k].Len >= b.Off {
			apart[k].Len = max(apart[k].Len, b.Off+b.Len-apart[k].Off)
			continue
		}
		apart = append(apart, b)
	}
	m.bad = apart
}

// findEnd finds the frame of End behind the last index, or what follows it
// where the index is damaged.
func (m *Image) findEnd(r io.ReaderAt, size int64) ([]byte, int64, error) {
	w := zframe.Walker{R: r, Size: size}
	at := m.l.file
	if k := len(m.l.groups) - 1; k >= 0 && m.l.groups[k].kind == inTable {
		at = m.l.groups[k].file
	}
	for at < size {
		b, _, err := own(r, at, size, magicEnd, tagEnd, maxMetaBytes+ownHead)
		if err == nil {
			return b, at, nil
		}
		n, h, _, werr := w.Frame(at)
		if werr != nil {
			return nil, at, werr
		}
		if head, _ := w.At(at, 4); h.Skip && binary.LittleEndian.Uint32(head) == magicEnd {
			return nil, at, err
		}
		at += n
	}
	return nil, at, io.ErrUnexpectedEOF
}

// Own tells whether the file was made by Writer: it says what it is.
func (m *Image) Own() bool { return m.own }

// Bare tells whether frames have no checksum, neither their own nor the table's.
func (m *Image) Bare() bool { return m.bare }

// Meta is what the file says of itself at its start; empty where another
// program made it.
func (m *Image) Meta() Meta { return m.meta }

// End is what the file says at its end.
func (m *Image) End() End { return m.end }

// Frames is how many bytes of the medium the largest frame has.
func (m *Image) Frames() int64 { return m.l.unit }

// Digests are those of the medium that the file states.
func (m *Image) Digests() (out []container.Digest) {
	for _, d := range m.end.Digests {
		out = append(out, container.Digest{Alg: d.Alg, Sum: d.Sum, Source: "end of the image"})
	}
	return out
}

// Filling is the medium as it was hashed: what could not be read is what the
// frames hold there. It uses nothing of its own but a cache.
func (m *Image) Filling() *container.Disk {
	return container.New(container.Layout{Size: m.size, Span: m.stored, UnitSize: max(m.l.unit, 1), Decode: m.decode,
		CacheBytes: m.o.CacheBytes, Workers: m.o.Workers})
}

// span tells what a byte of the medium is: not read from it, or in a frame.
func (m *Image) span(off, limit int64) container.Span {
	i := sort.Search(len(m.bad), func(i int) bool { return m.bad[i].Off+m.bad[i].Len > off })
	if i < len(m.bad) {
		if b := m.bad[i]; b.Off <= off {
			return container.Span{Len: min(limit, b.Off+b.Len-off), Kind: container.Unreadable, Err: errNotRead}
		} else {
			limit = min(limit, b.Off-off)
		}
	}
	return m.stored(off, limit)
}

var errNotRead = errors.New("not read from the medium when it was acquired")

// A unit's number is its group's and its place in it.
const unitBits = 12

func (m *Image) stored(off, limit int64) container.Span {
	if off >= m.l.media {
		return container.Span{Len: limit, Kind: container.Unknown, Err: m.ended}
	}
	g := m.l.find(off)
	rest := min(limit, m.l.end(g)-off)
	all, err := m.l.frames(g)
	if err != nil {
		return container.Span{Len: rest, Kind: container.Corrupt, Err: err}
	}
	i := sort.Search(len(all), func(i int) bool { return all[i].media > off }) - 1
	p := all[i]
	return container.Span{Len: min(rest, p.media+int64(p.raw)-off), Unit: int64(g)<<unitBits | int64(i), Skip: off - p.media}
}

// decode decodes a frame that is what the table says, or says why it is not.
func (m *Image) decode(unit int64, dst []byte) error {
	all, err := m.l.frames(int(unit >> unitBits))
	if err != nil {
		return err
	}
	p := all[unit&(1<<unitBits-1)]
	b, _ := m.in.Get().(*[]byte)
	if b == nil {
		b = new([]byte)
	}
	defer m.in.Put(b)
	*b = slices.Grow((*b)[:0], int(p.stored))[:p.stored]
	if err := readFull(m.l.r, *b, p.at); err != nil {
		return cursor.Errorf(p.at, "frame: %w", err)
	}
	return m.unpack(p, *b, dst[:p.raw:p.raw])
}

func (m *Image) unpack(p place, b, dst []byte) error {
	h, err := zframe.Whole(b, p.at)
	switch {
	case err != nil:
		return err
	case h.Skip || h.Raw >= 0 && h.Raw != int64(p.raw):
		return cursor.Errorf(p.at, "the frame holds %d bytes, the table says %d", h.Raw, p.raw)
	case h.Checksum && p.sums && !bytes.Equal(b[len(b)-4:], binary.LittleEndian.AppendUint32(nil, p.sum)):
		return cursor.Errorf(p.at, "the frame is not the one that the table speaks of: its checksum is %x, not %08x", b[len(b)-4:], p.sum)
	}
	out, err := m.z.DecodeAll(b, dst[:0])
	if err != nil {
		return cursor.Errorf(p.at, "frame: %v", err)
	}
	if len(out) != len(dst) {
		return cursor.Errorf(p.at, "the frame decodes to %d bytes, the table says %d", len(out), len(dst))
	}
	if len(out) > 0 && &out[0] != &dst[0] {
		copy(dst, out)
	}
	if !h.Checksum && p.sums && uint32(xxhash.Sum64(dst)) != p.sum {
		return cursor.Errorf(p.at, "frame: not the bytes of the table's checksum")
	}
	return nil
}
