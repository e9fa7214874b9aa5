package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"sync"
	"unicode"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/fat"
)

// FAT is a volume of FAT12, FAT16, FAT32 or exFAT. It may be used by several
// goroutines at once.
//
// The number of an entry is its place on the volume in units of 32 bytes, which
// is the size of a slot in a directory; that of the root, which has no entry, is 2.
// A directory without an entry that is known has sequence number 1, all others 0.
//
// A path is live, freed (a directory was deleted, and its clusters still hold the
// list) or unknown.
type FAT struct {
	vol *fat.Volume
	cat *fat.Catalog
	at  locator.Locator
	opt Options

	once sync.Once
	kids map[int64][]int // Off of a directory -> its entries
	fold sync.Once
	up   []uint16
}

var _ FS = (*FAT)(nil)

// fatRoot is the reference of the root directory.
var fatRoot = Ref{Entry: 2}

// The proofs of a path on FAT, beside "live" and "unknown".
const proofFreed = "freed"

// OpenFAT reads the boot sector and all directories of a volume of size bytes.
func OpenFAT(ctx context.Context, r io.ReaderAt, size int64, opt Options) (*FAT, error) {
	vol, err := fat.Open(r, size)
	if err != nil {
		return nil, fmt.Errorf("open FAT volume: %w", err)
	}
	cat, err := vol.Scan(ctx)
	if err != nil {
		return nil, err
	}
	return &FAT{vol: vol, cat: cat, at: opt.At, opt: opt}, nil
}

func fatRef(off int64) Ref {
	if off == 0 {
		return fatRoot
	}
	return Ref{Entry: uint64(off / 32), Sequence: uint16(off % 32)}
}

// entryAt finds an entry; nil is the root.
func (f *FAT) entryAt(ref Ref) (*fat.Entry, error) {
	if ref.Entry == fatRoot.Entry && ref.Sequence == 0 {
		return nil, nil
	}
	if ref.Entry < 1<<58 && ref.Sequence < 32 {
		if e, ok := f.cat.Entry(int64(ref.Entry)*32 + int64(ref.Sequence)); ok {
			return e, nil
		}
	}
	return nil, fmt.Errorf("entry %d-%d: %w", ref.Entry, ref.Sequence, fs.ErrNotExist)
}

// Entry decodes one entry.
func (f *FAT) Entry(ctx context.Context, ref Ref) (*Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e, err := f.entryAt(ref)
	if err != nil {
		return nil, err
	}
	return f.entry(e), nil
}

// Walk yields every entry by its place, the root first.
func (f *FAT) Walk(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		if ctx.Err() != nil {
			yield(nil, ctx.Err())
			return
		}
		if !yield(f.entry(nil), nil) {
			return
		}
		list := f.cat.Entries()
		for i := range list {
			if i%1024 == 0 && ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !yield(f.entry(&list[i]), nil) {
				return
			}
		}
	}
}

func (f *FAT) entry(e *fat.Entry) *Entry {
	if e == nil {
		return &Entry{Ref: fatRoot, State: Live, InUse: true, Kind: Dir, Names: []Name{{Proof: "live", Parent: fatRoot}}}
	}
	out := &Entry{Ref: fatRef(e.Off), State: Live, InUse: !e.Deleted, Kind: File, Attributes: uint32(e.Attr), Links: 1}
	times := [4]fat.Time{e.Created, e.Modified, {}, e.Accessed}
	out.SI = Times{event.Ticks(times[0].Ticks), event.Ticks(times[1].Ticks), 0, event.Ticks(times[3].Ticks)}
	out.Clock.Precision = [4]event.Precision{event.Milli, event.TwoSecond, "", event.Day}
	if f.vol.Geometry().Kind == fat.ExFAT {
		out.Clock.Precision = [4]event.Precision{event.Milli, event.Milli, "", event.TwoSecond}
	}
	for i, t := range times {
		out.Clock.Local[i] = t.Ticks != 0 && !t.UTC
	}
	path, proof, known := f.path(e)
	n := Name{Path: path, Base: f.name(e), Proof: proof, Parent: fatRef(max(e.Parent, 0))}
	if !escape.Plain(path) {
		n.UTF16 = unitsOf(path)
	}
	out.Names = []Name{n}
	switch {
	case e.Deleted && !known:
		out.State = Orphan
	case e.Deleted:
		out.State = Deleted
	}
	if e.Odd != "" {
		out.Problems = append(out.Problems, e.Odd)
	}
	if e.IsDir() {
		out.Kind = Dir
		return out
	}
	s := StreamInfo{Size: e.Size, Initialised: e.Valid}
	cs := f.vol.Geometry().ClusterSize
	s.Allocated = (e.Size + cs - 1) / cs * cs
	if e.Deleted && e.Size > 0 {
		s.Allocated = 0
		if e.First == 0 {
			s.Note = "its first cluster is not known"
		} else if e.Assumed {
			s.Note = "that its clusters follow the first one is an assumption"
		}
	}
	out.Streams = []StreamInfo{s}
	return out
}

// name is the last name of an entry; a directory that nothing leads to is named
// after its cluster.
func (f *FAT) name(e *fat.Entry) string {
	if e.Name == "" {
		return fmt.Sprintf("cluster %d", e.First)
	}
	return e.Name
}

// path is where an entry lies; known is false where the way from the root is not.
func (f *FAT) path(e *fat.Entry) (path, proof string, known bool) {
	names := []string{f.name(e)}
	proof = "live"
	size := len(names[0])
	for p := e; ; {
		if p.Parent == 0 && p.Name != "" {
			break
		}
		up, ok := f.cat.Entry(p.Parent)
		const longest = 64 << 10
		if !ok || p.Name == "" || size > longest {
			names, proof = append(names, "?"), "unknown"
			break
		}
		if up.Deleted {
			proof = proofFreed
		}
		p = up
		names = append(names, f.name(p))
		size += len(p.Name) + 1
	}
	for i, j := 0, len(names)-1; i < j; i, j = i+1, j-1 {
		names[i], names[j] = names[j], names[i]
	}
	return strings.Join(names, "/"), proof, proof != "unknown"
}

func (f *FAT) children(off int64) []int {
	f.once.Do(func() {
		f.kids = map[int64][]int{}
		for i := range f.cat.Entries() {
			p := f.cat.Entries()[i].Parent
			f.kids[p] = append(f.kids[p], i)
		}
	})
	return f.kids[off]
}

func (f *FAT) dirOff(ref Ref) (off int64, deleted bool, err error) {
	e, err := f.entryAt(ref)
	if e == nil {
		return 0, false, err
	}
	return e.Off, e.Deleted, nil
}

// Children yields the names in a directory by their places: of a live directory
// the live ones, of a deleted one all.
func (f *FAT) Children(ctx context.Context, dir Ref) iter.Seq2[DirEntry, error] {
	return func(yield func(DirEntry, error) bool) {
		off, deleted, err := f.dirOff(dir)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(DirEntry{}, err)
			return
		}
		for _, i := range f.children(off) {
			e := &f.cat.Entries()[i]
			if e.Deleted && !deleted {
				continue
			}
			kind := File
			if e.IsDir() {
				kind = Dir
			}
			if !yield(DirEntry{Name: f.name(e), Ref: fatRef(e.Off), Kind: kind}, nil) {
				return
			}
		}
	}
}

// Open opens the content of a file. Of a deleted one it is what lies in the
// clusters that it is assumed to have had: Recovery says what became of them.
func (f *FAT) Open(ctx context.Context, ref Ref, stream string) (Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e, err := f.file(ref, stream)
	if err != nil {
		return nil, err
	}
	return &fatStream{f.cat.Open(e), f.imageOffset}, nil
}

func (f *FAT) file(ref Ref, stream string) (*fat.Entry, error) {
	e, err := f.entryAt(ref)
	if err == nil && (e == nil || e.IsDir() || stream != "") {
		err = fmt.Errorf("entry %d: stream %q: %w", ref.Entry, escape.Text(stream), fs.ErrNotExist)
	}
	return e, err
}

// ShortName is the name of eleven bytes beside a long one, as it is shown; "" for
// none.
func (f *FAT) ShortName(ref Ref) string {
	e, err := f.entryAt(ref)
	if err != nil || e == nil || e.Units == nil {
		return ""
	}
	return e.ShortName()
}

// Extents are the clusters of a file, as far as they are known.
func (f *FAT) Extents(ref Ref) ([]fat.Extent, error) {
	e, err := f.file(ref, "")
	if err != nil {
		return nil, err
	}
	return f.cat.Extents(e)
}

type fatStream struct {
	*fat.Content
	place func(off int64) int64
}

func (s *fatStream) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.Content.ReadAt(p, off)
	if re, ok := err.(*fat.RangeError); ok {
		err = &StreamError{re.From, re.To, re}
	}
	return n, err
}

func (s *fatStream) DiskOffset(off int64) (int64, bool) {
	at, ok := s.Content.DiskOffset(off)
	if at = s.place(at); !ok || at < 0 {
		return 0, false
	}
	return at, true
}

func (f *FAT) imageOffset(off int64) int64 {
	if off < 0 || f.opt.Medium != "" {
		return -1
	}
	return f.opt.Base + off
}

// Place says where a byte of the volume lies, for people.
func (f *FAT) Place(off int64) string { return place(f.opt, off) }

// Recovery tells what can be had of a deleted file. FAT does not keep which
// clusters a file had, so more than its first one is never proven.
func (f *FAT) Recovery(ref Ref, stream string) (Recovery, error) {
	e, err := f.file(ref, stream)
	if err != nil {
		return Recovery{}, err
	}
	r := Recovery{Verdict: "whole"}
	foreign, doubt := int64(0), false
	for _, p := range f.cat.Pieces(e) {
		if p.Fate == fat.Free {
			r.Own += p.Len
			continue
		}
		x := RecoveryRange{Off: p.Off, Len: p.Len, What: p.Fate.String(), Foreign: p.Fate != fat.Claimed}
		if p.Owner != nil {
			x.Owner = fatRef(p.Owner.Off)
		}
		if x.Foreign {
			foreign += p.Len
		} else {
			doubt = true
		}
		r.Ranges = append(r.Ranges, x)
	}
	cs := f.vol.Geometry().ClusterSize
	if e.Assumed && e.Size > cs {
		doubt = true
		r.Own = min(r.Own, cs)
		r.Ranges = append(r.Ranges, RecoveryRange{Off: cs, Len: e.Size - cs, What: "assumed to follow the first cluster"})
	}
	if g := f.vol.Geometry(); g.Kind == fat.FAT32 && e.Size > 0 && g.Clusters > 1<<16 && e.First < 1<<16 {
		doubt = true
		r.Own = 0
		r.Ranges = append(r.Ranges, RecoveryRange{Len: e.Size, What: "in doubt: Windows clears the upper half of the first cluster's number when it deletes a file, and it is 0"})
	}
	switch {
	case foreign > 0 && foreign >= e.Size:
		r.Verdict = "overwritten"
	case foreign > 0:
		r.Verdict = "partly overwritten"
	case doubt:
		r.Verdict = "unproven"
	}
	return r, nil
}

// Changes gives ErrNoJournal: there is none.
func (f *FAT) Changes(ctx context.Context) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) { yield(Change{}, ErrNoJournal) }
}

// Info is what the volume says of itself.
func (f *FAT) Info() Info {
	g := f.vol.Geometry()
	i := Info{Kind: g.Kind.String(), Label: f.cat.Label(), Serial: uint64(g.Serial), ClusterSize: int(g.ClusterSize), RecordSize: 32, Dirty: g.Dirty,
		Entries: len(f.cat.Entries()) + 1, LiveCount: 1}
	for k := range f.cat.Entries() {
		e := &f.cat.Entries()[k]
		switch _, _, known := f.path(e); {
		case !e.Deleted:
			i.LiveCount++
		case known:
			i.Deleted++
		default:
			i.Orphans++
		}
	}
	return i
}

// Problems lists what was wrong with the volume and its directories.
func (f *FAT) Problems() []problem.Problem {
	var out []problem.Problem
	list, more := f.cat.Problems()
	for _, err := range append(f.vol.Problems(), list...) {
		p := problem.Problem{At: f.at, Source: f.vol.Geometry().Kind.String(), Kind: problem.Malformed, Severity: problem.Lost, Found: err.Error()}
		if errors.Unwrap(err) != nil {
			p.Kind = problem.Unreadable
		}
		if o, ok := err.(interface{ Offset() int64 }); ok {
			p.At.Offset = o.Offset()
			p.Found += ", " + f.Place(o.Offset())
		}
		out = append(out, p)
	}
	if more > 0 {
		out = append(out, problem.Problem{At: f.at, Source: f.vol.Geometry().Kind.String(), Kind: problem.OverLimit, Severity: problem.Lost,
			Found: fmt.Sprintf("%d more are counted, not listed", more)})
	}
	return out
}

// upcase is the case table: that of exFAT, else the letters of Unicode, as FAT has
// none.
func (f *FAT) upcase() []uint16 {
	f.fold.Do(func() {
		f.up = make([]uint16, 65536)
		for i := range f.up {
			f.up[i] = f.cat.Upper(uint16(i))
			if r := unicode.ToUpper(rune(i)); f.vol.Geometry().Kind != fat.ExFAT && r < 65536 {
				f.up[i] = uint16(r)
			}
		}
	})
	return f.up
}
