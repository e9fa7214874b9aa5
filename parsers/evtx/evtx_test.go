package evtx

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sample reads a file of testdata.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSamples has the counts of libevtx 20181227 (live, recovered).
func TestSamples(t *testing.T) {
	for _, c := range []struct {
		name            string
		live, recovered int
		damaged, lost   int
	}{
		{"security", 7, 8, 0, 0},
		{"torn", 16, 15, 1, 3}, // 20 declared; record 17 ends in a page that was not written
		{"application-no-crc", 17, 34, 0, 0},
		{"new-user", 4, 2, 0, 0},
		{"powershell", 16, 0, 0, 0},
		{"capi2", 1, 1, 0, 0},
	} {
		f := open(t, sample(t, c.name+".evtx"))
		theirs := splitEvents(sample(t, c.name+".xml"))
		if len(theirs) != c.live {
			t.Errorf("%s: %d events in the stored answer", c.name, len(theirs))
		}
		n, errs := 0, 0
		for r, err := range f.Records() {
			if err != nil {
				errs++
			}
			if r == nil || r.Origin != Live || r.Torn {
				continue
			}
			ours, xerr := r.AppendXML(nil)
			if err != nil || xerr != nil {
				t.Errorf("%s: %v: %v, %v", c.name, r, err, xerr)
			} else if d := compare(ours, theirs[n]); d != "" {
				t.Errorf("%s: %v: %s", c.name, r, d)
			}
			n++
		}
		got := f.Counts()
		if got.Live != c.live || got.Recovered() != c.recovered || got.Damaged != c.damaged || got.Lost != c.lost {
			t.Errorf("%s: %+v", c.name, got)
		}
		if got.Errors != errs || got.Declared != got.Live+got.Damaged+got.Resynced+got.Lost {
			t.Errorf("%s: %d errors, counts %+v", c.name, errs, got)
		}
	}
}

// TestFields: the first two records of the security sample, by evtxexport.
func TestFields(t *testing.T) {
	f := open(t, sample(t, "security.evtx"))
	for r, err := range f.Records() {
		if err != nil {
			t.Fatal(err)
		}
		s := r.System
		if r.ID != 1 || s.RecordID != 319457771 || s.EventID != 5152 || s.Task != 12809 || s.Keywords != 0x8010000000000000 ||
			s.Provider != "Microsoft-Windows-Security-Auditing" || s.ProviderGUID.String() != "{54849625-5478-4994-a5ba-3e3b0328c30d}" ||
			s.ProcessID != 4 || s.ThreadID != 80 || s.Channel != "Security" || s.Computer != "temporal" || s.Level != 0 {
			t.Errorf("%+v", s)
		}
		if got := string(AppendFileTime(nil, s.Created)); got != "2016-06-29T15:24:34.3460000Z" {
			t.Errorf("created %s", got)
		}
		if s.Has&(HasLevel|HasVersion) != HasLevel|HasVersion || s.Has&(HasUser|HasActivityID|HasQualifiers) != 0 {
			t.Errorf("present fields %#x", s.Has)
		}
		var got []string
		for _, p := range r.Data {
			got = append(got, p.Name+"="+p.Value.String())
		}
		want := "ProcessId=0 Application=- Direction=%%14592 SourceAddress=23.94.153.202 SourcePort=59639 DestAddress=169.46.6.101 DestPort=3389 Protocol=6 FilterRTID=67607 LayerName=%%14597 LayerRTID=13"
		if s := strings.Join(got, " "); s != want {
			t.Errorf("data %s", s)
		}
		if r.Container != "EventData" || r.Text("DestPort") != "3389" {
			t.Errorf("container %s", r.Container)
		}
		return
	}
}

// TestRecoveredWithoutTemplate: a record of slack whose template was
// overwritten still tells what it was, when and its values.
func TestRecoveredWithoutTemplate(t *testing.T) {
	f := open(t, sample(t, "capi2.evtx"))
	for r, err := range f.Records() {
		if r == nil || r.Origin != Slack {
			continue
		}
		if err == nil || !r.Nameless || len(r.Data) == 0 {
			t.Errorf("%v: %v, nameless %v, %d values", r, err, r.Nameless, len(r.Data))
		}
		if r.System.Created == 0 || r.System.EventID == 0 || r.System.RecordID != r.ID {
			t.Errorf("%+v", r.System)
		}
		return
	}
	t.Error("no record in slack")
}

func drain(t testing.TB, b []byte) (live, errs int) {
	f, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return 0, 1
	}
	for r, err := range f.Records() {
		if err != nil {
			errs++
		} else if r.Origin <= Resynced {
			live++
		}
	}
	c := f.Counts()
	if c.Errors != errs || c.Declared != c.Live+c.Damaged+c.Resynced+c.Lost {
		t.Errorf("%d errors, counts %+v", errs, c)
	}
	return live, errs
}

// TestTruncation: for a prefix of a file, nothing is lost or something is
// said.
func TestTruncation(t *testing.T) {
	for _, name := range []string{"powershell", "security"} {
		whole := sample(t, name+".evtx")
		want, usual := drain(t, whole)
		cuts := []int{0, 1, 7, 8, 127, 128, 4095, 4096, 4097, 4103, 4104, 4096 + 127, 4096 + 511, 4096 + 512, 4096 + 513, len(whole) - 1}
		for r, err := range open(t, whole).Records() {
			if err == nil {
				end := int(r.Offset) + r.Length
				cuts = append(cuts, int(r.Offset), int(r.Offset)+1, int(r.Offset)+23, int(r.Offset)+24, end-1, end, end+1)
			}
		}
		rng := rand.New(rand.NewPCG(1, 2))
		for range 500 {
			cuts = append(cuts, rng.IntN(len(whole)))
		}
		for _, cut := range cuts {
			if n, errs := drain(t, whole[:cut]); n < want && errs == 0 {
				t.Errorf("%s cut at %d: %d of %d records (%d errors in the whole), loss is silent", name, cut, n, want, usual)
			}
		}
	}
}

// holey cannot read one range.
type holey struct {
	*bytes.Reader
	from, to int64
}

var errBad = errors.New("bad sector")

func (h holey) ReadAt(p []byte, off int64) (int, error) {
	if end := off + int64(len(p)); off < h.to && end > h.from {
		n := max(0, h.from-off)
		h.Reader.ReadAt(p[:n], off)
		return int(n), errBad
	}
	return h.Reader.ReadAt(p, off)
}

// TestBadBlock: a block that cannot be read gives an error that lies in it,
// and what stands around it still comes.
func TestBadBlock(t *testing.T) {
	whole := sample(t, "application-no-crc.evtx")
	for from := int64(0); from < int64(len(whole)); from += 4096 {
		f, err := NewReader(holey{bytes.NewReader(whole), from, from + 512}, int64(len(whole)))
		if err != nil {
			t.Errorf("bad block at %d: %v", from, err)
			continue
		}
		in, n := false, 0
		for r, err := range f.Records() {
			if r != nil {
				n++
			}
			var e *Error
			if errors.As(err, &e) && e.Off >= from && e.Off < from+512 && errors.Is(err, errBad) {
				in = true
			}
		}
		if !in || n < 35 {
			t.Errorf("bad block at %d: error there %v, %d records", from, in, n)
		}
	}
}

// TestDamage: a record whose frame is broken costs itself and no other.
func TestDamage(t *testing.T) {
	whole := sample(t, "powershell.evtx")
	var offs []int
	for r := range open(t, whole).Records() {
		offs = append(offs, int(r.Offset))
	}
	for _, c := range []struct {
		name  string
		off   int // inside of the record
		bytes string
		rec   bool // the record itself still comes, with its error
	}{
		{"signature", 0, "XX", false},
		{"size 0", 4, "\x00\x00\x00\x00", false},
		{"size too large", 4, "\xff\xff\x00\x00", false},
		{"size wrong", 4, "\x40\x00\x00\x00", true},
		{"token", 24, "\x55", true},
	} {
		b := bytes.Clone(whole)
		copy(b[offs[5]+c.off:], c.bytes)
		f := open(t, b)
		var ids []uint64
		same := false
		for r, err := range f.Records() {
			if err == nil {
				ids = append(ids, r.ID)
			} else if r != nil && r.ID == 6 {
				same = true
			}
		}
		if len(ids) != 15 || same != c.rec {
			t.Errorf("%s: records %d, the damaged one %v", c.name, ids, same)
		}
		if got := f.Counts(); got.Declared != 16 || got.Live+got.Resynced < 15 {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestZeroedChunk: zeros between used chunks are a loss, zeros behind the last
// one are room.
func TestZeroedChunk(t *testing.T) {
	one := sample(t, "powershell.evtx")
	three := bytes.Clone(one)
	for range 2 {
		three = append(three, one[HeaderSize:]...)
	}
	clear(three[HeaderSize+ChunkSize : HeaderSize+2*ChunkSize])
	for _, c := range []struct {
		b    []byte
		errs int
	}{{three, 1}, {three[:HeaderSize+2*ChunkSize], 0}} {
		if _, errs := drain(t, c.b); errs != c.errs {
			t.Errorf("%d bytes: %d errors, want %d", len(c.b), errs, c.errs)
		}
	}
}

func TestNoEventLog(t *testing.T) {
	for _, b := range [][]byte{nil, []byte("ElfFil"), make([]byte, 4096), []byte(strings.Repeat("text ", 2000))} {
		if _, err := NewReader(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrFormat) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

func TestRanges(t *testing.T) {
	var r runs
	for _, id := range []uint64{7, 8, 9, 1, 2, 5, 6} {
		r.add(id, id*10)
	}
	got := r.sorted()
	want := []Range{{1, 2, 10, 20}, {5, 9, 50, 90}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v", got)
	}
}

func FuzzRecords(f *testing.F) {
	for _, name := range []string{"security", "torn", "application-no-crc", "new-user", "powershell", "capi2"} {
		b := sample(f, name+".evtx")
		f.Add(b[:min(len(b), HeaderSize+16384)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		errs := 0
		for r, err := range file.Records() {
			if err != nil {
				errs++
			}
			if r == nil {
				continue
			}
			if r.Offset < 0 || r.Offset+int64(r.Length) > int64(len(b)) {
				t.Fatalf("record at %d, %d bytes, in a file of %d", r.Offset, r.Length, len(b))
			}
			for _, p := range r.Data {
				p.Value.Append(nil)
			}
			r.AppendXML(nil)
		}
		if c := file.Counts(); c.Errors != errs || c.Declared != c.Live+c.Damaged+c.Resynced+c.Lost {
			t.Errorf("%d errors, counts %+v", errs, c)
		}
	})
}

func BenchmarkRecords(b *testing.B) {
	data := sample(b, "application-no-crc.evtx")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		f := open(b, data)
		n = 0
		for r := range f.Records() {
			if r != nil {
				n++
			}
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
