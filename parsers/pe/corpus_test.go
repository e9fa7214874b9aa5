package pe

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
)

// row prints a file as the truth table does.
func row(f *File, b []byte) map[string]string {
	num := func(n int, zero bool) string {
		if n == 0 && !zero {
			return ""
		}
		return strconv.Itoa(n)
	}
	r := map[string]string{
		"machine":          fmt.Sprintf("0x%04x", f.Machine),
		"magic":            fmt.Sprintf("0x%x", f.Magic),
		"characteristics":  fmt.Sprintf("0x%04x", f.Characteristics),
		"timestamp":        strconv.FormatUint(uint64(f.Timestamp), 10),
		"subsystem":        strconv.Itoa(int(f.Subsystem)),
		"dllchar":          fmt.Sprintf("0x%04x", f.DLLFlags),
		"entry":            fmt.Sprintf("0x%x", f.EntryPoint),
		"imagebase":        fmt.Sprintf("0x%x", f.ImageBase),
		"linker":           fmt.Sprintf("%d.%d", f.Linker[0], f.Linker[1]),
		"checksum":         fmt.Sprintf("0x%08x", f.Checksum),
		"nsections_header": strconv.Itoa(f.DeclaredSections),
		"nsections":        strconv.Itoa(len(f.Sections)),
		"sections":         sections(f),
		"import_dlls":      strconv.Itoa(len(f.Imports)),
		"imports":          strconv.Itoa(f.ImportCount()),
		"delay_dlls":       strconv.Itoa(len(f.DelayImports)),
		"imphash":          f.Imphash(),
		"debug_entries":    strconv.Itoa(len(f.Debug)),
		"resources":        strconv.Itoa(len(f.Resources)),
		"OriginalFilename": f.VersionText("OriginalFilename"),
		"FileVersion":      f.VersionText("FileVersion"),
	}
	sum, _ := f.ComputeChecksum(bytes.NewReader(b))
	r["checksum_calc"] = fmt.Sprintf("0x%08x", sum)
	if f.Export != nil {
		r["exports"], r["export_forwarders"], r["export_name"] = num(len(f.Export.Symbols), true), num(f.Export.Forwarders(), true), latin1(f.Export.Name)
	}
	if f.TLS != nil {
		r["tls"], r["tls_callbacks"] = "yes", num(len(f.TLS.Callbacks), true)
	}
	if f.Rich != nil {
		r["rich_entries"], r["rich_hash"] = num(len(f.Rich.Entries), true), f.Rich.Hash
	}
	for _, p := range f.PDBs() {
		r["pdb"] = p.Path
		break
	}
	if at := f.Overlay(); at >= 0 {
		r["overlay_offset"] = strconv.FormatInt(at, 10)
	}
	if off, size, _ := f.CertificateTable(); size > 0 {
		r["cert_offset"], r["cert_size"] = strconv.FormatInt(off, 10), strconv.FormatInt(size, 10)
	}
	if f.CLR != nil {
		r["dotnet"] = "yes"
	}
	h1, h2 := sha1.New(), sha256.New()
	_ = f.ImageHash(bytes.NewReader(b), h1, false)
	_ = f.ImageHash(bytes.NewReader(b), h2, false)
	r["authentihash_sha1"], r["authentihash_sha256"] = fmt.Sprintf("%x", h1.Sum(nil)), fmt.Sprintf("%x", h2.Sum(nil))
	return r
}

func sections(f *File) string {
	s := slices.Clone(f.Sections)
	slices.SortStableFunc(s, func(a, b Section) int { return int(int64(a.VirtualAddress) - int64(b.VirtualAddress)) })
	if len(s) > 40 {
		return "(more than 40)"
	}
	var out []string
	for _, s := range s {
		out = append(out, fmt.Sprintf("%s:%x:%x:%x:%x", hexed(s.Name), s.VirtualAddress, s.VirtualSize, s.RawOffset, s.RawSize))
	}
	return strings.Join(out, " ")
}

// latin1 and hexed print odd bytes as the truth table does: names of libraries
// as Latin-1 with controls as \\u00XX, names of sections with \\xNN.
func latin1(s string) string {
	var out strings.Builder
	for _, b := range []byte(s) {
		if b < ' ' || b >= 0x7f && b < 0xa0 {
			fmt.Fprintf(&out, "\\u%04x", b)
		} else {
			out.WriteRune(rune(b))
		}
	}
	return out.String()
}

func hexed(s string) string {
	var out strings.Builder
	for _, b := range []byte(s) {
		if b < ' ' || b >= 0x7f {
			fmt.Fprintf(&out, "\\x%02x", b)
		} else {
			out.WriteByte(b)
		}
	}
	return out.String()
}

// TestCorpus compares every program of the corpus with pefile's answers. Where
// the two differ the reason is written down, and a reason that is not needed
// is an error too.
func TestCorpus(t *testing.T) {
	files, values, excused := 0, 0, map[string]int{}
	for _, want := range corpus.Truth(t, "pe") {
		b, err := os.ReadFile(corpus.Path(t, want["file"]))
		if err != nil {
			t.Fatal(err)
		}
		files++
		f, err := Parse(b, 0)
		if want["pefile"] != "ok" {
			if !errors.Is(err, ErrNotPE) {
				t.Errorf("%s: %v, where pefile says %s", want["file"], err, want["pefile"])
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", want["file"], err)
			continue
		}
		got := row(f, b)
		for _, k := range columns {
			values++
			if got[k] == want[k] {
				continue
			}
			if reason(want["file"], k) == "" {
				t.Errorf("%s: %s: %.300q, want %.300q", want["file"], k, got[k], want[k])
			}
			excused[want["file"]+" "+k]++
		}
	}
	for _, d := range differences {
		for _, k := range strings.Fields(d.columns) {
			if excused[d.file+" "+k] == 0 {
				t.Errorf("%s: %s agrees, the reason given is stale", d.file, k)
			}
		}
	}
	t.Logf("%d files, %d values, %d differ with a reason", files, values, len(excused))
}

func reason(file, column string) string {
	for _, d := range differences {
		if d.file == file && slices.Contains(strings.Fields(d.columns), column) {
			return d.why
		}
	}
	return ""
}

const (
	stopsEarly = "pefile ends the table at the first header of zeros or with three oddities, and all that follows from its sections; " +
		"the file header's number is what the table holds, and each entry stands in the file"
	writesBack = "pefile writes its structures back over the bytes before it sums them, and the overlapping or cut ones change; " +
		"where a checksum is stored (WdBoot.sys, acpi.sys: signed drivers) it is ours, and osslsigncode computes ours for r2_df_Pe32"
	emptyDLL  = "a library of which no name is imported is loaded all the same; pefile drops it"
	cutHeader = "pefile cannot hash a file that ends in its optional header; the sum of what is there is still one"
)

// differences to pefile 2023.2.7, and which is right by which bytes.
var differences = []struct{ file, columns, why string }{
	{"pe/corkami/65535sects.exe", "nsections", "pefile reads 2,048 sections at most; Windows 7 and later run the file with all 65,535"},
	{"pe/corkami/d_resource.dll", "nsections sections", stopsEarly},
	{"pe/corkami/maxsecXP.exe", "nsections sections", stopsEarly},
	{"pe/radare2-testbins/dotnet-fits", "nsections sections", stopsEarly},
	{"pe/radare2-testbins/dotnet-header", "nsections sections", stopsEarly},
	{"pe/radare2-testbins/dotnet-fuzz", "nsections sections overlay_offset", stopsEarly},
	{"pe/radare2-testbins/pe4", "nsections sections overlay_offset", stopsEarly},
	{"pe/radare2-testbins/peheap", "nsections sections", stopsEarly},
	{"pe/radare2-testbins/r2_hbo_payload_Pe64_r_bin_pe_get_exports.exe", "nsections sections", stopsEarly},
	{"pe/saferwall/WdBoot.sys", "checksum_calc", writesBack},
	{"pe/saferwall/acpi.sys", "checksum_calc", writesBack},
	{"pe/corkami/delayfake.exe", "checksum_calc", writesBack},
	{"pe/corkami/tinyXP.exe", "checksum_calc", writesBack},
	{"pe/corkami/tinydllXP.dll", "checksum_calc", writesBack},
	{"pe/corkami/tinydrivXP.sys", "checksum_calc", writesBack},
	{"pe/corkami/tinyXP.exe", "authentihash_sha1 authentihash_sha256", cutHeader},
	{"pe/corkami/tinydllXP.dll", "authentihash_sha1 authentihash_sha256", cutHeader},
	{"pe/corkami/tinydrivXP.sys", "authentihash_sha1 authentihash_sha256", cutHeader},
	{"pe/corkami/dllemptyexp-ld.exe", "import_dlls", emptyDLL},
	{"pe/corkami/lfanew_relocW7.exe", "import_dlls", emptyDLL},
	{"pe/corkami/dllord.dll", "exports export_forwarders", "exported by number only, no name table: pefile gives up; at 0x2d8 stands ordinal 788 (314h), by which dllord-ld.exe imports it. " +
		"The number of functions is 0xffffffff, so the words up to the end of the section count too"},
	{"pe/corkami/imports_badterm.exe", "import_dlls imports imphash", "the third descriptor has no name, which ends the table for the loader; pefile reads on and counts the library twice"},
	{"pe/corkami/ownexportsdot.exe", "imphash", "the library's name is \"ownexportsdot.exe.  ... \", which Windows accepts; pefile puts *invalid* for it"},
	{"pe/radare2-testbins/r2_df_Pe32_r_bin_pe_free", "checksum_calc", writesBack},
	{"pe/radare2-testbins/r2_df_Pe32_r_bin_pe_free", "overlay_offset authentihash_sha1 authentihash_sha256", writesBack + "; asked first, pefile gives our overlay too"},
}

var columns = strings.Fields(`machine magic characteristics timestamp subsystem dllchar entry imagebase linker checksum
	checksum_calc nsections_header nsections sections import_dlls imports delay_dlls imphash exports export_forwarders
	export_name tls tls_callbacks rich_entries rich_hash debug_entries pdb resources OriginalFilename FileVersion
	overlay_offset cert_offset cert_size dotnet authentihash_sha1 authentihash_sha256`)
