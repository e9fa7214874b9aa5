package program

import (
	"bytes"
	"fmt"
	"strings"

	"kanshiki/parsers/pe"
)

// The thresholds of what is said about packing, in one place.
const (
	packedEntropy = 7.0  // bits per byte of the executable sections together; compiled code lies near 6
	fewImports    = 20   // names; a program with a runtime imports more
	denseEntropy  = 7.2  // of one section that is no resource
	smallSection  = 1024 // bytes below which entropy says nothing
)

// toolSections are names that packers and protectors give, and nobody else.
var toolSections = map[string]string{"UPX0": "UPX", "UPX1": "UPX", "UPX2": "UPX", ".aspack": "ASPack", ".adata": "ASPack",
	".MPRESS1": "MPRESS", ".MPRESS2": "MPRESS", ".petite": "Petite", ".themida": "Themida", ".vmp0": "VMProtect", ".vmp1": "VMProtect",
	"FSG!": "FSG", "MEW": "MEW", ".nsp0": "NsPack", ".nsp1": "NsPack", ".enigma1": "Enigma", ".enigma2": "Enigma", "pec1": "PECompact",
	"pec2": "PECompact", ".PEC2": "PECompact", ".yP": "Y0da", ".winapi": "API override", "ASPack": "ASPack", ".ndata": "NSIS"}

// oddities tells what is unusual about the layout.
func (w *Facts) oddities(f *pe.File) {
	w.entry(f)
	var both, tools, dense []string
	for i := range f.Sections {
		s := &f.Sections[i]
		name := w.Sections[i].Name
		if name == "" {
			name = fmt.Sprintf("#%d", i+1)
		}
		if s.Characteristics&pe.SectionExecute != 0 && s.Characteristics&pe.SectionWrite != 0 {
			both = append(both, name)
		}
		if t := toolSections[s.Name]; t != "" {
			tools = append(tools, name+" ("+t+")")
		}
		if s.Entropy >= denseEntropy && s.EntropyOf >= smallSection && s.Name != ".rsrc" {
			dense = append(dense, fmt.Sprintf("%s %.2f", name, s.Entropy))
		}
	}
	list := func(name string, of []string) {
		if len(of) > 0 {
			more := ""
			if len(of) > 8 {
				more, of = fmt.Sprintf(" and %d more", len(of)-8), of[:8]
			}
			w.say(name, strings.Join(of, ", ")+more)
		}
	}
	list("section-write-execute", both)
	list("section-name-of-tool", tools)
	list("high-entropy", dense)
	w.packed(f)
	if w.Checksum.Calculated != "" && f.Checksum != 0 && w.Checksum.Calculated != w.Checksum.Stored {
		w.say("checksum-differs", "stored "+w.Checksum.Stored+", calculated "+w.Checksum.Calculated)
	}
}

// packed is not said of .NET, which always imports a single name.
func (w *Facts) packed(f *pe.File) {
	if f.CLR != nil || w.Imports >= fewImports {
		return
	}
	var bits, n float64
	for _, s := range f.Sections {
		if s.Characteristics&(pe.SectionExecute|pe.SectionCode) != 0 {
			bits += s.Entropy * float64(s.EntropyOf)
			n += float64(s.EntropyOf)
		}
	}
	if n >= smallSection && bits/n >= packedEntropy {
		w.say("packed-code", fmt.Sprintf("executable sections: %.2f bits per byte of %d; %d imported names", bits/n, int64(n), w.Imports))
	}
}

// entry tells where the program begins.
func (w *Facts) entry(f *pe.File) {
	if f.EntryPoint == 0 {
		return // a library without code
	}
	at := -1
	for i, s := range f.Sections {
		if f.EntryPoint >= s.VirtualAddress && uint64(f.EntryPoint) < uint64(s.VirtualAddress)+uint64(max(s.VirtualSize, s.RawSize)) {
			at = i
			break
		}
	}
	switch {
	case at < 0:
		w.say("entry-outside", w.EntryPoint)
	case f.Sections[at].Characteristics&pe.SectionExecute == 0:
		w.say("entry-not-code", w.EntryPoint+" in "+w.Sections[at].Name)
	case at == len(f.Sections)-1 && at > 0:
		w.say("entry-in-last-section", w.EntryPoint+" in "+w.Sections[at].Name)
	}
}

// magics are the first bytes of what installers and droppers carry.
var magics = []struct{ magic, name string }{
	{"MZ", "program"}, {"PK\x03\x04", "zip archive"}, {"Rar!\x1a\x07", "RAR archive"}, {"7z\xbc\xaf\x27\x1c", "7z archive"},
	{"MSCF", "cabinet"}, {"\x1f\x8b\x08", "gzip"}, {"%PDF-", "PDF document"}, {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "OLE container"},
	{"{\\rtf", "RTF document"}, {"\xfd7zXZ\x00", "xz"}, {"BZh", "bzip2"},
}

func magic(b []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(b, []byte(m.magic)) {
			return m.name
		}
	}
	return ""
}

// tail tells what lies behind the sections: overlay, certificate table, data
// behind that; and what is carried inside.
func (w *Facts) tail(f *pe.File, b []byte) {
	certOff, certSize, inside := f.CertificateTable()
	w.CertOffset, w.CertSize = certOff, certSize
	if certSize > 0 && !inside {
		w.say("certificate-outside", fmt.Sprintf("%#x, %d bytes; the file has %d", certOff, certSize, f.Size))
	}
	if !inside {
		certOff, certSize = f.Size, 0
	}
	if offset := f.Overlay(); offset >= 0 {
		w.OverlayOffset, w.OverlaySize = &offset, f.Size-offset
		at := offset
		end := f.Size
		switch {
		case certOff >= at:
			end = certOff // data before the table, as installers have it
		case certOff+certSize > at:
			at = certOff + certSize
		}
		if at < end && at < int64(len(b)) {
			part := b[at:min(end, int64(len(b)))]
			w.say("overlay", fmt.Sprintf("%d bytes at %#x, %.2f bits per byte", end-at, at, pe.Entropy(part)))
			if m := magic(part); m != "" {
				w.say("overlay-content", m)
			}
		}
	}
	if end := certOff + certSize; certSize > 0 && end < f.Size {
		w.say("data-after-signature", fmt.Sprintf("%d bytes at %#x", f.Size-end, end))
	}
	w.carried(b, certOff)
	strings, more := netStrings(b, certOff, certOff+certSize)
	if w.Strings = strings; len(strings) > 0 {
		shown := make([]string, 0, 8)
		for _, s := range strings[:min(8, len(strings))] {
			shown = append(shown, s.Value)
		}
		value := fmt.Sprintf("%d: %s", len(strings), join(shown, len(strings)))
		if more {
			value = "more than " + value
		}
		w.say("net-strings", value)
	}
}

func join(shown []string, of int) string {
	s := strings.Join(shown, ", ")
	if of > len(shown) {
		s += " …"
	}
	return s
}

// carried looks for whole programs inside the file.
func (w *Facts) carried(b []byte, end int64) {
	const most = 1000
	body := b[:min(end, int64(len(b)))]
	n, first := 0, 0
	for at := 1; at < len(body) && n < most; at++ {
		i := bytes.Index(body[at:], []byte("MZ"))
		if i < 0 {
			break
		}
		at += i
		if isProgram(body[at:]) {
			if n == 0 {
				first = at
			}
			n++
		}
	}
	if n > 0 {
		w.say("program-inside", fmt.Sprintf("%d, the first at %#x", n, first))
	}
}

func isProgram(b []byte) bool {
	if len(b) < 0x40 {
		return false
	}
	at := int64(b[0x3c]) | int64(b[0x3d])<<8 | int64(b[0x3e])<<16 | int64(b[0x3f])<<24
	return at >= 0x40 && at <= 0x1000 && at+4 <= int64(len(b)) && string(b[at:at+4]) == "PE\x00\x00"
}
