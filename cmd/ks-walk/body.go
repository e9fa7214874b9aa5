package main

import (
	"encoding/hex"
	"path"
	"strconv"
	"strings"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
	"kanshiki/parsers/ntfs"
)

// appendBody writes the rows of a body file, version 3: MD5, name, inode, mode,
// UID, GID, size, and the four times as seconds since 1970. The name is that of
// fls -m: with a leading "/", "($FILE_NAME)" behind it for the second row. The
// inode has entry and sequence number, since attribute ids are not unique.
func (r *row) appendBody(b []byte) []byte {
	name := r.bodyName()
	si, fn := r.e.SI, filesystem.Times{}
	b = r.appendBodyRow(b, name, si)
	if r.n != nil && r.stream() == "" && r.clock == nil { // FAT has no second set
		fn = r.n.Times
		b = r.appendBodyRow(b, name+" ($FILE_NAME)", fn)
	}
	return b
}

func (r *row) bodyName() string {
	p, _, _ := r.path()
	if r.n == nil {
		p = "?/" + strconv.FormatUint(r.e.Ref.Entry, 10)
	}
	if s := r.stream(); s != "" {
		p += ":" + s
	}
	p = "/" + strings.ReplaceAll(escape.Text(p), "|", "⟨U+007C⟩")
	if !r.e.InUse {
		p += " (deleted)"
	}
	return p
}

func (r *row) appendBodyRow(b []byte, name string, t filesystem.Times) []byte {
	mode := "r/rrwxrwxrwx"
	if r.e.Kind == filesystem.Dir {
		mode = "d/drwxrwxrwx"
	}
	b = append(append(append(b, "0|"...), name...), '|')
	b = strconv.AppendUint(b, r.e.Ref.Entry, 10)
	b = strconv.AppendUint(append(b, '-'), uint64(r.e.Ref.Sequence), 10)
	b = append(append(append(b, '|'), mode...), "|0|0|"...)
	b = strconv.AppendInt(b, r.size(), 10)
	for _, x := range [4]event.Ticks{t.Accessed, t.Modified, t.Changed, t.Created} {
		b = append(b, '|')
		const until1970 = 11644473600
		if s := int64(x/10000000) - until1970; x.Valid() && s >= 0 {
			b = strconv.AppendInt(b, s, 10)
		} else {
			b = append(b, '0') // what a body file has no word for
		}
	}
	return append(b, '\n')
}

// mftecmdColumns are those of MFTECmd's CSV of an $MFT.
var mftecmdColumns = []string{"EntryNumber", "SequenceNumber", "InUse", "ParentEntryNumber", "ParentSequenceNumber", "ParentPath", "FileName", "Extension",
	"FileSize", "ReferenceCount", "ReparseTarget", "IsDirectory", "HasAds", "IsAds", "SI<FN", "uSecZeros", "Copied", "SiFlags", "NameType",
	"Created0x10", "Created0x30", "LastModified0x10", "LastModified0x30", "LastRecordChange0x10", "LastRecordChange0x30", "LastAccess0x10", "LastAccess0x30",
	"UpdateSequenceNumber", "LogfileSequenceNumber", "SecurityId", "ObjectIdFileDroid", "LoggedUtilStream", "ZoneIdContents"}

// appendMFTECmd writes a row with the columns of that program. As there, the
// $FN times are left out where they are those of $SI, and the path has "\"
// between names and begins with ".".
func (r *row) appendMFTECmd(b []byte, v opened) []byte {
	p, _, _ := r.path()
	parent := "."
	dir, name := path.Split(p)
	if dir != "" {
		parent = `.\` + strings.ReplaceAll(strings.TrimSuffix(dir, "/"), "/", `\`)
	}
	ext := path.Ext(name)
	if s := r.stream(); s != "" {
		name += ":" + s
	}
	var up filesystem.Ref
	space := ""
	fn := filesystem.Times{}
	if r.n != nil {
		up, fn = r.n.Parent, r.n.Times
	}
	f, known := v.fs.Catalog().Lookup(ntfs.MakeRef(r.e.Ref.Entry, r.e.Ref.Sequence))
	target, droid := "", ""
	if known {
		for l := range f.Links() {
			if l.Parent() == ntfs.MakeRef(up.Entry, up.Sequence) && filesystem.Text(l.Name()) == path.Base(p) {
				space = [4]string{"Posix", "Windows", "Dos", "DosWindows"}[l.Namespace()&3]
			}
		}
		if f.HasReparse() {
			if x, _, err := f.Reparse(); err == nil {
				target = x.Substitute
			}
		}
		if o, ok, _ := f.ObjectID(); ok {
			droid = o.ID.String()
		}
	}
	si := r.e.SI
	cell := func(s string) { b = append(appendCell(b, s), ',') }
	num := func(v uint64) { b = append(strconv.AppendUint(b, v, 10), ',') }
	yes := func(v bool) {
		if v {
			b = append(b, "True,"...)
		} else {
			b = append(b, "False,"...)
		}
	}
	num(r.e.Ref.Entry)
	num(uint64(r.e.Ref.Sequence))
	yes(r.e.InUse)
	num(up.Entry)
	num(uint64(up.Sequence))
	cell(parent)
	cell(name)
	cell(ext)
	num(uint64(r.size()))
	num(uint64(r.e.Links))
	cell(target)
	yes(r.e.Kind == filesystem.Dir)
	yes(hasNamed(r.e.Streams) && r.stream() == "")
	yes(r.stream() != "")
	yes(r.n != nil && si.Created.Valid() && fn.Created.Valid() && si.Created < fn.Created)
	yes(si.Created.Valid() && (si.Created%10000000 == 0 || si.Modified%10000000 == 0))
	yes(si.Created.Valid() && si.Modified < si.Created)
	cell(strings.ReplaceAll(attributeNames(r.e.Attributes), ", ", "|"))
	cell(space)
	for i, x := range [4]event.Ticks{si.Created, si.Modified, si.Changed, si.Accessed} {
		b = append(appendMFTECmdTime(b, x), ',')
		if y := [4]event.Ticks{fn.Created, fn.Modified, fn.Changed, fn.Accessed}[i]; y != x {
			b = appendMFTECmdTime(b, y)
		}
		b = append(b, ',')
	}
	num(r.e.USN)
	num(r.e.LSN)
	num(uint64(r.e.SecurityID))
	cell(droid)
	b = append(b, ',')
	if known && r.stream() == "Zone.Identifier" {
		b = appendCell(b, zoneIdentifier(f))
	}
	return append(b, '\n')
}

func hasNamed(streams []filesystem.StreamInfo) bool {
	for i := range streams {
		if streams[i].Name != "" {
			return true
		}
	}
	return false
}

// zoneIdentifier is the text of the stream that a browser leaves.
func zoneIdentifier(f ntfs.File) string {
	s, ok := f.Stream("Zone.Identifier")
	if !ok || s.Size() > 4096 {
		return ""
	}
	rd, err := s.Open(0)
	if err != nil {
		return ""
	}
	buf := make([]byte, s.Size())
	n, _ := rd.ReadAt(buf, 0)
	for _, c := range buf[:n] {
		if c >= 0x7F || c < 0x20 && c != '\r' && c != '\n' && c != '\t' {
			return hex.EncodeToString(buf[:n])
		}
	}
	return strings.ReplaceAll(strings.TrimSpace(string(buf[:n])), "\r\n", " ")
}

func appendMFTECmdTime(b []byte, t event.Ticks) []byte {
	at := len(b)
	b = t.Append(b, event.Exact)
	if len(b) > at {
		b[at+10] = ' ' // no T, no Z
		b = b[:len(b)-1]
	}
	return b
}
