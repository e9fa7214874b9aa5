package persistence

import (
	"strings"
	"testing"
	"unicode/utf16"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
)

// units writes text as Windows writes this log: UTF-16 with a mark.
func units(s string) []byte {
	out := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

func TestSchedLgU(t *testing.T) {
	log := "\"Task Scheduler Service\"\r\n\tStarted at 2011/10/25 9:00:00\r\n" +
		"\"At1.job\" (cmd.exe)\r\n\tStarted 2011/10/25 9:42:00\r\n" +
		"\"At1.job\" (cmd.exe)\r\n\tFinished 2011/10/25 9:42:05\r\n\tResult: The task completed with an exit code of (0).\r\n" +
		"[ ***** Most recent entry is above this line ***** ]\r\n\r\n" +
		"\"更新.job\" (update.exe)\r\n\t開始 2011/10/24 9:00:00\r\n" +
		"\"At2.job\" (x.exe)\r\n\tStarted 10/23/2011 9:00:00 PM\r\n"
	tokyo := &artifact.Machine{Zone: artifact.Zone{Name: "Tokyo Standard Time", Bias: -540}}
	r := artifacttest.Run(t, SchedLgU, artifacttest.Source{Path: "WINDOWS/SchedLgU.txt", Data: units(log), Machine: tokyo})
	want := strings.Join([]string{
		"2011-10-25T00:00:00Z  scheduler started  started  Task Scheduler Service (): scheduler started",
		"2011-10-25T00:42:00Z  started by the scheduler  executed  At1.job (cmd.exe): started by the scheduler",
		"2011-10-25T00:42:05Z  ended  stopped  At1.job (cmd.exe): ended Result: The task completed with an exit code of (0).",
		"2011-10-24T00:00:00Z  started by the scheduler  executed  更新.job (update.exe): started by the scheduler",
		"2011-10-23T12:00:00Z  started by the scheduler  executed  At2.job (x.exe): started by the scheduler", ""}, "\n")
	if got := artifacttest.Text(r.Events); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	// A day that may be a month is not guessed.
	r = artifacttest.Read(SchedLgU, artifacttest.Source{Path: "WINDOWS/SchedLgU.txt", Data: units("\"At1.job\" (cmd.exe)\r\n\tStarted 10/11/2011 9:42:00\r\n")})
	if len(r.Events) != 0 || len(r.Problems) != 1 || r.Counts.Failed != 1 {
		t.Errorf("%+v", r)
	}
}

func FuzzSchedLgU(f *testing.F) {
	f.Add(units("\"At1.job\" (cmd.exe)\r\n\tStarted 2011/10/25 9:42:00\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := artifacttest.Read(SchedLgU, artifacttest.Source{Path: "SchedLgU.txt", Data: b}); !r.Counts.Reconciles() {
			t.Errorf("%+v", r.Counts)
		}
	})
}
