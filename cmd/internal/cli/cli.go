// Package cli holds the manners that all commands share: exit codes, signals,
// options, messages, progress.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"kanshiki/forensics/escape"
)

// Exit codes.
const (
	Done        = 0
	Failed      = 1
	WrongUse    = 2
	Gaps        = 3 // done, and some evidence could not be read; the problems are listed
	No          = 4 // done, and the answer is no
	Interrupted = 130
)

// Run is a command: data goes to stdout, everything else to stderr.
type Run func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// Main runs a command with the process's arguments and exits.
func Main(name string, run Run) {
	os.Exit(Start(name, run, os.Args[1:], os.Stdout, os.Stderr))
}

// Start runs a command and returns its exit code.
func Start(name string, run Run, args []string, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		<-signals
		cancel()
		<-signals // the second one does not wait for a clean end
		os.Exit(Interrupted)
	}()
	if n := len(args); n == 1 && args[0] == "--version" || n == 2 && args[1] == "--version" && !strings.HasPrefix(args[0], "-") {
		return code(name, Version(stdout, name), stderr)
	}
	err := run(ctx, args, stdout, stderr)
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = &exit{Interrupted, errors.New("interrupted")}
	}
	return code(name, err, stderr)
}

// code prints the error's one line and gives its exit code.
func code(name string, err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, errHelp) {
		return Done
	}
	// A closed pipe (head, less) is no failure worth a message.
	if errors.Is(err, syscall.EPIPE) {
		return Failed
	}
	var e *exit
	if !errors.As(err, &e) {
		e = &exit{Failed, err}
	}
	if e.err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", name, escape.Text(err.Error()))
	}
	return e.code
}

type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// Exit ends the command with a code, and a message unless err is nil.
func Exit(code int, err error) error { return &exit{code, err} }

// Usage is wrong use: one line that says what is right.
func Usage(format string, args ...any) error {
	return &exit{WrongUse, fmt.Errorf(format, args...)}
}

// Warn prints a warning in the one shape that warnings have.
func Warn(stderr io.Writer, name, format string, args ...any) {
	fmt.Fprintf(stderr, "%s: warning: %s\n", name, escape.Text(fmt.Sprintf(format, args...)))
}

// Code is the exit code that an error of a command stands for.
func Code(err error) int {
	var e *exit
	switch {
	case err == nil || errors.Is(err, errHelp):
		return Done
	case errors.As(err, &e):
		return e.code
	}
	return Failed
}
