package mbr

// typeNames are the partition types that an examiner of Windows machines
// meets (Andries Brouwer, "Partition types").
var typeNames = map[uint8]string{
	0x01: "FAT12", 0x04: "FAT16 below 32 MiB", 0x06: "FAT16", 0x07: "NTFS or exFAT", 0x0B: "FAT32", 0x0C: "FAT32 (LBA)",
	0x0E: "FAT16 (LBA)", 0x11: "hidden FAT12", 0x12: "maker's diagnostics", 0x14: "hidden FAT16", 0x16: "hidden FAT16",
	0x17: "hidden NTFS", 0x1B: "hidden FAT32", 0x1C: "hidden FAT32 (LBA)", 0x1E: "hidden FAT16 (LBA)",
	0x27: "Windows recovery", 0x42: "dynamic disk (LDM)", 0x82: "Linux swap", 0x83: "Linux", 0x84: "hibernation",
	0x8E: "Linux LVM", 0xA5: "FreeBSD", 0xA6: "OpenBSD", 0xA8: "macOS", 0xAF: "HFS+", 0xDE: "Dell diagnostics",
	0xE7: "Storage Spaces", 0xEF: "EFI system", 0xFB: "VMFS", 0xFD: "Linux RAID",
}

// TypeName is the meaning of a partition type, "" where it is not in the table.
func TypeName(t uint8) string { return typeNames[t] }
