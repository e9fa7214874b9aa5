package clitest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Help holds every help text to its word: it begins with an example, and every
// example in it works as printed, in a shell, where the fixture lies. commands
// are those whose --help is asked for; "" is the program's own. An example may
// end with 3: evidence has gaps.
func Help(t *testing.T, name string, commands ...string) {
	t.Helper()
	fixtures, err := filepath.Abs(filepath.Join("..", "..", "fixtures"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(fixtures, "quarantined-pc", "quarantined-pc.E01")); err != nil {
		t.Skip("the fixture is not built: ", err)
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell: ", err)
	}
	s := New(t, name)
	if err := os.Symlink(fixtures, s.Path("fixtures")); err != nil {
		t.Skip(err)
	}
	done := map[string]bool{}
	for _, command := range commands {
		s.Exec(strings.Fields(name + " " + command + " --help")...)
		if s.Code != 0 || s.Stderr != "" || !strings.HasPrefix(s.Stdout, "    "+strings.TrimSpace(name+" "+command)+" ") {
			t.Errorf("%s %s --help: exit %d, %s%.200s", name, command, s.Code, s.Stderr, s.Stdout)
		}
		for line := range strings.Lines(s.Stdout) {
			example, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "    "+name+" ")
			if !ok || done[example] {
				continue
			}
			done[example] = true
			s.shell(sh, name+" "+example)
		}
	}
}

func (s *Story) shell(sh, line string) {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(s.T.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, sh, "-c", line)
	c.Dir, c.Env = s.Dir, append(os.Environ(), s.env...)
	out, err := c.CombinedOutput()
	if code := c.ProcessState.ExitCode(); code != 0 && code != 3 {
		s.T.Errorf("%s: exit %d, %v\n%.2000s", line, code, err, out)
	}
}
