// Package faulty is a medium with faults of one's choice, for tests: bad
// sectors, sectors that answer at a later try, slow ones, reads that stop
// short, a page cache, a wrong size, a medium that goes away.
package faulty

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"kanshiki/forensics/acquire/device"
)

// Fault is a run of sectors that answer badly.
type Fault struct {
	First, Count int64
	Err          error         // nil is EIO
	Heals        int           // it answers at this try of a sector alone or among others; 0 is never
	Takes        time.Duration // of a failed read that meets it
	Slow         bool          // it answers, but takes its time
}

// Source is a medium with faults. It is safe for concurrent use.
type Source struct {
	Data   []byte
	Bytes  int           // of a sector; 0 is 512
	Faults []Fault       // ascending
	Page   int           // reads go through a cache with pages of so many bytes; 0 is none
	Short  int           // no read gives more bytes
	Stated int64         // the size that it claims; 0 is the true one
	Clock  *Clock        // nil where time does not count
	Takes  time.Duration // of every read

	// The medium goes away at the first read that touches the byte GoneAt, or
	// after GoneAfter reads; 0 is never. From then on every read fails with
	// GoneErr (nil is ENXIO), and Check tells it unless Mute.
	GoneAt    int64
	GoneAfter int
	GoneErr   error
	Mute      bool

	mu    sync.Mutex
	gone  bool
	reads []Read
	tries map[int64]int
}

// Read is a read that was asked for.
type Read struct {
	Off int64
	Len int
	OK  bool
}

// Reads lists what was asked for so far.
func (s *Source) Reads() []Read {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// Size is what the medium claims.
func (s *Source) Size() int64 {
	if s.Stated > 0 {
		return s.Stated
	}
	return int64(len(s.Data))
}

// Sector is the size of a sector.
func (s *Source) Sector() int {
	if s.Bytes == 0 {
		return 512
	}
	return s.Bytes
}

// Check tells whether the medium is there.
func (s *Source) Check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone && !s.Mute {
		return device.ErrGone
	}
	return nil
}

// ReadAt reads, as the medium answers.
func (s *Source) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.read(p, off)
	s.reads = append(s.reads, Read{off, len(p), err == nil})
	return n, err
}

func (s *Source) read(p []byte, off int64) (int, error) {
	s.wait(s.Takes)
	if s.GoneAfter > 0 && len(s.reads) >= s.GoneAfter || s.GoneAt > 0 && off <= s.GoneAt && s.GoneAt < off+int64(len(p)) {
		s.gone = true
	}
	if s.gone {
		if s.GoneErr != nil {
			return 0, s.GoneErr
		}
		return 0, syscall.ENXIO
	}
	if off >= int64(len(s.Data)) {
		return 0, io.EOF
	}
	end := min(off+int64(len(p)), int64(len(s.Data)))
	if s.Short > 0 {
		end = min(end, off+int64(s.Short))
	}
	if stop, err := s.meet(off, end); err != nil {
		return copy(p, s.Data[off:stop]), err
	}
	n := copy(p, s.Data[off:end])
	if n < len(p) && s.Short == 0 {
		return n, io.EOF
	}
	return n, nil
}

// meet finds the first fault in a read; stop is how far the read got. Without a
// page cache a read that meets a fault gives nothing.
func (s *Source) meet(off, end int64) (stop int64, err error) {
	size, page := int64(s.Sector()), int64(s.Page)
	lo, hi := off, end
	if page > 0 {
		lo, hi = off/page*page, (end+page-1)/page*page
	}
	for k := range s.Faults {
		f := &s.Faults[k]
		for i := max(lo/size, f.First); i < min((hi+size-1)/size, f.First+f.Count); i++ {
			if err := s.try(f, i); err != nil {
				if page > 0 {
					return max(off, i*size/page*page), err
				}
				return off, err
			}
		}
	}
	return 0, nil
}

// try reads a sector with a fault.
func (s *Source) try(f *Fault, i int64) error {
	s.wait(f.Takes)
	if f.Slow {
		return nil
	}
	if s.tries == nil {
		s.tries = map[int64]int{}
	}
	s.tries[i]++
	switch {
	case f.Heals > 0 && s.tries[i] >= f.Heals:
		return nil
	case f.Err != nil:
		return f.Err
	}
	return syscall.EIO
}

func (s *Source) fault(sector int64) *Fault {
	for i := range s.Faults {
		if f := &s.Faults[i]; f.First <= sector && sector < f.First+f.Count {
			return f
		}
	}
	return nil
}

func (s *Source) wait(d time.Duration) {
	if s.Clock != nil {
		s.Clock.Add(d)
	}
}

// Clock is time that passes when it is told to.
type Clock struct {
	mu sync.Mutex
	t  time.Time
}

// Now is the time on the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// Add lets time pass.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	c.t = c.t.Add(d)
	c.mu.Unlock()
}

// Plan is the pattern of bad sectors that tools are compared with: 77 of them
// in 5 places of a medium of 40 MiB.
func Plan() []Fault {
	return []Fault{
		{First: 2_051, Count: 1},
		{First: 20_000, Count: 3},
		{First: 40_960, Count: 8},
		{First: 61_440, Count: 64},
		{First: 81_919, Count: 1},
	}
}

// Medium is n bytes in which every sector differs and none is zero.
func Medium(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 512 {
		for k := i; k < min(i+512, n); k += 64 {
			b[k] = byte(k) | 1
		}
		copy(b[i+1:], fmt.Appendf(nil, "sector %d", i/512))
	}
	return b
}

// Lost holds what was read of a medium against it: sectors that are listed as
// bad must be zeros, all others right. It returns how many listed ones are good.
func (s *Source) Lost(got []byte, listed map[int64]bool) (lost int, err error) {
	if int64(len(got)) != s.Size() {
		return 0, fmt.Errorf("%d bytes of %d", len(got), s.Size())
	}
	size := int64(s.Sector())
	for i := int64(0); i*size < int64(len(got)); i++ {
		g := got[i*size : min((i+1)*size, int64(len(got)))]
		switch {
		case !listed[i]:
			if !bytes.Equal(g, s.Data[i*size:i*size+int64(len(g))]) {
				return 0, fmt.Errorf("sector %d is wrong and not listed", i)
			}
		case len(bytes.Trim(g, "\x00")) > 0:
			return 0, fmt.Errorf("sector %d is listed and not zeros", i)
		default:
			if f := s.fault(i); f == nil || f.Slow {
				lost++
			}
		}
	}
	return lost, nil
}
