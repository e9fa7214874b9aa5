package vss

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"sync"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/utf16"
)

// Store is one shadow copy.
type Store struct {
	ID             guid.GUID // of the store; also in the name of its file
	VolumeSize     int64
	Sequence       uint64
	CatalogueFlags uint64
	Created        uint64 // FILETIME; 0 where the catalogue entry is lost
	File           uint64 // file reference of the store's file
	// From the header of the store; zero where it cannot be read.
	CopyID, SetID guid.GUID
	Context       uint32
	Attributes    uint32
	Machine       string // WTF-8
	Service       string
	// Found says that the catalogue does not have it: it was found by its
	// header. Its age among the others is not known, it is taken as older.
	Found bool

	v                            *Volume
	index                        int
	named, placed                bool
	head, list, bitmap, previous int64

	once     sync.Once
	blocks   []block // by original offset
	zeros    []span  // of the newest store: what it knew as not used
	complete bool
	mu       sync.Mutex
	problems []Problem
}

// block is what a store knows of 16 KiB of the volume.
type block struct {
	orig   int64
	data   int64  // on the storage volume; of a forwarder, on the volume as the next store knows it
	over   int64  // of the overlay, on the storage volume
	bitmap uint32 // sectors of the overlay, the lowest bit first
	kind   blockKind
}

type blockKind uint8

const (
	blockNone    blockKind = iota // only an overlay
	blockData                     // saved
	blockForward                  // moved: the next store has it at another place
	blockLost                     // its descriptor makes no sense
)

type span struct{ from, to int64 }

// Flags of a block descriptor.
const (
	flagForwarder = 1
	flagOverlay   = 2
	flagUnused    = 4
)

// Attribute flags of a shadow copy (_VSS_VOLUME_SNAPSHOT_ATTRIBUTES).
var attributeNames = []struct {
	bit  uint32
	name string
}{
	{0x1, "persistent"}, {0x2, "no auto-recovery"}, {0x4, "client-accessible"}, {0x8, "no auto-release"}, {0x10, "no writers"},
	{0x20, "transportable"}, {0x40, "not surfaced"}, {0x80, "not transacted"}, {0x10000, "hardware-assisted"}, {0x20000, "differential"},
	{0x40000, "plex"}, {0x80000, "imported"}, {0x100000, "exposed locally"}, {0x200000, "exposed remotely"}, {0x400000, "auto-recovered"},
	{0x800000, "rollback recovery"}, {0x1000000, "delayed post-snapshot"}, {0x2000000, "TxF recovery"},
}

// AttributeNames names the flags; what is not known stays a number.
func (s *Store) AttributeNames() []string {
	var out []string
	rest := s.Attributes
	for _, a := range attributeNames {
		if rest&a.bit != 0 {
			out = append(out, a.name)
			rest &^= a.bit
		}
	}
	if rest != 0 {
		out = append(out, fmt.Sprintf("%#x", rest))
	}
	return out
}

// Problems lists what could not be read of the store. Its list is read when the
// store is first opened.
func (s *Store) Problems() []Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

func (s *Store) report(off int64, err error, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const most = 1000 // a forged list can be all wrong
	if len(s.problems) < most {
		s.problems = append(s.problems, Problem{off, fmt.Sprintf(format, args...), err})
	}
}

// Complete tells whether this store and all newer ones could be read whole:
// else a block may have been saved and look as it does today.
func (s *Store) Complete() bool {
	for _, x := range s.v.Stores[s.index:] {
		x.once.Do(x.load)
		if !x.complete {
			return false
		}
	}
	return true
}

// readHead decodes the header of the store.
func (s *Store) readHead() {
	if !s.placed || s.v.storage.R == nil {
		return
	}
	b, _, err := readBlock(s.v.storage, s.head, typeStore)
	if err != nil {
		s.report(s.head, err, "header of the store")
		return
	}
	c := cursor.At(b, s.head)
	c.Skip(blockHead+16, "block header")
	s.CopyID, s.SetID = guid.From(c.Take(16, "shadow copy id")), guid.From(c.Take(16, "set id"))
	s.Context = c.U32("context")
	c.Skip(4, "provider")
	s.Attributes = c.U32("attributes")
	c.Skip(4, "reserved")
	s.Machine = utf16.String(c.Take(int(c.U16("length")), "operating machine"))
	s.Service = utf16.String(c.Take(int(c.U16("length")), "service machine"))
	if c.Err() != nil {
		s.report(s.head, c.Err(), "header of the store")
	}
}

// loader builds the list of blocks. The order of descriptors counts: later ones
// replace earlier ones, and those of overlays add to them.
type loader struct {
	s       *Store
	at      map[int64]int   // original offset -> index in blocks
	reverse map[int64]int64 // where a forwarder leads -> its original offset
}

// load reads the list and the bitmaps.
func (s *Store) load() {
	if !s.placed || s.v.storage.R == nil {
		return
	}
	l := loader{s: s, at: map[int64]int{}, reverse: map[int64]int64{}}
	s.complete = s.chain(s.list, typeList, "list of blocks", l.block)
	if s.index == len(s.v.Stores)-1 {
		s.loadZeros(l.reverse)
	}
	slices.SortFunc(s.blocks, func(a, b block) int { return cmp.Compare(a.orig, b.orig) })
}

// chain calls do for each block of a chain. It tells whether all could be read.
func (s *Store) chain(off int64, kind uint32, what string, do func(b []byte, off int64)) bool {
	seen := map[int64]bool{}
	for off != 0 {
		if seen[off] {
			s.report(off, nil, "the %s comes back to itself", what)
			return false
		}
		seen[off] = true
		b, next, err := readBlock(s.v.storage, off, kind)
		if err != nil {
			s.report(off, err, "%s", what)
			return false
		}
		do(b[blockHead:], off+blockHead)
		off = next
	}
	return true
}

func (l *loader) block(b []byte, off int64) {
	const size = 32
	for p := 0; p+size <= len(b); p += size {
		c := cursor.At(b[p:p+size], off+int64(p))
		orig, rel, data := c.U64("original offset"), c.U64("relative offset"), c.U64("store offset")
		flags, bitmap := c.U32("flags"), c.U32("allocation bitmap")
		if orig|rel|data|uint64(flags)|uint64(bitmap) == 0 || flags&flagUnused != 0 {
			continue
		}
		l.descriptor(off+int64(p), orig, rel, data, flags, bitmap)
	}
}

func (l *loader) descriptor(off int64, orig, rel, data uint64, flags, bitmap uint32) {
	s := l.s
	b := block{orig: int64(orig), data: int64(data), kind: blockData}
	bad := orig%blockSize != 0 || orig >= uint64(s.volumeSize())
	switch {
	case flags&flagOverlay != 0:
		b = block{orig: b.orig, over: int64(data), bitmap: bitmap}
		bad = bad || data > uint64(s.v.storage.Size)-blockSize
	case flags&flagForwarder != 0:
		b.data, b.kind = int64(rel), blockForward
		bad = bad || rel%blockSize != 0 || rel >= uint64(s.volumeSize())
	default:
		bad = bad || data > uint64(s.v.storage.Size)-blockSize
	}
	if bad {
		s.report(off, nil, "block descriptor makes no sense: original offset %#x, relative %#x, store %#x, flags %#x", orig, rel, data, flags)
		if orig%blockSize != 0 || orig >= uint64(s.volumeSize()) {
			s.complete = false // which block it was for cannot be told
			return
		}
		b = block{orig: int64(orig), kind: blockLost}
	}
	if b.kind != blockNone {
		// Two forwarders that lead to one another are one move.
		if from, ok := l.reverse[b.orig]; ok {
			delete(l.reverse, b.orig)
			b.orig = from
		}
		if b.kind == blockForward && b.orig == b.data {
			return
		}
	}
	l.insert(b)
	if b.kind == blockForward {
		l.reverse[b.data] = b.orig
	}
}

func (l *loader) insert(b block) {
	i, have := l.at[b.orig]
	if !have {
		l.at[b.orig] = len(l.s.blocks)
		l.s.blocks = append(l.s.blocks, b)
		return
	}
	old := &l.s.blocks[i]
	switch {
	case b.kind != blockNone: // replaces, and the overlay stays
		b.over, b.bitmap = old.over, old.bitmap
		*old = b
	case old.over != 0: // extends
		old.bitmap |= b.bitmap
	default:
		old.over, old.bitmap = b.over, b.bitmap
	}
}

// loadZeros keeps what the newest store knew as not used: the blocks of its
// bitmap, and of that of the store before it where there is one, but for those
// that a forwarder leads to.
func (s *Store) loadZeros(reverse map[int64]int64) {
	free := s.readBitmap(s.bitmap)
	if s.previous != 0 {
		free = intersect(free, s.readBitmap(s.previous))
	}
	var led []int64
	for to := range reverse {
		led = append(led, to)
	}
	slices.Sort(led)
	for _, z := range free {
		for len(led) > 0 && led[0] < z.to {
			if at := led[0]; at >= z.from {
				if z.from < at {
					s.zeros = append(s.zeros, span{z.from, at})
				}
				z.from = at + blockSize
			}
			led = led[1:]
		}
		if z.from < z.to {
			s.zeros = append(s.zeros, z)
		}
	}
}

// readBitmap gives the set bits as spans of the volume.
func (s *Store) readBitmap(off int64) []span {
	var out []span
	at := int64(0)
	ok := s.chain(off, typeBitmap, "bitmap", func(b []byte, _ int64) {
		for _, x := range b {
			if x != 0 {
				for i := range 8 {
					if x>>i&1 == 0 {
						continue
					}
					from := at + int64(i)*blockSize
					if k := len(out) - 1; k >= 0 && out[k].to == from {
						out[k].to += blockSize
					} else {
						out = append(out, span{from, from + blockSize})
					}
				}
			}
			at += 8 * blockSize
		}
	})
	s.complete = s.complete && ok
	return out
}

func intersect(a, b []span) []span {
	var out []span
	for len(a) > 0 && len(b) > 0 {
		if x := (span{max(a[0].from, b[0].from), min(a[0].to, b[0].to)}); x.from < x.to {
			out = append(out, x)
		}
		if a[0].to < b[0].to {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// volumeSize is that of the catalogue where the volume can have it.
func (s *Store) volumeSize() int64 {
	if s.VolumeSize > 0 && s.VolumeSize <= s.v.own.Size {
		return s.VolumeSize
	}
	return s.v.own.Size
}

// find is the index of the first block that ends behind off.
func (s *Store) find(off int64) int {
	return sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].orig+blockSize > off })
}
