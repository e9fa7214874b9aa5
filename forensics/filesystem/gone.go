package filesystem

import (
	"context"
	"slices"
	"sync"

	"kanshiki/parsers/ntfs"
)

// gone knows directories whose MFT entries were used again, from what else names
// them. The change journal and $LogFile are asked first, the indexes, which cost
// more to read, only for what these do not know.
type gone struct {
	n         *NTFS
	records   sync.Once
	byRecords map[ntfs.Ref]ntfs.GoneDir
	indexes   sync.Once
	byIndexes map[ntfs.Ref]leftName
}

// leftName is a directory that an index entry names, and when the entry says it
// was changed last: of two names the later one counts.
type leftName struct {
	dir     ntfs.GoneDir
	changed uint64
}

// maxGone bounds the directories that are kept of each source.
const maxGone = 1 << 20

func (g *gone) find(ref ntfs.Ref) (ntfs.GoneDir, bool) {
	g.records.Do(g.readRecords)
	if d, ok := g.byRecords[ref]; ok {
		return d, true
	}
	g.indexes.Do(g.readIndexes)
	l, ok := g.byIndexes[ref]
	return l.dir, ok
}

// isGone tells whether the $MFT does not know the directory any more. Metadata
// files are never freed.
func (g *gone) isGone(ref ntfs.Ref) bool {
	_, known := g.n.cat.Lookup(ref)
	return !known && ref.Record() >= firstUser && ref.Seq() != 0
}

// readRecords goes through $LogFile, then through the change journal, which says
// more surely what a directory was called last. What cannot be read of either is
// told by those who list them.
func (g *gone) readRecords() {
	g.byRecords = map[ntfs.Ref]ntfs.GoneDir{}
	add := func(ref, parent ntfs.Ref, name []byte, proof ntfs.Proof) {
		if _, known := g.byRecords[ref]; (known || len(g.byRecords) < maxGone) && len(name) > 0 && g.isGone(ref) {
			g.byRecords[ref] = ntfs.GoneDir{Name: name, Parent: parent, Proof: proof}
		}
	}
	if log, err := g.n.Log(); err == nil {
		for r := range g.n.logRecords(context.Background(), log, nil) {
			if len(r.Changes) == 0 && !r.dosName {
				add(ntfs.MakeRef(r.Entry, r.Sequence), refTo(r.Parent), unitsOf(r.Name), ntfs.ProofLog)
			}
			for _, c := range r.Changes {
				add(refTo(c.Ref), refTo(c.Parent), unitsOf(c.Name), ntfs.ProofLog)
			}
		}
	}
	if j, ok, err := g.n.cat.Journal(); ok && err == nil {
		for r, err := range j.Records() {
			if err == nil && r.IsDir() {
				add(r.Ref, r.Parent, slices.Clone(r.Name), ntfs.ProofUSN)
			}
		}
	}
}

func (g *gone) readIndexes() {
	g.byIndexes = map[ntfs.Ref]leftName{}
	for dir := range g.n.cat.Files() {
		if !dir.IsDir() {
			continue
		}
		for e, err := range dir.Index() {
			if err != nil || !e.IsDir() || e.Cut || e.Namespace == ntfs.NameDOS || len(e.Name) == 0 || e.Parent.Record() != dir.Ref().Record() || !g.isGone(e.Ref) {
				continue
			}
			if old, known := g.byIndexes[e.Ref]; known && old.changed >= e.Times.EntryModified || !known && len(g.byIndexes) >= maxGone {
				continue
			}
			g.byIndexes[e.Ref] = leftName{ntfs.GoneDir{Name: slices.Clone(e.Name), Parent: e.Parent, Proof: ntfs.ProofIndex}, e.Times.EntryModified}
		}
	}
}
