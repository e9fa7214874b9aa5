package evidence

import (
	"bytes"

	"kanshiki/parsers/ewf"
	"kanshiki/parsers/volumeboot"
)

// signature is how the files of a container begin.
type signature struct {
	off  int
	sig  string
	name string
	how  string // what can be done about it
}

const (
	notYet      = "is not read yet"
	logical     = "holds files and no disk; it is not read yet"
	asFiles     = "holds files and no array of sectors; it is read where a folder is"
	unpackFirst = "unpack it first"
)

// signatures of what is recognised and refused, most specific first.
var signatures = []signature{
	{0, "LVF\x09\x0d\x0a\xff\x00", "L01 (logical evidence)", logical},
	{0, "LEF2\x0d\x0a\x81\x00", "Lx01 (logical evidence, EWF version 2)", logical},
	{0, "ADSEGMENTEDFILE\x00", "AD1 (AccessData logical image)", asFiles},
	{0, "ADCRYPT\x00", "an encrypted AccessData image", notYet},
	{0, "AFF10\r\n\x00", "AFF (version 1)", notYet},
	{0, "WithoutFreeSpace", "Parallels disk image", notYet},
	{0, "WithouFreSpacExt", "Parallels disk image", notYet},
	{0, "BZh", "bzip2", unpackFirst},
	{0, "7z\xbc\xaf\x27\x1c", "7-Zip archive", unpackFirst},
	{0, "Rar!\x1a\x07", "RAR archive", unpackFirst},
	{257, "ustar", "tar archive", unpackFirst},
	{0, "MSWIM\x00\x00\x00", "WIM", notYet},
	{0, "PAGEDU64", "a Windows crash dump (64 bit)", notYet},
	{0, "PAGEDUMP", "a Windows crash dump (32 bit)", notYet},
	{0, "MDMP\x93\xa7", "a Windows minidump", notYet},
	{0, "EMiL", "LiME memory image", notYet},
}

const headSize = 8192

// refused names a container that is not read, "" where there is none. tail is
// the last 512 bytes of the file.
func refused(head, tail []byte) (name, how string) {
	for _, s := range signatures {
		if len(head) >= s.off+len(s.sig) && string(head[s.off:s.off+len(s.sig)]) == s.sig {
			return s.name, s.how
		}
	}
	switch {
	case bytes.HasPrefix(tail, []byte("koly")):
		return "DMG", notYet
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return "zip archive", unpackFirst
	}
	return "", ""
}

// isEWF tells whether a head is that of an E01 or S01 segment.
func isEWF(head []byte) bool { return ewf.Identify(head) == ewf.Physical }

// looksLikeDisk tells whether a file is a raw image by what it holds: a
// partition table, or something that signs itself as a volume.
func looksLikeDisk(f File, head []byte) bool {
	if f.Size() < 512 || isLoose(head) {
		return false
	}
	if len(head) >= 512 && head[510] == 0x55 && head[511] == 0xAA {
		return true
	}
	if len(head) >= 520 && string(head[512:520]) == "EFI PART" || len(head) >= 4104 && string(head[4096:4104]) == "EFI PART" {
		return true
	}
	switch volumeboot.Recognise(f, f.Size()).Kind {
	case volumeboot.Unknown, volumeboot.Empty, volumeboot.Unread:
		return false
	}
	return true
}

// isLoose tells files that are evidence by themselves from disks: no disk
// begins like them, and their content may hold anything further on.
func isLoose(head []byte) bool {
	for _, s := range []signature{
		{0, "regf", "hive", ""}, {0, "ElfFile\x00", "event log", ""}, {4, "LfLe", "event log of Windows XP", ""},
		{4, "SCCA", "prefetch", ""}, {0, "MAM\x04", "compressed prefetch", ""}, {0, "MZ", "program", ""},
		{0, "SQLite format 3", "SQLite", ""}, {4, "\xef\xcd\xab\x89", "ESE", ""}, {0, "L\x00\x00\x00\x01\x14\x02\x00", "LNK", ""},
		{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "OLE", ""}, {0, "!BDN", "PST", ""}, {0, "<?xml", "XML", ""},
		{0, "\xff\xfe", "UTF-16 text", ""}, {0, "\xef\xbb\xbf", "UTF-8 text", ""}, {0, "%PDF", "PDF", ""}, {0, "RSTR", "$LogFile", ""},
		{0, "FILE", "$MFT", ""}, {0, "INDX", "directory index", ""}, {0, "RCRD", "$LogFile, its end", ""},
	} {
		if len(head) >= s.off+len(s.sig) && string(head[s.off:s.off+len(s.sig)]) == s.sig {
			return true
		}
	}
	return false
}
