package qcow2

import (
	"errors"
	"fmt"
	"math/bits"

	"kanshiki/parsers/container"
)

// span tells where the run of the medium that begins at off lies.
func (r *Reader) span(off, limit int64) container.Span {
	cluster := r.h.cluster()
	covers := r.h.perTable() * cluster
	i := off / covers
	limit = min(limit, covers-off%covers)
	if i >= int64(len(r.l1)) {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: errors.New("behind the end of the L1 table")}
	}
	at := int64(r.l1[i] & maskOffset)
	if at == 0 {
		return r.hole(off, limit)
	}
	if at%cluster != 0 || at+cluster > r.f.Size {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("L2 table at %#x, in a file of %d bytes", at, r.f.Size)}
	}
	l2, err := r.l2.Get(at)
	if err != nil {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: err}
	}
	first := r.run(l2, off, min(limit, cluster-off%cluster))
	return r.extend(l2, first, off, limit)
}

// extend makes a run longer as long as the next clusters of the table go on in
// the same way.
func (r *Reader) extend(l2 []byte, s container.Span, off, limit int64) container.Span {
	cluster := r.h.cluster()
	for s.Len < limit && (off+s.Len)%cluster == 0 {
		n := r.run(l2, off+s.Len, min(limit-s.Len, cluster))
		same := s.Kind == n.Kind && s.From == n.From && s.Err == nil && n.Err == nil
		if !same || s.From == nil && s.Kind == container.Data || s.From != nil && n.At != s.At+s.Len {
			break
		}
		s.Len += n.Len
		if n.Len < min(limit-s.Len+n.Len, cluster) {
			break // a part of a cluster
		}
	}
	return s
}

// run is a run inside one cluster.
func (r *Reader) run(l2 []byte, off, limit int64) container.Span {
	cluster := r.h.cluster()
	i := off / cluster % r.h.perTable()
	in := off % cluster
	e := r.entry(l2, i)
	if e.compressed() {
		if r.h.external() {
			return container.Span{Len: limit, Kind: container.Corrupt, Err: errors.New("a compressed cluster in an external data file")}
		}
		return container.Span{Len: limit, Unit: off / cluster, Skip: in}
	}
	if r.h.extended() {
		return r.sub(e, off, limit)
	}
	switch {
	case e.v&bitZero != 0 && r.h.Version >= 3:
		return container.Span{Len: limit, Kind: container.Zero}
	case e.offset() == 0 && !(r.h.external() && e.v>>63 != 0):
		return r.hole(off, limit)
	}
	return r.stored(e.offset()+in, limit)
}

// sub is a run of subclusters of one kind: 32 to a cluster.
func (r *Reader) sub(e entry, off, limit int64) container.Span {
	size := r.h.cluster() / 32
	in := off % r.h.cluster()
	k := int(in / size)
	kind := func(k int) int { return int(e.sub>>k&1) | int(e.sub>>(32+k)&1)<<1 }
	n := 1
	for k+n < 32 && kind(k+n) == kind(k) {
		n++
	}
	limit = min(limit, size*int64(k+n)-in)
	switch kind(k) {
	case 0:
		return r.hole(off, limit)
	case 1:
		return r.stored(e.offset()+in, limit)
	case 2:
		return container.Span{Len: limit, Kind: container.Zero}
	}
	return container.Span{Len: limit, Kind: container.Corrupt,
		Err: fmt.Errorf("subclusters that are stored and zero at once (%d of them)", bits.OnesCount32(uint32(e.sub)&uint32(e.sub>>32)))}
}

// stored is a run that lies in the file as it is.
func (r *Reader) stored(at, limit int64) container.Span {
	if r.data.Size == 0 && r.data.R != nil { // an external data file that is missing
		return container.Span{Len: limit, Kind: container.Unknown, Err: errors.New("in an external data file that is missing")}
	}
	if at >= r.data.Size {
		return container.Span{Len: limit, Kind: container.Corrupt, Err: fmt.Errorf("at %#x, behind the file's end at %#x", at, r.data.Size)}
	}
	return container.Span{Len: min(limit, r.data.Size-at), From: r.data.R, At: at}
}

// hole is a run that the disk does not store: the backing file's, or zeros.
func (r *Reader) hole(off, limit int64) container.Span {
	switch {
	case r.lost != nil:
		return container.Span{Len: limit, Kind: container.Unknown, Err: r.lost}
	case r.backing == nil || off >= r.backing.Size:
		return container.Span{Len: limit, Kind: container.Zero}
	}
	return container.Span{Len: min(limit, r.backing.Size-off), From: r.backing.R, At: off}
}
