package filesystem

import (
	"context"
	"slices"
	"sync"

	"kanshiki/parsers/ntfs"
)

// gone knows directories whose MFT entries were used again, from what else names
// them: the change journal, which says most surely what a directory was called
// last, then $LogFile, then the indexes, which cost most to read.
type gone struct {
	n         *NTFS
	log       sync.Once
	byLog     map[ntfs.Ref]ntfs.GoneDir
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
	if !g.isGone(ref) {
		return ntfs.GoneDir{}, false
	}
	if h := g.n.history(); h != nil {
		if d, ok := h.LastName(ref); ok {
			return d, true
		}
	}
	g.log.Do(g.readLog)
	if d, ok := g.byLog[ref]; ok {
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

// readLog keeps the last name of each. What cannot be read is told by those who
// list the log.
func (g *gone) readLog() {
	g.byLog = map[ntfs.Ref]ntfs.GoneDir{}
	log, err := g.n.Log()
	if err != nil {
		return
	}
	add := func(ref, parent Ref, name string) {
		to := refTo(ref)
		if _, known := g.byLog[to]; (known || len(g.byLog) < maxGone) && name != "" && g.isGone(to) {
			g.byLog[to] = ntfs.GoneDir{Name: unitsOf(name), Parent: refTo(parent), Proof: ntfs.ProofLog}
		}
	}
	for r := range g.n.logRecords(context.Background(), log, nil) {
		if len(r.Changes) == 0 && !r.dosName {
			add(Ref{r.Entry, r.Sequence}, r.Parent, r.Name)
		}
		for _, c := range r.Changes {
			add(c.Ref, c.Parent, c.Name)
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
