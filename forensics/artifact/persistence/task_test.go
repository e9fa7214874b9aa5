package persistence

import (
	"os"
	"strings"
	"testing"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

func taskSample(t testing.TB, path string) []byte {
	b, err := os.ReadFile("../../../parsers/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTaskJob: values are those of plaso's own test; local time stays marked.
func TestTaskJob(t *testing.T) {
	src := artifacttest.Source{Path: "Windows/Tasks/GoogleUpdateTaskMachineUA.job", Data: taskSample(t, "taskjob/testdata/wintask.job")}
	r := artifacttest.Run(t, Task, src)
	if len(r.Events) != 2 || !r.Events[0].Fact || r.Events[0].Action != event.Persisted || r.Events[0].Path != "Program Files (x86)/Google/Update/GoogleUpdate.exe" {
		t.Fatalf("%+v", r.Events)
	}
	run := r.Events[1]
	if run.Ticks.Format(run.Precision) != "2013-08-24T12:42:00.112Z" || run.Clock != event.LocalTime || !run.ZoneAssumed || run.Action != event.Executed {
		t.Errorf("%+v", run)
	}
	src.Machine = &artifact.Machine{Zone: artifact.Zone{Name: "Tokyo Standard Time", Bias: -540}}
	if run = artifacttest.Read(Task, src).Events[1]; run.Ticks.Format(run.Precision) != "2013-08-24T03:42:00.112Z" || run.Zone != "Tokyo Standard Time" || run.ZoneAssumed {
		t.Errorf("in Tokyo: %+v", run)
	}
}

func TestTaskXML(t *testing.T) {
	r := artifacttest.Run(t, Task, artifacttest.Source{Path: "Windows/System32/Tasks/Microsoft/VisualStudio/VSIX Auto Update", Data: taskSample(t, "taskxml/testdata/vsix.xml")})
	e := r.Events[0]
	if len(r.Events) != 1 || e.UserSID != "S-1-5-18" || e.Record != `\Microsoft\VisualStudio\VSIX Auto Update` ||
		!strings.HasSuffix(e.Path, "Microsoft.VisualStudio.Setup.Service/VSIXAutoUpdate.exe") {
		t.Errorf("%+v", r.Events)
	}
	r = artifacttest.Run(t, Task, artifacttest.Source{Path: "Windows/System32/Tasks/x", Data: taskSample(t, "taskxml/testdata/softlanding.xml")})
	if e := r.Events[0]; e.Program != "" || !strings.Contains(e.Message, "class {F576B2F9-7850-4226-ADB0-E5993FED4F02}") {
		t.Errorf("%+v", e)
	}
}

// TestTaskDate: a date with a zone is exact, one without is local.
func TestTaskDate(t *testing.T) {
	tokyo := artifact.Zone{Name: "Tokyo Standard Time", Bias: -540}
	for in, want := range map[string]string{
		"2011-10-25T09:00:00":       "2011-10-25T00:00:00Z",
		"2011-10-25T09:00:00Z":      "2011-10-25T09:00:00Z",
		"2011-10-25T09:00:00+01:00": "2011-10-25T08:00:00Z",
		"2011-10-25T09:00:00.5":     "2011-10-25T00:00:00Z",
		"yesterday":                 "",
	} {
		got, _, _, ok := xmlTime(tokyo, in)
		if s := got.Format(event.Second); ok != (want != "") || ok && s != want {
			t.Errorf("%s: %s, want %s", in, s, want)
		}
	}
}

// TestTaskLauncher: rundll32 and its like are not the program of interest.
func TestTaskLauncher(t *testing.T) {
	xml := `<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"><RegistrationInfo><Date>2011-10-25T09:00:00</Date><Author>PC\sato</Author></RegistrationInfo>` +
		`<Actions><Exec><Command>rundll32.exe</Command><Arguments>"C:\Users\sato\AppData\a.dll",Run</Arguments></Exec></Actions></Task>`
	r := artifacttest.Read(Task, artifacttest.Source{Path: "Windows/System32/Tasks/a", Data: []byte(xml)})
	if len(r.Events) != 2 || r.Events[0].Path != "Users/sato/AppData/a.dll" || r.Events[1].Action != event.JobQueued || r.Events[1].User != `PC\sato` {
		t.Errorf("%+v %v", r.Events, r.Err)
	}
}
