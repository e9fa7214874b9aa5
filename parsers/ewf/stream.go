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
	queue := make(chan chan *Piece, r.workers*2)
	buffers := make(chan []byte, 2*cap(queue))
	free := func(b []byte) {
		select {
		case buffers <- b[:cap(b)]:
		default:
		}
	}
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
				select {
				case b := <-buffers:
					p.Data = b[:p.Len]
				default:
					p.Data = make([]byte, per*cs)[:p.Len]
				}
				r.decode(first, n, p.Data, func(x Range) { p.Bad = append(p.Bad, x) })
				p.Bad = merge(p.Bad)
				out <- p
			})
		}
	})
	for out := range queue {
		p := <-out
		r.remember(p.Bad)
		if err := emit(p); err != nil {
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
