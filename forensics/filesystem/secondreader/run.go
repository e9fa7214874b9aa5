package secondreader

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/internal/guard"
	"kanshiki/parsers/ntfs"
)

// Options bound the second reader. The zero value takes the defaults.
type Options struct {
	Hash   bool          // compare the content of the streams of entries in use
	Memory int64         // heap of the child, in bytes; 1 GiB
	CPU    time.Duration // processor time between two answers of the child; 60 s
	Time   time.Duration // of the whole run by the clock; see runTime
	Bytes  int64         // that the child may read; see readBytes
	// Progress is told of entries that were compared; it may be nil.
	Progress func(entries int)
}

const name = "go-ntfs v0.2.1"

var errTime = errors.New("the time limit")

// runTime is ten minutes and 2 ms for each place in the $MFT, fifty times what
// an entry took when it was measured; with contents a second more for each
// 4 MiB of the volume.
func runTime(places uint64, size int64, hash bool) time.Duration {
	const longest = 1 << 62 / int64(time.Second)
	seconds := 600 + int64(min(places, 1<<40))/500
	if hash {
		seconds += size >> 22
	}
	return time.Duration(min(seconds, longest)) * time.Second
}

// readBytes is what the child may read: pages are asked for again when they
// fell out of its cache.
func readBytes(n *filesystem.NTFS, size int64, hash bool) int64 {
	g := n.Catalog().Volume().Geometry()
	bytes := 64<<20 + 32*min(int64(n.Slots()), 1<<40)*int64(g.RecordSize)
	if hash {
		bytes += 4 * min(size, 1<<58)
	}
	return bytes
}

func (o Options) withDefaults(n *filesystem.NTFS, size int64) Options {
	if o.Memory == 0 {
		o.Memory = 1 << 30
	}
	if o.CPU == 0 {
		o.CPU = time.Minute
	}
	if o.Time == 0 {
		o.Time = runTime(n.Slots(), size, o.Hash)
	}
	if o.Bytes == 0 {
		o.Bytes = readBytes(n, size, o.Hash)
	}
	if o.Progress == nil {
		o.Progress = func(int) {}
	}
	return o
}

// Run compares n with what the second reader finds on the same volume, and calls
// emit for each difference, in MFT order. The error is that of ctx or of emit,
// or says that the child could not be started; whatever the second reader does
// is told in Summary.End.
func Run(ctx context.Context, n *filesystem.NTFS, o Options, emit func(Difference) error) (*Summary, error) {
	r, size := n.Catalog().Volume().Medium()
	o = o.withDefaults(n, size)
	c := newComparer(ctx, n, o, size, emit)
	defer c.stop()
	p := parent{c: c, r: r, size: size, left: o.Bytes}
	// A row holds its paths and names; the text of JSON may take six bytes for one.
	p.pool = guard.NewPool(kind, 1, guard.Limits{Memory: o.Memory, CPU: o.CPU, Output: 2 * (batchBytes + 6*pathBytes)})
	defer p.pool.Close()
	limited, cancel := context.WithTimeoutCause(ctx, o.Time, errTime)
	defer cancel()
	end, err := p.run(limited, o)
	if errors.Is(err, errTime) && ctx.Err() == nil {
		end, err = End{Stopped, errTime.Error(), false}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := c.rest(); err != nil {
		return nil, err
	}
	s := c.summary()
	s.SecondReader, s.End = name, end
	s.BytesRead, s.BadBytes = o.Bytes-p.left, p.bad
	return s, nil
}

// parent feeds the child and takes what it gives.
type parent struct {
	pool *guard.Pool
	c    *comparer
	r    io.ReaderAt
	size int64
	left int64 // bytes that may still be read
	bad  int64 // bytes that could not be read
}

func (p *parent) run(ctx context.Context, o Options) (End, error) {
	first := opening{Size: p.size, Hash: o.Hash, Longest: longestStream(p.size)}
	vol := p.c.n.Catalog().Volume()
	if vol.Source() == ntfs.FromCaller {
		first.RecordSize = int64(vol.Geometry().RecordSize)
	}
	open := encode(opOpen, first)
	if open.err != nil {
		return End{}, open.err
	}
	for req := open.b; ; {
		ans, err := p.pool.Call(ctx, req)
		if err != nil {
			return p.failed(ctx, err)
		}
		if len(ans) == 0 {
			return broken("nothing"), nil
		}
		switch ans[0] {
		case ansPage:
			var end End
			if req, end = p.page(ans[1:]); req == nil {
				return end, nil
			}
		case ansRows:
			var b batch
			if err := json.Unmarshal(ans[1:], &b); err != nil {
				return broken(err.Error()), nil
			}
			if b.To < b.From || b.To-b.From > window {
				return broken("rows of too many entries"), nil
			}
			if err := p.c.take(b); err != nil {
				return End{}, err
			}
			req = []byte{opNext}
		case ansEnd:
			var e ending
			if err := json.Unmarshal(ans[1:], &e); err != nil {
				return broken(err.Error()), nil
			}
			if e.Cut {
				return End{Endless, fmt.Sprintf("it takes the $MFT for %d bytes, more than the volume has, and by itself would go through all of them", e.MFT), true}, nil
			}
			return End{Kind: Complete, Repeatable: true}, nil
		default:
			return broken("an unknown kind"), nil
		}
	}
}

// page makes the request that brings the page which an answer asks for, or says
// why that is the end.
func (p *parent) page(b []byte) (req []byte, end End) {
	if len(b) != 8 {
		return nil, broken("a page without a place")
	}
	off := int64(binary.LittleEndian.Uint64(b))
	if off < 0 || off >= p.size || off%pageSize != 0 {
		return nil, broken("a page that is not on the volume")
	}
	if p.left < min(pageSize, p.size-off) {
		return nil, End{Stopped, "the limit of bytes read", true}
	}
	p.left -= min(pageSize, p.size-off)
	req, bad := readPage(p.r, off, p.size)
	p.bad += bad
	return req, End{}
}

// failed tells the end of the child from one of our own.
func (p *parent) failed(ctx context.Context, err error) (End, error) {
	var death *guard.Death
	var fault *guard.Fault
	var told *guard.AnswerError
	switch {
	case ctx.Err() != nil:
		return End{}, context.Cause(ctx)
	case errors.As(err, &death):
		return End{Died, death.Reason, death.Repeatable}, nil
	case errors.As(err, &fault):
		return End{Died, "panic: " + fault.Panic, true}, nil
	case errors.As(err, &told) && p.c.sum.Reached == 0:
		return End{Refused, err.Error(), true}, nil
	case errors.As(err, &told):
		return End{Died, err.Error(), true}, nil
	}
	return End{}, err
}

func broken(what string) End {
	return End{Died, "an answer that makes no sense: " + what, true}
}

// longestStream is as much as our reader hashes: the holes of a sparse stream
// cost time and no disk.
func longestStream(size int64) int64 { return max(size, 1<<30) }
