// Package evidence opens what was taken from a machine, whatever container it
// is stored in, and never writes to it.
package evidence

import (
	"io"
	"iter"

	"kanshiki/forensics/problem"
)

// RangeKind says what a range of an image is.
type RangeKind string

// The kinds of range. Only Data and Zero are the medium's own bytes.
const (
	Data       RangeKind = "data"         // read from the medium
	Zero       RangeKind = "zero"         // the container says: zeros, stored as a hole
	Unreadable RangeKind = "unreadable"   // the medium could not be read when it was acquired
	Unknown    RangeKind = "not acquired" // nobody tried, or a segment is missing
	Corrupt    RangeKind = "corrupt"      // the container is damaged here
)

// Range is a part of an image and what it is.
type Range struct {
	Off, Len int64
	Kind     RangeKind
}

// RangeError tells which bytes of a ReadAt are not the medium's own; those
// bytes are zero in the buffer, all others are good.
type RangeError struct {
	Ranges []Range // within the read, in order
	Err    error   // the first cause, nil where the kind says it all
}

// Image is evidence that is an array of sectors.
type Image interface {
	io.ReaderAt // safe for concurrent use; a read that meets bad ranges fills the good part and returns *RangeError
	Size() int64
	SectorSize() int                     // logical bytes per sector, 512 where the container does not say
	Ranges(off, n int64) iter.Seq[Range] // what the bytes are, merged, in order
	Digests() []Digest                   // as stored in the container
	Info() Info                          // what the container says of itself
	Problems() []problem.Problem         // found so far, by opening and by reading
	Close() error
}

// Digest is one that a container or sidecar states, or that we computed.
type Digest struct {
	Alg    string // "md5", "sha1", "sha256"
	Sum    string // lower-case hex
	Scope  string // "media", "segment" or "file"
	Source string // where it is stated: "hash section", "digest section", "computed" …
}

// Info is what a container says of itself, in its own words.
type Info struct {
	Format   string   // "E01", "raw", "split raw"
	Variant  string   // "EnCase 6", "FTK Imager" …
	Segments []string // names of the files, in order
	GUID     string
	Fields   []Field // case number, examiner, notes … in the container's order
}

// Field is a value of the container's header.
type Field struct{ Name, Value string }
