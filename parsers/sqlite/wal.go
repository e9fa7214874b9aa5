package sqlite

import (
	"encoding/binary"
	"io"

	"kanshiki/parsers/internal/cursor"
)

// WAL is a write-ahead log: pages that were committed and not yet written to
// the database. Source: sqlite.org/fileformat2.html section 4.
type WAL struct {
	PageSize    int
	Checkpoint  uint32
	Committed   int // frames up to the last commit: these make the view
	Uncommitted int // sound frames after it: of a transaction that did not end
	Stale       int // frames of an earlier generation after those, not applied

	r     io.ReaderAt
	pages map[uint32]int64 // the last committed copy of a page: offset of its bytes
	count uint32           // pages of the database after the last commit
}

const (
	walHeader   = 32
	frameHeader = 24
)

// ReadWAL reads a log's frames. A log of no bytes, or one whose header is
// zero, holds nothing: that is no error.
func ReadWAL(r io.ReaderAt, size int64) (*WAL, error) {
	w := &WAL{r: r, pages: map[uint32]int64{}}
	head := make([]byte, walHeader)
	if size == 0 {
		return w, nil
	}
	if n, err := r.ReadAt(head, 0); n < walHeader {
		return nil, cursor.Errorf(0, "header of the log: %d of %d bytes: %v", n, walHeader, err)
	}
	magic := binary.BigEndian.Uint32(head)
	if magic == 0 {
		return w, nil
	}
	if magic&^1 != 0x377f0682 {
		return nil, cursor.Errorf(0, "magic of the log %#x", magic)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if magic&1 == 1 {
		order = binary.BigEndian
	}
	w.PageSize, w.Checkpoint = int(binary.BigEndian.Uint32(head[8:])), binary.BigEndian.Uint32(head[12:])
	if w.PageSize < 512 || w.PageSize > 65536 || w.PageSize&(w.PageSize-1) != 0 {
		return nil, cursor.Errorf(8, "page size of the log %d", w.PageSize)
	}
	s1, s2 := walSum(head[:24], order, 0, 0)
	if s1 != binary.BigEndian.Uint32(head[24:]) || s2 != binary.BigEndian.Uint32(head[28:]) {
		return nil, cursor.Errorf(24, "checksum of the log's header")
	}
	return w, w.frames(head[16:24], order, s1, s2, size)
}

// frames reads them in order. The first one whose checksum fails ends the log
// as SQLite sees it; whole frames after it are counted as stale.
func (w *WAL) frames(salt []byte, order binary.ByteOrder, s1, s2 uint32, size int64) error {
	frame := make([]byte, frameHeader+w.PageSize)
	open := map[uint32]int64{} // since the last commit
	off := int64(walHeader)
	for ; off+int64(len(frame)) <= size; off += int64(len(frame)) {
		if n, err := w.r.ReadAt(frame, off); n < len(frame) {
			return &Error{Off: off, InWAL: true, What: "frame: " + err.Error(), Err: err}
		}
		s1, s2 = walSum(frame[:8], order, s1, s2)
		s1, s2 = walSum(frame[frameHeader:], order, s1, s2)
		if string(frame[8:16]) != string(salt) || s1 != binary.BigEndian.Uint32(frame[16:]) || s2 != binary.BigEndian.Uint32(frame[20:]) {
			break
		}
		page, commit := binary.BigEndian.Uint32(frame), binary.BigEndian.Uint32(frame[4:])
		open[page] = off + frameHeader
		w.Uncommitted++
		if commit == 0 {
			continue
		}
		for n, at := range open {
			w.pages[n] = at
		}
		clear(open)
		w.Committed, w.Uncommitted, w.count = w.Committed+w.Uncommitted, 0, commit
	}
	w.Stale = int((size - off) / int64(len(frame)))
	return nil
}

// walSum is the checksum of the log: over pairs of 32-bit words.
func walSum(b []byte, order binary.ByteOrder, s1, s2 uint32) (uint32, uint32) {
	for ; len(b) >= 8; b = b[8:] {
		s1 += order.Uint32(b) + s2
		s2 += order.Uint32(b[4:]) + s1
	}
	return s1, s2
}
