package ntfs

// Run is a piece of a stream in whole clusters.
type Run struct {
	LCN int64 // first cluster; Hole or Lost for none
	Len int64 // clusters
}

// Values of Run.LCN that are no cluster.
const (
	Hole int64 = -1 // reads as zeros
	Lost int64 = -2 // described nowhere, or outside the volume
)

// decodeRuns appends the runs of one mapping pairs array that describes VCN
// low to high. What lies outside clusters, the size of the volume, becomes
// Lost, and so does what the array should describe and does not: the sum of
// lengths is never less than high-low+1. It may be more, up to most clusters:
// the highest VCN is outdated in some entries (seen in the $MFT's own, where
// the allocated size agreed with the runs). The damage, if any, is returned
// without place.
func decodeRuns(dst []Run, b []byte, low, high, most uint64, clusters int64) ([]Run, *Damage) {
	want := high - low + 1 // 0 for high = low-1: nothing allocated
	if want > 1<<62 || low > 1<<62 {
		return dst, &Damage{Kind: BadRuns, Want: want}
	}
	if most < want || most > uint64(clusters) {
		most = want
	}
	var dmg *Damage
	bad := func(k Kind, got, want uint64) {
		if dmg == nil {
			dmg = &Damage{Kind: k, Got: got, Want: want}
		}
	}
	var have uint64
	var lcn int64
	for len(b) > 0 && b[0] != 0 {
		nl, no := int(b[0]&15), int(b[0]>>4)
		if nl < 1 || nl > 8 || no > 8 || 1+nl+no > len(b) {
			bad(BadRuns, have, want)
			break
		}
		n := leUint(b[1 : 1+nl])
		if n == 0 || n > 1<<62 {
			bad(BadRuns, have, want)
			break
		}
		run := Run{LCN: Hole, Len: int64(n)}
		if no > 0 {
			// Offsets chain from run to run; an explicit offset of 0 is a
			// run at the same place, not a hole.
			lcn += leInt(b[1+nl : 1+nl+no])
			run.LCN = lcn
			if lcn == -1 {
				run.LCN = Hole // written by NT 4
			}
		}
		b = b[1+nl+no:]
		if n > most-have {
			bad(BadRuns, have+n, want)
			n = most - have
			run.Len = int64(n)
		}
		have += n
		dst = appendRun(dst, run, clusters, bad)
		if have == most {
			break
		}
	}
	if have > want {
		bad(RunsBeyond, have, want)
	}
	if have < want {
		bad(BadRuns, have, want)
		dst = append(dst, Run{LCN: Lost, Len: int64(want - have)})
	}
	return dst, dmg
}

// appendRun cuts a run at the end of the volume.
func appendRun(dst []Run, run Run, clusters int64, bad func(Kind, uint64, uint64)) []Run {
	if run.Len == 0 {
		return dst
	}
	if run.LCN == Hole || run.LCN >= 0 && run.LCN <= clusters-run.Len {
		return append(dst, run)
	}
	bad(RunOutside, uint64(run.LCN), uint64(clusters))
	if run.LCN >= 0 && run.LCN < clusters {
		dst = append(dst, Run{LCN: run.LCN, Len: clusters - run.LCN})
		run.Len -= clusters - run.LCN
	}
	return append(dst, Run{LCN: Lost, Len: run.Len})
}

func leUint(b []byte) uint64 {
	var v uint64
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

func leInt(b []byte) int64 {
	v := leUint(b)
	if n := uint(len(b)) * 8; n < 64 && v&(1<<(n-1)) != 0 {
		v |= ^uint64(0) << n
	}
	return int64(v)
}
