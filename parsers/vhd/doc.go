// Package vhd reads virtual disks of Microsoft's first format (Virtual PC,
// Virtual Server, Hyper-V, Azure, disk2vhd): fixed, dynamic and differencing
// ones, with their parents.
//
// The layout follows "Virtual Hard Disk Image Format Specification" 1.0 of
// Microsoft. Integers are big-endian. Every disk ends in a footer of 512 bytes
// (511 before Virtual PC 2004); dynamic and differencing ones have a copy of it
// at their start, a header, and a table of blocks. Footer and header have a
// checksum, the table and the content have none.
//
// The medium's size is the footer's "current size", not its geometry: the
// geometry ends at 127 GiB and is rounded. The bitmap of a block tells whose its
// sectors are in a differencing disk. In a dynamic one it tells which were never
// written: they are zero, and bytes that lie there all the same are a problem,
// since programs do not agree (libvhdi gives zeros as well, qemu-img the bytes).
// A parent that is missing or another leaves what the disk does not store
// unknown, not zero.
package vhd

// Limits on what hostile input can ask for.
const (
	MaxParents = 32       // disks below each other
	MaxBlock   = 1 << 30  // bytes of a block; 2 MiB as a rule
	MaxTable   = 16 << 20 // bytes of the table of blocks: 8 TiB in blocks of 2 MiB; the format ends at 2
	maxLocator = 64 << 10 // bytes of a parent's name
	bitmaps    = 2 << 20  // bytes of bitmaps that are kept
	maxTold    = 16       // faults of the table that are told one by one
)
