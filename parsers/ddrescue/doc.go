// Package ddrescue reads and writes the mapfile of GNU ddrescue: which parts of
// a medium were read into an image, and which were not.
//
// It is text: lines that begin with # are comments; the first other line is the
// status (position, phase, pass); each line after it is a block (position,
// size, status), in bytes, ascending and without gaps. Numbers are decimal, hex
// (0x) or octal (0). The source is the manual of ddrescue 1.27, "Mapfile
// structure"; maps of versions before 1.20, whose status line has no pass, are
// read too.
//
// What a map does not say was not read: a line that cannot be understood, a gap
// between blocks, all behind the last block. A map whose blocks contradict each
// other is refused, as ddrescue refuses it.
package ddrescue

// Limits on what is read.
const (
	MaxSize   = 64 << 20 // bytes of a mapfile
	MaxBlocks = 1 << 20  // behind them nothing is known
	maxLines  = 100      // that are reported one by one; more are counted
)
