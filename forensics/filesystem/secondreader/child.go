package secondreader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"kanshiki/forensics/internal/guard"

	gontfs "www.velocidex.com/golang/go-ntfs/parser"
)

// kind is the kind of work that the child process serves.
const kind = "secondreader"

// Serve turns this process into the child if it was started as one. A command
// that calls Run calls it before anything else, and so does the TestMain of its
// tests.
func Serve() {
	guard.Serve(map[string]func([]byte) ([]byte, error){kind: new(worker).handle})
}

// Requests and answers begin with one of these. The child cannot ask by itself:
// each answer is either a piece of the result or the page that it needs to go
// on, and the next request brings that page.
const (
	opOpen = 'o' // opening, JSON
	opPage = 'p' // a bit for each sector that could not be read (pageSectors/8), the page
	opNext = 'n'

	ansPage = 'r' // byte offset of a page (8)
	ansRows = 'w' // batch, JSON
	ansEnd  = 'e' // ending, JSON
)

// opening is the first request.
type opening struct {
	Size       int64 // of the volume, in bytes
	RecordSize int64 // not 0: what is read is an $MFT without its volume
	Hash       bool  // digests of the streams of entries in use
	Longest    int64 // bytes of a stream that is still hashed
}

// batch is a piece of the result: rows of the entries from From on. Done says
// that these were the last rows before entry To.
type batch struct {
	From, To uint64
	Done     bool
	Rows     []row
}

// row is what the second reader says of one entry. Times are nanoseconds since
// 1970, created, modified, record changed, accessed.
type row struct {
	Entry    int64
	Sequence uint16
	InUse    bool
	Dir      bool
	Size     int64
	Paths    []string // "\" between names
	Cut      bool     // there were more paths
	Streams  []stream
	SI, FN   [4]int64
	Contents []content
}

type stream struct {
	Name string
	Size int64
}

// content is what the second reader gives of the bytes of a stream.
type content struct {
	Name   string
	Bytes  int64  // that it gave
	SHA256 string // of these
	Err    string // why it gave no more
}

// ending is the last answer.
type ending struct {
	MFT int64 // bytes, as the second reader understands its run list
	Cut bool  // that would not fit on the volume
}

const (
	linkLimit  = 5000     // paths of one entry, and directories above one another
	window     = 4096     // entries for which go-ntfs is called once
	batchBytes = 1 << 20  // after which rows are sent
	pathBytes  = 16 << 20 // of all paths of one entry
)

// worker is the child: the goroutine of one volume, which runs while a request
// is being answered and waits between.
type worker struct{ r *reader }

func (w *worker) handle(req []byte) ([]byte, error) {
	if len(req) == 0 || w.r == nil != (req[0] == opOpen) {
		return nil, errors.New("a request out of turn")
	}
	switch req[0] {
	case opOpen:
		var o opening
		if err := json.Unmarshal(req[1:], &o); err != nil {
			return nil, fmt.Errorf("a request that cannot be read: %w", err)
		}
		w.r = newReader(o.Size)
		go work(w.r, o)
	case opPage:
		w.r.pages <- req[1:]
	case opNext:
		w.r.next <- struct{}{}
	}
	a := <-w.r.answers
	return a.b, a.err
}

// work is the work of the child. A panic in go-ntfs' own goroutine ends the
// process, which the parent sees; one in this goroutine is told as an error.
func work(r *reader, o opening) {
	err := guard.Run(func() error { return walk(r, o) })
	var f *guard.Fault
	if errors.As(err, &f) {
		err = errors.New("panic: " + f.Panic)
	}
	if err != nil {
		r.answers <- answer{err: err}
	}
}

func walk(r *reader, o opening) error {
	v, err := openVolume(r, o)
	if err != nil {
		return err
	}
	end := ending{MFT: v.mftSize}
	// It would try each place of the size that the $MFT claims, to no end
	// where that is forged. More than the volume there cannot be.
	size := end.MFT
	if size > o.Size {
		size, end.Cut = o.Size, true
	}
	total := uint64(size / v.recordSize)
	opt := gontfs.GetDefaultOptions()
	opt.MaxLinks, opt.MaxDirectoryDepth = linkLimit, linkLimit
	for from := uint64(0); from < total; from += window {
		to := min(from+window, total)
		s := sender{r: r, batch: batch{From: from, To: to}}
		// The place behind its size is read too.
		rows := gontfs.ParseMFTFileWithOptions(context.Background(), v.mft, int64(to-1)*v.recordSize, v.clusterSize, v.recordSize, int64(from), opt)
		for h := range rows {
			s.add(h, v, o)
		}
		s.send(true)
	}
	r.answers <- encode(ansEnd, end)
	return nil
}

// secondVolume is a volume as go-ntfs opened it. n is nil for a lone $MFT.
type secondVolume struct {
	n                                *gontfs.NTFSContext
	mft                              io.ReaderAt
	mftSize, clusterSize, recordSize int64
}

func openVolume(r *reader, o opening) (*secondVolume, error) {
	if o.RecordSize > 0 {
		return &secondVolume{mft: r, mftSize: o.Size, clusterSize: 4096, recordSize: o.RecordSize}, nil
	}
	n, err := gontfs.GetNTFSContext(r, 0)
	if err != nil {
		return nil, fmt.Errorf("open volume: %w", err)
	}
	if n.GetRecordSize() <= 0 {
		return nil, fmt.Errorf("it reads a record size of %d from the boot sector", n.RecordSize)
	}
	entry, err := n.GetMFT(0)
	if err != nil {
		return nil, fmt.Errorf("read entry 0: %w", err)
	}
	mft, err := gontfs.OpenStream(n, entry, gontfs.ATTR_TYPE_DATA, gontfs.WILDCARD_STREAM_ID, gontfs.WILDCARD_STREAM_NAME)
	if err != nil {
		return nil, fmt.Errorf("open the $MFT: %w", err)
	}
	size := gontfs.RangeSize(mft)
	if size <= 0 {
		return nil, fmt.Errorf("it reads a $MFT of %d bytes", size)
	}
	return &secondVolume{n, mft, size, n.ClusterSize, n.RecordSize}, nil
}

// sender collects rows and sends them when they are many bytes.
type sender struct {
	r     *reader
	batch batch
	bytes int
}

func (s *sender) add(h *gontfs.MFTHighlight, v *secondVolume, o opening) {
	if _, name, ok := strings.Cut(h.Inode, ":"); ok { // follows the row of its entry
		if k := len(s.batch.Rows); k > 0 {
			last := &s.batch.Rows[k-1]
			last.Streams = append(last.Streams, stream{name, h.FileSize})
			s.bytes += len(name) + 32
		}
		return
	}
	if s.bytes > batchBytes {
		s.send(false)
	}
	out := row{Entry: h.EntryNumber, Sequence: h.SequenceNumber, InUse: h.InUse, Dir: h.IsDir, Size: h.FileSize,
		SI: [4]int64{h.Created0x10.UnixNano(), h.LastModified0x10.UnixNano(), h.LastRecordChange0x10.UnixNano(), h.LastAccess0x10.UnixNano()},
		FN: [4]int64{h.Created0x30.UnixNano(), h.LastModified0x30.UnixNano(), h.LastRecordChange0x30.UnixNano(), h.LastAccess0x30.UnixNano()}}
	room := pathBytes
	for _, p := range h.Links() {
		if room -= len(p); room < 0 {
			out.Cut = true
			break
		}
		out.Paths = append(out.Paths, p)
	}
	if o.Hash && h.InUse && v.n != nil {
		out.Contents = contents(v.n, h.EntryNumber, o.Longest)
	}
	s.bytes += pathBytes - max(room, 0) + 300 + 100*len(out.Contents)
	s.batch.Rows = append(s.batch.Rows, out)
}

func (s *sender) send(done bool) {
	s.batch.Done = done
	s.r.answers <- encode(ansRows, s.batch)
	<-s.r.next
	s.batch.Rows, s.bytes = nil, 0
}

func encode(op byte, v any) answer {
	b, err := json.Marshal(v)
	return answer{append([]byte{op}, b...), err}
}
