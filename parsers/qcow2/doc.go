// Package qcow2 reads disks in the format of QEMU, versions 2 and 3: clusters
// that are stored, compressed (zlib or zstd), zero or not there, subclusters
// (extended L2 entries), backing files, external data files, and the internal
// snapshots, of which one can be chosen.
//
// The layout follows "docs/interop/qcow2.txt" of QEMU. Integers are big-endian.
//
// The format has no checksums: a table or a cluster that was changed inside the
// file's bounds is not noticed, but for compressed clusters that no longer
// decode. Reference counts are not read; they concern writing.
//
// Not read: version 1, encrypted disks (AES, LUKS), and what an incompatible
// feature bit announces that is not known.
package qcow2

import "errors"

// Limits on what hostile input can ask for.
const (
	MaxClusterBits = 21       // 2 MiB
	MaxL1          = 32 << 20 // bytes of an L1 table, QEMU's own limit
	MaxSnapshots   = 65536    // QEMU's own limit
	MaxBacking     = 32       // disks below each other
	maxName        = 4096     // bytes of a file name; QEMU writes 1023 at most
	tableBytes     = 16 << 20 // L2 tables kept
)

// ErrUnsupported is in the error for a disk that is known but not read.
var ErrUnsupported = errors.New("is not read yet")

// Magic is how a file begins.
const Magic = "QFI\xfb"
