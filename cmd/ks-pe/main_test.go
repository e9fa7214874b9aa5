package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kanshiki/cmd/internal/clitest"
	"kanshiki/forensics/program"
)

func TestMain(m *testing.M) {
	program.Serve()
	clitest.Become(main)
	os.Exit(m.Run())
}

// TestStories has a word of its own: "keys NAME…" holds where each line of the
// last output is an object with these keys.
func TestStories(t *testing.T) {
	clitest.Run(t, name, func(s *clitest.Story) {
		s.Vars["SAMPLES"], s.Vars["CATALOGUES"] = abs(t, "parsers", "pe", "testdata"), abs(t, "parsers", "cat", "testdata")
		s.Vars["FIXTURE"] = abs(t, "fixtures", "quarantined-pc", "quarantined-pc.E01")
		s.Words = map[string]func(*clitest.Story, bool, []string) bool{"keys": keys}
	})
}

func abs(t *testing.T, parts ...string) string {
	p, err := filepath.Abs(filepath.Join(append([]string{"..", ".."}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func keys(s *clitest.Story, _ bool, names []string) bool {
	for line := range strings.Lines(s.Stdout) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			s.T.Fatal(err)
		}
		for _, k := range names {
			if _, ok := row[k]; !ok {
				return false
			}
		}
	}
	return s.Stdout != ""
}

func TestHelp(t *testing.T) { clitest.Help(t, name, "") }

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		glob, path string
		want       bool
	}{
		{"**", "a", true}, {"**", "a/b/c", true}, {"**/*.exe", "a.EXE", true}, {"**/*.exe", "x/y/a.exe", true}, {"**/*.exe", "x/y/a.exe/z", false},
		{"users/**/*.dll", "Users/me/AppData/x.dll", true}, {"users/**/*.dll", "Windows/x.dll", false}, {"*/system32/**/*.cat", "Windows/System32/CatRoot/{F}/a.cat", true},
		{"**/a/**/b", "a/x/a/y/b", true}, {"**/a/**/b", "x/b", false}, {"a/*", "a/b/c", false}, {"[", "[", true}, {"", "a", false}, {`a\b.exe`, "A/B.EXE", true},
		{strings.Repeat("**/a/", 30) + "b", strings.Repeat("a/", 300) + "c", false},
	} {
		if got := matches([]string{c.glob}, c.path); got != c.want {
			t.Errorf("%.40q %.40q: %v", c.glob, c.path, got)
		}
	}
}

// TestFixture is the example of the help text: the machine's own catalogues
// tell its signed programs from those that surely are not signed.
func TestFixture(t *testing.T) {
	image := abs(t, "fixtures", "quarantined-pc", "quarantined-pc.E01")
	if _, err := os.Stat(image); err != nil {
		t.Skip("the fixture is not built")
	}
	s := clitest.New(t, name)
	if s.Exec(name, "--image", image, "--format", "jsonl"); s.Code != 0 {
		t.Fatalf("exit %d: %s", s.Code, s.Stderr)
	}
	states := map[program.State]int{}
	for line := range strings.Lines(s.Stdout) {
		var f program.Facts
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err)
		}
		states[f.State]++
		if !f.IsProgram || f.SHA256 == "" || len(f.Sections) == 0 || f.State == program.Agrees && f.StateBy == "catalogue" && f.Catalogue == "" {
			t.Errorf("%s", line)
		}
	}
	if states[program.Agrees] == 0 || states[program.Unsigned] == 0 || states[program.Unknown] != 0 {
		t.Errorf("%v", states)
	}
}
