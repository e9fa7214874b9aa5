package vss

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
)

// identifier begins every block of the format:
// 3808876b-c176-4e48-b7ae-04046e6cc752.
var identifier = [16]byte{0x6b, 0x87, 0x08, 0x38, 0x76, 0xc1, 0x48, 0x4e, 0xb7, 0xae, 0x04, 0x04, 0x6e, 0x6c, 0xc7, 0x52}

const (
	headerAt  = 0x1E00
	blockSize = 0x4000
	blockHead = 128
	entrySize = 128 // of the catalogue

	typeVolume    = 1
	typeCatalogue = 2
	typeList      = 3
	typeStore     = 4
	typeBitmap    = 6

	maxStores = 4096 // Windows keeps 512
)

// ErrNone says that a volume has no header of shadow copies.
var ErrNone = errors.New("no shadow copies on this volume")

// ErrElsewhere says that the data of a store lies on a volume that was not
// given.
var ErrElsewhere = errors.New("data of the shadow copy lies on another volume")

// Origin is a volume: the bytes, and how many there are.
type Origin struct {
	R    io.ReaderAt // safe for concurrent use
	Size int64
}

// Options of Open. The zero value works.
type Options struct {
	// Others are volumes of the same machine: one of them may hold the stores.
	Others []Origin
	// Search reads the whole volume for stores that the catalogue has lost.
	Search bool
}

// Problem is something that could not be read, with its place on the volume.
type Problem struct {
	Off  int64
	What string
	Err  error // of the reader below, if any
}

func (p *Problem) Error() string {
	if p.Err != nil {
		return p.What + ": " + p.Err.Error()
	}
	return p.What
}

// Offset is the place on the volume.
func (p *Problem) Offset() int64 { return p.Off }

func (p *Problem) Unwrap() error { return p.Err }

// Volume is a volume with shadow copies.
type Volume struct {
	Version   uint32 // 1: Vista and 7; 2: 8 and later
	Catalogue int64  // 0 for none
	MaxSize   uint64 // of all stores, 0 for no bound
	ID        guid.GUID
	StorageID guid.GUID // the volume on which the stores lie
	Stores    []*Store  // oldest first

	own      Origin
	storage  Origin // zero where it was not given
	problems []Problem
}

// header is the volume header.
type header struct {
	version     uint32
	catalogue   int64
	maxSize     uint64
	id, storage guid.GUID
}

// Recognise tells whether a volume has the header of shadow copies.
func Recognise(r io.ReaderAt, size int64) bool {
	_, err := readHeader(Origin{r, size})
	return err == nil
}

func readHeader(o Origin) (header, error) {
	b := make([]byte, 128)
	if err := readFull(o, b, headerAt); err != nil {
		return header{}, &Problem{Off: headerAt, What: "volume header", Err: err}
	}
	c := cursor.At(b, headerAt)
	id := c.Take(16, "identifier")
	h := header{version: c.U32("version")}
	kind := c.U32("record type")
	c.Skip(24, "offsets")
	h.catalogue = int64(c.U64("catalogue") & (1<<63 - 1))
	h.maxSize = c.U64("maximum size")
	h.id, h.storage = guid.From(c.Take(16, "volume id")), guid.From(c.Take(16, "storage volume id"))
	if [16]byte(id) != identifier || kind != typeVolume {
		return h, ErrNone
	}
	return h, nil
}

// Open reads the header and the catalogue. The error is ErrNone for a volume
// without the header.
func Open(r io.ReaderAt, size int64, opt Options) (*Volume, error) {
	v := &Volume{own: Origin{r, size}}
	h, err := readHeader(v.own)
	if err != nil {
		return nil, err
	}
	v.Version, v.Catalogue, v.MaxSize, v.ID, v.StorageID = h.version, h.catalogue, h.maxSize, h.id, h.storage
	c := catalogue{stores: map[guid.GUID]*Store{}, v: v}
	c.read(v.own, h.catalogue, true, true)
	if v.StorageID == v.ID || v.StorageID.Zero() {
		v.storage = v.own
	} else {
		c.elsewhere(opt.Others)
	}
	for _, s := range c.stores {
		v.Stores = append(v.Stores, s)
	}
	slices.SortFunc(v.Stores, func(a, b *Store) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	if opt.Search {
		v.search()
	}
	for i, s := range v.Stores {
		s.index = i
		s.readHead()
	}
	return v, nil
}

// Problems lists what could not be read of the header and the catalogue.
func (v *Volume) Problems() []Problem { return v.problems }

func (v *Volume) report(off int64, err error, format string, args ...any) {
	v.problems = append(v.problems, Problem{off, fmt.Sprintf(format, args...), err})
}

// catalogue gathers the two kinds of entries: one names a copy, the other says
// where its parts lie.
type catalogue struct {
	v      *Volume
	stores map[guid.GUID]*Store
}

// elsewhere finds the storage volume among others, and the places of the parts
// in its catalogue.
func (c *catalogue) elsewhere(others []Origin) {
	for _, o := range others {
		h, err := readHeader(o)
		if err != nil || h.id != c.v.StorageID {
			continue
		}
		c.v.storage = o
		c.read(o, h.catalogue, false, true)
		return
	}
}

// read goes through the blocks of a catalogue. names takes the entries that
// name copies, places those that say where their parts lie.
func (c *catalogue) read(o Origin, off int64, names, places bool) {
	seen := map[int64]bool{}
	for off != 0 {
		if seen[off] {
			c.v.report(off, nil, "the catalogue comes back to itself")
			return
		}
		seen[off] = true
		b, next, err := readBlock(o, off, typeCatalogue)
		if err != nil {
			c.v.report(off, err, "block of the catalogue")
			return // the chain is lost
		}
		for p := blockHead; p+entrySize <= blockSize; p += entrySize {
			e := cursor.At(b[p:p+entrySize], off+int64(p))
			switch kind := e.U64("entry type"); kind {
			case 2:
				if names {
					c.name(e)
				}
			case 3:
				if places {
					c.place(e)
				}
			case 0, 1:
			default:
				c.v.report(off+int64(p), nil, "entry of unknown type %d in the catalogue", kind)
			}
		}
		off = next
	}
}

// name decodes an entry of type 2.
func (c *catalogue) name(e *cursor.Cursor) {
	size := int64(e.U64("volume size") & (1<<63 - 1))
	s := c.store(guid.From(e.Take(16, "store id")))
	if s == nil {
		return
	}
	s.VolumeSize = size
	s.Sequence, s.CatalogueFlags, s.Created = e.U64("sequence"), e.U64("flags"), e.U64("creation time")
	s.named = true
}

// place decodes an entry of type 3. On a storage volume entries of other
// volumes stand too; they are left out.
func (c *catalogue) place(e *cursor.Cursor) {
	list := int64(e.U64("block list") & (1<<63 - 1))
	id := guid.From(e.Take(16, "store id"))
	s := c.stores[id]
	if s == nil {
		return
	}
	s.placed = true
	s.list, s.head = list, int64(e.U64("store header")&(1<<63-1))
	e.Skip(8, "ranges")
	s.bitmap = int64(e.U64("bitmap") & (1<<63 - 1))
	s.File = e.U64("file reference")
	e.Skip(8, "allocated size")
	s.previous = int64(e.U64("previous bitmap") & (1<<63 - 1))
}

func (c *catalogue) store(id guid.GUID) *Store {
	s := c.stores[id]
	if s == nil && len(c.stores) < maxStores {
		s = &Store{ID: id, v: c.v}
		c.stores[id] = s
	}
	return s
}

// readBlock reads a block of a type and gives it with the place of the next.
func readBlock(o Origin, off int64, kind uint32) (b []byte, next int64, err error) {
	b = make([]byte, blockSize)
	if err := readFull(o, b, off); err != nil {
		return nil, 0, err
	}
	c := cursor.At(b, off)
	id := c.Take(16, "identifier")
	c.Skip(4, "version")
	k := c.U32("record type")
	c.Skip(8, "relative offset")
	at := c.U64("own offset")
	next = int64(c.U64("next offset") & (1<<63 - 1))
	if [16]byte(id) != identifier || k != kind || at != uint64(off) {
		return nil, 0, cursor.Errorf(off, "no block of type %d: type %d, says it lies at %#x", kind, k, at)
	}
	return b, next, nil
}

// readFull reads len(p) bytes or says why not.
func readFull(o Origin, p []byte, off int64) error {
	if off < 0 || off > o.Size-int64(len(p)) {
		return io.ErrUnexpectedEOF
	}
	n, err := o.R.ReadAt(p, off)
	if n == len(p) && (err == nil || err == io.EOF) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
