// Package vhdx reads virtual disks of Microsoft's second format: fixed, dynamic
// and differencing ones, with their parents, in logical sectors of 512 and 4096
// bytes. What stands in the log of a disk that was not closed is replayed in
// memory; the file is not changed.
//
// The layout follows [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format".
// Integers are little-endian. Headers, region tables and log entries have a
// CRC-32C and are there twice or in sequence; the table of blocks and the
// content have none.
//
// A block that is not present, undefined, zero or unmapped reads as zeros, as
// Hyper-V gives it; in a differencing disk one that is not present is the
// parent's. A parent that is missing or another leaves what the disk does not
// store unknown, not zero. A log that is not sound is not replayed, and that is
// said: the disk may then be of two times. Entries that are torn or damaged behind
// the last one that was replayed are a problem.
package vhdx

import "errors"

// Limits on what hostile input can ask for.
const (
	MaxParents = 32        // disks below each other
	MaxLog     = 64 << 20  // bytes of a log; 1 MiB as a rule
	MaxBAT     = 512 << 20 // bytes of the table of blocks: 64 TiB in blocks of 1 MiB
	maxEntries = 2047      // of a region table and of the metadata
	maxLocator = 1 << 20   // bytes of a parent locator
	batPart    = 64 << 10  // bytes of the table that are read at once
	bitmapPart = 4 << 10   // bytes of a sector bitmap that are read at once
	maxTold    = 16        // faults of the table that are told one by one
)

// ErrUnsupported is in the error for a disk that is known but not read.
var ErrUnsupported = errors.New("is not read yet")

// Magic is how a file begins.
const Magic = "vhdxfile"
