package pe

import (
	"fmt"

	saferwall "github.com/saferwall/pe"
	"github.com/saferwall/pe/log"

	"kanshiki/parsers/internal/utf16"
)

// Second is what the library read of the same bytes: a difference to our own
// reading is a doubt that the caller tells.
type Second struct {
	Sections int
	Imports  int // names and numbers
	Exports  int
	Imphash  string
}

// Resource is one leaf of the resource tree.
type Resource struct {
	Type     uint32 // 16 is a version, 3 an icon; 0 where TypeName says it
	TypeName string
	ID       uint32
	Name     string
	Language uint16
	Address  uint32
	Size     uint32
	Data     []byte // what the file holds of it
}

// Resource types used here.
const (
	ResourceIcon    = 3
	ResourceVersion = 16
)

// CLR is what makes a program a .NET assembly.
type CLR struct {
	Flags    uint32
	Runtime  string // version string of the metadata
	Module   string
	MVID     string // GUID of this very build of the module
	Assembly string // name and version
	TypeLib  string // GUID of the project, where an attribute states it
}

// quiet drops what the library logs: what it loses is compared, not printed.
type quiet struct{}

func (quiet) Log(log.Level, ...interface{}) error { return nil }

// readSecond lets the library read the file. Only its fields are used, and
// only when its Parse gave no error: its methods panic after one.
func (f *File) readSecond() {
	if f.directory(dirCLR).Address != 0 {
		f.CLR = &CLR{}
	}
	lib, err := saferwall.NewBytes(f.b, &saferwall.Options{
		Logger:                     quiet{},
		DisableCertValidation:      true,
		DisableSignatureValidation: true,
		MaxCOFFSymbolsCount:        1,
		MaxRelocEntriesCount:       1,
		OmitDebugDirectory:         true, // sizes below 25 make it allocate gigabytes
		OmitSecurityDirectory:      true, // read by ourselves
		OmitRelocDirectory:         true,
		OmitExceptionDirectory:     true,
		OmitArchitectureDirectory:  true,
		OmitGlobalPtrDirectory:     true,
		OmitTLSDirectory:           true,
		OmitLoadConfigDirectory:    true,
		OmitBoundImportDirectory:   true,
		OmitIATDirectory:           true,
		OmitDelayImportDirectory:   true,
	})
	if err == nil {
		err = lib.Parse()
	}
	if err != nil {
		f.SecondError = err.Error()
		return
	}
	f.Second = &Second{Sections: len(lib.Sections), Exports: len(lib.Export.Functions)}
	for _, imp := range lib.Imports {
		f.Second.Imports += len(imp.Functions)
	}
	if len(lib.Imports) > 0 {
		f.Second.Imphash, _ = lib.ImpHash()
	}
	f.ResourceTops = len(lib.Resources.Entries)
	f.leaves(lib.Resources.Entries, nil)
	if f.CLR != nil {
		f.CLR.Flags = uint32(lib.CLR.CLRHeader.Flags)
		f.readCLR(lib)
	}
}

// leaves flattens the tree: type, name, language.
func (f *File) leaves(entries []saferwall.ResourceDirectoryEntry, path []saferwall.ResourceDirectoryEntry) {
	for _, e := range entries {
		if len(f.Resources) >= MaxResources {
			if !f.limitsTold["resources"] {
				f.limitsTold = map[string]bool{"resources": true}
				f.damage(0, "more than %d resources", MaxResources)
			}
			return
		}
		here := append(path[:len(path):len(path)], e)
		if e.IsResourceDir {
			f.leaves(e.Directory.Entries, here)
			continue
		}
		r := Resource{Type: here[0].ID, TypeName: here[0].Name, Address: e.Data.Struct.OffsetToData, Size: e.Data.Struct.Size}
		if len(here) > 1 {
			r.ID, r.Name = here[1].ID, here[1].Name
		}
		if len(here) > 2 {
			r.Language = uint16(e.ID)
		}
		b, off := f.bytesAt(r.Address, int(min(r.Size, uint32(len(f.b)))))
		if uint32(len(b)) < r.Size {
			f.damage(off, "resource of type %d: %d of %d bytes", r.Type, len(b), r.Size)
		}
		r.Data = b
		f.Resources = append(f.Resources, r)
	}
}

// readCLR takes names and GUIDs out of the metadata (ECMA-335, II.22 and II.24).
func (f *File) readCLR(lib *saferwall.File) {
	c := f.CLR
	c.Runtime = trimZero(lib.CLR.MetadataHeader.Version)
	text, guids := lib.CLR.MetadataStreams["#Strings"], lib.CLR.MetadataStreams["#GUID"]
	if t := lib.CLR.MetadataTables[saferwall.Module]; t != nil {
		if rows, ok := t.Content.([]saferwall.ModuleTableRow); ok && len(rows) > 0 {
			c.Module, c.MVID = heapText(text, rows[0].Name), heapGUID(guids, rows[0].Mvid)
		}
	}
	if t := lib.CLR.MetadataTables[saferwall.Assembly]; t != nil {
		if rows, ok := t.Content.([]saferwall.AssemblyTableRow); ok && len(rows) > 0 {
			r := rows[0]
			c.Assembly = fmt.Sprintf("%s %d.%d.%d.%d", heapText(text, r.Name), r.MajorVersion, r.MinorVersion, r.BuildNumber, r.RevisionNumber)
		}
	}
}

func heapText(heap []byte, at uint32) string {
	if int64(at) >= int64(len(heap)) {
		return ""
	}
	return trimZero(string(heap[at:min(int64(at)+maxName, int64(len(heap)))]))
}

func heapGUID(heap []byte, index uint32) string {
	if index == 0 || int64(index)*16 > int64(len(heap)) {
		return ""
	}
	return GUID(heap[(index-1)*16:])
}

func trimZero(s string) string {
	for i := range len(s) {
		if s[i] == 0 {
			return s[:i]
		}
	}
	return s
}

// GUID prints the first sixteen bytes of b as a GUID; b must have them.
func GUID(b []byte) string {
	return fmt.Sprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%x-%x", b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8:10], b[10:16])
}

// wide decodes UTF-16LE.
func wide(b []byte) string { return utf16.CString(b) }
