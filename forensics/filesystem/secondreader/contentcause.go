package secondreader

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"

	"kanshiki/parsers/ntfs"
)

// contentCause explains other bytes of a stream.
func (c *comparer) contentCause(f ntfs.File, s ntfs.Stream, t content) Cause {
	switch {
	case f.ReparseTag() == ntfs.TagWOF && len(s.Name()) == 0 && t.SHA256 == zeros(t.Bytes):
		return CompactedFile
	case s.Compressed() && c.dropsUnits(s, t):
		return Compression
	}
	return ""
}

// zeros is the digest of n zeros.
func zeros(n int64) string {
	h := sha256.New()
	_, _ = io.CopyN(h, zeroReader{}, n) // neither of them has an error
	return hex.EncodeToString(h.Sum(nil))
}

// dropsUnits tells whether the bytes of the second reader are what it makes of
// the runs of a compressed stream, up to where it stops.
func (c *comparer) dropsUnits(s ntfs.Stream, t content) bool {
	unit := c.unit(s)
	if unit == 0 {
		return false
	}
	st, err := c.n.OpenStream(s)
	if err != nil {
		return false
	}
	medium, _ := c.vol.Medium()
	cluster := int64(c.vol.Geometry().ClusterSize)
	h := sha256.New()
	left := t.Bytes
	for _, k := range keptUnits(slices.Collect(s.Runs()), unit) {
		n := min(left, k.Len*cluster)
		var r io.Reader
		switch {
		case k.decompressed:
			// Behind the end of the stream a unit holds zeros.
			own := min(n, max(st.Size()-k.from*cluster, 0))
			r = io.MultiReader(io.NewSectionReader(st, k.from*cluster, own), io.LimitReader(zeroReader{}, n-own))
		case k.LCN < 0:
			r = io.LimitReader(zeroReader{}, n)
		default:
			r = io.NewSectionReader(medium, k.LCN*cluster, n)
		}
		if m, err := io.CopyBuffer(h, r, c.buf); err != nil || m < n {
			return false
		}
		if left -= n; left == 0 {
			break
		}
	}
	return left == 0 && hex.EncodeToString(h.Sum(nil)) == t.SHA256
}

// zeroReader reads as zeros without end.
type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// unit is the compression unit of a stream in clusters, or 0.
func (c *comparer) unit(s ntfs.Stream) int64 {
	rec, err := c.vol.Record(s.Record())
	if err != nil {
		return 0
	}
	for a := range rec.Attrs(nil) {
		if a.Type == ntfs.AttrData && a.ID == s.ID() && a.Unit > 0 && a.Unit <= 16 {
			return 1 << a.Unit
		}
	}
	return 0
}

// keptRun is a part of a compressed stream that the second reader gives.
type keptRun struct {
	ntfs.Run
	from         int64 // cluster of the stream
	decompressed bool  // as a whole unit; else its clusters, or zeros for a hole
}

// keptUnits goes through the runs as the second reader does. What fills whole
// units is given as it is on the volume. A unit of several runs is decompressed
// where one of them is a hole and the last ends at its border, else it is
// dropped: a hole that two units share is one run. The last run is given as it is.
func keptUnits(list []ntfs.Run, unit int64) (kept []keptRun) {
	var runs []keptRun
	at := int64(0)
	for _, r := range list {
		runs = append(runs, keptRun{Run: r, from: at})
		at += r.Len
	}
	for i := 0; i < len(runs); i++ {
		r := &runs[i]
		switch {
		case r.Len == 0:
		case i+1 == len(runs):
			kept = append(kept, *r)
		case r.Len >= unit:
			whole := *r
			whole.Len -= r.Len % unit
			kept = append(kept, whole)
			r.from, r.Len = r.from+whole.Len, r.Len-whole.Len
			if r.LCN >= 0 {
				r.LCN += whole.Len
			}
			i-- // what is left of it begins the next unit
		default:
			size, data, hole := unitAt(runs[i:], unit)
			if hole && size == unit {
				kept = append(kept, keptRun{ntfs.Run{Len: unit}, firstData(runs[:i+1]), true})
			}
			i += data
		}
	}
	return kept
}

// firstData is where the second reader begins to decompress a unit whose first
// run is the last of these: a hole has the place of the data before it.
func firstData(runs []keptRun) int64 {
	for _, r := range slices.Backward(runs) {
		if r.LCN >= 0 {
			return r.from
		}
	}
	return 0
}

// unitAt gathers the runs that the second reader takes for one unit: their
// clusters, how many hold data, and whether one is a hole.
func unitAt(runs []keptRun, unit int64) (size int64, data int, hole bool) {
	for _, r := range runs {
		if r.LCN < 0 {
			hole = true
		} else {
			data++
		}
		if size += r.Len; size >= unit {
			break
		}
	}
	return size, data, hole
}
