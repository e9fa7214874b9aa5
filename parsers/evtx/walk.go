package evtx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"

	"kanshiki/parsers/internal/cursor"
)

// Origin says where in the file a record was found.
type Origin uint8

const (
	// Live: in the unbroken chain from the start of a chunk to its end.
	Live Origin = iota
	// Resynced: inside the recorded end, found by signature after a break.
	Resynced
	// Beyond: right behind the recorded end, with the next identifier. The
	// chunk's header was not written after it.
	Beyond
	// Slack: behind the recorded end, from an earlier use of the chunk or of
	// the buffer that it was written from.
	Slack
)

func (o Origin) String() string {
	return [...]string{"live", "resynced", "beyond", "slack"}[o]
}

// Records yields every record in file order. An error may come alone or with a
// record: then the record's header could be read, and of its content what
// could be read. A record is valid until the next one is asked for.
func (f *File) Records() iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		f.counts, f.runs, f.chunks = Counts{}, runs{}, nil
		w := &walker{f: f, yield: yield, d: newDecoder(), buf: make([]byte, ChunkSize)}
		defer func() { f.counts.add(w.loose) }()
		for _, err := range f.notes {
			w.loose.Errors++
			if !yield(nil, err) {
				return
			}
		}
		for i := range f.NumChunks() {
			more := w.chunk(i)
			cs := &w.ci.Counts
			cs.Declared = cs.Live + cs.Damaged + cs.Resynced + cs.Lost
			f.chunks = append(f.chunks, w.ci)
			f.counts.add(w.ci.Counts)
			if !more {
				return
			}
		}
	}
}

// walker is the state of one pass over the file.
type walker struct {
	f     *File
	yield func(*Record, error) bool
	d     *decoder
	buf   []byte
	b     []byte // the bytes of the present chunk that are there
	ci    ChunkInfo
	loose Counts // errors outside of chunks
	rec   Record
	empty int // chunk places of zeros since the last used one
	in    int // live, damaged and resynced records inside the declared range
	live  liveIndex
}

func (w *walker) fail(e *Error) bool {
	w.ci.Counts.Errors++
	return w.yield(nil, e)
}

// chunk reads chunk place i and yields what is in it.
func (w *walker) chunk(i int) bool {
	f := w.f
	off := f.first + int64(i)*ChunkSize
	n := min(ChunkSize, f.size-off)
	w.ci = ChunkInfo{Index: i, Offset: off, Cut: n < ChunkSize}
	w.in = 0
	w.b = w.buf[:n]
	bad := readParts(f.r, w.b, off)
	for _, e := range bad {
		if !w.fail(e) {
			return false
		}
	}
	w.d.reset(w.b, off)
	switch {
	case len(bad) == 1 && bad[0].Len == n:
		w.ci.State = ChunkUnreadable
		return true
	case allZero(w.b):
		w.ci.State = ChunkEmpty
		w.empty++
		return true
	case w.empty > 0:
		// Chunks are used one after the other: zeros before a used one were a
		// chunk once.
		gone := int64(w.empty) * ChunkSize
		w.empty = 0
		if !w.fail(&Error{Off: off - gone, Len: gone, What: "nothing but zeros where a chunk was: chunks behind it are used"}) {
			return false
		}
	}
	switch {
	case !bytes.HasPrefix(w.b, chunkMagic):
		w.ci.State = ChunkUnknown
		if !w.fail(&Error{Off: off, Len: n, Origin: Resynced, What: "no chunk signature; searched for records"}) {
			return false
		}
		return w.search(8, 0, Resynced)
	}
	if err := w.ci.readHeader(w.b, f.Header.Flags&FlagNoCRC != 0); err != nil {
		return w.fail(&Error{Off: off, Len: n, What: "chunk header is cut", Err: err})
	}
	return w.checks() && w.chain() && w.reconcile()
}

// readParts fills b from off. Where the reader gives an error, the block is
// read again in steps of 4 KiB, so that one bad sector does not cost a chunk;
// what cannot be read is zero and told as one error for each range.
func readParts(r interface {
	ReadAt([]byte, int64) (int, error)
}, b []byte, off int64) []*Error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	var bad []*Error
	const step = 4096
	for at := n / step * step; at < len(b); at += step {
		part := b[at:min(at+step, len(b))]
		n, err2 := r.ReadAt(part, off+int64(at))
		if n == len(part) {
			continue
		}
		clear(part[n:])
		if err2 == nil {
			err2 = err
		}
		from, size := off+int64(at+n), int64(len(part)-n)
		if k := len(bad); k > 0 && bad[k-1].Off+bad[k-1].Len == from {
			bad[k-1].Len += size
			continue
		}
		bad = append(bad, &Error{Off: from, Len: size, Weight: Unread, What: "cannot be read", Err: err2})
	}
	return bad
}

// checks tells of a chunk that does not match its checksums or is cut. It is
// read all the same.
func (w *walker) checks() bool {
	ci := &w.ci
	if ci.HeaderCheck == Bad && !w.fail(&Error{Off: ci.Offset, Len: chunkHeaderSize, Weight: Doubt, What: "chunk header does not match its checksum"}) {
		return false
	}
	if ci.Cut {
		return w.fail(&Error{Off: ci.Offset + int64(len(w.b)), What: fmt.Sprintf("file ends after %d bytes of a chunk, whose records end at %d", len(w.b), ci.Free)})
	}
	if ci.DataSums == Bad {
		return w.fail(&Error{Off: ci.Offset + chunkHeaderSize, Len: int64(min(ci.Free, ChunkSize)) - chunkHeaderSize, Weight: Doubt, What: "records of the chunk do not match their checksum"})
	}
	return true
}

// frame is the outer form of a record.
type frame struct {
	size    int
	id      uint64
	written uint64
}

// at reads the frame at pos; why is empty for a record that is whole, and head
// is true when at least identifier and time could be read.
func at(b []byte, pos int) (r frame, head bool, why string) {
	if !bytes.HasPrefix(b[pos:], recordMagic) {
		return r, false, "no record signature"
	}
	c := cursor.New(b[pos:])
	c.Skip(4, "signature")
	size := c.U32("size")
	r.id, r.written = c.U64("identifier"), c.U64("written")
	if c.Err() != nil {
		return r, false, "record header is cut"
	}
	r.size = len(b) - pos
	switch {
	case size < minRecord || size > ChunkSize-chunkHeaderSize:
		return r, false, fmt.Sprintf("record size %d is impossible", size)
	case int(size) > len(b)-pos:
		return r, true, fmt.Sprintf("record of %d bytes is cut after %d", size, len(b)-pos)
	}
	r.size = int(size)
	if last := binary.LittleEndian.Uint32(b[pos+r.size-4:]); last != size {
		return r, true, fmt.Sprintf("record is torn: size %d in front, %d behind", size, last)
	}
	return r, true, ""
}

// chain walks the records of a chunk from its start to its recorded end, then
// what lies behind.
func (w *walker) chain() bool {
	end := int(w.ci.Free)
	if w.ci.Free < chunkHeaderSize || w.ci.Free > ChunkSize {
		if !w.fail(&Error{Off: w.ci.Offset + 48, Len: 4, What: fmt.Sprintf("recorded end %d lies outside of the chunk", w.ci.Free)}) {
			return false
		}
		end = len(w.b)
	}
	end = min(end, len(w.b))
	pos, last, any := chunkHeaderSize, uint64(0), false
	for pos < end {
		r, head, why := at(w.b, pos)
		if why != "" {
			return w.broken(pos, end, r, head, why)
		}
		if !w.emit(pos, r, Live, nil) {
			return false
		}
		pos, last, any = pos+r.size, r.id, true
	}
	for any && pos < len(w.b) {
		r, _, why := at(w.b, pos)
		if why != "" || r.id != last+1 {
			break
		}
		if !w.emit(pos, r, Beyond, nil) {
			return false
		}
		pos, last = pos+r.size, r.id
	}
	return w.search(pos, end, Slack)
}

// broken goes on after a place in the chain that is no whole record.
func (w *walker) broken(pos, end int, r frame, head bool, why string) bool {
	next := pos + 4
	for next < len(w.b) {
		i := bytes.Index(w.b[next:], recordMagic)
		if i < 0 {
			next = len(w.b)
			break
		}
		next += i
		if _, _, why := at(w.b, next); why == "" {
			break
		}
		next += 4
	}
	lost := min(next, end) - pos
	e := &Error{Off: w.ci.Offset + int64(pos), Len: int64(lost), What: why, Origin: Live}
	if head {
		r.size = min(r.size, len(w.b)-pos)
		if !w.emit(pos, r, Live, e) {
			return false
		}
	} else if !w.fail(e) {
		return false
	}
	return w.search(pos+4, end, Resynced)
}

// fragmentHeader begins the content of every record. Four bytes of signature
// are a weak witness for what is found outside of a chain.
var fragmentHeader = []byte{tokenFragment, 1, 1, 0}

// search finds records by signature from pos to the end of the chunk; what
// begins before the recorded end has the given origin, the rest is slack.
func (w *walker) search(pos, end int, origin Origin) bool {
	for pos < len(w.b) {
		i := bytes.Index(w.b[pos:], recordMagic)
		if i < 0 {
			return true
		}
		pos += i
		if pos >= end && w.ci.State == ChunkUsed {
			origin = Slack
		}
		r, _, why := at(w.b, pos)
		if why == "" && !bytes.HasPrefix(w.b[pos+recordHeaderSize:], fragmentHeader) {
			why = "no binary XML behind the record header"
		}
		if why != "" {
			if origin == Slack {
				w.ci.Counts.Remnants++
			}
			if !w.fail(&Error{Off: w.ci.Offset + int64(pos), What: "remnant of a record: " + why, Origin: origin, Weight: weight(origin)}) {
				return false
			}
			pos += 4
			continue
		}
		if !w.emit(pos, r, origin, nil) {
			return false
		}
		pos += r.size
	}
	return true
}

// emit decodes the record at pos and yields it. damage is what is wrong with
// its frame.
func (w *walker) emit(pos int, r frame, origin Origin, damage *Error) bool {
	rec := &w.rec
	rec.clear()
	rec.ID, rec.Written = r.id, r.written
	rec.Offset, rec.Length = w.ci.Offset+int64(pos), r.size
	rec.Chunk, rec.Origin = w.ci.Index, origin
	rec.d, rec.start, rec.end = w.d, pos+recordHeaderSize, pos+r.size-4
	if damage != nil {
		rec.end, rec.Torn = pos+r.size, true
	}
	var err error
	if e := w.d.record(rec); e != nil {
		err = &Error{Off: offsetOf(e, rec.Offset), Len: int64(r.size), What: fmt.Sprintf("record %d at %#x", r.id, rec.Offset), Origin: origin, Weight: weight(origin), Err: e}
	}
	if damage != nil {
		err = damage
	}
	cs := &w.ci.Counts
	switch {
	case origin == Beyond:
		cs.Beyond++
	case origin == Slack:
		cs.Slack++
	case damage != nil:
		cs.Damaged++
	case origin == Resynced:
		cs.Resynced++
		if r.id >= w.ci.FirstID && r.id <= w.ci.LastID {
			w.f.runs.add(r.id, r.written)
		}
	default:
		cs.Live++
		w.f.runs.add(r.id, r.written)
		w.live.note(w.ci.Index, r.id, r.written)
	}
	if origin <= Resynced && r.id >= w.ci.FirstID && r.id <= w.ci.LastID {
		w.in++
	}
	if origin != Live {
		if rec.Duplicate = w.live.has(w.f, w.ci.Index, r.id, r.written); rec.Duplicate {
			cs.Duplicates++
		}
	}
	if err != nil {
		cs.Errors++
	}
	return w.yield(rec, err)
}

// weight is that of an error in a record: slack holds nothing that the log
// still had.
func weight(o Origin) Weight {
	if o == Slack {
		return Note
	}
	return Loss
}

func offsetOf(err error, or int64) int64 {
	if e, ok := err.(interface{ Offset() int64 }); ok {
		return e.Offset()
	}
	return or
}

// reconcile compares what the chunk header declares with what was found.
func (w *walker) reconcile() bool {
	ci := &w.ci
	cs := &ci.Counts
	declared := ci.declared()
	found := cs.Live + cs.Damaged + cs.Resynced
	ci.Stale = found > 0 && w.in < found && cs.Live > 0 && !(w.live.firstOf(ci.Index) >= ci.FirstID && w.live.firstOf(ci.Index) <= ci.LastID)
	if !ci.Stale {
		cs.Lost = max(0, declared-w.in)
	}
	if cs.Lost == 0 {
		return true
	}
	return w.fail(&Error{Off: ci.Offset, Len: int64(len(w.b)), What: fmt.Sprintf("chunk declares records %d to %d, %d of them are not there", ci.FirstID, ci.LastID, cs.Lost)})
}
