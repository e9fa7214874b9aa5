package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"kanshiki/cmd/internal/cli"
)

// TestScript runs the stories of testdata: what a user types, and what must
// come of it. The language is that of testscript (rogpeppe/go-internal), as
// far as the stories need it, and two words more: "code N command…" checks the
// exit code, "first OPTIONS" sets ID to that of the first event of a list.
func TestScript(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			s := &script{t: t, env: map[string]string{}}
			lines := s.unpack(string(b), t.TempDir())
			for i, line := range lines {
				s.line = filepath.Base(f) + ":" + strconv.Itoa(i+1)
				s.step(line)
			}
		})
	}
}

type script struct {
	t              *testing.T
	line           string
	env            map[string]string
	stdout, stderr string
}

var fileMark = regexp.MustCompile(`^-- (\S+) --$`)

// unpack writes the files of a script and gives its lines.
func (s *script) unpack(text, dir string) []string {
	s.t.Helper()
	s.t.Chdir(dir)
	lines := strings.Split(text, "\n")
	name, body := "", []string{}
	var out []string
	flush := func() {
		if name != "" {
			s.must(os.WriteFile(name, []byte(strings.TrimSuffix(strings.Join(body, "\n"), "\n")+"\n"), 0o666))
		}
	}
	for _, l := range lines {
		switch m := fileMark.FindStringSubmatch(l); {
		case m != nil:
			flush()
			name, body = m[1], []string{}
		case name != "":
			body = append(body, l)
		default:
			out = append(out, l)
		}
	}
	flush()
	return out
}

func (s *script) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%s: %v", s.line, err)
	}
}

// words splits a line; single quotes keep blanks, $NAME is replaced.
func (s *script) words(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		for k, v := range s.env {
			part = strings.ReplaceAll(part, "$"+k, v)
		}
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		// A quoted part joins an unquoted one that touches it.
		f := strings.Fields(part)
		if i > 0 && len(f) > 0 && !strings.HasPrefix(part, " ") {
			out[len(out)-1] += f[0]
			f = f[1:]
		}
		out = append(out, f...)
	}
	return out
}

func (s *script) step(line string) {
	s.t.Helper()
	if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
		return
	}
	w := s.words(line)
	not := w[0] == "!"
	if not {
		w = w[1:]
	}
	switch w[0] {
	case "exec":
		s.run(w[2:], not, 0)
	case "code":
		n, err := strconv.Atoi(w[1])
		s.must(err)
		s.run(w[3:], false, n)
	case "first":
		s.run(append([]string{"list", "--format", "jsonl", "--limit", "1"}, w[1:]...), false, 0)
		var row struct{ ID string }
		s.must(json.Unmarshal([]byte(s.stdout), &row))
		s.env["ID"], s.env["SHORT"] = row.ID, row.ID[:10]
	case "stdout":
		s.match(s.stdout, w[1:], not)
	case "stderr":
		s.match(s.stderr, w[1:], not)
	case "exists":
		for _, name := range w[1:] {
			if _, err := os.Stat(name); (err == nil) == not {
				s.t.Fatalf("%s: %s: %v", s.line, name, err)
			}
		}
	case "cmp", "cp":
		b, err := os.ReadFile(w[1])
		s.must(err)
		if w[0] == "cp" {
			s.must(os.WriteFile(w[2], b, 0o666))
			return
		}
		c, err := os.ReadFile(w[2])
		s.must(err)
		if !bytes.Equal(b, c) {
			s.t.Fatalf("%s: %s and %s differ", s.line, w[1], w[2])
		}
	case "mkdir":
		s.must(os.MkdirAll(w[1], 0o777))
	case "mv":
		s.must(os.Rename(w[1], w[2]))
	case "rm":
		s.must(os.Remove(w[1]))
	default:
		s.t.Fatalf("%s: no command %s", s.line, w[0])
	}
}

func (s *script) run(args []string, not bool, want int) {
	s.t.Helper()
	var out, err bytes.Buffer
	got := cli.Start(name, run, args, &out, &err)
	s.stdout, s.stderr = out.String(), err.String()
	if not && got == 0 || !not && got != want {
		s.t.Fatalf("%s: exit %d, want %d\n%s\n%s", s.line, got, want, s.stdout, s.stderr)
	}
}

func (s *script) match(text string, w []string, not bool) {
	s.t.Helper()
	count := -1
	if n, ok := strings.CutPrefix(w[0], "-count="); ok {
		var err error
		count, err = strconv.Atoi(n)
		s.must(err)
		w = w[1:]
	}
	re, err := regexp.Compile("(?m)" + w[0])
	s.must(err)
	n := len(re.FindAllString(text, -1))
	if not && n > 0 || !not && (n == 0 || count >= 0 && n != count) {
		s.t.Fatalf("%s: %d matches of %s in\n%s", s.line, n, w[0], text)
	}
}

// TestHelp: the first line of every help is an example that works as printed,
// in a folder where the fixture lies.
func TestHelp(t *testing.T) {
	fixtures, err := filepath.Abs("../../fixtures")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(fixtures, "quarantined-pc", "quarantined-pc.E01")); err != nil {
		t.Skip("the fixture is not built: ", err)
	}
	t.Chdir(t.TempDir())
	if err := os.Symlink(fixtures, "fixtures"); err != nil {
		t.Skip(err)
	}
	do := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		code := cli.Start(name, run, args, &out, &errs)
		return code, out.String(), errs.String()
	}
	for _, command := range order {
		code, help, _ := do(command, "--help")
		first, _, _ := strings.Cut(help, "\n")
		example, ok := strings.CutPrefix(first, "    "+name+" ")
		if code != 0 || !ok {
			t.Errorf("%s: help begins with %q", command, first)
			continue
		}
		var args []string
		for i, part := range strings.Split(example, `"`) { // one argument is quoted
			if i%2 == 1 {
				args = append(args, part)
			} else {
				args = append(args, strings.Fields(part)...)
			}
		}
		code, out, errs := do(args...)
		if code != 0 && !(command == "build" && code == cli.Gaps) || out == "" && !strings.Contains(example, " -o ") {
			t.Errorf("%s: exit %d, %d bytes\n%s", example, code, len(out), errs)
		}
		if strings.Count(errs, "\n") > 3 {
			t.Errorf("%s: says much: %s", example, errs)
		}
	}
	_, help, _ := do("--help")
	for line := range strings.Lines(help) {
		example, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "    "+name+" ")
		if !ok {
			continue
		}
		if code, out, errs := do(strings.Fields(example)...); code != 0 && code != cli.Gaps || out == "" {
			t.Errorf("%s: exit %d\n%s", example, code, errs)
		}
	}
}
