package ntfs

import (
	"bytes"
	"cmp"
	"iter"
	"slices"

	"kanshiki/parsers/internal/utf16"
)

// piece is a part of a stream, with the record that describes it.
type piece struct {
	a *attr
	n uint32
}

// Stream is one attribute with all its pieces. Its key is type and name:
// attribute ids are unique within one record only.
type Stream struct {
	f     File
	first piece
	more  []piece // further pieces, by VCN
	dup   bool
}

// Streams yields the $DATA streams, the unnamed one where it stands.
func (f File) Streams() iter.Seq[Stream] { return f.streams(AttrData) }

// Attributes yields all attributes that the catalogue keeps: $DATA, and every
// other one that has clusters.
func (f File) Attributes() iter.Seq[Stream] { return f.streams(0) }

func (f File) streams(want AttrType) iter.Seq[Stream] {
	return func(yield func(Stream) bool) {
		e := f.e()
		if e.ext != 0 || e.marks&markPieces != 0 {
			for _, s := range f.joined(want) {
				if !yield(s) {
					return
				}
			}
			return
		}
		for i := range uint32(e.nattrs) {
			a := f.c.attrs.at(e.attrs + i)
			if want != 0 && a.typ != want {
				continue
			}
			if !yield(Stream{f: f, first: piece{a, f.n}}) {
				return
			}
		}
	}
}

// joined groups the pieces of all records by type and name. A second piece
// with VCN 0 is a stream of its own: it is damage, and its content evidence.
func (f File) joined(want AttrType) []Stream {
	var ps []piece
	for n := range f.records() {
		e := f.c.entries.at(n)
		for i := range uint32(e.nattrs) {
			if a := f.c.attrs.at(e.attrs + i); want == 0 || a.typ == want {
				ps = append(ps, piece{a, n})
			}
		}
	}
	slices.SortStableFunc(ps, func(x, y piece) int {
		return cmp.Or(cmp.Compare(x.a.typ, y.a.typ),
			bytes.Compare(f.c.name(x.a.name, x.a.nameLen), f.c.name(y.a.name, y.a.nameLen)),
			cmp.Compare(x.a.low, y.a.low))
	})
	var out []Stream
	for _, p := range ps {
		if k := len(out) - 1; k >= 0 && p.a.low > 0 && p.a.nonRes && out[k].same(p) {
			out[k].more = append(out[k].more, p)
			continue
		}
		s := Stream{f: f, first: p}
		if k := len(out) - 1; k >= 0 && out[k].same(p) {
			s.dup = true
			// Pieces behind belong to the one that came first.
			s, out[k] = out[k], s
		}
		out = append(out, s)
	}
	return out
}

func (s Stream) same(p piece) bool {
	c := s.f.c
	return s.first.a.typ == p.a.typ && bytes.Equal(c.name(s.first.a.name, s.first.a.nameLen), c.name(p.a.name, p.a.nameLen))
}

// Stream finds a $DATA stream by its exact name in WTF-8; "" is the unnamed one.
func (f File) Stream(name string) (Stream, bool) {
	want := utf16.Units(name)
	for s := range f.Streams() {
		if bytes.Equal(s.Name(), want) {
			return s, true
		}
	}
	return Stream{}, false
}

// StreamFold is Stream with the case rules of the volume, as Windows opens it.
func (f File) StreamFold(name string) (Stream, bool) {
	if s, ok := f.Stream(name); ok {
		return s, true
	}
	want := utf16.Units(name)
	for s := range f.Streams() {
		if f.c.v.EqualFold(s.Name(), want) {
			return s, true
		}
	}
	return Stream{}, false
}

// File is the entry that the stream belongs to.
func (s Stream) File() File { return s.f }

// Type is the attribute type.
func (s Stream) Type() AttrType { return s.first.a.typ }

// Name is the name in UTF-16LE; empty for the unnamed stream.
func (s Stream) Name() []byte { return s.f.c.name(s.first.a.name, s.first.a.nameLen) }

// Size is the data size. Where the first piece is lost it is the end of what
// is described.
func (s Stream) Size() int64 {
	if s.first.a.low != 0 {
		return s.described()
	}
	return int64(min(s.first.a.size, 1<<63-1))
}

// Initialized is the length up to which the content was ever written; behind
// it the stream reads as zeros.
func (s Stream) Initialized() int64 {
	if s.first.a.low != 0 {
		return s.described()
	}
	return int64(min(s.first.a.init, s.first.a.size, 1<<63-1))
}

// Allocated is what the attribute says it takes on the volume; 0 if resident.
func (s Stream) Allocated() uint64 { return s.first.a.allocated }

// Flags are those of the first piece: only it may say "compressed".
func (s Stream) Flags() uint16 { return s.first.a.flags }

// Resident tells whether the content lies in the MFT entry.
func (s Stream) Resident() bool { return !s.first.a.nonRes }

// Compressed tells whether the content is stored in LZNT1 units.
func (s Stream) Compressed() bool {
	a := s.first.a
	return a.nonRes && a.typ == AttrData && a.flags&0x00FF == AttrCompressed && a.unit > 0
}

// Encrypted tells whether the content is EFS ciphertext.
func (s Stream) Encrypted() bool { return s.first.a.flags&AttrEncrypted != 0 }

// Record and ID are the place of the first piece.
func (s Stream) Record() uint64 { return uint64(s.first.n) }

// ID is the attribute id, unique within Record only.
func (s Stream) ID() uint16 { return s.first.a.id }

// clusters joins the runs of all pieces.
func (s Stream) clusters() (clusterMap, *Damage) {
	var m clusterMap
	var dmg *Damage
	limit := s.f.c.v.opt.MaxRuns
	add := func(p piece) {
		runs := s.f.c.runs.get(p.a.runs, p.a.nruns)
		if len(m.runs)+len(runs) > limit {
			if dmg == nil {
				dmg = &Damage{Kind: TooLong, Record: uint64(p.n), Attr: p.a.typ, Off: -1, Got: uint64(len(m.runs) + len(runs)), Want: uint64(limit)}
			}
			return
		}
		if d := m.add(int64(min(p.a.low, 1<<61)), runs); d != nil && dmg == nil {
			d.Record, d.Attr = uint64(p.n), p.a.typ
			dmg = d
		}
	}
	add(s.first)
	for _, p := range s.more {
		add(p)
	}
	return m, dmg
}

// described is the bytes that the runs describe, holes too.
func (s Stream) described() int64 {
	if s.Resident() {
		return int64(s.first.a.size)
	}
	var n int64
	cs := int64(s.f.c.v.geo.ClusterSize)
	for r := range s.Runs() {
		if r.Len > (1<<62-n)/cs {
			return 1 << 62
		}
		n += r.Len * cs
	}
	return n
}

// Runs yields the runs in the order of the stream, holes and losses too.
func (s Stream) Runs() iter.Seq[Run] {
	return func(yield func(Run) bool) {
		if s.Resident() {
			return
		}
		if len(s.more) == 0 && s.first.a.low == 0 {
			for _, r := range s.f.c.runs.get(s.first.a.runs, s.first.a.nruns) {
				if !yield(r) {
					return
				}
			}
			return
		}
		m, _ := s.clusters()
		for _, r := range m.runs {
			if !yield(r) {
				return
			}
		}
	}
}

// Extent is a run in bytes.
type Extent struct {
	Off  int64 // in the stream
	Disk int64 // on the volume; Hole or Lost for none
	Len  int64
}

// Extents yields the runs in bytes; of a resident stream the place in the MFT
// entry.
func (s Stream) Extents() iter.Seq[Extent] {
	return func(yield func(Extent) bool) {
		cs := int64(s.f.c.v.geo.ClusterSize)
		if s.Resident() {
			if rec, a, err := s.attribute(); err == nil {
				yield(Extent{Disk: offAdd(rec.Off, rec.valueOff(&a)), Len: int64(len(a.Value))})
			}
			return
		}
		var off int64
		for r := range s.Runs() {
			if r.Len > (1<<62-off)/cs {
				return
			}
			x := Extent{Off: off, Disk: r.LCN, Len: r.Len * cs}
			if r.LCN >= 0 {
				x.Disk = r.LCN * cs
			}
			if !yield(x) {
				return
			}
			off += x.Len
		}
	}
}

// attribute reads the attribute of the first piece again.
func (s Stream) attribute() (Record, Attr, error) {
	rec, err := s.f.c.v.Record(uint64(s.first.n))
	if err != nil {
		return rec, Attr{}, err
	}
	pos := int(s.first.a.off) * 8
	var a Attr
	if !rec.next(&pos, &a, nil) || a.Type != s.first.a.typ {
		return rec, a, &Damage{Kind: BadAttribute, Record: rec.Num, Attr: s.first.a.typ, Off: offAdd(rec.Off, int(s.first.a.off)*8)}
	}
	return rec, a, nil
}
