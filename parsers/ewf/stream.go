package ewf

import "sync"

// Piece is a part of the media in a Stream, a few chunks long.
type Piece struct {
	Off  int64
	Len  int64
	Data []byte  // nil where the whole piece is missing
	Bad  []Range // parts of Data that are zero because they cannot be given
	free func([]byte)
}

// Release gives the buffer back; Data must not be used after it.
func (p *Piece) Release() {
	if p.Data != nil {
		p.free(p.Data)
	}
}

const pieceSize = 1 << 20

// Stream decodes the whole media on all workers and hands it to emit in order,
// which must release every piece, in its own time. A gap is one piece, however
// long it is. An error of emit ends it and
// is returned.
func (r *Reader) Stream(emit func(*Piece) error) error {
	cs := r.vol.ChunkSize()
	per := max(pieceSize/cs, 1)
	buffers := sync.Pool{New: func() any { return make([]byte, per*cs) }}
	free := func(b []byte) { buffers.Put(b[:cap(b)]) } //nolint:staticcheck // a slice header a piece is nothing
	queue := make(chan chan *Piece, r.workers*2)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		defer close(queue)
		for first, n := int64(0), int64(0); first < r.chunks; first += n {
			n = min(per, r.chunks-first)
			present := r.groupOf(first) != nil
			if !present {
				n = r.nextGroup(first) - first
			}
			out := make(chan *Piece, 1)
			select {
			case queue <- out: // its room bounds how many are worked on at once
			case <-stop:
				return
			}
			p := &Piece{Off: first * cs, Len: min(n*cs, r.size-first*cs), free: free}
			if !present {
				p.Bad = []Range{r.missing(first, p.Len)}
				out <- p
				continue
			}
			wg.Go(func() {
				p.Data = buffers.Get().([]byte)[:p.Len]
				r.decode(first, n, p.Data, func(x Range) { p.Bad = append(p.Bad, x) })
				p.Bad = merge(p.Bad)
				out <- p
			})
		}
	})
	for out := range queue {
		if err := emit(<-out); err != nil {
			return err
		}
	}
	return nil
}

// nextGroup is the first chunk after first that is placed, or the media's end.
func (r *Reader) nextGroup(first int64) int64 {
	for _, g := range r.groups {
		if g.first > first {
			return min(g.first, r.chunks)
		}
	}
	return r.chunks
}
