package scca

import (
	"strconv"
	"strings"

	"kanshiki/parsers/internal/utf16"
)

// Program finds the program's own path among File.Files, which the format does
// not mark. It gives the index of the one whose hash is File.Hash, and true;
// where none has it, the first whose name is File.Executable, and false; -1
// where there is none. Programs that host others (svchost, dllhost, taskhost,
// store programs) are hashed with their command line or package and never
// agree.
func (f *File) Program() (int, bool) {
	first := -1
	for i, name := range f.Files {
		base := name[strings.LastIndexByte(name, '\\')+1:]
		if !strings.HasPrefix(base, f.Executable) || f.Executable == "" {
			continue
		}
		if len(base) != len(f.Executable) && len(utf16.Units(f.Executable)) < 2*nameUnits {
			continue
		}
		if f.hashes(name) {
			return i, true
		}
		if first < 0 {
			first = i
		}
	}
	return first, false
}

// nameUnits is how much of a program's name the header holds.
const nameUnits = 29

// hashes tells whether path has the hash of the header. From Windows 10 on
// names hold a volume identifier, but the hash was made of the device name of
// that session, whose number is not stored: small ones are tried.
func (f *File) hashes(path string) bool {
	if f.Version == 17 {
		return hashXP(utf16.Units(path)) == f.Hash
	}
	match := func(p string) bool {
		u := utf16.Units(p)
		return hash2008(u) == f.Hash || hashVista(u) == f.Hash
	}
	rest, ok := strings.CutPrefix(path, `\VOLUME{`)
	if _, tail, found := strings.Cut(rest, "}"); ok && found {
		for n := 1; n <= 16; n++ {
			if match(`\DEVICE\HARDDISKVOLUME` + strconv.Itoa(n) + tail) {
				return true
			}
		}
		return false
	}
	return match(path)
}

// The three functions of the libscca paper, "Calculating the prefetch hash".
// They run over the bytes of the UTF-16LE path. The paper gives the second one
// for Windows 10; all files of the corpus that agree with any agree with the
// third, so both are tried.

func hashXP(b []byte) uint32 {
	var h uint32
	for _, c := range b {
		h = h*37 + uint32(c)
	}
	if h *= 314159269; h > 0x80000000 {
		h = -h
	}
	return h % 1000000007
}

func hashVista(b []byte) uint32 {
	h := uint32(314159)
	for _, c := range b {
		h = h*37 + uint32(c)
	}
	return h
}

func hash2008(b []byte) uint32 {
	h := uint32(314159)
	for len(b) > 8 {
		v := uint32(b[1])
		for _, c := range b[2:7] {
			v = v*37 + uint32(c)
		}
		v = v*37 + uint32(b[0])*442596621 + uint32(b[7])
		h = v - h*803794207
		b = b[8:]
	}
	for _, c := range b {
		h = h*37 + uint32(c)
	}
	return h
}
