package trace

import (
	"testing"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
)

// TestReasons: each row of the table of suspicion fires on its world and is
// silent on its twin, which is as like as possible.
func TestReasons(t *testing.T) {
	at := clock(0, "10:00:00")
	put := func(m *maker, path string, s Signature) *File {
		f := m.file(path, "MZ "+path, at)
		m.program(path, s)
		return f
	}
	old := event.FromTime(time.Date(2009, 1, 2, 3, 4, 6, 0, time.UTC))
	for _, c := range []struct {
		id         string
		path       string
		fire, twin func(m *maker)
	}{
		{"av", "Users/sato/Desktop/a.exe",
			func(m *maker) {
				put(m, "Users/sato/Desktop/a.exe", SignatureUnknown)
				m.event(event.Event{Artifact: "execution/avlog", Action: event.Detected, Ticks: at, Path: `C:\Users\sato\Desktop\a.exe`})
			},
			func(m *maker) { // another file of the same name was named
				put(m, "Users/sato/Desktop/a.exe", SignatureUnknown)
				m.event(event.Event{Artifact: "execution/avlog", Action: event.Detected, Ticks: at, Path: `C:\Users\kanri\Desktop\a.exe`})
			}},
		{"name-lies", "Users/sato/Desktop/report.pdf.exe",
			func(m *maker) { put(m, "Users/sato/Desktop/report.pdf.exe", SignatureUnknown) },
			func(m *maker) { put(m, "Users/sato/Desktop/report.2.1.exe", SignatureUnknown) }},
		{"ran-from-mail", "Users/sato/AppData/Local/Temp/Temp1_a.zip/a.exe",
			func(m *maker) {
				put(m, "Users/sato/AppData/Local/Temp/Temp1_a.zip/a.exe", SurelyUnsigned)
				m.ran("Users/sato/AppData/Local/Temp/Temp1_a.zip/a.exe", at)
			},
			func(m *maker) { // signed
				put(m, "Users/sato/AppData/Local/Temp/Temp1_a.zip/a.exe", DigestAgrees)
				m.ran("Users/sato/AppData/Local/Temp/Temp1_a.zip/a.exe", at)
			}},
		{"system-name-elsewhere", "Users/sato/AppData/Roaming/svchost.exe",
			func(m *maker) { put(m, "Users/sato/AppData/Roaming/svchost.exe", SurelyUnsigned) },
			func(m *maker) { put(m, "Windows/winsxs/x86_svchost/svchost.exe", SurelyUnsigned) }},
		{"disguised-autostart", "ProgramData/setup.dat",
			func(m *maker) {
				put(m, "ProgramData/setup.dat", SignatureUnknown)
				m.runKey("x", "ProgramData/setup.dat", at, sato)
			},
			func(m *maker) { // data that a start place names
				m.file("ProgramData/setup.dat", "data", at)
				m.runKey("x", "ProgramData/setup.dat", at, sato)
			}},
		{"autostart-user-place", "Users/sato/AppData/Roaming/a.exe",
			func(m *maker) {
				put(m, "Users/sato/AppData/Roaming/a.exe", SurelyUnsigned)
				m.runKey("a", "Users/sato/AppData/Roaming/a.exe", at, sato)
			},
			func(m *maker) { // nobody knows whether it is signed
				put(m, "Users/sato/AppData/Roaming/a.exe", SignatureUnknown)
				m.runKey("a", "Users/sato/AppData/Roaming/a.exe", at, sato)
			}},
		{"rare-autostart", "Users/sato/AppData/Roaming/a.dll",
			func(m *maker) {
				put(m, "Users/sato/AppData/Roaming/a.dll", SignatureUnknown)
				m.event(event.Event{Artifact: "persistence/autostart", Action: event.Persisted, Ticks: at, RegistryKey: `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Windows`, RegistryValue: "AppInit_DLLs", Program: `C:\Users\sato\AppData\Roaming\a.dll`})
			},
			func(m *maker) {
				put(m, "Users/sato/AppData/Roaming/a.dll", SignatureUnknown)
				m.runKey("a", "Users/sato/AppData/Roaming/a.dll", at, sato)
			}},
		{"forged-times", "Users/sato/AppData/Roaming/a.exe",
			func(m *maker) {
				f := put(m, "Users/sato/AppData/Roaming/a.exe", SignatureUnknown)
				f.SI = Times{old, old, at, old}
				m.change(f, at+5000000, event.MetadataChanged, "BASIC_INFO_CHANGE")
			},
			func(m *maker) { // out of an archive, with others
				for _, n := range []string{"a", "b", "c"} {
					f := put(m, "Users/sato/AppData/Roaming/"+n+".exe", SignatureUnknown)
					f.SI = Times{old, old, at, old}
				}
			}},
		{"packed-code", "Users/sato/Desktop/a.exe",
			func(m *maker) {
				put(m, "Users/sato/Desktop/a.exe", SurelyUnsigned)
				m.c.programs["Users/sato/Desktop/a.exe"].Packed = true
			},
			func(m *maker) {
				put(m, "Users/sato/Desktop/a.exe", DigestAgrees)
				m.c.programs["Users/sato/Desktop/a.exe"].Packed = true
			}},
		{"ran-and-gone", "Users/sato/Desktop/a.exe",
			func(m *maker) {
				f := put(m, "Users/sato/Desktop/a.exe", SignatureUnknown)
				m.ran("Users/sato/Desktop/a.exe", at.Add(time.Second))
				m.gone(f, at.Add(time.Minute))
			},
			func(m *maker) { // an installer, which registered what it installed
				f := put(m, "Users/sato/Desktop/a.exe", SignatureUnknown)
				m.ran("Users/sato/Desktop/a.exe", at.Add(time.Second))
				m.event(event.Event{Artifact: "registry/uninstall", Action: event.Installed, Ticks: at.Add(30 * time.Second)})
				m.gone(f, at.Add(time.Minute))
			}},
		{"broken-signature", "Users/sato/Desktop/a.exe",
			func(m *maker) { put(m, "Users/sato/Desktop/a.exe", DigestDiffers) },
			func(m *maker) { put(m, "Users/sato/Desktop/a.exe", SignatureUnknown) }},
		{"net-strings", "Users/sato/Desktop/a.exe",
			func(m *maker) {
				put(m, "Users/sato/Desktop/a.exe", SignatureUnknown)
				m.c.programs["Users/sato/Desktop/a.exe"].Hosts = []string{c2}
				m.event(event.Event{Artifact: "network/firewall", Action: event.Connected, Ticks: at, Address: c2})
			},
			func(m *maker) { // another address
				put(m, "Users/sato/Desktop/a.exe", SignatureUnknown)
				m.c.programs["Users/sato/Desktop/a.exe"].Hosts = []string{c2}
				m.event(event.Event{Artifact: "network/firewall", Action: event.Connected, Ticks: at, Address: "198.51.100.24"})
			}},
		{"internet-zone", "Users/sato/Desktop/report.pdf.exe",
			func(m *maker) {
				put(m, "Users/sato/Desktop/report.pdf.exe", SignatureUnknown)
				m.event(event.Event{Artifact: "filesystem/zoneidentifier", Ticks: at, Path: "Users/sato/Desktop/report.pdf.exe", URL: "http://x.example/a"})
			},
			func(m *maker) { put(m, "Users/sato/Desktop/report.pdf.exe", SignatureUnknown) }},
		{"placed-by-suspect", "Users/sato/AppData/Roaming/b.exe",
			func(m *maker) { dropper(m, at, true) },
			func(m *maker) { dropper(m, at, false) }},
	} {
		for _, x := range []struct {
			what  string
			build func(*maker)
			want  bool
		}{{"fixture", c.fire, true}, {"twin", c.twin, false}} {
			m := newMaker("6.1", "Windows 7 Professional")
			x.build(m)
			r := trace(t, m)
			got := false
			for _, s := range append(r.Suspects, r.Considered...) {
				for _, g := range s.Reasons {
					got = got || g.ID == c.id && s.Key == Key(c.path, nil, "")
				}
			}
			if got != x.want {
				t.Errorf("%s, %s: fired %v", c.id, x.what, got)
			}
		}
	}
	for _, r := range Reasons {
		if r.Words == "" || r.JA == "" || r.NotShown == "" {
			t.Errorf("%s lacks words", r.ID)
		}
	}
}

// dropper runs a program whose name lies; with listed, the prefetcher saw it use
// the file that was born in its first seconds.
func dropper(m *maker, at event.Ticks, listed bool) {
	m.file("Users/sato/Desktop/report.pdf.exe", "MZ", at)
	m.program("Users/sato/Desktop/report.pdf.exe", SignatureUnknown)
	var files []string
	if listed {
		files = []string{`\DEVICE\HARDDISKVOLUME1\USERS\SATO\APPDATA\ROAMING\B.EXE`}
	}
	m.ran("Users/sato/Desktop/report.pdf.exe", at.Add(time.Second), files...)
	m.file("Users/sato/AppData/Roaming/b.exe", "MZ b", at.Add(3*time.Second))
	p := m.program("Users/sato/AppData/Roaming/b.exe", SurelyUnsigned)
	p.Packed = true
	m.runKey("b", "Users/sato/AppData/Roaming/b.exe", at.Add(4*time.Second), sato)
}

// TestThreshold: one strong, or two medium of different writers of which one
// says how it came or what it did.
func TestThreshold(t *testing.T) {
	g := func(ids ...string) []Given {
		var out []Given
		for i, id := range ids {
			out = append(out, Given{Reason: reason(id), Family: artifact.Family(rune("a"[0]) + rune(i))})
		}
		return out
	}
	for _, c := range []struct {
		reasons []Given
		want    bool
	}{
		{g("name-lies"), true},
		{g("autostart-user-place"), false},
		{g("autostart-user-place", "packed-code", "net-strings", "broken-signature"), false}, // all say what it is
		{g("autostart-user-place", "forged-times"), true},
		{g("packed-code", "ran-and-gone"), false}, // so does every installer
		{g("broken-signature", "ran-and-gone"), true},
		{g("unsigned", "internet-zone", "internet-zone"), false},
		{[]Given{{Reason: reason("forged-times"), Family: "x"}, {Reason: reason("ran-and-gone"), Family: "x"}}, false}, // one writer
	} {
		if got := reaches(c.reasons); got != c.want {
			var ids []string
			for _, r := range c.reasons {
				ids = append(ids, r.ID)
			}
			t.Errorf("%q: %v", ids, got)
		}
	}
}
