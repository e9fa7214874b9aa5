// Package vss reads the shadow copies that Windows Vista and later keep on an
// NTFS volume: the volume header at byte 0x1E00, the catalogue, and of each
// copy (a store) its header, its list of saved blocks and its bitmaps. A store
// is read as the volume was when it was made.
//
// Source: libyal, "Volume Shadow Snapshot (VSS)". Integers are little-endian,
// times are FILETIMEs, blocks have 16 KiB.
//
// A store holds only what was overwritten since it was made. What it does not
// hold stands in the next newer store that has it, else on the volume of
// today. So a damaged list makes older stores doubtful too; Complete tells.
//
// A store may lie on another volume: then the catalogue of that volume has the
// places of its parts, and Options takes the volume.
//
// # Not decoded
//
// Blocks that neither a store nor the bitmap knew as used are given as zeros:
// Windows leaves the buffer of the caller as it was there. "Scoped" snapshots
// (Windows 8 and later) saved only some files; the format does not say which.
// Copies made by hardware providers and by Windows 2003 have no store here.
package vss
