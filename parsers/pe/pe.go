package pe

import (
	"kanshiki/parsers/internal/cursor"
)

// Limits. What lies beyond is reported as damage, not read.
const (
	MaxSize      = 1 << 30 // bytes of a file given to Parse
	MaxImports   = 1 << 16 // names of all import tables together
	MaxExports   = 1 << 16
	MaxDebug     = 256
	MaxCallbacks = 1024
	MaxResources = 1 << 14
	maxName      = 512
	maxDamage    = 200
)

// File is what a program says of itself.
type File struct {
	Size int64 // of the whole file, as the caller stated it

	NTOffset         int64
	Machine          uint16
	Timestamp        uint32 // seconds since 1970, or a hash in a reproducible build
	Characteristics  uint16
	DeclaredSections int
	OptionalSize     int // SizeOfOptionalHeader

	Magic            uint16 // 0x10b PE32, 0x20b PE32+
	Linker           [2]uint8
	EntryPoint       uint32
	ImageBase        uint64
	SectionAlignment uint32
	FileAlignment    uint32
	SizeOfImage      uint32
	SizeOfHeaders    uint32
	Checksum         uint32
	Subsystem        uint16
	DLLFlags         uint16
	Directories      []Directory

	Sections     []Section // in the order of the table
	Imports      []Import
	DelayImports []Import
	Export       *Export
	TLS          *TLS
	Debug        []DebugEntry
	Rich         *Rich
	Resources    []Resource
	ResourceTops int // entries of the root of the resource tree
	Version      []VersionString
	CLR          *CLR
	Certificates []Certificate
	Second       *Second // the library's own view, nil where it gave up
	SecondError  string  // and why

	Damage []error

	b          []byte
	certTable  []byte // certificate table behind b
	byAddress  []int  // sections in address order
	lastFound  int    // section of the last look-up, -1 for none
	limitsTold map[string]bool
}

// Directory is an entry of the optional header's table of directories. The
// certificate table's Address is a file offset.
type Directory struct{ Address, Size uint32 }

// The directories that are read.
const (
	dirExport      = 0
	dirImport      = 1
	dirResource    = 2
	dirCertificate = 4
	dirDebug       = 6
	dirTLS         = 9
	dirDelay       = 13
	dirCLR         = 14
)

// Section is one entry of the section table.
type Section struct {
	Name            string // eight bytes without the zeros at the end, as they are
	VirtualSize     uint32
	VirtualAddress  uint32
	RawSize         uint32
	RawOffset       uint32
	Characteristics uint32
	Entropy         float64 // bits per byte of what is there on disk
	EntropyOf       int64   // bytes it was computed of
}

// Section flags.
const (
	SectionCode    = 0x00000020
	SectionExecute = 0x20000000
	SectionRead    = 0x40000000
	SectionWrite   = 0x80000000
)

// Is64 tells whether the optional header is PE32+.
func (f *File) Is64() bool { return f.Magic == magic64 }

// Parse reads a program. b is the whole file, or its beginning where size says
// that there is more; a size of 0 is the length of b. An error means: this is
// no portable executable, and it says why.
func Parse(b []byte, size int64) (*File, error) { return ParseParts(b, nil, size) }

// ParseParts is Parse for a large file: its beginning, and the certificate
// table that lies behind it, nil where that is not at hand.
func ParseParts(b, table []byte, size int64) (*File, error) {
	if size == 0 {
		size = int64(len(b))
	}
	if int64(len(b)) > MaxSize {
		return nil, cursor.Errorf(MaxSize, "program of %d bytes, the limit is %d", len(b), int64(MaxSize))
	}
	f := &File{Size: size, b: b, certTable: table, lastFound: -1}
	if err := f.readHeaders(); err != nil {
		return nil, err
	}
	f.readSections()
	f.measureSections()
	f.readImports()
	f.readDelayImports()
	f.readExports()
	f.readTLS()
	f.readDebug()
	f.readRich()
	f.readCertificates()
	f.readSecond()
	f.readVersion()
	return f, nil
}

// CertificateRange reads the headers alone: where the certificate table lies
// that they state, 0 bytes where there is none or b is no program.
func CertificateRange(b []byte) (off, size int64) {
	f := &File{Size: int64(len(b)), b: b}
	if f.readHeaders() != nil {
		return 0, 0
	}
	return f.certificateRange()
}

// damage keeps what did not fit; past a limit only the fact that there is more.
func (f *File) damage(off int64, format string, args ...any) {
	switch {
	case len(f.Damage) < maxDamage:
		f.Damage = append(f.Damage, cursor.Errorf(off, format, args...))
	case len(f.Damage) == maxDamage:
		f.Damage = append(f.Damage, cursor.Errorf(off, "more than %d places do not fit, the rest is not listed", maxDamage))
	}
}

// damageErr keeps a cursor's error.
func (f *File) damageErr(err error) {
	if err != nil && len(f.Damage) < maxDamage {
		f.Damage = append(f.Damage, err)
	}
}

func (f *File) directory(i int) Directory {
	if i < len(f.Directories) {
		return f.Directories[i]
	}
	return Directory{}
}
