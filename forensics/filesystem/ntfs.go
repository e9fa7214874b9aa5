package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sync"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/ntfs"
)

// NTFS is an NTFS volume. It may be used by several goroutines at once.
//
// The reference of an entry that was deleted is the one under which it was
// known: the record itself holds a sequence number that is one higher.
type NTFS struct {
	vol *ntfs.Volume
	cat *ntfs.Catalog
	at  locator.Locator
	opt Options

	count                  sync.Once
	live, deleted, orphans int

	secOnce sync.Once
	sec     *ntfs.Security
	secOK   bool
	secErr  error

	pastOnce sync.Once
	past     *ntfs.PathHistory
}

// Options of OpenNTFS, OpenMFT and OpenFAT.
type Options struct {
	At   locator.Locator // exhibit, volume and snapshot
	Base int64           // byte of the image at which the volume begins
	// Medium names what the volume is read from where that is not the image
	// itself: its bytes have no place in the image that would show them.
	Medium string
}

var _ FS = (*NTFS)(nil)

// Errors of an NTFS volume.
var (
	// ErrNoJournal says that the volume has no change journal.
	ErrNoJournal = errors.New("no change journal ($Extend/$UsnJrnl:$J) on this volume")
	// ErrElsewhere says that the content of a stream is not what lies in its
	// clusters.
	ErrElsewhere = errors.New("content is not in the clusters of the stream")
)

// OpenNTFS reads the boot sector and the $MFT of a volume of size bytes.
func OpenNTFS(ctx context.Context, r io.ReaderAt, size int64, opt Options) (*NTFS, error) {
	vol, err := ntfs.Open(r, size, ntfs.Options{})
	if err != nil {
		return nil, fmt.Errorf("open NTFS volume: %w", err)
	}
	cat, err := vol.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the $MFT: %w", err)
	}
	return newNTFS(vol, cat, opt), nil
}

// OpenSnapshot is OpenNTFS for a volume that is today's but for changed ranges
// (offset and length): only what lies in them is read and decoded again.
func OpenSnapshot(ctx context.Context, today *NTFS, r io.ReaderAt, size int64, changed iter.Seq2[int64, int64], opt Options) (*NTFS, error) {
	vol, err := ntfs.Open(r, size, ntfs.Options{})
	if err != nil {
		return nil, fmt.Errorf("open NTFS volume: %w", err)
	}
	cat, err := vol.ScanFrom(ctx, today.cat, changed)
	if err != nil {
		return nil, fmt.Errorf("read the $MFT: %w", err)
	}
	return newNTFS(vol, cat, opt), nil
}

// Differs tells whether an MFT entry of a snapshot is not that of today, byte for
// byte; true of every entry where that is not known.
func (n *NTFS) Differs(entry uint64) bool {
	f, ok := n.cat.File(entry)
	return !ok || f.Differs()
}

// OpenMFT reads an $MFT that was taken from its volume: names, times and
// resident content, nothing that lies in clusters.
func OpenMFT(ctx context.Context, r io.ReaderAt, size int64, opt Options) (*NTFS, error) {
	vol, err := ntfs.OpenMFT(r, size, ntfs.Options{})
	if err != nil {
		return nil, fmt.Errorf("open $MFT: %w", err)
	}
	cat, err := vol.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the $MFT: %w", err)
	}
	return newNTFS(vol, cat, opt), nil
}

func newNTFS(vol *ntfs.Volume, cat *ntfs.Catalog, opt Options) *NTFS {
	n := &NTFS{vol: vol, cat: cat, at: opt.At, opt: opt}
	cat.NameGone((&gone{n: n}).find)
	return n
}

// Place says where a byte of the volume lies, for people.
func (n *NTFS) Place(off int64) string { return place(n.opt, off) }

func place(opt Options, off int64) string {
	if opt.Medium != "" {
		return fmt.Sprintf("at byte %#x of the %s", off, opt.Medium)
	}
	return fmt.Sprintf("at byte %#x of the image", opt.Base+off)
}

// imageOffset is the byte of the image that is a byte of the volume, or -1.
func (n *NTFS) imageOffset(off int64) int64 {
	if off < 0 || n.opt.Medium != "" {
		return -1
	}
	return n.opt.Base + off
}

// Slots tells how many entries the $MFT of a volume has room for, without
// reading them: what OpenNTFS needs in memory goes with them.
func Slots(r io.ReaderAt, size int64) (uint64, error) {
	vol, err := ntfs.Open(r, size, ntfs.Options{})
	if err != nil {
		return 0, fmt.Errorf("open NTFS volume: %w", err)
	}
	return vol.Entries(), nil
}

// Catalog is the index of all entries, for what goes beyond FS.
func (n *NTFS) Catalog() *ntfs.Catalog { return n.cat }

func (n *NTFS) file(ref Ref) (ntfs.File, error) {
	f, ok := n.cat.Lookup(refTo(ref))
	if !ok {
		return f, fmt.Errorf("entry %d-%d: %w", ref.Entry, ref.Sequence, fs.ErrNotExist)
	}
	return f, nil
}

// RefOf is the reference as the volume has it.
func RefOf(r ntfs.Ref) Ref { return Ref{Entry: r.Record(), Sequence: r.Seq()} }

// refTo is the inverse of RefOf.
func refTo(r Ref) ntfs.Ref { return ntfs.MakeRef(r.Entry, r.Sequence) }

// Entry decodes one entry.
func (n *NTFS) Entry(ctx context.Context, ref Ref) (*Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := n.file(ref)
	if err != nil {
		return nil, err
	}
	b := builder{n: n}
	return b.entry(f), nil
}

// Walk yields every entry in MFT order. No error belongs to one entry: what
// could not be decoded of it stands in its Problems.
func (n *NTFS) Walk(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		b := builder{n: n}
		for f := range n.cat.Files() {
			if b.count++; b.count%1024 == 0 && ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !yield(b.entry(f), nil) {
				return
			}
		}
	}
}

// Children yields the names in a directory, in MFT order: of a live directory
// the live ones, of a deleted one all.
func (n *NTFS) Children(ctx context.Context, dir Ref) iter.Seq2[DirEntry, error] {
	return func(yield func(DirEntry, error) bool) {
		f, err := n.file(dir)
		if err != nil {
			yield(DirEntry{}, err)
			return
		}
		count := 0
		for l, kid := range f.Children() {
			if count++; count%1024 == 0 && ctx.Err() != nil {
				yield(DirEntry{}, ctx.Err())
				return
			}
			if f.InUse() && !kid.InUse() {
				continue
			}
			if !yield(DirEntry{Name: text(l.Name()), Ref: RefOf(kid.Was()), Kind: kindOf(kid)}, nil) {
				return
			}
		}
	}
}

// Open opens a $DATA stream by its name, first the exact one, then without
// regard to case. Where the content is not in the clusters (WOF, the cloud) it
// gives ErrElsewhere: zeros would be a lie.
func (n *NTFS) Open(ctx context.Context, ref Ref, stream string) (Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := n.Stream(ref, stream)
	if err != nil {
		return nil, err
	}
	return n.OpenStream(s)
}

// OpenStream is Open for a stream that Piece gave.
func (n *NTFS) OpenStream(s ntfs.Stream) (Stream, error) {
	if why := s.Elsewhere(); why != "" {
		return nil, fmt.Errorf("entry %d: %s: %w", s.File().Ref().Record(), why, ErrElsewhere)
	}
	rd, err := s.Open(0)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	return &openStream{rd: rd, init: s.Initialized(), place: n.imageOffset}, nil
}

// OpenZeroFill is Open, reading on through ranges that cannot be read: they
// are zeros, and Lost of the reader lists them.
func (n *NTFS) OpenZeroFill(ref Ref, stream string) (*ntfs.Reader, error) {
	s, err := n.Stream(ref, stream)
	if err != nil {
		return nil, err
	}
	if why := s.Elsewhere(); why != "" {
		return nil, fmt.Errorf("entry %d: %s: %w", ref.Entry, why, ErrElsewhere)
	}
	return s.Open(ntfs.ZeroFill)
}

// Remnants tells for a stream of a deleted entry which of its bytes are proven
// to be its own.
func (n *NTFS) Remnants(ref Ref, stream string) ([]ntfs.Remnant, error) {
	s, err := n.Stream(ref, stream)
	if err != nil {
		return nil, err
	}
	return s.Remnants(), nil
}

// Stream finds a data stream by its name, first the exact one, then without
// regard to case.
func (n *NTFS) Stream(ref Ref, stream string) (ntfs.Stream, error) {
	f, err := n.file(ref)
	if err != nil {
		return ntfs.Stream{}, err
	}
	s, ok := f.StreamFold(stream)
	if !ok {
		return s, fmt.Errorf("entry %d: stream %q: %w", ref.Entry, escape.Text(stream), fs.ErrNotExist)
	}
	return s, nil
}

type openStream struct {
	rd    *ntfs.Reader
	init  int64
	place func(off int64) int64
}

func (s *openStream) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.rd.ReadAt(p, off)
	return n, streamError(err)
}

func (s *openStream) WriteTo(w io.Writer) (int64, error) {
	n, err := s.rd.WriteTo(w)
	return n, streamError(err)
}

func (s *openStream) Size() int64      { return s.rd.Size() }
func (s *openStream) ValidSize() int64 { return s.init }

// StreamError says which bytes of a stream could not be read. Its Offset is
// one of the stream; the text names the byte of the volume.
type StreamError struct {
	From, To int64
	Err      error
}

func (e *StreamError) Error() string { return e.Err.Error() }

// Offset is the first byte of the stream that could not be read.
func (e *StreamError) Offset() int64 { return e.From }

func (e *StreamError) Unwrap() error { return e.Err }

func streamError(err error) error {
	if re, ok := err.(*ntfs.RangeError); ok {
		return &StreamError{re.From, re.To, re}
	}
	return err
}

func (s *openStream) DiskOffset(off int64) (int64, bool) {
	at := s.place(s.rd.DiskOffset(off))
	return max(at, 0), at >= 0
}

// Info counts the entries and says what $Volume says.
func (n *NTFS) Info() Info {
	g, cov := n.vol.Geometry(), n.cat.Coverage()
	info := Info{Kind: "NTFS", Serial: g.Serial, ClusterSize: int(g.ClusterSize), RecordSize: int(g.RecordSize)}
	if v, err := n.vol.Info(); err == nil {
		info.Kind = fmt.Sprintf("NTFS %d.%d", v.Major, v.Minor)
		info.Label, info.Dirty = v.Label, v.Flags&ntfs.VolumeDirty != 0
		info.Created = event.Ticks(v.Created)
	}
	info.Entries = int(cov.Live + cov.Deleted + cov.Leftover + cov.Bad)
	n.count.Do(n.countStates)
	info.LiveCount, info.Deleted, info.Orphans = n.live, n.deleted, n.orphans
	return info
}

func (n *NTFS) countStates() {
	b := builder{n: n}
	for f := range n.cat.Files() {
		switch b.entry(f).State {
		case Live:
			n.live++
		case Deleted:
			n.deleted++
		case Orphan:
			n.orphans++
		}
	}
}

// Problems lists what was wrong with the boot sector and the $MFT. The place is
// that in $MFT or $Boot; what is found names the byte of the medium.
func (n *NTFS) Problems() []problem.Problem {
	var out []problem.Problem
	for _, d := range n.vol.Findings() {
		out = append(out, n.problem(d))
	}
	for _, d := range n.cat.Damage() {
		out = append(out, n.problem(d))
	}
	if k := n.cat.DamageNotKept(); k > 0 {
		p := problem.Problem{At: n.at, Source: "$MFT", Kind: problem.OverLimit, Severity: problem.Lost,
			Found: fmt.Sprintf("%d more damages are counted, not listed", k)}
		out = append(out, p)
	}
	return out
}

func (n *NTFS) problem(d ntfs.Damage) problem.Problem {
	p := problem.Problem{At: n.at, Source: "$MFT", Kind: problem.Malformed, Severity: problem.Lost, Length: d.Len, Found: d.Error()}
	if d.Kind == ntfs.BootDamaged || d.Kind == ntfs.BootDiffers {
		p.Source, p.At.Entry, p.At.Sequence, p.At.Offset = "$Boot", 7, 7, d.Off
	} else {
		rs := int64(n.vol.Geometry().RecordSize)
		p.At.Entry, p.At.Sequence, p.At.Offset = 0, 1, int64(d.Record)*rs
		if f, ok := n.cat.File(d.Record); ok && d.Off >= f.Offset() && d.Off < f.Offset()+rs {
			p.At.Offset += d.Off - f.Offset()
		}
	}
	switch {
	case d.Kind == ntfs.Unreadable || d.Kind == ntfs.MissingPiece:
		p.Kind = problem.Unreadable
	case d.Kind == ntfs.TooLong:
		p.Kind = problem.OverLimit
	case d.Kind == ntfs.NotHere || d.Kind == ntfs.NoVolume:
		p.Kind = problem.Unsupported
	case d.Kind.Doubt():
		p.Kind, p.Severity = problem.Inconsistent, problem.Doubt
	}
	if d.Off >= 0 {
		p.Found += ", " + n.Place(d.Off)
	}
	return p
}
