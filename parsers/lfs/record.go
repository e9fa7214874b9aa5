package lfs

import (
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
)

// Record types.
const (
	ClientRecord  = 1
	ClientRestart = 2
)

// Record is one record of the log.
type Record struct {
	LSN, Previous, UndoNext uint64
	Type                    uint32 // 1: of the client; 2: the client's restart area
	Transaction             uint32
	ClientSeq, ClientIndex  uint16
	Flags                   uint16 // 1: goes on in the next page
	Off                     int64  // in the file
	Len                     int64  // of header and data, as it says itself
	Copy                    bool   // found in a copy of its page alone
	Needed                  bool   // at or behind the oldest LSN that recovery would read
	Data                    []byte // of the client; shorter than Len where a page is lost. Valid until the next step
	Op                      Operation
}

// Operation is what NTFS logs: how to do it again, and how to undo it.
type Operation struct {
	Redo, Undo      Op
	RedoData        []byte
	UndoData        []byte
	Target          uint16 // key of an attribute in the open attribute table; 0 for none
	RecordOffset    uint16
	AttrOffset      uint16
	ClusterBlock    uint16 // units of 512 bytes in the cluster
	VCN             uint64
	LCNs            []uint64
	Whole           bool // all of it was there
	lcnCount        int
	RedoOff, UndoAt uint16
}

// found is a place where a record begins.
type found struct {
	lsn    uint64
	off    int64 // in the file
	home   int64 // where its bytes belong
	page   int64 // that holds it
	n      int64
	multi  bool
	copied bool
}

// Records yields the records of the whole file by their LSN, those of pages
// that were written in an earlier round too. A record that goes on in a page
// that is lost is yielded with what there is, and a *Damage.
func (f *File) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for _, p := range f.pages {
			if p.Err != nil && !yield(Record{Off: p.Off}, p.Err) {
				return
			}
		}
		all := f.find()
		slices.SortFunc(all, func(a, b found) int {
			return cmp.Or(cmp.Compare(a.lsn, b.lsn), cmp.Compare(b2i(a.copied), b2i(b.copied)), cmp.Compare(a.off, b.off))
		})
		j := joiner{f: f, buf: make([]byte, f.page), next: make([]byte, f.page), at: -1}
		for i, x := range all {
			if i > 0 && all[i-1].lsn == x.lsn {
				continue // the same record in a copy of its page
			}
			r, err := j.record(x)
			if !yield(r, err) {
				return
			}
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// place is the byte of the file that an LSN stands for.
func (f *File) place(lsn uint64) int64 {
	return int64(lsn<<f.seqBits>>f.seqBits) << 3
}

// find looks through every record page at steps of eight bytes. An LSN says
// where it lies, so that what is no record shows itself.
func (f *File) find() []found {
	var out []found
	buf := make([]byte, f.page)
	for _, p := range f.pages {
		if p.Kind != RecordPage && p.Kind != CopyPage {
			continue
		}
		b, err := f.load(p.Off, buf)
		if err != nil {
			continue // listed already
		}
		for at := f.data; at+recordHead <= int64(len(b)); {
			h := b[at:]
			lsn := binary.LittleEndian.Uint64(h)
			n := int64(binary.LittleEndian.Uint32(h[24:]))
			kind := binary.LittleEndian.Uint32(h[32:])
			if lsn == 0 || f.place(lsn) != p.Home+at || n > maxData || n%8 != 0 || kind != ClientRecord && kind != ClientRestart {
				at += 8
				continue
			}
			multi := binary.LittleEndian.Uint16(h[40:])&1 != 0
			if !multi && at+recordHead+n > int64(len(b)) {
				at += 8
				continue
			}
			out = append(out, found{lsn: lsn, off: p.Off + at, home: p.Home + at, page: p.Off, n: recordHead + n, multi: multi, copied: p.Kind == CopyPage})
			at += recordHead + n
		}
	}
	return out
}

// joiner reads records that go over several pages.
type joiner struct {
	f    *File
	buf  []byte
	at   int64 // page in buf
	page []byte
	next []byte
	data []byte
}

func (j *joiner) record(x found) (Record, error) {
	if j.at != x.page {
		b, err := j.f.load(x.page, j.buf)
		if err != nil {
			return Record{LSN: x.lsn, Off: x.off}, err
		}
		j.page, j.at = b, x.page
	}
	h := j.page[x.off-x.page:]
	r := Record{LSN: x.lsn, Previous: binary.LittleEndian.Uint64(h[8:]), UndoNext: binary.LittleEndian.Uint64(h[16:]),
		ClientSeq: binary.LittleEndian.Uint16(h[28:]), ClientIndex: binary.LittleEndian.Uint16(h[30:]), Type: binary.LittleEndian.Uint32(h[32:]),
		Transaction: binary.LittleEndian.Uint32(h[36:]), Flags: binary.LittleEndian.Uint16(h[40:]), Off: x.off, Len: x.n, Copy: x.copied}
	if s := j.f.Restart; s != nil {
		r.Needed = x.lsn >= s.OldestLSN
	}
	var err error
	r.Data = h[recordHead:min(int64(len(h)), x.n)]
	if left := x.n - recordHead - int64(len(r.Data)); left > 0 {
		r.Data, err = j.join(r.Data, left, x)
	}
	if r.Type == ClientRecord {
		r.Op = parseOperation(r.Data)
		r.Op.Whole = r.Op.Whole && err == nil
	}
	return r, err
}

// join adds what lies in the pages behind. Behind the last page comes the first
// one of the log. A page is of this record where its LSN is not older.
func (j *joiner) join(first []byte, left int64, x found) ([]byte, error) {
	f := j.f
	j.data = append(j.data[:0], first...)
	start := int64(2+tailCopies) * f.page
	if f.twoPoint {
		start = int64(2+fastPages) * f.page
	}
	page := x.home &^ (f.page - 1)
	end := f.size
	if f.Restart != nil && f.Restart.FileSize < 1<<62 {
		end = max(end, int64(f.Restart.FileSize))
	}
	for left > 0 {
		if page += f.page; page+f.page > end {
			page = start
		}
		b, err := f.following(page, x.lsn, j.next)
		if err != nil {
			return j.data, &Damage{Off: page, What: "a record is cut", Err: err}
		}
		part := b[f.data:min(int64(len(b)), f.data+left)]
		j.data = append(j.data, part...)
		left -= int64(len(part))
	}
	return j.data, nil
}

// following reads the page in which a record goes on: in its own place, or in a
// copy where the log was not written further. One that is older than the record
// is another's.
func (f *File) following(home int64, lsn uint64, buf []byte) ([]byte, error) {
	if f.byHome == nil {
		f.byHome = map[int64][]int{}
		for i, p := range f.pages {
			if p.Kind == RecordPage || p.Kind == CopyPage {
				f.byHome[p.Home] = append(f.byHome[p.Home], i)
			}
		}
	}
	best := -1
	for _, i := range f.byHome[home] {
		p := &f.pages[i]
		if p.LastLSN < lsn && p.LastLSN != 0 { // 0 in all but the last page of one write
			continue
		}
		if best < 0 || p.Kind == RecordPage || f.pages[best].Kind == CopyPage && p.LastLSN > f.pages[best].LastLSN {
			best = i
		}
	}
	if best < 0 {
		return nil, &Damage{Off: home, What: "it goes on in this page, which is another's now or lost"}
	}
	return f.load(f.pages[best].Off, buf)
}

// parseOperation decodes what NTFS logged; what does not fit is left out, and
// Whole says so.
func parseOperation(d []byte) Operation {
	if len(d) < clientHead {
		return Operation{}
	}
	u16 := func(at int) uint16 { return binary.LittleEndian.Uint16(d[at:]) }
	o := Operation{Redo: Op(u16(0)), Undo: Op(u16(2)), RedoOff: u16(4), UndoAt: u16(8), Target: u16(12), lcnCount: int(u16(14)),
		RecordOffset: u16(16), AttrOffset: u16(18), ClusterBlock: u16(20),
		VCN: uint64(binary.LittleEndian.Uint32(d[24:])) | uint64(binary.LittleEndian.Uint32(d[28:]))<<32, Whole: true}
	part := func(off, n uint16) []byte {
		if n == 0 {
			return nil
		}
		if int(off)+int(n) > len(d) {
			o.Whole = false
			return d[min(int(off), len(d)):]
		}
		return d[off : int(off)+int(n) : int(off)+int(n)]
	}
	o.RedoData, o.UndoData = part(o.RedoOff, u16(6)), part(o.UndoAt, u16(10))
	for i := range o.lcnCount {
		at := clientHead + 8*i
		if at+8 > len(d) {
			o.Whole = false
			break
		}
		o.LCNs = append(o.LCNs, binary.LittleEndian.Uint64(d[at:]))
	}
	return o
}
