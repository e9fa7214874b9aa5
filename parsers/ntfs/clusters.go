package ntfs

import (
	"fmt"
	"math"
	"sort"
)

// clusterMap maps the clusters of a stream (VCN) to those of the volume (LCN).
type clusterMap struct {
	runs  []Run
	start []int64 // VCN of each run, rising, without gaps
}

// end is the number of clusters described.
func (m *clusterMap) end() int64 {
	if len(m.runs) == 0 {
		return 0
	}
	i := len(m.runs) - 1
	return m.start[i] + m.runs[i].Len
}

// bytes is the end in bytes; a forged hole may be longer than 63 bits can say.
func (m *clusterMap) bytes(clusterSize int64) int64 {
	return min(m.end(), math.MaxInt64/clusterSize) * clusterSize
}

// add appends runs that begin at VCN low. A gap before them becomes Lost; what
// is described already is left out.
func (m *clusterMap) add(low int64, runs []Run) *Damage {
	var dmg *Damage
	end := m.end()
	if low > end {
		dmg = &Damage{Kind: MissingPiece, Attr: AttrData, Off: -1, Got: uint64(end), Want: uint64(low)}
		m.push(Run{LCN: Lost, Len: low - end})
	}
	for _, r := range runs {
		if low < m.end() {
			over := min(m.end()-low, r.Len)
			if dmg == nil {
				dmg = &Damage{Kind: DuplicatePiece, Attr: AttrData, Off: -1, Got: uint64(low)}
			}
			low += over
			r.Len -= over
			if r.LCN >= 0 {
				r.LCN += over
			}
		}
		low += r.Len
		m.push(r)
	}
	return dmg
}

func (m *clusterMap) push(r Run) {
	end := m.end()
	if r.Len <= 0 || r.Len > 1<<62-end {
		return
	}
	m.runs = append(m.runs, r)
	m.start = append(m.start, end)
}

// find is the index of the run that holds vcn, or len(runs).
func (m *clusterMap) find(vcn int64) int {
	i := sort.Search(len(m.start), func(i int) bool { return m.start[i] > vcn }) - 1
	if i < 0 || vcn >= m.start[i]+m.runs[i].Len {
		return len(m.runs)
	}
	return i
}

// disk is the place on the volume of byte off, or -1.
func (m *clusterMap) disk(off, cs int64) int64 {
	i := m.find(off / cs)
	if i == len(m.runs) || m.runs[i].LCN < 0 {
		return -1
	}
	return (m.runs[i].LCN+off/cs-m.start[i])*cs + off%cs
}

// RangeError says which bytes of a stream could not be read, and why.
type RangeError struct {
	From, To int64 // bytes of the stream
	Damage   Damage
}

func (e *RangeError) Error() string {
	s := fmt.Sprintf("bytes %#x to %#x of the stream: %s", e.From, e.To, e.Damage.Error())
	if e.Damage.Off >= 0 {
		s += fmt.Sprintf(", at byte %#x of the volume", e.Damage.Off)
	}
	return s
}

// Offset is the place on the volume.
func (e *RangeError) Offset() int64 { return e.Damage.Off }

func (e *RangeError) Unwrap() error { return &e.Damage }

// readClusters fills p from byte off of the clusters in m. It stops at the
// first byte that cannot be read, with a *RangeError that tells how far the
// bad range goes within p.
func (v *Volume) readClusters(m *clusterMap, p []byte, off int64) (int, error) {
	cs := int64(v.geo.ClusterSize)
	done := 0
	i := m.find(off / cs)
	for done < len(p) {
		if i >= len(m.runs) {
			return done, &RangeError{From: off, To: off + int64(len(p)-done),
				Damage: Damage{Kind: MissingPiece, Off: -1, Got: uint64(m.end()), Want: uint64(off / cs)}}
		}
		run := m.runs[i]
		in := off - m.start[i]*cs
		n := int(min(int64(len(p)-done), min(run.Len, math.MaxInt64/cs)*cs-in))
		switch {
		case run.LCN == Hole:
			clear(p[done : done+n])
		case run.LCN < 0:
			return done, &RangeError{From: off, To: off + int64(n),
				Damage: Damage{Kind: MissingPiece, Off: -1, Len: int64(n), Got: uint64(off / cs), Want: uint64(n)}}
		default:
			disk := run.LCN*cs + in
			k, err := readFull(v.r, p[done:done+n], disk, v.size)
			if err != nil {
				k, bad := v.narrow(p[done:done+n], disk, k)
				return done + k, &RangeError{From: off + int64(k), To: off + int64(k+bad),
					Damage: Damage{Kind: Unreadable, Off: disk + int64(k), Len: int64(bad), Want: uint64(bad), Err: err}}
			}
		}
		done += n
		off += int64(n)
		i++
	}
	return done, nil
}

// narrow finds which part of p, from byte k, cannot be read: a reader may
// refuse a large read for one bad sector in it.
func (v *Volume) narrow(p []byte, disk int64, k int) (good, bad int) {
	k -= k % stride
	for k < len(p) {
		n := min(stride, len(p)-k)
		if _, err := readFull(v.r, p[k:k+n], disk+int64(k), v.size); err != nil {
			break
		}
		k += n
	}
	end := k
	var b [stride]byte
	for end < len(p) {
		n := min(stride, len(p)-end)
		if disk+int64(end) >= v.size {
			return k, len(p) - k
		}
		if end > k {
			if _, err := readFull(v.r, b[:n], disk+int64(end), v.size); err == nil {
				break
			}
		}
		end += n
	}
	return k, end - k
}
