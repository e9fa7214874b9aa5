package execution

import (
	"os"
	"strings"
	"testing"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

const historyPath = "Users/sato/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine/ConsoleHost_history.txt"

// TestPowerShellHistory: order without times; a command of several lines is
// one; only the last is bounded from below.
func TestPowerShellHistory(t *testing.T) {
	src := artifacttest.Source{Path: historyPath, Data: []byte("whoami /all\r\nif (1) {`\r\n  dir`\r\n}\r\nnet view\r\n"),
		Times:   artifact.FileTimes{Created: 129600000000000000, Modified: 129700000000000000},
		Machine: &artifact.Machine{Users: map[string]artifact.User{"S-1-5-21-1-2-3-1000": {Name: "sato", Profile: "Users/sato"}}}}
	r := artifacttest.Run(t, PowerShellHistory, src)
	var got []string
	for _, e := range r.Events {
		if !e.Fact || e.Precision != event.OrderOnly || e.To != 129700000000000000 || e.User != "sato" {
			t.Errorf("%+v", e)
		}
		got = append(got, e.Fields[0].Text())
	}
	if s := strings.Join(got, "|"); s != "whoami /all|if (1) {\n  dir\n}|net view" {
		t.Errorf("%q", s)
	}
	if r.Events[0].From != 0 || r.Events[2].From != 129700000000000000 {
		t.Errorf("from %v, %v", r.Events[0].From, r.Events[2].From)
	}
}

// TestPowerShellTranscript: values stand in the file; times are local.
func TestPowerShellTranscript(t *testing.T) {
	b, err := os.ReadFile("testdata/powershell/powershell_transcript.txt")
	if err != nil {
		t.Fatal(err)
	}
	src := artifacttest.Source{Path: "Users/IEUser/Documents/20220721/PowerShell_transcript.MSEDGEWIN10.x.20220721023749.txt", Data: b,
		Machine: &artifact.Machine{Zone: artifact.Zone{Name: "Tokyo Standard Time", Bias: -540}}}
	r := artifacttest.Run(t, PowerShellTranscript, src)
	if len(r.Events) != 3 {
		t.Fatal(artifacttest.Text(r.Events))
	}
	if e := r.Events[0]; e.Ticks.Format(event.Second) != "2022-07-20T17:37:49Z" || e.Action != event.Executed || e.User != `MSEDGEWIN10\IEUser` || e.Path != "Windows/System32/WindowsPowerShell/v1.0/powershell.exe" {
		t.Errorf("%+v", e)
	}
	if e := r.Events[1]; !e.Fact || e.Fields[0].Text() != "whoami" || e.Fields[1].Text() != "1" {
		t.Errorf("%+v", e)
	}
	if e := r.Events[2]; e.Ticks.Format(event.Second) != "2022-07-20T17:37:59Z" || e.Action != event.Stopped {
		t.Errorf("%+v", e)
	}
}

func FuzzPowerShell(f *testing.F) {
	f.Add([]byte("a`\nb\n"))
	if b, err := os.ReadFile("testdata/powershell/powershell_transcript.txt"); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range []artifact.Spec{PowerShellHistory, PowerShellTranscript} {
			if r := artifacttest.Read(s, artifacttest.Source{Path: historyPath, Data: b}); !r.Counts.Reconciles() {
				t.Errorf("%s: %+v", s.Name, r.Counts)
			}
		}
	})
}
