// Package ewf2 reads the Expert Witness Format, version 2: the images called
// Ex01 (EnCase 7 and later), in one segment or many.
//
// The layout follows "Expert Witness Compression Format version 2" of the libewf
// project and an image of another writer. Integers are little-endian. Each
// section's descriptor stands behind its data and names the one before it, so a
// segment is read from its end. Descriptors, tables and chunks have an Adler-32,
// compressed chunks that of zlib; a damaged one is a located range.
//
// Not read: encrypted images, logical evidence (Lx01). bzip2 is read as the
// standard stream that it should be; no image that uses it was at hand.
package ewf2

import "errors"

// Limits on what hostile input can ask for.
const (
	MaxSections = 1 << 20 // in all segments
	MaxChunk    = 16 << 20
	MaxTable    = 1 << 20 // entries of a sector table
	maxText     = 1 << 20 // bytes of device information or case data, inflated
	maxTables   = 16      // that are kept; 64 Ki chunks each as a rule
	maxRuns     = 1 << 20 // of bad sectors
)

// ErrUnsupported is in the error for an image that is known but not read.
var ErrUnsupported = errors.New("is not read yet")

// Magic is how a segment begins.
const Magic = "EVF2\x0d\x0a\x81\x00"
