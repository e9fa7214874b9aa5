package gpt

// typeNames are the partition types that an examiner of Windows machines
// meets (Microsoft, PARTITION_INFORMATION_GPT; UEFI specification; systemd's
// Discoverable Partitions).
var typeNames = map[string]string{
	"c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
	"e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
	"ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
	"de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows recovery",
	"5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": "LDM metadata",
	"af9b60a0-1431-4f62-bc68-3311714a69ad": "LDM data",
	"e75caf8f-f680-4cee-afa3-b001e56efc2d": "Storage Spaces",
	"558d43c5-a1ac-43c0-aac8-d1472b2923d1": "Storage Replica",
	"21686148-6449-6e6f-744e-656564454649": "BIOS boot",
	"0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux",
	"0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
	"a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
	"e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
	"ca7d7ccb-63ed-4c53-861c-1742536059cc": "LUKS",
	"48465300-0000-11aa-aa11-00306543ecac": "HFS+",
	"7c3457ef-0000-11aa-aa11-00306543ecac": "APFS",
	"53746f72-6167-11aa-aa11-00306543ecac": "Core Storage",
}

// TypeName is the meaning of a partition type, "" where it is not in the table.
func TypeName(g GUID) string { return typeNames[g.String()] }
