package persistence

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/hivefile"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

// action writes the value Actions by hand: version 3, context, one program.
func action(as, command, arguments string) []byte {
	b := []byte{3, 0}
	put := func(s string) {
		u := hivefile.UTF16(s)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(u)))
		b = append(b, u...)
	}
	put(as)
	b = append(b, 0x66, 0x66)
	for _, s := range []string{"", command, arguments, ""} {
		put(s)
	}
	return append(b, 0, 0)
}

func lines(events []event.Event) []string {
	return strings.Split(strings.TrimSuffix(artifacttest.Text(events), "\n"), "\n")
}

func TestTaskCache(t *testing.T) {
	info := binary.LittleEndian.AppendUint32(nil, 3)
	info = binary.LittleEndian.AppendUint64(info, when)
	info = binary.LittleEndian.AppendUint64(info, when+10000000)
	info = append(info, make([]byte, 16)...)
	data := hivefile.Build("SOFTWARE", hivefile.Key{Name: "root", Time: when, Keys: hivefile.Merge(
		hivefile.Path(taskCache+`Tree\Update`, when, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("Id", "{AB}"), hivefile.DWord("Index", 3)}}),
		hivefile.Path(taskCache+`Tasks\{AB}`, when, hivefile.Key{Values: []hivefile.Value{
			hivefile.SZ("Path", `\Update`), hivefile.Bin("Actions", action("Author", `C:\Program Data\u.exe`, "-x")), hivefile.Bin("DynamicInfo", info)}}),
	)})
	r := artifacttest.Run(t, TaskCache, artifacttest.Source{Path: "Windows/System32/config/SOFTWARE", Data: data})
	want := []string{
		`  task starts this program  persisted  task \Update: "C:\Program Data\u.exe" -x (hidden)`,
		`2011-09-06T00:31:07.1845678Z  task registered or changed  job-queued  task \Update registered: "C:\Program Data\u.exe" -x`,
		`2011-09-06T00:31:08.1845678Z  task last started  started  task \Update started last: "C:\Program Data\u.exe" -x`,
	}
	if got := lines(r.Events); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if e := r.Events[0]; e.Program != `C:\Program Data\u.exe` || e.Path != "Program Data/u.exe" {
		t.Errorf("%q, %q", e.Program, e.Path)
	}
}

func TestActionsTruncation(t *testing.T) {
	whole := action("Author", `C:\u.exe`, "-x")
	for i := range whole {
		as, actions, err := parseActions(whole[:i])
		if len(actions) == 0 && err == nil && i > 0 && as == "" {
			t.Errorf("cut at %d: loss is silent", i)
		}
	}
}

func TestStartup(t *testing.T) {
	m := &artifact.Machine{Users: map[string]artifact.User{"S-1-5-21-1-2-3-1001": {Name: "sato", Profile: "Users/sato"}}}
	src := artifacttest.Source{Path: "Users/sato/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup/a.exe", Data: []byte("MZ"), Machine: m, Times: artifact.FileTimes{Created: when - 5, FNCreated: when}}
	artifacttest.Card(t, Startup)
	r := artifacttest.Read(Startup, src)
	if got := lines(r.Events); !slices.Equal(got, []string{"  start place holds this program  persisted  startup folder holds a.exe"}) || r.Events[0].From != when || r.Events[0].User != "sato" {
		t.Errorf("%q, %+v", got, r.Events)
	}
	artifacttest.Event(t, Startup, &r.Events[0], 2)
	src.Path = strings.TrimSuffix(src.Path, "a.exe") + "desktop.ini"
	if r := artifacttest.Read(Startup, src); len(r.Events) != 0 {
		t.Errorf("desktop.ini: %+v", r.Events)
	}
}

func TestApproved(t *testing.T) {
	off := binary.LittleEndian.AppendUint64([]byte{3, 0, 0, 0}, when)
	data := hivefile.Build(`\??\C:\Users\sato\ntuser.dat`, hivefile.Key{Name: "root", Time: when, Keys: hivefile.Merge(
		hivefile.Key{Name: "Environment"},
		hivefile.Path(`Software\`+cv+`Explorer\StartupApproved\Run`, when, hivefile.Key{Values: []hivefile.Value{hivefile.Bin("Skype", off), hivefile.Bin("OneDrive", make([]byte, 12))}}),
	)})
	r := artifacttest.Run(t, Autostart, artifacttest.Source{Path: "Users/sato/NTUSER.DAT", Data: data})
	if got := lines(r.Events); !slices.Equal(got, []string{"2011-09-06T00:31:07.1845678Z  start entry switched off  persistence-removed  start entry switched off: Skype"}) {
		t.Errorf("%q", got)
	}
}
