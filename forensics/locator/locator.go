// Package locator names a place in evidence as a comparable value: it works
// with ==, as a map key, and survives printing and parsing. The path for people
// stands beside it, since hard links have several.
package locator

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Locator is a place: a chain from the exhibit down to a byte.
type Locator struct {
	Exhibit  string // "pc01-disk0"
	Volume   int    // partition number from 1, 0 is the whole device or a loose file
	Snapshot int    // volume shadow copy, 0 is the live volume
	Entry    uint64 // MFT entry number; in a folder, the file's place in path order
	Sequence uint16 // and its sequence number
	Stream   string // "" is the unnamed $DATA
	Inner    string // key path, archive member, OLE stream
	Offset   int64  // byte offset in that stream
}

// String prints the locator on one line, so that Parse reads it back.
func (l Locator) String() string {
	return fmt.Sprintf("%s/%d.%d/%d-%d/%s/%s/%#x", url.PathEscape(l.Exhibit), l.Volume, l.Snapshot,
		l.Entry, l.Sequence, url.PathEscape(l.Stream), url.PathEscape(l.Inner), l.Offset)
}

// Parse reads what String prints.
func Parse(s string) (Locator, error) {
	bad := func() (Locator, error) { return Locator{}, fmt.Errorf("no locator: %q", s) }
	p := strings.Split(s, "/")
	if len(p) != 6 {
		return bad()
	}
	var l Locator
	var err [3]error
	l.Exhibit, err[0] = url.PathUnescape(p[0])
	l.Stream, err[1] = url.PathUnescape(p[3])
	l.Inner, err[2] = url.PathUnescape(p[4])
	vol, snap, ok1 := strings.Cut(p[1], ".")
	entry, seq, ok2 := strings.Cut(p[2], "-")
	if err != [3]error{} || !ok1 || !ok2 {
		return bad()
	}
	v, e1 := strconv.Atoi(vol)
	n, e2 := strconv.Atoi(snap)
	e, e3 := strconv.ParseUint(entry, 10, 64)
	q, e4 := strconv.ParseUint(seq, 10, 16)
	o, e5 := strconv.ParseInt(p[5], 0, 64)
	if e1 != nil || e2 != nil || e3 != nil || e4 != nil || e5 != nil {
		return bad()
	}
	l.Volume, l.Snapshot, l.Entry, l.Sequence, l.Offset = v, n, e, uint16(q), o
	return l, nil
}

// At is the same place with another byte offset.
func (l Locator) At(off int64) Locator { l.Offset = off; return l }

// In is a place inside the source: a key path, an archive member.
func (l Locator) In(inner string) Locator { l.Inner = inner; return l }
