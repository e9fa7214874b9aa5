package crashdump

import (
	"errors"
	"fmt"
	"strings"

	"kanshiki/parsers/internal/cursor"
)

// HeadSize is how much of a file Parse wants to see.
const HeadSize = 0x2000

// Kind is what a head says the file is.
type Kind string

// The kinds of files.
const (
	Kernel32    Kind = "kernel dump, 32 bit"
	Kernel64    Kind = "kernel dump, 64 bit"
	Minidump    Kind = "minidump"
	Hibernation Kind = "hibernation file"
)

// Types of kernel dumps, field DumpType (wdm.h and the debugger's symbols).
var types = map[uint32]string{1: "full", 2: "kernel", 3: "header only", 4: "small (triage)", 5: "full, by bitmap", 6: "kernel, by bitmap"}

// unset is what fields hold that the system did not fill.
const unset = 0x45474150 // "PAGE"

// Head is what the beginning of a file says.
type Head struct {
	Kind      Kind
	Signature string // of a hibernation file: hibr, wake, RSTR, link, in either case

	Major, Minor uint32    // of a kernel dump: 15 is a free build; the build number
	Machine      uint32    // IMAGE_FILE_MACHINE
	Processors   uint32    //
	BugCheck     uint32    // and its parameters; HasBugCheck tells whether they were filled
	Parameters   [4]uint64 //
	HasBugCheck  bool
	DumpType     uint32 // 0: not filled
	Required     uint64 // bytes that the dump needs

	Version uint32 // of a minidump
	Streams uint32
	Flags   uint64 // MINIDUMP_TYPE

	FileTime uint64 // 100 ns since 1601, UTC; 0: none
	UnixTime uint32 // of a minidump, seconds since 1970, UTC; 0: none
}

// Type names the type of a kernel dump.
func (h *Head) Type() string {
	if h.DumpType == 0 {
		return ""
	}
	if s, ok := types[h.DumpType]; ok {
		return s
	}
	return fmt.Sprintf("type %d", h.DumpType)
}

// ErrUnknown says that the file begins with none of the known signatures.
var ErrUnknown = errors.New("no dump and no hibernation file")

// Parse reads the beginning of a file; HeadSize bytes are enough. Where the
// head is cut, what was read is given with the error.
func Parse(b []byte) (*Head, error) {
	has := func(s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }
	switch {
	case has("PAGEDU64"):
		return kernel(b, Kernel64, places{machine: 0x30, parameters: 0x40, wide: true, dumpType: 0xf98, required: 0xfa0, time: 0xfa8})
	case has("PAGEDUMP"):
		return kernel(b, Kernel32, places{machine: 0x20, parameters: 0x2c, dumpType: 0xf88, required: 0xfa0, time: 0xfc0})
	case has("MDMP"):
		return minidump(b)
	case len(b) >= 4 && hibernates(string(b[:4])):
		return hibernation(b)
	}
	return nil, ErrUnknown
}

// places of fields that differ between 32 and 64 bit.
type places struct {
	machine, parameters      int
	wide                     bool
	dumpType, required, time int
}

func kernel(b []byte, k Kind, at places) (*Head, error) {
	h := &Head{Kind: k}
	c := cursor.New(b)
	c.Seek(8, "major version")
	h.Major, h.Minor = c.U32("major version"), c.U32("build number")
	c.Seek(at.machine, "machine")
	h.Machine, h.Processors, h.BugCheck = c.U32("machine"), c.U32("processors"), c.U32("bug check")
	h.HasBugCheck = c.Err() == nil && h.BugCheck != unset
	c.Seek(at.parameters, "bug check parameters")
	for i := range h.Parameters {
		if at.wide {
			h.Parameters[i] = c.U64("bug check parameter")
		} else {
			h.Parameters[i] = uint64(c.U32("bug check parameter"))
		}
	}
	if !h.HasBugCheck {
		h.BugCheck, h.Parameters = 0, [4]uint64{}
	}
	c.Seek(at.dumpType, "dump type")
	if h.DumpType = c.U32("dump type"); h.DumpType == unset {
		h.DumpType = 0
	}
	c.Seek(at.required, "required space")
	h.Required = filled(c.U64("required space"))
	c.Seek(at.time, "time")
	h.FileTime = filled(c.U64("time"))
	return h, c.Err()
}

func filled(v uint64) uint64 {
	if v == unset<<32|unset {
		return 0
	}
	return v
}

func minidump(b []byte) (*Head, error) {
	h := &Head{Kind: Minidump}
	c := cursor.New(b)
	c.Skip(4, "signature")
	h.Version, h.Streams = c.U32("version"), c.U32("number of streams")
	c.Skip(8, "directory and checksum")
	h.UnixTime, h.Flags = c.U32("time"), c.U64("flags")
	if c.Err() == nil && h.Version&0xffff != 0xa793 {
		c.Fail("minidump version %#x, want 0xa793 in the low word", h.Version)
	}
	return h, c.Err()
}

func hibernates(sig string) bool {
	switch strings.ToLower(sig) {
	case "hibr", "wake", "rstr", "link":
		return true
	}
	return false
}

// timeAt gives the place of the time by the header's own length, Windows 8 on.
var timeAt = map[uint32]int{
	0x2c8: 0x18, 0x310: 0x18, 0x328: 0x18, 0x338: 0x18, 0x340: 0x18, // 32 bit
	0x360: 0x20, 0x3b0: 0x20, 0x3c8: 0x20, 0x3d8: 0x20, 0x3e0: 0x20, 0x448: 0x20, 0x4d8: 0x20, // 64 bit
}

func hibernation(b []byte) (*Head, error) {
	h := &Head{Kind: Hibernation, Signature: string(b[:4])}
	c := cursor.New(b)
	c.Seek(12, "length of the header")
	n := c.U32("length of the header")
	if at, ok := timeAt[n]; ok {
		c.Seek(at, "time")
		h.FileTime = c.U64("time")
	}
	return h, c.Err()
}
