// Package custody keeps the case folder's own papers: case.json says which
// exhibits and machines there are and who works on them, custody.jsonl is the
// log of every act on the case.
//
// Each line of the log holds the SHA-256 of the line before it, so that a line
// that is changed, taken out or put in between breaks the chain (Verify). A
// chain alone cannot show that its end was cut off: case.json names the last
// line that was written with it, and a sealed package or a printed report
// names it where no later hand reaches.
//
// The package has no clock: who calls it says what time it is.
package custody

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Exhibit is one piece of evidence of the case.
type Exhibit struct {
	ID       string   `json:"id"`
	Machine  string   `json:"machine,omitempty"`
	Evidence []string `json:"evidence"` // paths as they were given
	Format   string   `json:"format,omitempty"`
	Size     int64    `json:"size,omitempty"`
	Digests  []string `json:"digests,omitempty"` // "sha1:…", as the container states them or as computed
}

// Info is what case.json holds.
type Info struct {
	Schema   int       `json:"schema"`
	Name     string    `json:"name,omitempty"`
	Examiner string    `json:"examiner,omitempty"`
	Zone     string    `json:"zone,omitempty"`
	Exhibits []Exhibit `json:"exhibits"`
	Machines []string  `json:"machines"`
	Tools    []string  `json:"tools"` // program and version of all that wrote here
	Head     string    `json:"custody_head,omitempty"`
	Entries  int       `json:"custody_entries,omitempty"`
}

// Exhibit finds an exhibit by its id.
func (i *Info) Exhibit(id string) (Exhibit, bool) {
	for _, x := range i.Exhibits {
		if x.ID == id {
			return x, true
		}
	}
	return Exhibit{}, false
}

// Put adds an exhibit or replaces the one of the same id, and keeps both lists
// in order.
func (i *Info) Put(x Exhibit) {
	i.Exhibits = slices.DeleteFunc(i.Exhibits, func(o Exhibit) bool { return o.ID == x.ID })
	i.Exhibits = append(i.Exhibits, x)
	slices.SortFunc(i.Exhibits, func(a, b Exhibit) int { return strings.Compare(a.ID, b.ID) })
	i.Machines = nil
	for _, x := range i.Exhibits {
		if x.Machine != "" && !slices.Contains(i.Machines, x.Machine) {
			i.Machines = append(i.Machines, x.Machine)
		}
	}
	slices.Sort(i.Machines)
}

// Tool notes a program that wrote to the case.
func (i *Info) Tool(name string) {
	if !slices.Contains(i.Tools, name) {
		i.Tools = append(i.Tools, name)
		slices.Sort(i.Tools)
	}
}

const (
	caseFile = "case.json"
	logFile  = "custody.jsonl"
	lockFile = ".lock"
)

// ErrNoCase says that a folder is no case.
var ErrNoCase = errors.New("no case folder (case.json is missing)")

// ErrBusy says that another program works on the case.
var ErrBusy = errors.New("another kanshiki program is working on this case; wait for it or end it")

// folder refuses what cannot become a case.
func folder(dir string) error {
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return fmt.Errorf("%s: is a file; a case is a folder", dir)
	}
	return nil
}

// Read gives the case's papers without a lock.
func Read(dir string) (Info, error) {
	var i Info
	if err := folder(dir); err != nil {
		return i, err
	}
	b, err := os.ReadFile(filepath.Join(dir, caseFile))
	if errors.Is(err, fs.ErrNotExist) {
		return i, fmt.Errorf("%s: %w", dir, ErrNoCase)
	}
	if err != nil {
		return i, err
	}
	if err := json.Unmarshal(b, &i); err != nil {
		return i, fmt.Errorf("%s: %w", filepath.Join(dir, caseFile), err)
	}
	return i, nil
}

// Case is a case that this program alone may change.
type Case struct {
	Dir  string
	Info Info
	lock io.Closer
	prev string // digest of the log's last line
	n    int    // lines of the log
	open bool   // the last line has no end
}

// Open locks a case, making the folder where there is none yet.
func Open(dir string) (*Case, error) {
	if err := folder(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	l, err := lock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	c := &Case{Dir: dir, lock: l}
	if c.Info, err = Read(dir); err != nil && !errors.Is(err, ErrNoCase) {
		l.Close()
		return nil, err
	}
	if c.Info.Schema == 0 {
		c.Info = Info{Schema: 1, Exhibits: []Exhibit{}, Machines: []string{}, Tools: []string{}}
	}
	if err := c.readLog(); err != nil {
		l.Close()
		return nil, err
	}
	return c, nil
}

func (c *Case) readLog() error {
	c.prev = strings.Repeat("0", 64)
	f, err := os.Open(filepath.Join(c.Dir, logFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return lines(f, func(line []byte, whole bool) error {
		c.prev, c.open = digest(line), !whole
		c.n++
		return nil
	})
}

// lines calls do with each line, without its end; whole is false for a last
// line that has none: its writer died.
func lines(r io.Reader, do func(line []byte, whole bool) error) error {
	b := bufio.NewReader(r)
	for {
		line, err := b.ReadBytes('\n')
		if len(line) > 0 {
			body, whole := bytes.CutSuffix(line, []byte{'\n'})
			if err := do(body, whole); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func digest(line []byte) string {
	s := sha256.Sum256(line)
	return hex.EncodeToString(s[:])
}

// Entry is one line of the log.
type Entry struct {
	Number   int      `json:"n"`
	Time     string   `json:"time"` // RFC 3339, UTC
	Act      string   `json:"act"`  // "timeline build"
	Tool     string   `json:"tool"` // program and version
	By       string   `json:"by,omitempty"`
	Details  []Detail `json:"details,omitempty"`
	Previous string   `json:"previous"` // SHA-256 of the line before
}

// Detail is one named value of an act.
type Detail struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Record adds an act to the log.
func (c *Case) Record(now time.Time, tool, act string, details ...Detail) error {
	e := Entry{c.n + 1, now.UTC().Format(time.RFC3339Nano), act, tool, c.Info.Examiner, details, c.prev}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	out := append(line[:len(line):len(line)], '\n')
	if c.open { // a line that a dying writer left stays as it is
		out = append([]byte{'\n'}, out...)
	}
	_, err = f.Write(out)
	if serr := f.Sync(); err == nil {
		err = serr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("custody log: %w", err)
	}
	c.prev, c.n, c.open = digest(line), c.n+1, false
	c.Info.Head, c.Info.Entries = c.prev, c.n
	return nil
}

// Save writes case.json, beside its name and renamed.
func (c *Case) Save() error {
	b, err := json.MarshalIndent(c.Info, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(c.Dir, caseFile)
	f, err := os.Create(name + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if serr := f.Sync(); err == nil {
		err = serr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

// Close lets the case go.
func (c *Case) Close() error { return c.lock.Close() }

// Break is a place where the log is not what was written.
type Break struct {
	Line int
	What string
}

// Verify reads the whole log and returns its entries and every break found.
func Verify(dir string) ([]Entry, []Break, error) {
	info, err := Read(dir)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(filepath.Join(dir, logFile))
	if errors.Is(err, fs.ErrNotExist) {
		if info.Entries > 0 {
			return nil, []Break{{0, fmt.Sprintf("the log is gone; case.json knows %d lines", info.Entries)}}, nil
		}
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	var entries []Entry
	var breaks []Break
	prev, n, headSeen := strings.Repeat("0", 64), 0, info.Entries == 0
	err = lines(f, func(line []byte, whole bool) error {
		n++
		var e Entry
		switch err := json.Unmarshal(line, &e); {
		case !whole || err != nil:
			breaks = append(breaks, Break{n, "is not a whole entry: its writer died or it was changed"})
		case e.Previous != prev:
			breaks = append(breaks, Break{n, "does not follow the line before it: a line was changed, taken out or put in"})
		case e.Number != n:
			breaks = append(breaks, Break{n, fmt.Sprintf("says it is entry %d", e.Number)})
		}
		entries = append(entries, e)
		prev = digest(line)
		if n == info.Entries {
			headSeen = true
			if prev != info.Head {
				breaks = append(breaks, Break{n, "is not the line that case.json names"})
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if !headSeen {
		breaks = append(breaks, Break{n, fmt.Sprintf("is the last line; case.json knows %d", info.Entries)})
	}
	return entries, breaks, nil
}
