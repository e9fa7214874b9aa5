// Package xpress unpacks the two stream formats of [MS-XCA] that Windows uses
// below prefetch files, hibernation files, compressed executables (WOF) and
// SuperFetch databases: LZ77+Huffman (section 2.2) and plain LZ77 (section
// 2.4).
//
// Both write into a slice whose length is the unpacked size that the container
// declares: the caller caps that size, and nothing here allocates by what the
// input claims. A stream that ends early gives what came out of it together
// with a located error. Compression is not written; LZNT1 (2.5) is another
// package.
package xpress
