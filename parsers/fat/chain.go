package fat

import (
	"fmt"

	"kanshiki/parsers/internal/cursor"
)

// Extent is a part of a stream that lies in one piece on the volume. Off is in
// the stream, Disk on the volume.
type Extent struct{ Off, Len, Disk int64 }

// chain follows the table from the first cluster for so many clusters as size
// needs, or to its end where size is negative. The error says where it goes wrong;
// the extents before that are good.
func (v *Volume) chain(first uint32, size int64) ([]Extent, error) {
	return v.chainUntil(first, size, nil)
}

// chainUntil stops at a cluster that is known already: directories that lead into
// each other are followed once.
func (v *Volume) chainUntil(first uint32, size int64, known map[uint32]struct{}) ([]Extent, error) {
	cs := v.geo.ClusterSize
	need := int64(v.geo.Clusters)
	if size >= 0 {
		need = size/cs + min(size%cs, 1)
	}
	var out []Extent
	// Brent's algorithm: a chain that comes back to itself is found without a
	// set of all clusters.
	mark, power := uint32(0), int64(1)
	c := first
	for n := int64(0); n < need; n++ {
		if !v.valid(c) {
			return out, cursor.Errorf(v.geo.FATOff, "%s after %d of its clusters", what(c), n)
		}
		if _, again := known[c]; again {
			return out, cursor.Errorf(v.offset(c), "chain leads into another directory at cluster %d", c)
		}
		if c == mark {
			return out, cursor.Errorf(v.offset(c), "chain comes back to cluster %d", c)
		}
		if n == power {
			mark, power = c, power*2
		}
		out = add(out, n*cs, cs, v.offset(c))
		next, err := v.tab.next(c)
		if err != nil {
			return out, err
		}
		if next == ending && (size < 0 || n+1 == need) {
			return out, nil
		}
		if size >= 0 && n+1 == need {
			return out, nil // what follows is allocated and not used
		}
		c = next
	}
	if size < 0 && need > 0 {
		return out, cursor.Errorf(v.offset(first), "chain of more clusters than there are")
	}
	return out, nil
}

func what(c uint32) string {
	switch c {
	case free:
		return "free cluster"
	case bad:
		return "bad cluster"
	case ending:
		return "end of the chain"
	}
	return fmt.Sprintf("no cluster %d,", c)
}

func add(out []Extent, off, n, disk int64) []Extent {
	if k := len(out) - 1; k >= 0 && out[k].Disk+out[k].Len == disk && out[k].Off+out[k].Len == off {
		out[k].Len += n
		return out
	}
	return append(out, Extent{off, n, disk})
}

// straight are the clusters that follow the first one.
func (v *Volume) straight(first uint32, size int64) ([]Extent, error) {
	if size == 0 {
		return nil, nil
	}
	cs := v.geo.ClusterSize
	need := size/cs + min(size%cs, 1)
	if !v.valid(first) {
		return nil, cursor.Errorf(v.geo.DataOff, "no cluster %d", first)
	}
	room := int64(v.geo.Clusters) + 2 - int64(first)
	n := min(need, room)
	out := []Extent{{0, n * cs, v.offset(first)}}
	if n < need {
		return out, cursor.Errorf(v.offset(first)+n*cs, "%d clusters from cluster %d on, there are %d", need, first, room)
	}
	return out, nil
}
