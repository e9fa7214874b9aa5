package pe

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := Parse(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// what one sees of a file when counting.
func counts(f *File) string {
	exports := 0
	if f.Export != nil {
		exports = len(f.Export.Symbols)
	}
	return fmt.Sprintf("%d sections, %d imports, %d exports, %d resources, %d version strings, %d certificates, %d debug",
		len(f.Sections), f.ImportCount(), exports, len(f.Resources), len(f.Version), len(f.Certificates), len(f.Debug))
}

// The answers are pefile's and osslsigncode's, as in testdata/ORIGIN.md.
func TestSamples(t *testing.T) {
	for name, want := range samples {
		b := sample(t, name)
		f := parse(t, b)
		got := row(f, b)
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s: %s: %q, want %q", name, k, got[k], v)
			}
		}
		for _, d := range f.Damage {
			t.Errorf("%s: %v", name, d)
		}
	}
}

var samples = map[string]map[string]string{
	"fwd64.dll": {
		"machine":             "0x8664",
		"nsections":           "11",
		"sections":            ".text:1000:13a8:400:1400 .data:3000:70:1800:200 .rdata:4000:500:1a00:600 .pdata:5000:1c8:2000:200 .xdata:6000:130:2200:200 .bss:7000:110:0:0 .edata:8000:df:2400:200 .idata:9000:368:2600:400 .CRT:a000:58:2a00:200 .tls:b000:10:2c00:200 .reloc:c000:60:2e00:200",
		"import_dlls":         "2",
		"imports":             "22",
		"imphash":             "df00652ad3e78ba777ba702462655cf8",
		"exports":             "4",
		"export_forwarders":   "3",
		"export_name":         "fwd.dll",
		"tls_callbacks":       "2",
		"rich_entries":        "",
		"rich_hash":           "",
		"pdb":                 "",
		"resources":           "0",
		"overlay_offset":      "",
		"cert_offset":         "",
		"cert_size":           "",
		"dotnet":              "",
		"OriginalFilename":    "",
		"FileVersion":         "",
		"checksum_calc":       "0x00012b55",
		"authentihash_sha256": "845a32474cb306a499aa6672bccafb674331875dd50cc48ae4d9c4ca45ab077b",
	},
	"32-pegoat-authenticode-nested.exe": {
		"machine":             "0x014c",
		"nsections":           "5",
		"sections":            ".text:1000:116d:400:1200 .rdata:3000:e3c:1600:1000 .data:4000:384:2600:200 .rsrc:5000:1e0:2800:200 .reloc:6000:1b0:2a00:200",
		"import_dlls":         "8",
		"imports":             "54",
		"imphash":             "c80d79f371b9516a3378ccca5ff5b16c",
		"exports":             "",
		"export_forwarders":   "",
		"export_name":         "",
		"tls_callbacks":       "",
		"rich_entries":        "10",
		"rich_hash":           "b50815bb0e97d2ebf677cc69b2f53e51",
		"pdb":                 "",
		"resources":           "1",
		"overlay_offset":      "11264",
		"cert_offset":         "11264",
		"cert_size":           "2872",
		"dotnet":              "",
		"OriginalFilename":    "",
		"FileVersion":         "",
		"checksum_calc":       "0x0000538d",
		"authentihash_sha256": "f10c2600304ec64414a97e10cb19dd4c755f9e7079f85feb38ee7ff9f938db99",
	},
	"64-pegoat-authenticode.exe": {
		"machine":             "0x8664",
		"nsections":           "6",
		"sections":            ".text:1000:e51:400:1000 .rdata:2000:114a:1400:1200 .data:4000:c8:2600:200 .pdata:5000:168:2800:200 .rsrc:6000:1e0:2a00:200 .reloc:7000:24:2c00:200",
		"import_dlls":         "9",
		"imports":             "52",
		"imphash":             "71ba318b8de34c07bc591e890e7573b2",
		"exports":             "",
		"export_forwarders":   "",
		"export_name":         "",
		"tls_callbacks":       "",
		"rich_entries":        "10",
		"rich_hash":           "1f04514f7a4f9bd7a9a1c338ffad9c6a",
		"pdb":                 "",
		"resources":           "1",
		"overlay_offset":      "11776",
		"cert_offset":         "11776",
		"cert_size":           "1432",
		"dotnet":              "",
		"OriginalFilename":    "",
		"FileVersion":         "",
		"checksum_calc":       "0x0000c214",
		"authentihash_sha256": "5c823491c5991914aec971d9456d93d6cf2b8ee7e0ed7abc0b77031d8ec073c0",
	},
	"hello.x86.exe": {
		"machine":             "0x014c",
		"nsections":           "3",
		"sections":            ".text:2000:334:200:400 .rsrc:4000:4e0:600:600 .reloc:6000:c:c00:200",
		"import_dlls":         "1",
		"imports":             "1",
		"imphash":             "f34d5f2d4577ed6d9ceec516c1f5a744",
		"exports":             "",
		"export_forwarders":   "",
		"export_name":         "",
		"tls_callbacks":       "",
		"rich_entries":        "",
		"rich_hash":           "",
		"pdb":                 "",
		"resources":           "2",
		"overlay_offset":      "",
		"cert_offset":         "",
		"cert_size":           "",
		"dotnet":              "yes",
		"OriginalFilename":    "hello.x86.exe",
		"FileVersion":         "0.0.0.0",
		"checksum_calc":       "0x00001ec0",
		"authentihash_sha256": "5a7c2da7e9f9f487ff5e22613931eae245bcee3c18c4ea471e8de6f4e3ffabaa",
	},
}

// TestTruncation is the truncation law: what a cut takes away is told.
func TestTruncation(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name := range samples {
		whole := sample(t, name)
		want := counts(parse(t, whole))
		cuts := []int{0, 1, 63, 64, 65}
		f := parse(t, whole)
		for _, s := range f.Sections {
			for d := -1; d <= 1; d++ {
				cuts = append(cuts, int(s.RawOffset)+d, int(s.RawOffset+s.RawSize)+d)
			}
		}
		for range 500 {
			cuts = append(cuts, r.IntN(len(whole)))
		}
		for _, n := range cuts {
			if n < 0 || n >= len(whole) {
				continue
			}
			f, err := Parse(whole[:n], 0)
			switch {
			case err != nil && !errors.Is(err, ErrNotPE):
				t.Errorf("%s cut at %d: %v", name, n, err)
			case err == nil && counts(f) != want && len(f.Damage) == 0:
				t.Errorf("%s cut at %d: %s of %s, loss is silent", name, n, counts(f), want)
			}
		}
	}
}

func TestNotPE(t *testing.T) {
	for _, b := range [][]byte{nil, []byte("MZ"), bytes.Repeat([]byte{0}, 100), append([]byte("MZ"), make([]byte, 200)...)} {
		var where interface{ Offset() int64 }
		if _, err := Parse(b, 0); !errors.Is(err, ErrNotPE) || !errors.As(err, &where) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

// TestDebugSize is the size below which the library would allocate gigabytes.
func TestDebugSize(t *testing.T) {
	b := sample(t, "64-pegoat-authenticode.exe")
	f := parse(t, b)
	if len(f.Debug) == 0 {
		t.Fatal("no debug entry")
	}
	off, _ := f.Offset(f.Directories[dirDebug].Address)
	for size := range byte(30) {
		b[off+16], b[off+17], b[off+18], b[off+19] = size, 0, 0, 0
		parse(t, b)
	}
}

// TestImageHashPads: an unsigned file gives, filled up, the digest it has when
// a tool has signed it.
func TestImageHash(t *testing.T) {
	b := sample(t, "64-pegoat-authenticode.exe")
	f := parse(t, b)
	h := sha1.New()
	if err := f.ImageHash(bytes.NewReader(b), h, true); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != "2559e91a60953a5e16f9650f5f88953a2cca5425" { // osslsigncode
		t.Error(got)
	}
	odd := append(sample(t, "fwd64.dll"), 1, 2, 3)
	plain, padded, by := sha256.New(), sha256.New(), sha256.New()
	o := parse(t, odd)
	_ = o.ImageHash(bytes.NewReader(odd), plain, false)
	_ = o.ImageHash(bytes.NewReader(odd), padded, true)
	full := append(odd, 0, 0, 0, 0, 0)
	_ = parse(t, full).ImageHash(bytes.NewReader(full), by, false)
	if !bytes.Equal(padded.Sum(nil), by.Sum(nil)) || bytes.Equal(plain.Sum(nil), padded.Sum(nil)) {
		t.Error("filled up is not filled up")
	}
}

func TestPrefixOfALargeFile(t *testing.T) {
	b := sample(t, "32-pegoat-authenticode-nested.exe")
	f, err := Parse(b[:4096], int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if f.Overlay() < 0 || len(f.Sections) == 0 {
		t.Errorf("overlay %d, %s", f.Overlay(), counts(f))
	}
}

func TestEntropy(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, c := range []struct {
		b    []byte
		want float64
	}{{nil, 0}, {make([]byte, 9), 0}, {[]byte{1, 2}, 1}, {all, 8}} {
		if got := Entropy(c.b); got != c.want {
			t.Errorf("%d bytes: %v, want %v", len(c.b), got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for name := range samples {
		f.Add(sample(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b, 0)
		if err != nil {
			return
		}
		_, _ = p.Imphash(), p.Overlay()
		_ = p.ImageHash(bytes.NewReader(b), sha256.New(), true)
		_, _ = p.ComputeChecksum(bytes.NewReader(b))
	})
}

func BenchmarkParse(b *testing.B) {
	data := sample(b, "fwd64.dll")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data, 0); err != nil {
			b.Fatal(err)
		}
	}
}
