package lfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/internal/badblock"
)

const (
	pageSize = 4096
	madeLog  = 64 * pageSize
)

// want is what a record of the made log says.
type want struct {
	lsn        uint64
	kind       uint32
	redo, undo Op
	data       []byte
}

// madeLogFile writes a log of version 1.1 as NTFS does: two restart pages, then
// record pages from the fifth on, with records that go over pages.
func madeLogFile(records int) ([]byte, []want) {
	le := binary.LittleEndian
	rnd := rand.New(rand.NewPCG(1, 2))
	seqBits := 67 - bits.Len(madeLog)
	lsn := func(off int) uint64 { return 1<<(64-seqBits) | uint64(off)>>3 }
	b := bytes.Repeat([]byte{0xFF}, madeLog)
	var out []want
	page := 4
	at := 64
	var last uint64
	begin := func() {
		p := b[page*pageSize : (page+1)*pageSize]
		clear(p)
		copy(p, "RCRD")
		at = 64
	}
	begin()
	put := func(data []byte, h []byte) {
		for _, part := range [][]byte{h, data} {
			for len(part) > 0 {
				if at == pageSize {
					page++
					begin()
				}
				n := copy(b[page*pageSize+at:(page+1)*pageSize], part)
				part, at = part[n:], at+n
				le.PutUint64(b[page*pageSize+8:], last)
				le.PutUint64(b[page*pageSize+32:], last)
			}
		}
	}
	for i := range records {
		if pageSize-at < recordHead {
			page++
			begin()
		}
		w := want{lsn: lsn(page*pageSize + at), kind: ClientRecord, redo: Op(rnd.IntN(0x26)), undo: Op(rnd.IntN(0x26))}
		n := 40 + 8*rnd.IntN(100)
		w.data = make([]byte, n)
		if i == 0 {
			w.kind, w.redo, w.undo = ClientRestart, 0, 0
		} else {
			for k := range w.data {
				w.data[k] = byte(rnd.Uint32() | 1)
			}
			le.PutUint16(w.data, uint16(w.redo))
			le.PutUint16(w.data[2:], uint16(w.undo))
			clear(w.data[4:16])
		}
		h := make([]byte, recordHead)
		le.PutUint64(h, w.lsn)
		le.PutUint64(h[8:], last)
		le.PutUint32(h[24:], uint32(n))
		le.PutUint32(h[32:], w.kind)
		if at+recordHead+n > pageSize {
			h[40] = 1
		}
		last = w.lsn
		out = append(out, w)
		put(w.data, h)
	}
	r := make([]byte, pageSize)
	copy(r, "RSTR")
	le.PutUint32(r[16:], pageSize)
	le.PutUint32(r[20:], pageSize)
	le.PutUint16(r[24:], 48)
	le.PutUint16(r[26:], 1)
	le.PutUint16(r[28:], 1)
	a := r[48:]
	le.PutUint64(a, last)
	le.PutUint32(a[16:], uint32(seqBits))
	le.PutUint16(a[22:], 64)
	le.PutUint64(a[24:], madeLog)
	le.PutUint16(a[36:], recordHead)
	le.PutUint16(a[38:], 64)
	le.PutUint64(a[64:], out[len(out)/2].lsn)
	le.PutUint32(a[64+28:], 8)
	copy(a[64+32:], "N\x00T\x00F\x00S\x00")
	copy(b, protect(r, 30))
	copy(b[pageSize:], protect(r, 30))
	for p := 4; p <= page; p++ {
		copy(b[p*pageSize:], protect(b[p*pageSize:(p+1)*pageSize], 40))
	}
	return b, out
}

// protect puts an update sequence into a page.
func protect(page []byte, usa int) []byte {
	p := bytes.Clone(page)
	le := binary.LittleEndian
	le.PutUint16(p[4:], uint16(usa))
	le.PutUint16(p[6:], pageSize/stride+1)
	le.PutUint16(p[usa:], 7)
	for i := range pageSize / stride {
		end := (i+1)*stride - 2
		copy(p[usa+2*(i+1):], p[end:end+2])
		le.PutUint16(p[end:], 7)
	}
	return p
}

// got reads all records, and says what was told to be wrong.
func got(r io.ReaderAt, size int64) (out []Record, told int, places []int64) {
	f, err := Open(r, size)
	if err != nil {
		return nil, 1, nil
	}
	for _, d := range f.Damage {
		told++
		places = append(places, d.Off)
	}
	for r, err := range f.Records() {
		if err != nil {
			told++
			var d *Damage
			for e := err; errors.As(e, &d); e = d.Err {
				places = append(places, d.Off)
				if d.Err == nil {
					break
				}
			}
		}
		if r.LSN != 0 {
			r.Data = bytes.Clone(r.Data)
			out = append(out, r)
		}
	}
	return out, told, places
}

func TestMade(t *testing.T) {
	b, all := madeLogFile(300)
	recs, told, _ := got(bytes.NewReader(b), madeLog)
	if told != 0 || len(recs) != len(all) {
		t.Fatalf("%d of %d records, %d things told", len(recs), len(all), told)
	}
	multi := 0
	for i, w := range all {
		r := recs[i]
		if r.LSN != w.lsn || r.Type != w.kind || !bytes.Equal(r.Data, w.data) || w.kind == ClientRecord && (r.Op.Redo != w.redo || r.Op.Undo != w.undo) {
			t.Errorf("record %d: %+v, want %+v", i, r, w)
		}
		if r.Needed != (i >= len(all)/2) {
			t.Errorf("record %d: needed %v", i, r.Needed)
		}
		multi += int(r.Flags & 1)
	}
	if multi == 0 {
		t.Error("no record goes over pages")
	}
	f, _ := Open(bytes.NewReader(b), madeLog)
	if f.Restart == nil || f.Restart.Client != "NTFS" || f.Restart.Major != 1 || len(f.Restarts) != 2 {
		t.Errorf("%+v", f.Restart)
	}
	accounted(t, f, madeLog)
}

// accounted proves that every byte of the file belongs to one page.
func accounted(t *testing.T, f *File, size int64) {
	t.Helper()
	var sum int64
	for _, p := range f.Pages() {
		if p.Off != sum {
			t.Errorf("page at %#x, want %#x", p.Off, sum)
		}
		sum += p.Len
	}
	if sum != size {
		t.Errorf("pages of %d bytes, the file has %d", sum, size)
	}
}

// The logs of the corpus. dfir_ntfs (ec3ae08) decodes as many records as stands
// beside each, all of them equal to ours by LSN, operations and bytes but for two:
// it reads past the end of a cut file (LogFile_7, LSN 8410095) and takes another
// page's bytes for the rest of one (LSN 1057786 of plaso's test_ntfs). Ours are
// more where older pages hold more.
func TestCorpus(t *testing.T) {
	for _, c := range []struct {
		file    string
		records int
		theirs  int
		major   int16
		told    int // upstream cut these files behind the pages in use
	}{
		{"images/ntfs-parts/dfir_ntfs/LogFile_7.bin", 779, 778, 1, 1},
		{"images/ntfs-parts/dfir_ntfs/LogFile_10.bin", 535, 280, 2, 1},
		{"images/ntfs-parts/dfir_ntfs/LogFile_10_downgraded.bin", 283, 271, 1, 1},
	} {
		b, err := os.ReadFile(corpus.Path(t, c.file))
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		accounted(t, f, int64(len(b)))
		recs, told, _ := got(bytes.NewReader(b), int64(len(b)))
		if len(recs) != c.records || c.records < c.theirs || told != c.told || f.Restart.Major != c.major {
			t.Errorf("%s: %d records, %d told, version %d", c.file, len(recs), told, f.Restart.Major)
		}
		for i := 1; i < len(recs); i++ {
			if recs[i].LSN <= recs[i-1].LSN {
				t.Errorf("%s: LSN %d after %d", c.file, recs[i].LSN, recs[i-1].LSN)
			}
		}
	}
	b, err := os.ReadFile(corpus.Path(t, "images/ntfs-parts/dfir_ntfs/LogFile_empty.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if f, err := Open(bytes.NewReader(b), int64(len(b))); err != nil || !f.Empty {
		t.Errorf("empty: %v, %+v", err, f)
	}
}

// A page alone, with no restart page, still gives its records.
func TestPageAlone(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "images/ntfs-parts/ntfs-forensic/real_logfile_rcrd_page.bin"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil || f.Restart != nil || len(f.Pages()) == 0 || f.Pages()[0].Kind != RecordPage {
		t.Errorf("%v, %+v", err, f)
	}
}

// The page of a DAX volume has a checksum where others have fixups (dfir_ntfs,
// test_logfile_rcrd_dax; upstream cut the zeros behind it).
func TestChecksumPage(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "images/ntfs-parts/dfir_ntfs/rcrd_dax.bin"))
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, make([]byte, pageSize-len(b))...)
	f, err := Open(bytes.NewReader(b), pageSize)
	if err != nil || len(f.Pages()) != 1 || f.Pages()[0].Kind != RecordPage || f.Pages()[0].Torn != 0 || f.Pages()[0].LastLSN != 0x204408 {
		t.Errorf("%v, %+v", err, f)
	}
}

func TestTruncationLaw(t *testing.T) {
	b, all := madeLogFile(300)
	rnd := rand.New(rand.NewPCG(3, 4))
	cuts := []int{0, 511, pageSize - 1, pageSize, 4 * pageSize, 4*pageSize + 64}
	for range 100 {
		cuts = append(cuts, rnd.IntN(40*pageSize))
	}
	for _, cut := range cuts {
		recs, told, _ := got(bytes.NewReader(b[:cut]), int64(cut))
		if len(recs) < len(all) && told == 0 {
			t.Errorf("cut at %d: %d of %d records, in silence", cut, len(recs), len(all))
		}
	}
}

func TestBadBlockLaw(t *testing.T) {
	b, all := madeLogFile(300)
	for p := range 44 {
		off := int64(p * pageSize)
		recs, told, places := got(badblock.Reader{ReaderAt: bytes.NewReader(b), Off: off, Len: pageSize}, madeLog)
		inside := false
		for _, x := range places {
			inside = inside || x >= off && x < off+pageSize
		}
		whole := 0
		for _, r := range recs {
			if int64(len(r.Data))+recordHead == r.Len {
				whole++
			}
		}
		if whole < len(all) && (told == 0 || !inside) {
			t.Errorf("page %d: %d of %d records whole, %d told at %v", p, whole, len(all), told, places)
		}
	}
}

// A torn sector is told, and the records of the page stay.
func TestTorn(t *testing.T) {
	b, all := madeLogFile(300)
	b[6*pageSize+stride-1] ^= 0x55
	recs, told, places := got(bytes.NewReader(b), madeLog)
	if len(recs) != len(all) || told != 1 || places[0] != 6*pageSize {
		t.Errorf("%d of %d records, %d told at %v", len(recs), len(all), told, places)
	}
}

// TestBuilt reads the log that build-ntfs-volume --logfile wrote, extracted with
// ks-walk cat or icat: KANSHIKI_LOGFILE names it, with .log.tsv beside it.
func TestBuilt(t *testing.T) {
	name := os.Getenv("KANSHIKI_LOGFILE")
	if name == "" {
		t.Skip("no log: KANSHIKI_LOGFILE names one")
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	truth, err := os.ReadFile(name + ".log.tsv")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	recs, told, _ := got(bytes.NewReader(b), int64(len(b)))
	for _, r := range recs {
		if r.Type == ClientRestart {
			have[fmt.Sprintf("%d\trestart", r.LSN)] = true
			continue
		}
		n, _ := r.Op.Entry(4096, 1024)
		what := fmt.Sprintf("redo %02x undo %02x record %d", uint16(r.Op.Redo), uint16(r.Op.Undo), n)
		if r.Op.Redo == 0x1B { // has no record; the builder counts one all the same
			what = fmt.Sprintf("redo %02x undo %02x record %d", uint16(r.Op.Redo), uint16(r.Op.Undo), (r.Op.VCN*4096+uint64(r.Op.ClusterBlock)*512)/1024)
		}
		have[fmt.Sprintf("%d\t%s", r.LSN, what)] = true
	}
	lines := strings.Split(strings.TrimSpace(string(truth)), "\n")[1:]
	missing := 0
	for _, l := range lines {
		if !have[l] {
			missing++
		}
	}
	t.Logf("%d records, %d missing, %d told", len(lines), missing, told)
	if missing > 0 || told > 0 || len(recs) != len(lines) {
		t.Errorf("%d of %d records missing, %d told", missing, len(lines), told)
	}
}

func FuzzOpen(f *testing.F) {
	b, _ := madeLogFile(40)
	f.Add(b[:8*pageSize])
	f.Add([]byte("RSTR"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		l, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		res := NewResolver()
		for r := range l.Records() {
			res.Add(&r)
			r.Op.Entry(4096, 1024)
		}
	})
}

func BenchmarkRecords(b *testing.B) {
	log, _ := madeLogFile(400)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(bytes.NewReader(log), int64(len(log)))
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range f.Records() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
