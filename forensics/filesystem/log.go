package filesystem

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"kanshiki/forensics/event"
	"kanshiki/parsers/lfs"
	"kanshiki/parsers/ntfs"
)

// LogRecord is one record of $LogFile with what it says of a file.
//
// It proves that the driver meant to make this change, and logged it, before
// the time of the next records that have one: the log has no clock of its own.
// Records in pages of an earlier round are as true as others; what lay between
// is overwritten.
type LogRecord struct {
	LSN         uint64
	Transaction uint32
	Redo, Undo  string
	Offset      int64 // in $LogFile
	Earlier     bool  // before what the driver would read to recover the volume
	Copy        bool  // only in a copy of its page
	Cut         bool  // goes on in a page that is lost

	What      string // in words
	Entry     uint64 // MFT entry that is changed or named
	HasEntry  bool
	Sequence  uint16 // 0 where the record does not say
	Attribute string // of the entry, where it is known
	Name      string // WTF-8, of the file that is named
	Parent    Ref
	Path      string // of the entry, or of the directory that is changed, as it is today
	OldTimes  *Times
	NewTimes  *Times // a time that the record leaves alone is 0 in both
	Changes   []Change
	dosName   bool // Name is the short one
}

// ErrNoLog says that a volume has no records in its $LogFile.
var ErrNoLog = errors.New("no records in $LogFile: another driver mounted the volume, or it was never used")

const logRecord = 2

// Log opens the $LogFile of the volume.
func (n *NTFS) Log() (*lfs.File, error) {
	f, ok := n.cat.File(logRecord)
	if !ok {
		return nil, fmt.Errorf("entry %d ($LogFile) cannot be read", logRecord)
	}
	s, ok := f.Stream("")
	if !ok {
		return nil, fmt.Errorf("$LogFile has no content")
	}
	rd, err := s.Open(0)
	if err != nil {
		return nil, err
	}
	const most = 4 << 30 // Windows keeps it under 4 GiB
	if rd.Size() > min(most, n.vol.Size()) {
		return nil, fmt.Errorf("$LogFile of %d bytes, larger than it can be", rd.Size())
	}
	return lfs.Open(rd, rd.Size())
}

// LogRecords yields the records of $LogFile in the order in which they were
// written. A page or record that cannot be read is an error, and the rest is
// yielded.
func (n *NTFS) LogRecords(ctx context.Context, log *lfs.File) iter.Seq2[LogRecord, error] {
	return n.logRecords(ctx, log, &builder{n: n})
}

// logRecords leaves out the paths of today where it is given no builder.
func (n *NTFS) logRecords(ctx context.Context, log *lfs.File, b *builder) iter.Seq2[LogRecord, error] {
	return func(yield func(LogRecord, error) bool) {
		g := logReader{n: n, open: lfs.NewResolver(), b: b}
		count := 0
		for r, err := range log.Records() {
			if count++; count%1024 == 0 && ctx.Err() != nil {
				yield(LogRecord{}, ctx.Err())
				return
			}
			if err != nil && !yield(LogRecord{LSN: r.LSN, Offset: r.Off}, err) {
				return
			}
			if r.LSN == 0 {
				continue // of a page
			}
			if aerr := g.open.Add(&r); aerr != nil && !yield(LogRecord{LSN: r.LSN, Offset: r.Off}, aerr) {
				return
			}
			if !yield(g.record(&r, err != nil), nil) {
				return
			}
		}
	}
}

// logReader gives records their meaning.
type logReader struct {
	n    *NTFS
	open *lfs.Resolver
	b    *builder
}

func (g *logReader) record(r *lfs.Record, cut bool) LogRecord {
	l := LogRecord{LSN: r.LSN, Transaction: r.Transaction, Offset: r.Off, Earlier: !r.Needed, Copy: r.Copy, Cut: cut}
	if r.Type != lfs.ClientRecord {
		l.Redo, l.What = "restart area", "checkpoint"
		return l
	}
	o := &r.Op
	l.Redo, l.Undo = o.Redo.String(), o.Undo.String()
	geo := g.n.vol.Geometry()
	if n, ok := o.Entry(int64(geo.ClusterSize), int64(geo.RecordSize)); ok {
		l.Entry, l.HasEntry = n, true
	}
	switch o.Redo {
	case lfs.InitializeRecord:
		g.whole(&l, o.RedoData, "entry begun")
	case lfs.DeallocateRecord:
		l.What = "entry freed"
	case lfs.CreateAttribute:
		g.attribute(&l, o.RedoData, "added")
	case lfs.DeleteAttribute:
		g.attribute(&l, o.UndoData, "taken away")
	case lfs.UpdateResident:
		g.resident(&l, o)
	case lfs.AddIndexRoot, lfs.AddIndexAllocation:
		g.indexEntry(&l, o, o.RedoData, "put into the directory")
	case lfs.DeleteIndexRoot, lfs.DeleteIndexAllocation:
		g.indexEntry(&l, o, o.UndoData, "taken out of the directory")
	case lfs.UpdateNameRoot, lfs.UpdateNameAllocation:
		l.What = "times and sizes in the directory's index"
		l.NewTimes, l.OldTimes = timesAt(o.RedoData, 0), timesAt(o.UndoData, 0)
		g.target(&l, o)
	case lfs.UpdateNonresident:
		g.nonresident(&l, o)
	default:
		g.target(&l, o)
	}
	if o.Undo == lfs.InitializeRecord && l.Name == "" { // what a freed entry was
		g.whole(&l, o.UndoData, "entry freed")
	}
	if l.Path == "" && l.HasEntry {
		l.Path = g.path(l.Entry)
	}
	return l
}

// path is the first name of an entry today.
func (g *logReader) path(entry uint64) string {
	f, ok := g.n.cat.File(entry)
	if !ok {
		return ""
	}
	return g.pathOf(f)
}

func (g *logReader) pathOf(f ntfs.File) string {
	if g.b == nil {
		return ""
	}
	if e := g.b.entry(f); len(e.Names) > 0 {
		return e.Names[0].Path
	}
	return ""
}

// target says which attribute an operation on clusters is about.
func (g *logReader) target(l *LogRecord, o *lfs.Operation) {
	if l.HasEntry || o.Target == 0 {
		return
	}
	a, ok := g.open.Lookup(o.Target)
	if !ok {
		return
	}
	ref := ntfs.Ref(a.Ref)
	l.Entry, l.Sequence, l.HasEntry = ref.Record(), ref.Seq(), true
	l.Attribute = ntfs.AttrType(a.Type).String()
	if len(a.Name) > 0 {
		l.Attribute += ":" + text(a.Name)
	}
	if f, ok := g.n.cat.Lookup(ref); ok {
		l.Path = g.pathOf(f)
	}
}

// whole reads an MFT entry that was logged whole.
func (g *logReader) whole(l *LogRecord, b []byte, what string) {
	l.What = what
	rec, ok := ntfs.ParseLogged(b, l.Entry)
	if !ok {
		return
	}
	l.Sequence = rec.Seq
	for a := range rec.Attrs(nil) {
		switch a.Type {
		case ntfs.AttrStandardInformation:
			l.NewTimes = timesAt(a.Value, 0)
		case ntfs.AttrFileName:
			if fn, ok := a.FileName(); ok && (l.Name == "" || l.dosName) {
				l.Name, l.Parent, l.dosName = text(fn.Name), RefOf(fn.Parent), fn.Namespace == ntfs.NameDOS
			}
		}
	}
}

// attribute reads an attribute with its header.
func (g *logReader) attribute(l *LogRecord, b []byte, what string) {
	if len(b) < 24 {
		l.What = "attribute " + what
		return
	}
	t := ntfs.AttrType(binary.LittleEndian.Uint32(b))
	l.Attribute = t.String()
	l.What = l.Attribute + " " + what
	if b[8] != 0 {
		return
	}
	n, at := binary.LittleEndian.Uint32(b[16:]), int(binary.LittleEndian.Uint16(b[20:]))
	if at > len(b) || uint64(n) > uint64(len(b)-at) {
		return
	}
	a := ntfs.Attr{Type: t, Value: b[at : at+int(n)]}
	if fn, ok := a.FileName(); ok {
		l.Name, l.Parent, l.dosName = text(fn.Name), RefOf(fn.Parent), fn.Namespace == ntfs.NameDOS
		times := TimesOf(fn.Times)
		if what == "added" {
			l.NewTimes = &times
		} else {
			l.OldTimes = &times
		}
	}
}

// resident reads a change inside a resident value. That it is
// $STANDARD_INFORMATION the entry of today tells: it does not move.
func (g *logReader) resident(l *LogRecord, o *lfs.Operation) {
	l.What = "resident value changed"
	rec, err := g.n.vol.Record(l.Entry)
	if err != nil {
		return
	}
	for a := range rec.Attrs(nil) {
		if a.Off != int(o.RecordOffset) {
			continue
		}
		l.Attribute = a.Type.String()
		l.What = l.Attribute + " changed"
		if a.Type == ntfs.AttrStandardInformation {
			const valueAt = 24
			in := int(o.AttrOffset) - valueAt
			l.NewTimes, l.OldTimes = timesAt(o.RedoData, in), timesAt(o.UndoData, in)
		}
		return
	}
}

// timesAt reads the times that lie in b, whose first byte is byte in of the four
// times; nil where there is none.
func timesAt(b []byte, in int) *Times {
	var t [4]event.Ticks
	have := false
	for i := range t {
		if p := 8*i - in; p >= 0 && p+8 <= len(b) {
			t[i], have = event.Ticks(binary.LittleEndian.Uint64(b[p:])), true
		}
	}
	if !have {
		return nil
	}
	return &Times{t[0], t[1], t[2], t[3]}
}

// indexEntry reads an entry of a directory's index.
func (g *logReader) indexEntry(l *LogRecord, o *lfs.Operation, b []byte, what string) {
	dir := l.Entry
	hasDir := l.HasEntry
	g.target(l, o)
	l.What = "index entry " + what
	const head = 16
	if len(b) < head+66 {
		return
	}
	a := ntfs.Attr{Type: ntfs.AttrFileName, Value: b[head:]}
	fn, ok := a.FileName()
	if !ok || l.Attribute != "" && l.Attribute != "$INDEX_ALLOCATION:$I30" {
		return // of a view
	}
	ref := ntfs.Ref(binary.LittleEndian.Uint64(b))
	l.What = "name " + what
	l.Name, l.Parent, l.dosName = text(fn.Name), RefOf(fn.Parent), fn.Namespace == ntfs.NameDOS
	l.Entry, l.Sequence, l.HasEntry = ref.Record(), ref.Seq(), true
	l.Path = g.path(fn.Parent.Record())
	if hasDir && dir != fn.Parent.Record() {
		l.Path = ""
	}
	times := TimesOf(fn.Times)
	if what == "put into the directory" {
		l.NewTimes = &times
	} else {
		l.OldTimes = &times
	}
}

// nonresident reads what was written into clusters: records of the change
// journal are older than those that the journal still has.
func (g *logReader) nonresident(l *LogRecord, o *lfs.Operation) {
	g.target(l, o)
	l.What = "content of clusters changed"
	if l.Attribute != "$DATA:$J" {
		return
	}
	l.What = "record of the change journal"
	for r, err := range ntfs.ReadUSN(bytes.NewReader(o.RedoData), int64(len(o.RedoData))) {
		if err != nil {
			continue // a record may be logged in pieces
		}
		c := changeOf(r)
		c.Name = text(r.Name)
		l.Changes = append(l.Changes, c)
	}
	if len(l.Changes) > 0 {
		c := l.Changes[0]
		l.Entry, l.Sequence, l.HasEntry, l.Name, l.Parent, l.Path = c.Ref.Entry, c.Ref.Sequence, true, c.Name, c.Parent, ""
	}
}
