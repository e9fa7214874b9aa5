// Package packed gives random access to a file that was compressed as a whole:
// gzip (RFC 1952), zstd (RFC 8878), xz (file format 1.2.1) and bzip2.
//
// Opening decodes all of it once: only then is its size known, what of it is
// damaged, and where decoding can begin anew: at members of gzip, frames of
// zstd, blocks of xz (where an index tells them) and of bzip2. Between these
// places a read decodes from the nearest one before, or goes on with a decoder
// that was left near it. Nothing is written to disk, and memory is bounded. A
// file of one member is slow to read out of order: whoever reads much of it
// converts it first.
//
// What is given was checked when the file was opened: a part whose checksum or
// structure is wrong is corrupt as a whole, since gzip, zstd and xz check a
// member only at its end and where in it the damage lies cannot be known. A
// file that is cut, or a device that cannot be read on, leaves what came before
// readable; no checksum stands for the last member of it then. Behind damage
// the bytes go on where their place on the medium is known: zstd frames that say
// their size, xz blocks of an index.
//
// Not decoded: .lzma, .Z, zstd with a dictionary, xz with filters other than
// LZMA2 or a dictionary of more than 64 MiB.
package packed
