package main

import (
	"archive/zip"
	"bytes"
	"compress/bzip2"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"kanshiki/cmd/internal/cli"
	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/filesystem"
)

const testdata = "../../parsers/ntfs/testdata/"

// smallImage is the volume of parsers/ntfs/testdata as a file.
func smallImage(t *testing.T) string {
	t.Helper()
	f, err := os.Open(testdata + "small.img.bz2")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(bzip2.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "small.img")
	if err := os.WriteFile(name, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func walk(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var o, e bytes.Buffer
	code = cli.Start(name, run, args, &o, &e)
	return code, o.String(), e.String()
}

// listed is a row of ks-walk list --format jsonl.
type listed struct {
	Volume   int
	Entry    uint64
	Sequence uint16
	Kind     string
	State    string
	Path     string
	UTF16    string `json:"path_utf16"`
	Proof    string `json:"path_proof"`
	Stream   string
	Size     int64
	Created  string `json:"si_created"`
	Modified string `json:"si_modified"`
	SHA256   string
	Problems []string
	Recovery string
	Stream16 string `json:"stream_utf16"`
}

func list(t *testing.T, args ...string) []listed {
	t.Helper()
	code, out, errs := walk(t, append([]string{"list", "--format", "jsonl"}, args...)...)
	if code != cli.Done && code != cli.Gaps {
		t.Fatalf("exit %d: %s", code, errs)
	}
	return rows(t, out)
}

func rows(t *testing.T, out string) []listed {
	t.Helper()
	var rows []listed
	for _, line := range strings.Split(strings.TrimRight(out, "\n"), "\n") {
		var r listed
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %.300s", err, line)
		}
		rows = append(rows, r)
	}
	return rows
}

// truth is parsers/ntfs/testdata/small.tsv.
func truth(t *testing.T) []map[string]string {
	t.Helper()
	b, err := os.ReadFile(testdata + "small.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	var out []map[string]string
	for _, line := range lines[1:] {
		m := map[string]string{}
		for i, v := range strings.Split(line, "\t") {
			m[strings.Split(lines[0], "\t")[i]] = v
		}
		out = append(out, m)
	}
	return out
}

// exact is the path in UTF-8, whether it is shown escaped or not.
func (r listed) exact() string {
	if r.UTF16 == "" {
		return r.Path
	}
	b, _ := hex.DecodeString(r.UTF16)
	var u []rune
	for i := 0; i+1 < len(b); i += 2 {
		c := rune(binary.LittleEndian.Uint16(b[i:]))
		if c >= 0xD800 && c < 0xDC00 && i+3 < len(b) {
			c = (c-0xD800)<<10 | rune(binary.LittleEndian.Uint16(b[i+2:])) - 0xDC00 + 0x10000
			i += 2
		}
		u = append(u, c)
	}
	return string(u)
}

func TestList(t *testing.T) {
	got := map[string]listed{}
	for _, r := range list(t, "--hash", "sha256", smallImage(t)) {
		got[r.State+" "+r.exact()+":"+r.Stream+" "+strconv.FormatInt(r.Size, 10)+" "+r.SHA256] = r
	}
	for _, w := range truth(t) {
		key := w["state"] + " " + w["path"] + ":" + w["stream"] + " " + w["size"] + " " + w["sha256"]
		if _, ok := got[key]; !ok {
			t.Errorf("no row %s", key)
		}
		if r := got[key]; w["path"] == "plain.txt" && r.Modified != "2011-08-24T00:31:07.1840000Z" {
			t.Errorf("%+v", r)
		}
	}
}

func TestListPatterns(t *testing.T) {
	img := smallImage(t)
	for pattern, want := range map[string]string{
		"*.TXT":               "resident.txt plain.txt empty.txt notes.txt Case.txt case.txt linked.txt keeper.txt first.txt",
		"folder/sub folder":   "Folder/Sub Folder Folder/Sub Folder/inside.txt",
		"gone":                "gone gone/deep gone/deep/left.txt gone/small.txt",
		"**:ads":              "notes.txt:ads",
		"nothing/of/the/kind": "",
	} {
		var got []string
		if code, out, errs := walk(t, "list", "--format", "jsonl", img, pattern); code != 0 {
			t.Errorf("exit %d: %s", code, errs)
		} else if out != "" {
			for _, r := range rows(t, out) {
				s := r.exact()
				if r.Stream != "" {
					s += ":" + r.Stream
				}
				if r.Stream == "ads" && !strings.Contains(pattern, ":") {
					continue
				}
				got = append(got, s)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q", pattern, got)
		}
	}
}

// CSV and JSON say the same, and CSV has as many cells as columns.
func TestListCSV(t *testing.T) {
	img := smallImage(t)
	for _, command := range []string{"list", "deleted", "usn"} {
		_, out, _ := walk(t, command, "--format", "csv", "--zone", "Asia/Tokyo", img)
		cells, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		_, js, _ := walk(t, command, "--format", "jsonl", "--zone", "Asia/Tokyo", img)
		lines := strings.Split(strings.TrimRight(js, "\n"), "\n")
		if len(cells) != len(lines)+1 {
			t.Fatalf("%s: %d rows of CSV, %d of JSON", command, len(cells)-1, len(lines))
		}
		for i, line := range lines {
			var m map[string]any
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatal(err)
			}
			for k, col := range cells[0] {
				cell := cells[i+1][k]
				switch v := m[col].(type) {
				case string:
					if cell != v && cell != "'"+v {
						t.Errorf("%s: %q in CSV, %q in JSON", col, cell, v)
					}
				case float64:
					if cell != strconv.FormatInt(int64(v), 10) {
						t.Errorf("%s: %q in CSV, %v in JSON", col, cell, v)
					}
				}
			}
		}
	}
}

// The output does not depend on the number of cores.
func TestListOrder(t *testing.T) {
	img := smallImage(t)
	one := runtime.GOMAXPROCS(1)
	_, a, _ := walk(t, "list", "--hash", "sha256", img)
	runtime.GOMAXPROCS(4)
	_, b, _ := walk(t, "list", "--hash", "sha256", img)
	runtime.GOMAXPROCS(one)
	if a != b {
		t.Error("one core and four give different rows")
	}
}

func TestCat(t *testing.T) {
	img := smallImage(t)
	for _, w := range truth(t) {
		path := w["path"]
		if w["stream"] != "" {
			path += ":" + w["stream"] + ":$DATA"
		}
		code, out, errs := walk(t, "cat", img, path)
		if sum := sha256.Sum256([]byte(out)); code != 0 || errs != "" || hex.EncodeToString(sum[:]) != w["sha256"] {
			t.Errorf("%s: exit %d, %d bytes, %s", path, code, len(out), errs)
		}
	}
	code, out, errs := walk(t, "cat", img, "first.txt")
	if code != cli.Gaps || strings.Trim(out, "\x00") != "" || !strings.Contains(errs, "deleted, overwritten: 0x0 to") {
		t.Errorf("exit %d, %d bytes, %s", code, len(out), errs)
	}
}

// A cut image: what is behind the cut is zero, told, and exit 3.
func TestCatUnreadable(t *testing.T) {
	img := smallImage(t)
	_, out, _ := walk(t, "stat", img, "sparse.bin")
	_, at, ok := strings.Cut(out, "0xaa000 + 0x1000  at byte ")
	if !ok {
		t.Fatal(out)
	}
	at, _, _ = strings.Cut(at, " ")
	off, err := strconv.ParseInt(at, 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(img, off+512); err != nil {
		t.Fatal(err)
	}
	code, out, errs := walk(t, "cat", img, "sparse.bin")
	if code != cli.Gaps || len(out) != 700005 || !strings.Contains(errs, "unreadable and zero in the output: 0xaa200 to") {
		t.Errorf("exit %d, %d bytes, %s", code, len(out), errs)
	}
}

func TestUsage(t *testing.T) {
	img := smallImage(t)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "name a command"},
		{"dir " + img, 2, `no command "dir"; there are list`},
		{"list --shadow 1 " + img, 1, "no shadow copy 1"},
		{"list --key secret:x " + img, 2, "a key begins with password:"},
		{"list --key recovery:1-2 " + img, 2, "2 groups, want 8"},
		{"list", 2, "name an image"},
		{"cat " + img, 2, "name an image and a path"},
		{"list --hash md5 " + img, 2, "there is sha256"},
		{"list --live --deleted " + img, 2, "take one"},
		{"extract " + img, 2, "-o is missing"},
		{"cat " + img + " no/such", 1, "no such path"},
		{"list --volume 7 " + img, 1, "no volume 7"},
		{"list " + testdata + "small.tsv", 1, "small.tsv"},
		{"list " + img + ".not", 1, "no such file"},
	} {
		code, out, errs := walk(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 || out != "" {
			t.Errorf("ks-walk %s: exit %d, %q, stdout %q", c.args, code, errs, out)
		}
	}
	for _, c := range commands {
		code, out, _ := walk(t, c.name, "--help")
		if code != 0 || !strings.HasPrefix(strings.TrimSpace(out), "ks-walk "+c.name+" ") {
			t.Errorf("%s --help: exit %d, %q", c.name, code, out)
		}
	}
}

type manifestRow struct {
	File, Zip, State, Path, Stream, SHA256, Recovery string
	Whole                                            bool
	Also, Problems                                   []string
	UTF16                                            string `json:"path_utf16"`
}

func extract(t *testing.T, args ...string) (dir string, items []manifestRow, stderr string, code int) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "out")
	code, _, stderr = walk(t, append([]string{"extract", "-o", dir}, args...)...)
	b, err := os.ReadFile(filepath.Join(dir, "manifest.jsonl"))
	if err != nil {
		t.Fatal(err, stderr)
	}
	for _, line := range strings.Split(strings.TrimRight(string(b), "\n"), "\n") {
		var r manifestRow
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err, line)
		}
		items = append(items, r)
	}
	return dir, items, stderr, code
}

func TestExtract(t *testing.T) {
	img := smallImage(t)
	dir, items, errs, code := extract(t, img)
	if code != 0 {
		t.Errorf("exit %d: %s", code, errs)
	}
	sums := map[string]bool{}
	for _, it := range items {
		b, err := os.ReadFile(filepath.Join(dir, it.File))
		if err != nil {
			t.Error(err)
			continue
		}
		sum := sha256.Sum256(b)
		if hex.EncodeToString(sum[:]) != it.SHA256 || !it.Whole {
			t.Errorf("%+v", it)
		}
		sums[listed{Path: it.Path, UTF16: it.UTF16}.exact()+":"+it.Stream+" "+it.SHA256] = true
		if strings.HasPrefix(it.Path, "linked") && len(it.Also) != 30 {
			t.Errorf("%+v", it)
		}
		if strings.Contains(it.Path, "exe") && !strings.HasSuffix(it.File, ".bin") {
			t.Errorf("a program stays ready to run: %s", it.File)
		}
	}
	for _, w := range truth(t) {
		if w["state"] == "live" && !strings.Contains(w["path"], "link number") && !sums[w["path"]+":"+w["stream"]+" "+w["sha256"]] {
			t.Errorf("not extracted: %s:%s", w["path"], w["stream"])
		}
	}
	if code, _, errs := walk(t, "extract", "-o", dir, img); code != 2 || !strings.Contains(errs, "not empty") {
		t.Errorf("into a folder that is not empty: exit %d, %s", code, errs)
	}
}

func TestExtractDeleted(t *testing.T) {
	_, items, _, code := extract(t, "--deleted", smallImage(t))
	if code != cli.Gaps {
		t.Errorf("exit %d", code)
	}
	want := map[string]string{"gone/deep/left.txt": "whole", "gone/small.txt": "whole", "first.txt": "overwritten"}
	for _, it := range items {
		if want[it.Path] != it.Recovery || (it.Recovery == "overwritten") != (it.File == "") {
			t.Errorf("%+v", it)
		}
		delete(want, it.Path)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// The zip opens with the password; here the cipher of APPNOTE.TXT 6.1 is
// written out again in the direction of decryption.
func TestExtractZip(t *testing.T) {
	dir, items, _, _ := extract(t, "--zip", smallImage(t), "gpj*")
	if len(items) != 1 || items[0].Zip != "programs.zip" {
		t.Fatalf("%+v", items)
	}
	z, err := zip.OpenReader(filepath.Join(dir, "programs.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f := z.File[0]
	if f.Name != items[0].File || f.Flags&1 == 0 {
		t.Errorf("%+v", f.FileHeader)
	}
	raw, err := f.OpenRaw()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(raw)
	if err != nil {
		t.Fatal(err)
	}
	var k cryptKeys
	k.init("infected")
	for i, c := range b {
		x := k[2] | 2
		b[i] = c ^ byte(x*(x^1)>>8)
		k.update(b[i])
	}
	sum := sha256.Sum256(b[12:])
	if hex.EncodeToString(sum[:]) != items[0].SHA256 {
		t.Errorf("%q", b)
	}
}

func TestSafeNames(t *testing.T) {
	s := newSafeNames()
	seen := map[string]string{}
	long := strings.Repeat("long name ", 40) + ".txt"
	for _, path := range []string{"a", "A", "dir/x", "DIR/x", "../../etc/passwd", "con", "Con.txt", "dir/COM1.log", "lpt9", "com¹", "a:b", "a|b", "x.", "x..", "x ",
		"", "..", ".", "-rf", "a\u202eb", "a\x00b", "tab\tname", "\xed\xa0\x80", "%PATH%", long, long + "2", strings.ToUpper(long), "q/" + long + "/r",
		strings.Repeat("d/", 300) + "leaf", strings.Repeat("d/", 300) + "leaf2", "NUL ", "nul .txt", "manifest.jsonl", "e\\f", "~x", "caf\u00e9", "cafe\u0301"} {
		got := s.file("", path, "", false)
		key := strings.ToLower(got)
		if old, ok := seen[key]; ok {
			t.Errorf("%q and %q are both %q", old, path, got)
		}
		seen[key] = path
		for _, part := range strings.Split(got, "/") {
			if part == "" || part == "." || part == ".." || len(part) > maxName+8 || device(part) || strings.HasPrefix(part, "-") ||
				strings.TrimRight(part, ". ") != part || strings.ContainsAny(part, "<>:\"\\|?*%\x00\t\u202e") {
				t.Errorf("%q: %q", path, got)
			}
		}
		if strings.Count(got, "/") > maxDepth+1 {
			t.Errorf("%d folders deep", strings.Count(got, "/"))
		}
	}
	if got := s.file("volume-2", "a/b.exe", "s", true); got != "volume-2/a/b.exe#s.bin" {
		t.Error(got)
	}
}

func TestPrograms(t *testing.T) {
	for _, c := range []struct {
		name, head string
		want       bool
	}{
		{"a.exe", "", true}, {"a.EXE. ", "", true}, {"a.txt", "MZ\x90", true}, {"a.txt", "text", false}, {"a.docm", "PK", true},
		{"a.docx", "PK", false}, {"noext", "#!/bin/sh", true}, {"a.lnk", "L", true},
	} {
		if got := isProgram(c.name, "", []byte(c.head)); got != c.want {
			t.Errorf("%s %q: %v", c.name, c.head, got)
		}
	}
}

// Debian's image: all 18 deleted files come out. Seventeen equal the originals
// of the package; the 18th differs from its original in the tIME chunk only
// (parsers/ntfs says more), so it must not be called overwritten.
func TestDebianSamples(t *testing.T) {
	const packed = "/usr/share/forensics-samples/fs.ntfs.xz"
	if _, err := os.Stat(packed); err != nil {
		t.Skip("Debian package forensics-samples-ntfs is not installed")
	}
	img := filepath.Join(t.TempDir(), "fs.ntfs")
	if err := unxz(packed, img); err != nil {
		t.Skip(err)
	}
	want := map[string]string{}
	for _, row := range corpus.Truth(t, "forensics_samples") {
		if row["image"] == "fs.ntfs" && row["state"] == "deleted" {
			want[row["path"]] = row["sha256"]
		}
	}
	_, items, errs, code := extract(t, "--deleted", img)
	if code != 0 {
		t.Errorf("exit %d: %s", code, errs)
	}
	same, n := 0, 0
	for _, it := range items {
		if want[it.Path] == "" {
			continue
		}
		n++
		if it.SHA256 == want[it.Path] {
			same++
		} else if it.Path != "pic2/d-debian.png" {
			t.Errorf("%+v", it)
		}
		if it.Recovery != "whole" {
			t.Errorf("%+v", it)
		}
	}
	if n != 18 || same != 17 {
		t.Errorf("%d deleted files, %d equal", n, same)
	}
}

// TestBuiltVolume compares ks-walk list with the truth of volumes made by
// build-ntfs-volume, which KANSHIKI_NTFS_SMALL names (several with ":" between).
func TestBuiltVolume(t *testing.T) {
	names := os.Getenv("KANSHIKI_NTFS_SMALL")
	if names == "" {
		t.Skip("no built volume: KANSHIKI_NTFS_SMALL names one made by build-ntfs-volume")
	}
	for _, img := range strings.Split(names, ":") {
		b, err := os.ReadFile(img + ".truth.tsv")
		if err != nil {
			t.Fatal(err)
		}
		type key struct{ record, path, stream string }
		want := map[key][]string{}
		first := uint64(1 << 62)
		for _, line := range strings.Split(strings.TrimRight(string(b), "\n"), "\n")[1:] {
			f := strings.Split(line, "\t")
			want[key{f[0], f[2], f[3]}] = f
			n, _ := strconv.ParseUint(f[0], 10, 64)
			first = min(first, n)
		}
		total := len(want)
		var extra, sizes, hashes, kinds, wof int
		for _, r := range list(t, "--live", "--quiet", "--hash", "sha256", img) {
			if r.Entry < first || strings.HasPrefix(r.Path, "$Extend/") {
				continue
			}
			units := filesystem.Units(r.Path)
			if r.UTF16 != "" {
				units, _ = hex.DecodeString(r.UTF16)
			}
			stream := filesystem.Units(r.Stream)
			if r.Stream16 != "" {
				stream, _ = hex.DecodeString(r.Stream16)
			}
			k := key{strconv.FormatUint(r.Entry, 10), escapeUnits(units), escapeUnits(stream)}
			f, ok := want[k]
			if !ok {
				if extra++; extra < 5 {
					t.Errorf("extra: %.200s:%s", r.Path, r.Stream)
				}
				continue
			}
			delete(want, k)
			if strconv.FormatInt(r.Size, 10) != f[4] {
				if sizes++; sizes < 5 {
					t.Errorf("%.200s:%s: size %d, want %s", r.Path, r.Stream, r.Size, f[4])
				}
			}
			isWOF := strings.Contains(f[6], "wof=") && f[3] == ""
			if isWOF {
				wof++
			}
			if f[5] != "-" && r.SHA256 != f[5] {
				if hashes++; hashes < 5 {
					t.Errorf("%.200s:%s: %s, want %s; %v", r.Path, r.Stream, r.SHA256, f[5], r.Problems)
				}
			}
			if (f[1] == "d") != (r.Kind == "dir") && f[1] != "r" {
				if kinds++; kinds < 5 {
					t.Errorf("%.200s: kind %s, want %s", r.Path, r.Kind, f[1])
				}
			}
		}
		for k := range want {
			t.Errorf("missing: %.200q", k)
		}
		t.Logf("%s: %d rows, %d missing, %d extra, %d wrong sizes, %d wrong hashes, %d wrong kinds, %d WOF", filepath.Base(img), total, len(want), extra, sizes, hashes, kinds, wof)
	}
}

// escapeUnits writes names as the builder's tables do.
func escapeUnits(b []byte) string {
	var s strings.Builder
	for i := 0; i+1 < len(b); i += 2 {
		if u := binary.LittleEndian.Uint16(b[i:]); u >= 0x20 && u < 0x7F && u != '\\' {
			s.WriteByte(byte(u))
		} else {
			fmt.Fprintf(&s, "\\u%04X", u)
		}
	}
	return s.String()
}
