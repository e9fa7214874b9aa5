package filesystem

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"kanshiki/forensics/event"
	"kanshiki/parsers/ntfs"
	"kanshiki/parsers/securitydescriptor"
)

// Meta is one thing that the metadata files of a volume say: of the volume, or
// of a file without a look at the file.
type Meta struct {
	What   string // "volume", "change journal", "object id", "reparse point", "quota"
	Value  string // label, id, tag, SID
	Ref    Ref    // of the file, 0-0 for none
	Path   string // of the file today, "" where the reference means none
	Proof  string // of Path
	Time   event.Ticks
	Detail string
	Fault  string // how it and the $MFT disagree
	Offset int64  // in the image, -1 for none
}

// Meta yields what $Volume, $UsnJrnl:$Max, $ObjId, $Reparse and $Quota say. What cannot be read
// of one is an error, and the rest is yielded.
func (n *NTFS) Meta(ctx context.Context) iter.Seq2[Meta, error] {
	return func(yield func(Meta, error) bool) {
		g := metaReader{n: n, b: builder{n: n}, ctx: ctx, yield: yield}
		_ = g.volume() && g.journal() && g.objectIDs() && g.reparsePoints() && g.quotas()
	}
}

// metaReader gives the rows; each step tells whether to go on.
type metaReader struct {
	n     *NTFS
	b     builder
	ctx   context.Context
	yield func(Meta, error) bool
}

func (g *metaReader) row(m Meta, err error) bool {
	if cerr := g.ctx.Err(); cerr != nil {
		g.yield(Meta{}, cerr)
		return false
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", m.What, err)
	}
	return g.yield(m, err)
}

func (g *metaReader) volume() bool {
	i, geo := g.n.Info(), g.n.vol.Geometry()
	d := fmt.Sprintf("%s, serial %016x, sectors of %d, clusters of %d, records of %d bytes", i.Kind, i.Serial, geo.SectorSize, geo.ClusterSize, geo.RecordSize)
	v, err := g.n.vol.Info()
	if v.Flags&ntfs.VolumeDirty != 0 {
		d += ", marked dirty"
	}
	if v.Flags&ntfs.VolumeChkdsk != 0 {
		d += ", changed by chkdsk"
	}
	return g.row(Meta{What: "volume", Value: i.Label, Time: i.Created, Detail: d, Offset: -1}, err)
}

// journal says when the change journal was made, and whether that is explained.
func (g *metaReader) journal() bool {
	j, ok, err := g.n.cat.Journal()
	if !ok {
		return true
	}
	m := Meta{What: "change journal", Offset: -1}
	if err == nil {
		m.Ref, m.Path, m.Proof = RefOf(j.File().Was()), "$Extend/$UsnJrnl", "live"
		m.Value, m.Time = fmt.Sprintf("%016x", j.ID), event.Ticks(j.ID)
		m.Detail = fmt.Sprintf("keeps at least %d bytes, begins at USN %d, the next is %d", j.MaxSize, j.LowestUSN, j.Size())
		m.Fault = g.journalFault(j)
	}
	return g.row(m, err)
}

// journalFault tells of a journal that does not go back as far as it could, or is
// younger than the volume.
func (g *metaReader) journalFault(j *ntfs.Journal) string {
	const hour = 3600 * 10_000_000
	kept := j.Size() - int64(min(j.LowestUSN, 1<<62))
	switch volume := g.n.Info().Created; {
	case j.ID == 0:
		return "$Max, which says when it was made, is empty or cannot be read"
	case kept < 0:
		return "begins behind its end"
	case j.LowestUSN > 0 && kept < int64(min(j.MaxSize, 1<<62)):
		return "begins later than its size asks for: that was raised, or an older journal was deleted"
	case volume.Valid() && event.Ticks(j.ID).Valid() && event.Ticks(j.ID) > volume+hour:
		return "made later than the volume: an older one was deleted, or there was none until then"
	}
	return ""
}

func (g *metaReader) objectIDs() bool {
	for e, err := range g.n.cat.ObjectIDs() {
		m := Meta{What: "object id", Value: e.ID.String(), Time: event.Ticks(e.ID.Time()), Offset: g.n.imageOffset(e.Off)}
		if err == nil {
			g.file(&m, e.Ref, func(f ntfs.File) bool { return f.HasObjectID() })
			m.Detail = objectDetail(e.ObjectID)
		}
		if !g.row(m, err) {
			return false
		}
	}
	return true
}

func objectDetail(o ntfs.ObjectID) string {
	var out []string
	if mac := o.ID.MAC(); mac != "" {
		out = append(out, "made on the machine with network address "+mac)
	}
	if !o.BirthVolume.Zero() {
		out = append(out, "birth volume "+o.BirthVolume.String())
	}
	if !o.BirthObject.Zero() && o.BirthObject != o.ID {
		out = append(out, "birth object "+o.BirthObject.String())
	}
	if !o.Domain.Zero() {
		out = append(out, "domain "+o.Domain.String())
	}
	return strings.Join(out, ", ")
}

func (g *metaReader) reparsePoints() bool {
	for e, err := range g.n.cat.ReparsePoints() {
		m := Meta{What: "reparse point", Value: fmt.Sprintf("%#08x", e.Tag), Detail: ntfs.TagName(e.Tag), Offset: g.n.imageOffset(e.Off)}
		if err == nil {
			g.file(&m, e.Ref, func(f ntfs.File) bool { return f.HasReparse() && f.ReparseTag() == e.Tag })
		}
		if !g.row(m, err) {
			return false
		}
	}
	return true
}

func (g *metaReader) quotas() bool {
	for e, err := range g.n.cat.Quotas() {
		m := Meta{What: "quota", Time: event.Ticks(e.Changed), Offset: g.n.imageOffset(e.Off)}
		if err == nil {
			m.Detail = fmt.Sprintf("owner id %d, %d bytes used", e.ID, e.Used)
			switch sid, _, serr := securitydescriptor.ParseSID(e.SID); {
			case len(e.SID) == 0:
				m.Detail += ", the default for all"
			case serr != nil:
				m.Fault = "no SID"
			default:
				m.Value = SIDName(string(sid))
			}
		}
		if !g.row(m, err) {
			return false
		}
	}
	return true
}

// file finds the file that an entry names, and whether it has what the entry
// says.
func (g *metaReader) file(m *Meta, ref ntfs.Ref, has func(ntfs.File) bool) {
	m.Ref = RefOf(ref)
	f, ok := g.n.cat.Lookup(ref)
	switch {
	case !ok:
		m.Fault = "no entry with this sequence number"
		return
	case !f.InUse():
		m.Fault = "the entry is not in use"
	case !has(f):
		m.Fault = "the entry has none"
	}
	if e := g.b.entry(f); len(e.Names) > 0 {
		m.Path, m.Proof = e.Names[0].Path, e.Names[0].Proof
	}
}

// metaSums proves what the entries say by the indexes of the volume, both ways.
func (n *NTFS) metaSums(ctx context.Context) []CoverageLine {
	objects := viewSum{what: "object ids in $ObjId", none: "has none"}
	for e, err := range n.cat.ObjectIDs() {
		objects.add(n, e.Ref, err, ntfs.File.HasObjectID)
	}
	points := viewSum{what: "reparse points in $Reparse", none: "has none, or another tag"}
	for e, err := range n.cat.ReparsePoints() {
		points.add(n, e.Ref, err, func(f ntfs.File) bool { return f.HasReparse() && f.ReparseTag() == e.Tag })
	}
	for f := range n.cat.Files() {
		if ctx.Err() != nil {
			return nil
		}
		if f.InUse() {
			objects.file(f, f.HasObjectID())
			points.file(f, f.HasReparse())
		}
	}
	out := append(objects.line(), points.line()...)
	if sec, ok, err := n.security(); err != nil {
		out = append(out, CoverageLine{"descriptors in $Secure", 0, Unread, err.Error()})
	} else if ok {
		var lost []uint64
		line := CoverageLine{What: "descriptors in $Secure", Count: uint64(sec.Len())}
		for id, err := range n.cat.MissingDescriptors(sec) {
			if err != nil {
				line.Verdict, line.Detail = Unread, err.Error()
				break
			}
			lost = append(lost, uint64(id))
		}
		if line.Verdict == "" {
			line.Verdict, line.Detail = verdict(len(lost) == 0), strings.TrimPrefix(list(", in its index and lost: ", lost), ", ")
		}
		if d := sec.Damage(); len(d) > 0 {
			line.Detail = strings.TrimPrefix(line.Detail+fmt.Sprintf("; %d damages, of which the store's copies make good what is not listed: %v", len(d), &d[0]), "; ")
		}
		out = append(out, line)
	}
	return out
}

// viewSum compares the files that an index names with those that have what it
// lists.
type viewSum struct {
	what, none string
	named      map[ntfs.Ref]bool
	count      uint64
	wrong      []uint64 // entries of files that have nothing of the kind
	missing    []uint64 // entries that the index does not name
	have       uint64
	err        error
}

func (s *viewSum) add(n *NTFS, ref ntfs.Ref, err error, has func(ntfs.File) bool) {
	if err != nil {
		s.err = err
		return
	}
	if s.named == nil {
		s.named = map[ntfs.Ref]bool{}
	}
	s.count++
	s.named[ref] = true
	if f, ok := n.cat.Lookup(ref); !ok || !f.InUse() || !has(f) {
		s.wrong = append(s.wrong, ref.Record())
	}
}

func (s *viewSum) file(f ntfs.File, has bool) {
	if !has {
		return
	}
	s.have++
	if !s.named[f.Ref()] {
		s.missing = append(s.missing, f.Ref().Record())
	}
}

// line is nothing where there is neither an index nor a file for it.
func (s *viewSum) line() []CoverageLine {
	switch {
	case s.err != nil:
		return []CoverageLine{{s.what, s.count, Unread, s.err.Error()}}
	case s.count == 0 && s.have == 0:
		return nil
	}
	d := fmt.Sprintf("%d entries in use have one", s.have)
	d += list(", not in the index: ", s.missing) + list(", named by the index, and the entry is not in use, "+s.none+": ", s.wrong)
	return []CoverageLine{{s.what, s.count, verdict(len(s.missing)+len(s.wrong) == 0), d}}
}
