package guard

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits bound one call to a child process. The zero value takes the
// defaults.
type Limits struct {
	Input  int64         // bytes of a request; 256 MiB
	Output int64         // bytes of an answer; 64 MiB
	Memory int64         // heap of the child; 512 MiB
	CPU    time.Duration // processor time of a call; 60 s. The last resort: a result that depends on it is marked not repeatable
}

func (l Limits) withDefaults() Limits {
	def := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Input, 256<<20)
	def(&l.Output, 64<<20)
	def(&l.Memory, 512<<20)
	if l.CPU == 0 {
		l.CPU = 60 * time.Second
	}
	return l
}

// Death says that a child process ended in the middle of a call.
type Death struct {
	Reason     string // "memory limit", "processor time limit", or what it printed last
	Repeatable bool   // whether the same bytes would end the same way
}

func (d *Death) Error() string { return "parser process died: " + d.Reason }

// ErrInput says that a request is over its limit.
var ErrInput = errors.New("larger than the limit of a parser process")

// Pool keeps child processes of our own binary that serve one kind of call.
// They start when first needed and start anew after a death.
type Pool struct {
	kind   string
	limits Limits
	slots  chan *child // nil: not started
}

// NewPool makes a pool of n children; nothing is started yet.
func NewPool(kind string, n int, l Limits) *Pool {
	p := &Pool{kind: kind, limits: l.withDefaults(), slots: make(chan *child, max(n, 1))}
	for range max(n, 1) {
		p.slots <- nil
	}
	return p
}

// Call sends a request to a child and waits for the answer. Errors: ctx's end,
// ErrInput, *Fault for a panic there, *Death for its end, or *AnswerError with
// the text of the handler's own error.
func (p *Pool) Call(ctx context.Context, req []byte) ([]byte, error) {
	if int64(len(req)) > p.limits.Input {
		return nil, fmt.Errorf("%d bytes: %w", len(req), ErrInput)
	}
	var c *child
	select {
	case c = <-p.slots:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c == nil {
		var err error
		if c, err = start(p.kind, p.limits); err != nil {
			p.slots <- nil
			return nil, fmt.Errorf("start parser process: %w", err)
		}
	}
	answer, err := c.call(ctx, req, p.limits)
	if err != nil && c.dead {
		c = nil
	}
	p.slots <- c
	return answer, err
}

// Close ends the children. Calls under way are waited for.
func (p *Pool) Close() {
	for range cap(p.slots) {
		if c := <-p.slots; c != nil {
			c.stop()
		}
	}
	for range cap(p.slots) {
		p.slots <- nil
	}
}

type child struct {
	cmd    *exec.Cmd
	to     *os.File
	from   *os.File
	in     *bufio.Reader
	said   *tail
	waited chan struct{}
	dead   bool
}

// start runs this very program again; the variable tells it that it is a
// worker, and frames go over two pipes of their own, since libraries print to
// standard output past their loggers.
func start(kind string, l Limits) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	theirIn, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	from, theirOut, err := os.Pipe()
	if err != nil {
		theirIn.Close()
		to.Close()
		return nil, err
	}
	c := &child{to: to, from: from, in: bufio.NewReader(from), said: &tail{}, waited: make(chan struct{})}
	c.cmd = exec.Command(exe)
	c.cmd.Stderr = c.said
	c.cmd.Env = append(os.Environ(), workerVar+"="+kind, "GOTRACEBACK=none", "GOMAXPROCS=1",
		memoryVar+"="+strconv.FormatInt(l.Memory, 10), cpuVar+"="+strconv.FormatInt(int64(l.CPU), 10))
	hand(c.cmd, theirIn, theirOut)
	err = c.cmd.Start()
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		to.Close()
		from.Close()
		return nil, err
	}
	go func() {
		_ = c.cmd.Wait()
		close(c.waited)
	}()
	return c, nil
}

func (c *child) stop() {
	c.to.Close() // the child ends at the end of its input
	select {
	case <-c.waited:
	case <-time.After(time.Second):
		_ = c.cmd.Process.Kill()
		<-c.waited
	}
	c.from.Close()
	c.dead = true
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.waited
	c.to.Close()
	c.from.Close()
	c.dead = true
}

func (c *child) call(ctx context.Context, req []byte, l Limits) ([]byte, error) {
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		b, err := c.exchange(req, l.Output)
		done <- result{b, err}
	}()
	// The child watches its own processor time; this clock only ends one that
	// is stopped or starved.
	backstop := time.NewTimer(20*l.CPU + time.Minute)
	defer backstop.Stop()
	select {
	case r := <-done:
		var f *Fault
		var told *AnswerError
		if r.err == nil || errors.As(r.err, &f) || errors.As(r.err, &told) {
			return r.b, r.err
		}
		c.kill()
		return nil, c.death(r.err)
	case <-ctx.Done():
		c.kill()
		<-done
		return nil, ctx.Err()
	case <-backstop.C:
		c.kill()
		<-done
		return nil, &Death{Reason: "no answer", Repeatable: false}
	}
}

func (c *child) exchange(req []byte, limit int64) ([]byte, error) {
	if err := writeFrame(c.to, req); err != nil {
		return nil, err
	}
	status, err := c.in.ReadByte()
	if err != nil {
		return nil, err
	}
	b, err := readFrame(c.in, limit)
	if err != nil {
		return nil, err
	}
	switch status {
	case statusOK:
		return b, nil
	case statusError:
		return nil, &AnswerError{string(b)}
	case statusFault:
		text, stack, _ := strings.Cut(string(b), "\x00")
		return nil, &Fault{Panic: text, Stack: stack}
	}
	return nil, fmt.Errorf("parser process answered with status %d", status)
}

func (c *child) death(cause error) *Death {
	switch c.cmd.ProcessState.ExitCode() {
	case exitMemory:
		return &Death{Reason: "memory limit", Repeatable: true}
	case exitCPU:
		return &Death{Reason: "processor time limit", Repeatable: false}
	}
	if s := c.said.firstLine(); s != "" {
		return &Death{Reason: s, Repeatable: true}
	}
	if errors.Is(cause, errFrame) {
		return &Death{Reason: cause.Error(), Repeatable: true}
	}
	return &Death{Reason: c.cmd.ProcessState.String(), Repeatable: true}
}

// AnswerError is an error that the handler in the child returned.
type AnswerError struct{ text string }

func (e *AnswerError) Error() string { return e.text }

var errFrame = errors.New("answer larger than its limit")

func writeFrame(w io.Writer, b []byte) error {
	head := binary.LittleEndian.AppendUint64(nil, uint64(len(b)))
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

func readFrame(r io.Reader, limit int64) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > uint64(limit) {
		return nil, fmt.Errorf("%d bytes: %w", n, errFrame)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// tail keeps the first bytes that a child printed on standard error: the first
// line of a fatal error says what it was.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := 4096 - t.b.Len(); room > 0 {
		t.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (t *tail) firstLine() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range strings.Lines(t.b.String()) {
		if strings.HasPrefix(line, "fatal error:") || strings.HasPrefix(line, "runtime:") || strings.HasPrefix(line, "panic:") {
			return strings.TrimSpace(line)
		}
	}
	line, _, _ := strings.Cut(t.b.String(), "\n")
	return strings.TrimSpace(line)
}
