package pe

import (
	"bytes"
	stdpe "debug/pe"
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
)

// TestSecondReaders holds our reading against two others: the standard
// library's, and the library that reads resources for us. Where that library
// differs is written down, so that another version of it shows.
func TestSecondReaders(t *testing.T) {
	var differ []string
	gaveUp, std := 0, 0
	for _, want := range corpus.Truth(t, "pe") {
		b, err := os.ReadFile(corpus.Path(t, want["file"]))
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse(b, 0)
		if err != nil {
			continue
		}
		name := strings.TrimPrefix(want["file"], "pe/")
		if s, err := stdpe.NewFile(bytes.NewReader(b)); err == nil {
			std++
			compareStandard(t, name, f, s)
		}
		exports := 0
		if f.Export != nil {
			exports = len(f.Export.Symbols)
		}
		switch {
		case f.Second == nil:
			gaveUp++
		case f.Second.Sections != len(f.Sections) || f.Second.Imports != f.ImportCount() || f.Second.Exports != exports || f.Second.Imphash != f.Imphash():
			differ = append(differ, name)
		}
	}
	slices.Sort(differ)
	if !slices.Equal(differ, saferwallDiffers) {
		t.Errorf("saferwall/pe differs in %q", differ)
	}
	t.Logf("debug/pe opens %d; saferwall/pe gave up on %d, differs in %d", std, gaveUp, len(differ))
}

func compareStandard(t *testing.T, name string, f *File, s *stdpe.File) {
	t.Helper()
	if s.Machine != f.Machine || s.TimeDateStamp != f.Timestamp || len(s.Sections) != len(f.Sections) {
		t.Errorf("%s: debug/pe reads machine %#x, stamp %d, %d sections", name, s.Machine, s.TimeDateStamp, len(s.Sections))
		return
	}
	for i, x := range s.Sections {
		o := f.Sections[i]
		if x.VirtualAddress != o.VirtualAddress || x.VirtualSize != o.VirtualSize || x.Offset != o.RawOffset || x.Size != o.RawSize {
			t.Errorf("%s: section %d: debug/pe reads %+v, we %+v", name, i, x.SectionHeader, o)
		}
	}
}

// saferwallDiffers are odd files; for all of them TestCorpus has pefile's
// answer or the reason why ours differs from it.
var saferwallDiffers = strings.Fields(`
	corkami/dll-webdavld.exe
	corkami/dllemptyexp-ld.exe
	corkami/dllord.dll
	corkami/imports_badterm.exe
	corkami/imports_relocW7.exe
	corkami/maxsecXP.exe
	corkami/ownexportsdot.exe
	radare2-testbins/CoST.exe
	radare2-testbins/dotnet-fits
	radare2-testbins/dotnet-fuzz
	radare2-testbins/dotnet-header
	radare2-testbins/pe10
	radare2-testbins/pe12
	radare2-testbins/pe4
	radare2-testbins/peheap
	radare2-testbins/r2_hbo_payload_Pe64_r_bin_pe_get_exports.exe`)
