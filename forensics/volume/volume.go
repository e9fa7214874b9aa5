// Package volume finds the extents of an image that may hold a file system,
// and names every one of them: what is not read yet is a line of the ledger,
// never silence.
package volume

// Kind is what a volume was recognised as.
type Kind string

// The kinds. Only NTFS is read; every other one is named.
const (
	NTFS          Kind = "NTFS"
	FAT12         Kind = "FAT12"
	FAT16         Kind = "FAT16"
	FAT32         Kind = "FAT32"
	ExFAT         Kind = "exFAT"
	ReFS          Kind = "ReFS"
	BitLocker     Kind = "BitLocker"
	BitLockerToGo Kind = "BitLocker To Go"
	DynamicDisk   Kind = "dynamic disk (LDM)"
	StorageSpaces Kind = "Storage Spaces"
	RAIDMember    Kind = "RAID member"
	LVM           Kind = "LVM"
	LUKS          Kind = "LUKS"
	Ext           Kind = "ext2/3/4"
	Btrfs         Kind = "Btrfs"
	XFS           Kind = "XFS"
	HFSPlus       Kind = "HFS+"
	APFS          Kind = "APFS"
	ISO9660       Kind = "ISO 9660"
	Swap          Kind = "Linux swap"
	Unallocated   Kind = "unallocated"
	Reserved      Kind = "reserved" // MSR, EFI tables, gaps below the first partition
	Empty         Kind = "empty"    // nothing but zeros where a file system would begin
	Unrecognised  Kind = "not recognised"
)

// Readable tells whether the file system of this kind is read.
func (k Kind) Readable() bool { return k == NTFS }

// Volume is one extent.
type Volume struct {
	Number     int    // partition number from 1 in table order; 0 for a bare volume and for gaps
	Scheme     string // "GPT", "MBR", "MBR logical", "bare", "gap"
	Off, Len   int64  // bytes in the image; Len is what the table or the file system declares
	Kind       Kind
	Label      string // partition's name or the file system's label where it is in the boot sector
	TypeCode   string // partition type as the table has it: "07", or a GUID
	Detail     string // what recognised it, or what is odd
	SectorSize int
}
