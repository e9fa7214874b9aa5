package execution

import (
	"os"
	"strings"
	"testing"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

func avSample(t testing.TB, name string) artifacttest.Source {
	b, err := os.ReadFile("testdata/avlog/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return artifacttest.Source{Path: "ProgramData/x/logs/" + name, Data: b}
}

func detections(events []event.Event) (out []event.Event) {
	for _, e := range events {
		if e.Action == event.Detected {
			out = append(out, e)
		}
	}
	return out
}

// TestAVLog: values are those of plaso's own tests.
func TestAVLog(t *testing.T) {
	r := artifacttest.Run(t, AVLog, avSample(t, "AccessProtectionLog.txt"))
	if e := r.Events[1]; len(r.Events) != 14 || e.Ticks.Format(event.Second) != "2013-09-27T14:42:39Z" || e.Program != `C:\Windows\System32\procexp64.exe` ||
		e.User != `SOMEDOMAIN\someUser` || e.Path != "Program Files (x86)/McAfee/Common Framework/FrameworkService.exe" || e.Clock != event.LocalTime {
		t.Errorf("McAfee: %d events, %+v", len(r.Events), e)
	}
	if n := len(detections(r.Events)); n != 0 {
		t.Errorf("McAfee: a blocked rule is no detection of a file, %d are", n)
	}
	r = artifacttest.Run(t, AVLog, avSample(t, "Symantec.Log"))
	if e := r.Events[1]; len(r.Events) != 8 || e.Ticks.Format(event.Second) != "2012-11-30T10:47:29Z" || e.Path != `D:\Twinkle_Prod$\VM11 XXX\outside\test.exe.txt` ||
		e.Action != event.Detected || e.User != "davnads" || !strings.Contains(e.Message, "W32.Changeup!gen33") {
		t.Errorf("Symantec: %d events, %+v", len(r.Events), e)
	}
	r = artifacttest.Run(t, AVLog, avSample(t, "pccnt35.log"))
	if e := r.Events[0]; len(r.Events) != 3 || e.Ticks.Format(event.Second) != "2018-01-30T14:45:25Z" || e.Clock == event.LocalTime || e.Path != "temp/eicar.com_.gstmp" || e.Action != event.Detected {
		t.Errorf("Trend Micro: %d events, %+v", len(r.Events), e)
	}
	if e := r.Events[2]; e.Ticks.Format(event.Second) != "2018-01-30T14:46:00Z" || e.Clock != event.LocalTime || e.Precision == event.Second {
		t.Errorf("Trend Micro, without seconds: %+v", e)
	}
}

// TestAVLogZone: times are of the machine's zone.
func TestAVLogZone(t *testing.T) {
	src := avSample(t, "Symantec.Log")
	src.Machine = &artifact.Machine{Zone: artifact.Zone{Name: "Tokyo Standard Time", Bias: -540}}
	if e := artifacttest.Read(AVLog, src).Events[1]; e.Ticks.Format(event.Second) != "2012-11-30T01:47:29Z" || e.ZoneAssumed || e.Zone != "Tokyo Standard Time" {
		t.Errorf("%+v", e)
	}
}

// TestAVLogOther: another log in the folder of a product is said to be none.
func TestAVLogOther(t *testing.T) {
	r := artifacttest.Read(AVLog, artifacttest.Source{Path: "ProgramData/McAfee/x.txt", Data: []byte("update ok\n")})
	if r.Err != nil || len(r.Events) != 0 || len(r.Problems) != 1 || !r.Counts.Reconciles() {
		t.Errorf("%+v", r)
	}
	on := "2011/10/25\t9:00:01\tDeleted\tPC\\sato\tC:\\Program Files\\Becky!\\B2.exe\tC:\\Temp\\a.exe\tGeneric.dx (Trojan)\n"
	r = artifacttest.Read(AVLog, artifacttest.Source{Path: "ProgramData/McAfee/OnAccessScanLog.txt", Data: []byte(on)})
	if d := detections(r.Events); len(d) != 1 || d[0].Path != "Temp/a.exe" {
		t.Errorf("%+v", r)
	}
}

func FuzzAVLog(f *testing.F) {
	for _, name := range []string{"AccessProtectionLog.txt", "Symantec.Log", "pccnt35.log"} {
		f.Add(avSample(f, name).Data)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := artifacttest.Read(AVLog, artifacttest.Source{Path: "a.log", Data: b}); !r.Counts.Reconciles() {
			t.Errorf("%+v", r.Counts)
		}
	})
}
