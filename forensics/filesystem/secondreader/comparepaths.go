package secondreader

import (
	"strings"

	"kanshiki/forensics/filesystem"
	"kanshiki/parsers/ntfs"
)

// paths compares the names of an entry.
func (c *comparer) paths(e *filesystem.Entry, f ntfs.File, r *row) {
	if equalPaths(e.Names, r.Paths) {
		return
	}
	left := map[string]int{} // theirs that are not explained yet
	for _, p := range r.Paths {
		left[p]++
	}
	v := c.viewOf(e.Ref.Entry)
	shown := v.shown()
	many := r.Cut || len(shown) > linkLimit
	i := 0
	for l := range f.Links() {
		c.link(e, e.Names[i], l, v, &shown, left, many)
		i++
	}
	// What is left of their names is none of ours: of a record that belongs to
	// another entry, or a DOS name whose long one they do not see. Any other our
	// reader should have.
	for _, n := range shown {
		switch {
		case n.foreign:
			c.extra(e, n, ForeignRecord, left)
		case n.Namespace == ntfs.NameDOS && v.cut != "":
			c.extra(e, n, v.cut, left)
		}
	}
	for _, p := range r.Paths {
		if left[p] > 0 {
			left[p]--
			c.pathDiffers(e, "", p, manyPaths(many))
		}
	}
}

func manyPaths(many bool) Cause {
	if many {
		return TooManyPaths
	}
	return ""
}

// link compares one name of ours, and takes what it explains out of shown and
// left.
func (c *comparer) link(e *filesystem.Entry, ours filesystem.Name, l ntfs.Link, v *view, shown *[]seenName, left map[string]int, many bool) {
	at := -1
	for i, n := range *shown {
		if n.record == l.Record() && n.Parent == l.Parent() && n.Namespace == l.Namespace() && string(n.Name) == string(l.Name()) {
			at = i
			break
		}
	}
	if at < 0 {
		c.pathDiffers(e, ours.Path, "", c.notSeen(e, l, v))
		return
	}
	*shown = append((*shown)[:at:at], (*shown)[at+1:]...)
	want, more := c.expect(l.Name(), l.Parent())
	found := false
	for _, x := range want {
		if left[x.path] == 0 {
			continue
		}
		left[x.path]--
		found = true
		if len(x.causes) > 0 || !samePath(ours, x, e.Ref.Entry == ntfs.RootRecord) {
			c.pathDiffers(e, ours.Path, x.path, x.causes...)
		}
	}
	switch {
	case found:
	case more:
		c.pathDiffers(e, ours.Path, "", SecondDirName)
	default:
		c.pathDiffers(e, ours.Path, "", manyPaths(many))
	}
}

// notSeen is why the second reader does not show a name of ours.
func (c *comparer) notSeen(e *filesystem.Entry, l ntfs.Link, v *view) Cause {
	for _, n := range v.names { // seen, and not shown
		if n.record == l.Record() && n.Parent == l.Parent() && string(n.Name) == string(l.Name()) && n.Namespace == ntfs.NameDOS {
			return ShortNameHidden
		}
	}
	return elsewhere(e, l.Record(), v)
}

// elsewhere is why attributes of another record are not seen.
func elsewhere(e *filesystem.Entry, record uint64, v *view) Cause {
	switch {
	case record == e.Ref.Entry:
		return ""
	case v.cut != "":
		return v.cut
	}
	return NotListed
}

// extra explains paths that only the second reader gives.
func (c *comparer) extra(e *filesystem.Entry, n seenName, cause Cause, left map[string]int) {
	want, _ := c.expect(n.Name, n.Parent)
	for _, x := range want {
		if left[x.path] == 0 {
			continue
		}
		left[x.path]--
		c.pathDiffers(e, "", x.path, append([]Cause{cause}, x.causes...)...)
	}
}

func (c *comparer) pathDiffers(e *filesystem.Entry, ours, theirs string, causes ...Cause) {
	c.differ(Difference{Entry: e.Ref.Entry, Sequence: e.Ref.Sequence, Path: ours, Field: Path, Ours: ours, Theirs: theirs}, causes...)
}

// equalPaths is the short way for entries without anything special.
func equalPaths(ours []filesystem.Name, theirs []string) bool {
	if len(ours) != len(theirs) {
		return false
	}
	for i := range ours {
		if ours[i].Proof != ntfs.ProofLive.String() || ours[i].UTF16 != nil || !equalPath(ours[i].Path, theirs[i]) {
			return false
		}
	}
	return true
}

func equalPath(ours, theirs string) bool {
	if len(ours) != len(theirs) || strings.Contains(theirs, "/") || strings.Contains(ours, `\`) {
		return false
	}
	for i := range len(ours) {
		if ours[i] != theirs[i] && !(ours[i] == '/' && theirs[i] == '\\') {
			return false
		}
	}
	return true
}
