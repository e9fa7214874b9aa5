package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// chunkSize is the most that one appender holds before it sorts and hands
// over; runBuffers is what the readers of a merge share.
const (
	chunkSize  = 4 << 20
	runBuffers = 32 << 20
)

// record is one row of a run.
type record struct{ key, body []byte }

// entry finds a record in a chunk; prefix is the key's first bytes, which
// settle most comparisons.
type entry struct {
	prefix    uint64
	off       uint32
	keyN, len uint32 // of the key, of key and body
}

// chunk is an arena of records.
type chunk struct {
	data    []byte
	entries []entry
}

func (c *chunk) record(i int) record {
	e := c.entries[i]
	b := c.data[e.off : e.off+e.len]
	return record{b[:e.keyN], b[e.keyN:]}
}

func (c *chunk) sort() {
	slices.SortFunc(c.entries, func(a, b entry) int {
		if a.prefix != b.prefix {
			if a.prefix < b.prefix {
				return -1
			}
			return 1
		}
		return bytes.Compare(c.data[a.off:a.off+a.len], c.data[b.off:b.off+b.len])
	})
}

// sorter orders rows in bounded memory: sorted chunks stay in memory up to a
// limit, then are merged into a run on disk.
type sorter struct {
	dir   string // for runs; made when the first one is needed
	limit int64

	mu     sync.Mutex
	chunks []*chunk
	held   int64
	runs   []string
	next   int
	free   []*chunk
}

// take gives an empty chunk.
func (s *sorter) take() *chunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		c := s.free[n-1]
		s.free = s.free[:n-1]
		return c
	}
	if len(s.chunks) == 0 && s.next == 0 { // most sources are small
		return &chunk{}
	}
	return &chunk{data: make([]byte, 0, chunkSize+chunkSize/32), entries: make([]entry, 0, chunkSize/256)}
}

// give takes over a full chunk, sorted here by the worker that filled it.
func (s *sorter) give(c *chunk) error {
	if len(c.entries) == 0 {
		return nil
	}
	c.sort()
	s.mu.Lock()
	s.chunks = append(s.chunks, c)
	s.held += int64(cap(c.data)) + int64(cap(c.entries))*24
	if s.held <= s.limit {
		s.mu.Unlock()
		return nil
	}
	chunks := s.chunks
	s.chunks, s.held = nil, 0
	name := filepath.Join(s.dir, fmt.Sprintf("run-%06d", s.next))
	s.next++
	s.runs = append(s.runs, name)
	s.mu.Unlock()
	if err := writeRun(name, chunks); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range chunks[:min(len(chunks), 4)] { // the rest goes back to the system
		c.data, c.entries = c.data[:0], c.entries[:0]
		s.free = append(s.free, c)
	}
	return nil
}

func writeRun(name string, chunks []*chunk) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	w := bufio.NewWriterSize(f, 256<<10)
	var m merger
	for _, c := range chunks {
		m.add(&chunkReader{c: c})
	}
	var head []byte
	for {
		r, err := m.next()
		if err == io.EOF {
			return w.Flush()
		}
		if err != nil {
			return err
		}
		head = binary.AppendUvarint(head[:0], uint64(len(r.key)))
		head = binary.AppendUvarint(head, uint64(len(r.body)))
		w.Write(head)
		w.Write(r.key)
		if _, err := w.Write(r.body); err != nil {
			return fmt.Errorf("write sorted run: %w", err)
		}
	}
}

// merge opens everything that was given, in order. close releases the files.
func (s *sorter) merge() (m *merger, closeAll func(), err error) {
	m = &merger{}
	var files []*os.File
	closeAll = func() {
		for _, f := range files {
			f.Close()
		}
	}
	size := min(max(runBuffers/max(len(s.runs), 1), 16<<10), 256<<10)
	for _, name := range s.runs {
		f, err := os.Open(name)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		files = append(files, f)
		m.add(&runReader{r: bufio.NewReaderSize(f, size)})
	}
	for _, c := range s.chunks {
		m.add(&chunkReader{c: c})
	}
	s.free = nil
	return m, closeAll, nil
}

// stream gives records in order; io.EOF ends it. A record is valid until the
// next call.
type stream interface{ next() (record, error) }

type chunkReader struct {
	c *chunk
	i int
}

func (r *chunkReader) next() (record, error) {
	if r.i == len(r.c.entries) {
		r.c = &chunk{} // let the memory go while others are still read
		r.i = 0
		return record{}, io.EOF
	}
	r.i++
	return r.c.record(r.i - 1), nil
}

type runReader struct {
	r   *bufio.Reader
	buf []byte
}

func (r *runReader) next() (record, error) {
	k, err := binary.ReadUvarint(r.r)
	if err != nil {
		return record{}, err
	}
	n, err := binary.ReadUvarint(r.r)
	if err != nil || k > 1<<31 || n > 1<<31 {
		return record{}, errRun
	}
	r.buf = slices.Grow(r.buf[:0], int(k+n))[:k+n]
	if _, err := io.ReadFull(r.r, r.buf); err != nil {
		return record{}, errRun
	}
	return record{r.buf[:k], r.buf[k:]}, nil
}

// merger joins streams by key, with a heap of their heads.
type merger struct {
	heads   []head
	begun   bool
	started error
}

type head struct {
	prefix uint64
	rec    record
	from   stream
}

func (m *merger) add(s stream) {
	r, err := s.next()
	if err == io.EOF {
		return
	}
	if err != nil {
		m.started = err
		return
	}
	m.heads = append(m.heads, head{prefixOf(r.key), r, s})
}

func prefixOf(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

func (m *merger) less(i, j int) bool {
	a, b := &m.heads[i], &m.heads[j]
	if a.prefix != b.prefix {
		return a.prefix < b.prefix
	}
	if c := bytes.Compare(a.rec.key, b.rec.key); c != 0 {
		return c < 0
	}
	return bytes.Compare(a.rec.body, b.rec.body) < 0
}

// next gives the least record; it is valid until the next call.
func (m *merger) next() (record, error) {
	if m.started != nil {
		return record{}, m.started
	}
	if !m.begun {
		m.begun = true
		for i := len(m.heads)/2 - 1; i >= 0; i-- {
			m.down(i)
		}
	} else if len(m.heads) > 0 {
		h := &m.heads[0]
		r, err := h.from.next()
		switch {
		case err == io.EOF:
			last := len(m.heads) - 1
			m.heads[0] = m.heads[last]
			m.heads[last] = head{}
			m.heads = m.heads[:last]
		case err != nil:
			return record{}, err
		default:
			h.rec, h.prefix = r, prefixOf(r.key)
		}
		m.down(0)
	}
	if len(m.heads) == 0 {
		return record{}, io.EOF
	}
	return m.heads[0].rec, nil
}

func (m *merger) down(i int) {
	for {
		least := i
		for j := 2*i + 1; j <= 2*i+2 && j < len(m.heads); j++ {
			if m.less(j, least) {
				least = j
			}
		}
		if least == i {
			return
		}
		m.heads[i], m.heads[least] = m.heads[least], m.heads[i]
		i = least
	}
}
