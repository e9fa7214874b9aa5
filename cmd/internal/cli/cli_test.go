package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func start(t *testing.T, run Run, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Start("ks-test", run, args, &o, &e)
	return code, o.String(), e.String()
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err    error
		code   int
		stderr string
	}{
		{nil, 0, ""},
		{errors.New("open a\x1b[2J: no such file"), 1, "ks-test: open a⟨U+001B⟩[2J: no such file\n"},
		{Usage("--case is missing"), 2, "ks-test: --case is missing\n"},
		{fmt.Errorf("read: %w", Exit(Gaps, nil)), 3, ""},
		{Exit(No, errors.New("2 chunks differ")), 4, "ks-test: 2 chunks differ\n"},
	} {
		code, _, stderr := start(t, func(context.Context, []string, io.Writer, io.Writer) error { return c.err })
		if code != c.code || stderr != c.stderr {
			t.Errorf("%v: exit %d, %q", c.err, code, stderr)
		}
	}
}

func TestFlags(t *testing.T) {
	var rest []string
	var format *string
	run := func(_ context.Context, args []string, stdout, _ io.Writer) error {
		f := NewFlags("ks-test", "ks-test --format jsonl a.E01\n", stdout)
		format = f.Choice("format", "shape of the output", "text", "jsonl", "csv")
		f.Times()
		f.Zone()
		var err error
		rest, err = f.Parse(args)
		return err
	}
	code, _, _ := start(t, run, "a", "--format", "csv", "b", "--", "--c")
	if code != 0 || *format != "csv" || !slices.Equal(rest, []string{"a", "b", "--c"}) {
		t.Errorf("exit %d, %s, %q", code, *format, rest)
	}
	for arg, want := range map[string]string{
		"--form":          "no option --form; there are --format, --from, --to, --zone",
		"--format=xml":    "it is one of text, jsonl, csv",
		"--from=tomorrow": "times are written",
		"--zone=Nowhere":  "no such zone",
		"--to":            "a value is missing after --to",
	} {
		code, _, stderr := start(t, run, arg)
		if code != 2 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit %d, %q", arg, code, stderr)
		}
	}
	code, stdout, _ := start(t, run, "--help")
	if code != 0 || !strings.HasPrefix(stdout, "ks-test --format jsonl a.E01\n") || !strings.Contains(stdout, "Exit codes") {
		t.Errorf("exit %d, %q", code, stdout)
	}
}

func TestVersion(t *testing.T) {
	code, stdout, _ := start(t, nil, "--version")
	if code != 0 || !strings.Contains(stdout, "sha256  ") || !strings.Contains(stdout, "commit  ") {
		t.Errorf("exit %d, %q", code, stdout)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 18402: "18,402", -1234567: "-1,234,567"} {
		if got := Count(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
