package secondreader

import (
	"container/list"
	"encoding/binary"
	"errors"
	"io"
	"sync"
)

const (
	pageSize    = 64 << 10
	sectorSize  = 512
	pageSectors = pageSize / sectorSize
	badBytes    = pageSectors / 8
	cachedPages = 512 // 32 MiB
)

// errUnreadable is what the second reader is told of a sector that the parent
// could not read.
var errUnreadable = errors.New("sector cannot be read")

type answer struct {
	b   []byte
	err error
}

// reader is the volume in the child. A page that it has not got is asked of the
// parent, as the answer to the request that is open.
type reader struct {
	size    int64
	answers chan answer
	pages   chan []byte
	next    chan struct{}

	mu    sync.Mutex // go-ntfs looks for the next entry while paths are made
	have  map[int64]*list.Element
	order *list.List // of page, youngest first
}

type page struct {
	num int64
	bad [badBytes]byte
	b   []byte
}

func newReader(size int64) *reader {
	return &reader{size: size, answers: make(chan answer), pages: make(chan []byte), next: make(chan struct{}),
		have: map[int64]*list.Element{}, order: list.New()}
}

// ReadAt gives the bytes before the first sector that cannot be read.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.size {
		return 0, io.EOF
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	want := int(min(int64(len(p)), r.size-off))
	for n := 0; n < want; {
		at := off + int64(n)
		pg := r.page(at / pageSize)
		k, err := pg.read(p[n:want], int(at%pageSize))
		if n += k; err != nil {
			return n, err
		}
	}
	if want < len(p) {
		return want, io.EOF
	}
	return want, nil
}

func (p *page) read(dst []byte, at int) (int, error) {
	end := min(at+len(dst), len(p.b))
	for s := at / sectorSize; s*sectorSize < end; s++ {
		if p.bad[s/8]>>(s%8)&1 != 0 {
			return copy(dst, p.b[at:max(at, s*sectorSize)]), errUnreadable
		}
	}
	if end <= at {
		return 0, io.EOF
	}
	return copy(dst, p.b[at:end]), nil
}

func (r *reader) page(num int64) *page {
	if e := r.have[num]; e != nil {
		r.order.MoveToFront(e)
		return e.Value.(*page)
	}
	r.answers <- answer{b: binary.LittleEndian.AppendUint64([]byte{ansPage}, uint64(num*pageSize))}
	p := &page{num: num}
	b := <-r.pages
	p.b = b[copy(p.bad[:], b):]
	r.have[num] = r.order.PushFront(p)
	if r.order.Len() > cachedPages {
		old := r.order.Back()
		delete(r.have, r.order.Remove(old).(*page).num)
	}
	return p
}

// readPage makes the request that brings a page, and counts the bytes in it that
// could not be read. Where it cannot be read whole, its sectors are read one by
// one: the reader below reports them.
func readPage(src io.ReaderAt, off, size int64) (req []byte, unreadable int64) {
	n := min(int64(pageSize), size-off)
	req = make([]byte, 1+badBytes+n)
	req[0] = opPage
	bad, data := req[1:1+badBytes], req[1+badBytes:]
	if readWhole(src, data, off) {
		return req, 0
	}
	for i := 0; i*sectorSize < len(data); i++ {
		sector := data[i*sectorSize : min((i+1)*sectorSize, len(data))]
		if !readWhole(src, sector, off+int64(i)*sectorSize) {
			bad[i/8] |= 1 << (i % 8)
			unreadable += int64(len(sector))
		}
	}
	return req, unreadable
}

func readWhole(src io.ReaderAt, p []byte, off int64) bool {
	n, err := src.ReadAt(p, off)
	return n == len(p) && (err == nil || errors.Is(err, io.EOF))
}
