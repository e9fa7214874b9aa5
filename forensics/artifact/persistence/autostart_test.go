package persistence

import (
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/fixtures/hivefile"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
	"kanshiki/parsers/regf"
)

const when = 129597426671845678 // 2011-09-06T00:31:07.1845678Z

func user() []byte {
	return hivefile.Build(`\??\C:\Users\sato\ntuser.dat`, hivefile.Key{Name: "root", Time: when, Keys: hivefile.Merge(
		hivefile.Key{Name: "Control Panel", Time: when},
		hivefile.Path(`Software\Microsoft\Windows\CurrentVersion\Run`, when, hivefile.Key{Values: []hivefile.Value{
			hivefile.SZ("Updater", `"C:\Users\sato\AppData\Roaming\msupd.exe" -q`),
			hivefile.SZ("empty", ""),
			hivefile.DWord("number", 1),
			{Name: "old", Type: regf.String, Data: append(hivefile.UTF16(`rundll32.exe C:\temp\x.dll,Go`), 0, 0), Deleted: true},
		}}),
		hivefile.Path(`Software\Microsoft\Windows NT\CurrentVersion\Winlogon`, when+1, hivefile.Key{Values: []hivefile.Value{
			hivefile.SZ("Shell", `explorer.exe, C:\temp\sh.exe`),
		}}),
		hivefile.Path(`Software\Classes\CLSID\{1234}\InprocServer32`, when, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("", `%APPDATA%\a b.dll`)}}),
		hivefile.Path(`Software\Classes\exefile\shell\open\command`, when, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("", `"C:\temp\p.exe" "%1"`)}}),
		hivefile.Path(`Software\Classes\txtfile\shell\open\command`, when, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("", `notepad %1`)}}),
	)})
}

func software() []byte {
	return hivefile.Build("SOFTWARE", hivefile.Key{Name: "root", Time: when, Keys: hivefile.Merge(
		hivefile.Path(`Microsoft\Windows NT\CurrentVersion\Winlogon`, when, hivefile.Key{Values: []hivefile.Value{
			hivefile.SZ("Shell", "explorer.exe"), hivefile.SZ("Userinit", `C:\Windows\system32\userinit.exe,`)}}),
		hivefile.Path(`Microsoft\Windows NT\CurrentVersion\Image File Execution Options\sethc.exe`, when, hivefile.Key{Values: []hivefile.Value{
			hivefile.SZ("Debugger", `C:\Windows\system32\cmd.exe`), hivefile.DWord("GlobalFlag", 512)}}),
		hivefile.Path(`Wow6432Node\Microsoft\Windows\CurrentVersion\Explorer\Browser Helper Objects\{AB}`, when, hivefile.Key{}),
		hivefile.Path(`Microsoft\Office\Outlook\Addins\Vendor.Addin`, when, hivefile.Key{}),
		hivefile.Path(`Classes\Vendor.Addin\CLSID`, when, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("", "{AB}")}}),
		hivefile.Path(`Classes\CLSID\{AB}\InprocServer32`, when, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("", `C:\bho.dll`)}}),
	)})
}

func facts(events []event.Event) []string {
	var out []string
	for _, e := range events {
		if e.Fact {
			f := func(name string) string {
				for _, f := range e.Fields {
					if f.Name == name {
						return f.Text()
					}
				}
				return ""
			}
			out = append(out, strings.Join([]string{f("place"), string(e.Action), e.RegistryValue, e.Program, e.Path, f("launcher"), f("usual")}, "|"))
		}
	}
	return out
}

func TestAutostartOfUser(t *testing.T) {
	m := &artifact.Machine{Users: map[string]artifact.User{"S-1-5-21-1-2-3-1001": {Name: "sato", Profile: "Users/sato"}}}
	r := artifacttest.Run(t, Autostart, artifacttest.Source{Path: "Users/sato/NTUSER.DAT", Data: user(), Machine: m})
	want := []string{
		`run|persisted|Updater|C:\Users\sato\AppData\Roaming\msupd.exe|Users/sato/AppData/Roaming/msupd.exe||`,
		`winlogon|persisted|Shell|explorer.exe|||true`,
		`winlogon|persisted|Shell|C:\temp\sh.exe|temp/sh.exe||`,
		`user-exe-handler|persisted||C:\temp\p.exe|temp/p.exe||`,
		`user-com|persisted||%APPDATA%\a b.dll|Users/sato/AppData/Roaming/a b.dll||`,
		`run|persistence-removed|old|C:\temp\x.dll|temp/x.dll|rundll32.exe|`,
	}
	if got := facts(r.Events); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	e := r.Events[0]
	if e.Ticks != when || e.Action != event.Persisted || e.RegistryKey != `HKU\S-1-5-21-1-2-3-1001\Software\Microsoft\Windows\CurrentVersion\Run` || e.User != "sato" {
		t.Errorf("%+v", e)
	}
	if f := r.Events[1]; !f.Fact || f.From != 0 || f.To != when {
		t.Errorf("%+v", f)
	}
	if r.Counts.Decoded != 5 || r.Counts.Recovered != 1 {
		t.Errorf("%+v", r.Counts)
	}
}

func TestAutostartOfMachine(t *testing.T) {
	r := artifacttest.Run(t, Autostart, artifacttest.Source{Path: "Windows/System32/config/SOFTWARE", Data: software()})
	want := []string{
		`winlogon|persisted|Shell|explorer.exe|||true`,
		`winlogon|persisted|Userinit|C:\Windows\system32\userinit.exe|Windows/system32/userinit.exe||true`,
		`bho|persisted|{AB}|C:\bho.dll|bho.dll||`,
		`ifeo-debugger|persisted|Debugger|C:\Windows\system32\cmd.exe|Windows/system32/cmd.exe||`,
		`ifeo-flag|configured|GlobalFlag||||`,
		`office-com-addin|persisted|Vendor.Addin|C:\bho.dll|bho.dll||`,
	}
	if got := facts(r.Events); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Each place is one that some hive has, and its usual contents are lower case.
func TestPlaces(t *testing.T) {
	for _, p := range places {
		if p.id == "" || p.key == "" || strings.Trim(p.in, "HUWRCS") != "" || p.usual != strings.ToLower(p.usual) || strings.ContainsAny(strings.ReplaceAll(p.key, `\*`, ""), "*") && !strings.HasPrefix(p.key, "*") {
			t.Errorf("%+v", p)
		}
	}
}

// Run keys of real hives; the values and the accounts (from the access list)
// are those that reglookup -s prints.
func TestAutostartCorpus(t *testing.T) {
	for name, want := range map[string][]string{
		"registry/log2timeline+plaso/NTUSER-RunTests.DAT": {`-1673\Software\Microsoft\Windows\CurrentVersion\Run|Sidebar|%ProgramFiles%\Windows Sidebar\Sidebar.exe /autoRun`},
		"registry/log2timeline+plaso/NTUSER-WIN7.DAT": {
			`-1105\Software\Microsoft\Windows\CurrentVersion\Run|Google Update|"C:\Users\nfury\AppData\Local\Google\Update\GoogleUpdate.exe" /c`,
			`-1105\Software\Microsoft\Windows\CurrentVersion\Run|Skype|"C:\Program Files (x86)\Skype\Phone\Skype.exe" /nosplash /minimized`},
	} {
		data, err := os.ReadFile(corpus.Path(t, "artifacts/"+name))
		if err != nil {
			t.Fatal(err)
		}
		r := artifacttest.Read(Autostart, artifacttest.Source{Path: "NTUSER.DAT", Data: data})
		var got []string
		for _, e := range r.Events {
			if e.Fact && strings.HasSuffix(e.RegistryKey, `CurrentVersion\Run`) {
				got = append(got, e.RegistryKey+"|"+e.RegistryValue+"|"+e.Fields[1].Text())
			}
		}
		for _, w := range want {
			if !slices.ContainsFunc(got, func(g string) bool {
				return strings.HasPrefix(g, `HKU\S-1-5-21-2036804247-3058324640-2116585241`) && strings.HasSuffix(g, w)
			}) {
				t.Errorf("%s: %q is not in %q", name, w, got)
			}
		}
	}
}
