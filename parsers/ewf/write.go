package ewf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"math"
	"time"
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
	volumeSize   = 1052           // payload of volume and data
	closeRoom    = descriptorSize // next or done
)

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
	switch {
	case o.Sectors <= 0 || o.BytesPerSector <= 0 || o.SectorsPerChunk <= 0:
		return nil, fmt.Errorf("ewf: %d sectors of %d bytes, %d to a chunk", o.Sectors, o.BytesPerSector, o.SectorsPerChunk)
	case o.SegmentSize < MinSegment || o.SegmentSize < int64(4*o.SectorsPerChunk*o.BytesPerSector):
		return nil, fmt.Errorf("ewf: segments of %d bytes are too small; at least %d", o.SegmentSize, max(MinSegment, 4*o.SectorsPerChunk*o.BytesPerSector))
	case chunks(o) > math.MaxUint32:
		return nil, fmt.Errorf("ewf: %d chunks do not fit the volume section; larger chunks make fewer", chunks(o))
	}
	return &Writer{o: o, buf: make([]byte, 0, writeBuffer+1<<19)}, nil
}

func chunks(o WriterOptions) int64 {
	return (o.Sectors + int64(o.SectorsPerChunk) - 1) / int64(o.SectorsPerChunk)
}

// ResumeWriter goes on from a State. Segments after its own are the caller's to
// delete, before.
func ResumeWriter(o WriterOptions, s State) (*Writer, error) {
	w, err := newWriter(o)
	if err != nil {
		return nil, err
	}
	if len(s.Entries)%4 != 0 || len(s.Entries)/4 > tableEntries || s.End < fileHeaderSize || s.Sectors >= s.End {
		return nil, fmt.Errorf("ewf: a state with %d bytes of entries at %d", len(s.Entries), s.End)
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
	return w, w.f.Truncate(s.End)
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

// descriptor makes the 76 bytes before a section's payload.
func descriptor(kind string, next, size int64) []byte {
	b := make([]byte, descriptorSize)
	copy(b, kind)
	binary.LittleEndian.PutUint64(b[16:], uint64(next))
	binary.LittleEndian.PutUint64(b[24:], uint64(size))
	binary.LittleEndian.PutUint32(b[72:], adler32.Checksum(b[:72]))
	return b
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
	binary.LittleEndian.PutUint32(t[20:], adler32.Checksum(t[:20]))
	for _, e := range w.entries {
		t = binary.LittleEndian.AppendUint32(t, e)
	}
	t = binary.LittleEndian.AppendUint32(t, adler32.Checksum(t[tableHeadSize:]))
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
// digest, so does a nil sha1. A run of bad sectors must fit 32 bits: sectors
// from 2^32 on cannot be named in an E01, and are an error here.
func (w *Writer) Finish(md5, sha1 []byte, bad []SectorRun) error {
	if w.err != nil {
		return w.err
	}
	if w.s.Chunks != chunks(w.o) {
		return fmt.Errorf("ewf: %d of %d chunks were appended", w.s.Chunks, chunks(w.o))
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

// sealed appends the Adler-32 of a payload.
func sealed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, adler32.Checksum(b))
}

func digest(md5, sha1 []byte) []byte {
	b := make([]byte, 76, 80)
	copy(b, md5)
	copy(b[16:], sha1)
	return sealed(b)
}

func hash(md5 []byte) []byte {
	b := make([]byte, 32, 36)
	copy(b, md5)
	return sealed(b)
}

func error2(bad []SectorRun) []byte {
	b := make([]byte, 516, 520+8*len(bad)+4)
	binary.LittleEndian.PutUint32(b, uint32(len(bad)))
	b = sealed(b)
	for _, r := range bad {
		b = binary.LittleEndian.AppendUint32(b, r.First)
		b = binary.LittleEndian.AppendUint32(b, r.Count)
	}
	return binary.LittleEndian.AppendUint32(b, adler32.Checksum(b[520:]))
}

// volume is the payload of volume and data.
func (w *Writer) volume() []byte {
	b := make([]byte, volumeSize-4, volumeSize)
	if !w.o.Removable {
		b[0] = 1
	}
	le := binary.LittleEndian
	le.PutUint32(b[4:], uint32(chunks(w.o)))
	le.PutUint32(b[8:], uint32(w.o.SectorsPerChunk))
	le.PutUint32(b[12:], uint32(w.o.BytesPerSector))
	le.PutUint64(b[16:], uint64(w.o.Sectors))
	b[36] = 1 // an image
	if w.o.Physical {
		b[36] |= 2
	}
	b[52] = map[Level]byte{None: 0, Fast: 1, Default: 1, Best: 2}[w.o.Level]
	le.PutUint32(b[56:], 1) // bad places are told to the sector
	copy(b[64:], w.o.GUID[:])
	return sealed(b)
}
