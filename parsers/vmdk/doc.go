// Package vmdk reads virtual disks of VMware: a text descriptor, alone in its
// file or inside the extent, and the extents that it lists: flat files, zeros,
// hosted sparse files (monolithic, split at 2 GB, or stream-optimised with
// compressed grains and markers) and sparse files of ESX ("COWD"). Snapshots
// are read through their parents.
//
// The layout follows "Virtual Disk Format 1.1" and "5.0", technical notes of
// VMware, and "VMware Virtual Disk (VMDK) format specification" of the libvmdk
// project. Integers are little-endian, places are counted in sectors of 512
// bytes.
//
// A VMDK has no checksums but those of compressed grains. What can be checked
// is: a grain table against its copy, each entry against the file's size, the
// sector number of a compressed grain against its place. Where the table and
// its copy name two different places, the grain is corrupt and is not given: a
// choice would be a guess. Where only one of them has the grain, it is used
// and the doubt reported: a machine that was switched off leaves such tables.
//
// A snapshot stores what has changed since; the rest is its parent's, if that
// is the parent the snapshot was made of (its content identifier tells) and
// has not changed since. Where the parent is missing or another, the rest is
// unknown, not zero.
//
// Not read: SESPARSE extents (vSphere 6.5 and later), extents on devices (raw
// device mapping), encrypted disks. Change tracking files hold no content.
package vmdk

import "errors"

// Limits on what hostile input can ask for.
const (
	MaxDescriptor = 4 << 20  // bytes of a descriptor
	MaxExtents    = 1 << 16  // in one descriptor
	MaxParents    = 32       // snapshots above each other
	MaxGrain      = 16 << 20 // bytes of one grain
	MaxPacked     = 1 << 20  // bytes of one compressed grain, inflated
	MaxStreams    = 64       // compressed extents of a disk and its parents
	maxSectors    = 1 << 53  // of a medium: 2^62 bytes
	maxFound      = 1 << 22  // grains kept of a stream whose directory is lost
	tableBytes    = 8 << 20  // grain tables kept, of all extents together
)

// ErrUnsupported is in the error for a disk that is known but not read.
var ErrUnsupported = errors.New("is not read yet")

const sectorSize = 512
