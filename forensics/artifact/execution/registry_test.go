package execution

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/fixtures/hivefile"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

const hiveTime = 129597426671845678 // 2011-09-06T00:31:07.1845678Z

func readCorpus(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(corpus.Path(t, "artifacts/registry/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func lines(t *testing.T, events []event.Event, want ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(artifacttest.Text(events), "\n"), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func fieldOf(e event.Event, name string) string {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Text()
		}
	}
	return ""
}

func TestUserAssist(t *testing.T) {
	le := binary.LittleEndian
	seven := make([]byte, 72)
	le.PutUint32(seven[4:], 3)
	le.PutUint32(seven[8:], 2)
	le.PutUint32(seven[12:], 900)
	le.PutUint64(seven[60:], hiveTime)
	focus := slices.Clone(seven)
	le.PutUint32(focus[4:], 0)
	xp := make([]byte, 16)
	le.PutUint32(xp[4:], 7)
	le.PutUint64(xp[8:], hiveTime)
	data := hivefile.Build(`\??\C:\Users\sato\ntuser.dat`, hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Key{Name: "Environment"},
		hivefile.Path(`Software\Microsoft\Windows\CurrentVersion\Explorer\UserAssist\{CEBFF5CD}\Count`, hiveTime, hivefile.Key{Values: []hivefile.Value{
			// {1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\cmd.exe
			hivefile.Bin(`{1NP14R77-02R7-4R5Q-O744-2RO1NR5198O7}\pzq.rkr`, seven),
			hivefile.Bin(`P:\n.rkr`, focus),
			hivefile.Bin(`HRZR_EHACNGU:P:\k.rkr`, xp),
			hivefile.Bin(`P:\ab.rkr`, make([]byte, 72)),
			hivefile.Bin(`HRZR_PGYFRFFVBA`, []byte{1, 2, 3, 4, 5, 6, 7, 8}),
		}}),
		hivefile.Path(`Software\Microsoft\Windows\CurrentVersion\Explorer\Advanced`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.DWord("Start_TrackProgs", 0)}}),
	)})
	r := artifacttest.Run(t, UserAssist, artifacttest.Source{Path: "Users/sato/NTUSER.DAT", Data: data})
	lines(t, r.Events,
		`2011-09-06T00:31:07.1845678Z  last run  executed  shell of sato started C:\Windows\System32\cmd.exe (3 times)`,
		`2011-09-06T00:31:07.1845678Z  last used  other  shell of sato counted C:\a.exe`,
		`2011-09-06T00:31:07.1845678Z  last run  executed  shell of sato started C:\x.exe (2 times)`,
		`  known to the shell's counter  other  shell of sato knows C:\no.exe, no time`,
		`  known to the shell's counter  other  shell of sato knows UEME_CTLSESSION, no time`,
	)
	if r.Facts[0].History != "off" || r.Events[0].Path != "Windows/System32/cmd.exe" {
		t.Errorf("%+v, %q", r.Facts, r.Events[0].Path)
	}
}

// The count is that of reglookup: 19 and 14 values below the two Count keys.
func TestUserAssistCorpus(t *testing.T) {
	for name, want := range map[string]int64{"mkorman90+regipy/NTUSER.DAT": 33} {
		r := artifacttest.Read(UserAssist, artifacttest.Source{Path: "Users/x/NTUSER.DAT", Data: readCorpus(t, name)})
		if r.Err != nil || r.Counts.Decoded != want || !r.Counts.Reconciles() || len(r.Problems) > 0 {
			t.Errorf("%s: %v, %+v, %v", name, r.Err, r.Counts, r.Problems)
		}
	}
}

func TestBAM(t *testing.T) {
	data := hivefile.Build("SYSTEM", hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Path("Select", hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.DWord("Current", 1)}}),
		hivefile.Path(`ControlSet001\Services\bam`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.DWord("Start", 1)}}),
		hivefile.Path(`ControlSet001\Services\bam\State\UserSettings\S-1-5-21-1-2-3-1001`, hiveTime, hivefile.Key{Values: []hivefile.Value{
			hivefile.DWord("Version", 1),
			hivefile.Bin(`\Device\HarddiskVolume2\Users\sato\a.exe`, append(binary.LittleEndian.AppendUint64(nil, hiveTime), make([]byte, 16)...)),
			hivefile.Bin(`short`, []byte{1}),
		}}),
	)})
	m := &artifact.Machine{Users: map[string]artifact.User{"S-1-5-21-1-2-3-1001": {Name: "sato"}}}
	r := artifacttest.Run(t, BAM, artifacttest.Source{Path: "Windows/System32/config/SYSTEM", Data: data, Machine: m})
	lines(t, r.Events, `2011-09-06T00:31:07.1845678Z  last active  executed  \Device\HarddiskVolume2\Users\sato\a.exe was active under S-1-5-21-1-2-3-1001`)
	e := r.Events[0]
	if e.Path != "Users/sato/a.exe" || e.User != "sato" || r.Counts.Failed != 1 || len(r.Problems) != 1 {
		t.Errorf("%+v, %+v", e, r.Counts)
	}
}

func TestBAMCorpus(t *testing.T) {
	r := artifacttest.Read(BAM, artifacttest.Source{Path: "SYSTEM", Data: readCorpus(t, "mkorman90+regipy/SYSTEM_WIN_10_1709")})
	if r.Err != nil || r.Counts.Decoded != 55 { // stated by upstream
		t.Errorf("%v, %+v", r.Err, r.Counts)
	}
}

func TestShimCache(t *testing.T) {
	value, err := os.ReadFile("testdata/win81shim.raw")
	if err != nil {
		t.Fatal(err)
	}
	data := hivefile.Build("SYSTEM", hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Path("Select", hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.DWord("Current", 1)}}),
		hivefile.Path(`ControlSet001\Control\Session Manager\AppCompatCache`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.Bin("AppCompatCache", value)}}),
	)})
	r := artifacttest.Run(t, ShimCache, artifacttest.Source{Path: "Windows/System32/config/SYSTEM", Data: data})
	if r.Counts.Decoded != 3 || len(r.Events) != 6 {
		t.Fatalf("%+v, %d events", r.Counts, len(r.Events))
	}
	lines(t, r.Events[:2],
		`  known to the compatibility engine  other  compatibility engine knew SYSVOL\Program Files\Windows Defender\MpCmdRun.exe (entry 0; no time of a run)`,
		// The bytes of the time are 7f dd 4b 45 b9 4b d7 01.
		event.Ticks(0x01d74bb9454bdd7f).String()+`  file modified as seen by the compatibility engine  written  last write of SYSVOL\Program Files\Windows Defender\MpCmdRun.exe, as the compatibility engine saw it`,
	)
	e := r.Events[0]
	if e.To != hiveTime || e.Path != "Program Files/Windows Defender/MpCmdRun.exe" || string(data[e.At.Offset:e.At.Offset+4]) != "10ts" {
		t.Errorf("%+v", e)
	}
	for _, e := range r.Events {
		if e.Action == event.Executed {
			t.Error("a ShimCache entry says that something ran")
		}
	}
}

func TestShimCacheCorpus(t *testing.T) {
	r := artifacttest.Read(ShimCache, artifacttest.Source{Path: "SYSTEM", Data: readCorpus(t, "mkorman90+regipy/SYSTEM")})
	if r.Err != nil || r.Counts.Decoded != 660 || r.Counts.Failed != 0 { // stated by upstream
		t.Errorf("%v, %+v %v", r.Err, r.Counts, r.Problems)
	}
}

func TestAmcacheCorpus(t *testing.T) {
	for name, want := range map[string]map[string]int{
		// Keys below each inventory by reglookup; 1,120 + 247 = 1,367 is what
		// regipy states.
		"mkorman90+regipy/amcache.hve":                {"File": 1120, "Programs": 26, "InventoryApplicationFile": 247, "InventoryApplication": 74, "InventoryDriverBinary": 311, "InventoryDriverPackage": 2},
		"log2timeline+plaso/winreg/win10-Amcache.hve": {"InventoryApplicationFile": 30, "InventoryApplication": 75},
	} {
		r := artifacttest.Read(Amcache, artifacttest.Source{Path: "Windows/AppCompat/Programs/Amcache.hve", Data: readCorpus(t, name)})
		if r.Err != nil || !r.Counts.Reconciles() || len(r.Problems) > 0 {
			t.Errorf("%s: %v, %+v, %v", name, r.Err, r.Counts, r.Problems)
		}
		got := map[string]int{}
		for i := range r.Events {
			e := &r.Events[i]
			artifacttest.Event(t, Amcache, e, 1<<30)
			got[fieldOf(*e, "inventory")]++
			if e.Path == "program files/7-zip/7z.exe" && fieldOf(*e, "inventory") == "InventoryApplicationFile" && name[0] == 'l' {
				// by reglookup
				if e.Ticks.Format(event.Second) != "2019-12-16T21:01:12Z" || fieldOf(*e, "sha1_first_31457280") != "6c7ea8bbd435163ae3945cbef30ef6b9872a4591" || fieldOf(*e, "size") != "468992" || fieldOf(*e, "link_date") != "02/21/2019 16:00:00" {
					t.Errorf("%+v", e)
				}
			}
		}
		for k, n := range want {
			if got[k] != n {
				t.Errorf("%s: %d of %s, want %d", name, got[k], k, n)
			}
		}
	}
}

func TestAmcache(t *testing.T) {
	data := hivefile.Build(`\AppCompat\Programs\Amcache.hve`, hivefile.Key{Name: "{11517B7C}", Time: hiveTime, Keys: []hivefile.Key{
		hivefile.Path(`Root\File\d3e2\100000169dd`, hiveTime, hivefile.Key{Values: []hivefile.Value{
			hivefile.SZ("15", `c:\users\sato\x.exe`), hivefile.SZ("101", "0000DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"), hivefile.DWord("6", 77), hivefile.DWord("f", 1315269067), hivefile.DWord("ff", 1),
		}}),
	}})
	r := artifacttest.Run(t, Amcache, artifacttest.Source{Path: "Windows/AppCompat/Programs/Amcache.hve", Data: data})
	lines(t, r.Events, `2011-09-06T00:31:07.1845678Z  entered in the inventory  other  inventory (File) knew c:\users\sato\x.exe; not a run`)
	if got := string(event.AppendFields(nil, r.Events[0].Fields)); got != `{"inventory":"File","size":77,"sha1_first_31457280":"da39a3ee5e6b4b0d3255bfef95601890afd80709","link_date":"2011-09-06T00:31:07Z","file_reference":"100000169dd","volume":"d3e2","values":["ff=1"]}` {
		t.Error(got)
	}
}

func TestRecentFileCache(t *testing.T) {
	data, err := os.ReadFile("testdata/RecentFileCache.bcf")
	if err != nil {
		t.Fatal(err)
	}
	r := artifacttest.Run(t, RecentFileCache, artifacttest.Source{Path: "Windows/AppCompat/Programs/RecentFileCache.bcf", Data: data, Times: artifact.FileTimes{Modified: hiveTime}})
	if len(r.Events) != 6 || r.Events[5].Path != "windows/bcuninstall.exe" || r.Events[0].To != hiveTime || !r.Events[0].Fact {
		t.Errorf("%+v", r.Events)
	}
}

func TestMUICache(t *testing.T) {
	data := hivefile.Build(`\??\C:\Users\sato\ntuser.dat`, hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Key{Name: "Environment"},
		hivefile.Path(`Software\Microsoft\Windows\ShellNoRoam\MUICache`, hiveTime, hivefile.Key{Values: []hivefile.Value{
			hivefile.SZ(`C:\temp\x.exe`, "Updater"), hivefile.SZ("@shell32.dll,-1", "Recycle Bin"), hivefile.Bin("LangID", []byte{9, 4})}}),
		hivefile.Path(`Software\Microsoft\Windows\CurrentVersion\Explorer\FeatureUsage\AppSwitched`, hiveTime, hivefile.Key{Values: []hivefile.Value{
			hivefile.DWord(`{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\cmd.exe`, 4)}}),
		hivefile.Path(`Software\Microsoft\Windows\CurrentVersion\Search\RecentApps\{1}`, hiveTime, hivefile.Key{Values: []hivefile.Value{
			hivefile.SZ("AppId", `C:\y.exe`), hivefile.DWord("LaunchCount", 2), {Name: "LastAccessedTime", Type: 11, Data: binary.LittleEndian.AppendUint64(nil, hiveTime)}}}),
	)})
	r := artifacttest.Run(t, MUICache, artifacttest.Source{Path: "Users/sato/NTUSER.DAT", Data: data})
	lines(t, r.Events,
		`  named by the shell (MUICache)  other  named by the shell (MUICache): C:\temp\x.exe`,
		`  named by the shell (FeatureUsage)  other  named by the shell (FeatureUsage): C:\Windows\System32\cmd.exe`,
		`2011-09-06T00:31:07.1845678Z  last run  executed  shell of sato started C:\y.exe (2 times)`)
	if r.Events[0].Path != "temp/x.exe" || r.Events[0].To != hiveTime {
		t.Errorf("%+v", r.Events[0])
	}
}
