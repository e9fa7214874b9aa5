package artifact

import (
	"context"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

// VolumeSpec is an artifact that is read from a file system as a whole: the
// entries of $MFT, the change journal.
type VolumeSpec struct {
	Name   string // "filesystem/mft"
	Title  string
	Fields []string
	Card   Card
	Family Family
	Read   func(ctx context.Context, in *VolumeInput, emit func(*event.Event) error) error
}

// VolumeInput is one file system.
type VolumeInput struct {
	At      locator.Locator
	Source  string // "$MFT", "$Extend/$UsnJrnl:$J"
	FS      filesystem.FS
	Machine *Machine
	Report  func(problem.Problem)
	Cover   func(coverage.Fact)
	Counts  coverage.Counts
}
