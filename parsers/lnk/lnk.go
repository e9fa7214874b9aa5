package lnk

import (
	"bytes"

	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/cursor"
	"kanshiki/parsers/internal/guid"
	"kanshiki/parsers/internal/propstore"
	"kanshiki/parsers/internal/shellitem"
	"kanshiki/parsers/internal/utf16"
)

// MaxSize bounds a link. Real ones have some kilobytes; an icon or an argument
// that carries a program makes some larger.
const MaxSize = 16 << 20

// Types of the packages below that a link is made of.
type (
	Item     = shellitem.Item
	Text     = shellitem.Text
	GUID     = guid.GUID
	Property = propstore.Property
)

// Flags of Link.Flags, [MS-SHLLINK] 2.1.1.
const (
	HasTargetIDList = 1 << 0
	HasLinkInfo     = 1 << 1
	HasName         = 1 << 2
	HasRelativePath = 1 << 3
	HasWorkingDir   = 1 << 4
	HasArguments    = 1 << 5
	HasIconLocation = 1 << 6
	IsUnicode       = 1 << 7
	RunAsUser       = 1 << 13
)

// Options of Parse; the zero value presumes the code page.
type Options struct {
	CodePage int // of text that is not UTF-16: 932, 1252 …; 0 presumes (932 or 1252)
}

// Link is a shell link.
type Link struct {
	Flags      uint32
	Attributes uint32 // of the target, and the times and size too
	Created    uint64 // FILETIME, 0 is not set
	Accessed   uint64
	Modified   uint64
	Size       uint32 // lower 32 bits
	IconIndex  int32
	Show       uint32
	HotKey     uint16

	Items []Item // the target in the shell's namespace

	Info *Info // nil where there is none

	Description  Text
	RelativePath Text
	WorkingDir   Text
	Arguments    Text
	IconLocation Text

	Environment string // path with variables
	Icon        string // of the icon block, with variables
	Darwin      string // installer product and component
	ShimLayer   string
	ConsolePage uint32
	Special     *Folder
	Known       *KnownFolder
	Tracker     *Tracker
	Properties  []Property
	VistaItems  []Item  // second item list of Vista and later
	Blocks      []Block // every extra block, in order
	End         int64   // length of the link in the source; what follows is not part of it
	Damage      []error
}

// Folder is a special folder that the target lies in.
type Folder struct {
	ID    uint32 // CSIDL
	Child uint32 // offset of the first item below it in the item list
}

// KnownFolder is a known folder that the target lies in.
type KnownFolder struct {
	ID    GUID
	Child uint32
}

// Tracker is what link tracking knows of the target. Droids are object
// identifiers of NTFS; those made by version 1 tell when that machine last
// started before, and its network card.
type Tracker struct {
	Machine     Text // NetBIOS name
	Volume      GUID
	File        GUID
	BirthVolume GUID
	BirthFile   GUID
}

// Block is an extra data block.
type Block struct {
	Offset    int64
	Signature uint32
	Data      []byte // after the signature
}

// class is the identifier of shell links, {00021401-0000-0000-C000-000000000046}.
var class = []byte{0x01, 0x14, 0x02, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46}

// headerSize is what every link begins with.
const headerSize = 0x4C

// Is tells whether b begins as a link does.
func Is(b []byte) bool {
	return len(b) >= 20 && b[0] == headerSize && b[1] == 0 && b[2] == 0 && b[3] == 0 && bytes.Equal(b[4:20], class)
}

// Parse reads a link at the beginning of b, which may go on after it (see
// Link.End). The error says that it is none.
func Parse(b []byte, opt Options) (*Link, error) {
	if len(b) > MaxSize {
		b = b[:MaxSize]
	}
	if !Is(b) {
		return nil, cursor.Errorf(0, "not the beginning of a shell link (%d bytes)", len(b))
	}
	c := cursor.New(b)
	c.Skip(20, "header")
	l := &Link{Flags: c.U32("flags"), Attributes: c.U32("attributes")}
	l.Created, l.Accessed, l.Modified = c.U64("created"), c.U64("accessed"), c.U64("modified")
	l.Size, l.IconIndex, l.Show, l.HotKey = c.U32("size"), int32(c.U32("icon")), c.U32("show command"), c.U16("hot key")
	c.Skip(10, "header")
	if c.Err() != nil {
		return nil, c.Err()
	}
	d := decoder{Link: l, c: c, page: opt.CodePage}
	d.items()
	d.info()
	d.strings()
	d.extra()
	l.damage(c.Err())
	l.End = c.Pos()
	return l, nil
}

func (l *Link) damage(err error) {
	if err != nil {
		l.Damage = append(l.Damage, err)
	}
}

type decoder struct {
	*Link
	c    *cursor.Cursor
	page int
}

func (d *decoder) text(b []byte) Text {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return Text{Text: codepage.Decode(b, d.page), Raw: b}
}

func (d *decoder) items() {
	if d.Flags&HasTargetIDList == 0 {
		return
	}
	n := int(d.c.U16("size of item list"))
	at := d.c.Pos()
	b := d.c.Take(n, "item list")
	if b == nil {
		return
	}
	items, _, err := shellitem.Parse(b, at, d.page)
	d.Items = items
	d.damage(err)
}

// strings reads the five counted strings; their size is in characters.
func (d *decoder) strings() {
	for _, s := range []struct {
		flag uint32
		to   *Text
		what string
	}{
		{HasName, &d.Description, "description"},
		{HasRelativePath, &d.RelativePath, "relative path"},
		{HasWorkingDir, &d.WorkingDir, "working directory"},
		{HasArguments, &d.Arguments, "arguments"},
		{HasIconLocation, &d.IconLocation, "icon location"},
	} {
		if d.Flags&s.flag == 0 {
			continue
		}
		n := int(d.c.U16(s.what))
		if d.Flags&IsUnicode != 0 {
			// Zeros inside are kept: programs hide arguments behind them.
			s.to.Text = utf16.String(d.c.Take(2*n, s.what))
			continue
		}
		if b := d.c.Take(n, s.what); b != nil {
			*s.to = Text{Text: codepage.Decode(b, d.page), Raw: b}
		}
	}
}

// TargetPath is the target as the link names it: by link info, else by the
// environment block, else by the part of the item list that a file system
// knows. "" where the target is none of a file system.
func (l *Link) TargetPath() string {
	if l.Info != nil {
		if p := l.Info.Path(); p != "" {
			return p
		}
	}
	if p := shellitem.FilePath(l.Items); p != "" {
		return p
	}
	return l.Environment
}

// ShellPath is the target as the item list names it.
func (l *Link) ShellPath() string { return shellitem.Path(l.Items) }
