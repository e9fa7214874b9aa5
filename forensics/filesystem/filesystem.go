// Package filesystem gives entries and streams of a file system by reference.
//
// It goes by file reference, not by path: evidence has lone surrogates, names
// that differ in case only, streams, hard links, and deleted entries without a
// path. A path is for people.
package filesystem

import (
	"context"
	"io"
	"iter"

	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
)

// Ref is a reference to an entry: its number and its sequence number.
type Ref struct {
	Entry    uint64
	Sequence uint16
}

// State is what an entry is now.
type State string

// The states of an entry.
const (
	Live    State = "live"
	Deleted State = "deleted"
	Orphan  State = "orphan"  // in use, but no directory leads to it; or deleted and its parent is gone
	Damaged State = "damaged" // parts of it could not be decoded
)

// Kind is what an entry is.
type Kind string

// The kinds of entry.
const (
	File    Kind = "file"
	Dir     Kind = "dir"
	Reparse Kind = "reparse"
)

// Times are the four times of an attribute.
type Times struct{ Created, Modified, Changed, Accessed event.Ticks }

// Name is one link of an entry.
type Name struct {
	Path   string // WTF-8, from the volume's root, "/" between names, no leading "/"
	UTF16  []byte // exact UTF-16LE units of the path, set where the path is not plain text
	Proof  string // what the path rests on: "live", "plus-one", "usn", "unknown" …
	Parent Ref
	Times  Times  // $FILE_NAME
	Base   string // the last name of the path
}

// StreamInfo is one data stream of an entry.
type StreamInfo struct {
	Name        string // "" is the unnamed one
	Size        int64
	Initialised int64
	Allocated   int64
	Resident    bool
	Compressed  bool
	Sparse      bool
	Encrypted   bool
	Note        string // why its content is not on this disk or not decoded, "" for none
}

// Entry is a file-system entry with all its names and streams.
type Entry struct {
	Ref        Ref
	State      State
	InUse      bool // false for a deleted entry, whatever its State
	Kind       Kind
	SI         Times
	Attributes uint32 // $STANDARD_INFORMATION flags
	ReparseTag uint32
	OwnerID    uint32
	SecurityID uint32
	USN        uint64
	LSN        uint64
	Links      uint16
	Names      []Name // in record order, DOS twins left out
	Streams    []StreamInfo
	Problems   []string // what could not be decoded of it
	Clock      Clock    // of SI
}

// Clock says what the times of an entry are worth, in the order of Times. The
// zero value is that of NTFS: UTC, in 100 ns.
type Clock struct {
	Local     [4]bool // what the clock on the wall showed, its zone is not known
	Precision [4]event.Precision
}

// Append writes time i as RFC 3339 with the digits that it has. A local time has
// no zone behind it.
func (c *Clock) Append(dst []byte, i int, t event.Ticks) []byte {
	p := c.Precision[i]
	if p == "" {
		p = event.Exact
	}
	dst = t.Append(dst, p)
	if k := len(dst) - 1; c.Local[i] && k >= 0 && dst[k] == 'Z' {
		dst = dst[:k]
	}
	return dst
}

// Stream is an open data stream. ReadAt past the initialised size gives zeros;
// a range that cannot be read gives the good bytes and an error with an Offset
// method.
type Stream interface {
	io.ReaderAt
	Size() int64
	ValidSize() int64
	// DiskOffset maps a stream offset to an image offset, false for what has no
	// place of its own (hole, compressed unit, resident: the record's place).
	DiskOffset(off int64) (int64, bool)
}

// DirEntry is a child of a directory.
type DirEntry struct {
	Name string
	Ref  Ref
	Kind Kind
}

// Change is one record of a change journal ($UsnJrnl:$J).
type Change struct {
	Ref        Ref
	Parent     Ref
	USN        uint64 // and its offset in the stream
	Length     int64
	Time       event.Ticks
	Reason     uint32
	SourceInfo uint32
	Attributes uint32
	Name       string // WTF-8
	Path       string // the path valid at that time, rewound; "" where not known
	UTF16      []byte // exact UTF-16LE units of the path, set where the path is not plain text
	Proof      string // what that path rests on
	Version    uint16 // major version of the record
}

// FS is one file system of one volume.
type FS interface {
	Entry(ctx context.Context, ref Ref) (*Entry, error)
	Children(ctx context.Context, dir Ref) iter.Seq2[DirEntry, error]
	Open(ctx context.Context, ref Ref, stream string) (Stream, error)
	Walk(ctx context.Context) iter.Seq2[*Entry, error] // MFT order, deleted too; the *Entry is valid until the next step
	// Lookup finds a path without regard to case, by the volume's own case
	// table; "a:b" is the stream b of a, unless a file has that very name.
	Lookup(ctx context.Context, path string) (Ref, string, error)
	// Glob finds live names by patterns without regard to case: * within a
	// name, ** for any number of directories; "pattern:stream" for streams.
	// One walk serves all patterns; the index says which pattern matched.
	Glob(ctx context.Context, patterns []string) iter.Seq2[Match, error]
	Changes(ctx context.Context) iter.Seq2[Change, error]
	Info() Info
	Problems() []problem.Problem
}

// Match is a name that a pattern found.
type Match struct {
	Pattern int
	Entry   *Entry // valid until the next step
	Name    int    // index in Entry.Names
	Stream  string
}

// Info is what a file system says of itself.
type Info struct {
	Kind        string // "NTFS 3.1"
	Label       string
	Serial      uint64
	ClusterSize int
	RecordSize  int
	Entries     int // slots that hold an entry
	LiveCount   int
	Deleted     int
	Orphans     int
	Created     event.Ticks // birth of the volume as its own metadata says
	Dirty       bool
}
