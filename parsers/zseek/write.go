package zseek

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// File is what a Writer writes; an *os.File that is open for both is one. It is
// read at the end and on resuming only.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// WriterOptions say what image is written. All of it decides its bytes.
type WriterOptions struct {
	File  File
	Media int64 // bytes of the medium
	// FrameSize is how many bytes of the medium each frame but the last has; 0 is
	// that of the function FrameSize.
	FrameSize int
	Sector    int // bytes of a logical sector, 0 where not known
	Fields    []Field
}

const writeBuffer = 1 << 20 // bytes that are written at once

// Writer writes an image. It is for one goroutine, and keeps only some 50 KiB
// of the table, and 8 bytes more for each 4096 frames.
//
// After an error the file holds what it holds: ResumeWriter goes on from the
// last State.
type Writer struct {
	o       WriterOptions
	buf     []byte // not yet written, from at on
	at      int64
	s       State
	pending []entry // since the last index
	indexes []int64 // where they are
	err     error
}

// State is where a Writer can go on. It is plain data for a checkpoint.
type State struct {
	Meta    int64  `json:"meta"`    // bytes of the first frame
	End     int64  `json:"end"`     // bytes of the file that count
	Frames  int64  `json:"frames"`  // appended so far
	Bytes   int64  `json:"bytes"`   // of the medium in them
	Index   int64  `json:"index"`   // where the last index is, 0 for none
	Entries []byte `json:"entries"` // of the frames since: u32 compressed size, u32 checksum, little-endian
}

// NewWriter begins an image in an empty file.
func NewWriter(o WriterOptions) (*Writer, error) {
	w, err := newWriter(o)
	if err != nil {
		return nil, err
	}
	meta, err := json.Marshal(Meta{Size: o.Media, Frame: w.o.FrameSize, Sector: o.Sector, Fields: o.Fields})
	if err != nil {
		return nil, err
	}
	if len(meta) > maxMetaBytes {
		return nil, fmt.Errorf("zseek: %d bytes of fields", len(meta))
	}
	w.put(skippable(magicMeta, tagMeta, meta))
	w.s.Meta = w.s.End
	return w, w.err
}

func newWriter(o WriterOptions) (*Writer, error) {
	if o.FrameSize == 0 {
		o.FrameSize = FrameSize(o.Media)
	}
	switch {
	case o.Media <= 0 || o.FrameSize < 0 || o.FrameSize > MaxFrame:
		return nil, fmt.Errorf("zseek: %d bytes in frames of %d", o.Media, o.FrameSize)
	case o.Media/int64(o.FrameSize) > maxFrames-maxFrames/1024:
		return nil, fmt.Errorf("zseek: more than %d frames of %d bytes; larger ones make fewer", maxFrames, o.FrameSize)
	}
	return &Writer{o: o, buf: make([]byte, 0, writeBuffer+o.FrameSize)}, nil
}

// ResumeWriter goes on from a State, with the options of the first time.
func ResumeWriter(o WriterOptions, s State) (*Writer, error) {
	w, err := newWriter(o)
	if err != nil {
		return nil, err
	}
	if len(s.Entries)%8 != 0 || len(s.Entries)/8 >= indexFrames || s.End < skipHead || s.Index >= s.End {
		return nil, fmt.Errorf("zseek: a state with %d bytes of entries at %d", len(s.Entries), s.End)
	}
	for b := s.Entries; len(b) > 0; b = b[8:] {
		w.pending = append(w.pending, entry{stored: binary.LittleEndian.Uint32(b), sum: binary.LittleEndian.Uint32(b[4:])})
	}
	w.s, w.at = s, s.End
	w.s.Entries = nil
	first := s.Frames - int64(len(w.pending))
	if first%indexFrames != 0 {
		return nil, fmt.Errorf("zseek: a state with %d entries at frame %d", len(w.pending), s.Frames)
	}
	w.indexes = make([]int64, first/indexFrames)
	at := s.Index
	for i := len(w.indexes) - 1; i >= 0; i-- {
		ix, err := readIndex(o.File, at, s.End)
		if err != nil {
			return nil, err
		}
		if ix.first != int64(i)*indexFrames || len(ix.entries) != indexFrames {
			return nil, fmt.Errorf("zseek: the index at %#x is of %d frames from %d", at, len(ix.entries), ix.first)
		}
		w.indexes[i] = at
		at = ix.before
	}
	return w, o.File.Truncate(s.End)
}

// State flushes what was appended to the file and tells where it ends. The
// caller syncs the file before it relies on it.
func (w *Writer) State() (State, error) {
	if err := w.flush(); err != nil {
		return State{}, err
	}
	s := w.s
	s.Entries = make([]byte, 0, 8*len(w.pending))
	for _, e := range w.pending {
		s.Entries = binary.LittleEndian.AppendUint32(s.Entries, e.stored)
		s.Entries = binary.LittleEndian.AppendUint32(s.Entries, e.sum)
	}
	return s, nil
}

// put appends bytes to the file.
func (w *Writer) put(b []byte) {
	w.buf = append(w.buf, b...)
	w.s.End += int64(len(b))
	if len(w.buf) >= writeBuffer {
		w.flush()
	}
}

func (w *Writer) flush() error {
	if w.err == nil && len(w.buf) > 0 {
		if _, w.err = w.o.File.WriteAt(w.buf, w.at); w.err == nil {
			w.at += int64(len(w.buf))
			w.buf = w.buf[:0]
		}
	}
	return w.err
}

// Append writes the next frame, as Encode made it, of raw bytes of the medium.
func (w *Writer) Append(frame []byte, raw int) error {
	if w.err != nil {
		return w.err
	}
	if want := min(int64(w.o.FrameSize), w.o.Media-w.s.Bytes); int64(raw) != want || len(frame) < 4 || len(frame) > maxInput {
		return fmt.Errorf("zseek: a frame of %d bytes, %d of the medium, where %d are next", len(frame), raw, want)
	}
	w.pending = append(w.pending, entry{stored: uint32(len(frame)), sum: binary.LittleEndian.Uint32(frame[len(frame)-4:])})
	w.put(frame)
	w.s.Frames++
	w.s.Bytes += int64(raw)
	if len(w.pending) == indexFrames {
		w.index()
	}
	return w.err
}

// index lists the frames since the last index.
func (w *Writer) index() {
	if len(w.pending) == 0 {
		return
	}
	at := w.s.End
	w.put(indexFrame(w.s.Index, w.s.Frames-int64(len(w.pending)), w.pending))
	w.s.Index, w.pending = at, w.pending[:0]
	w.indexes = append(w.indexes, at)
}

// Finish ends the image and brings it to the disk.
func (w *Writer) Finish(e End) error {
	if w.err != nil {
		return w.err
	}
	if w.s.Bytes != w.o.Media {
		return fmt.Errorf("zseek: %d of %d bytes were appended", w.s.Bytes, w.o.Media)
	}
	w.index()
	if n := len(e.Bad); n > maxRuns {
		e.Bad, e.NotBad = e.Bad[:maxRuns], e.NotBad+n-maxRuns
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	last := skippable(magicEnd, tagEnd, body)
	w.put(last)
	if err := w.table(last); err != nil {
		return err
	}
	if w.flush() == nil {
		w.err = w.o.File.Sync()
	}
	return w.Close()
}

// table writes the seek table out of the indexes.
func (w *Writer) table(last []byte) error {
	if err := w.flush(); err != nil {
		return err
	}
	n := 2 + w.s.Frames + int64(len(w.indexes))
	b := binary.LittleEndian.AppendUint32(nil, magicTable)
	w.put(binary.LittleEndian.AppendUint32(b, uint32(n*12+footerSize)))
	w.entry(entry{stored: uint32(w.s.Meta), sum: emptySum})
	left := w.o.Media
	for _, at := range w.indexes {
		ix, err := readIndex(w.o.File, at, w.s.End)
		if err != nil {
			w.err = err
			return err
		}
		for _, e := range ix.entries {
			e.raw = uint32(min(left, int64(w.o.FrameSize)))
			left -= int64(e.raw)
			w.entry(e)
		}
		w.entry(entry{stored: uint32(ix.size), sum: emptySum})
	}
	w.entry(entry{stored: uint32(len(last)), sum: emptySum})
	b = binary.LittleEndian.AppendUint32(nil, uint32(n))
	w.put(binary.LittleEndian.AppendUint32(append(b, checksums), magicSeekable))
	return w.err
}

func (w *Writer) entry(e entry) {
	var b [12]byte
	binary.LittleEndian.PutUint32(b[:], e.stored)
	binary.LittleEndian.PutUint32(b[4:], e.raw)
	binary.LittleEndian.PutUint32(b[8:], e.sum)
	w.put(b[:])
}

// Close lets the file go, without an end.
func (w *Writer) Close() error {
	if w.o.File != nil {
		if err := w.o.File.Close(); w.err == nil {
			w.err = err
		}
		w.o.File = nil
	}
	return w.err
}
