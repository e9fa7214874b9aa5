// Package aff4 reads the Advanced Forensic Format 4, version 1: a zip volume
// with the image's streams in segments and what it says of itself as RDF
// (information.turtle). Image streams that are stored, or compressed with
// snappy, LZ4, deflate or zlib, are read, alone or through a map, with the map's
// symbolic streams.
//
// The layout follows "AFF4 Standard Specification v1.0" (Schatz and others,
// github.com/aff4/Standard) and what its reference images hold. Integers are
// little-endian.
//
// What the acquisition could not read (aff4:UnreadableData) and what it did not
// try (aff4:UnknownData) are ranges of their own; the filling that other readers
// put there is not given. A stream whose segments are in another volume of a
// striped set is unknown, and the volume is named.
//
// Not read: encrypted streams, maps of maps, volumes from before version 1.
// Stored digests of blocks and maps are not compared.
package aff4

import "errors"

// Limits on what hostile input can ask for.
const (
	MaxTurtle  = 64 << 20 // bytes of information.turtle
	MaxMap     = 1 << 26  // entries of a map, 28 bytes each
	MaxChunk   = 16 << 20 // bytes of the medium in a chunk
	MaxTargets = 1 << 16  // streams that a map names
	maxBevy    = 1 << 20  // chunks in a segment
	indexBytes = 16 << 20 // of bevy indexes that are kept
)

// ErrUnsupported is in the error for a volume that is known but not read.
var ErrUnsupported = errors.New("is not read yet")
