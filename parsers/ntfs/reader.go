package ntfs

import (
	"io"
	"sync"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/lznt1"
)

// OpenFlag changes how a stream is read.
type OpenFlag int

// Flags of Stream.Open.
const (
	// ZeroFill reads on through what cannot be read, as zeros, up to the end of
	// the clusters described. Reader.Lost then lists the ranges.
	ZeroFill OpenFlag = 1 << iota
	// Raw gives the bytes in the clusters: no decompression, and what lies
	// behind the initialised size as it is on the medium.
	Raw
)

// Reader gives the content of a stream. It may be used by several goroutines
// at once.
type Reader struct {
	s     Stream
	v     *Volume
	m     clusterMap
	size  int64
	init  int64
	flags OpenFlag
	value []byte // of a resident stream
	unit  int64  // bytes of a compression unit, or 0
	wof   *wof   // decompresses; unit is its chunk then
	dmg   Damage // found while the runs were joined

	mu    sync.Mutex
	lost  []RangeError
	cache unitCache
}

// unitCache keeps the unit that was decompressed last.
type unitCache struct {
	at  int64 // its number; -1 for none
	b   []byte
	n   int // good bytes
	dmg *Damage
	in  []byte
}

// Open reads what is needed to give the content. The error is that of a
// resident stream whose entry cannot be read again, or of a lone $MFT.
func (s Stream) Open(flags OpenFlag) (*Reader, error) {
	r := &Reader{s: s, v: s.f.c.v, flags: flags, size: s.Size(), init: s.Initialized()}
	r.cache.at = -1
	if flags&Raw == 0 && s.f.ReparseTag() == TagWOF && s.unnamed() {
		w, ok, err := s.openWOF()
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, &Damage{Kind: NotHere, Record: s.Record(), Attr: s.Type(), Off: s.f.Offset(), Got: TagWOF}
		}
		r.wof, r.unit, r.init = w, w.chunk, r.size // the unnamed stream is a hole, or resident zeros
		return r, nil
	}
	if s.Resident() {
		_, a, err := s.attribute()
		if err != nil {
			return nil, err
		}
		r.value = a.Value
		return r, nil
	}
	if r.v.alone {
		return nil, &Damage{Kind: NoVolume, Record: s.Record(), Attr: s.Type(), Off: -1}
	}
	m, dmg := s.clusters()
	r.m = m
	if dmg != nil {
		r.dmg = *dmg
	}
	if flags&Raw != 0 {
		r.size = min(s.described(), 1<<62)
		r.init = r.size
		return r, nil
	}
	if s.Compressed() {
		r.unit = int64(r.v.geo.ClusterSize) << s.first.a.unit
		if r.unit > maxUnit {
			return nil, &Damage{Kind: BadUnit, Record: s.Record(), Attr: s.Type(), Off: s.f.Offset(), Got: uint64(s.first.a.unit), Want: 4}
		}
	}
	return r, nil
}

// maxUnit is 16 clusters of 4096 bytes: NTFS does not compress with larger
// clusters. Some slack is left for drivers that do.
const maxUnit = 16 * 65536

// Size is the data size.
func (r *Reader) Size() int64 { return r.size }

// Lost lists the ranges that ZeroFill gave as zeros, in the order in which
// they were met.
func (r *Reader) Lost() []RangeError {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]RangeError(nil), r.lost...)
}

// maxLost bounds the list of lost ranges; the last one then stands for the rest.
const maxLost = 1 << 14

func (r *Reader) lose(e *RangeError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := len(r.lost) - 1; k >= 0 {
		l := &r.lost[k]
		if e.From >= l.From && e.To <= l.To {
			return
		}
		if e.From == l.To && e.Damage.Kind == l.Damage.Kind || k+1 >= maxLost {
			l.Damage.Len += e.To - e.From
			l.To = max(l.To, e.To)
			return
		}
	}
	r.lost = append(r.lost, *e)
}

// ReadAt gives the good bytes before the first that cannot be read, then a
// *RangeError; with ZeroFill it goes on.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, cursor.Errorf(off, "negative offset")
	}
	if off >= r.size {
		return 0, io.EOF
	}
	var end error
	if int64(len(p)) > r.size-off {
		p, end = p[:r.size-off], io.EOF
	}
	done := 0
	for done < len(p) {
		n, err := r.read(p[done:], off+int64(done))
		done += n
		if err == nil {
			continue
		}
		re := r.rangeError(err, off+int64(done))
		if r.flags&ZeroFill == 0 {
			return done, re
		}
		if re.Damage.Kind == SizeBeyond {
			// No cluster is claimed there: zeros would be invented, and a
			// forged size would make them endless.
			r.lose(re)
			return done, re
		}
		k := int(min(int64(len(p)-done), max(re.To-re.From, 1)))
		clear(p[done : done+k])
		re.To = re.From + int64(k)
		r.lose(re)
		done += k
	}
	return done, end
}

func (r *Reader) rangeError(err error, at int64) *RangeError {
	re, ok := err.(*RangeError)
	if !ok {
		re = &RangeError{From: at, To: at + 1, Damage: asDamage(err)}
	}
	if re.Damage.Kind == MissingPiece && r.dmg.Kind != 0 {
		re.Damage.Kind = r.dmg.Kind
	}
	re.Damage.Record, re.Damage.Attr = r.s.Record(), r.s.Type()
	if re.Damage.Off < 0 {
		re.Damage.Off = r.s.f.Offset()
	}
	return re
}

// read fills some of p, at least one byte if there is no error.
func (r *Reader) read(p []byte, off int64) (int, error) {
	if r.s.Resident() && r.wof == nil {
		if off >= int64(len(r.value)) {
			return 0, &RangeError{From: off, To: r.size, Damage: Damage{Kind: BadValue, Off: -1, Got: uint64(len(r.value)), Want: uint64(r.size)}}
		}
		return copy(p, r.value[off:]), nil
	}
	if off >= r.init {
		clear(p)
		return len(p), nil
	}
	p = p[:min(int64(len(p)), r.init-off)]
	if r.unit > 0 {
		return r.readUnit(p, off)
	}
	n, err := r.v.readClusters(&r.m, p, off)
	if re, ok := err.(*RangeError); ok && off+int64(n) >= r.m.bytes(int64(r.v.geo.ClusterSize)) {
		re.Damage.Kind, re.Damage.Got, re.Damage.Want = SizeBeyond, uint64(r.size), uint64(r.m.bytes(int64(r.v.geo.ClusterSize)))
		re.To = r.size
	}
	return n, err
}

// readUnit gives bytes of one compression unit.
func (r *Reader) readUnit(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.cache
	if num := off / r.unit; c.at != num {
		r.fill(num)
	}
	in := int(off % r.unit)
	if in < c.n {
		return copy(p, c.b[in:c.n]), nil
	}
	to := min(c.at*r.unit+r.unit, r.size)
	if c.dmg == nil {
		return 0, &RangeError{From: off, To: to, Damage: Damage{Kind: BadCompression, Off: -1, Got: uint64(c.n), Want: uint64(r.unit)}}
	}
	return 0, &RangeError{From: off, To: to, Damage: *c.dmg}
}

// fill decompresses unit num. The runs are cut at the borders of units first:
// the hole that ends a unit and a unit that is all hole may be one run.
//
// A unit without clusters is zeros, one without a hole is stored as it is, and
// clusters followed by a hole are compressed. The last unit of a stream may
// end early without a hole; then it is stored too.
func (r *Reader) fill(num int64) {
	c := &r.cache
	cs := int64(r.v.geo.ClusterSize)
	if c.b == nil {
		c.b = make([]byte, r.unit)
		c.in = make([]byte, r.unit)
	}
	c.at, c.n, c.dmg = num, len(c.b), nil
	if r.wof != nil {
		c.n, c.dmg = r.wof.fill(c.b, num)
		return
	}
	first, n := num*r.unit/cs, r.unit/cs
	data, hole, mixed := r.unitShape(first, n)
	switch {
	case data == 0 && hole == 0:
		c.n = 0
		c.dmg = &Damage{Kind: SizeBeyond, Off: -1, Got: uint64(r.size), Want: uint64(r.m.bytes(cs))}
		return
	case data == 0:
		clear(c.b)
		return
	case hole == 0:
		k, err := r.v.readClusters(&r.m, c.b[:data*cs], first*cs)
		if err != nil {
			d := asDamage(err)
			c.n, c.dmg = k, &d
			return
		}
		clear(c.b[data*cs:])
		if data < n {
			c.n = int(data * cs)
			c.dmg = &Damage{Kind: SizeBeyond, Off: -1, Got: uint64(r.size), Want: uint64(r.m.bytes(cs))}
		}
		return
	}
	k, rerr := r.v.readClusters(&r.m, c.in[:data*cs], first*cs)
	got, err := lznt1.Decompress(c.b, c.in[:k])
	switch {
	case rerr != nil:
		d := asDamage(rerr)
		c.n, c.dmg = got, &d
	case err != nil || mixed:
		c.n = got
		c.dmg = &Damage{Kind: BadCompression, Off: r.m.disk(first*cs, cs), Got: uint64(got), Want: uint64(r.unit), Err: err}
	}
	// Without damage what the chunks leave out is zero.
}

// unitShape counts the clusters of a unit that begin it and the holes behind;
// mixed says that clusters follow a hole, which no driver writes.
func (r *Reader) unitShape(first, n int64) (data, hole int64, mixed bool) {
	for i := r.m.find(first); i < len(r.m.runs) && r.m.start[i] < first+n; i++ {
		from, to := max(first, r.m.start[i]), min(first+n, r.m.start[i]+r.m.runs[i].Len)
		switch {
		case r.m.runs[i].LCN == Hole:
			hole += to - from
		case hole > 0:
			mixed = true
		default:
			data += to - from
		}
	}
	return data, hole, mixed
}

// stored yields the ranges [from, to) that lie in clusters, joined, up to the
// data size: holes and losses are left out, and a forged run list gives no more
// bytes than the volume has.
func (r *Reader) stored(yield func(from, to int64) bool) {
	cs, room := int64(r.v.geo.ClusterSize), r.v.size
	var from, to int64
	for i, run := range r.m.runs {
		if run.LCN < 0 || r.m.start[i] > r.size/cs {
			continue
		}
		a := r.m.start[i] * cs
		b := min(a+run.Len*cs, r.size, a+room)
		if a >= b {
			continue
		}
		room -= b - a
		if a != to {
			if from < to && !yield(from, to) {
				return
			}
			from = a
		}
		to = b
	}
	if from < to {
		yield(from, to)
	}
}

// WriteTo copies the stream to w. It ends with a *RangeError at what cannot be
// read, unless the stream was opened with ZeroFill.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	return r.CopyTo(w, make([]byte, 256<<10))
}

// CopyTo is WriteTo with the caller's buffer.
func (r *Reader) CopyTo(w io.Writer, buf []byte) (int64, error) {
	var off int64
	for off < r.size {
		n, err := r.ReadAt(buf, off)
		if n > 0 {
			k, werr := w.Write(buf[:n])
			off += int64(k)
			if werr != nil {
				return off, werr
			}
		}
		if err != nil && err != io.EOF {
			return off, err
		}
		if n == 0 {
			break
		}
	}
	return off, nil
}

// DiskOffset is the place on the volume of a byte of the stream, or -1 where
// it has none of its own: a hole, a compressed unit. A resident stream lies in
// its MFT entry.
func (r *Reader) DiskOffset(off int64) int64 {
	if off < 0 || off >= r.size {
		return -1
	}
	if r.s.Resident() && r.wof == nil {
		for x := range r.s.Extents() {
			return offAdd(x.Disk, int(off))
		}
		return -1
	}
	if r.unit > 0 || off >= r.init {
		return -1
	}
	return r.m.disk(off, int64(r.v.geo.ClusterSize))
}
