// Package aff4 reads the Advanced Forensic Format 4, version 1: zip volumes with
// the image's streams in segments and what they say of themselves as RDF
// (information.turtle). Image streams that are stored, or compressed with
// snappy, LZ4, deflate or zlib, are read, alone or through a map, with the map's
// symbolic streams, in one volume or striped over several.
//
// The layout follows "AFF4 Standard Specification v1.0" and its draft 1.0a
// (Schatz and Cohen, github.com/aff4/Standard) and what the reference images
// hold, where they differ: block hashes lie in NNNNNNNN.blockHash.md5 and the
// like. Integers are little-endian.
//
// What the acquisition could not read (aff4:UnreadableData) and what it did not
// try (aff4:UnknownData) are ranges of their own; Filling gives the text that
// the standard puts there for linear hashes. aff4:SymbolicStreamXX is data: the
// medium had that byte. A stream whose volume is not at hand is unknown, and the
// volume is named.
//
// Snappy and LZ4 have no checksum. Chunks are compared with the block hashes
// that the volume states of them, where it does; Check compares what protects
// those, or, where there are none, the zip's CRC-32 of each bevy.
//
// Not read: encrypted volumes and streams, maps of maps, logical images
// (AFF4-L), memory, volumes from before the standard. BLAKE2b digests are not
// computed.
package aff4

import "errors"

// Limits on what hostile input can ask for.
const (
	MaxTurtle  = 16 << 20 // bytes of information.turtle
	MaxTriples = 1 << 18  // statements in it
	MaxMap     = 1 << 22  // runs of a map, neighbours that go on in one target joined
	MaxChunk   = 16 << 20 // bytes of the medium in a chunk
	MaxTargets = 1 << 16  // streams that a map names
	MaxVolumes = 256      // of a striped image
	maxBevy    = 1 << 17  // chunks in a bevy
	maxOther   = 1 << 18  // segments that are no part of a bevy
	maxIndex   = 16 << 20 // bytes of bevy indexes and block hashes that are kept
	maxPath    = 64 << 20 // bytes of mapPath that are hashed
)

// ErrUnsupported is in the error for a volume that is known but not read.
var ErrUnsupported = errors.New("is not read yet")

// ErrNoDisk is in the error for a volume that holds files or memory and no disk.
var ErrNoDisk = errors.New("holds no disk")
