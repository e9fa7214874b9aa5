package ntfs

// entry is what the catalogue keeps of one place in the $MFT.
type entry struct {
	lsn       uint64
	usn       uint64 // of $STANDARD_INFORMATION, 0 in its short form
	base      Ref    // of an extension record
	links     uint32 // first link
	attrs     uint32 // first attribute
	times     uint32 // of $STANDARD_INFORMATION, where marked
	fileAttrs uint32
	owner     uint32
	security  uint32
	reparse   uint32 // tag
	ext       uint32 // first extension record, 0 for none
	seq       uint16
	flags     uint16
	hardLinks uint16 // as counted by the driver
	nlinks    uint16
	nattrs    uint16
	state     recState
	marks     uint8
}

// recState is what a place in the $MFT holds. Every place has exactly one.
type recState uint8

const (
	recUnread    recState = iota // the medium did not give it
	recZero                      // never used
	recBlank                     // formatted, never used: not in use, no attribute
	recLive                      // base record in use
	recDeleted                   // base record not in use
	recExtension                 // belongs to a base record
	recLeftover                  // extension record whose base is gone or does not know it
	recBad                       // something else than a record
)

const (
	markSI      = 1 << iota // has $STANDARD_INFORMATION
	markList                // has $ATTRIBUTE_LIST
	markDamage              // has damage of its own
	markPieces              // has a piece of an attribute that begins elsewhere
	markObject              // has $OBJECT_ID
	markEA                  // has $EA
	markNotRead             // reparse point whose data do not stand in the record, or are cut
)

// link is one $FILE_NAME.
type link struct {
	parent Ref
	name   uint32
	times  uint32
	flags  uint32
	id     uint16
	len    uint8 // units
	space  uint8
}

// Namespaces of a $FILE_NAME.
const (
	NamePOSIX    = 0
	NameWin32    = 1
	NameDOS      = 2
	NameWin32DOS = 3
)

// attr is an attribute that the catalogue keeps: each non-resident one, and
// each $DATA.
type attr struct {
	low       uint64
	allocated uint64
	size      uint64
	init      uint64
	typ       AttrType
	name      uint32
	runs      uint32
	nruns     uint32
	off       uint16 // in the record, in 8-byte units
	id        uint16
	flags     uint16
	nameLen   uint8 // units
	unit      uint8
	nonRes    bool
	runsBad   bool
}

// Catalog is the index of all MFT entries. It does not change once it is made,
// and may be used by several goroutines at once.
type Catalog struct {
	v       *Volume
	entries arena[entry]
	links   arena[link]
	attrs   arena[attr]
	times   arena[Times]
	names   blob[byte]
	runs    blob[Run]
	exts    []extLink
	damage  []Damage // by record
	byKind  [len(kindText)]uint64
	perRec  int
	lost    uint64 // damages counted, not kept
	kids    kidIndex
	owners  ownerIndex
	gone    func(Ref) (GoneDir, bool)
	differs recordSet // from the catalogue that this one was made from; nil for none
}

// extLink chains the extension records of a base.
type extLink struct {
	record uint32
	next   uint32 // index+1
}

// Volume is the volume that the catalogue was made from.
func (c *Catalog) Volume() *Volume { return c.v }

// Len is the number of places in the $MFT.
func (c *Catalog) Len() uint64 { return uint64(c.entries.n) }

// Coverage accounts for every place in the $MFT: the first nine counts sum up
// to Records.
type Coverage struct {
	Records    uint64
	Live       uint64 // base records in use
	Deleted    uint64 // base records not in use
	Extensions uint64 // records that belong to one of these
	Leftover   uint64 // extension records without their base
	Blank      uint64 // formatted, never used
	Zero       uint64 // zeros
	Bad        uint64 // something else than a record
	Unread     uint64 // could not be read

	BytesRead   int64
	BytesUnread int64
	Damage      uint64 // all damages; those over the limit of Options are counted only
}

// Coverage counts the places in the $MFT by what they hold.
func (c *Catalog) Coverage() Coverage {
	cov := Coverage{Records: uint64(c.entries.n), Damage: uint64(len(c.damage)) + c.lost}
	for i := range c.entries.n {
		switch c.entries.at(i).state {
		case recUnread:
			cov.Unread++
		case recZero:
			cov.Zero++
		case recBlank:
			cov.Blank++
		case recLive:
			cov.Live++
		case recDeleted:
			cov.Deleted++
		case recExtension:
			cov.Extensions++
		case recLeftover:
			cov.Leftover++
		case recBad:
			cov.Bad++
		}
	}
	rs := int64(c.v.geo.RecordSize)
	cov.BytesUnread = int64(cov.Unread) * rs
	cov.BytesRead = int64(cov.Records)*rs - cov.BytesUnread
	return cov
}

// Damage lists what was wrong, by record. DamageNotKept counts what was over
// the limit of Options.
func (c *Catalog) Damage() []Damage { return c.damage }

// DamageNotKept is how many damages the list leaves out.
func (c *Catalog) DamageNotKept() uint64 { return c.lost }

// maxDamagePerRecord keeps one forged record from filling the list.
const maxDamagePerRecord = 8

func (c *Catalog) report(d Damage) {
	c.byKind[d.Kind]++
	c.perRec++
	if c.perRec > maxDamagePerRecord || len(c.damage) >= c.v.opt.MaxDamage {
		c.lost++
		return
	}
	c.damage = append(c.damage, d)
}
