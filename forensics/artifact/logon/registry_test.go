package logon

import (
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/fixtures/hivefile"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

const hiveTime = 129597426671845678 // 2011-09-06T00:31:07.1845678Z

func hiveLines(t *testing.T, events []event.Event, want ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(artifacttest.Text(events), "\n"), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestProfiles(t *testing.T) {
	const high, low = uint32(uint64(hiveTime) >> 32), uint32(uint64(hiveTime) & 0xFFFFFFFF)
	data := hivefile.Build("SOFTWARE", hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Path(`Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1001`, hiveTime, hivefile.Key{Values: []hivefile.Value{
			hivefile.SZ("ProfileImagePath", `C:\Users\sato`), hivefile.SZ("CentralProfile", `\\srv\p\sato`), hivefile.DWord("State", 0x11C),
			hivefile.DWord("LocalProfileLoadTimeHigh", high), hivefile.DWord("LocalProfileLoadTimeLow", low)}}),
		hivefile.Path(`Microsoft\Windows NT\CurrentVersion\ProfileList\temp`, hiveTime, hivefile.Key{}),
	)})
	r := artifacttest.Run(t, Profiles, artifacttest.Source{Path: "Windows/System32/config/SOFTWARE", Data: data})
	hiveLines(t, r.Events,
		`  account has a profile  configured  S-1-5-21-1-2-3-1001 has the profile C:\Users\sato`,
		`2011-09-06T00:31:07.1845678Z  profile last loaded  logged-on  profile of sato (S-1-5-21-1-2-3-1001) last loaded`)
	if e := r.Events[0]; e.User != "sato" || e.Path != "Users/sato" || e.UserSID != "S-1-5-21-1-2-3-1001" {
		t.Errorf("%+v", e)
	}
}

// The bytes of F are those that reglookup prints: RID 500 logged on last at
// 00 18 d2 12 a1 fc 88 cb 01 … and its machine's SID ends with 9b 7d ee 68,
// f4 d1 e6 5e, e5 bd a3 09.
func TestAccountsCorpus(t *testing.T) {
	data, err := os.ReadFile(corpus.Path(t, "artifacts/registry/mkorman90+regipy/SAM"))
	if err != nil {
		t.Fatal(err)
	}
	r := artifacttest.Run(t, Accounts, artifacttest.Source{Path: "Windows/System32/config/SAM", Data: data})
	if r.Counts.Decoded != 3 { // stated by regipy's tests
		t.Errorf("%+v", r.Counts)
	}
	const machine = "S-1-5-21-1760460187-1592185332-161725925"
	found := map[string]event.Ticks{}
	for _, e := range r.Events {
		if !strings.HasPrefix(e.UserSID, machine) {
			t.Errorf("SID %s", e.UserSID)
		}
		found[e.User+" "+e.Meaning] = e.Ticks
	}
	if found["Administrator last logon"] != 0x01CB88FCA112D218 {
		t.Errorf("%#x", uint64(found["Administrator last logon"]))
	}
	if found["Preston last logon"] != 0x01CFDC5A904D01D0 || found["Preston account name given"].Format(event.Second) != "2014-09-24T03:35:45Z" {
		t.Errorf("%#x, %s", uint64(found["Preston last logon"]), found["Preston account name given"])
	}
	if _, ok := found["Guest local account"]; !ok {
		t.Error("no account Guest")
	}
}

func TestAccounts(t *testing.T) {
	f := make([]byte, 80)
	f[48], f[49] = 0xF4, 1 // says 500
	data := hivefile.Build("SAM", hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Path(samUsers+`\000003E9`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.Bin("F", f)}}),
		hivefile.Path(samUsers+`\000003EA`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.Bin("F", f[:9])}}),
		hivefile.Path(samUsers+`\Names\eve`, hiveTime, hivefile.Key{Values: []hivefile.Value{{Type: 0x3E9}}}),
	)})
	r := artifacttest.Run(t, Accounts, artifacttest.Source{Path: "Windows/System32/config/SAM", Data: data})
	hiveLines(t, r.Events,
		`  local account  configured  local account eve, number 1001`,
		`2011-09-06T00:31:07.1845678Z  account name given  created  account eve was created or renamed`)
	if len(r.Problems) != 2 || r.Counts.Failed != 1 || !strings.Contains(r.Problems[0].Found, "1001 in its key and 500 in F") {
		t.Errorf("%+v, %v", r.Counts, r.Problems)
	}
}
