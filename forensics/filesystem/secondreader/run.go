package secondreader

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/internal/guard"
)

// Options bound the second reader and the report. The zero value takes the
// defaults.
type Options struct {
	Memory int64         // heap of the child; 256 MiB
	CPU    time.Duration // processor time between two answers of the child; 60 s
	Time   time.Duration // of the whole run, by the clock; 1 h
	Bytes  int64         // that the child may read; 64 MiB and 32 times the $MFT
	Rows   int           // differences listed, and as many unexplained ones; 100,000
}

const name = "go-ntfs v0.2.1"

var errTime = errors.New("over the limit of time")

// Run compares n with what the second reader finds on the same volume, of size
// bytes in r. The error is of ctx, or says that the child could not be started;
// whatever the second reader does is told in Summary.End.
func Run(ctx context.Context, n *filesystem.NTFS, r io.ReaderAt, size int64, o Options) (*Report, error) {
	if o.Memory == 0 {
		o.Memory = 256 << 20
	}
	if o.CPU == 0 {
		o.CPU = time.Minute
	}
	if o.Time == 0 {
		o.Time = time.Hour
	}
	if o.Bytes == 0 {
		o.Bytes = 64<<20 + 32*int64(n.Slots())*int64(n.Info().RecordSize)
	}
	if o.Rows == 0 {
		o.Rows = 100_000
	}
	next, stop := iter.Pull2(n.Walk(ctx))
	defer stop()
	p := parent{c: comparer{n: n, next: next, model: newModel(n), out: collector{limit: o.Rows, counts: map[Cause]int{}}},
		r: r, size: size, left: o.Bytes}
	p.c.sum.SecondReader = name
	p.pool = guard.NewPool(kind, 1, guard.Limits{Memory: o.Memory, CPU: o.CPU, Output: 2 * (batchBytes + 6*pathBytes)})
	defer p.pool.Close()
	limited, cancel := context.WithTimeoutCause(ctx, o.Time, errTime)
	defer cancel()
	end, err := p.run(limited)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		end, err = End{Stopped, errTime.Error(), false}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := p.c.rest(); err != nil {
		return nil, err
	}
	p.c.sum.End = end
	return p.c.out.report(p.c.sum), nil
}

// parent feeds the child and takes what it gives.
type parent struct {
	pool *guard.Pool
	c    comparer
	r    io.ReaderAt
	size int64
	left int64 // bytes that may still be read
	to   uint64
}

func (p *parent) run(ctx context.Context) (End, error) {
	req := binary.LittleEndian.AppendUint64([]byte{opOpen}, uint64(p.size))
	for {
		ans, err := p.pool.Call(ctx, req)
		var death *guard.Death
		var fault *guard.Fault
		switch {
		case err == nil:
		case errors.As(err, &death):
			return End{Died, death.Reason, death.Repeatable}, nil
		case errors.As(err, &fault):
			return End{Died, "panic: " + fault.Panic, true}, nil
		case ctx.Err() != nil || !p.started(req):
			return End{}, err
		default:
			return End{Refused, err.Error(), true}, nil
		}
		if len(ans) == 0 {
			return broken("nothing")
		}
		switch ans[0] {
		case ansPage:
			var end End
			if req, end = p.page(ans[1:]); req == nil {
				return end, nil
			}
		case ansRows:
			if end, err := p.rows(ans[1:]); err != nil || end.Kind != "" {
				return end, err
			}
			req = []byte{opNext}
		case ansEnd:
			return p.ending(ans[1:])
		default:
			return broken("an unknown kind")
		}
	}
}
