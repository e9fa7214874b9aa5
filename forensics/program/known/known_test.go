package known

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Digests of the empty file and of "abc" (RFC 1321, FIPS 180-4).
const (
	emptyMD5    = "d41d8cd98f00b204e9800998ecf8427e"
	emptySHA1   = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
	emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	abcMD5      = "900150983cd24fb0d6963f7d28e17f72"
	abcSHA1     = "a9993e364706816aba3e25717850c26c9cd0d89d"
	abcSHA256   = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
)

func write(t *testing.T, name, content string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLists(t *testing.T) {
	for name, content := range map[string]string{
		"plain.txt":   emptySHA256 + "  empty.exe\r\n\n# a comment\n",
		"md5.txt":     strings.ToUpper(emptyMD5) + " *empty.exe\n",
		"nsrl.csv":    "\ufeff\"SHA-1\",\"MD5\",\"CRC32\",\"FileName\",\"FileSize\"\n\"" + strings.ToUpper(emptySHA1) + "\",\"" + strings.ToUpper(emptyMD5) + "\",\"00000000\",\"empty.exe\",0\n",
		"headless.cs": "empty.exe," + emptySHA256 + ",0\n",
	} {
		l, err := Open(write(t, name, content))
		if err != nil {
			t.Fatal(name, err)
		}
		got, ok, err := l.Lookup(emptyMD5, emptySHA1, emptySHA256)
		if !ok || err != nil || (got != "empty.exe" && name != "headless.cs") {
			t.Errorf("%s: %q %v %v", name, got, ok, err)
		}
		if _, ok, _ := l.Lookup(abcMD5, abcSHA1, abcSHA256); ok {
			t.Errorf("%s knows abc", name)
		}
		if l.Name() != name {
			t.Errorf("%s", l.Name())
		}
		_ = l.Close()
	}
}

func TestSQLite(t *testing.T) {
	for _, schema := range []string{ // RDSv3 full and minimal
		"create table FILE (sha256 text, sha1 text, md5 text, crc32 text, file_name text, file_size int, package_id int)",
		"create table FILE (sha256 text, sha1 text, md5 text, file_name text, file_size int)",
	} {
		p := filepath.Join(t.TempDir(), "RDS 2026?.db") // a name that a URL must escape
		db, err := sql.Open("sqlite", strings.ReplaceAll(p, "?", "_"))
		if err != nil {
			t.Fatal(err)
		}
		p = strings.ReplaceAll(p, "?", "_")
		for _, q := range []string{schema, "insert into FILE (sha256, sha1, md5, file_name) values ('" + strings.ToUpper(emptySHA256) + "', '" +
			strings.ToUpper(emptySHA1) + "', '" + strings.ToUpper(emptyMD5) + "', 'empty.exe')"} {
			if _, err := db.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		db.Close()
		l, err := Open(p)
		if err != nil {
			t.Fatal(err)
		}
		if name, ok, err := l.Lookup(emptyMD5, emptySHA1, emptySHA256); name != "empty.exe" || !ok || err != nil {
			t.Errorf("%q %v %v", name, ok, err)
		}
		if name, ok, _ := l.Lookup("", emptySHA1, ""); name != "empty.exe" || !ok {
			t.Errorf("by SHA-1: %q %v", name, ok)
		}
		if _, ok, err := l.Lookup(abcMD5, abcSHA1, abcSHA256); ok || err != nil {
			t.Errorf("knows abc: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if beside, _ := filepath.Glob(p + "-*"); len(beside) > 0 {
			t.Errorf("written beside the list: %v", beside)
		}
	}
}

func TestNoList(t *testing.T) {
	for name, content := range map[string]string{"empty.txt": "", "words.txt": "no digest here\n", "short.txt": emptySHA256[:63] + "\n", "broken.db": "SQLite format 3\x00rubbish"} {
		if _, err := Open(write(t, name, content)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a list that is not there")
	}
}
