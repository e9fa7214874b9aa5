// Package clitest runs commands as users type them: stories in the folder
// testdata, each a text archive whose head is a script in the words of
// testscript (rogpeppe/go-internal), as far as our stories need them, and a few
// words more for evidence that is damaged and commands that are killed.
//
//	exec CMD ARG…         must succeed; "! exec" must fail
//	code N [CMD ARG…]     must exit with N; alone, the last command did
//	stdout, stderr RE     what the last command printed has a match (-count=N of them)
//	exists PATH…          "! exists" where none is
//	cmp A B, cp A B, mv A B, rm A, mkdir A, env K=V      "stdout" and "stderr" are files too
//	cut A B N             B holds the first N bytes of A
//	flip A OFFSET [STEP]  one byte of A becomes another, or one every STEP bytes
//	zeros A N             a file of N zeros
//	fifo A, ext4 A        what an examiner names by mistake
//	note                  remember every file of the story's folders
//	only PATH…            since then nothing has changed but at or below these
//	unwritable DIR        nothing can be made in DIR any more
//	hold DIR, free        another program works on the case; it has ended
//	pipe CMD ARG…         nobody reads the output
//	kill GLOB CMD ARG…    killed when GLOB matches; "interrupt" presses Ctrl-C
//
// Lines that begin with # are prose. Single quotes keep blanks and dollars;
// $NAME is replaced by a variable.
package clitest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const asCommand = "KANSHIKI_TEST_AS_COMMAND"

// Become makes the test binary be the command, where a story started it. It
// stands at the beginning of TestMain.
func Become(main func()) {
	if os.Getenv(asCommand) != "" {
		main()
		os.Exit(0)
	}
}

// Environ is the environment in which the test binary is the command, for tests
// that are no stories.
func Environ() []string { return append(os.Environ(), asCommand+"=1") }

// Story is one script that runs.
type Story struct {
	T      *testing.T
	Name   string            // of the command
	Dir    string            // where it runs
	Vars   map[string]string // $NAME
	Others map[string]string // paths of other commands, by name, that a story may run
	Words  map[string]func(s *Story, no bool, args []string) bool
	Stdout string
	Stderr string
	Code   int

	top    string // holds Dir, the temporary folder and the command
	env    []string
	noted  map[string]string
	holder interface{ Close() error }
	weak   bool // run as a user who may write little
}

// patience bounds each command: a command that waits for a FIFO ends here.
const patience = 2 * time.Minute

// Run tells every story of the folder testdata. prepare sets variables and
// words; it may be nil.
func Run(t *testing.T, name string, prepare func(*Story)) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			s := New(t, name)
			if prepare != nil {
				prepare(s)
			}
			s.Tell(string(b))
		})
	}
}

// New makes the folders of a story.
func New(t *testing.T, name string) *Story {
	t.Helper()
	s := &Story{T: t, Name: name, top: t.TempDir(), Vars: map[string]string{}}
	s.Dir = filepath.Join(s.top, "work")
	for _, d := range []string{s.Dir, filepath.Join(s.top, "tmp"), filepath.Join(s.top, "bin")} {
		s.check(os.Mkdir(d, 0o755))
	}
	exe, err := os.Executable()
	s.check(err)
	command := filepath.Join(s.top, "bin", name)
	if os.Link(exe, command) != nil {
		b, err := os.ReadFile(exe)
		s.check(err)
		s.check(os.WriteFile(command, b, 0o755))
	}
	s.env = []string{asCommand + "=1", "TMPDIR=" + filepath.Join(s.top, "tmp"), "PATH=" + filepath.Dir(command) + string(os.PathListSeparator) + os.Getenv("PATH")}
	t.Cleanup(func() { // so that the folder can be removed
		if s.holder != nil {
			s.holder.Close()
		}
		filepath.WalkDir(s.top, func(p string, d os.DirEntry, err error) error {
			if d != nil && d.IsDir() {
				os.Chmod(p, 0o755)
			}
			return nil
		})
	})
	return s
}

var fileMark = regexp.MustCompile(`(?m)^-- (.+) --\n`)

// Tell writes the files of a story and does its lines.
func (s *Story) Tell(text string) {
	s.T.Helper()
	parts, names := fileMark.Split(text, -1), fileMark.FindAllStringSubmatch(text, -1)
	for i, n := range names {
		p := s.Path(n[1])
		s.check(os.MkdirAll(filepath.Dir(p), 0o755))
		s.check(os.WriteFile(p, []byte(parts[i+1]), 0o644))
	}
	for i, line := range strings.Split(parts[0], "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		w := s.split(line)
		no := w[0] == "!"
		if no {
			w = w[1:]
		}
		if !s.step(no, w[0], w[1:]) {
			s.T.Fatalf("line %d: %s\nexit %d\n%s\n%s", i+1, line, s.Code, s.Stdout, s.Stderr)
		}
	}
}

// split cuts a line into words.
func (s *Story) split(line string) []string {
	var out []string
	for len(line) > 0 {
		word, open := "", false
		for len(line) > 0 && (open || line[0] != ' ') {
			if line[0] == '\'' {
				open, line = !open, line[1:]
				continue
			}
			end := strings.IndexAny(line, "' ")
			if open {
				end = strings.IndexByte(line, '\'')
			}
			if end < 0 {
				end = len(line)
			}
			part := line[:end]
			if !open {
				part = s.replace(part)
			}
			word, line = word+part, line[end:]
		}
		out = append(out, word)
		line = strings.TrimLeft(line, " ")
	}
	return out
}

func (s *Story) replace(part string) string {
	return regexp.MustCompile(`\$[A-Z]+`).ReplaceAllStringFunc(part, func(v string) string {
		if to, ok := s.Vars[v[1:]]; ok {
			return to
		}
		return v
	})
}

func (s *Story) check(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

// Path is a name in the story's folder, or an absolute one.
func (s *Story) Path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(s.Dir, p)
}

// Read gives a file, or what the last command printed.
func (s *Story) Read(p string) []byte {
	s.T.Helper()
	switch p {
	case "stdout":
		return []byte(s.Stdout)
	case "stderr":
		return []byte(s.Stderr)
	}
	b, err := os.ReadFile(s.Path(p))
	s.check(err)
	return b
}

// step does one line and tells whether it holds.
func (s *Story) step(no bool, word string, args []string) bool {
	s.T.Helper()
	switch word {
	case "exec":
		s.Exec(args...)
		return s.Code == 0 != no
	case "code":
		n, err := strconv.Atoi(args[0])
		s.check(err)
		if len(args) > 1 {
			s.Exec(args[1:]...)
		}
		return s.Code == n
	case "pipe":
		s.pipe(args)
	case "kill":
		return s.end(args[0], args[1:], os.Kill)
	case "interrupt":
		return s.end(args[0], args[1:], os.Interrupt)
	case "stdout", "stderr":
		return s.match(string(s.Read(word)), args, no)
	case "exists":
		for _, p := range args {
			if _, err := os.Lstat(s.Path(p)); err == nil == no {
				return false
			}
		}
	case "cmp":
		return bytes.Equal(s.Read(args[0]), s.Read(args[1])) != no
	case "note":
		s.noted = s.listing()
	case "only":
		return s.only(args)
	case "unwritable":
		s.unwritable(args[0])
	case "hold":
		s.hold(args[0])
	case "free":
		s.check(s.holder.Close())
		s.holder = nil
	case "env":
		s.env = append(s.env, args[0])
	default:
		if do, ok := s.Words[word]; ok {
			return do(s, no, args)
		}
		s.files(word, args)
	}
	return true
}

func (s *Story) command(ctx context.Context, args []string) *exec.Cmd {
	s.T.Helper()
	path := filepath.Join(s.top, "bin", s.Name)
	if args[0] != s.Name {
		other, ok := s.Others[args[0]]
		if !ok {
			s.T.Fatalf("%s is not %s", args[0], s.Name)
		}
		path = other
	}
	c := exec.CommandContext(ctx, path, args[1:]...)
	c.Dir, c.Env = s.Dir, append(os.Environ(), s.env...)
	if s.weak {
		weaken(c)
	}
	return c
}

// Exec runs the command; Stdout, Stderr and Code hold what came of it.
func (s *Story) Exec(args ...string) {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(s.T.Context(), patience)
	defer cancel()
	c := s.command(ctx, args)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	s.ended(c, c.Run())
	if ctx.Err() != nil {
		s.T.Fatalf("%s did not end", strings.Join(args, " "))
	}
	s.Stdout, s.Stderr = out.String(), errs.String()
}

func (s *Story) ended(c *exec.Cmd, err error) {
	s.T.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.T.Fatal(err)
	}
	s.Code = c.ProcessState.ExitCode()
}

// pipe runs the command with an output that nobody reads.
func (s *Story) pipe(args []string) {
	s.T.Helper()
	r, w, err := os.Pipe()
	s.check(err)
	s.check(r.Close())
	ctx, cancel := context.WithTimeout(s.T.Context(), patience)
	defer cancel()
	c := s.command(ctx, args)
	var errs bytes.Buffer
	c.Stdout, c.Stderr = w, &errs
	err = c.Run()
	s.check(w.Close())
	s.ended(c, err)
	if ctx.Err() != nil {
		s.T.Fatalf("%s did not end", strings.Join(args, " "))
	}
	s.Stdout, s.Stderr = "", errs.String()
}

// end runs the command and sends it a signal as soon as a file shows how far it
// is. It holds where the command was still at work.
func (s *Story) end(glob string, args []string, signal os.Signal) bool {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(s.T.Context(), patience)
	defer cancel()
	c := s.command(ctx, args)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if m, _ := filepath.Glob(s.Path(glob)); len(m) > 0 {
		s.T.Fatalf("%s is there before the command", m[0])
	}
	s.check(c.Start())
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	sent := false
	for {
		select {
		case err := <-done:
			s.ended(c, err)
			s.Stdout, s.Stderr = out.String(), errs.String()
			return sent
		case <-time.After(time.Millisecond):
		}
		if m, _ := filepath.Glob(s.Path(glob)); len(m) > 0 && !sent {
			sent = c.Process.Signal(signal) == nil
		}
	}
}

func (s *Story) match(text string, args []string, no bool) bool {
	s.T.Helper()
	count := -1
	if n, ok := strings.CutPrefix(args[0], "-count="); ok {
		var err error
		count, err = strconv.Atoi(n)
		s.check(err)
		args = args[1:]
	}
	n := len(regexp.MustCompile("(?m)"+args[0]).FindAllString(text, -1))
	if no {
		return n == 0
	}
	return n > 0 && (count < 0 || n == count)
}
