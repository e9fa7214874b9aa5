package store

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

// Times are the four times of an attribute.
type Times struct{ Created, Modified, Changed, Accessed event.Ticks }

// File is one stream under one name of one entry: the row of ks-walk list.
type File struct {
	Exhibit, Machine string
	Volume, Snapshot int
	Entry            uint64
	Sequence         uint16
	Kind, State      string
	Path             string // escaped where it is no UTF-8; PathUTF16 is exact
	PathUTF16        []byte
	PathProof        string
	ParentEntry      uint64
	ParentSequence   uint16
	Link             int // which of the entry's names, from 0
	Stream           string
	Size             int64
	Initialised      int64
	Allocated        int64
	Flags            []string // "resident", "compressed", "sparse", "encrypted"
	Note             string
	Attributes       uint32
	ReparseTag       uint32
	SI, FN           Times
	SHA256           string
	Problems         []string
}

// fileKey is the order in which file rows must come: that of a walk.
type fileKey struct {
	volume, snapshot int
	entry            uint64
}

func (k fileKey) before(o fileKey) bool {
	if k.volume != o.volume {
		return k.volume < o.volume
	}
	if k.snapshot != o.snapshot {
		return k.snapshot < o.snapshot
	}
	return k.entry < o.entry
}

// File adds a row to store/files. Rows come in the order of volume, snapshot
// and entry, from one goroutine: they are written as they come.
func (b *Builder) File(f *File) error {
	key := fileKey{f.Volume, f.Snapshot, f.Entry}
	if key.before(b.lastFile) {
		return fmt.Errorf("file rows out of order: entry %d of volume %d after entry %d of volume %d", f.Entry, f.Volume, b.lastFile.entry, b.lastFile.volume)
	}
	b.lastFile = key
	r := fileRow{
		Exhibit: b.exhibit, Machine: text(f.Machine), Volume: int32(f.Volume), Snapshot: int32(f.Snapshot),
		Entry: int64(f.Entry), Sequence: int32(f.Sequence), Kind: f.Kind, State: f.State, Path: text(f.Path),
		PathProof: f.PathProof, PathUTF16: hex.EncodeToString(f.PathUTF16),
		ParentEntry: int64(f.ParentEntry), ParentSequence: int32(f.ParentSequence), Link: int32(f.Link),
		Stream: text(f.Stream), Size: f.Size, Initialised: f.Initialised, Allocated: f.Allocated,
		Flags: strings.Join(f.Flags, ","), Note: text(f.Note), Attributes: int64(f.Attributes), ReparseTag: int64(f.ReparseTag),
		SICreatedTicks: int64(f.SI.Created), SIModifiedTicks: int64(f.SI.Modified), SIChangedTicks: int64(f.SI.Changed), SIAccessedTicks: int64(f.SI.Accessed),
		FNCreatedTicks: int64(f.FN.Created), FNModifiedTicks: int64(f.FN.Modified), FNChangedTicks: int64(f.FN.Changed), FNAccessedTicks: int64(f.FN.Accessed),
		SHA256: f.SHA256,
	}
	if len(f.Problems) > 0 {
		r.Problems = jsonList(f.Problems)
	}
	n := new([8]int64)
	for i, c := range []struct {
		t  event.Ticks
		to **int64
	}{{f.SI.Created, &r.SICreated}, {f.SI.Modified, &r.SIModified}, {f.SI.Changed, &r.SIChanged}, {f.SI.Accessed, &r.SIAccessed},
		{f.FN.Created, &r.FNCreated}, {f.FN.Modified, &r.FNModified}, {f.FN.Changed, &r.FNChanged}, {f.FN.Accessed, &r.FNAccessed}} {
		*c.to = micros(c.t, &n[i])
	}
	b.fileBuf = append(b.fileBuf, r)
	b.fileSize += int64(len(r.Path)+len(r.Stream)+len(r.Problems)) + 256
	if len(b.fileBuf) < batchRows {
		return nil
	}
	return b.flushFiles()
}

func (b *Builder) flushFiles() error {
	if len(b.fileBuf) == 0 {
		return nil
	}
	err := b.files.write(b.fileBuf, b.fileSize)
	b.fileBuf, b.fileSize = b.fileBuf[:0], 0
	return err
}

func (b *Builder) closeFiles() error {
	if err := b.flushFiles(); err != nil {
		return err
	}
	return b.files.close()
}

// text makes every text readable for every engine.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return escape.Text(s)
}

func jsonList(v []string) string {
	return event.List("", v).Text()
}

func placeOf(at locator.Locator, source string) place {
	return place{
		Volume: int32(at.Volume), Snapshot: int32(at.Snapshot), SourceEntry: int64(at.Entry), SourceSequence: int32(at.Sequence),
		SourceStream: text(at.Stream), Inner: text(at.Inner), Offset: at.Offset, Source: text(source),
	}
}

func (p *place) locator(exhibit string) locator.Locator {
	return locator.Locator{
		Exhibit: exhibit, Volume: int(p.Volume), Snapshot: int(p.Snapshot), Entry: uint64(p.SourceEntry),
		Sequence: uint16(p.SourceSequence), Stream: p.SourceStream, Inner: p.Inner, Offset: p.Offset,
	}
}

// writeSmall writes the tables that are held in memory until the end.
func (b *Builder) writeSmall(t *Totals) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.SortFunc(b.coverage, coverage.Compare)
	slices.SortFunc(b.problems, problem.Compare)
	slices.SortFunc(b.sources, coverage.CompareSources)
	b.coverage, b.problems = slices.Compact(b.coverage), slices.Compact(b.problems)

	cov := make([]coverageRow, len(b.coverage))
	for i, f := range b.coverage {
		n := new(numbers)
		cov[i] = coverageRow{
			Exhibit: b.exhibit, Machine: text(f.Machine), Artifact: f.Artifact, place: placeOf(f.At, f.Source),
			From: micros(f.From, &n.time), To: micros(f.To, &n.to), FromTicks: int64(f.From), ToTicks: int64(f.To),
			History: string(f.History), State: string(f.State), Verdict: string(f.Verdict()), Untrusted: text(f.Untrusted),
			How: text(f.How), First: int64(f.First), Last: int64(f.Last), Gaps: int64(f.Gaps), Evidence: text(f.Evidence),
		}
	}
	prob := make([]problemRow, len(b.problems))
	for i, p := range b.problems {
		prob[i] = problemRow{
			Exhibit: b.exhibit, Artifact: p.Artifact, place: placeOf(p.At, p.Source), Length: p.Length,
			Kind: string(p.Kind), Severity: string(p.Severity), Expected: text(p.Expected), Found: text(p.Found),
		}
	}
	src := make([]sourceRow, len(b.sources))
	for i, s := range b.sources {
		src[i] = sourceRow{
			Exhibit: b.exhibit, Artifact: s.Artifact, place: placeOf(s.At, s.Source), Size: s.Size,
			Declared: s.Counts.Declared, Decoded: s.Counts.Decoded, Recovered: s.Counts.Recovered, Failed: s.Counts.Failed,
			State: string(s.State), SHA256: s.SHA256,
		}
	}
	t.Coverage, t.Problems, t.Sources = int64(len(cov)), int64(len(prob)), int64(len(src))
	if err := writeRows(b.newDir(Coverage), cov); err != nil {
		return err
	}
	if err := writeRows(b.newDir(Problems), prob); err != nil {
		return err
	}
	return writeRows(b.newDir(Sources), src)
}

func writeRows[T any](dir string, rows []T) error {
	out := &file[T]{dir: dir}
	defer out.abandon()
	for part := range slices.Chunk(rows, batchRows) {
		if err := out.write(part, int64(len(part))*256); err != nil {
			return err
		}
	}
	return out.close()
}
