package artifact

import (
	"strings"
	"testing"
)

func TestProgram(t *testing.T) {
	for _, c := range []struct{ in, program, launcher string }{
		{`"C:\Program Files\A B\x.exe" /tray`, `C:\Program Files\A B\x.exe`, ""},
		{`C:\Program Files\A B\x.exe /tray a.exe`, `C:\Program Files\A B\x.exe`, ""},
		{`%SystemRoot%\system32\svchost.exe -k netsvcs`, `C:\Windows\system32\svchost.exe`, ""},
		{`\SystemRoot\System32\drivers\a.sys`, `C:\Windows\System32\drivers\a.sys`, ""},
		{`\??\C:\a\b.sys`, `C:\a\b.sys`, ""},
		{`rundll32.exe C:\Users\a\AppData\x.dll,Start`, `C:\Users\a\AppData\x.dll`, "rundll32.exe"},
		{`C:\Windows\system32\regsvr32.exe /s "C:\a b\c.ocx"`, `C:\a b\c.ocx`, `C:\Windows\system32\regsvr32.exe`},
		{`wscript //B C:\t\go.vbs`, `C:\t\go.vbs`, "wscript"},
		{`explorer.exe`, `explorer.exe`, ""},
		{`C:\Windows\system32\userinit.exe,`, `C:\Windows\system32\userinit.exe`, ""},
		{`prog`, `prog`, ""},
		{`C:\Program Files\A B\c.vsto|vstolocal`, `C:\Program Files\A B\c.vsto`, ""},
		{``, ``, ""},
		{`C:\x.exe.bak\y.exe z`, `C:\x.exe.bak\y.exe`, ""},
	} {
		if p, l := Program(c.in); p != c.program || l != c.launcher {
			t.Errorf("%s: %q by %q, want %q by %q", c.in, p, l, c.program, c.launcher)
		}
	}
}

func TestVolumePath(t *testing.T) {
	for in, want := range map[string]string{
		`%SystemDrive%\Users\sato`: "Users/sato", `C:\Windows\a.exe`: "Windows/a.exe", `\\server\x`: "", `x.exe`: "",
		`%SystemRoot%\system32\config\systemprofile`: "Windows/system32/config/systemprofile", `\??\D:\a`: "",
	} {
		if got := VolumePath(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{`\??\D:\a`: `D:\a`, `\\server\x`: `\\server\x`, `x.exe`: "", `c:/a/b`: "a/b"} {
		if got := PathOf(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// S-1-5-21-1004336348-1177238915-682003330-512 is the example of [MS-DTYP]'s
// readers everywhere; its bytes are written here by hand.
func TestSID(t *testing.T) {
	b := []byte{1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0xDC, 0xF4, 0xDC, 0x3B, 0x83, 0x3D, 0x2B, 0x46, 0x82, 0x8B, 0xA6, 0x28, 0, 2, 0, 0}
	if got := SID(b); got != "S-1-5-21-1004336348-1177238915-682003330-512" {
		t.Error(got)
	}
	for i := range b {
		if SID(b[:i]) != "" {
			t.Errorf("a SID of %d bytes", i)
		}
	}
}

func TestDevicePath(t *testing.T) {
	for in, want := range map[string]string{
		`\Device\HarddiskVolume3\Users\sato\AppData\a.exe`:         "Users/sato/AppData/a.exe",
		`\DEVICE\HARDDISKVOLUME12\Windows\notepad.exe`:             "Windows/notepad.exe",
		`\Device\HarddiskVolume3\Games\a.exe`:                      "", // may be another volume
		`\Device\HarddiskVolume3`:                                  "",
		`C:\Windows\notepad.exe`:                                   "Windows/notepad.exe",
		`\Device\HarddiskVolume3\Users\` + strings.Repeat("Ⱥ", 40): "Users/" + strings.Repeat("Ⱥ", 40), // longer in small letters
	} {
		if got := DevicePath(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
