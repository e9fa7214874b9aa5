package acquire

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"kanshiki/forensics/evidence"
)

// imageSource gives the medium of an image that is converted. What the image
// does not have stays named, and is zero or, in sectors that were not read when
// it was acquired, what the image holds there: its digests were made of that.
type imageSource struct {
	img    evidence.Image
	hashed evidence.Image // as it was hashed
	padded int64          // size in whole sectors
	now    func() time.Time
}

func (s *imageSource) Stream(ctx context.Context, off int64, buffers int, emit func(*Batch) error) error {
	c := cutter{s: s, at: off, last: s.now(), emit: emit}
	return evidence.Stream(ctx, s.img, func(b *evidence.Block) error {
		if b.Off+b.Len <= off {
			b.Release()
			return ctx.Err()
		}
		return c.add(b)
	})
}

// cutter makes batches of an image's blocks, which may have any length: a part
// of the medium that is not there is one block, however long it is.
type cutter struct {
	s    *imageSource
	at   int64 // where the next batch begins
	buf  []byte
	bad  []Bad
	last time.Time
	emit func(*Batch) error
}

func (c *cutter) add(b *evidence.Block) error {
	bad := b.Bad
	for x := range c.s.img.Ranges(b.Off, b.Len) {
		same := func(y evidence.Range) bool { return y.Kind == x.Kind && y.Off <= x.Off && x.Off < y.Off+y.Len }
		if (x.Kind == evidence.Unreadable || x.Kind == evidence.Unknown) && !slices.ContainsFunc(b.Bad, same) {
			bad = append(bad[:len(bad):len(bad)], x)
		}
	}
	slices.SortFunc(bad, func(a, b evidence.Range) int { return cmp.Compare(a.Off, b.Off) })
	end := b.Off + b.Len
	if b.Data != nil && b.Off == c.at && len(c.buf) == 0 && b.Len == batchSize {
		c.at = end
		return c.emit(&Batch{b.Off, b.Data, c.s.bad(bad, b.Off, b.Len), c.took(), b.Release})
	}
	defer b.Release()
	for off := max(b.Off, c.at+int64(len(c.buf))); off < end; {
		n := min(batchSize-int64(len(c.buf)), end-off)
		if c.buf == nil {
			c.buf = make([]byte, 0, batchSize)
		}
		if b.Data != nil {
			c.buf = append(c.buf, b.Data[off-b.Off:][:n]...)
		} else {
			c.buf = c.buf[:int64(len(c.buf))+n] // fresh, so zero
		}
		c.bad = appendBad(c.bad, c.s.bad(bad, off, n))
		off += n
		if off == c.s.img.Size() {
			c.buf = append(c.buf, make([]byte, c.s.padded-off)...)
		} else if len(c.buf) < batchSize {
			continue
		}
		full := &Batch{c.at, c.buf, c.bad, c.took(), nil}
		c.at, c.buf, c.bad = off, nil, nil
		if err := c.emit(full); err != nil {
			return err
		}
	}
	return nil
}

func (c *cutter) took() time.Duration {
	now := c.s.now()
	d := now.Sub(c.last)
	c.last = now
	return d
}

// bad turns the ranges that lie in [off, off+n) into runs of sectors.
func (s *imageSource) bad(in []evidence.Range, off, n int64) (out []Bad) {
	sector := int64(s.img.SectorSize())
	for _, x := range in {
		lo, hi := max(x.Off, off), min(x.Off+x.Len, off+n)
		if lo >= hi {
			continue
		}
		what := string(x.Kind)
		if x.Kind == evidence.Unreadable {
			what = "unreadable when the image was made"
		}
		first, end := lo/sector, (hi+sector-1)/sector
		out = append(out, Bad{Sector: first, Count: end - first, What: what})
	}
	return out
}

func (s *imageSource) ReadAt(p []byte, off int64) (int, error) {
	want := p
	if over := off + int64(len(p)) - s.img.Size(); over > 0 {
		want = p[:max(int64(len(p))-over, 0)]
		clear(p[len(want):])
	}
	_, err := s.hashed.ReadAt(want, off)
	if _, bad := errors.AsType[*evidence.RangeError](err); bad || errors.Is(err, io.EOF) {
		err = nil // zeros, as they were written
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}
