package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

// never is false; the compiler does not know.
var never = len(os.Args) > 1<<20

// TestMain serves the worker whose parser panics, hangs and eats memory on
// demand.
func TestMain(m *testing.M) {
	Serve(map[string]func([]byte) ([]byte, error){"test": func(req []byte) ([]byte, error) {
		switch string(req) {
		case "panic":
			return req[:0][:len(req)+1+cap(req)], nil
		case "hang":
			for n := 0; ; n++ {
				if never {
					return nil, nil
				}
			}
		case "memory":
			var keep [][]byte
			for {
				b := make([]byte, 16<<20)
				for i := range b {
					b[i] = 1
				}
				keep = append(keep, b)
				if never {
					return keep[0], nil
				}
			}
		case "one huge allocation":
			n := int64(1) << 40
			b := make([]byte, n)
			b[n/2] = 1
			return b[:1], nil
		case "stack":
			var deep func(int) int
			deep = func(n int) int { return deep(n+1) + 1 }
			fmt.Fprint(io.Discard, deep(0))
		case "exit":
			os.Exit(7)
		case "error":
			return nil, errors.New("not my format")
		case "chatter":
			fmt.Println("a library prints to standard output")
			return []byte("heard"), nil
		}
		return bytes.ToUpper(req), nil
	}})
	os.Exit(m.Run())
}

func TestPoolSurvivesWhatAParserDoes(t *testing.T) {
	p := NewPool("test", 1, Limits{Memory: 64 << 20, CPU: 2 * time.Second, Input: 1 << 20})
	defer p.Close()
	ctx := context.Background()
	good := func() {
		t.Helper()
		if b, err := p.Call(ctx, []byte("good")); err != nil || string(b) != "GOOD" {
			t.Fatalf("after it: %q, %v", b, err)
		}
	}
	good()
	var f *Fault
	if _, err := p.Call(ctx, []byte("panic")); !errors.As(err, &f) || !strings.Contains(f.Panic, "out of range") {
		t.Errorf("panic: %v", err)
	}
	good()
	for _, what := range []string{"memory", "one huge allocation", "stack", "exit"} {
		var d *Death
		if _, err := p.Call(ctx, []byte(what)); !errors.As(err, &d) || !d.Repeatable {
			t.Errorf("%s: %v", what, err)
		}
		good()
	}
	var d *Death
	if _, err := p.Call(ctx, []byte("hang")); !errors.As(err, &d) || d.Repeatable {
		t.Errorf("hang: %v", err)
	}
	good()
	if _, err := p.Call(ctx, []byte("error")); err == nil || err.Error() != "not my format" {
		t.Errorf("error: %v", err)
	}
	if b, err := p.Call(ctx, []byte("chatter")); err != nil || string(b) != "heard" {
		t.Errorf("chatter: %q, %v", b, err)
	}
	if _, err := p.Call(ctx, make([]byte, 1<<21)); !errors.Is(err, ErrInput) {
		t.Errorf("too large: %v", err)
	}
	stop, cancel := context.WithCancel(ctx)
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := p.Call(stop, []byte("hang")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	good()
}

func TestRunTurnsAPanicIntoAFault(t *testing.T) {
	var f *Fault
	if err := Run(func() error { return []error{}[1] }); !errors.As(err, &f) || f.Stack == "" {
		t.Errorf("%v", err)
	}
	if err := Run(func() error { return io.EOF }); err != io.EOF {
		t.Errorf("%v", err)
	}
}

type broken struct{ bad int64 }

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.bad && b.bad < off+int64(len(p)) {
		return int(b.bad - off), errors.New("medium error")
	}
	return len(p), nil
}

// TestReaderReportsWhatAParserSwallows plants a silent loss: the parser below
// ignores every error.
func TestReaderReportsWhatAParserSwallows(t *testing.T) {
	var l problem.List
	r := &Reader{Ctx: context.Background(), R: broken{5000}, Size: 8192, At: locator.Locator{Exhibit: "x"}, Source: "f", Sink: &l}
	buf := make([]byte, 4096)
	for range 3 {
		for off := int64(0); off < 8192; off += 4096 {
			_, _ = r.ReadAt(buf, off)
		}
	}
	got := l.Sorted()
	if len(got) != 1 || l.Len() != 1 || got[0].At.Offset != 5000 || got[0].Length != 8192-5000 || got[0].Kind != problem.Unreadable {
		t.Errorf("%+v", got)
	}
	short := &Reader{Ctx: context.Background(), R: bytes.NewReader(make([]byte, 100)), Size: 300, Sink: &l}
	if n, err := short.ReadAt(make([]byte, 300), 0); n != 100 || err == nil || l.Len() != 2 {
		t.Errorf("a cut image: %d, %v, %d problems", n, err, l.Len())
	}
	if n, err := short.ReadAt(make([]byte, 10), 300); n != 0 || err != io.EOF || l.Len() != 2 {
		t.Errorf("past the end: %d, %v", n, err)
	}
}

func TestReaderEndsLoops(t *testing.T) {
	var l problem.List
	r := &Reader{Ctx: context.Background(), R: broken{1 << 40}, Size: 8192, Sink: &l, Steps: 100}
	buf := make([]byte, 8)
	n := 0
	for ; n < 1000; n++ {
		if _, err := r.ReadAt(buf, 0); err != nil {
			break
		}
	}
	if n != 100 || l.Len() != 1 {
		t.Errorf("%d reads, %d problems", n, l.Len())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r = &Reader{Ctx: ctx, R: broken{1 << 40}, Size: 8192, Sink: &l}
	if _, err := r.ReadAt(buf, 0); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
