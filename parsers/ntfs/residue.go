package ntfs

// Residue is a part of the clusters of a stream that is not its content: what
// older files left there.
type Residue struct {
	NeverWritten bool  // between the initialised size and the data size: the stream reads as zeros there
	Off, Len     int64 // as a reader with Raw gives them
}

// Residues lists the residue of a stream: what lies behind its initialised
// size, and behind its data size up to the end of its clusters (file slack).
// Resident and compressed streams have none that could be told from content.
func (s Stream) Residues() []Residue {
	if s.Resident() || s.Compressed() || s.first.a.low != 0 {
		return nil
	}
	var out []Residue
	end := s.described()
	init, size := min(s.Initialized(), end), min(s.Size(), end)
	if init < size {
		out = append(out, Residue{NeverWritten: true, Off: init, Len: size - init})
	}
	if size < end {
		out = append(out, Residue{Off: size, Len: end - size})
	}
	return out
}

// FirstCluster is where the content begins on the volume, for an order of
// reading; 0 where it has no cluster.
func (s Stream) FirstCluster() int64 {
	for r := range s.Runs() {
		if r.LCN >= 0 {
			return r.LCN
		}
	}
	return 0
}
