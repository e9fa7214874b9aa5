package ad1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"

	"kanshiki/parsers/container"
	"kanshiki/parsers/internal/cursor"
)

const (
	segmentHeader = 512
	segmentUnit   = 1 << 16 // the size of segments is counted in these
)

var segmentSignature = []byte("ADSEGMENTEDFILE\x00")

// Segment is what a segment says of itself.
type Segment struct {
	Number int   // from 1
	Count  int   // of the set
	Size   int64 // bytes of each segment but the last, header and all
}

// Identify tells a segment by its first 16 bytes.
func Identify(head []byte) bool { return bytes.HasPrefix(head, segmentSignature) }

// ParseSegment decodes the first 48 bytes of a segment.
func ParseSegment(head []byte) (Segment, error) {
	if !Identify(head) {
		return Segment{}, cursor.Errorf(0, "no segment of AD1: begins with % x", head[:min(4, len(head))])
	}
	c := cursor.New(head)
	c.Skip(24, "signature and version")
	s := Segment{Number: int(c.U32("segment number")), Count: int(c.U32("number of segments"))}
	c.U16("unknown")
	s.Size = int64(c.U32("size of segments")) * segmentUnit
	c.U16("unknown")
	size := c.U32("size of the header")
	switch {
	case c.Err() != nil:
	case s.Count < 1 || s.Count > MaxSegments || s.Number < 1 || s.Number > s.Count:
		c.Fail("segment %d of %d", s.Number, s.Count)
	case size != segmentHeader:
		c.Fail("segment header of %d bytes, not %d", size, segmentHeader)
	}
	return s, c.Err()
}

// errMissing is the reason for what a missing segment holds, or a cut one.
var errMissing = errors.New("in a segment that is missing or cut")

// space is the addresses of all segments, without their headers.
type space struct {
	parts []part
	whole bool // all segments are there in their full size
}

type part struct {
	at, size int64 // addresses; size as it must be
	f        container.File
	have     int64 // bytes that are there
}

// newSpace puts segments in order and to their places. Those that are missing
// leave a gap of the stated size.
func newSpace(files []container.File, problems *container.Problems) (*space, error) {
	set := map[int]container.File{}
	var first Segment
	for _, f := range files {
		b := make([]byte, min(48, f.Size))
		if err := readFull(f.R, b, 0); err != nil {
			return nil, fmt.Errorf("%s: segment header: %w", f.Name, err)
		}
		s, err := ParseSegment(b)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		case first.Count == 0:
			first = s
		case s.Count != first.Count || s.Size != first.Size:
			problems.Report(container.Problem{File: f.Name, Off: 24, What: fmt.Sprintf(
				"is of another set: %d segments of %d bytes, not %d of %d; not used", s.Count, s.Size, first.Count, first.Size)})
			continue
		}
		if _, twice := set[s.Number]; twice {
			problems.Report(container.Problem{File: f.Name, Off: 24, What: fmt.Sprintf("is segment %d a second time; not used", s.Number)})
			continue
		}
		set[s.Number] = f
	}
	return place(set, first, problems)
}

func place(set map[int]container.File, first Segment, problems *container.Problems) (*space, error) {
	s := &space{whole: true}
	at := int64(0)
	for n := 1; n <= first.Count; n++ {
		f, ok := set[n]
		p := part{at: at, f: f, size: first.Size - segmentHeader}
		if ok {
			p.have = max(f.Size-segmentHeader, 0)
		}
		switch {
		case n == first.Count && ok:
			p.size = p.have
		case p.size <= 0 || p.size > 1<<62-at:
			return nil, fmt.Errorf("%d segments of %d bytes", first.Count, first.Size)
		case !ok:
			s.whole = false
			p.f.Name = fmt.Sprintf("segment %d", n)
		case p.have < p.size:
			s.whole = false
			problems.Report(container.Problem{File: f.Name, Off: f.Size, What: fmt.Sprintf("is cut: a segment has %d bytes", first.Size)})
		case p.have > p.size:
			problems.Report(container.Problem{File: f.Name, Off: first.Size, What: fmt.Sprintf("%d bytes behind the end of the segment", p.have-p.size)})
			p.have = p.size
		}
		s.parts = append(s.parts, p)
		at += p.size
	}
	s.reportMissing(problems)
	return s, nil
}

// reportMissing names the segments that are not there, a run at a time.
func (s *space) reportMissing(problems *container.Problems) {
	for i := 0; i < len(s.parts); i++ {
		first := i
		for i < len(s.parts) && s.parts[i].f.R == nil {
			i++
		}
		what := fmt.Sprintf("segment %d of %d is missing", i, len(s.parts))
		if i-first > 1 {
			what = fmt.Sprintf("segments %d to %d of %d are missing", first+1, i, len(s.parts))
		}
		if i > first {
			problems.Report(container.Problem{File: s.parts[first].f.Name, What: what})
		}
	}
}

func (s *space) size() int64 {
	last := s.parts[len(s.parts)-1]
	return last.at + last.size
}

// ReadAt reads at an address, over the borders of segments.
func (s *space) ReadAt(b []byte, off int64) (int, error) {
	done := 0
	for done < len(b) {
		p := s.part(off)
		if p == nil {
			return done, io.EOF
		}
		skip := off - p.at
		n := int(min(int64(len(b)-done), p.have-skip))
		if n <= 0 {
			return done, errMissing
		}
		if err := readFull(p.f.R, b[done:done+n], segmentHeader+skip); err != nil {
			return done, err
		}
		done, off = done+n, off+int64(n)
	}
	return done, nil
}

// part finds the segment of an address, nil where there is none.
func (s *space) part(off int64) *part {
	i := sort.Search(len(s.parts), func(i int) bool { return s.parts[i].at > off }) - 1
	if i < 0 || off >= s.parts[i].at+s.parts[i].size {
		return nil
	}
	return &s.parts[i]
}

// there tells whether the segments of [from, to) are.
func (s *space) there(from, to int64) bool {
	for !s.whole && from < to {
		p := s.part(from)
		if p == nil || from-p.at >= p.have {
			return false
		}
		from = p.at + p.have
	}
	return true
}

// errorf makes an error located in the file that holds an address.
func (s *space) errorf(off int64, format string, args ...any) error {
	name := ""
	if p := s.part(off); p != nil {
		name, off = p.f.Name, off-p.at+segmentHeader
	}
	return cursor.Errorf(off, "%s: %w", name, fmt.Errorf(format, args...))
}

// readFull reads all of p; a file that is too short is ErrUnexpectedEOF.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
