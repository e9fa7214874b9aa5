package program

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"kanshiki/forensics/escape"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/pe"
)

// parsed is what the child process answers.
type parsed struct {
	Facts   Facts
	Extents []pe.Extent // what an image hash covers
	Signed  bool        // the certificate table lies within the file
}

// collect reads the bytes as a program.
func collect(r request) *parsed {
	p, b := &parsed{}, r.head
	f, err := pe.ParseParts(r.head, r.table, r.size)
	if err != nil {
		p.Facts.NotProgram = escape.Text(err.Error())
		return p
	}
	p.Extents = f.HashExtents()
	_, _, p.Signed = f.CertificateTable()
	w := &p.Facts
	w.IsProgram = true
	w.headers(f, b)
	w.tables(f)
	w.resources(f)
	w.signatures(f)
	w.tail(f, b)
	w.oddities(f)
	for _, d := range f.Damage {
		w.trouble(d, problem.Malformed, problem.Doubt)
	}
	w.secondReader(f)
	return p
}

// trouble keeps a located error as a problem of the row.
func (w *Facts) trouble(err error, kind problem.Kind, severity problem.Severity) {
	p := Problem{Kind: kind, Severity: severity, Found: escape.Text(err.Error())}
	var placed interface{ Offset() int64 }
	if errors.As(err, &placed) {
		p.Offset = placed.Offset()
	}
	w.Problems = append(w.Problems, p)
}

func stamp(t uint32) string { return time.Unix(int64(t), 0).UTC().Format(time.RFC3339) }

func (w *Facts) headers(f *pe.File, b []byte) {
	w.Kind = "program"
	switch {
	case f.Subsystem == 1:
		w.Kind = "driver"
	case f.Characteristics&0x2000 != 0:
		w.Kind = "library"
	}
	w.Machine = fmt.Sprintf("0x%04x", f.Machine)
	w.Subsystem, w.Timestamp = int(f.Subsystem), f.Timestamp
	w.EntryPoint, w.ImageBase = fmt.Sprintf("0x%x", f.EntryPoint), fmt.Sprintf("0x%x", f.ImageBase)
	w.Checksum = &Checksum{Stored: fmt.Sprintf("0x%08x", f.Checksum)}
	if int64(len(b)) == f.Size {
		if sum, err := f.ComputeChecksum(bytes.NewReader(b)); err == nil {
			w.Checksum.Calculated = fmt.Sprintf("0x%08x", sum)
		}
	}
	w.Sections = []Section{}
	for _, s := range f.Sections {
		w.Sections = append(w.Sections, Section{Name: escape.Text(s.Name), VirtualAddress: s.VirtualAddress, VirtualSize: s.VirtualSize,
			RawOffset: s.RawOffset, RawSize: s.RawSize, Entropy: round(s.Entropy), Characteristics: fmt.Sprintf("0x%08x", s.Characteristics)})
	}
	w.stamps(f)
}

func round(v float64) float64 { return math.Round(v*10000) / 10000 }

// stamps tells the times that stand in a program, and what they are worth.
func (w *Facts) stamps(f *pe.File) {
	repro := false
	for _, d := range f.Debug {
		repro = repro || d.Type == pe.DebugRepro
	}
	switch {
	case repro:
		w.say("stamp-is-hash", fmt.Sprintf("0x%08x", f.Timestamp))
	case f.Timestamp == 0 || f.Timestamp == math.MaxUint32:
		w.say("build-time-not-usable", fmt.Sprintf("0x%08x", f.Timestamp))
	default:
		w.say("build-time", stamp(f.Timestamp))
	}
	if repro {
		return
	}
	var others []string
	note := func(name string, t uint32) {
		if t == 0 || t == math.MaxUint32 || t == f.Timestamp {
			return
		}
		w.say(name, stamp(t))
		others = append(others, strings.TrimSuffix(name, "-time")+" "+stamp(t))
	}
	if f.Export != nil {
		note("export-time", f.Export.Timestamp)
	}
	if len(f.Debug) > 0 {
		note("debug-time", f.Debug[0].Timestamp)
	}
	if len(others) > 0 && f.Timestamp != 0 {
		w.say("stamps-differ", "header "+stamp(f.Timestamp)+"; "+strings.Join(others, "; "))
	}
}

func (w *Facts) tables(f *pe.File) {
	w.Imports, w.Imphash = f.ImportCount(), f.Imphash()
	w.ImportLibraries = []string{}
	numbers := 0
	for _, i := range f.Imports {
		w.ImportLibraries = append(w.ImportLibraries, escape.Text(i.Library))
		for _, s := range i.Symbols {
			if s.ByOrdinal && s.Name == "" {
				numbers++
			}
		}
	}
	for _, i := range f.DelayImports {
		w.DelayLibraries = append(w.DelayLibraries, escape.Text(i.Library))
	}
	if f.Export != nil {
		w.Exports, w.ExportForwards, w.ExportName = len(f.Export.Symbols), f.Export.Forwarders(), escape.Text(f.Export.Name)
	}
	if f.TLS != nil {
		w.TLSCallbacks = len(f.TLS.Callbacks)
	}
	if p := f.PDBs(); len(p) > 0 {
		w.PDB = escape.Text(p[0].Path)
		w.say("pdb-path", w.PDB)
	}
	if f.Rich != nil {
		w.RichHash = f.Rich.Hash
		w.say("rich-hash", w.RichHash)
		if !f.Rich.KeyFits {
			w.say("rich-key-differs", fmt.Sprintf("0x%08x", f.Rich.Key))
		}
	}
	if w.TLSCallbacks > 0 {
		w.say("tls-callbacks", fmt.Sprint(w.TLSCallbacks))
	}
	if len(w.DelayLibraries) > 0 {
		w.say("delay-imports", strings.Join(w.DelayLibraries, ", "))
	}
	if w.Imports == 0 {
		w.say("no-imports", "0 names")
	} else if numbers*2 > w.Imports {
		w.say("imports-by-number", fmt.Sprintf("%d of %d", numbers, w.Imports))
	}
	if c := f.CLR; c != nil {
		w.DotNet = &DotNet{escape.Text(c.Runtime), escape.Text(c.Module), c.MVID, escape.Text(c.Assembly)}
		w.say("dotnet", strings.TrimSpace(w.DotNet.Runtime+" "+w.DotNet.Assembly))
	}
}

// resourceTypes are those of winuser.h.
var resourceTypes = map[uint32]string{1: "cursor", 2: "bitmap", 3: "icon", 4: "menu", 5: "dialog", 6: "string", 7: "font directory",
	8: "font", 9: "accelerator", 10: "data", 11: "message table", 12: "cursor group", 14: "icon group", 16: "version",
	17: "dialog include", 19: "plug and play", 20: "vxd", 21: "animated cursor", 22: "animated icon", 23: "html", 24: "manifest"}

func (w *Facts) resources(f *pe.File) {
	type key struct{ kind, language string }
	at := map[key]int{}
	var icon []byte
	for _, r := range f.Resources {
		k := key{escape.Text(r.TypeName), fmt.Sprintf("0x%04x", r.Language)}
		if k.kind == "" {
			if k.kind = resourceTypes[r.Type]; k.kind == "" {
				k.kind = fmt.Sprint(r.Type)
			}
		}
		i, ok := at[k]
		if !ok {
			i = len(w.Resources)
			at[k] = i
			w.Resources = append(w.Resources, Resource{Type: k.kind, Language: k.language})
		}
		w.Resources[i].Count++
		w.Resources[i].Bytes += int64(r.Size)
		if r.Type == pe.ResourceIcon && r.TypeName == "" && len(r.Data) > len(icon) {
			icon = r.Data
		}
		if !slices.Contains(w.Languages, k.language) {
			w.Languages = append(w.Languages, k.language)
		}
	}
	slices.SortFunc(w.Resources, func(a, b Resource) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Language, b.Language))
	})
	slices.Sort(w.Languages)
	if len(w.Languages) > 0 {
		w.say("language", strings.Join(w.Languages, " "))
	}
	if icon != nil {
		sum := sha256.Sum256(icon)
		w.IconHash = hex.EncodeToString(sum[:])
		w.say("icon-hash", w.IconHash)
	}
	for _, v := range f.Version {
		w.Version = append(w.Version, Text{escape.Text(v.Key), escape.Text(v.Value), escape.Text(v.Language)})
	}
	for _, k := range [][2]string{{"original-filename", "OriginalFilename"}, {"internal-name", "InternalName"}, {"company", "CompanyName"},
		{"product", "ProductName"}, {"description", "FileDescription"}, {"file-version", "FileVersion"}} {
		if v := w.VersionText(k[1]); v != "" {
			w.say(k[0], v)
		}
	}
}

// secondReader tells where the library read something else. Odd headers make
// the two differ; the numbers of this row are ours.
func (w *Facts) secondReader(f *pe.File) {
	if f.Second == nil {
		w.Problems = append(w.Problems, Problem{Kind: problem.Malformed, Severity: problem.Note,
			Found: "the second reader gave up: " + escape.Text(f.SecondError) + "; resources and .NET metadata were not read"})
		return
	}
	exports := 0
	if f.Export != nil {
		exports = len(f.Export.Symbols)
	}
	s := f.Second
	var diff []string
	for _, d := range []struct {
		what      string
		ours, his int
	}{{"sections", len(f.Sections), s.Sections}, {"imports", f.ImportCount(), s.Imports}, {"exports", exports, s.Exports}} {
		if d.ours != d.his {
			diff = append(diff, fmt.Sprintf("%s %d and %d", d.what, d.ours, d.his))
		}
	}
	if len(diff) > 0 {
		w.say("readers-differ", strings.Join(diff, ", "))
	}
}
