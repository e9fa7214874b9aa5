// Package ntfs reads NTFS volumes, versions 1.2 to 3.1, from any io.ReaderAt.
//
// One sequential pass over the $MFT (Volume.Scan) gives a Catalog: every
// entry, live or deleted, with all its names, all its streams and its eight
// times, each record accounted for. Streams are opened from the catalogue as
// io.ReaderAt; they know holes, initialised size, LZNT1 compression and that
// of WOF (compact.exe, Windows 10). The change journal ($Extend\$UsnJrnl) is
// read with the path that each record had at its time.
//
// # Sources
//
// libyal, "New Technologies File System (NTFS)"; [MS-FSCC] (reparse data
// 2.1.2, attributes 2.6, USN records 2.3 and 2.4); [MS-XCA] 2.5 for LZNT1; the
// notes of wimlib for WOF. Where volumes differ from the texts, the comment at
// the place says so.
//
// # Damage
//
// A damaged structure costs what it holds and no more: the entry is yielded
// with what could be read, and a Damage value says where on the volume what
// was expected. No loop runs longer than the bytes of the medium allow,
// whatever sizes the structures claim.
//
// # Not decoded
//
// $LogFile, $Secure, slack of $I30 and of records, EFS content, files stored
// elsewhere (deduplicated, offline, in the cloud, in a WIM image): these are
// recognised and named.
package ntfs
