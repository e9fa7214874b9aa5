package wer

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"kanshiki/parsers/internal/utf16"
)

// text has the lines of a report of Windows 7, shortened; names and their order
// are those of such files.
const text = `Version=1
EventType=APPCRASH
EventTime=129586194670000000
ReportType=2
Consent=1
UploadTime=129586194680000000
ReportIdentifier=0a1b2c3d-cd9e-11e0-9d2a-000c29aabbcc
Response.type=4
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
UI[3]=動作を停止しました
LoadedModule[0]=C:\Users\sato\AppData\Roaming\msupd.exe
LoadedModule[1]=C:\Windows\SYSTEM32\ntdll.dll
State[0].Key=Transport.DoneStage1
State[0].Value=1
FriendlyEventName=動作を停止しました
ConsentKey=APPCRASH
AppName=msupd
AppPath=C:\Users\sato\AppData\Roaming\msupd.exe
`

func report(mark bool) []byte {
	b := utf16.Units(strings.ReplaceAll(text, "\n", "\r\n"))
	if mark {
		return append([]byte{0xff, 0xfe}, b...)
	}
	return b
}

func TestReport(t *testing.T) {
	for _, mark := range []bool{true, false} {
		r, err := Parse(report(mark))
		if err != nil || len(r.Damage) > 0 || len(r.Lines) != strings.Count(text, "\n") {
			t.Fatal(err, r)
		}
		if r.Value("EventType") != "APPCRASH" || r.Value("apppath") != `C:\Users\sato\AppData\Roaming\msupd.exe` || r.Value("FriendlyEventName") != "動作を停止しました" || r.Value("Nothing") != "" {
			t.Errorf("%+v", r)
		}
		if v, ok := r.Number("EventTime"); !ok || v != 129586194670000000 {
			t.Error(v)
		}
		if _, ok := r.Number("EventType"); ok {
			t.Error("a word is no number")
		}
		if m := slices.Collect(r.All("LoadedModule")); !slices.Equal(m, []string{`C:\Users\sato\AppData\Roaming\msupd.exe`, `C:\Windows\SYSTEM32\ntdll.dll`}) {
			t.Errorf("%q", m)
		}
		if p := maps.Collect(r.Pairs("Sig")); len(p) != 4 || p["Fault Module Name"] != "ntdll.dll" || r.Pair("sig", "exception code") != "c0000005" || r.Pair("DynamicSig", "OS Version") != "6.1.7601.2.1.0.256.48" || r.Pair("State", "Transport.DoneStage1") != "1" {
			t.Errorf("%q", p)
		}
		first := int64(0)
		if mark {
			first = 2
		}
		if l := r.Lines[1]; r.Lines[0].Offset != first || l.Offset != first+22 || l.Length != 2*len("EventType=APPCRASH\r\n") {
			t.Errorf("%+v", r.Lines[:2])
		}
	}
}

func TestDamage(t *testing.T) {
	r, err := Parse(utf16.Units("Version=1\r\nno equals sign\r\n\r\nA=b\r\nC=d"))
	if err != nil || len(r.Lines) != 3 || len(r.Damage) != 2 {
		t.Fatalf("%+v %v", r, err)
	}
	var placed interface{ Offset() int64 }
	if !errors.As(r.Damage[0], &placed) || placed.Offset() != 22 {
		t.Error(r.Damage[0])
	}
	for _, b := range [][]byte{nil, {0xff}, {0xff, 0xfe}, []byte("Version=1\r\n"), utf16.Units("[Version]")} {
		if _, err := Parse(b); !errors.Is(err, ErrNone) {
			t.Errorf("%q: %v", b, err)
		}
	}
}

func TestTruncation(t *testing.T) {
	whole := report(true)
	for n := range whole {
		cut := whole[:n]
		if n >= 2 && n%2 == 0 && string(cut[n-2:]) == "\n\x00" {
			continue // between two lines
		}
		if r, err := Parse(cut); err == nil && len(r.Damage) == 0 {
			t.Fatalf("cut at %d: loss is silent", n)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(report(true))
	f.Add(report(false)[:201])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		for range r.All("LoadedModule") {
		}
		for range r.Pairs("Sig") {
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data := report(true)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
