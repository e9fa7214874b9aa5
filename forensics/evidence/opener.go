package evidence

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
)

// File is an open file of evidence.
type File interface {
	io.ReaderAt // safe for concurrent use
	io.Closer
	Size() int64
}

// Opener gives the files of evidence, for reading only. Tests put faults in
// its place.
type Opener interface {
	Stat(name string) (fs.FileInfo, error) // does not follow what it must not
	Open(name string) (File, error)
	ReadDir(name string) ([]fs.DirEntry, error) // sorted by name
}

// OS opens files of the examiner's machine.
type OS struct{}

// Stat follows symbolic links: an examiner may name evidence by one.
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// ReadDir lists a folder.
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// Open opens a regular file read-only.
func (OS) Open(name string) (File, error) {
	if st, err := os.Stat(name); err == nil {
		if what := irregular(st.Mode()); what != "" {
			return nil, &NotAnImage{name, what}
		}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return osFile{f, st.Size()}, nil
}

type osFile struct {
	*os.File
	size int64
}

func (f osFile) Size() int64 { return f.size }

// maxHandles bounds how many segments of a set are open at once: a set may
// have thousands, and a process often may open no more than a thousand files.
const maxHandles = 64

// pool opens segments when they are read, and closes those unused for longest.
type pool struct {
	opener Opener
	mu     sync.Mutex
	open   []*segmentFile // least recently used first
	closed bool
}

// segmentFile is one segment that is opened on demand.
type segmentFile struct {
	pool *pool
	name string
	size int64
	f    File // nil while closed; guarded by pool.mu
	uses int
}

func (p *pool) file(name string, size int64) *segmentFile {
	return &segmentFile{pool: p, name: name, size: size}
}

func (s *segmentFile) ReadAt(b []byte, off int64) (int, error) {
	f, err := s.acquire()
	if err != nil {
		return 0, err
	}
	defer s.release()
	return f.ReadAt(b, off)
}

func (s *segmentFile) acquire() (File, error) {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fs.ErrClosed
	}
	if s.f == nil {
		f, err := p.opener.Open(s.name)
		if err != nil {
			return nil, err
		}
		s.f = f
	} else {
		p.remove(s)
	}
	p.open = append(p.open, s)
	s.uses++
	for i := 0; len(p.open) > maxHandles && i < len(p.open); {
		if old := p.open[i]; old.uses == 0 {
			old.f.Close()
			old.f = nil
			p.remove(old)
			continue
		}
		i++
	}
	return s.f, nil
}

func (s *segmentFile) release() {
	s.pool.mu.Lock()
	s.uses--
	s.pool.mu.Unlock()
}

func (p *pool) remove(s *segmentFile) {
	for i, o := range p.open {
		if o == s {
			p.open = append(p.open[:i], p.open[i+1:]...)
			return
		}
	}
}

func (p *pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, s := range p.open {
		errs = append(errs, s.f.Close())
		s.f = nil
	}
	p.open = nil
	return errors.Join(errs...)
}
