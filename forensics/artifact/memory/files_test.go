package memory

import (
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/parsers/crashdump"
)

func TestFiles(t *testing.T) {
	some := append([]byte("PAGEDU64"), make([]byte, 3*block)...)
	for _, c := range []struct {
		spec    artifact.Spec
		path    string
		data    []byte
		sig     string
		history coverage.History
	}{
		{Dump, "Windows/MEMORY.DMP", some, "kernel dump, 64 bit; 1 of 4 blocks of 4096 bytes", coverage.Recording},
		{Dump, "Windows/Minidump/1.dmp", []byte("PAGEDUMPx"), "kernel dump, 32 bit", coverage.Recording},
		{Dump, "ProgramData/Microsoft/Windows/WER/a/b.mdmp", []byte("MDMP\x93\xa7"), "minidump", coverage.Recording},
		{Hibernation, "hiberfil.sys", []byte("hibr"), "hibernation image, valid", coverage.Recording},
		{Hibernation, "hiberfil.sys", append([]byte("WAKE"), make([]byte, 100)...), "has resumed", coverage.Recording},
		{Hibernation, "hiberfil.sys", []byte("RSTR"), "resuming was begun", coverage.Recording},
		{Hibernation, "hiberfil.sys", []byte("link"), "points elsewhere", coverage.Recording},
		{Paging, "pagefile.sys", make([]byte, 2000*block), "begins with zeros; nothing but zeros in 256 blocks, a sample of 2000, of 4096 bytes: cleared", coverage.Cleared},
		{Swap, "swapfile.sys", []byte{1, 2, 3}, "begins with 01 02 03", coverage.Recording},
		{Swap, "swapfile.sys", nil, "no bytes; empty", coverage.Recording},
	} {
		artifacttest.Card(t, c.spec)
		r := artifacttest.Read(c.spec, artifacttest.Source{Path: c.path, Data: c.data})
		if r.Err != nil || len(r.Events) != 1 || len(r.Facts) != 1 || !r.Counts.Reconciles() {
			t.Errorf("%s: %+v", c.path, r)
			continue
		}
		artifacttest.Event(t, c.spec, &r.Events[0], int64(max(len(c.data), 1)))
		if f := r.Facts[0]; !strings.Contains(f.How, c.sig) || f.History != c.history || f.State != coverage.NotLooked || f.Verdict() != coverage.NotCovered {
			t.Errorf("%s: %+v", c.path, f)
		}
	}
}

// TestHeads: the time and what else the head of a dump says.
func TestHeads(t *testing.T) {
	const then = 0x1cc6a2b7c3f4d80
	kernel := make([]byte, crashdump.HeadSize)
	copy(kernel, "PAGEDU64")
	binary.LittleEndian.PutUint32(kernel[12:], 7601)
	binary.LittleEndian.PutUint32(kernel[0x38:], 0xd1)
	binary.LittleEndian.PutUint32(kernel[0xf98:], 2)
	binary.LittleEndian.PutUint64(kernel[0xfa8:], then)
	mini := make([]byte, 64)
	copy(mini, "MDMP\x93\xa7\xb1\x61\x09")
	binary.LittleEndian.PutUint32(mini[20:], 1441462855) // date -u -d @1441462855: 2015-09-05T14:20:55Z
	hiber := make([]byte, block)
	copy(hiber, "HIBR")
	binary.LittleEndian.PutUint32(hiber[12:], 0x3b0)
	binary.LittleEndian.PutUint64(hiber[0x20:], then)
	for _, c := range []struct {
		spec    artifact.Spec
		path    string
		data    []byte
		ticks   event.Ticks
		meaning string
		fields  string
	}{
		{Dump, "Windows/MEMORY.DMP", kernel, then, "dump written", `"dump_type":"kernel","bug_check":"0xd1","parameters":["0x0","0x0","0x0","0x0"],"build":7601`},
		{Dump, "Users/a/AppData/Local/CrashDumps/x.exe.12.dmp", mini, event.FromTime(time.Date(2015, 9, 5, 14, 20, 55, 0, time.UTC)), "dump written", `"streams":9`},
		{Hibernation, "hiberfil.sys", hiber, then, "memory written for hibernation", `"signature":"hibernation image, valid"`},
	} {
		r := artifacttest.Run(t, c.spec, artifacttest.Source{Path: c.path, Data: c.data})
		e := r.Events[0]
		if got := string(event.AppendFields(nil, e.Fields)); e.Ticks != c.ticks || e.Fact || e.Meaning != c.meaning || !strings.Contains(got, c.fields) {
			t.Errorf("%s: %d %s %s", c.path, e.Ticks, e.Meaning, got)
		}
		if f := r.Facts[0]; f.To != c.ticks || !strings.HasPrefix(f.How, "memory is not read yet; present, ") {
			t.Errorf("%s: %+v", c.path, f)
		}
	}
}

// TestUnreadable: blocks that cannot be read are no zeros.
func TestUnreadable(t *testing.T) {
	in := &artifact.Input{Size: 600 * block, R: torn{}}
	s, err := look(t.Context(), in)
	if err != nil || s.zeros() || s.failed == 0 || !strings.Contains(s.String(), "could not be read") {
		t.Errorf("%+v %v", s, err)
	}
}

// torn can be read at its beginning alone.
type torn struct{}

func (torn) ReadAt(p []byte, off int64) (int, error) {
	if off > 100*block {
		return 0, errors.New("bad block")
	}
	clear(p)
	return len(p), nil
}

// TestCorpus: a minidump that Windows wrote.
func TestCorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "crashdump") {
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		r := artifacttest.Run(t, Dump, artifacttest.Source{Path: "ProgramData/Microsoft/Windows/WER/ReportQueue/a/WER1090.tmp.mdmp", Data: b})
		unix, err := strconv.ParseInt(row["time"], 10, 64)
		if err != nil || r.Events[0].Ticks != event.FromTime(time.Unix(unix, 0)) || !strings.Contains(string(event.AppendFields(nil, r.Events[0].Fields)), `"streams":`+row["streams"]) {
			t.Errorf("%s: %+v", row["file"], r.Events)
		}
	}
}
