package execution

import (
	"slices"
	"strings"
	"testing"

	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
)

const werCrash = `Version=1
EventType=APPCRASH
EventTime=129586194670000000
Consent=1
UploadTime=129586194680000000
ReportIdentifier=0a1b2c3d-cd9e-11e0-9d2a-000c29aabbcc
Sig[0].Name=Application Name
Sig[0].Value=msupd.exe
Sig[1].Name=Application Version
Sig[1].Value=1.0.0.1
Sig[3].Name=Fault Module Name
Sig[3].Value=ntdll.dll
Sig[6].Name=Exception Code
Sig[6].Value=c0000005
DynamicSig[1].Name=OS Version
DynamicSig[1].Value=6.1.7601.2.1.0.256.48
UI[2]=C:\Users\sato\AppData\Roaming\msupd.exe
LoadedModule[0]=C:\Users\sato\AppData\Roaming\msupd.exe
LoadedModule[1]=C:\Windows\SYSTEM32\ntdll.dll
FriendlyEventName=Stopped working
AppPath=C:\Users\sato\AppData\Roaming\msupd.exe
`

func werFile(text string) []byte {
	b := []byte{0xff, 0xfe}
	for _, c := range strings.ReplaceAll(text, "\n", "\r\n") { // ASCII alone
		b = append(b, byte(c), 0)
	}
	return b
}

func werSource(text string) artifacttest.Source {
	return artifacttest.Source{Path: "ProgramData/Microsoft/Windows/WER/ReportArchive/AppCrash_msupd.exe_1/Report.wer", Data: werFile(text)}
}

func TestWER(t *testing.T) {
	r := artifacttest.Run(t, WER, werSource(werCrash))
	// 129586194670000000 is 2011-08-24T00:31:07Z: (that - 116444736000000000) / 10^7 seconds since 1970.
	want := `2011-08-24T00:31:07.0000000Z  process failed  executed  C:\Users\sato\AppData\Roaming\msupd.exe was running and failed: APPCRASH in ntdll.dll
2011-08-24T00:31:08.0000000Z  error report uploaded  other  the error report about C:\Users\sato\AppData\Roaming\msupd.exe was sent to Microsoft
`
	if got := artifacttest.Text(r.Events); got != want {
		t.Errorf("got\n%s", got)
	}
	fields := string(event.AppendFields(nil, r.Events[0].Fields))
	for _, w := range []string{`"exception_code":"c0000005"`, `"fault_module":"ntdll.dll"`, `"modules":["C:\\Users\\sato\\AppData\\Roaming\\msupd.exe","C:\\Windows\\SYSTEM32\\ntdll.dll"]`, `"DynamicSig[1].Value=6.1.7601.2.1.0.256.48"`} {
		if !strings.Contains(fields, w) {
			t.Errorf("no %s in %s", w, fields)
		}
	}
	if r.Facts[0].State != coverage.Read || !WER.Loose("Report.wer", werFile(werCrash)) {
		t.Errorf("%+v", r.Facts)
	}
}

// TestWERTwins: what looks alike and proves less.
func TestWERTwins(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		action  event.Action
		program string
		fact    bool
	}{
		"no path but the dialogue's": {strings.ReplaceAll(werCrash, "AppPath=", "Other="), event.Executed, `C:\Users\sato\AppData\Roaming\msupd.exe`, false},
		"no path at all":             {strings.ReplaceAll(strings.ReplaceAll(werCrash, "AppPath=", "Other="), "UI[2]=C:", "UI[2]="), event.Executed, "msupd.exe", false},
		"an update that failed":      {strings.ReplaceAll(werCrash, "APPCRASH", "WindowsUpdateFailure3"), event.Other, `C:\Users\sato\AppData\Roaming\msupd.exe`, false},
		"no time":                    {strings.ReplaceAll(werCrash, "EventTime=129586194670000000", "EventTime=0"), event.Executed, `C:\Users\sato\AppData\Roaming\msupd.exe`, true},
	} {
		r := artifacttest.Read(WER, werSource(c.text))
		if r.Err != nil || len(r.Events) != 2 {
			t.Fatalf("%s: %+v", name, r)
		}
		if e := r.Events[0]; e.Action != c.action || e.Program != c.program || e.Fact != c.fact || c.fact == (len(r.Problems) == 0) {
			t.Errorf("%s: %+v %v", name, e, r.Problems)
		}
	}
	if r := artifacttest.Read(WER, werSource(strings.Replace(werCrash, "UploadTime=129586194680000000\n", "", 1))); len(r.Events) != 1 || len(r.Problems) > 0 {
		t.Errorf("not sent: %+v", r)
	}
	if r := artifacttest.Read(WER, artifacttest.Source{Path: "a.wer", Data: []byte("Version=1")}); r.Err == nil || !r.Counts.Reconciles() {
		t.Errorf("no report: %+v", r)
	}
	if slices.ContainsFunc(failures, func(s string) bool { return strings.ToLower(s) != s }) {
		t.Error("kinds are compared in lower case")
	}
}
