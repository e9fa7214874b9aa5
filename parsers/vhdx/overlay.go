package vhdx

import (
	"io"
	"slices"
	"sort"
)

// overlay is a file with its log replayed: sectors of 4 KiB and runs of zeros
// take the place of what lies there.
type overlay struct {
	r      io.ReaderAt
	file   int64   // bytes of the file
	size   int64   // bytes that it has when the log is replayed: zeros behind its end
	pieces []piece // in order, none over another
}

// op is one descriptor of the log.
type op struct {
	at, size int64
	b        []byte // nil for zeros
}

// piece is a part of the file and what the log makes of it.
type piece struct {
	at, end int64
	op      *op
}

// newOverlay lays operations over a file, each over those before it.
func newOverlay(r io.ReaderAt, file, size int64, ops []op) *overlay {
	o := &overlay{r: r, file: file, size: size}
	cuts := make([]int64, 0, 2*len(ops))
	for _, x := range ops {
		cuts = append(cuts, x.at, x.at+x.size)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	// The last operation is painted first; what is painted is passed over.
	owner := make([]*op, len(cuts))
	free := make([]int, len(cuts)+1) // the first that is not painted, from each on
	for i := range free {
		free[i] = i
	}
	find := func(i int) int {
		for free[i] != i {
			free[i] = free[free[i]]
			i = free[i]
		}
		return i
	}
	for k := len(ops) - 1; k >= 0; k-- {
		x := &ops[k]
		from, _ := slices.BinarySearch(cuts, x.at)
		for i := find(from); i < len(cuts) && cuts[i] < x.at+x.size; i = find(i) {
			owner[i], free[i] = x, i+1
		}
	}
	for i, x := range owner {
		if x != nil {
			o.pieces = append(o.pieces, piece{cuts[i], cuts[i+1], x})
		}
	}
	return o
}

// ReadAt reads the file as the log leaves it.
func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	if off >= o.size {
		return 0, io.EOF
	}
	var short error
	if int64(len(p)) > o.size-off {
		p, short = p[:o.size-off], io.EOF
	}
	end := off + int64(len(p))
	first := sort.Search(len(o.pieces), func(i int) bool { return o.pieces[i].end > off })
	for at := off; at < end; first++ {
		stop := end // of what is the file's own
		if first < len(o.pieces) {
			stop = min(stop, max(o.pieces[first].at, at))
		}
		if n, err := o.own(p[at-off:stop-off], at); n < int(stop-at) {
			return int(at-off) + n, err
		}
		if at = stop; at == end {
			break
		}
		x := o.pieces[first]
		stop = min(end, x.end)
		if x.op.b == nil {
			clear(p[at-off : stop-off])
		} else {
			copy(p[at-off:stop-off], x.op.b[at-x.op.at:])
		}
		at = stop
	}
	return len(p), short
}

// own reads what the log leaves as it was.
func (o *overlay) own(p []byte, off int64) (int, error) {
	have := min(int64(len(p)), max(o.file-off, 0))
	if n, err := o.r.ReadAt(p[:have], off); int64(n) < have {
		return n, err
	}
	clear(p[have:])
	return len(p), nil
}
