// Package recyclebin reads the indexes of the recycle bin.
//
// Read: $I files of Vista to 8.1 (version 1) and 10 to 11 (version 2); INFO and
// INFO2 of Windows 95, NT 4, 98, ME (records of 280 bytes), 2000, XP and 2003
// (800 bytes). Sources: "Windows Recycle.Bin file formats" and "Windows
// Recycler file formats" of the dtformats project; for the oldest versions and
// the damaged kind of $I (a byte is missing) the samples and the documentation
// of rifiuti2.
//
// Not read: the content ($R, Dc files), desktop.ini. Times are FILETIME.
package recyclebin

import (
	"bytes"

	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/utf16"
)

// Index is a $I file: what was deleted, when, from where.
type Index struct {
	Version   uint64
	Size      uint64 // of the file, or of everything in a folder
	SizeKnown bool   // false where a byte of the index is missing
	Deleted   uint64 // FILETIME
	Path      string
	Damage    []error
}

// MaxIndex bounds a $I file; the longest path has 32,767 characters.
const MaxIndex = 1 << 17

const v1Size = 8 + 8 + 8 + 520

// ParseIndex reads a $I file.
func ParseIndex(b []byte) (*Index, error) {
	if len(b) > MaxIndex {
		return nil, cursor.Errorf(MaxIndex, "%d bytes are more than an index has", len(b))
	}
	c := cursor.New(b)
	x := &Index{SizeKnown: true}
	x.Version = c.U64("version")
	if len(b) == v1Size-1 && x.Version == 1 {
		// Some files of Vista lack a byte before the time: everything behind
		// lies one byte early. Which byte it is cannot be told, so the size
		// has two readings and is not given.
		c.Skip(7, "size")
		x.SizeKnown = false
		x.Damage = append(x.Damage, cursor.Errorf(8, "a byte is missing: size not known"))
	} else {
		x.Size = c.U64("size")
	}
	x.Deleted = c.U64("time of deletion")
	if c.Err() != nil {
		return nil, c.Err()
	}
	n := c.Left() / 2
	switch x.Version {
	case 1:
		if want := v1Size - 24; x.SizeKnown && c.Left() < want {
			x.Damage = append(x.Damage, cursor.Errorf(c.Pos(), "path: need %d bytes, have %d", want, c.Left()))
		}
	case 2:
		declared := c.U32("length of path")
		if c.Err() != nil {
			return x, c.Err()
		}
		if n = c.Left() / 2; int64(declared) <= int64(n) {
			n = int(declared)
		} else {
			x.Damage = append(x.Damage, cursor.Errorf(c.Pos(), "path: need %d characters, have %d", declared, n))
		}
	default:
		return nil, cursor.Errorf(0, "version %d of a recycle bin index is not known", x.Version)
	}
	x.Path = utf16.CString(c.Take(2*n, "path"))
	return x, nil
}

// Text is text stored in a code page.
type Text struct {
	Text string
	Raw  []byte
}

// Info is an INFO or INFO2 file.
type Info struct {
	Version    uint32 // 0 Windows 95, 2 NT 4, 4 98, 5 ME and later
	RecordSize uint32
	Present    uint32 // files in the bin and files ever in it, by the header;
	Ever       uint32 // Windows leaves both at 0, or behind, in many files
	Records    []Record
	Damage     []error
}

// Record is one deleted file or folder.
type Record struct {
	Offset  int64
	Index   uint32 // number in the name of the content: D + drive + index
	Drive   uint32 // 0 is A; 26 a network path
	Deleted uint64 // FILETIME
	Size    uint32 // rounded up to whole clusters
	Path    string // by its UTF-16 name where there is one
	Short   Text   // name in the code page; before 2000 the only one
	Gone    bool   // was restored or removed from the bin since
}

// Options of ParseInfo; the zero value presumes the code page.
type Options struct {
	CodePage int // of names before 2000: 932, 1252 …; 0 presumes
}

// MaxInfo bounds an INFO2 file: 16 MiB are 20,000 deletions.
const MaxInfo = 16 << 20

// ParseInfo reads an INFO or INFO2 file.
func ParseInfo(b []byte, opt Options) (*Info, error) {
	if len(b) > MaxInfo {
		return nil, cursor.Errorf(MaxInfo, "%d bytes are more than a list of deletions has", len(b))
	}
	c := cursor.New(b)
	f := &Info{Version: c.U32("version"), Present: c.U32("entries"), Ever: c.U32("entries")}
	f.RecordSize = c.U32("size of a record")
	c.Skip(4, "header")
	if c.Err() != nil {
		return nil, c.Err()
	}
	switch f.Version {
	case 0, 2, 4, 5:
	default:
		return nil, cursor.Errorf(0, "version %d of a list of deletions is not known", f.Version)
	}
	if f.RecordSize != 280 && f.RecordSize != 800 {
		return nil, cursor.Errorf(12, "records of %d bytes are not known", f.RecordSize)
	}
	if opt.CodePage == codepage.Presume {
		opt.CodePage = presumed(b[c.Off():], int(f.RecordSize))
	}
	for c.Left() >= int(f.RecordSize) {
		f.Records = append(f.Records, record(c, f.RecordSize, opt.CodePage))
	}
	if c.Left() > 0 {
		f.Damage = append(f.Damage, cursor.Errorf(c.Pos(), "record %d: need %d bytes, have %d", len(f.Records), f.RecordSize, c.Left()))
	}
	return f, nil
}

// presumed looks at all names of a list together: one that has only half-width
// katakana beside ASCII would tell nothing by itself.
func presumed(b []byte, size int) int {
	var names []byte
	for ; len(b) >= size; b = b[size:] {
		name, _, _ := bytes.Cut(b[1:260], []byte{0})
		names = append(append(names, name...), 0)
	}
	return codepage.Presumed(names)
}

// record reads one. When a file leaves the bin the first byte of its short
// name, the drive's letter, is overwritten with zero.
func record(c *cursor.Cursor, size uint32, page int) Record {
	r := Record{Offset: c.Pos()}
	short := c.Take(260, "name")
	r.Index, r.Drive = c.U32("index"), c.U32("drive")
	r.Deleted, r.Size = c.U64("time of deletion"), c.U32("size")
	r.Gone = short[0] == 0
	if r.Gone {
		short = append([]byte{letter(r.Drive)}, short[1:]...)
	}
	short, _, _ = bytes.Cut(short, []byte{0})
	r.Short = Text{codepage.Decode(short, page), short}
	r.Path = r.Short.Text
	if size == 800 {
		if s := utf16.CString(c.Take(520, "name")); s != "" {
			r.Path = s
		}
	}
	return r
}

// letter is what the first byte of a path was by the number of its drive.
func letter(drive uint32) byte {
	if drive < 26 {
		return 'A' + byte(drive)
	}
	return '\\'
}
