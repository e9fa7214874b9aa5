package secondreader

// Cause names why the two readers do not agree.
type Cause string

// The causes. All but Unexplained are ways in which the second reader goes
// wrong, or shows less or more than the entry has.
const (
	Unexplained     Cause = "not-known"
	NullList        Cause = "null-list"
	BrokenList      Cause = "broken-list"
	NotListed       Cause = "not-listed"
	ForeignRecord   Cause = "foreign-record"
	NothingToShow   Cause = "no-name-or-times"
	DamagedRecord   Cause = "damaged-record"
	NoSignature     Cause = "no-signature"
	ExtensionShown  Cause = "extension-shown"
	BeyondMFT       Cause = "beyond-mft"
	NumberInRecord  Cause = "record-number"
	ByteOrderMark   Cause = "byte-order-mark"
	LoneSurrogate   Cause = "lone-surrogate"
	ParentFreed     Cause = "parent-freed"
	ParentReused    Cause = "parent-reused"
	ParentZero      Cause = "parent-zero"
	ParentSequence  Cause = "parent-without-sequence"
	RootSequence    Cause = "root-sequence"
	ParentUnchecked Cause = "parent-not-checked"
	SecondDirName   Cause = "directory-with-names"
	ShortNameHidden Cause = "dos-name"
	TooDeep         Cause = "too-deep"
	TooManyPaths    Cause = "too-many-paths"
	TimeOverflow    Cause = "time-overflow"
	HeaderSize      Cause = "size-64"
	FirstData       Cause = "first-data"
	PieceShown      Cause = "piece-shown"
	Compression     Cause = "lznt1"
	CompactedFile   Cause = "wof"
)

// Reasons says in a sentence what each cause is, in the order in which a
// summary lists them.
var Reasons = []struct {
	Cause  Cause
	Reason string
}{
	{Unexplained, "no known fault of the second reader gives this: one of the two is wrong"},
	{NullList, "$ATTRIBUTE_LIST is not resident: the second reader reads zeros in its place and sees the base record alone"},
	{BrokenList, "an entry of $ATTRIBUTE_LIST leads nowhere: the second reader drops all entries behind it"},
	{NotListed, "an extension record names this base record, and $ATTRIBUTE_LIST does not name it back"},
	{ForeignRecord, "$ATTRIBUTE_LIST leads to a record that belongs to another entry: the second reader takes its attributes all the same"},
	{NothingToShow, "the entry has no $FILE_NAME or no $STANDARD_INFORMATION: the second reader leaves it out"},
	{DamagedRecord, "the record is damaged; our reader lists the damage as a problem, the second reader does not"},
	{NoSignature, "the record has no FILE signature: the second reader does not look at it"},
	{ExtensionShown, "the second reader shows an extension record as an entry of its own"},
	{BeyondMFT, "the second reader goes on behind the end of the $MFT, and shows what looks like an entry there"},
	{NumberInRecord, "the second reader takes the number that stands in the record, which is not that of its place; records of NTFS before 3.1 and of some drivers have none there"},
	{ByteOrderMark, "the name begins with U+FEFF or U+FFFE, which the second reader takes for a byte order mark"},
	{LoneSurrogate, "the second reader folds an unpaired surrogate to U+FFFD"},
	{ParentFreed, "a parent was deleted, which raised its sequence number by one: the second reader does not follow"},
	{ParentReused, "the entry of a parent was used again: our reader has its name from the change journal, $LogFile or a directory's index, the second reader does not look there"},
	{ParentZero, "a parent reference names entry 0, which the second reader takes for the root"},
	{ParentSequence, "a parent reference has no sequence number: the second reader does not follow"},
	{RootSequence, "a parent reference names the root with another sequence number: the second reader does not look at it"},
	{ParentUnchecked, "a parent reference names a record that is no entry in use: the second reader takes its name all the same"},
	{SecondDirName, "a directory has several names: the second reader gives a path for each"},
	{ShortNameHidden, "a DOS name without a long one in its directory: the second reader leaves it out"},
	{TooDeep, "more than 5000 directories above one another, or a loop of them"},
	{TooManyPaths, "more paths than the second reader was asked for"},
	{TimeOverflow, "the second reader counts nanoseconds in 64 bits: a time outside 1677-09-21 to 2262-04-11 becomes another"},
	{HeaderSize, "the second reader gives 64 as the size of every named stream, which is that of a header in its memory"},
	{FirstData, "the second reader gives as size of the entry that of the first $DATA which is not 0, whatever its name"},
	{PieceShown, "the stream is described in several records: the second reader shows it once for each"},
	{Compression, "the stream is compressed (LZNT1): the second reader drops units that do not end with a hole of their own, and stops at one that gives less than a unit, without an error"},
	{CompactedFile, "the file is compressed by Windows (WOF): the second reader gives the zeros of its empty unnamed stream"},
}

// Reason is the sentence of a cause.
func (c Cause) Reason() string {
	for _, r := range Reasons {
		if r.Cause == c {
			return r.Reason
		}
	}
	return ""
}
