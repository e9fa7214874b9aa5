package filesystem

import (
	"io"

	"kanshiki/parsers/ntfs"
)

// Slack is a part of the clusters of a stream that is not its content: bytes of
// older files, which nothing ties to this one but its clusters.
type Slack struct {
	What     string // "file slack", "never written"
	Off, Len int64  // in the clusters of the stream
	R        io.ReaderAt
}

// Slack lists what lies in the clusters of a stream and is not its content.
// Holes are left out.
func (n *NTFS) Slack(ref Ref, stream string) ([]Slack, error) {
	s, err := n.Stream(ref, stream)
	if err != nil || s.Elsewhere() != "" {
		return nil, err
	}
	residues := s.Residues()
	if len(residues) == 0 {
		return nil, nil
	}
	rd, err := s.Open(ntfs.Raw)
	if err != nil {
		return nil, err
	}
	var out []Slack
	for _, r := range residues {
		if !stored(s, r) {
			continue
		}
		what := "file slack"
		if r.NeverWritten {
			what = "never written"
		}
		out = append(out, Slack{what, r.Off, r.Len, io.NewSectionReader(rd, r.Off, r.Len)})
	}
	return out, nil
}

// stored tells whether any of it lies in a cluster.
func stored(s ntfs.Stream, r ntfs.Residue) bool {
	for x := range s.Extents() {
		if x.Disk >= 0 && x.Off < r.Off+r.Len && x.Off+x.Len > r.Off {
			return true
		}
	}
	return false
}

// FirstCluster is where a stream begins on the volume, so that contents can be
// read in the order of the disk; 0 for what has no cluster.
func (n *NTFS) FirstCluster(ref Ref, stream string) int64 {
	s, err := n.Stream(ref, stream)
	if err != nil {
		return 0
	}
	return s.FirstCluster()
}
