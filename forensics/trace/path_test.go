package trace

import (
	"testing"

	"kanshiki/forensics/artifact"
)

func TestKey(t *testing.T) {
	m := &artifact.Machine{Users: map[string]artifact.User{"S-1": {Name: "sato", Profile: "Users/Sato"}}}
	for in, want := range map[string]string{
		`C:\Users\Sato\AppData\Roaming\msupd.exe`:                "users/sato/appdata/roaming/msupd.exe",
		`\DEVICE\HARDDISKVOLUME1\USERS\SATO\A.EXE`:               "users/sato/a.exe",
		`\VOLUME{01cc61f5a0b1c2d3-12345678}\WINDOWS\NOTEPAD.EXE`: "windows/notepad.exe",
		`\??\C:\Windows\system32\x.sys`:                          "windows/system32/x.sys",
		`\SystemRoot\system32\x.sys`:                             "windows/system32/x.sys",
		`%SystemRoot%\System32\svchost.exe`:                      "windows/system32/svchost.exe",
		`%APPDATA%\msupd.exe`:                                    "users/sato/appdata/roaming/msupd.exe",
		`"C:\Program Files\A B\c.exe"`:                           "program files/a b/c.exe",
		`Users/Sato/会議.doc`:                                      "users/sato/会議.doc",
		`C:\`:                                                    "",
	} {
		if got := Key(in, m, "S-1"); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestCommand(t *testing.T) {
	for in, want := range map[string][2]string{
		`"C:\Program Files\a b.exe" -x "y z"`:        {`C:\Program Files\a b.exe`, `-x "y z"`},
		`C:\Program Files\a b.exe /s`:                {`C:\Program Files\a b.exe`, `/s`},
		`rundll32.exe C:\x\y.dll,Start`:              {`rundll32.exe`, `C:\x\y.dll,Start`},
		`C:\Windows\system32\svchost.exe -k netsvcs`: {`C:\Windows\system32\svchost.exe`, `-k netsvcs`},
		`notepad a.txt`:                              {`notepad`, `a.txt`},
		`C:\tools.exe.d\run.exe`:                     {`C:\tools.exe.d\run.exe`, ``},
	} {
		if p, a := Command(in); p != want[0] || a != want[1] {
			t.Errorf("%s: %q %q", in, p, a)
		}
	}
}

func TestLiesBy(t *testing.T) {
	for in, want := range map[string]string{
		"会議資料\u202Efdp.exe":       "direction override",
		"report.pdf.exe":          "a document's ending before the program's",
		"report.pdf         .exe": "run of spaces",
		"setup.exe":               "",
		"update.2.1.exe":          "",
		"minutes\u202Efdp.txt":    "", // not a program
		"report.pdf":              "",
		"jquery.html.js":          "",
		"readme.txt.lnk":          "",
	} {
		if got := liesBy("C:\\x\\" + in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	for key, want := range map[string][3]bool{ // user place, mail place, archive temp
		"users/sato/appdata/roaming/msupd.exe": {true, false, false},
		"windows/system32/svchost.exe":         {false, false, false},
		"windows/temp/a.exe":                   {true, false, false},
		"program files/a/a.exe":                {false, false, false},
		"a.exe":                                {true, false, false},
		"users/sato/appdata/local/microsoft/windows/temporary internet files/content.outlook/x1/a.exe": {true, true, false},
		"users/sato/appdata/local/temp/temp1_資料.zip/a.exe":                                             {true, true, true},
		"users/sato/appdata/local/temp/setup/a.exe":                                                    {true, false, false},
		"users/sato/appdata/local/temp/7zo123.tmp/a.exe":                                               {true, true, true},
	} {
		if got := [3]bool{userPlace(key), mailPlace(key), archiveTemp(key)}; got != want {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
}

func TestDeviceName(t *testing.T) {
	for in, want := range map[string]string{
		`USBSTOR\Disk&Ven_Kingston&Prod_DataTraveler_G3&Rev_PMAP\0019E06B9C85&0`: "Kingston DataTraveler G3 serial 0019E06B9C85",
		`SCSI\Disk&Ven_X`: `SCSI\Disk&Ven_X`,
	} {
		if got := deviceName(in); got != want {
			t.Errorf("%s: %q", in, got)
		}
	}
}
