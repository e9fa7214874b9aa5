package filesystem

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/parsers/ntfs"
)

// builder makes entries one after the other and keeps the paths of their
// directories.
type builder struct {
	n     *NTFS
	e     Entry
	dirs  map[ntfs.Ref]dirPath
	old   map[ntfs.Ref]dirPath
	bytes int
	units []byte
	text  strings.Builder // paths of entries, one behind the other
	count int
}

type dirPath struct {
	path  string // WTF-8, "/" at its end
	size  int    // bytes of UTF-16, as the limit of a path counts them
	proof ntfs.Proof
	plain bool
}

// Paths of directories are kept in two generations of maxDirBytes; what is
// asked for moves to the younger one.
const (
	maxDirBytes = 4 << 20
	maxDirSteps = 32       // directories above that are made on the way
	maxDirSize  = 64 << 10 // longer paths are made by the catalogue, which knows the limit
)

// dir is the path of the directory that a parent reference means.
func (b *builder) dir(parent ntfs.Ref) dirPath { return b.dirFrom(parent, 0) }

func (b *builder) dirFrom(ref ntfs.Ref, steps int) dirPath {
	d, ok := b.dirs[ref]
	if ok {
		return d
	}
	if d, ok = b.old[ref]; !ok {
		d = b.makeDir(ref, steps)
	}
	if b.bytes += len(d.path) + 64; b.dirs == nil || b.bytes > maxDirBytes {
		b.dirs, b.old, b.bytes = map[ntfs.Ref]dirPath{}, b.dirs, len(d.path)+64
	}
	b.dirs[ref] = d
	return d
}

// makeDir adds a name to the path of the directory above. Loops, and paths that
// are very long or deep, are left to the catalogue.
func (b *builder) makeDir(ref ntfs.Ref, steps int) dirPath {
	if name, above, proof := b.n.cat.DirStep(ref); proof < ntfs.ProofUnknown && name == nil {
		return dirPath{proof: proof, plain: true}
	} else if proof < ntfs.ProofUnknown && steps < maxDirSteps {
		up := b.dirFrom(above, steps+1)
		if size := up.size + len(name) + 2; up.proof <= ntfs.ProofUnknown && size < maxDirSize {
			own := text(name)
			return dirPath{up.path + own + "/", size, max(up.proof, proof), up.plain && plain(own)}
		}
	}
	units, proof := b.n.cat.DirPath(b.units[:0], ref)
	b.units = units
	d := dirPath{path: text(units), size: len(units), proof: proof}
	d.plain = escape.Plain(d.path)
	return d
}

// entry fills b.e; it is good until the next call.
func (b *builder) entry(f ntfs.File) *Entry {
	e := &b.e
	*e = Entry{Ref: RefOf(f.Was()), State: stateOf(f), Kind: kindOf(f), InUse: f.InUse(), ReparseTag: f.ReparseTag(), LSN: f.LSN(),
		Links: f.HardLinks(), Names: e.Names[:0], Streams: e.Streams[:0], Problems: e.Problems[:0]}
	if i, ok := f.Info(); ok {
		e.SI, e.Attributes, e.SecurityID, e.USN = TimesOf(i.Times), i.Attributes, i.SecurityID, i.USN
		e.OwnerID = i.OwnerID
	}
	strays := 0
	for l := range f.Links() {
		e.Names = append(e.Names, b.name(l))
		if !l.ParentIsDirectory() {
			strays++
		}
	}
	for s := range f.Streams() {
		e.Streams = append(e.Streams, streamInfo(s))
	}
	if f.HasDamage() {
		for _, d := range f.Damage() {
			e.Problems = append(e.Problems, d.Error())
		}
	}
	for l := range f.Links() {
		if strays > 0 && !l.ParentIsDirectory() {
			e.Problems = append(e.Problems, "parent "+l.Parent().String()+" is not a directory")
		}
	}
	if e.InUse {
		for i := range e.Names {
			if p := e.Names[i].Parent; p.Entry >= b.n.cat.Len() {
				e.Problems = append(e.Problems, fmt.Sprintf("parent %d-%d lies beyond the $MFT", p.Entry, p.Sequence))
			}
		}
	}
	if e.State == Live && e.Ref.Entry >= firstUser && !leadsHere(e.Names) {
		e.State = Orphan
	}
	for _, n := range e.Names {
		switch n.Proof {
		case ntfs.ProofCycle.String():
			e.Problems = append(e.Problems, "the chain of parents comes back to itself")
		case ntfs.ProofCut.String():
			e.Problems = append(e.Problems, "the path is longer than the limit, its beginning is cut off")
		}
	}
	return e
}

// firstUser is the first entry that is no metadata file; those may lack a name.
const firstUser = 24

// leadsHere tells whether directories in use lead from the root to one of the
// names.
func leadsHere(names []Name) bool {
	for i := range names {
		if names[i].Proof == ntfs.ProofLive.String() {
			return true
		}
	}
	return false
}

func (b *builder) name(l ntfs.Link) Name {
	n := Name{Parent: RefOf(l.Parent()), Times: TimesOf(l.Times())}
	if l.Record() == ntfs.RootRecord { // its own parent, named "."
		n.Proof = ntfs.ProofLive.String()
		return n
	}
	d := b.dir(l.Parent())
	n.Path = b.join(d.path, l.Name())
	n.Base = n.Path[len(d.path):]
	n.Proof = d.proof.String()
	if !d.plain || !plain(n.Base) {
		n.UTF16, _ = l.Path(nil)
	}
	return n
}

// textRoom is how much room for paths is taken at once: an allocation for each
// name costs more than making it.
const textRoom = 16 << 10

// join makes the path of a name in UTF-16LE below a directory.
func (b *builder) join(dir string, name []byte) string {
	most := len(dir) + len(name)/2*3 // a unit takes three bytes at most
	if b.text.Cap()-b.text.Len() < most {
		b.text = strings.Builder{} // what was given out stays as it is
		b.text.Grow(max(most, textRoom))
	}
	from := b.text.Len()
	b.text.WriteString(dir)
	for i := 0; i+1 < len(name); i += 2 {
		if name[i] >= utf8.RuneSelf || name[i+1] != 0 {
			var few [3 * 256]byte
			b.text.Write(appendText(few[:0], name[i:]))
			break
		}
		b.text.WriteByte(name[i])
	}
	return b.text.String()[from:]
}

func streamInfo(s ntfs.Stream) StreamInfo {
	i := StreamInfo{Size: s.Size(), Initialised: s.Initialized(), Allocated: int64(min(s.Allocated(), 1<<63-1)),
		Resident: s.Resident(), Compressed: s.Compressed(), Sparse: s.Flags()&ntfs.AttrSparse != 0, Encrypted: s.Encrypted(), Note: s.Elsewhere()}
	if name := s.Name(); len(name) > 0 {
		i.Name = text(name)
	}
	if i.Encrypted && i.Note == "" {
		i.Note = "content is EFS ciphertext, not decrypted"
	}
	return i
}

// TimesOf gives the times of an attribute.
func TimesOf(t ntfs.Times) Times {
	return Times{event.Ticks(t.Created), event.Ticks(t.Modified), event.Ticks(t.EntryModified), event.Ticks(t.Accessed)}
}

func kindOf(f ntfs.File) Kind {
	switch {
	case f.HasReparse():
		return Reparse
	case f.IsDir():
		return Dir
	}
	return File
}

// stateOf follows the parser, but for a deleted entry no parent of which is
// known any more.
func stateOf(f ntfs.File) State {
	if f.IsBase() {
		return Live // unless no directory leads to it: entry sees to that
	}
	switch f.State() {
	case ntfs.Live:
		return Live
	case ntfs.Orphan:
		return Orphan
	case ntfs.Damaged:
		return Damaged
	}
	if f.HasKnownParent() {
		return Deleted
	}
	return Orphan
}

// plain is escape.Plain with a short way for the usual name.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7F {
			return escape.Plain(s)
		}
	}
	return true
}

// appendText appends UTF-16LE units as WTF-8: a lone surrogate keeps its own
// three bytes.
func appendText(dst, units []byte) []byte {
	for i := 0; i+1 < len(units); i += 2 {
		u := rune(units[i]) | rune(units[i+1])<<8
		switch {
		case u < utf8.RuneSelf:
			dst = append(dst, byte(u))
		case u >= 0xD800 && u < 0xDC00 && i+3 < len(units) && units[i+3]&0xFC == 0xDC:
			v := rune(units[i+2]) | rune(units[i+3])<<8
			dst = utf8.AppendRune(dst, (u-0xD800)<<10|(v-0xDC00)+0x10000)
			i += 2
		case u >= 0xD800 && u < 0xE000:
			dst = append(dst, 0xE0|byte(u>>12), 0x80|byte(u>>6&63), 0x80|byte(u&63))
		default:
			dst = utf8.AppendRune(dst, u)
		}
	}
	return dst
}

func text(units []byte) string { return string(appendText(nil, units)) }

// unitsOf is the inverse of text.
func unitsOf(s string) []byte {
	out := make([]byte, 0, 2*len(s))
	put := func(u rune) { out = append(out, byte(u), byte(u>>8)) }
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1 && i+2 < len(s) && s[i] == 0xED:
			put(rune(s[i]&15)<<12 | rune(s[i+1]&63)<<6 | rune(s[i+2]&63))
			n = 3
		case r == utf8.RuneError && n == 1:
			put(rune(s[i]))
		case r >= 0x10000:
			put(0xD800 + (r-0x10000)>>10)
			put(0xDC00 + (r-0x10000)&0x3FF)
		default:
			put(r)
		}
		i += n
	}
	return out
}

// Units gives the UTF-16LE units of WTF-8 text as Name and Change hold it.
func Units(s string) []byte { return unitsOf(s) }

// Text gives UTF-16LE units as WTF-8.
func Text(units []byte) string { return text(units) }
