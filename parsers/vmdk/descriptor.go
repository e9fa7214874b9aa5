package vmdk

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/codepage"
	"kanshiki/parsers/internal/cursor"
)

// NoParent is the parent's identifier of a disk that has none.
const NoParent = 0xFFFFFFFF

// Descriptor is the text that says what a disk is made of.
type Descriptor struct {
	CID        uint32 // content identifier: changes with the first write after opening
	ParentCID  uint32 // that of the parent when the snapshot was made, or NoParent
	CreateType string
	ParentName string // parentFileNameHint, with whatever folder it names
	Extents    []Extent
	Embedded   bool              // it stands in an extent, not in a file of its own
	Fields     []container.Field // every value, in order

	encrypted bool
	problems  []container.Problem
}

// Extent is one line of the extent description.
type Extent struct {
	Access  string // "RW", "RDONLY", "NOACCESS"
	Sectors int64
	Type    string // in capitals: "FLAT", "SPARSE", "ZERO", "VMFS" …
	Name    string // of the file, with whatever folder it names; "" where there is none
	Start   int64  // sector in that file where a flat extent begins
}

// Kind is what the first bytes of a file say.
type Kind uint8

// The kinds that Identify tells apart.
const (
	NotVMDK   Kind = iota
	Sparse         // a hosted sparse extent
	ESXSparse      // a sparse extent of ESX
	SESparse       // a sparse extent of vSphere 6.5; not read
	Text           // a descriptor
)

const textSignature = "# disk descriptorfile"

// Identify tells what a file is from its first bytes, of which 512 are enough.
func Identify(head []byte) Kind {
	switch {
	case bytes.HasPrefix(head, []byte("KDMV")):
		return Sparse
	case bytes.HasPrefix(head, []byte("COWD")):
		return ESXSparse
	case bytes.HasPrefix(head, []byte("\xbe\xba\xfe\xca\x00\x00\x00\x00")):
		return SESparse
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(head) >= len(textSignature) && strings.EqualFold(string(head[:len(textSignature)]), textSignature) {
		return Text
	}
	return NotVMDK
}

// ParseDescriptor reads a descriptor whose first byte lies at off of its file.
// Bytes behind the first NUL are padding.
func ParseDescriptor(b []byte, off int64) (*Descriptor, error) {
	if len(b) > MaxDescriptor {
		return nil, cursor.Errorf(off, "descriptor: %d bytes, limit %d", len(b), MaxDescriptor)
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	if Identify(b) != Text {
		return nil, cursor.Errorf(off, "descriptor: does not begin with %q", "# Disk DescriptorFile")
	}
	d := &Descriptor{ParentCID: NoParent}
	page := d.encoding(b, off)
	seen := map[string]bool{}
	for line := range bytes.Lines(b) {
		text := strings.TrimSpace(codepage.Decode(bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")), page))
		if err := d.line(text, off, seen); err != nil {
			return nil, err
		}
		off += int64(len(line))
	}
	if !seen["cid"] {
		d.report(off, "descriptor: no CID")
	}
	return d, nil
}

func (d *Descriptor) report(off int64, format string, args ...any) {
	d.problems = append(d.problems, container.Problem{Off: off, What: fmt.Sprintf(format, args...)})
}

// encoding finds the code page in which the names are written. None stated
// means UTF-8 to VMware; what is not sound in it was written by something else.
func (d *Descriptor) encoding(b []byte, off int64) int {
	stated := ""
	for line := range bytes.Lines(b) {
		k, v, _ := strings.Cut(string(line), "=")
		if k = strings.ToLower(strings.TrimSpace(k)); k == "encoding" || k == "ddb.encoding" {
			stated = strings.ToLower(unquote(v))
			break
		}
	}
	number, _ := strconv.Atoi(strings.TrimPrefix(stated, "windows-"))
	switch {
	case stated == "" && utf8.Valid(b), stated == "utf-8":
		return 65001
	case stated == "":
		return codepage.Presume
	case stated == "shift_jis":
		return 932
	case stated == "gbk":
		return 936
	case stated == "big5":
		return 950
	case number > 0 && codepage.Known(number):
		return number
	}
	d.report(off, "descriptor: unknown encoding %q", stated)
	return codepage.Presume
}

func unquote(s string) string { return strings.Trim(strings.TrimSpace(s), `"`) }

func (d *Descriptor) line(text string, off int64, seen map[string]bool) error {
	if text == "" || text[0] == '#' {
		return nil
	}
	if first, _, _ := strings.Cut(text, " "); isAccess(first) {
		e, err := parseExtent(text, off)
		if err == nil && len(d.Extents) >= MaxExtents {
			err = cursor.Errorf(off, "descriptor: more than %d extents", MaxExtents)
		}
		d.Extents = append(d.Extents, e)
		return err
	}
	name, value, ok := strings.Cut(text, "=")
	if words := strings.Fields(text); !ok && len(words) > 2 {
		return cursor.Errorf(off, "descriptor: an extent without access: %.80q", text)
	}
	if !ok {
		d.report(off, "descriptor: a line that is neither a value nor an extent: %.80q", text)
		return nil
	}
	name, value = strings.TrimSpace(name), unquote(value)
	d.Fields = append(d.Fields, container.Field{Name: name, Value: value})
	key := strings.ToLower(name)
	if seen[key] {
		d.report(off, "descriptor: %s is given twice, the first one counts", name)
		return nil
	}
	seen[key] = true
	switch key {
	case "cid":
		d.CID = d.identifier(name, value, off)
	case "parentcid":
		d.ParentCID = d.identifier(name, value, off)
	case "createtype":
		d.CreateType = value
	case "parentfilenamehint":
		d.ParentName = value
	case "encryptionkeys", "encryption.keysafe":
		d.encrypted = true
	case "ddb.iofilters":
		d.encrypted = d.encrypted || strings.Contains(strings.ToLower(value), "vmcrypt")
	}
	return nil
}

// identifier reads a content identifier. One that is damaged becomes 0, which
// no disk has: a snapshot does not take a parent for its own by it.
func (d *Descriptor) identifier(name, value string, off int64) uint32 {
	n, err := strconv.ParseUint(value, 16, 32)
	if err != nil {
		d.report(off, "descriptor: %s %.40q is no hexadecimal number of 32 bits", name, value)
		return 0
	}
	return uint32(n)
}

func isAccess(s string) bool {
	return strings.EqualFold(s, "RW") || strings.EqualFold(s, "RDONLY") || strings.EqualFold(s, "NOACCESS")
}

// parseExtent reads a line like
//
//	RW 4192256 SPARSE "disk-s001.vmdk"
//	RW 1048576 FLAT "disk-f001.vmdk" 0
//
// A line that cannot be read is an error: every later extent would be out of
// its place.
func parseExtent(text string, off int64) (Extent, error) {
	rest, name, quoted := strings.Cut(text, `"`)
	words := strings.Fields(rest)
	if len(words) < 3 {
		return Extent{}, cursor.Errorf(off, "descriptor: extent %.80q: need access, sectors and type", text)
	}
	n, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil || n < 0 || n > maxSectors {
		return Extent{}, cursor.Errorf(off, "descriptor: extent of %.40q sectors", words[1])
	}
	e := Extent{Access: strings.ToUpper(words[0]), Sectors: n, Type: strings.ToUpper(words[2])}
	if !quoted {
		return e, nil
	}
	end := strings.LastIndexByte(name, '"')
	if end < 0 {
		return e, cursor.Errorf(off, "descriptor: extent %.80q: no quote behind the name", text)
	}
	if tail := strings.Fields(name[end+1:]); len(tail) > 0 {
		e.Start, err = strconv.ParseInt(tail[0], 10, 64)
		if err != nil || e.Start < 0 || e.Start > maxSectors-n {
			return e, cursor.Errorf(off, "descriptor: extent begins at sector %.40q", tail[0])
		}
	}
	e.Name = name[:end]
	return e, nil
}
