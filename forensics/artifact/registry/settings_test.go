package registry

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

func lines(t *testing.T, events []event.Event, want ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(artifacttest.Text(events), "\n"), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func system() []byte {
	return hivefile.Build("SYSTEM", hivefile.Key{Name: "root", Time: when, Keys: hivefile.Merge(
		hivefile.Path("Select", when, hivefile.Key{Values: []hivefile.Value{hivefile.DWord("Current", 1)}}),
		hivefile.Path(`ControlSet001\Control\Session Manager\Memory Management\PrefetchParameters`, when, hivefile.Key{Values: []hivefile.Value{hivefile.DWord("EnablePrefetcher", 0)}}),
		hivefile.Path(`ControlSet001\Control\Windows`, when, hivefile.Key{Values: []hivefile.Value{hivefile.Bin("ShutdownTime", binary.LittleEndian.AppendUint64(nil, when-10000000))}}),
		hivefile.Path(`ControlSet001\Control\ComputerName\ComputerName`, when, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("ComputerName", "PC01")}}),
		hivefile.Path(`ControlSet001\Control\TimeZoneInformation`, when, hivefile.Key{Values: []hivefile.Value{
			hivefile.DWord("Bias", 0xFFFFFDE4), hivefile.DWord("StandardBias", 0), hivefile.DWord("DaylightBias", 0), hivefile.SZ("TimeZoneKeyName", "Tokyo Standard Time")}}),
	)})
}

func TestSettings(t *testing.T) {
	r := artifacttest.Run(t, Settings, artifacttest.Source{Path: "Windows/System32/config/SYSTEM", Data: system()})
	lines(t, r.Events,
		`  setting stands  configured  HKLM\SYSTEM\ControlSet001\Control\Session Manager\Memory Management\PrefetchParameters: EnablePrefetcher = 0 (off)`,
		`  setting stands  configured  HKLM\SYSTEM\ControlSet001\Control\ComputerName\ComputerName: ComputerName = PC01`,
		`  setting stands  configured  HKLM\SYSTEM\Select: Current = 1`,
		`  setting stands  configured  HKLM\SYSTEM\ControlSet001\Control\TimeZoneInformation: TimeZoneInformation = Tokyo Standard Time (UTC = local time -540 minutes)`,
		`2011-09-06T00:31:06.1845678Z  system shut down  stopped  Windows was shut down`,
	)
	if len(r.Facts) != 2 || r.Facts[0].Artifact != "execution/prefetch" || r.Facts[0].History != "off" || r.Facts[0].From != when {
		t.Errorf("%+v", r.Facts)
	}
}

func TestLearn(t *testing.T) {
	m := &artifact.Machine{}
	open := func(name string, data []byte) {
		in := &artifact.Input{Name: name, Source: "Windows/System32/config/" + name, Size: int64(len(data)), R: strings.NewReader(string(data)), Machine: m}
		h, err := artifact.OpenHive(in)
		if err != nil {
			t.Fatal(err)
		}
		m.Learn(h)
	}
	open("SYSTEM", system())
	open("SOFTWARE", hivefile.Build("SOFTWARE", hivefile.Key{Name: "root", Time: when, Keys: hivefile.Merge(
		hivefile.Path(`Microsoft\Windows NT\CurrentVersion`, when, hivefile.Key{Values: []hivefile.Value{
			hivefile.SZ("ProductName", "Windows 7 Professional"), hivefile.SZ("CurrentVersion", "6.1"), hivefile.SZ("CurrentBuildNumber", "7601"), hivefile.DWord("InstallDate", 1315269067)}}),
		hivefile.Path(`Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1001`, when, hivefile.Key{Values: []hivefile.Value{
			{Name: "ProfileImagePath", Type: 2, Data: append(hivefile.UTF16(`%SystemDrive%\Users\佐藤`), 0, 0)}, hivefile.SZ("CentralProfile", `\\srv\profiles\sato`)}}),
	)}))
	u := m.Users["S-1-5-21-1-2-3-1001"]
	if m.Name != "PC01" || m.Zone.Bias != -540 || m.ControlSet != 1 || m.Shutdown != when-10000000 || m.Product != "Windows 7 Professional" || m.Version != "6.1" || m.Build != 7601 ||
		m.Installed.Format(event.Second) != "2011-09-06T00:31:07Z" || u.Name != "佐藤" || u.Profile != "Users/佐藤" || !u.Roaming {
		t.Errorf("%+v", m)
	}
	if utc, zone, assumed := m.Zone.UTC(when); utc != when-540*60*10000000 || zone != "Tokyo Standard Time" || assumed {
		t.Errorf("%v, %s, %v", utc, zone, assumed)
	}
}

// The zone of this hive is Eastern Standard Time: -5 hours, daylight time from
// the second Sunday of March to the first of November, each at 2 h (the bytes
// as reglookup prints them: 03 00 02 00 02 00, 0b 00 01 00 02 00).
func TestZoneCorpus(t *testing.T) {
	data, err := os.ReadFile(corpus.Path(t, "artifacts/registry/mkorman90+regipy/SYSTEM"))
	if err != nil {
		t.Fatal(err)
	}
	in := &artifact.Input{Name: "SYSTEM", Source: "SYSTEM", Size: int64(len(data)), R: strings.NewReader(string(data)), Machine: &artifact.Machine{}}
	h, err := artifact.OpenHive(in)
	if err != nil {
		t.Fatal(err)
	}
	in.Machine.Learn(h)
	z := in.Machine.Zone
	if z.Name != "Eastern Standard Time" || z.Bias != 300 || z.Daylight.Bias != -60 ||
		z.Daylight.Month != 3 || z.Daylight.Day != 2 || z.Daylight.Hour != 2 || z.Daylight.Weekday != 0 || z.Standard.Month != 11 || z.Standard.Day != 1 {
		t.Errorf("%+v", z)
	}
	r := artifacttest.Read(Settings, artifacttest.Source{Path: "SYSTEM", Data: data})
	if r.Err != nil || !r.Counts.Reconciles() || len(r.Problems) > 0 {
		t.Errorf("%v, %+v, %v", r.Err, r.Counts, r.Problems)
	}
	for i := range r.Events {
		artifacttest.Event(t, Settings, &r.Events[i], int64(len(data)))
	}
}

// The value as hivexget prints it; 1 is success, 3 both. The settings are the
// defaults of a Windows 8 client that Microsoft documents.
func TestAudit(t *testing.T) {
	b := []byte{0, 1, 0, 0, 9, 0, 0, 0, 0x7e, 0, 0, 0}
	for _, v := range []uint16{1, 0, 3, 0, 3, 1, 1, 1, 0, 1, 0, 0, 0, 3, 0} {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	b = append(b, make([]byte, 2*(14+3+4))...)
	for _, v := range []uint16{1, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFE7F, 5, 10, 14, 3, 4, 6, 6, 4, 4} {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	got, err := parseAudit(b)
	if err != nil || len(got) != 56 {
		t.Fatalf("%d, %v", len(got), err)
	}
	on := []string{}
	for _, l := range got {
		if l.value > 0 {
			on = append(on, l.sub)
		}
	}
	want := []string{"Security State Change", "System Integrity", "Other System Events", "Logon", "Logoff", "Account Lockout", "Special Logon", "Network Policy Server",
		"Audit Policy Change", "Authentication Policy Change", "User Account Management", "Security Group Management"}
	if !slices.Equal(on, want) {
		t.Errorf("%q", on)
	}
	xp := make([]byte, 44)
	xp[0], xp[8], xp[40] = 1, 3, 9
	if got, err := parseAudit(xp); err != nil || len(got) != 9 || got[1].value != 3 {
		t.Errorf("XP: %v, %v", got, err)
	}
	for i := range b {
		if got, err := parseAudit(b[:i]); err == nil && len(got) == 56 {
			t.Errorf("cut at %d: no error", i)
		}
	}
}

func TestAuditCorpus(t *testing.T) {
	data, err := os.ReadFile(corpus.Path(t, "artifacts/registry/log2timeline+dfwinreg/SECURITY"))
	if err != nil {
		t.Fatal(err)
	}
	r := artifacttest.Run(t, Settings, artifacttest.Source{Path: "Windows/System32/config/SECURITY", Data: data})
	if r.Counts.Decoded != 56 || !strings.Contains(artifacttest.Text(r.Events), "audit: Detailed Tracking, Process Creation = 0 (no auditing)") {
		t.Errorf("%+v", r.Counts)
	}
}
