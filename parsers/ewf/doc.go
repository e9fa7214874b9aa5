// Package ewf reads the Expert Witness Format, version 1: the images called
// E01 (EnCase 1 to 7, linen, FTK Imager, guymager, libewf's EWF-X) and S01
// (SMART), in one segment or thousands. It writes the layout of EnCase 6.
//
// The layout follows "Expert Witness Compression Format specification" of the
// libewf project, and what images of each writer really hold: a table without
// a checksum and with the chunks inside it (EWF, SMART, EnCase 1), base
// offsets of 0 or of the sectors section, table entries that overflow 2 GiB
// (EnCase 6.7.1), chunks of 512 bytes to 16 MiB.
//
// Nothing is taken on trust: every section descriptor, table, chunk and stored
// digest has a checksum, and all are checked. What cannot be given is named as
// a range of the media with a reason; a read never returns invented bytes with
// a nil error. A damaged table is replaced by its copy, and where both copies
// are gone the chunks are found by walking them, since each proves itself by
// its own checksum. A segment whose place in the media cannot be proven is not
// placed by guess.
//
// Not read: version 2 (Ex01), logical evidence files (L01, Lx01), encrypted
// images. They are told apart by Identify.
package ewf

// Limits on what hostile input can ask for.
const (
	MaxSections = 1 << 20  // section descriptors in a whole set
	MaxHeader   = 1 << 20  // inflated bytes of one header section
	MaxTable    = 1 << 22  // entries in one table section, 16 MiB
	MaxChunk    = 16 << 20 // bytes in one chunk
	MaxSegment  = 65535    // the header stores 16 bits
	MaxRuns     = 1 << 22  // bad sector runs in one error2 section, 32 MiB
	maxProblems = 1 << 12  // problems kept; more are counted
)
