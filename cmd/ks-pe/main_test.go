package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"kanshiki/forensics/program"
)

// asCommand makes the test binary be the command.
const asCommand = "KS_PE_AS_COMMAND"

func TestMain(m *testing.M) {
	program.Serve()
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestScripts runs what a user types: testdata/*.txtar are scripts in the
// words of testscript, of which script knows the few that they use, and
// "code N", which checks the exit code of the last command.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			s := &script{t: t, dir: t.TempDir(), env: []string{asCommand + "=1"}, vars: strings.NewReplacer(
				"$SAMPLES", abs(t, "pe"), "$CATALOGUES", abs(t, "cat"))}
			s.run(string(b))
		})
	}
}

func abs(t *testing.T, parser string) string {
	p, err := filepath.Abs(filepath.Join("..", "..", "parsers", parser, "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type script struct {
	t              *testing.T
	dir            string
	env            []string
	vars           *strings.Replacer
	stdout, stderr string
	code           int
}

// run writes the files behind "-- name --" and then takes line by line.
func (s *script) run(text string) {
	parts := regexp.MustCompile(`(?m)^-- (.+) --\n`).Split(text, -1)
	names := regexp.MustCompile(`(?m)^-- (.+) --\n`).FindAllStringSubmatch(text, -1)
	for i, n := range names {
		s.check(os.WriteFile(filepath.Join(s.dir, n[1]), []byte(parts[i+1]), 0o600))
	}
	for i, line := range strings.Split(parts[0], "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		words := s.split(line)
		no := words[0] == "!"
		if no {
			words = words[1:]
		}
		if !s.step(no, words[0], words[1:]) {
			s.t.Fatalf("line %d: %s\nexit %d\n%s\n%s", i+1, line, s.code, s.stdout, s.stderr)
		}
	}
}

// split cuts a line into words; quotes keep spaces and dollars.
func (s *script) split(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		if m[2] != "" {
			m[1] = s.vars.Replace(m[2])
		}
		out = append(out, m[1])
	}
	return out
}

func (s *script) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(s.dir, p)
}

func (s *script) read(p string) []byte {
	switch p {
	case "stdout":
		return []byte(s.stdout)
	case "stderr":
		return []byte(s.stderr)
	}
	b, err := os.ReadFile(s.path(p))
	s.check(err)
	return b
}

// step does one line and tells whether it holds.
func (s *script) step(no bool, word string, args []string) bool {
	switch word {
	case "exec":
		return s.exec(args[1:]) != no
	case "code":
		return strconv.Itoa(s.code) == args[0]
	case "stdout", "stderr":
		return regexp.MustCompile(`(?m)`+args[0]).Match(s.read(word)) != no
	case "cmp":
		return bytes.Equal(s.read(args[0]), s.read(args[1])) != no
	case "cp":
		s.check(os.WriteFile(s.path(args[1]), s.read(args[0]), 0o600))
	case "cut": // cut FROM TO BYTES: the first bytes of a file
		n, err := strconv.Atoi(args[2])
		s.check(err)
		s.check(os.WriteFile(s.path(args[1]), s.read(args[0])[:n], 0o600))
	case "mkdir":
		s.check(os.MkdirAll(s.path(args[0]), 0o700))
	case "env":
		s.env = append(s.env, args[0])
	case "keys": // each line of the last output is an object with these keys
		return s.keys(args)
	default:
		s.t.Fatalf("no word %q", word)
	}
	return true
}

func (s *script) exec(args []string) bool {
	exe, err := os.Executable()
	s.check(err)
	var out, errs bytes.Buffer
	c := exec.CommandContext(s.t.Context(), exe, args...)
	c.Dir, c.Stdout, c.Stderr = s.dir, &out, &errs
	c.Env = append(os.Environ(), s.env...)
	err = c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	s.stdout, s.stderr, s.code = out.String(), errs.String(), c.ProcessState.ExitCode()
	return s.code == 0
}

func (s *script) keys(names []string) bool {
	for _, line := range strings.Split(strings.TrimSpace(s.stdout), "\n") {
		var row map[string]any
		s.check(json.Unmarshal([]byte(line), &row))
		for _, k := range names {
			if _, ok := row[k]; !ok {
				return false
			}
		}
	}
	return true
}

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
	image, err := filepath.Abs(filepath.Join("..", "..", "fixtures", "quarantined-pc", "quarantined-pc.E01"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(image); err != nil {
		t.Skip("the fixture is not built")
	}
	s := &script{t: t, dir: t.TempDir(), env: []string{asCommand + "=1"}}
	if !s.exec([]string{"--image", image, "--format", "jsonl"}) {
		t.Fatalf("exit %d: %s", s.code, s.stderr)
	}
	states := map[program.State]int{}
	for _, line := range strings.Split(strings.TrimSpace(s.stdout), "\n") {
		var f program.Facts
		s.check(json.Unmarshal([]byte(line), &f))
		states[f.State]++
		if !f.IsProgram || f.SHA256 == "" || len(f.Sections) == 0 || f.State == program.Agrees && f.StateBy == "catalogue" && f.Catalogue == "" {
			t.Errorf("%s", line)
		}
	}
	if states[program.Agrees] == 0 || states[program.Unsigned] == 0 || states[program.Unknown] != 0 {
		t.Errorf("%v", states)
	}
}
