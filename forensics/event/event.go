// Package event holds the row of the timeline: one thing at one time, told by
// one record of one source.
//
// Where a time of its own is missing (a start place, a line of ShimCache) the
// same row is a fact, with the interval that bounds it.
package event

import (
	"kanshiki/forensics/locator"
)

// Clock says which clock wrote a time.
type Clock string

// The clocks.
const (
	SystemUTC   Clock = "system UTC"
	LocalTime   Clock = "local time" // Zone says which, ZoneAssumed whether it was read or assumed
	FileSystem  Clock = "file-system driver"
	RemoteHost  Clock = "remote host"
	Application Clock = "application"
)

// Recovered says in what state the record was found.
type Recovered string

// The states of a record. A record of a deleted file is InDeleted whatever its
// own state there.
const (
	Allocated Recovered = "allocated"
	InDeleted Recovered = "deleted"
	InSlack   Recovered = "slack"
	Carved    Recovered = "carved"
)

// Event is one row of the timeline, or a fact. Text is as the evidence has it;
// whoever prints it escapes it (package escape).
type Event struct {
	ID      ID     // given by the builder, see Identify
	Exhibit string // given by the builder
	Machine string // given by the builder

	Ticks       Ticks     // 0: the record's time is unset or impossible; the raw value stays in Fields
	Precision   Precision // "" is Exact
	Clock       Clock     // "" is SystemUTC
	Zone        string    // for local-time sources: the zone used for the conversion
	ZoneAssumed bool      // and whether it was assumed rather than read

	// Fact marks a row without a time of its own; it is true of a moment
	// between From and To, either of which may be 0 (not bounded).
	Fact     bool
	From, To Ticks

	Meaning  string // what happened at that time, in the field's own term: "last run", "content modified"
	Artifact string // given by the builder: the Spec's name
	Action   Action
	MACB     uint16 // marks of an entry's eight times, see MACB constants

	Path          string // file the event is about, from the volume root with "/" where it is on the volume, else as recorded
	Entry         uint64 // its MFT entry, where the record says so
	Sequence      uint16
	Stream        string
	Program       string // program that acted or ran, as recorded
	UserSID       string
	User          string
	Host          string // other machine's name
	Address       string // other machine's address
	Port          uint16
	URL           string
	Device        string
	RegistryKey   string // with the hive's root as the registry shows it: HKLM\SYSTEM\…
	RegistryValue string
	Mail          string // address of sender or recipient, or the message id
	SHA256        string // lower-case hex
	BytesSent     *int64
	BytesReceived *int64

	Message string  // one readable line
	Fields  []Field // all the rest, in the Spec's order; nothing is lost

	At        locator.Locator // Offset is that of the record in its source
	Source    string          // given by the builder: path as ks-walk list prints it
	Length    int64           // bytes of the record
	Record    string          // the record's own number or name in its source
	Recovered Recovered       // "" is Allocated
}

// Marks of the eight times of an entry, as mactime users know them.
const (
	SIModified uint16 = 1 << iota
	SIAccessed
	SIChanged
	SIBorn
	FNModified
	FNAccessed
	FNChanged
	FNBorn
)

// Marks prints "$SI m.cb  $FN ...b" for a set of marks.
func Marks(m uint16) string {
	set := func(shift uint16) string {
		b := []byte("....")
		for i, c := range []byte("macb") {
			if m>>(shift+uint16(i))&1 == 1 {
				b[i] = c
			}
		}
		return string(b)
	}
	return "$SI " + set(0) + "  $FN " + set(4)
}
