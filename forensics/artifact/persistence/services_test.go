package persistence

import (
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/fixtures/hivefile"
	"kanshiki/forensics/artifact/artifacttest"
)

func system() []byte {
	set := func(n, image string) hivefile.Key {
		return hivefile.Path(`ControlSet00`+n+`\Services`, when, hivefile.Key{Keys: []hivefile.Key{
			{Name: "Tcpip", Time: when, Values: []hivefile.Value{hivefile.SZ("ImagePath", `System32\drivers\tcpip.sys`), hivefile.DWord("Start", 0), hivefile.DWord("Type", 1)}},
			{Name: "msupd", Time: when + 5, Values: []hivefile.Value{hivefile.SZ("ImagePath", image), hivefile.DWord("Start", 2), hivefile.DWord("Type", 32), hivefile.SZ("ObjectName", "LocalSystem")},
				Keys: []hivefile.Key{{Name: "Parameters", Time: when + 9, Values: []hivefile.Value{hivefile.SZ("ServiceDll", `C:\ProgramData\m.dll`)}}}},
			{Name: "holder", Time: when},
		}})
	}
	return hivefile.Build("SYSTEM", hivefile.Key{Name: "root", Time: when, Keys: hivefile.Merge(
		set("1", `%SystemRoot%\system32\svchost.exe -k netsvcs`), set("2", `C:\old.exe`),
		hivefile.Path("Select", when, hivefile.Key{Values: []hivefile.Value{hivefile.DWord("Current", 1)}}),
	)})
}

func TestServices(t *testing.T) {
	r := artifacttest.Run(t, Services, artifacttest.Source{Path: "Windows/System32/config/SYSTEM", Data: system()})
	var got []string
	for _, e := range r.Events {
		if e.Fact {
			current := ""
			for _, f := range e.Fields {
				if f.Name == "current_set" {
					current = f.Text()
				}
			}
			got = append(got, strings.Join([]string{e.Record, e.RegistryValue, e.Program, e.Path, current}, "|"))
		}
	}
	want := []string{
		`Tcpip|ImagePath|C:\Windows\System32\drivers\tcpip.sys|Windows/System32/drivers/tcpip.sys|true`,
		`msupd|ImagePath|C:\Windows\system32\svchost.exe|Windows/system32/svchost.exe|true`,
		`msupd|ServiceDll|C:\ProgramData\m.dll|ProgramData/m.dll|true`,
		`Tcpip|ImagePath|C:\Windows\System32\drivers\tcpip.sys|Windows/System32/drivers/tcpip.sys|false`,
		`msupd|ImagePath|C:\old.exe|old.exe|false`,
		`msupd|ServiceDll|C:\ProgramData\m.dll|ProgramData/m.dll|false`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r.Counts.Declared != 6 {
		t.Errorf("%+v", r.Counts)
	}
}

// The number of services is that of reglookup -t KEY below Services, and one
// of them as it prints it.
func TestServicesCorpus(t *testing.T) {
	data, err := os.ReadFile(corpus.Path(t, "artifacts/registry/mkorman90+regipy/SYSTEM"))
	if err != nil {
		t.Fatal(err)
	}
	r := artifacttest.Read(Services, artifacttest.Source{Path: "SYSTEM", Data: data})
	if r.Err != nil || len(r.Problems) > 0 || r.Counts.Decoded != 933 || !r.Counts.Reconciles() {
		t.Errorf("%v, %v, %+v", r.Err, r.Problems, r.Counts)
	}
}
