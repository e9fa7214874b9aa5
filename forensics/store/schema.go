package store

// Version is that of the schema below. It rises when a column changes its
// meaning or goes; a new column does not raise it.
const Version = "1"

// Dataset is one of the store's tables.
type Dataset string

// The datasets.
const (
	Events   Dataset = "events"
	Facts    Dataset = "facts"
	Files    Dataset = "files"
	Coverage Dataset = "coverage"
	Problems Dataset = "problems"
	Sources  Dataset = "sources"
	Origins  Dataset = "origins"
)

// Datasets lists them in the order in which they are written.
var Datasets = []Dataset{Events, Facts, Files, Coverage, Problems, Sources, Origins}

// content is what a row of events and of facts have in common. Columns that
// repeat get a dictionary; the others are plain (delta lengths), as measured
// in notes on libraries, section 3.
type content struct {
	ID          [16]byte `parquet:"id"`
	Exhibit     string   `parquet:"exhibit,dict"`
	Machine     string   `parquet:"machine,optional,dict"`
	Precision   string   `parquet:"precision,dict"`
	Clock       string   `parquet:"clock,dict"`
	Zone        string   `parquet:"zone,optional,dict"`
	ZoneAssumed bool     `parquet:"zone_assumed"`

	Meaning  string `parquet:"meaning,optional,dict"`
	Artifact string `parquet:"artifact,dict"`
	Action   string `parquet:"action,optional,dict"`
	MACB     int32  `parquet:"macb,optional"`

	Path          string `parquet:"path,optional"`
	Entry         *int64 `parquet:"entry"`
	Sequence      *int32 `parquet:"sequence"`
	Stream        string `parquet:"stream,optional,dict"`
	Program       string `parquet:"program,optional,dict"`
	UserSID       string `parquet:"user_sid,optional,dict"`
	User          string `parquet:"user,optional,dict"`
	Host          string `parquet:"host,optional,dict"`
	Address       string `parquet:"address,optional,dict"`
	Port          int32  `parquet:"port,optional"`
	URL           string `parquet:"url,optional"`
	Device        string `parquet:"device,optional,dict"`
	RegistryKey   string `parquet:"registry_key,optional,dict"`
	RegistryValue string `parquet:"registry_value,optional,dict"`
	Mail          string `parquet:"mail,optional,dict"`
	SHA256        string `parquet:"sha256,optional"`
	BytesSent     *int64 `parquet:"bytes_sent"`
	BytesReceived *int64 `parquet:"bytes_received"`

	Message string `parquet:"message,optional"`
	Fields  string `parquet:"fields,optional"`
	TextRaw string `parquet:"text_raw,optional"` // exact bytes in hex of columns whose text is no UTF-8

	place
	Length    int64  `parquet:"length"`
	Record    string `parquet:"record,optional"`
	Recovered string `parquet:"recovered,dict"`
}

// place is the locator of a record and the path of its source.
type place struct {
	Volume         int32  `parquet:"volume"`
	Snapshot       int32  `parquet:"snapshot"`
	SourceEntry    int64  `parquet:"source_entry"`
	SourceSequence int32  `parquet:"source_sequence"`
	SourceStream   string `parquet:"source_stream,optional,dict"`
	Inner          string `parquet:"inner,optional"`
	Offset         int64  `parquet:"offset"`
	Source         string `parquet:"source,optional,dict"`
}

type eventRow struct {
	Time  *int64 `parquet:"time,timestamp(microsecond)"`
	Ticks int64  `parquet:"ticks,optional"` // 100 ns since 1601
	content
}

type factRow struct {
	From      *int64 `parquet:"from,timestamp(microsecond)"`
	To        *int64 `parquet:"to,timestamp(microsecond)"`
	FromTicks int64  `parquet:"from_ticks,optional"`
	ToTicks   int64  `parquet:"to_ticks,optional"`
	content
}

type originRow struct {
	ID      [16]byte `parquet:"id"`
	Exhibit string   `parquet:"exhibit,dict"`
	place
	Length    int64  `parquet:"length"`
	Record    string `parquet:"record,optional"`
	Recovered string `parquet:"recovered,dict"`
}

// fileRow has the columns of ks-walk list; a time that is unset or impossible
// is NULL and its raw value stands in the column with _ticks.
type fileRow struct {
	Exhibit        string `parquet:"exhibit,dict"`
	Machine        string `parquet:"machine,optional,dict"`
	Volume         int32  `parquet:"volume"`
	Snapshot       int32  `parquet:"snapshot"`
	Entry          int64  `parquet:"entry"`
	Sequence       int32  `parquet:"sequence"`
	Kind           string `parquet:"kind,dict"`
	State          string `parquet:"state,dict"`
	Path           string `parquet:"path"`
	PathProof      string `parquet:"path_proof,optional,dict"`
	PathUTF16      string `parquet:"path_utf16,optional"`
	ParentEntry    int64  `parquet:"parent_entry"`
	ParentSequence int32  `parquet:"parent_sequence"`
	Link           int32  `parquet:"link"` // which of the entry's names, from 0
	Stream         string `parquet:"stream,dict"`
	Size           int64  `parquet:"size"`
	Initialised    int64  `parquet:"initialised"`
	Allocated      int64  `parquet:"allocated"`
	Flags          string `parquet:"flags,optional,dict"` // resident, compressed, sparse, encrypted
	Note           string `parquet:"note,optional,dict"`
	Attributes     int64  `parquet:"attributes"`
	ReparseTag     int64  `parquet:"reparse_tag,optional"`

	SICreated       *int64 `parquet:"si_created,timestamp(microsecond)"`
	SIModified      *int64 `parquet:"si_modified,timestamp(microsecond)"`
	SIChanged       *int64 `parquet:"si_entry_modified,timestamp(microsecond)"`
	SIAccessed      *int64 `parquet:"si_accessed,timestamp(microsecond)"`
	FNCreated       *int64 `parquet:"fn_created,timestamp(microsecond)"`
	FNModified      *int64 `parquet:"fn_modified,timestamp(microsecond)"`
	FNChanged       *int64 `parquet:"fn_entry_modified,timestamp(microsecond)"`
	FNAccessed      *int64 `parquet:"fn_accessed,timestamp(microsecond)"`
	SICreatedTicks  int64  `parquet:"si_created_ticks,optional"`
	SIModifiedTicks int64  `parquet:"si_modified_ticks,optional"`
	SIChangedTicks  int64  `parquet:"si_entry_modified_ticks,optional"`
	SIAccessedTicks int64  `parquet:"si_accessed_ticks,optional"`
	FNCreatedTicks  int64  `parquet:"fn_created_ticks,optional"`
	FNModifiedTicks int64  `parquet:"fn_modified_ticks,optional"`
	FNChangedTicks  int64  `parquet:"fn_entry_modified_ticks,optional"`
	FNAccessedTicks int64  `parquet:"fn_accessed_ticks,optional"`

	SHA256   string `parquet:"sha256,optional"`
	Problems string `parquet:"problems,optional"`
}

type coverageRow struct {
	Exhibit  string `parquet:"exhibit,dict"`
	Machine  string `parquet:"machine,optional,dict"`
	Artifact string `parquet:"artifact,dict"`
	place
	From      *int64 `parquet:"from,timestamp(microsecond)"`
	To        *int64 `parquet:"to,timestamp(microsecond)"`
	FromTicks int64  `parquet:"from_ticks,optional"`
	ToTicks   int64  `parquet:"to_ticks,optional"`
	History   string `parquet:"history,dict"`
	State     string `parquet:"state,dict"`
	Verdict   string `parquet:"verdict,dict"`
	Untrusted string `parquet:"untrusted,optional"`
	How       string `parquet:"how,optional"`
	First     int64  `parquet:"first"`
	Last      int64  `parquet:"last"`
	Gaps      int64  `parquet:"gaps"`
	Evidence  string `parquet:"evidence,optional"`
}

type problemRow struct {
	Exhibit  string `parquet:"exhibit,dict"`
	Artifact string `parquet:"artifact,optional,dict"`
	place
	Length   int64  `parquet:"length"`
	Kind     string `parquet:"kind,dict"`
	Severity string `parquet:"severity,dict"`
	Expected string `parquet:"expected,optional"`
	Found    string `parquet:"found,optional"`
}

type sourceRow struct {
	Exhibit  string `parquet:"exhibit,dict"`
	Artifact string `parquet:"artifact,dict"`
	place
	Size      int64  `parquet:"size"`
	Declared  int64  `parquet:"declared"`
	Decoded   int64  `parquet:"decoded"`
	Recovered int64  `parquet:"recovered"`
	Failed    int64  `parquet:"failed"`
	State     string `parquet:"state,dict"`
	SHA256    string `parquet:"sha256,optional"`
}
