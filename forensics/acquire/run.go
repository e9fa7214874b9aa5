package acquire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

// Source gives the medium.
type Source interface {
	// Stream reads the medium from off to its end in order, in batches of
	// batchSize, and hands each to emit; as many buffers as said may be on
	// their way, they come back through Free. An error ends it: a medium that
	// is gone is an error, a sector that cannot be read is not.
	Stream(ctx context.Context, off int64, buffers int, emit func(*Batch) error) error
	// ReadAt reads again what a checkpoint speaks of; zeros fill the last sector.
	ReadAt(p []byte, off int64) (int, error)
}

// Progress is told how far the work is.
type Progress interface {
	Start(what string, total int64)
	Add(n int64)
	Note(s string) // what could not be read so far
}

// run is one acquisition, from its beginning or a checkpoint on.
type run struct {
	image  string // the first segment's path in the folder that is written now
	src    Source
	plan   *Plan
	check  Checkpoint // the last one
	files  *files
	out    output
	hashes *digester
	blocks *blockList
	every  int64 // bytes between checkpoints
	now    func() time.Time
	add    func(int64)
	note   func(string)

	bad    []Bad
	speed  Speed
	errOut error // of writing
	saver  saver
}

// The pipeline's sizes: whatever the number of cores, at most maxEncoders +
// spare batches are about, each with its stored form.
const (
	maxEncoders = 8
	spare       = 8

	checkpointTime = 10 * time.Second // so that a slow medium has checkpoints too
)

// job is a batch and, when it is encoded, its units.
type job struct {
	b     *batch
	units chan *encoded
}

// encoded is the stored form of a batch. Its buffers are used again.
type encoded struct {
	buf   []byte
	units []stored
	sum   [sha256.Size]byte // of the batch: one of the per-MiB digests
}

// stream reads, hashes, encodes and writes all that is left of the medium, and
// leaves a checkpoint where it ends too early.
func (r *run) stream(ctx context.Context) error {
	encoders := min(runtime.GOMAXPROCS(0), maxEncoders)
	pool := encoders + spare
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs, order := make(chan *job, pool), make(chan *job, pool)
	free := make(chan *encoded, pool)
	r.hashes.start()
	r.saver.start(r)
	var workers, writer sync.WaitGroup
	for range encoders {
		workers.Go(func() { r.encode(jobs, free) })
	}
	var end *batch // the last one written
	writer.Go(func() {
		end, r.errOut = r.write(order, free)
		if r.errOut != nil {
			cancel(r.errOut)
		}
		for j := range order { // after an error: let the others end
			<-j.units
			j.b.done()
		}
	})
	m := marker{every: r.every, last: r.check.Next, now: r.now, from: r.now()}
	err := r.src.Stream(ctx, r.check.Next, pool, func(x *Batch) error {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		j := &job{&batch{Batch: x}, make(chan *encoded, 1)}
		j.b.refs.Store(int32(len(r.hashes.in)) + 1)
		if len(x.Bad) > 0 {
			r.bad = appendBad(r.bad, x.Bad)
			r.note(unread(r.bad))
		}
		r.speed.add(x.Off, x.Took)
		if next := x.Off + int64(len(x.Data)); m.due(next) {
			j.b.mark = newMark(next, len(r.hashes.in))
			j.b.mark.bad, j.b.mark.speed = r.bad[:len(r.bad):len(r.bad)], r.speed.clone()
		}
		jobs <- j
		order <- j
		r.hashes.write(j.b)
		return nil
	})
	close(jobs)
	close(order)
	r.hashes.end()
	workers.Wait()
	writer.Wait()
	r.saver.end()
	switch {
	case r.errOut != nil:
		return r.errOut
	case err != nil && end != nil:
		return errors.Join(err, r.saveLast(end))
	}
	return err // where all is written, no checkpoint matters any more
}

// unread counts bad sectors in words.
func unread(bad []Bad) string {
	var n int64
	for _, b := range bad {
		n += b.Count
	}
	return fmt.Sprintf("%d sectors unread in %d places", n, len(bad))
}

// marker decides which batches have a checkpoint behind them.
type marker struct {
	every, last int64
	now         func() time.Time
	from        time.Time
}

func (m *marker) due(next int64) bool {
	if next-m.last < m.every && m.now().Sub(m.from) < checkpointTime {
		return false
	}
	m.last, m.from = next, m.now()
	return true
}

// appendBad adds runs of bad sectors, joined with the last where they go on.
func appendBad(all, more []Bad) []Bad {
	for _, b := range more {
		if k := len(all) - 1; k >= 0 && all[k].Sector+all[k].Count == b.Sector && all[k].What == b.What && all[k].Tries == b.Tries {
			joined := all[k]
			joined.Count, joined.MS = joined.Count+b.Count, joined.MS+b.MS
			all = append(all[:k:k], joined) // a checkpoint may hold the old list
			continue
		}
		all = append(all, b)
	}
	return all
}

// encode turns batches into units until there are no more.
func (r *run) encode(jobs <-chan *job, free chan *encoded) {
	enc := r.out.encoder()
	unit := r.plan.Unit
	for j := range jobs {
		var e *encoded
		select {
		case e = <-free:
		default:
			e = &encoded{}
		}
		e.buf, e.units = e.buf[:0], e.units[:0]
		if r.plan.Blocks || j.b.mark != nil {
			e.sum = sha256.Sum256(j.b.Data)
		}
		for data := j.b.Data; len(data) > 0; {
			n := min(unit, len(data))
			from := len(e.buf)
			out, compressed := enc.encode(e.buf, data[:n])
			u := stored{raw: n, compressed: compressed}
			if r.plan.Format == Raw {
				u.b = data[:n]
			} else {
				e.buf = out
				u.from, u.to = from, len(out)
			}
			e.units = append(e.units, u)
			data = data[n:]
		}
		j.units <- e
	}
}

// write appends the units in order, and takes the writer's place where a mark
// goes by. It returns the last batch that was written whole, unreleased.
func (r *run) write(order <-chan *job, free chan *encoded) (end *batch, err error) {
	for j := range order {
		e := <-j.units
		for _, u := range e.units {
			if u.b == nil {
				u.b = e.buf[u.from:u.to]
			}
			if err := r.out.append(u); err != nil {
				j.b.done()
				return end, err
			}
		}
		if err := r.blocks.add(e.sum); err != nil {
			j.b.done()
			return end, err
		}
		if end != nil {
			end.done()
		}
		end = j.b
		if j.b.mark != nil {
			j.b.mark.tail = e.sum
			p, err := r.out.state()
			if err == nil {
				err = r.blocks.flush()
			}
			if err != nil {
				return end, err
			}
			r.saver.save(j.b.mark, p)
		}
		select {
		case free <- e:
		default:
		}
		r.add(int64(len(j.b.Data)))
	}
	return end, nil
}

// saveLast leaves a checkpoint behind the last batch that was written: the run
// ends early, but not by a fault of the output.
func (r *run) saveLast(end *batch) error {
	m := newMark(end.Off+int64(len(end.Data)), 0)
	m.tail = sha256.Sum256(end.Data)
	m.bad, m.speed = r.bad, r.speed
	m.state, m.err = r.hashes.states()
	p, err := r.out.state()
	if err == nil {
		err = r.blocks.flush()
	}
	if err != nil {
		return err
	}
	return r.save(m, p)
}

// save makes a checkpoint: first what it speaks of is brought to the disk.
func (r *run) save(m *mark, p place) error {
	m.left.Wait()
	if m.err != nil {
		return m.err
	}
	name, err := r.files.name(p.segment)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	if err := r.blocks.sync(); err != nil {
		return err
	}
	c := r.check
	c.Next, c.LastMiB, c.Hashes = m.next, hex.EncodeToString(m.tail[:]), m.state
	c.Segment, c.End, c.Writer = p.segment, p.end, p.writer
	c.Bad, c.Speed = m.bad, m.speed
	if c.Tail, err = tailOf(f, p); err != nil {
		return err
	}
	if err := c.write(r.image); err != nil {
		return err
	}
	r.check = c
	return nil
}

// saver writes checkpoints beside the stream. One that comes while another is
// being written is left out: there will be a next. One that cannot be written
// leaves the one before; the run goes on, and the progress says so.
type saver struct {
	in chan func()
	wg sync.WaitGroup
	r  *run
}

func (s *saver) start(r *run) {
	s.r, s.in = r, make(chan func(), 1)
	s.wg.Go(func() {
		for do := range s.in {
			do()
		}
	})
}

func (s *saver) save(m *mark, p place) {
	select {
	case s.in <- func() {
		if err := s.r.save(m, p); err != nil {
			s.r.note(fmt.Sprintf("no checkpoint: %v", err))
		}
	}:
	default:
	}
}

func (s *saver) end() {
	close(s.in)
	s.wg.Wait()
}
