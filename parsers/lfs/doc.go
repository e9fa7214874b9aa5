// Package lfs reads the $LogFile of NTFS, the journal of the Log File Service,
// versions 1.1 and 2.0: every page by itself, also those that the chain of
// records no longer reaches, and every record with its operation.
//
// It knows bytes, not files: a Resolver tells which attribute of which MFT entry
// a record changes, as far as the tables in the log say so.
//
// Sources: Brian Carrier, "File System Forensic Analysis", 12.4.1; Oh, "NTFS Log
// Tracker"; layout.h of ntfs-3g (restart pages); the structures of the client
// records are known from dfir_ntfs and LogFileParser. Integers are
// little-endian.
//
// # Not decoded
//
// Records of other clients than NTFS (none were seen), CRC-32 pages of DAX
// volumes are taken without their checksum.
package lfs
