package secondreader

// Field is what is compared.
type Field string

// The fields.
const (
	Presence   Field = "entry"
	InUse      Field = "in_use"
	Sequence   Field = "record_sequence"
	Directory  Field = "directory"
	Path       Field = "path"
	Size       Field = "size"
	StreamName Field = "stream"
	StreamSize Field = "stream_size"
	Content    Field = "content"
)

// The names of the eight times are those of the columns of ks-walk list.
var (
	siFields = [4]Field{"si_created", "si_modified", "si_entry_modified", "si_accessed"}
	fnFields = [4]Field{"fn_created", "fn_modified", "fn_entry_modified", "fn_accessed"}
)

// Difference is one value on which the readers do not agree.
type Difference struct {
	Entry    uint64
	Sequence uint16 // under which our reader knows the entry; theirs where we have none
	Path     string // of the entry, WTF-8: ours, theirs where we have none
	Stream   string
	Field    Field
	// The values, "" for nothing. Paths and names are WTF-8 from the evidence.
	Ours, Theirs string
	// Causes are known faults of the second reader, the one that weighs most
	// first, or Unexplained alone.
	Causes []Cause
	Detail string // what the reason of the cause alone does not say
}

// EndKind is how the second reader ended.
type EndKind string

// The ends. All but Complete leave entries that were not compared, or may do so.
const (
	Complete EndKind = "complete"
	Refused  EndKind = "refused" // it could not open the volume
	Died     EndKind = "died"    // a panic, or over a limit of memory or processor time
	Stopped  EndKind = "stopped" // more bytes or time than allowed
	Endless  EndKind = "endless" // it takes the $MFT for larger than the volume; it was held to the size of that
)

// End is how the second reader ended. That is a result, not an error.
type End struct {
	Kind       EndKind
	Reason     string // "" for Complete
	Repeatable bool   // whether the same bytes end it the same way
}

// Count is how many differences have a cause; one with several is counted under
// each of them.
type Count struct {
	Cause Cause
	N     int
}

// Summary counts. Compared is Agree and Differ together; with OnlyOurs and
// NotReached it is every entry of ours.
type Summary struct {
	SecondReader string // its name and version
	End          End
	Compared     int // entries that both give
	Agree        int
	Differ       int // in at least one value
	OnlyOurs     int
	OnlyTheirs   int
	NotReached   int     // entries of ours behind the end
	Reached      uint64  // place in the $MFT before which all was compared
	Places       uint64  // in the $MFT
	Differences  int     // values
	Unexplained  int     // of these, without a known cause
	Causes       []Count // in the order of Reasons; those that occur
	Hashed       int     // streams whose content was compared
	Holes        int     // streams of entries in use whose content was not: larger than the volume
	Unread       int     // … that our reader does not give whole
	BytesRead    int64   // of the volume, by the second reader
	BadBytes     int64   // that it was told are unreadable
}
