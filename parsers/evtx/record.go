package evtx

import "fmt"

// GUID is sixteen bytes as they stand in the file: three little-endian numbers
// and eight bytes.
type GUID [16]byte

// IsZero is true for a GUID that is not set.
func (g GUID) IsZero() bool { return g == GUID{} }

func (g GUID) String() string { return string(appendGUID(nil, g[:])) }

// Record is one event record. It and everything it points to is valid until
// the next record is asked for; strings stay.
type Record struct {
	ID        uint64 // from the record's header
	Written   uint64 // FILETIME of the record's header
	Offset    int64  // of the record in the file
	Length    int    // with header and trailing size
	Chunk     int    // index of the chunk place
	Origin    Origin
	Duplicate bool // recovered, and the same identifier and time is also live
	// Torn says that the record does not end where its size says: what stands
	// in it may in part belong to an older record.
	Torn bool

	System System
	// Container is the element that holds Data: EventData, UserData or, in
	// records that the service could not fit to their template,
	// ProcessingErrorData and others.
	Container string
	// Root is the element of the provider inside of UserData.
	Root string
	Data []Pair // in the order of the record
	// Nameless says that a template of the record is not there any more (in
	// recovered records). Where it is the outer one, System comes from the
	// places that its values have in all templates; what else has no name
	// stands in Data without one.
	Nameless bool
	// Borrowed says that the template was taken from another chunk, by its
	// identifier (recovered records only).
	Borrowed bool

	d          *decoder
	start, end int // of the binary XML in the chunk
}

// Pair is a value of the event with its name. Data elements without a Name
// have none; deeper elements have their path, attributes follow an @.
type Pair struct {
	Name  string
	Value Value
}

// System is the part of an event that all events have.
type System struct {
	Provider     string
	ProviderGUID GUID
	EventSource  string
	EventID      uint16
	Qualifiers   uint16
	Version      uint8
	Level        uint8
	Opcode       uint8
	Task         uint16
	Keywords     uint64
	Created      uint64 // FILETIME
	// RecordID is the number that the event had in the log it was written to;
	// in an exported log it differs from the identifier in the header.
	RecordID        uint64
	ActivityID      GUID
	RelatedActivity GUID
	ProcessID       uint32
	ThreadID        uint32
	Channel         string
	Computer        string
	User            Value // a SID, or nothing
	Has             Fields
}

// Fields says which parts of System were in the record: an event identifier of
// 0 and one that is missing are two things.
type Fields uint32

const (
	HasProvider Fields = 1 << iota
	HasProviderGUID
	HasEventSource
	HasEventID
	HasQualifiers
	HasVersion
	HasLevel
	HasTask
	HasOpcode
	HasKeywords
	HasCreated
	HasRecordID
	HasActivityID
	HasRelatedActivity
	HasProcessID
	HasThreadID
	HasChannel
	HasComputer
	HasUser
)

func (r *Record) clear() {
	data := r.Data[:0]
	*r = Record{Data: data}
}

// Lookup is the first value of that name.
func (r *Record) Lookup(name string) (Value, bool) {
	for i := range r.Data {
		if r.Data[i].Name == name {
			return r.Data[i].Value, true
		}
	}
	return Value{}, false
}

// Text is the first value of that name as text, or nothing.
func (r *Record) Text(name string) string {
	v, _ := r.Lookup(name)
	return v.String()
}

func (r *Record) String() string {
	return fmt.Sprintf("record %d at %#x (%s): %s %d", r.ID, r.Offset, r.Origin, r.System.Provider, r.System.EventID)
}
