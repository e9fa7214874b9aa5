package scca

import (
	"bytes"
	"errors"

	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// MaxSize bounds a prefetch file, packed and unpacked. The largest ones known
// are below 1 MiB.
const MaxSize = 16 << 20

// ErrVersion is in the chain of the error for a format version that is not
// known: it is never read as another one.
var ErrVersion = errors.New("format version not known")

// File is a prefetch file.
type File struct {
	Version    uint32 // 17, 23, 26, 30, 31
	Layout     int    // of the file information: 1, or 2 where it is eight bytes shorter (30, 31)
	Packed     bool   // was stored as MAM
	Unpacked   int    // bytes that were read
	Size       uint32 // the file size that the header declares
	Executable string // name of the program, at most 29 characters
	Hash       uint32 // of the program's path (some programs: and command line)
	Flags      uint32 // 1: boot prefetch

	RunTimes   []uint64 // FILETIME, newest first; one place before version 26, then eight; 0 is not set
	RunCount   uint32
	HashString string // versions 30 and 31: what was hashed beside the path (package name), mostly ""

	Files       []string // names as stored, in order: full device paths in capitals
	Metrics     []Metric
	TraceChains uint32 // number of entries, not read
	Volumes     []Volume

	Damage []error // parts that do not fit, each with its offset in the unpacked file
}

// Metric is what was noted of one file.
type Metric struct {
	Start    uint32 // ms, as libscca presumes
	Duration uint32 // ms, as libscca presumes
	File     int    // index into File.Files, or -1 where the name does not begin a string
	Flags    uint32
	Ref      uint64 // file reference; 0 is not set; not stored in version 17
}

// Volume is a volume that files were read from.
type Volume struct {
	Device      string
	Created     uint64 // FILETIME; 0 on file systems without
	Serial      uint32
	Refs        []uint64 // file references of files, 0 is not set; Windows 8.1 left out the sequence, later ones leave out all
	Directories []string
}

// Parse reads a prefetch file. The error says that it is none, or of a version
// that is not known, or that nothing of it can be read; lesser damage is in
// File.Damage. Offsets are those of the unpacked file, but for errors in the
// packing itself.
func Parse(b []byte) (*File, error) {
	if len(b) > MaxSize {
		return nil, cursor.Errorf(MaxSize, "%d bytes are more than a prefetch file has", len(b))
	}
	f := &File{}
	if bytes.HasPrefix(b, []byte("MAM")) {
		plain, err := unpack(b)
		if len(plain) < headerSize {
			return nil, err
		}
		if err != nil {
			f.Damage = append(f.Damage, err)
		}
		f.Packed, b = true, plain
	}
	f.Unpacked = len(b)
	info, err := f.header(b)
	if err != nil {
		return nil, err
	}
	if int64(f.Size) > int64(len(b)) {
		f.damage(cursor.Errorf(int64(len(b)), "file: need %d bytes, have %d", f.Size, len(b)))
	}
	f.strings(b, info)
	f.volumes(b, info)
	return f, nil
}

func (f *File) damage(err error) {
	if err != nil {
		f.Damage = append(f.Damage, err)
	}
}

const headerSize = 84

// sections are the places that the file information gives, from the start of
// the file.
type sections struct {
	metrics, metricCount    uint32
	names, nameSize         uint32
	volumes, volumeCount    uint32
	volumeSize              uint32
	hashString, hashStrSize uint32
}

// header reads the header and the file information.
func (f *File) header(b []byte) (sections, error) {
	var s sections
	c := cursor.New(b)
	f.Version = c.U32("version")
	if sig := c.Take(4, "signature"); sig != nil && string(sig) != "SCCA" {
		return s, cursor.Errorf(4, "signature %q is not that of a prefetch file", sig)
	}
	c.Skip(4, "header")
	f.Size = c.U32("file size")
	f.Executable = utf16.CString(c.Take(60, "executable name"))
	f.Hash = c.U32("hash")
	f.Flags = c.U32("flags")
	if c.Err() != nil {
		return s, c.Err()
	}
	switch f.Version {
	case 17, 23, 26, 30, 31:
	default:
		return s, &versionError{f.Version}
	}
	s.metrics, s.metricCount = c.U32("file metrics"), c.U32("file metrics")
	c.Skip(4, "trace chains")
	f.TraceChains = c.U32("trace chains")
	s.names, s.nameSize = c.U32("file names"), c.U32("file names")
	s.volumes, s.volumeCount, s.volumeSize = c.U32("volumes"), c.U32("volumes"), c.U32("volumes")
	f.Layout = 1
	switch f.Version {
	case 17:
		f.runs(c, 1, 16)
	case 23:
		c.Skip(8, "file information")
		f.runs(c, 1, 16)
	case 26:
		c.Skip(8, "file information")
		f.runs(c, 8, 16)
	default:
		c.Skip(8, "file information")
		gap := 16
		if s.metrics == 296 || f.Version == 31 && s.metrics != 304 {
			f.Layout, gap = 2, 8
		}
		f.runs(c, 8, gap)
		c.Skip(8, "file information")
		s.hashString, s.hashStrSize = c.U32("hash string"), c.U32("hash string")
	}
	if want := map[uint32]uint32{17: 152, 23: 240, 26: 304, 30: 304, 31: 304}[f.Version]; f.Layout == 1 && s.metrics != want {
		f.damage(cursor.Errorf(headerSize, "file metrics begin at %d, not at a place known for version %d: run count and times may be read from the wrong place", s.metrics, f.Version))
	}
	f.damage(c.Err())
	return s, nil
}

// runs reads the run times and, after a gap, the run count.
func (f *File) runs(c *cursor.Cursor, n, gap int) {
	for range n {
		t := c.U64("run time")
		if c.Err() != nil {
			return
		}
		f.RunTimes = append(f.RunTimes, t)
	}
	c.Skip(gap, "file information")
	f.RunCount = c.U32("run count")
}

type versionError struct{ v uint32 }

func (e *versionError) Error() string {
	return cursor.Errorf(0, "prefetch version %d: %v", e.v, ErrVersion).Error()
}
func (e *versionError) Unwrap() error { return ErrVersion }
func (e *versionError) Offset() int64 { return 0 }
