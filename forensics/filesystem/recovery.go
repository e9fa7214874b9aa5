package filesystem

import (
	"fmt"
	"io"

	"kanshiki/parsers/ntfs"
)

// Recovery says what of a deleted stream is still its own. It is proven from
// the run lists of all entries and from $Bitmap, not guessed from the content.
type Recovery struct {
	Verdict string // "whole", "partly overwritten", "overwritten", "unproven"
	Own     int64  // bytes that no one else owns
	Ranges  []RecoveryRange
}

// RecoveryRange is a part of the stream that is not proven to be its own.
type RecoveryRange struct {
	Off, Len int64
	What     string // what became of it
	Owner    Ref    // of the entry that owns or claims it, if known
	Foreign  bool   // the bytes there are another's for sure, or not there
}

// Recovery tells what can be had of a stream of a deleted entry.
func (n *NTFS) Recovery(ref Ref, stream string) (Recovery, error) {
	s, err := n.Stream(ref, stream)
	if err != nil {
		return Recovery{}, err
	}
	r := Recovery{Verdict: "whole"}
	size, foreign, doubt := s.Size(), int64(0), false
	for _, m := range s.Remnants() {
		if m.Fate == ntfs.Free {
			r.Own += m.Len
			continue
		}
		x := RecoveryRange{Off: m.Off, Len: m.Len, What: m.Fate.String(), Owner: RefOf(m.Owner)}
		if f, ok := n.cat.File(m.Owner.Record()); ok && m.Owner != 0 {
			x.Owner = RefOf(f.Was())
		}
		switch m.Fate {
		case ntfs.Reused, ntfs.Outside:
			x.Foreign = true
			foreign += m.Len
		default:
			doubt = true
		}
		r.Ranges = append(r.Ranges, x)
	}
	switch {
	case foreign > 0 && foreign >= size:
		r.Verdict = "overwritten"
	case foreign > 0:
		r.Verdict = "partly overwritten"
	case doubt:
		r.Verdict = "unproven"
	}
	return r, nil
}

// String is a range for people.
func (r RecoveryRange) String() string {
	s := fmt.Sprintf("%#x to %#x %s", r.Off, r.Off+r.Len, r.What)
	if r.Owner != (Ref{}) {
		s += fmt.Sprintf(" (entry %d-%d)", r.Owner.Entry, r.Owner.Sequence)
	}
	return s
}

// Mask gives the content of a deleted stream with zeros where the bytes are
// another's.
func (r Recovery) Mask(rd io.ReaderAt) io.ReaderAt { return ownReader{rd, r.Ranges} }

type ownReader struct {
	r      io.ReaderAt
	ranges []RecoveryRange
}

func (o ownReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.r.ReadAt(p, off)
	for _, x := range o.ranges {
		if from, to := max(x.Off, off), min(x.Off+x.Len, off+int64(n)); x.Foreign && from < to {
			clear(p[from-off : to-off])
		}
	}
	return n, err
}
