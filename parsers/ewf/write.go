package ewf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"kanshiki/parsers/internal/inflate"
)

// SegmentFile is a file that a Writer writes; an *os.File is one.
type SegmentFile interface {
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// WriterOptions say what image is written. All of it decides its bytes.
type WriterOptions struct {
	Header          Header
	Sectors         int64
	BytesPerSector  int
	SectorsPerChunk int
	Removable       bool
	Physical        bool // a whole disk, no volume
	Level           Level
	GUID            [16]byte
	SegmentSize     int64 // bytes at most in a file, MinSegment at least

	Create func(segment int) (SegmentFile, error) // a new file
	Reopen func(segment int) (SegmentFile, error) // for ResumeWriter
}

// Header is what an examiner says of an image. Times are whole seconds, UTC.
type Header struct {
	Case, Exhibit, Examiner, Description, Notes string
	Model, Serial                               string
	Tool                                        string // 11 letters at most are kept
	System                                      string // 23
	Acquired                                    time.Time
}

// Limits of what is written.
const (
	MinSegment   = 1 << 20
	tableEntries = 16375          // the old limit, which every reader takes; 64 KiB a table
	maxOffset    = math.MaxInt32  // of a chunk from its group's base: the top bit says compressed
	writeBuffer  = 1 << 20        // bytes that are written at once
	finalRoom    = 16 << 10       // kept in a segment for the sections at the end
	closeRoom    = descriptorSize // next or done
)

// ErrRuns says that there are more runs of bad sectors than an image can name.
var ErrRuns = errors.New("ewf: too many runs of bad sectors for the segment size")

// Writer writes an image in the layout of EnCase 6. The layout follows "Expert
// Witness Compression Format specification" of the libewf project; what other
// programs accepted was measured. It is for one goroutine.
//
// After an error the files hold what they hold: ResumeWriter goes on from the
// last State.
type Writer struct {
	o       WriterOptions
	f       SegmentFile
	buf     []byte // not yet written, from at on
	at      int64
	s       State
	entries []uint32
	err     error
}

// State is where a Writer can go on. It is plain data for a checkpoint.
type State struct {
	Segment int    `json:"segment"`
	End     int64  `json:"end"`     // bytes of the segment that count
	Sectors int64  `json:"sectors"` // where the descriptor of the open sectors section stands, 0 for none
	Chunks  int64  `json:"chunks"`  // appended so far
	Entries []byte `json:"entries"` // of the open section, little-endian
}

// NewWriter begins an image.
func NewWriter(o WriterOptions) (*Writer, error) {
	w, err := newWriter(o)
	if err != nil {
		return nil, err
	}
	return w, w.begin()
}

func newWriter(o WriterOptions) (*Writer, error) {
	v := Volume{SectorsPerChunk: uint32(o.SectorsPerChunk), BytesPerSector: uint32(o.BytesPerSector), Sectors: uint64(o.Sectors)}
	switch {
	case o.Sectors <= 0 || o.BytesPerSector <= 0 || o.SectorsPerChunk <= 0 || v.check(0) != nil:
		return nil, fmt.Errorf("ewf: %d sectors of %d bytes, %d to a chunk, cannot be written", o.Sectors, o.BytesPerSector, o.SectorsPerChunk)
	case o.SegmentSize < max(MinSegment, 4*v.ChunkSize()):
		return nil, fmt.Errorf("ewf: segments of %d bytes are too small; at least %d", o.SegmentSize, max(MinSegment, 4*v.ChunkSize()))
	case chunks(o) > math.MaxUint32:
		return nil, fmt.Errorf("ewf: %d chunks do not fit the volume section; larger chunks make fewer", chunks(o))
	}
	return &Writer{o: o, buf: make([]byte, 0, writeBuffer+1<<19)}, o.Header.check()
}

func chunks(o WriterOptions) int64 {
	return (o.Sectors + int64(o.SectorsPerChunk) - 1) / int64(o.SectorsPerChunk)
}

// stored is how many bytes chunk i takes at most: as it is, with its checksum.
func (w *Writer) stored(i int64) int {
	spc := int64(w.o.SectorsPerChunk)
	return int(min(spc, w.o.Sectors-i*spc))*w.o.BytesPerSector + 4
}

// ResumeWriter goes on from a State, and cuts off what the segment holds behind
// it. That the segment reaches that far is the caller's to know, and segments
// after it are the caller's to delete, before.
func ResumeWriter(o WriterOptions, s State) (*Writer, error) {
	w, err := newWriter(o)
	if err != nil {
		return nil, err
	}
	n := int64(len(s.Entries) / 4)
	if s.Segment < 1 || s.End < fileHeaderSize || s.End > o.SegmentSize || s.Chunks < n || s.Chunks > chunks(o) ||
		len(s.Entries)%4 != 0 || n > tableEntries || (s.Sectors == 0) != (n == 0) ||
		n > 0 && (s.Sectors < fileHeaderSize || s.Sectors+descriptorSize >= s.End) {
		return nil, fmt.Errorf("ewf: not a state of this image: %d chunks, segment %d, %d bytes, %d entries from %d on", s.Chunks, s.Segment, s.End, n, s.Sectors)
	}
	for b := s.Entries; len(b) > 0; b = b[4:] {
		w.entries = append(w.entries, binary.LittleEndian.Uint32(b))
	}
	w.s = s
	w.s.Entries = nil
	w.at = s.End
	if w.f, err = o.Reopen(s.Segment); err != nil {
		return nil, err
	}
	if err := w.f.Truncate(s.End); err != nil {
		w.f.Close()
		return nil, err
	}
	return w, nil
}

// State flushes what was appended to the file and tells where it ends. The
// caller syncs the file before it relies on it.
func (w *Writer) State() (State, error) {
	if err := w.flush(); err != nil {
		return State{}, err
	}
	s := w.s
	s.Entries = make([]byte, 0, 4*len(w.entries))
	for _, e := range w.entries {
		s.Entries = binary.LittleEndian.AppendUint32(s.Entries, e)
	}
	return s, nil
}

// begin starts the next segment.
func (w *Writer) begin() error {
	n := w.s.Segment + 1
	if n > MaxSegment {
		return fmt.Errorf("ewf: more than %d segments; larger ones make fewer", MaxSegment)
	}
	f, err := w.o.Create(n)
	if err != nil {
		return err
	}
	w.f, w.at, w.buf = f, 0, w.buf[:0]
	w.s.Segment, w.s.End = n, 0
	head := append([]byte(nil), sigPhysical...)
	head = append(head, 1)
	head = binary.LittleEndian.AppendUint16(head, uint16(n))
	w.put(append(head, 0, 0))
	if n > 1 {
		w.section("data", w.volume())
		return w.err
	}
	h2 := deflated(header2(w.o.Header))
	w.section("header2", h2)
	w.section("header2", h2)
	w.section("header", deflated(header(w.o.Header)))
	w.section("volume", w.volume())
	return w.err
}

// put appends bytes to the segment.
func (w *Writer) put(b []byte) {
	w.buf = append(w.buf, b...)
	w.s.End += int64(len(b))
	if len(w.buf) >= writeBuffer {
		w.flush()
	}
}

func (w *Writer) flush() error {
	if w.err == nil && len(w.buf) > 0 {
		if _, w.err = w.f.WriteAt(w.buf, w.at); w.err == nil {
			w.at += int64(len(w.buf))
			w.buf = w.buf[:0]
		}
	}
	return w.err
}

func (w *Writer) section(kind string, payload []byte) {
	size := int64(descriptorSize + len(payload))
	w.put(descriptor(kind, w.s.End+size, size))
	w.put(payload)
}

// last writes next or done: it points to itself and has no size.
func (w *Writer) last(kind string) { w.put(descriptor(kind, w.s.End, 0)) }

// Append writes the stored form of the next chunk.
func (w *Writer) Append(stored []byte, compressed bool) error {
	if w.err != nil {
		return w.err
	}
	if w.s.Chunks == chunks(w.o) {
		return errors.New("ewf: more chunks than the image has")
	}
	if most := w.stored(w.s.Chunks); len(stored) == 0 || len(stored) > most || compressed == (len(stored) == most) {
		return fmt.Errorf("ewf: chunk %d in %d bytes, compressed %t; as it is it takes %d", w.s.Chunks, len(stored), compressed, most)
	}
	if w.s.Sectors != 0 && (len(w.entries) == tableEntries || w.s.End+int64(len(stored))-w.s.Sectors > maxOffset) {
		w.closeGroup()
	}
	if w.s.End+w.closing(int64(len(stored))) > w.o.SegmentSize {
		w.closeGroup()
		if err := w.next(); err != nil {
			return err
		}
	}
	if w.s.Sectors == 0 {
		w.s.Sectors = w.s.End
		w.put(make([]byte, descriptorSize)) // when its size is known
	}
	e := uint32(w.s.End - w.s.Sectors)
	if compressed {
		e |= 1 << 31
	}
	w.entries = append(w.entries, e)
	w.put(stored)
	w.s.Chunks++
	return w.err
}

// closing is how many bytes the segment needs with a further chunk.
func (w *Writer) closing(n int64) int64 {
	if w.s.Sectors == 0 {
		n += descriptorSize
	}
	return n + 2*(descriptorSize+tableHeadSize+4*int64(len(w.entries)+1)+4) + closeRoom + finalRoom
}

// closeGroup ends the open sectors section with its table, twice.
func (w *Writer) closeGroup() {
	if w.s.Sectors == 0 {
		return
	}
	d := descriptor("sectors", w.s.End, w.s.End-w.s.Sectors)
	if w.s.Sectors >= w.at {
		copy(w.buf[w.s.Sectors-w.at:], d)
	} else if w.flush() == nil {
		_, w.err = w.f.WriteAt(d, w.s.Sectors)
	}
	t := make([]byte, tableHeadSize, tableHeadSize+4*len(w.entries)+4)
	binary.LittleEndian.PutUint32(t, uint32(len(w.entries)))
	binary.LittleEndian.PutUint64(t[8:], uint64(w.s.Sectors))
	binary.LittleEndian.PutUint32(t[20:], inflate.Sum(t[:20]))
	for _, e := range w.entries {
		t = binary.LittleEndian.AppendUint32(t, e)
	}
	t = binary.LittleEndian.AppendUint32(t, inflate.Sum(t[tableHeadSize:]))
	w.section("table", t)
	w.section("table2", t)
	w.s.Sectors, w.entries = 0, w.entries[:0]
}

// next goes on in a new segment.
func (w *Writer) next() error {
	w.last("next")
	if err := w.endSegment(); err != nil {
		return err
	}
	w.err = w.begin()
	return w.err
}

// endSegment brings a segment to the disk and lets it go.
func (w *Writer) endSegment() error {
	w.flush()
	if w.err == nil {
		w.err = w.f.Sync()
	}
	return w.Close()
}

// Close lets the file that is written go, without an end.
func (w *Writer) Close() error {
	if w.f != nil {
		if err := w.f.Close(); w.err == nil {
			w.err = err
		}
		w.f = nil
	}
	return w.err
}

// Finish ends the image. A nil md5 leaves the hash section out and is zero in
// digest, as a nil sha1 is. Sectors from 2^32 on have no name in this format:
// the caller must tell of those that are bad elsewhere. The runs of bad sectors,
// 8 bytes each, must fit one segment, and MaxRuns; where they do not, nothing is
// written and the error is ErrRuns.
func (w *Writer) Finish(md5, sha1 []byte, bad []SectorRun) error {
	if w.err != nil {
		return w.err
	}
	if w.s.Chunks != chunks(w.o) {
		return fmt.Errorf("ewf: %d of %d chunks were appended", w.s.Chunks, chunks(w.o))
	}
	if len(bad) > MaxRuns || int64(len(bad))*8+finalRoom > w.o.SegmentSize {
		return fmt.Errorf("%w: %d", ErrRuns, len(bad))
	}
	w.closeGroup()
	if int64(len(bad)*8) > finalRoom/2 && w.s.End+int64(len(bad)*8)+finalRoom > w.o.SegmentSize {
		w.next() // thousands of bad places: a segment of their own
	}
	if w.s.Segment == 1 {
		w.section("data", w.volume())
	}
	if len(bad) > 0 {
		w.section("error2", error2(bad))
	}
	if md5 != nil || sha1 != nil {
		w.section("digest", digest(md5, sha1))
	}
	if md5 != nil {
		w.section("hash", hash(md5))
	}
	w.last("done")
	return w.endSegment()
}
