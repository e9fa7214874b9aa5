package ntfs

import (
	"iter"
	"slices"
	"sort"

	"kanshiki/parsers/internal/cursor"
)

// Journal is the change journal of a volume, $Extend\$UsnJrnl.
type Journal struct {
	c    *Catalog
	file File
	j    Stream
	rd   *Reader

	// What $Max says; zero where it cannot be read.
	MaxSize, AllocationDelta uint64
	ID                       uint64 // a FILETIME: when the journal was made
	LowestUSN                uint64
}

// extendRecord is the directory of the metadata files that have no fixed entry.
const extendRecord = 11

// Journal finds the change journal. ok is false where the volume has none.
func (c *Catalog) Journal() (j *Journal, ok bool, err error) {
	f, ok := c.File(extendRecord)
	if !ok {
		return nil, false, nil
	}
	for l, kid := range f.Children() {
		if !asciiEqual(l.Name(), "$UsnJrnl") || kid.State() != Live {
			continue
		}
		s, ok := kid.Stream("$J")
		if !ok {
			continue
		}
		rd, err := s.Open(0)
		if err != nil {
			return nil, true, err
		}
		j := &Journal{c: c, file: kid, j: s, rd: rd}
		j.readMax()
		return j, true, nil
	}
	return nil, false, nil
}

func (j *Journal) readMax() {
	s, ok := j.file.Stream("$Max")
	if !ok {
		return
	}
	rd, err := s.Open(0)
	if err != nil {
		return
	}
	b := make([]byte, 32)
	n, _ := rd.ReadAt(b, 0)
	c := cursor.New(b[:n])
	j.MaxSize, j.AllocationDelta = c.U64("maximum size"), c.U64("allocation delta")
	j.ID, j.LowestUSN = c.U64("journal id"), c.U64("lowest USN")
}

// File is the entry of $UsnJrnl.
func (j *Journal) File() File { return j.file }

// Stream is $J.
func (j *Journal) Stream() Stream { return j.j }

// Size is the end of $J: the USN of the next record.
func (j *Journal) Size() int64 { return j.rd.Size() }

// DiskOffset is the place on the volume of a byte of the journal, or -1.
func (j *Journal) DiskOffset(off int64) int64 { return j.rd.DiskOffset(off) }

// Records yields the records, oldest first; the hole at the beginning is
// passed over by the run list.
func (j *Journal) Records() iter.Seq2[USNRecord, error] {
	return readUSN(j.rd, j.j.Initialized(), j.j.Extents(), true)
}

// PathHistory knows what directories were called, and where they were, at any
// time that the journal covers. It may be used by several goroutines at once.
type PathHistory struct {
	c     *Catalog
	dirs  map[Ref][]dirEvent
	edges []uint64 // USNs after which a directory has another name, rising
	v4    bool
}

// dirEvent says that a directory had this name up to this USN.
type dirEvent struct {
	usn    uint64
	parent Ref
	name   []byte
}

// History reads the journal once and keeps what it says of directories.
func (j *Journal) History() *PathHistory {
	h := &PathHistory{c: j.c, dirs: map[Ref][]dirEvent{}}
	for r, err := range j.Records() {
		if err != nil {
			continue // whoever reads the records gets it again
		}
		h.add(r)
	}
	h.findEdges()
	return h
}

func (h *PathHistory) add(r USNRecord) {
	h.v4 = h.v4 || r.Major == 4
	if !r.IsDir() || len(r.Name) == 0 {
		return
	}
	ev := h.dirs[r.Ref]
	if k := len(ev) - 1; k >= 0 && ev[k].parent == r.Parent && slices.Equal(ev[k].name, r.Name) {
		ev[k].usn = r.USN
		return
	}
	h.dirs[r.Ref] = append(ev, dirEvent{r.USN, r.Parent, slices.Clone(r.Name)})
}

func (h *PathHistory) findEdges() {
	for _, ev := range h.dirs {
		for _, e := range ev {
			h.edges = append(h.edges, e.usn)
		}
	}
	slices.Sort(h.edges)
}

// Epoch numbers the times between changes of directories' names: where it is the
// same, so is the path of every directory. last is an epoch that may be near.
func (h *PathHistory) Epoch(usn uint64, last int) int {
	if last > 0 && h.edges[last-1] >= usn {
		last, _ = slices.BinarySearch(h.edges, usn)
	}
	for last < len(h.edges) && h.edges[last] < usn {
		last++
	}
	return last
}

// LastName is the last name of a directory that the journal knows.
func (h *PathHistory) LastName(ref Ref) (GoneDir, bool) {
	ev := h.dirs[ref]
	if len(ev) == 0 {
		return GoneDir{}, false
	}
	e := ev[len(ev)-1]
	return GoneDir{Name: e.name, Parent: e.parent, Proof: ProofUSN}, true
}

// HasV4 tells whether the journal has records without names.
func (h *PathHistory) HasV4() bool { return h.v4 }

// at is the name that a directory had at a USN. Going backward through the
// journal, each record of a directory tells the name that was valid from the
// record before it: so the first event at or after usn counts. Without one,
// the name is that of today.
func (h *PathHistory) at(ref Ref, usn uint64) (parent Ref, name []byte, p Proof) {
	ev := h.dirs[ref]
	i := sort.Search(len(ev), func(i int) bool { return ev[i].usn >= usn })
	if i < len(ev) {
		return ev[i].parent, ev[i].name, ProofUSN
	}
	if n, p := h.c.parent(ref); p < ProofUnknown {
		if l, ok := h.c.dirLink(n); ok {
			return l.parent, h.c.name(l.name, l.len), p
		}
	}
	g, ok := h.LastName(ref)
	if !ok && h.c.gone != nil {
		g, ok = h.c.gone(ref)
	}
	if !ok {
		return 0, nil, ProofUnknown
	}
	return g.Parent, g.Name, g.Proof
}

// maxSteps bounds the depth of a rewound path; Windows cannot make more than
// half of 32,767.
const maxSteps = 1 << 14

// Path appends the path that the record's name had when the record was
// written, in UTF-16LE.
func (h *PathHistory) Path(dst []byte, r USNRecord) ([]byte, Proof) {
	dst, p := h.Dir(dst, r.Parent, r.USN)
	return append(dst, r.Name...), p
}

// Dir appends the path of a directory at a USN, with a "/" behind it; nothing
// for the root.
func (h *PathHistory) Dir(dst []byte, ref Ref, usn uint64) ([]byte, Proof) {
	var few [32][]byte
	names := few[:0]
	proof := ProofLive
	size := 0
	for ref.Record() != RootRecord {
		parent, name, p := h.at(ref, usn)
		proof = max(proof, p)
		if p == ProofUnknown {
			break
		}
		size += len(name) + 2
		if len(names) >= maxSteps || size > h.c.v.opt.MaxPath {
			proof = ProofCut
			break
		}
		names = append(names, name)
		ref = parent
	}
	if proof >= ProofUnknown {
		dst = appendUnknown(dst, ref)
	}
	for _, n := range slices.Backward(names) {
		dst = append(append(dst, n...), '/', 0)
	}
	return dst, proof
}
