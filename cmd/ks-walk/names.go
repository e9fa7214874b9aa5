package main

import (
	"fmt"
	"hash/fnv"
	"strings"
	"unicode"
	"unicode/utf8"

	"kanshiki/forensics/escape"
)

// safeNames gives names that no examiner's system takes for something else:
// no "..", no device, no control or direction mark, no program that a double
// click runs, no twin by case, nothing too long. The manifest has the names
// that they stand for.
type safeNames struct {
	taken map[string]bool // folded paths
	dirs  map[string]string
}

// maxName is the longest part of a path in bytes; systems take 255.
const maxName = 120

// maxDepth is how many folders deep files are laid out; below that the path
// becomes a digest in one folder. Windows opens no path of more than 260 units.
const maxDepth = 12

func newSafeNames() *safeNames {
	return &safeNames{taken: map[string]bool{}, dirs: map[string]string{}}
}

// file gives the path of a file below the output folder.
func (s *safeNames) file(volume, path, stream string, program bool) string {
	parts := strings.Split(path, "/")
	dir := s.dir(volume, parts[:len(parts)-1])
	base := safeName(parts[len(parts)-1])
	if path == "" {
		base = "_root"
	}
	if stream != "" {
		base += "#" + safeName(stream)
	}
	if program {
		base += ".bin"
	}
	return s.unique(dir + cut(base))
}

// dir gives the folder for the directories of a path, each told apart from its
// twins by case.
func (s *safeNames) dir(volume string, parts []string) string {
	if len(parts) > maxDepth {
		h := fnv.New64a()
		h.Write([]byte(strings.Join(parts, "/")))
		parts = []string{"_deep", fmt.Sprintf("%016x", h.Sum64())}
	}
	out, key := "", volume
	if volume != "" {
		out = volume + "/"
	}
	for _, p := range parts {
		key += "/" + p
		d, ok := s.dirs[key]
		if !ok {
			d = s.unique(out + cut(safeName(p)))
			s.dirs[key] = d
		}
		out = d + "/"
	}
	return out
}

// unique tells twins apart with ~2, ~3 …
func (s *safeNames) unique(path string) string {
	name := path
	for i := 2; s.taken[strings.ToLower(name)]; i++ {
		dot := strings.LastIndexByte(path, '.')
		if dot <= strings.LastIndexByte(path, '/')+1 {
			dot = len(path)
		}
		name = fmt.Sprintf("%s~%d%s", path[:dot], i, path[dot:])
	}
	s.taken[strings.ToLower(name)] = true
	return name
}

// safeName makes one part of a path safe.
func safeName(s string) string {
	s = escape.Text(s) // controls, direction marks, lone surrogates
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '⟨' || r == '⟩' || strings.ContainsRune(`<>:"/\|?*%`, r) || r < 0x20 || r == 0x7F:
			b.WriteByte('_')
		default:
			b.WriteRune(r)
		}
	}
	out := b.String()
	if trimmed := strings.TrimRight(out, ". "); trimmed != out { // Windows drops them
		out = trimmed + strings.Repeat("_", len(out)-len(trimmed))
	}
	if strings.HasPrefix(out, "-") || strings.HasPrefix(out, "~") || strings.HasPrefix(out, " ") {
		out = "_" + out
	}
	if out == "" || device(out) {
		out = "_" + out
	}
	return out
}

// device tells whether Windows takes a name for a device, with any extension.
func device(s string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(s), ".")
	base = strings.TrimRight(base, " ")
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	if rest, ok := strings.CutPrefix(base, "COM"); ok || strings.HasPrefix(base, "LPT") {
		if !ok {
			rest = base[3:]
		}
		r, n := utf8.DecodeRuneInString(rest)
		return n == len(rest) && n > 0 && (r >= '0' && r <= '9' || r == '¹' || r == '²' || r == '³')
	}
	return false
}

// cut shortens a name that is too long and keeps its extension; a digest of the
// whole tells it apart.
func cut(s string) string {
	if len(s) <= maxName {
		return s
	}
	h := fnv.New32a()
	h.Write([]byte(s))
	ext := ""
	if dot := strings.LastIndexByte(s, '.'); dot > 0 && len(s)-dot <= 12 {
		ext = s[dot:]
	}
	keep := maxName - len(ext) - 9
	for keep > 0 && !utf8.RuneStart(s[keep]) {
		keep--
	}
	return fmt.Sprintf("%s~%08x%s", s[:keep], h.Sum32(), ext)
}

// isProgram tells whether a file could run when it is opened: by its first
// bytes or by its name.
func isProgram(name, stream string, head []byte) bool {
	for _, magic := range []string{"MZ", "\x7fELF", "#!", "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "\xca\xfe\xba\xbe"} {
		if strings.HasPrefix(string(head), magic) {
			return true
		}
	}
	for _, n := range []string{name, stream} {
		// Windows drops dots and spaces at the end; a direction mark in the
		// extension is there to be overlooked.
		n = strings.TrimRight(n, ". ")
		ext := strings.Map(func(r rune) rune {
			if r < 0x80 && r > 0x20 {
				return unicode.ToLower(r)
			}
			return -1
		}, n[strings.LastIndexByte(n, '.')+1:])
		if strings.Contains(n, ".") && strings.Contains(runs, " "+ext+" ") {
			return true
		}
	}
	return false
}

// runs lists extensions that Windows, an office program or a browser runs or
// follows on a double click.
const runs = " exe dll sys scr com pif cpl ocx drv efi bat cmd ps1 psm1 psd1 ps1xml vbs vbe js jse wsf wsh wsc sct hta msi msp mst msix appx " +
	"jar class lnk url scf inf reg chm hlp application appref-ms gadget settingcontent-ms library-ms search-ms diagcab desktop sh py pyw pl rb " +
	"docm dotm xlsm xltm xlam xll pptm potm ppam ppsm sldm iso img vhd vhdx html htm mht mhtml svg xml xsl one rdp theme themepack deskthemepack website "
