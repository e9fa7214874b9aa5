package ntfs

type ownerIndex struct{}
