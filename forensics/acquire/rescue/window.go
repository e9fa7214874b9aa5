package rescue

import (
	"context"
	"slices"
	"time"
)

// state is how far a sector is.
type state uint8

const (
	nonTried   state = iota // left out
	nonTrimmed              // in a larger read that failed
	bad                     // failed alone
	good
)

// sector is one of a window that could not be read at once.
type sector struct {
	state state
	tries int
	what  string
	took  time.Duration
}

// window is a part of the medium that is read around its bad places.
type window struct {
	r   *Reader
	p   []byte
	off int64
	s   []sector
}

func (w *window) begin() {
	w.s = make([]sector, (int64(len(w.p))+w.r.sector-1)/w.r.sector)
	for i := range w.s {
		w.s[i].what = outOfBudget
	}
}

// had notes the first n bytes of a read from sector i on as good.
func (w *window) had(i, n int) {
	size := int(w.r.sector)
	if i*size+n == len(w.p) {
		n = (n + size - 1) / size * size
	}
	for range n / size {
		w.s[i].state = good
		i++
	}
}

// read reads the sectors from i to before j and notes what was had. failed is
// the first that was not.
func (w *window) read(ctx context.Context, i, j int) (failed int, err error) {
	from, to := int64(i)*w.r.sector, min(int64(j)*w.r.sector, int64(len(w.p)))
	n, rerr := w.r.read(ctx, w.p[from:to], w.off+from)
	w.had(i, n)
	if n == int(to-from) {
		return j, nil
	}
	if err := w.r.fatal(ctx, rerr); err != nil {
		return i, err
	}
	failed = i + n/int(w.r.sector)
	for k := failed; k < j; k++ {
		w.s[k].what = outOfBudget + " (a read of more than it: " + words(rerr) + ")"
	}
	return failed, nil
}

// alone reads one sector by itself.
func (w *window) alone(ctx context.Context, i int) (ok bool, err error) {
	s := &w.s[i]
	from, to := int64(i)*w.r.sector, min(int64(i+1)*w.r.sector, int64(len(w.p)))
	before := w.r.spent
	n, rerr := w.r.read(ctx, w.p[from:to], w.off+from)
	if n == int(to-from) {
		s.state = good
		return true, nil
	}
	if err := w.r.fatal(ctx, rerr); err != nil {
		return false, err
	}
	s.state, s.what = bad, words(rerr)
	s.tries++
	s.took += w.r.spent - before
	return false, nil
}

// giveUp is after how many pieces in a row that failed the rest of a window is
// left, where the time is used up.
const giveUp = 4

// sweep reads in pieces. Where it gives up it goes back from the window's end,
// to where that fails too.
func (w *window) sweep(ctx context.Context) error {
	per := w.perPiece()
	row := 0
	for i := 0; i < len(w.s); {
		if w.s[i].state == good {
			i++
			continue
		}
		j := min((i/per+1)*per, len(w.s))
		ok, err := w.piece(ctx, i, j)
		if err != nil {
			return err
		}
		if row++; ok {
			row = 0
		}
		if row >= giveUp && w.r.over() {
			return w.back(ctx, len(w.s))
		}
		i = j
	}
	return nil
}

// perPiece is how many sectors a piece has.
func (w *window) perPiece() int { return max(piece/int(w.r.sector), 1) }

// piece reads the sectors from i to before j at once.
func (w *window) piece(ctx context.Context, i, j int) (ok bool, err error) {
	failed, err := w.read(ctx, i, j)
	if err != nil {
		return false, err
	}
	for k := failed; k < j; k++ {
		w.s[k].state = nonTrimmed
	}
	return failed == j, nil
}

// back reads the pieces before sector i that were left out, backwards, up to
// one that fails.
func (w *window) back(ctx context.Context, i int) error {
	per := w.perPiece()
	for i > 0 && w.s[i-1].state == nonTried {
		j := i
		for i = (j - 1) / per * per; w.s[i].state != nonTried; i++ { // the window's first read may have ended in it
		}
		if ok, err := w.piece(ctx, i, j); err != nil || !ok {
			return err
		}
	}
	return nil
}

// trim reads the sectors at both ends of each failed piece, up to a bad one:
// where a piece has one bad sector, that is all. Over the budget it is worth its
// time in a window that has something good.
func (w *window) trim(ctx context.Context) error {
	if w.r.over() && w.empty() {
		return nil
	}
	per := w.perPiece()
	for i := 0; i < len(w.s); {
		if w.s[i].state != nonTrimmed {
			i++
			continue
		}
		end := min((i/per+1)*per, len(w.s))
		if err := w.edge(ctx, i, end, 1); err != nil {
			return err
		}
		if err := w.edge(ctx, end-1, i, -1); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// edge reads sectors from i on towards end, up to a bad one.
func (w *window) edge(ctx context.Context, i, end, step int) error {
	for ; i != end && w.s[i].state == nonTrimmed; i += step {
		if ok, err := w.alone(ctx, i); err != nil || !ok {
			return err
		}
	}
	return nil
}

// scrape reads all that is left, sector by sector.
func (w *window) scrape(ctx context.Context) error {
	for i := range w.s {
		if w.s[i].state != nonTrimmed {
			continue
		}
		if w.r.over() {
			return nil
		}
		if _, err := w.alone(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// retry reads the bad sectors again, backwards: some answer when the head comes
// from the other side.
func (w *window) retry(ctx context.Context) error {
	for range w.r.o.Retries {
		for i := range slices.Backward(w.s) {
			if w.s[i].state != bad {
				continue
			}
			if w.r.over() {
				return nil
			}
			if _, err := w.alone(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// empty tells whether not one sector was read.
func (w *window) empty() bool {
	return !slices.ContainsFunc(w.s, func(s sector) bool { return s.state == good })
}

// end makes zeros of what was not read, and lists it.
func (w *window) end() []Bad {
	var out []Bad
	first := w.off / w.r.sector
	for i, s := range w.s {
		if s.state == good {
			continue
		}
		from := int64(i) * w.r.sector
		clear(w.p[from:min(from+w.r.sector, int64(len(w.p)))])
		at := first + int64(i)
		if k := len(out) - 1; k >= 0 && out[k].Sector+out[k].Count == at && out[k].What == s.what && out[k].Tries == s.tries {
			out[k].Count++
			out[k].Took += s.took
			continue
		}
		out = append(out, Bad{at, 1, s.what, s.tries, s.took})
	}
	return out
}
