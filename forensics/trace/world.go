package trace

import (
	"cmp"
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
)

// World is the part of a case that can matter to an answer: what was run,
// started, mailed, opened, sent, deleted and cleared, the files that these
// records name, and what the sources could have shown. Load fills it from the
// store; tests fill it by hand.
type World struct {
	Machine  *artifact.Machine
	Exhibits []Exhibit
	Files    []*File
	Records  []*event.Event // events, then facts; Prepare sorts them
	Coverage []coverage.Fact
	Sources  []coverage.Source
	Content  Content
	Examiner []Mark
	// Families says which writer an artifact's records are from.
	Families map[string]artifact.Family
	// Span is the time that the evidence speaks of: birth of the volume to the
	// last record.
	From, To event.Ticks

	byKey map[string][]*File
	byRef map[ref]*File
}

// Exhibit is one piece of evidence.
type Exhibit struct {
	ID      string
	Name    string // file name as given
	Machine string
	Format  string
	Size    int64
	Network bool // a log of a proxy, firewall or gateway: outside the machine
}

// Mark is what the examiner adds or clears, a record of the case.
type Mark struct {
	Innocent bool
	What     string // path, digest, name or host
	Reason   string
}

type ref struct {
	exhibit  string
	volume   int
	entry    uint64
	sequence uint16
}

// File is a file that a trace can speak of.
type File struct {
	Exhibit  string
	Volume   int
	Entry    uint64
	Sequence uint16
	Path     string // from the volume's root, as the evidence has it
	Key      string // see Key
	Deleted  bool
	Dir      bool
	Size     int64
	SI, FN   Times
	ADS      []string // names of its further streams
}

// Times are the four times of an attribute.
type Times struct{ Born, Modified, Changed, Accessed event.Ticks }

func (f *File) ref() ref { return ref{f.Exhibit, f.Volume, f.Entry, f.Sequence} }

// Born is the best time of birth: $FILE_NAME, which the file system sets,
// before $STANDARD_INFORMATION, which anyone can.
func (f *File) Born() event.Ticks {
	if f.FN.Born.Valid() {
		return f.FN.Born
	}
	return f.SI.Born
}

// Base is the file's last name.
func (f *File) Base() string { return path.Base(f.Path) }

// Content gives what is in files. A file whose clusters belong to others now
// has none: ErrGone.
type Content interface {
	Digest(ctx context.Context, f *File) (Digest, error)
	Program(ctx context.Context, f *File) (*Program, error)              // nil where the content is no program
	Members(ctx context.Context, f *File) ([]Member, error)              // nil where it is no archive
	Holds(ctx context.Context, program *File, name string) (bool, error) // whether the name stands inside it
}

// Digest is what tells a content.
type Digest struct {
	SHA256 string
	CRC32  uint32
	Size   int64
	Whole  bool // every byte could be read, and no cluster belongs to another file now
}

// Signature is what is known of a program's signature without any knowledge of
// the examiner's machine.
type Signature string

// The states of a signature.
const (
	DigestAgrees     Signature = "digest agrees"
	DigestDiffers    Signature = "digest differs"
	SurelyUnsigned   Signature = "surely unsigned"
	SignatureUnknown Signature = "unknown"
)

// Program is what a program says of itself, as far as a trace asks.
type Program struct {
	Signature Signature
	Signers   []string
	Timestamp event.Ticks // link time as the header has it, 0 where absurd
	Packed    bool        // executable sections of very high entropy, almost no imports
	Hosts     []string    // names and addresses inside, lower case
	Names     []string    // file names and paths inside, lower case
	Known     bool        // in a list of known files that the examiner gave
	Facts     []string    // the rest, as sentences
}

// Member is a file inside an archive.
type Member struct {
	Name      string
	Size      int64
	CRC32     uint32
	HasCRC    bool
	SHA256    string // where the content could be read
	Encrypted bool
	Modified  event.Ticks // as the archive has it, often local time
}

// Prepare sorts and indexes the world, so that the answer does not depend on
// the order in which sources were read.
func (w *World) Prepare() {
	if w.Machine == nil {
		w.Machine = &artifact.Machine{}
	}
	slices.SortFunc(w.Files, func(a, b *File) int {
		return cmp.Or(strings.Compare(a.Exhibit, b.Exhibit), cmp.Compare(a.Volume, b.Volume), cmp.Compare(a.Entry, b.Entry),
			cmp.Compare(a.Sequence, b.Sequence), strings.Compare(a.Path, b.Path))
	})
	slices.SortFunc(w.Records, func(a, b *event.Event) int {
		return cmp.Or(cmp.Compare(a.Ticks, b.Ticks), strings.Compare(a.Artifact, b.Artifact), slices.Compare(a.ID[:], b.ID[:]),
			strings.Compare(a.At.String(), b.At.String()))
	})
	slices.SortFunc(w.Coverage, coverage.Compare)
	w.byKey, w.byRef = map[string][]*File{}, map[ref]*File{}
	for _, f := range w.Files {
		if f.Key == "" {
			f.Key = Key(f.Path, w.Machine, "")
		}
		w.byKey[f.Key] = append(w.byKey[f.Key], f)
		if _, twice := w.byRef[f.ref()]; !twice {
			w.byRef[f.ref()] = f
		}
	}
}

// at finds the file of a path at a time: the one that was born before and is
// not known to be gone, else the only one there is.
func (w *World) at(key string, t event.Ticks) *File {
	var best *File
	for _, f := range w.byKey[key] {
		if f.Dir || t.Valid() && f.Born() > t.Add(slack) {
			continue
		}
		if best == nil || !f.Deleted && best.Deleted || f.Deleted == best.Deleted && f.Born() > best.Born() {
			best = f
		}
	}
	if best == nil && len(w.byKey[key]) == 1 && !w.byKey[key][0].Dir {
		best = w.byKey[key][0]
	}
	return best
}

// family is the witness family of a record. Event logs are one family for each
// provider.
func (w *World) family(e *event.Event) artifact.Family {
	f := w.Families[e.Artifact]
	if f == artifact.FamilyEventLog {
		return f + artifact.Family(": "+field(e, "provider"))
	}
	if f == "" {
		return artifact.Family(e.Artifact)
	}
	return f
}

// field is a value of an event's fields, or "".
func field(e *event.Event, name string) string {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Text()
		}
	}
	return ""
}

// listOf reads back a field that event.List wrote.
func listOf(f event.Field) []string {
	var v []string
	if json.Unmarshal([]byte(f.Text()), &v) != nil {
		return nil
	}
	return v
}
