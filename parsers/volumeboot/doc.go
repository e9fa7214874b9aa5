// Package volumeboot tells what a range of sectors holds, from the places
// where file systems, encryption and storage layers sign themselves: the boot
// sector, superblocks near the start, and copies or metadata near the end.
//
// It names, it does not open: labels, sizes and serial numbers are read only
// where they stand in those places. The order of the tests is part of the
// contract. Encryption comes before any file system, since BitLocker To Go
// carries a FAT32 decoy for older systems; FAT, which has no signature worth
// the name, comes last and only with a boot sector that adds up.
//
// Sources: [MS-FVE] as libbde documents it; Microsoft "FAT: General Overview
// of On-Disk Format" 1.03 and "exFAT file system specification"; the Linux
// kernel's headers for ext4, Btrfs, XFS, md and swap; LVM2's label; "Apple
// File System Reference"; Apple TN1150; ECMA-119; SNIA DDF 2.0.
package volumeboot

import "io"

// Kind is what was recognised.
type Kind uint8

// The kinds. Unknown is anything that is not zeros.
const (
	Unknown Kind = iota
	Empty        // zeros, as far as the head goes
	Unread       // the head could not be read
	NTFS
	FAT12
	FAT16
	FAT32
	ExFAT
	ReFS
	BitLocker
	BitLockerToGo
	DynamicDisk
	StorageSpaces
	RAIDMember
	LVM
	LUKS
	Ext
	Btrfs
	XFS
	HFSPlus
	APFS
	ISO9660
	Swap
)

func (k Kind) String() string {
	return [...]string{"unknown", "empty", "unread", "NTFS", "FAT12", "FAT16", "FAT32", "exFAT", "ReFS",
		"BitLocker", "BitLocker To Go", "dynamic disk", "Storage Spaces", "RAID member", "LVM", "LUKS",
		"ext", "Btrfs", "XFS", "HFS+", "APFS", "ISO 9660", "swap"}[k]
}

// Head is what the signed places say. Fields that a kind does not have there
// are zero.
type Head struct {
	Kind        Kind
	Detail      string // version or variant, or what is odd
	Label       string
	Serial      string // as the kind's own tools print it
	SectorSize  int
	ClusterSize int64
	Size        int64  // bytes that the file system claims
	Copy        bool   // recognised by a copy, the first sector is damaged
	Err         error  // reading the head, where it failed in part
	Tail        string // storage metadata at the end, beside what the head says
}

// headSize reaches behind the superblock of Btrfs.
const headSize = 65536 + 4096

// Recognise looks at a range of size bytes.
func Recognise(r io.ReaderAt, size int64) Head {
	if size <= 0 {
		return Head{Kind: Empty}
	}
	b := make([]byte, min(headSize, size))
	n, err := r.ReadAt(b, 0)
	if n == len(b) {
		err = nil
	}
	h := recognise(b, n, size)
	h.Err = err
	tail := recogniseTail(r, size)
	switch {
	case tail == "":
	case h.Kind == Unknown || h.Kind == Empty:
		h.Kind, h.Detail, h.Tail = RAIDMember, "", tail
	default:
		// A mirror's member, or a disk that was one: the file system is
		// there to be read, and the metadata is named beside it.
		h.Tail = tail
	}
	if h.Kind == Unknown || h.Kind == Empty || h.Kind == RAIDMember && tail != "" || n < 512 {
		if c, ok := recogniseCopy(r, size); ok {
			c.Err, c.Tail = err, h.Tail
			return c
		}
	}
	if n < 512 && err != nil {
		h.Kind = Unread
	}
	return h
}

// test recognises one kind in the head of a range.
type test func(b []byte, size int64) (Head, bool)

// tests, most specific first.
var tests = []test{
	bitlocker, luks, ntfs, refs, exfat, storageSpaces, dynamicDisk, mdHead, lvm, iso9660,
	btrfs, xfs, apfs, hfs, ext, swap, fat,
}

func recognise(b []byte, good int, size int64) Head {
	for _, t := range tests {
		if h, ok := t(b, size); ok {
			return h
		}
	}
	for i, c := range b[:good] {
		if c != 0 {
			return Head{Kind: Unknown, Detail: describe(b[:good], i)}
		}
	}
	return Head{Kind: Empty}
}
