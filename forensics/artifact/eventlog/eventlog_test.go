package eventlog

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
)

const logs = "Windows/System32/winevt/Logs/"

// stored is a sample that lies beside the parser.
func stored(t testing.TB, name, file string) artifacttest.Source {
	t.Helper()
	b, err := os.ReadFile("../../../parsers/evtx/testdata/" + name + ".evtx.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return artifacttest.Source{Path: logs + file, Data: b}
}

func load(t testing.TB, rel string) artifacttest.Source {
	t.Helper()
	b, err := os.ReadFile(corpus.Path(t, "artifacts/"+rel))
	if err != nil {
		t.Fatal(err)
	}
	return artifacttest.Source{Path: logs + path.Base(rel), Data: b}
}

// TestSuite: times and values are those that evtxexport prints.
func TestSuite(t *testing.T) {
	r := artifacttest.Run(t, EVTX, stored(t, "powershell", "Windows PowerShell.evtx"))
	if len(r.Events) != 16 {
		t.Fatalf("%d events", len(r.Events))
	}
	e := r.Events[15]
	if got := artifacttest.Text(r.Events[15:]); got != "2022-11-03T02:09:15.3145965Z  event created  stopped  "+
		"PowerShell engine is Stopped (was Available): powershell.exe -ExecutionPolicy Restricted -Command Write-Host 'Final result: 1';\n" {
		t.Errorf("%s", got)
	}
	if e.Record != "16" || fieldOf(&e, "event_id") != "403" || fieldOf(&e, "provider") != "PowerShell" || fieldOf(&e, "computer") != "DESKTOP-EIS938N" ||
		fieldOf(&e, "channel") != "Windows PowerShell" || fieldOf(&e, "command_line") != "powershell.exe -ExecutionPolicy Restricted -Command Write-Host 'Final result: 1';" {
		t.Errorf("%+v", e)
	}
	if f := r.Facts[0]; f.First != 1 || f.Last != 16 || f.Gaps != 0 || f.History != coverage.Recording || f.To != e.Ticks {
		t.Errorf("%+v", f)
	}
	artifacttest.Run(t, EVTX, stored(t, "security", "Security.evtx"))
	artifacttest.Card(t, EVT)
}

func fieldOf(e *event.Event, name string) string {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Text()
		}
	}
	return ""
}

// TestNewUser: an account is made and put into groups.
func TestNewUser(t *testing.T) {
	r := artifacttest.Read(EVTX, stored(t, "new-user", "Security.evtx"))
	var got []string
	for _, e := range r.Events {
		if e.Recovered == event.Allocated || e.Recovered == "" {
			got = append(got, string(e.Action)+" "+fieldOf(&e, "event_id")+" "+fieldOf(&e, "target_user"))
		}
	}
	want := []string{
		`configured 4728 IE8WIN7\None`, `created 4720 IE8WIN7\IEUser`, `configured 4732 Builtin\Users`, `configured 4732 Builtin\Administrators`,
	}
	for i, w := range want {
		if i >= len(got) || got[i][:15] != w[:15] {
			t.Errorf("event %d: %q, want %q", i, got, want)
			break
		}
	}
}

// TestClearedLog: one live record tells the clear, and what was cleared is
// still in slack with its meaning, though its templates are overwritten.
func TestClearedLog(t *testing.T) {
	r := artifacttest.Read(EVTX, load(t, "evtx/Velocidex+velociraptor/Security_1_record.evtx"))
	if r.Counts.Decoded != 1 || r.Counts.Recovered != 77 || !r.Counts.Reconciles() {
		t.Errorf("%+v", r.Counts)
	}
	e := r.Events[0]
	if e.Action != event.Cleared || e.User != `TESTCOMPUTER\test` || e.UserSID != "S-1-5-21-546003962-2713609280-610790815-1001" ||
		fieldOf(&e, "cleared") != "Security" || e.Ticks.String() != "2019-02-09T17:05:24.6727578Z" {
		t.Errorf("%+v", e)
	}
	i := slices.IndexFunc(r.Facts, func(f coverage.Fact) bool { return f.History == coverage.Cleared })
	if i < 0 || r.Facts[i].To != e.Ticks || r.Facts[i].Source != logs+"Security_1_record.evtx" {
		t.Errorf("%+v", r.Facts)
	}
	failed := 0
	for _, e := range r.Events[1:] {
		if e.Recovered != event.InSlack || fieldOf(&e, "found") != "slack" {
			t.Errorf("%s is %s", e.Message, e.Recovered)
		}
		if fieldOf(&e, "event_id") == "4625" && e.Action == event.LogonFailed && strings.Contains(e.Message, `TESTCOMPUTER\user failed: wrong password, interactive`) {
			failed++
		}
	}
	if failed < 6 {
		t.Errorf("%d failed logons came back", failed)
	}
}

// TestMeanings: for the kinds of record that carry an answer, the entities are
// those that stand in the XML of evtxexport for the same record.
func TestMeanings(t *testing.T) {
	for _, c := range []struct {
		file   string
		id     string
		action event.Action
		want   map[string]string
	}{
		{"evtx/Velocidex+velociraptor/DE_104_system_log_cleared.evtx", "104", event.Cleared, map[string]string{
			"user": `EXAMPLE\user01`, "cleared": "System"}},
		{"evtx/Velocidex+velociraptor/RDPAuth_LocalSessionManager.evtx", "25", event.LoggedOn, map[string]string{
			"user": `WINDOMAIN\vagrant`, "address": "192.168.38.1", "session": "1", "sid": "", "record_user": "S-1-5-18"}},
		{"evtx/Velocidex+velociraptor/RDPAuth_LocalSessionManager.evtx", "21", event.LoggedOn, map[string]string{
			"user": `WINDOMAIN\vagrant`, "address": ""}}, // LOCAL is this machine
		{"evtx/Velocidex+velociraptor/TaskScheduler.evtx", "129", event.Executed, map[string]string{
			"task": `\T1053_005_OnLogon`, "program": "cmd.exe", "path": "", "pid": "6292"}},
		{"evtx/Velocidex+evtx/Security.evtx", "4625", event.LogonFailed, map[string]string{
			"user": `TESTCOMPUTER\user`, "logon_type": "2", "status": "0xc000006a", "host": "", "pid": "4764", "by_user": `TESTCOMPUTER\test`}},
		{"evtx/Velocidex+evtx/Security.evtx", "4624", event.LoggedOn, map[string]string{
			"user": `TESTCOMPUTER\user`, "logon_type": "2", "sid": "S-1-5-21-546003962-2713609280-610790815-1002", "program": `C:\Windows\System32\svchost.exe`}},
		{"evtx/Velocidex+evtx/Security.evtx", "4616", event.TimeChanged, map[string]string{
			"old_time": "2296-06-10T21:37:47.0311439Z", "new_time": "2019-02-06T21:12:14.7050000Z", "program": `C:\Windows\System32\VBoxService.exe`}},
		{"evtx/omerbenamram+evtx/system.evtx", "7045", event.Installed, nil},
	} {
		r := artifacttest.Read(EVTX, load(t, c.file))
		found := false
		for i := range r.Events {
			e := &r.Events[i]
			if fieldOf(e, "event_id") != c.id || e.Recovered == event.InSlack {
				continue
			}
			if found = true; e.Action != c.action {
				t.Errorf("%s, %s: %s", c.file, c.id, e.Action)
			}
			for name, want := range c.want {
				got := fieldOf(e, name)
				switch name {
				case "user":
					got = e.User
				case "sid":
					got = e.UserSID
				case "address":
					got = e.Address
				case "host":
					got = e.Host
				case "program":
					got = e.Program
				case "path":
					got = e.Path
				}
				if got != want {
					t.Errorf("%s, %s: %s is %q, want %q", c.file, c.id, name, got, want)
				}
			}
			break
		}
		if !found {
			t.Errorf("%s: no record %s", c.file, c.id)
		}
	}
}

// TestCoverage: what logs say of themselves.
func TestCoverage(t *testing.T) {
	facts := func(rel string) (out []coverage.Fact) { return artifacttest.Read(EVTX, load(t, rel)).Facts }
	has := func(list []coverage.Fact, ok func(coverage.Fact) bool) bool { return slices.ContainsFunc(list, ok) }
	wrapped := facts("evtx/williballenthin+python-evtx/system.evtx") // records 12049 to 13649
	if f := wrapped[0]; f.First != 12049 || f.Last != 13649 || f.Gaps != 0 || f.From.String() != "2012-03-14T04:17:38.2763402Z" {
		t.Errorf("%+v", f)
	}
	if !has(wrapped, func(f coverage.Fact) bool { return f.History == coverage.Wrapped && f.Last == 12048 }) {
		t.Errorf("not wrapped: %+v", wrapped[1])
	}
	clock := facts("evtx/Velocidex+evtx/Security.evtx") // 4616: from 2296 back to 2019
	if !has(clock, func(f coverage.Fact) bool {
		return f.Verdict() == coverage.Untrusted && f.From.String() == "2019-02-06T21:12:14.7050000Z" && f.To.String() == "2296-06-10T21:37:47.0311439Z"
	}) {
		t.Errorf("no change of the clock in %d facts", len(clock))
	}
	if !has(clock, func(f coverage.Fact) bool { return f.Artifact == "eventlog/wfp" && f.History == coverage.Off }) {
		t.Errorf("nothing said of the audit of connections")
	}
	hole := facts("evtx/derived/security_zeroed_chunk3.evtx") // 89 records of chunk 3 are gone
	if f := hole[0]; f.Gaps != 89 {
		t.Errorf("%+v", f)
	}
}

// TestCorpus reads every log: counts are those of the direct walk and of
// libevtx, and every event has the form that the contract asks for.
func TestCorpus(t *testing.T) {
	files, events := 0, 0
	for _, row := range corpus.Truth(t, "evtx") {
		if row["walk_records"] == "" {
			continue
		}
		src := load(t, row["file"])
		r := artifacttest.Read(EVTX, src)
		files++
		events += len(r.Events)
		if got := fmt.Sprint(r.Counts.Decoded, " ", r.Counts.Recovered); got != row["walk_records"]+" "+row["libevtx_recovered"] || !r.Counts.Reconciles() || r.Err != nil {
			t.Errorf("%s: %+v, want %s and %s, %v", row["file"], r.Counts, row["walk_records"], row["libevtx_recovered"], r.Err)
		}
		for i := range r.Events {
			artifacttest.Event(t, EVTX, &r.Events[i], int64(len(src.Data)))
		}
	}
	t.Logf("%d events from %d logs", events, files)
}

func TestXP(t *testing.T) {
	src := load(t, "evt/log2timeline+plaso/SysEvent.Evt")
	r := artifacttest.Read(EVT, src)
	if c := r.Counts; c.Decoded != 6063 || c.Recovered != 438 || !c.Reconciles() || r.Err != nil {
		t.Errorf("%+v, %v", c, r.Err)
	}
	for i := range r.Events {
		artifacttest.Event(t, EVT, &r.Events[i], int64(len(src.Data)))
	}
	// evtexport: event 1392, Jul 27, 2011 06:41:47 UTC, LSASRV 40961.
	e := r.Events[0]
	if e.Record != "1392" || e.Ticks.Format(event.Second) != "2011-07-27T06:41:47Z" || fieldOf(&e, "provider") != "LSASRV" || fieldOf(&e, "event_id") != "40961" {
		t.Errorf("%+v", e)
	}
	kinds := map[coverage.History]int{}
	for _, f := range r.Facts {
		kinds[f.History]++
	}
	// evtexport has 24 records 6005: so often the service began anew.
	if kinds[coverage.Recording] != 1 || kinds[coverage.Wrapped] != 1 || kinds[coverage.Off] < 22 || kinds[coverage.Off] > 24 {
		t.Errorf("%v", kinds)
	}
}

// TestTables: every rule compiles, names fields that exist and stands once.
func TestTables(t *testing.T) {
	seen := map[ruleKey]bool{}
	entities := strings.Fields("user sid program path host address port url device key value sent received")
	for _, table := range [][]rule{security, system, channels, sysmon, classic} {
		for _, r := range table {
			k := ruleKey{r.provider, r.id}
			if seen[k] {
				t.Errorf("%v stands twice", k)
			}
			seen[k] = true
			c := compile(r)
			for _, b := range c.binds {
				if _, ok := fieldOrder[b.to]; !ok && !slices.Contains(entities, b.to) {
					t.Errorf("%v: no field %q", k, b.to)
				}
			}
			if r.message == "" || r.action == "" || strings.Count(r.message, "{") != strings.Count(r.message, "}") || strings.Count(r.message, "[") != strings.Count(r.message, "]") {
				t.Errorf("%v: %q", k, r.message)
			}
		}
	}
}

func BenchmarkEVTX(b *testing.B) {
	src := stored(b, "application-no-crc", "Application.evtx")
	b.SetBytes(int64(len(src.Data)))
	b.ReportAllocs()
	for b.Loop() {
		if r := artifacttest.Read(EVTX, src); r.Err != nil {
			b.Fatal(r.Err)
		}
	}
}
