package memory

import (
	"strings"
	"testing"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/coverage"
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
		{Dump, "Windows/MEMORY.DMP", some, "kernel dump, 64 bit; 1 of 4", coverage.Recording},
		{Dump, "Windows/Minidump/1.dmp", []byte("PAGEDUMPx"), "kernel dump, 32 bit", coverage.Recording},
		{Dump, "ProgramData/Microsoft/Windows/WER/a/b.mdmp", []byte("MDMP\x93\xa7"), "minidump", coverage.Recording},
		{Hibernation, "hiberfil.sys", []byte("hibr"), "hibernation image, valid", coverage.Recording},
		{Hibernation, "hiberfil.sys", append([]byte("WAKE"), make([]byte, 100)...), "has resumed", coverage.Recording},
		{Hibernation, "hiberfil.sys", []byte("RSTR"), "resuming was begun", coverage.Recording},
		{Hibernation, "hiberfil.sys", []byte("link"), "points elsewhere", coverage.Recording},
		{Paging, "pagefile.sys", make([]byte, 2000*block), zeros, coverage.Cleared},
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
