package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"kanshiki/forensics/event"
)

// archives says what was packed into the archives that are tied to a suspect.
func (a *analysis) archives() error {
	for _, f := range a.w.Files {
		links := a.linked[f]
		if len(links) == 0 {
			links = a.laterLink(f)
		}
		if len(links) == 0 {
			continue
		}
		if err := a.packed(f, links); err != nil {
			return err
		}
	}
	return nil
}

// laterLink ties an archive to a program that had run before its birth (it
// starts at logon; no record of its end is kept) by a second link that is not
// time: its name inside the program, the program's own folder, or the same
// account's temporary folder or quick deletion, which is what staging leaves.
// An archive that a person's archiver was running for is not tied so.
func (a *analysis) laterLink(f *File) []link {
	if f.Dir || !isArchive(f.Key) || mailPlace(f.Key) || !userPlace(f.Key) {
		return nil
	}
	var out []link
	for _, s := range a.suspect {
		for _, r := range a.runsOf(s.Key) {
			if r.grade < Supported || !r.at.Valid() || f.Born() < r.at.Add(-slack) || f.Born().Sub(r.at) > nearRun && len(a.startsOf(s.Key)) == 0 {
				continue // it had run, and nothing says that it ran again
			}
			how := ""
			switch {
			case a.holds(s, f):
				how = "the program holds its name, and had run before it was born"
			case dirOf(f.Key) == dirOf(s.Key):
				how = "it lies in the program's folder, and the program had run before it was born"
			case profileOf(f.Key) != "" && profileOf(f.Key) == profileOf(s.Key) && a.staged(f) && !a.archiverRan(f):
				how = "it lay for a short time in a folder of the account that the program had run under"
			}
			if how != "" {
				out = append(out, link{s, Possible, how, []event.ID{r.ev.ID}})
				break
			}
		}
	}
	return out
}

// profileOf is the profile that holds a key, or "".
func profileOf(key string) string {
	p := strings.SplitN(key, "/", 3)
	if len(p) == 3 && (p[0] == "users" || p[0] == "documents and settings") {
		return p[0] + "/" + p[1]
	}
	return ""
}

// staged tells whether an archive lay in a temporary folder, or was deleted
// within a day of its birth.
func (a *analysis) staged(f *File) bool {
	if strings.Contains(f.Key, "/temp/") {
		return true
	}
	t, _ := a.deletedAt(f)
	return t.Valid() && t.Sub(f.Born()) < 24*time.Hour
}

// archivers are programs that people pack files with.
var archivers = map[string]bool{"7zfm.exe": true, "7zg.exe": true, "winrar.exe": true, "lhaplus.exe": true, "lhaz.exe": true, "explzh.exe": true, "winzip32.exe": true, "winzip64.exe": true}

func (a *analysis) archiverRan(f *File) bool {
	for _, r := range a.r.runs {
		if archivers[baseOf(r.key)] && r.grade >= Supported && absolute(r.at.Sub(f.Born())) < 2*time.Minute {
			return true
		}
	}
	return false
}

// packed grades the content of an archive, document by document.
func (a *analysis) packed(f *File, links []link) error {
	members, err := a.w.Content.Members(a.ctx, f)
	if err != nil && a.ctx.Err() != nil {
		return err
	}
	to := a.node(Node{ID: "file:" + f.Key, Kind: "archive", Label: f.Base(), At: f.Born(), Deleted: f.Deleted})
	groups := map[Grade][]*File{}
	carried := map[Grade][]event.ID{}
	unmatched := 0
	for _, m := range members {
		doc, g, err := a.document(m, f)
		if err != nil {
			return err
		}
		if doc == nil {
			unmatched++
			continue
		}
		groups[g] = append(groups[g], doc)
		for _, e := range a.entryEvents(doc) {
			carried[g] = appendID(carried[g], e.ID)
			break
		}
	}
	born := a.birthOf(f)
	why := a.incomplete(f, members, unmatched)
	if why != "" {
		a.beside(f, groups, carried)
	}
	for _, g := range []Grade{Proven, Supported, Possible} {
		docs := groups[g]
		if len(docs) == 0 {
			continue
		}
		entities := []Entity{withRole(f.entity("archive"), "archive")}
		for _, d := range docs {
			entities = append(entities, withRole(d.entity("object"), "document"))
		}
		folder := commonFolder(docs)
		id := "packed"
		if g == Possible {
			id = "packed-maybe"
		}
		c := a.claim(id, g, entities, "count", counted(len(docs), "document", "documents"), "folder", folder, "archive", f.Base())
		c.From, c.To = f.Born(), f.Born()
		c.Events = append(slices.Clone(born), carried[g]...)
		from := a.node(Node{ID: "documents:" + folder, Kind: "documents", Label: counted(len(docs), "document", "documents"), Note: folder})
		a.edge(from, to, "packed", g, "members of the archive", c.ID)
	}
	here := a.claim("came", Proven, []Entity{withRole(f.entity("object"), "archive")}, "file", f.Base())
	here.From, here.To, here.Events = f.Born(), f.Born(), born
	for _, l := range links {
		c := a.claim("packed-by", l.grade, []Entity{withRole(f.entity("object"), "archive"), l.s.entity("actor")}, "actor", l.s.name(), "archive", f.Base())
		c.From, c.To, c.Events = f.Born(), f.Born(), append(slices.Clone(l.carried), born...)
		a.edge(a.suspectNode(l.s), to, "packed", l.grade, l.how, c.ID)
	}
	a.gone(f, links[0].s, links[0].carried...)
	if why != "" {
		c := a.claim("overwritten", CannotKnow, []Entity{withRole(f.entity("object"), "archive")}, "archive", f.Base(), "why", why)
		c.Because, c.From, c.Events = why, f.Born(), born
	}
	if best := slices.MaxFunc(links, func(x, y link) int { return cmp.Compare(x.grade, y.grade) }); best.grade < Supported {
		c := a.claim("who-packed", CannotKnow, []Entity{withRole(f.entity("object"), "archive")}, "archive", f.Base(), "why", "no record names the program that wrote it")
		c.Because, c.From, c.To, c.Events = "file access was not recorded", f.Born(), f.Born(), born
	}
	a.packs = append(a.packs, f)
	return nil
}

// beside takes the documents that lie beside those that were packed, and were
// there when the archive was born: where its list is not whole, they may have
// been in it.
func (a *analysis) beside(f *File, groups map[Grade][]*File, carried map[Grade][]event.ID) {
	sure := append(slices.Clone(groups[Proven]), groups[Supported]...)
	if len(sure) == 0 {
		return
	}
	folders := map[string]bool{}
	for _, d := range sure {
		folders[dirOf(d.Key)] = true
	}
	for _, dir := range sortedKeys(folders) {
		for _, d := range a.inFolder(dir) {
			if d.Dir || !isDocument(d.Key) || d.Born() > f.Born() || slices.Contains(sure, d) || slices.Contains(groups[Possible], d) {
				continue
			}
			if t, _ := a.deletedAt(d); d.Deleted && (!t.Valid() || t < f.Born()) {
				continue
			}
			groups[Possible] = append(groups[Possible], d)
			for _, e := range a.entryEvents(d) {
				carried[Possible] = appendID(carried[Possible], e.ID)
				break
			}
		}
	}
}

func (a *analysis) birthOf(f *File) []event.ID {
	c := &Claim{}
	a.carryBirth(c, f)
	return c.Events
}

// incomplete says why the list of an archive's members may not be all of it.
func (a *analysis) incomplete(f *File, members []Member, unmatched int) string {
	d, err := a.w.Content.Digest(a.ctx, f)
	switch {
	case err != nil || !d.Whole:
		return "its clusters are overwritten in part"
	case len(members) == 0:
		return "its list of members could not be read"
	case unmatched > 0:
		return fmt.Sprintf("%s of it are no file that is still here", counted(unmatched, "member", "members"))
	}
	return ""
}

// document finds the file that a member was made from: it existed before the
// archive, and has the member's content or at least its name and size.
func (a *analysis) document(m Member, archive *File) (*File, Grade, error) {
	var best *File
	grade := CannotKnow
	for _, f := range a.bySize(m.Size) {
		if f == archive || f.Born() > archive.Born().Add(nearRun) || !sameName(m.Name, f.Path) && m.SHA256 == "" {
			continue
		}
		d, err := a.digest(f)
		if err != nil {
			return nil, CannotKnow, err
		}
		g, _ := same(m, d, f.Path)
		if g == Proven && !sameName(m.Name, f.Path) && grade == Proven {
			continue // another copy of the same content
		}
		if g > grade || g == grade && g > CannotKnow && sameName(m.Name, f.Path) && tail(m.Name, f.Key) > tail(m.Name, best.Key) {
			best, grade = f, g
		}
	}
	return best, grade, nil
}

// tail counts how many last names two paths share, which tells copies of one
// file in different folders apart.
func tail(member, key string) int {
	x, y := strings.Split(strings.ToLower(slashed(member)), "/"), strings.Split(key, "/")
	n := 0
	for n < len(x) && n < len(y) && x[len(x)-1-n] == y[len(y)-1-n] {
		n++
	}
	return n
}

func (a *analysis) bySize(n int64) []*File {
	if a.sizes == nil {
		a.sizes = map[int64][]*File{}
		for _, f := range a.w.Files {
			if !f.Dir {
				a.sizes[f.Size] = append(a.sizes[f.Size], f)
			}
		}
	}
	return a.sizes[n]
}

// commonFolder is the deepest folder that holds all documents.
func commonFolder(docs []*File) string {
	common := dirOf(docs[0].Path)
	for _, d := range docs[1:] {
		for common != "" && dirOf(d.Path) != common && !strings.HasPrefix(d.Path, common+"/") {
			common = dirOf(common)
		}
	}
	if common == "" {
		return "several folders"
	}
	return common
}
