package secondreader

import (
	"fmt"
	"slices"
	"strings"

	"kanshiki/forensics/filesystem"
	"kanshiki/parsers/ntfs"
)

// model says what the second reader makes of what our reader found.
type model struct {
	vol *ntfs.Volume
	cat *ntfs.Catalog
	// Directories are kept in two generations; what is asked for moves to the
	// younger one.
	dirs, old map[uint64]*dir
	bytes     int
}

func newModel(n *filesystem.NTFS) *model {
	return &model{vol: n.Catalog().Volume(), cat: n.Catalog(), dirs: map[uint64]*dir{}}
}

// dir is a directory as the second reader takes it for a step of a path.
type dir struct {
	ok    bool
	seq   uint16
	names []dirName
	cut   Cause
}

type dirName struct {
	units  []byte
	text   string
	cause  Cause
	parent ntfs.Ref
}

// maxDirBytes bounds a generation.
const maxDirBytes = 4 << 20

func (m *model) dir(num uint64) *dir {
	d, ok := m.dirs[num]
	if ok {
		return d
	}
	if d, ok = m.old[num]; !ok {
		d = m.makeDir(num)
	}
	size := 100
	for _, n := range d.names {
		size += 100 + len(n.text) + len(n.units)
	}
	if m.bytes += size; m.bytes > maxDirBytes {
		m.dirs, m.old, m.bytes = map[uint64]*dir{}, m.dirs, size
	}
	m.dirs[num] = d
	return d
}

func (m *model) makeDir(num uint64) *dir {
	v := m.view(num)
	d := &dir{ok: v.ok, seq: v.rec.Seq, cut: v.cut}
	for _, n := range v.shown() {
		text, cause := secondName(n.Name)
		d.names = append(d.names, dirName{slices.Clone(n.Name), text, cause, n.Parent})
		if n.foreign {
			d.cut = ForeignRecord
		}
	}
	return d
}

// expected is a path that the second reader gives for a name.
type expected struct {
	path   string // "\" between names
	causes []Cause
	// unknown: a parent cannot be found, which our reader says as well.
	unknown bool
}

// maxExpected bounds the paths of one name: each directory with several names
// doubles them.
const maxExpected = 64

// expect gives the paths of a name; more says that there are others.
func (m *model) expect(name []byte, parent ntfs.Ref) (out []expected, more bool) {
	text, cause := secondName(name)
	c := climber{m: m}
	c.climb([]string{text}, withCause(nil, cause), parent, 0)
	return c.out, c.more
}

// climber goes from a name to the root as the second reader does.
type climber struct {
	m    *model
	out  []expected
	more bool
}

func (c *climber) give(parts []string, causes []Cause, unknown bool) {
	if len(c.out) == maxExpected {
		c.more = true
		return
	}
	parts = slices.Clone(parts)
	slices.Reverse(parts)
	c.out = append(c.out, expected{strings.Join(parts, `\`), causes, unknown})
}

// climb takes one step after the other. parts are the names so far, the last
// one of the path first. A directory with several names branches; each branch
// may use the room behind parts again, for give copies them.
func (c *climber) climb(parts []string, causes []Cause, parent ntfs.Ref, depth int) {
	for !c.more {
		_, _, proof := c.m.cat.DirStep(parent)
		known := proof < ntfs.ProofUnknown
		switch parent.Record() {
		case ntfs.RootRecord:
			if !known {
				causes = withCause(causes, RootSequence)
			}
			c.give(parts, causes, false)
			return
		case 0:
			c.give(parts, withCause(causes, ParentZero), false)
			return
		}
		d := c.m.dir(parent.Record())
		switch {
		case !d.ok:
			if known {
				causes = withCause(causes, DamagedRecord)
			}
			c.give(append(parts, shortEntry, "<Err>"), causes, true)
			return
		case d.seq != parent.Seq():
			switch proof {
			case ntfs.ProofPlusOne:
				causes = withCause(causes, ParentFreed)
			case ntfs.ProofLive:
				causes = withCause(causes, ParentSequence)
			case ntfs.ProofUSN, ntfs.ProofLog, ntfs.ProofIndex:
				causes = withCause(causes, ParentReused)
			}
			c.give(append(parts, fmt.Sprintf("<Parent %d-%d need %d>", parent.Record(), d.seq, parent.Seq()), "<Err>"), causes, true)
			return
		}
		if depth++; depth > linkLimit {
			c.give(append(parts, "<DirTooDeep>", "<Err>"), withCause(causes, TooDeep), true)
			return
		}
		if len(d.names) == 0 {
			if known {
				causes = withCause(causes, d.cut)
			}
			c.give(append(parts, "<UnknownEntry>", "<Err>"), causes, true)
			return
		}
		if !known {
			causes = withCause(causes, ParentUnchecked)
		}
		if len(d.names) > 1 {
			c.branch(parts, causes, parent, d, depth)
			return
		}
		n := d.names[0]
		parts, causes, parent = append(parts, n.text), withCause(c.differs(causes, parent, d, n), n.cause), n.parent
	}
}

// shortEntry is what the second reader says of a record that it cannot read.
const shortEntry = "EntryTooShortError"

func (c *climber) branch(parts []string, causes []Cause, parent ntfs.Ref, d *dir, depth int) {
	for _, n := range d.names {
		c.climb(append(parts, n.text), withCause(c.differs(causes, parent, d, n), n.cause), n.parent, depth)
	}
}

// differs adds the cause where our path goes through another name of the
// directory.
func (c *climber) differs(causes []Cause, parent ntfs.Ref, d *dir, n dirName) []Cause {
	name, above, proof := c.m.cat.DirStep(parent)
	if proof >= ntfs.ProofUnknown || string(name) == string(n.units) && above == n.parent {
		return causes
	}
	if d.cut != "" {
		return withCause(causes, d.cut)
	}
	return withCause(causes, SecondDirName)
}

func withCause(causes []Cause, more Cause) []Cause {
	if more == "" || slices.Contains(causes, more) {
		return causes
	}
	return append(causes[:len(causes):len(causes)], more)
}

// samePath tells whether our path and an expected one without a fault say the
// same: the readers use other separators, and other words for a parent that is
// gone.
func samePath(ours filesystem.Name, e expected, root bool) bool {
	mine, theirs := ours.Path, e.path
	if root {
		return theirs == "."
	}
	if e.unknown {
		if !strings.HasPrefix(mine, "?/") {
			return false
		}
		mine, theirs = afterParts(mine[2:], "/", 1), afterParts(theirs, `\`, 2)
	}
	return strings.ReplaceAll(mine, "/", `\`) == strings.ReplaceAll(theirs, "/", `\`)
}

// afterParts is what follows the first n parts of a path.
func afterParts(s, sep string, n int) string {
	for range n {
		_, s, _ = strings.Cut(s, sep)
	}
	return s
}
