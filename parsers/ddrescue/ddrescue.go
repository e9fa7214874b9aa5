package ddrescue

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"kanshiki/parsers/container"
)

// Status is what is known of a block.
type Status byte

// The states of a block.
const (
	NonTried   Status = '?'
	NonTrimmed Status = '*' // in a read that failed
	NonScraped Status = '/' // failed, its edges are known
	BadSector  Status = '-'
	Finished   Status = '+'
)

func (s Status) String() string {
	switch s {
	case NonTried:
		return "not tried"
	case NonTrimmed:
		return "in a failed read, not trimmed"
	case NonScraped:
		return "in a failed read, not scraped"
	case BadSector:
		return "bad sector"
	case Finished:
		return "finished"
	}
	return fmt.Sprintf("status %q", byte(s))
}

// Block is a part of the medium, in bytes.
type Block struct {
	Off, Len int64
	Status   Status
}

// Map is a mapfile.
type Map struct {
	Pos    int64   // where ddrescue was
	Phase  byte    // what it did: a Status, 'F' filling, 'G' generating; '+' is finished
	Pass   int     // of the phase, from 1
	Blocks []Block // ascending, neighbours of one state joined, gaps filled as NonTried
	container.Problems
}

// Error is why a map is refused.
type Error struct {
	Line int // from 1
	Off  int64
	What string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d (offset %d): %s", e.Line, e.Off, e.What) }

// Offset is where in the file the line begins.
func (e *Error) Offset() int64 { return e.Off }

// Parse reads a mapfile.
func Parse(b []byte) (*Map, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%d bytes are more than a mapfile may have (%d)", len(b), MaxSize)
	}
	p := parser{m: &Map{}}
	for line := range strings.Lines(string(b)) {
		p.line++
		if text := strings.TrimSpace(line); text != "" && text[0] != '#' {
			if err := p.add(strings.Fields(text)); err != nil {
				return nil, err
			}
		}
		p.off += int64(len(line))
	}
	if !p.status {
		return nil, &Error{p.line, p.off, "no status line: this is no mapfile, or its end is missing"}
	}
	if p.bad > maxLines {
		p.m.Reportf(0, "%d lines in all could not be understood", p.bad)
	}
	return p.m, nil
}

type parser struct {
	m      *Map
	line   int
	off    int64
	status bool
	bad    int
	full   bool
	end    int64 // of the last block
}

func (p *parser) fault(format string, args ...any) error {
	return &Error{p.line, p.off, fmt.Sprintf(format, args...)}
}

func (p *parser) add(f []string) error {
	if !p.status {
		return p.first(f)
	}
	if len(f) != 3 || len(f[2]) != 1 || !strings.ContainsAny(f[2], "?*/-+") {
		p.strange(f)
		return nil
	}
	off, err1 := number(f[0])
	n, err2 := number(f[1])
	if err1 != nil || err2 != nil {
		p.strange(f)
		return nil
	}
	if off < p.end {
		return p.fault("a block at %#x, behind one that ends at %#x", off, p.end)
	}
	if off+n < off {
		return p.fault("a block of %#x bytes at %#x ends behind all media", n, off)
	}
	if off > p.end {
		if len(p.m.Blocks) > 0 {
			p.m.Reportf(p.off, "line %d: nothing is said of %#x to %#x", p.line, p.end, off)
		}
		p.block(Block{p.end, off - p.end, NonTried})
	}
	p.block(Block{off, n, Status(f[2][0])})
	return nil
}

// block adds one that begins where the last one ends.
func (p *parser) block(b Block) {
	k := len(p.m.Blocks) - 1
	switch {
	case b.Len == 0 || p.full:
	case k >= 0 && p.m.Blocks[k].Status == b.Status:
		p.m.Blocks[k].Len += b.Len
	case len(p.m.Blocks) == MaxBlocks:
		p.full = true
		p.m.Reportf(p.off, "more than %d blocks; those from %#x on are left out", MaxBlocks, b.Off)
	default:
		p.m.Blocks = append(p.m.Blocks, b)
	}
	p.end = b.Off + b.Len
}

func (p *parser) first(f []string) error {
	if len(f) < 2 || len(f) > 3 || len(f[1]) != 1 || !strings.ContainsAny(f[1], "?*/-FG+") {
		return p.fault("no status line")
	}
	var err error
	if p.m.Pos, err = number(f[0]); err != nil {
		return p.fault("no status line: %v", err)
	}
	p.m.Phase = f[1][0]
	if len(f) == 3 {
		if p.m.Pass, err = strconv.Atoi(f[2]); err != nil {
			return p.fault("no status line: pass %q", clip(f[2]))
		}
	}
	p.status = true
	return nil
}

// strange notes a line that is no block: what it stood for was not read.
func (p *parser) strange(f []string) {
	if p.bad++; p.bad <= maxLines {
		p.m.Reportf(p.off, "line %d is no block: %q", p.line, clip(strings.Join(f, " ")))
	}
}

func clip(s string) string { return s[:min(len(s), 60)] }

// number reads an integer constant of C++.
func number(s string) (int64, error) {
	if strings.ContainsAny(s, "_oObB+-") && !strings.HasPrefix(strings.ToLower(s), "0x") || strings.ContainsAny(s, "_+-") {
		return 0, errors.New("no number")
	}
	return strconv.ParseInt(s, 0, 64)
}

// Bad lists what of a medium of size bytes was not read, in order: bad sectors
// and failed blocks are Unreadable, what was not tried and what the map says
// nothing of are Unknown.
func (m *Map) Bad(size int64) []container.Range {
	var out []container.Range
	add := func(off, n int64, s Status) {
		kind := container.Unreadable
		if s == NonTried {
			kind = container.Unknown
		}
		if n = min(n, size-off); n > 0 {
			out = append(out, container.Range{Off: off, Len: n, Kind: kind, Err: statusError(s)})
		}
	}
	end := int64(0)
	for _, b := range m.Blocks {
		if b.Status != Finished {
			add(b.Off, b.Len, b.Status)
		}
		end = b.Off + b.Len
	}
	add(end, size-end, NonTried)
	return out
}

// statusError is the reason of a range, in the map's words.
type statusError Status

func (e statusError) Error() string { return "ddrescue map: " + Status(e).String() }

// Of makes the map of a medium of size bytes of which all was read but some
// blocks. Where two of them overlap, the first one's state holds.
func Of(size int64, unread []Block) *Map {
	p := parser{m: &Map{Pos: size, Phase: byte(Finished), Pass: 1}}
	unread = slices.Clone(unread)
	slices.SortStableFunc(unread, func(a, b Block) int { return cmp.Compare(a.Off, b.Off) })
	for _, b := range unread {
		end := min(b.Off+b.Len, size)
		if b.Off = max(b.Off, p.end); b.Off >= end {
			continue
		}
		p.block(Block{p.end, b.Off - p.end, Finished})
		p.block(Block{b.Off, end - b.Off, b.Status})
		if b.Status == NonTried {
			p.m.Pos, p.m.Phase = 0, byte(NonTried) // so that ddrescue goes on with them
		}
	}
	p.block(Block{p.end, size - p.end, Finished})
	return p.m
}

// Write writes a map as ddrescue does, with comments on top.
func (m *Map) Write(w io.Writer, comments ...string) error {
	var b strings.Builder
	for _, c := range comments {
		b.WriteString("# " + strings.NewReplacer("\r", " ", "\n", " ").Replace(c) + "\n")
	}
	fmt.Fprintf(&b, "# current_pos  current_status  current_pass\n0x%08X     %c               %d\n", m.Pos, m.Phase, max(m.Pass, 1))
	b.WriteString("#      pos        size  status\n")
	for _, x := range m.Blocks {
		fmt.Fprintf(&b, "0x%08X  0x%08X  %c\n", x.Off, x.Len, x.Status)
		if b.Len() > 1<<16 {
			if _, err := io.WriteString(w, b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
