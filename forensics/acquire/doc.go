// Package acquire makes an image of a medium: it reads a device or any image
// that evidence opens, in order, hashes and compresses it on all cores, writes
// E01, seekable zstd or raw, and reads the result back.
//
//	source ─► batch of 1 MiB ─┬─► one goroutine per digest of the whole
//	                          └─► encoders ─► writer, in order ─► checkpoint
//	                              (and the batch's own SHA-256)
//
// The pool of batches bounds the memory and is the back-pressure. What is
// hashed is what is written: unreadable sectors are zeros in both, and are
// listed. A checkpoint holds all that is needed to go on: the writer's place,
// the states of the digests, the bad sectors; it is written only after the
// bytes that it speaks of are on the disk. A run that was killed and resumed
// writes the same bytes as one that was not.
//
// Reading back compares every MiB with the SHA-256 that was taken of it when it
// was read from the medium, on all cores; the digests of the segments and the
// picture of the image are taken then.
package acquire
