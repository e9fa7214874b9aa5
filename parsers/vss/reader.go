package vss

import (
	"fmt"
	"io"
	"iter"
	"math/bits"
	"sort"

	"kanshiki/parsers/internal/cursor"
)

// Snapshot is a volume as it was when a store was made. It may be used by
// several goroutines at once.
type Snapshot struct{ s *Store }

// Open reads the lists of this store and of all newer ones. The error says that
// the data of one of them is not at hand.
func (s *Store) Open() (*Snapshot, error) {
	for _, x := range s.v.Stores[s.index:] {
		switch {
		case x.v.storage.R == nil:
			return nil, fmt.Errorf("%w, with the id %s", ErrElsewhere, s.v.StorageID)
		case !x.placed:
			return nil, &Problem{Off: s.v.Catalogue, What: fmt.Sprintf("the catalogue does not say where the data of store %s lie", x.ID)}
		}
		x.once.Do(x.load)
	}
	return &Snapshot{s}, nil
}

// Size is the size of the volume at that time.
func (n *Snapshot) Size() int64 { return n.s.volumeSize() }

// source is where a range of a snapshot comes from.
type source uint8

const (
	fromVolume  source = iota // the volume of today
	fromStorage               // saved in a store
	fromNothing               // not used then
	fromLost                  // saved, and its descriptor makes no sense
)

// piece is a range of a snapshot with one source.
type piece struct {
	from source
	off  int64 // on that volume
	n    int64
}

// resolve tells where n bytes at off, or the first of them, come from. Only the
// store that is asked for counts its overlays.
func (s *Store) resolve(off, n int64, active bool) piece {
	k := s.find(off)
	if k < len(s.blocks) {
		b := &s.blocks[k]
		if b.orig > off {
			n = min(n, b.orig-off)
		} else if p, ok := s.inBlock(b, off, min(n, b.orig+blockSize-off), active); ok {
			return p
		} else {
			n = p.n
		}
	}
	if s.index+1 < len(s.v.Stores) {
		return s.v.Stores[s.index+1].resolve(off, n, false)
	}
	if active {
		z := s.zeros
		i := sort.Search(len(z), func(i int) bool { return z[i].to > off })
		switch {
		case i < len(z) && z[i].from <= off:
			return piece{fromNothing, 0, min(n, z[i].to-off)}
		case i < len(z):
			n = min(n, z[i].from-off)
		}
	}
	return piece{fromVolume, off, n}
}

// inBlock is resolve for what a descriptor of the store says. ok is false where
// it says nothing of these bytes; then the length of the piece counts.
func (s *Store) inBlock(b *block, off, n int64, active bool) (p piece, ok bool) {
	in := off - b.orig
	if active && b.bitmap != 0 {
		rest := b.bitmap >> (in / 512)
		if rest&1 != 0 {
			n = min(n, int64(bits.TrailingZeros32(^rest))*512-in%512)
			return piece{fromStorage, b.over + in, n}, true
		}
		n = min(n, int64(bits.TrailingZeros32(rest))*512-in%512) // 32 where no more bit is set
	}
	switch b.kind {
	case blockData:
		return piece{fromStorage, b.data + in, n}, true
	case blockLost:
		return piece{fromLost, off, n}, true
	case blockForward:
		if s.index+1 < len(s.v.Stores) {
			return s.v.Stores[s.index+1].resolve(b.data+in, n, false), true
		}
		return piece{fromVolume, b.data + in, n}, true
	}
	return piece{n: n}, false
}

// ReadAt reads the volume as it was. It stops at the first byte that cannot be
// read, with a *Problem.
func (n *Snapshot) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, cursor.Errorf(off, "negative offset")
	}
	if off >= n.Size() {
		return 0, io.EOF
	}
	var end error
	if rest := n.Size() - off; int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	done := 0
	for done < len(p) {
		x := n.s.resolve(off+int64(done), int64(len(p)-done), true)
		q := p[done : done+int(x.n)]
		k, err := n.read(q, x)
		done += k
		if err != nil {
			return done, err
		}
	}
	return done, end
}

func (n *Snapshot) read(q []byte, x piece) (int, error) {
	o := n.s.v.own
	switch x.from {
	case fromNothing:
		clear(q)
		return len(q), nil
	case fromLost:
		return 0, &Problem{Off: x.off, What: "the block was saved, and its descriptor makes no sense"}
	case fromStorage:
		o = n.s.v.storage
	}
	if x.off < 0 || x.off >= o.Size {
		return 0, &Problem{Off: x.off, What: "outside the volume", Err: io.ErrUnexpectedEOF}
	}
	k, err := o.R.ReadAt(q[:min(int64(len(q)), o.Size-x.off)], x.off)
	if k == len(q) && (err == nil || err == io.EOF) {
		return k, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return k, &Problem{Off: x.off + int64(k), What: "cannot be read", Err: err}
}

// Range is a part of a volume in bytes.
type Range struct{ Off, Len int64 }

// Changed yields the ranges that are not as on the volume of today, in order
// and joined: what was saved, moved, or not used then. Saved bytes may still be
// equal.
func (n *Snapshot) Changed() iter.Seq[Range] {
	return func(yield func(Range) bool) {
		var r Range
		for off := int64(0); off < n.Size(); {
			x := n.s.resolve(off, n.Size()-off, true)
			if x.from != fromVolume || x.off != off {
				if r.Off+r.Len != off && r.Len > 0 {
					if !yield(r) {
						return
					}
					r.Len = 0
				}
				if r.Len == 0 {
					r.Off = off
				}
				r.Len += x.n
			}
			off += x.n
		}
		if r.Len > 0 {
			yield(r)
		}
	}
}

// DiskOffset is the place of a byte of the snapshot on the volume that holds the
// stores, or on the volume itself; saved tells which. It is -1 for what was not
// used.
func (n *Snapshot) DiskOffset(off int64) (at int64, saved bool) {
	x := n.s.resolve(off, 1, true)
	if x.from == fromNothing || x.from == fromLost {
		return -1, false
	}
	return x.off, x.from == fromStorage
}
