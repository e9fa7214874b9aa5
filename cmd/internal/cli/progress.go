package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"kanshiki/forensics/escape"
)

// Progress shows what long work is doing: a line that is drawn again on a
// terminal, a line every ten seconds elsewhere, JSON lines, or nothing.
type Progress struct {
	mu    sync.Mutex
	w     io.Writer
	mode  string
	name  string
	what  string
	total int64
	done  int64
	begun time.Time
	shown time.Time
	drawn bool
	note  string
}

// ProgressModes are the words of --progress, the default first.
var ProgressModes = []string{"auto", "plain", "json", "none"}

// NewProgress shows progress on stderr; mode is one of ProgressModes.
func NewProgress(name, mode string, stderr io.Writer) *Progress {
	if mode == "auto" {
		mode = "plain"
		if f, ok := stderr.(*os.File); ok && terminal(f) {
			mode = "bar"
		}
	}
	return &Progress{w: stderr, mode: mode, name: name}
}

func terminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// Start begins a piece of work of so many bytes or items; 0 is not known.
func (p *Progress) Start(what string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	now := time.Now()
	p.what, p.total, p.done, p.begun, p.shown = what, total, 0, now, now
}

// Note adds a few words to the lines from now on: what went wrong so far.
func (p *Progress) Note(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note = s
}

// Add counts n more.
func (p *Progress) Add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	every := 10 * time.Second
	if p.mode == "bar" {
		every = 200 * time.Millisecond
	}
	if now := time.Now(); p.mode != "none" && now.Sub(p.shown) >= every {
		p.shown = now
		p.show(now.Sub(p.begun))
	}
}

// Done takes the drawn line away.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *Progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

func (p *Progress) show(spent time.Duration) {
	var left time.Duration
	if p.total > 0 && p.done > 0 && p.done < p.total {
		left = time.Duration(float64(spent) * float64(p.total-p.done) / float64(p.done)).Round(time.Second)
	}
	if p.mode == "json" {
		b, err := json.Marshal(map[string]any{"progress": p.what, "done": p.done, "total": p.total, "seconds": spent.Seconds(), "left": left.Seconds(), "note": p.note})
		if err == nil {
			fmt.Fprintf(p.w, "%s\n", b)
		}
		return
	}
	line := fmt.Sprintf("%s: %s %s", p.name, escape.Text(p.what), Count(p.done))
	if p.total > 0 {
		line += fmt.Sprintf(" of %s  %d %%", Count(p.total), min(100, p.done*100/p.total))
	}
	if s := spent.Seconds(); s > 0 {
		line += fmt.Sprintf("  %s/s", Count(int64(float64(p.done)/s)))
	}
	if left > 0 {
		line += fmt.Sprintf("  %s left", left)
	}
	if p.note != "" {
		line += "  " + escape.Text(p.note)
	}
	if p.mode == "bar" {
		fmt.Fprintf(p.w, "\r%s\x1b[K", line)
		p.drawn = true
		return
	}
	fmt.Fprintln(p.w, line)
}

// Count writes a number with its thousands apart: 18,402.
func Count(n int64) string {
	s := fmt.Sprint(n)
	neg := n < 0
	if neg {
		s = s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		return "-" + s
	}
	return s
}

// Size writes a number of bytes in binary units.
func Size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%s GiB", Count(n>>30))
	case n >= 10<<20:
		return fmt.Sprintf("%s MiB", Count(n>>20))
	case n >= 10<<10:
		return fmt.Sprintf("%s KiB", Count(n>>10))
	}
	return fmt.Sprintf("%s bytes", Count(n))
}
