package secondreader

import (
	"cmp"
	"slices"
)

// Cause says why the two readers do not agree.
type Cause string

// The causes. All but Unexplained are ways in which the second reader goes
// wrong, or shows less; each is proven from the bytes of the record.
const (
	Unexplained     Cause = "unexplained"
	InOtherRecord   Cause = "attributes in extension records that the second reader does not follow"
	ForeignRecord   Cause = "attribute list of a deleted entry leads to a record that belongs to another entry now"
	NoNameOrTimes   Cause = "entry without $FILE_NAME or $STANDARD_INFORMATION in sight is left out"
	DamagedRecord   Cause = "damaged record is left out"
	NoSignature     Cause = "record without FILE signature is shown"
	ExtensionShown  Cause = "extension record is shown as an entry"
	NumberInRecord  Cause = "entry is shown under the number that the record holds, not that of its place"
	ByteOrderMark   Cause = "name that begins with U+FEFF or U+FFFE is taken for a byte order mark"
	LoneSurrogate   Cause = "unpaired surrogate is folded to U+FFFD"
	ParentFreed     Cause = "parent is deleted: its sequence number is one higher than the reference"
	ParentZero      Cause = "parent 0 is taken for the root"
	RootSequence    Cause = "sequence number of a reference to the root is not looked at"
	SecondDirName   Cause = "directory with several names: a path is given for each"
	ShortNameHidden Cause = "DOS name without a long one in its directory is left out"
	TooDeep         Cause = "more than 5000 directories above one another, or a loop of them"
	TooManyPaths    Cause = "more paths than the second reader's limit"
	TimeOverflow    Cause = "time outside 1677-09-21 to 2262-04-11 overflows"
	HeaderSize      Cause = "size of a named stream is given as 64, that of its header"
	FirstData       Cause = "unnamed size is that of the first $DATA which is not 0"
)

// Field is what is compared.
type Field string

// The fields.
const (
	Presence   Field = "entry"
	InUse      Field = "in use"
	Sequence   Field = "sequence"
	Directory  Field = "directory"
	Path       Field = "path"
	SITimes    Field = "$SI times"
	FNTimes    Field = "$FN times"
	Size       Field = "size"
	StreamName Field = "stream"
	StreamSize Field = "stream size"
	Geometry   Field = "geometry"
)

// Difference is one value on which the readers do not agree. The texts are
// from the evidence, WTF-8, cut in the middle where very long; "" is nothing.
type Difference struct {
	Entry        uint64
	Sequence     uint16 // under which our reader knows the entry; theirs where we have none
	Field        Field
	Ours, Theirs string
	Cause        Cause
}

// EndKind is how the second reader ended.
type EndKind string

// The ends. All but Complete leave entries that were not compared.
const (
	Complete EndKind = "complete"
	Refused  EndKind = "refused" // it could not open the volume
	Died     EndKind = "died"    // a panic, or over a limit of memory or processor time
	Stopped  EndKind = "stopped" // more bytes or time than allowed, or a $MFT that does not fit on the volume
)

// End is how the second reader ended. That is a result, not an error.
type End struct {
	Kind       EndKind
	Reason     string // "" for Complete
	Repeatable bool   // whether the same bytes end it the same way
}

// Count is how many differences have a cause.
type Count struct {
	Cause Cause
	N     int
}

// Summary counts. Compared is Agree and Differ together; with OnlyOurs and
// NotReached it is every entry of ours.
type Summary struct {
	End          End
	Compared     int // entries that both give
	Agree        int
	Differ       int // in at least one field
	OnlyOurs     int
	OnlyTheirs   int
	NotReached   int     // entries of ours behind the end
	Differences  []Count // Unexplained first if there are any, then by number
	NotListed    int     // differences that are counted only
	BytesRead    int64   // of the volume, by the second reader
	BadSectors   int     // 512 bytes each, that it was told are unreadable
	SecondReader string  // its name and version
}

// Unexplained is the number of differences without a known cause.
func (s *Summary) Unexplained() int {
	for _, c := range s.Differences {
		if c.Cause == Unexplained {
			return c.N
		}
	}
	return 0
}

// Report is what a comparison gave.
type Report struct {
	Summary
	Rows []Difference // what is Unexplained first, then in MFT order
}

// collector keeps differences up to a limit; the unexplained ones have one of
// their own.
type collector struct {
	limit              int
	counts             map[Cause]int
	known, unexplained []Difference
}

// maxText bounds what is kept of a value: one path may be 60 KiB long.
const maxText = 1 << 10

func (c *collector) add(d Difference) {
	c.counts[d.Cause]++
	list := &c.known
	if d.Cause == Unexplained {
		list = &c.unexplained
	}
	if len(*list) < c.limit {
		d.Ours, d.Theirs = shorten(d.Ours), shorten(d.Theirs)
		*list = append(*list, d)
	}
}

func (c *collector) report(s Summary) *Report {
	for cause, n := range c.counts {
		s.Differences = append(s.Differences, Count{cause, n})
		s.NotListed += n
	}
	s.NotListed -= len(c.known) + len(c.unexplained)
	slices.SortFunc(s.Differences, func(a, b Count) int {
		if (a.Cause == Unexplained) != (b.Cause == Unexplained) {
			if a.Cause == Unexplained {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Cause, b.Cause))
	})
	return &Report{s, append(c.unexplained, c.known...)}
}

func shorten(s string) string {
	if len(s) <= maxText {
		return s
	}
	cut := func(i int) int {
		for i < len(s) && s[i]&0xC0 == 0x80 {
			i++
		}
		return i
	}
	return s[:cut(maxText/2)] + "…" + s[cut(len(s)-maxText/2):]
}
