package appcompat

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/internal/utf16"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func drain(data []byte) (out []Entry, errs int) {
	c, err := Parse(data)
	if err != nil {
		return nil, 1
	}
	for e, err := range c.Entries() {
		if err != nil {
			errs++
			continue
		}
		out = append(out, e)
	}
	return out, errs
}

// Counts are stated by upstream's tests; paths and times are read from the
// bytes by hand.
func TestLayouts(t *testing.T) {
	for _, c := range []struct {
		name    string
		layout  Layout
		wide    bool
		entries int
		errs    int
		first   Entry
	}{
		{"WinXPx86.bin", XP, false, 17, 0, Entry{Path: `\??\C:\WINDOWS\system32\oobe\msoobe.exe`, Modified: 0x01c89e2710a1a000, Size: 0x7200, Updated: 0x01d14e31e44af81c}},
		{"win7x64.bin", Windows7, true, 304, 0, Entry{Path: "", Modified: 0x01cf6f90e174d8d4, InsertFlags: 7, ShimFlags: 0x100}},
		{"Win80.bin", Windows8, false, 104, 0, Entry{Path: `SYSVOL\Windows\System32\LogonUI.exe`, InsertFlags: 0x43, ShimFlags: 0x1000000}},
		{"win8shim.raw", Windows8, false, 3, 0, Entry{Path: `SYSVOL\Program Files\Windows Defender\MpCmdRun.exe`, Modified: 0x01d74bb9454bdd7f, InsertFlags: 0x430000}},
		{"win81shim.raw", Windows81, false, 3, 0, Entry{Path: `SYSVOL\Program Files\Windows Defender\MpCmdRun.exe`, Modified: 0x01d74bb9454bdd7f, InsertFlags: 0x43, ShimFlags: 0x1000000}},
		{"Win10_first_64k.bin", Windows10, false, -1, 1, Entry{Path: `C:\WINDOWS\System32\vds.exe`, Modified: 0x01d05e3419469dec}},
	} {
		data := read(t, "testdata/"+c.name)
		ca, err := Parse(data)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, errs := drain(data)
		if ca.Layout != c.layout || ca.Wide != c.wide || c.entries >= 0 && len(got) != c.entries || errs != c.errs {
			t.Errorf("%s: layout %v, wide %v, %d entries, %d errors", c.name, ca.Layout, ca.Wide, len(got), errs)
			continue
		}
		f := got[0]
		if c.first.Path != "" && f.Path != c.first.Path || c.first.Modified != 0 && f.Modified != c.first.Modified ||
			f.Size != c.first.Size || f.Updated != c.first.Updated || f.InsertFlags != c.first.InsertFlags || c.first.ShimFlags != 0 && f.ShimFlags != c.first.ShimFlags {
			t.Errorf("%s: first entry %+v, want %+v", c.name, f, c.first)
		}
		for _, e := range got {
			if e.Path == "" || strings.ContainsRune(e.Path, 0) {
				t.Errorf("%s: entry %d has the path %q", c.name, e.Position, e.Path)
			}
		}
	}
}

func TestRecencyOfXP(t *testing.T) {
	got, _ := drain(read(t, "testdata/WinXPx86.bin"))
	// The list at offset 16 begins with 3, 9, 16.
	if got[3].Recency != 0 || got[9].Recency != 1 || got[16].Recency != 2 {
		t.Errorf("ranks %d, %d, %d", got[3].Recency, got[9].Recency, got[16].Recency)
	}
}

func TestCorpus(t *testing.T) {
	stated := map[string]int{"Win10.bin": 350, "Win80.bin": 104, "WinXPx86.bin": 17, "win7x64.bin": 304, "win81shim.raw": 3, "win8shim.raw": 3}
	for _, row := range corpus.Truth(t, "shimcache") {
		data := read(t, corpus.Path(t, "artifacts/"+row["file"]))
		got, errs := drain(data)
		name := row["file"][strings.LastIndex(row["file"], "/")+1:]
		if want, ok := stated[name]; ok && (len(got) != want || errs != 0) || !ok && (len(got) < 10 || errs != 1) {
			t.Errorf("%s: %d entries, %d errors, stated %d", name, len(got), errs, want)
		}
	}
}

// make2003 writes a cache of 2003 or Vista, of which no sample is at hand.
func make2003(wide bool, last [2]uint32, paths ...string) []byte {
	le := binary.LittleEndian
	size := 24
	if wide {
		size = 32
	}
	out := make([]byte, 8+size*len(paths))
	le.PutUint32(out, 0xBADC0FFE)
	le.PutUint32(out[4:], uint32(len(paths)))
	for i, p := range paths {
		e, text := 8+i*size, utf16.Units(p)
		le.PutUint16(out[e:], uint16(len(text)))
		le.PutUint16(out[e+2:], uint16(len(text)+2))
		at := uint32(len(out))
		if wide {
			le.PutUint32(out[e+8:], at)
			e += 4
		} else {
			le.PutUint32(out[e+4:], at)
			e -= 4
		}
		le.PutUint64(out[e+12:], 128000000000000000+uint64(i))
		le.PutUint32(out[e+20:], last[0])
		le.PutUint32(out[e+24:], last[1])
		out = append(out, text...)
		out = append(out, 0, 0)
	}
	return out
}

func TestServer2003AndVista(t *testing.T) {
	paths := []string{`\??\C:\WINDOWS\system32\a.exe`, `\??\C:\b.exe`}
	for _, wide := range []bool{false, true} {
		for _, vista := range []bool{false, true} {
			last := [2]uint32{0x12345, 0}
			if vista {
				last = [2]uint32{2, 1}
			}
			got, errs := drain(make2003(wide, last, paths...))
			if len(got) != 2 || errs != 0 {
				t.Errorf("wide %v, Vista %v: %d entries, %d errors", wide, vista, len(got), errs)
				continue
			}
			for i, e := range got {
				if e.Path != paths[i] || e.Modified != 128000000000000000+uint64(i) || e.HasSize == vista || e.HasFlags != vista ||
					!vista && e.Size != 0x12345 || vista && (e.InsertFlags != 2 || e.ShimFlags != 1) {
					t.Errorf("wide %v, Vista %v: %+v", wide, vista, e)
				}
			}
		}
	}
}

// One damaged entry does not end a chain.
func TestDamagedEntry(t *testing.T) {
	data := slices.Clone(read(t, "testdata/Win80.bin"))
	all, _ := drain(data)
	data[all[5].Offset] ^= 0xFF
	got, errs := drain(data)
	if len(got) != len(all)-1 || errs != 1 || got[5].Path != all[6].Path {
		t.Errorf("%d of %d entries, %d errors", len(got), len(all), errs)
	}
}

func TestTruncation(t *testing.T) {
	for _, name := range []string{"WinXPx86.bin", "win7x64.bin", "Win80.bin", "win81shim.raw", "Win10_first_64k.bin"} {
		whole := read(t, "testdata/"+name)
		want, before := drain(whole)
		step := 1
		if len(whole) > 4096 {
			step = len(whole)/200 + 1
		}
		for cut := 0; cut < len(whole); cut += step {
			got, errs := drain(whole[:cut])
			if atBorder(want, cut) { // a chain has no count: the border of an entry looks like its end
				continue
			}
			if len(got) < len(want) && errs <= before-1 || len(got) < len(want) && before == 0 && errs == 0 {
				t.Errorf("%s cut at %d: %d of %d entries, loss is silent", name, cut, len(got), len(want))
			}
		}
	}
}

func atBorder(entries []Entry, cut int) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool { return e.Offset == int64(cut) })
}

func TestRecent(t *testing.T) {
	data := read(t, "testdata/RecentFileCache.bcf")
	want := []string{
		`c:\windows\system32\werfault.exe`, `c:\program files\jetico\bcwipe\bcwipesvc.exe`,
		`c:\program files\jetico\bcwipe\bcwipetm.exe`, `c:\windows\system32\icacls.exe`,
		`c:\windows\system32\systempropertiesprotection.exe`, `c:\windows\bcuninstall.exe`,
	}
	paths := func(data []byte) (out []string, borders []int64, errs int) {
		f, err := ParseRecent(data)
		if err != nil {
			return nil, nil, 1
		}
		for e, err := range f.Entries() {
			if err != nil {
				errs++
				continue
			}
			out, borders = append(out, e.Path), append(borders, e.Offset)
		}
		return
	}
	got, borders, errs := paths(data)
	if !slices.Equal(got, want) || errs != 0 {
		t.Errorf("%q, %d errors", got, errs)
	}
	for cut := range data {
		if got, _, errs := paths(data[:cut]); len(got) < len(want) && errs == 0 && !slices.Contains(borders, int64(cut)) {
			t.Errorf("cut at %d: %d of %d paths, loss is silent", cut, len(got), len(want))
		}
	}
}

func FuzzShimCache(f *testing.F) {
	for _, name := range []string{"WinXPx86.bin", "win7x64.bin", "Win80.bin", "win8shim.raw", "win81shim.raw"} {
		data := read(f, "testdata/"+name)
		f.Add(data[:min(len(data), 4096)])
	}
	f.Add(make2003(true, [2]uint32{1, 0}, "a", "b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, _ := drain(data); len(got) > maxEntries {
			t.Errorf("%d entries", len(got))
		}
	})
}

func FuzzRecent(f *testing.F) {
	f.Add(read(f, "testdata/RecentFileCache.bcf"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := ParseRecent(data); err == nil {
			for range c.Entries() {
			}
		}
	})
}

func BenchmarkShimCache(b *testing.B) {
	for _, name := range []string{"win7x64.bin", "Win80.bin"} {
		b.Run(name, func(b *testing.B) {
			data := read(b, "testdata/"+name)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				drain(data)
			}
		})
	}
}
