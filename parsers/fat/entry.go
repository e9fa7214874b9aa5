package fat

// Entry is one entry of a directory.
type Entry struct {
	Off    int64 // of the entry on the volume (exFAT: of the first of its set); its number in the catalogue is Off/32
	Parent int64 // Off of the directory's entry, 0 for the root, -1 where no entry leads to the directory
	Name   string
	Units  []byte // UTF-16LE of a long name, nil for a short one alone
	Short  []byte // the eleven bytes as they stand; nil in exFAT
	Attr   uint16 // read-only 1, hidden 2, system 4, directory 0x10, archive 0x20
	First  uint32 // cluster
	Size   int64
	Valid  int64 // exFAT: bytes that were written; else Size

	Created, Modified, Accessed Time

	Deleted  bool   // the mark of the entry, or of a directory above it
	Straight bool   // exFAT: its clusters follow each other
	Assumed  bool   // deleted: that its clusters follow each other is an assumption
	Odd      string // what is doubtful about it, "" for nothing
}

// Time is a time of an entry in ticks of 100 ns since 1601, 0 for none. UTC says
// that it is one; else it is what the clock on the wall showed.
type Time struct {
	Ticks uint64
	UTC   bool
}

// IsDir tells whether the entry is a directory.
func (e *Entry) IsDir() bool { return e.Attr&attrDir != 0 }

const (
	attrLabel = 0x08
	attrDir   = 0x10
	attrLong  = 0x0F

	slotSize = 32
)

// slot is one place in a directory.
type slot struct {
	b   []byte
	off int64 // on the volume
}

// sink takes the entries of a directory. residue says that they stand behind the
// end mark.
type sink func(e Entry, residue bool)
