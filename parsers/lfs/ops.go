package lfs

import "fmt"

// Op is the code of an operation.
type Op uint16

// Operations that callers look into.
const (
	Noop                  Op = 0x00
	Compensation          Op = 0x01
	InitializeRecord      Op = 0x02
	DeallocateRecord      Op = 0x03
	CreateAttribute       Op = 0x05
	DeleteAttribute       Op = 0x06
	UpdateResident        Op = 0x07
	UpdateNonresident     Op = 0x08
	UpdateMappingPairs    Op = 0x09
	SetNewSizes           Op = 0x0B
	AddIndexRoot          Op = 0x0C
	DeleteIndexRoot       Op = 0x0D
	AddIndexAllocation    Op = 0x0E
	DeleteIndexAllocation Op = 0x0F
	UpdateNameRoot        Op = 0x13
	UpdateNameAllocation  Op = 0x14
	OpenNonresident       Op = 0x1C
	OpenTableDump         Op = 0x1D
	NamesDump             Op = 0x1E
)

var opNames = [...]string{
	"Noop", "CompensationLogRecord", "InitializeFileRecordSegment", "DeallocateFileRecordSegment", "WriteEndOfFileRecordSegment", "CreateAttribute",
	"DeleteAttribute", "UpdateResidentValue", "UpdateNonresidentValue", "UpdateMappingPairs", "DeleteDirtyClusters", "SetNewAttributeSizes",
	"AddIndexEntryRoot", "DeleteIndexEntryRoot", "AddIndexEntryAllocation", "DeleteIndexEntryAllocation", "WriteEndOfIndexBuffer",
	"SetIndexEntryVcnRoot", "SetIndexEntryVcnAllocation", "UpdateFileNameRoot", "UpdateFileNameAllocation", "SetBitsInNonresidentBitMap",
	"ClearBitsInNonresidentBitMap", "HotFix", "EndTopLevelAction", "PrepareTransaction", "CommitTransaction", "ForgetTransaction",
	"OpenNonresidentAttribute", "OpenAttributeTableDump", "AttributeNamesDump", "DirtyPageTableDump", "TransactionTableDump",
	"UpdateRecordDataRoot", "UpdateRecordDataAllocation", "UpdateRelativeDataIndex", "UpdateRelativeDataAllocation", "ZeroEndOfFileRecord",
}

// String is the name that NTFS has for the operation, or its number.
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("operation %#x", uint16(o))
}

// OnRecord tells whether an operation changes an MFT entry in its place: then
// target VCN and cluster block say which.
func (o Op) OnRecord() bool {
	switch {
	case o >= InitializeRecord && o <= UpdateResident, o == UpdateMappingPairs, o == SetNewSizes, o == AddIndexRoot, o == DeleteIndexRoot:
		return true
	case o == 0x11, o == UpdateNameRoot, o == 0x21, o == 0x25:
		return true
	}
	return false
}

// Entry is the MFT entry that the operation changes, for operations on one.
func (o *Operation) Entry(clusterSize, recordSize int64) (uint64, bool) {
	if !o.Redo.OnRecord() && !o.Undo.OnRecord() || o.VCN > 1<<48 || recordSize <= 0 {
		return 0, false
	}
	return uint64((int64(o.VCN)*clusterSize + int64(o.ClusterBlock)*stride) / recordSize), true
}
