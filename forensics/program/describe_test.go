package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/pe"
)

// TestMain serves the child processes. A file that ends in a plant makes its
// parser panic, hang or eat memory, as a library may.
func TestMain(m *testing.M) {
	serveForTest(func(req []byte) ([]byte, error) {
		switch {
		case bytes.HasSuffix(req, []byte("PLANT panic")):
			var none []byte
			_ = none[len(req)]
		case bytes.HasSuffix(req, []byte("PLANT hang")):
			for n := 0; ; n++ {
				if never {
					return nil, nil
				}
			}
		case bytes.HasSuffix(req, []byte("PLANT memory")):
			var keep [][]byte
			for {
				b := make([]byte, 8<<20)
				for i := range b {
					b[i] = 1
				}
				keep = append(keep, b)
				if never {
					return keep[0], nil
				}
			}
		}
		return Handle(req)
	})
	os.Exit(m.Run())
}

// never is false; the compiler does not know.
var never = len(os.Args) > 1<<20

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "parsers", "pe", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPlants: whatever a parser does to its process costs that one file.
func TestPlants(t *testing.T) {
	good := sample(t, "fwd64.dll")
	for _, c := range []struct {
		plant string
		kind  problem.Kind
		limit Limits
	}{
		{"panic", problem.ParserFault, Limits{}},
		{"hang", problem.NoRepeat, Limits{CPU: 2 * time.Second}},
		{"memory", problem.ParserFault, Limits{Memory: 96 << 20}},
	} {
		pool := NewPool(1, c.limit)
		defer pool.Close()
		at := locator.Locator{Exhibit: "x", Entry: 7}
		f, ps := DescribeBytes(t.Context(), append(slices.Clone(good), "PLANT "+c.plant...), Options{Pool: pool, At: at, Source: "a/b.dll"})
		if len(ps) != 1 || ps[0].Kind != c.kind || ps[0].At != at || ps[0].Source != "a/b.dll" || ps[0].Severity != problem.Lost {
			t.Errorf("%s: %+v", c.plant, ps)
		}
		if f.SHA256 == "" || f.State != Unknown || f.IsProgram {
			t.Errorf("%s: %+v", c.plant, f)
		}
		if f, ps := DescribeBytes(t.Context(), good, Options{Pool: pool}); !f.IsProgram || len(ps) != 0 || f.Exports != 4 {
			t.Errorf("after %s: %+v", c.plant, ps)
		}
	}
}

// TestPoolAnswersTheSame: a child gives what this process gives.
func TestPoolAnswersTheSame(t *testing.T) {
	pool := NewPool(2, Limits{})
	defer pool.Close()
	for _, name := range []string{"fwd64.dll", "32-pegoat-authenticode-nested.exe", "hello.x86.exe", "64-pegoat-authenticode.exe"} {
		b := sample(t, name)
		here, _ := DescribeBytes(t.Context(), b, Options{Source: name})
		there, _ := DescribeBytes(t.Context(), b, Options{Source: name, Pool: pool})
		x, _ := json.Marshal(here)
		y, _ := json.Marshal(there)
		if !bytes.Equal(x, y) {
			t.Errorf("%s: %s\n%s", name, x, y)
		}
	}
}

// badBlock cannot read one block of 512 bytes.
type badBlock struct {
	b  []byte
	at int64
}

func (r badBlock) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(r.b).ReadAt(p, off)
	if r.at >= off && r.at < off+int64(n) {
		return int(r.at - off), errors.New("medium error")
	}
	return n, err
}

func TestBadBlock(t *testing.T) {
	b := sample(t, "fwd64.dll")
	for at := int64(0); at < int64(len(b)); at += 1536 {
		f, ps := Describe(t.Context(), badBlock{b, at}, int64(len(b)), Options{})
		if len(ps) == 0 || ps[0].Kind != problem.Unreadable || ps[0].At.Offset != at || f.SHA256 != "" || f.ImageSHA256 != "" {
			t.Errorf("bad block at %d: %+v, digest %q", at, ps, f.SHA256)
		}
	}
	f, ps := Describe(t.Context(), bytes.NewReader(b), int64(len(b))+4096, Options{})
	if len(ps) == 0 || ps[0].At.Offset != int64(len(b)) || f.SHA256 != "" {
		t.Errorf("cut: %+v", ps)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ps := DescribeBytes(ctx, sample(t, "fwd64.dll"), Options{}); len(ps) == 0 || ps[0].Kind != problem.NotLooked {
		t.Errorf("%+v", ps)
	}
}

func TestLimit(t *testing.T) {
	b := sample(t, "32-pegoat-authenticode-nested.exe")
	whole, _ := DescribeBytes(t.Context(), b, Options{})
	f, ps := DescribeBytes(t.Context(), b, Options{Limit: 8192})
	if f.SHA256 != whole.SHA256 || f.ImageSHA256 != whole.ImageSHA256 || f.State != Agrees || !slices.EqualFunc(f.Signature.Signers, whole.Signature.Signers,
		func(a, b Signer) bool { return a.Serial == b.Serial }) {
		t.Errorf("digests and signatures are of the whole: %+v", f)
	}
	if !slices.ContainsFunc(ps, func(p problem.Problem) bool { return p.Kind == problem.OverLimit }) {
		t.Errorf("%+v", ps)
	}
}

func TestNoProgram(t *testing.T) {
	for _, b := range []string{"", "M", "hello, world", "MZ", "MZ" + strings.Repeat("\x00", 100)} {
		f, ps := DescribeBytes(t.Context(), []byte(b), Options{Source: "x"})
		if f.IsProgram || f.NotProgram == "" || f.SHA256 == "" || f.State != Unknown || len(ps) != 0 || f.Sections == nil {
			t.Errorf("%q: %+v %v", b, f, ps)
		}
	}
}

// unsigned cuts the certificate table off and out of the directory.
func unsigned(t testing.TB, name string) []byte {
	b := slices.Clone(sample(t, name))
	f, err := pe.Parse(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	off, _, _ := f.CertificateTable()
	at := f.NTOffset + 24 + 96 + 32
	if f.Is64() {
		at += 16
	}
	clear(b[at : at+8])
	return b[:off]
}

// TestStates walks the states of a signature.
func TestStates(t *testing.T) {
	const name = "32-pegoat-authenticode-nested.exe"
	signed, bare := sample(t, name), unsigned(t, name)
	changed := slices.Clone(signed)
	changed[0x500] ^= 1
	brokenTable := slices.Clone(signed)
	brokenTable[11264+20] ^= 0xff
	vouching := NewCatalogues()
	vouching.from = []catalogueHit{{"a.cat", []string{"CN=Maker"}}}
	vouching.digests["f10c2600304ec64414a97e10cb19dd4c755f9e7079f85feb38ee7ff9f938db99"] = 0 // osslsigncode's
	other := NewCatalogues()
	other.from = []catalogueHit{{"b.cat", []string{"CN=Maker"}}}
	partly := NewCatalogues()
	partly.from = other.from
	partly.Missing(problem.Problem{})
	for _, c := range []struct {
		what       string
		b          []byte
		catalogues *Catalogues
		state      State
		by         string
	}{
		{"signed", signed, nil, Agrees, "embedded"},
		{"signed, with catalogues", signed, other, Agrees, "embedded"},
		{"changed", changed, other, Differs, "embedded"},
		{"bare, no catalogues read", bare, nil, Unknown, ""},
		{"bare, no catalogue on the machine", bare, NewCatalogues(), Unknown, ""},
		{"bare, one catalogue unreadable", bare, partly, Unknown, ""},
		{"bare, not in the catalogues", bare, other, Unsigned, ""},
		{"bare, in a catalogue", bare, vouching, Agrees, "catalogue"},
		{"unreadable signature", brokenTable, other, Unknown, ""},
	} {
		f, _ := DescribeBytes(t.Context(), c.b, Options{Catalogues: c.catalogues})
		if f.State != c.state || f.StateBy != c.by {
			t.Errorf("%s: %s by %q, want %s by %q", c.what, f.State, f.StateBy, c.state, c.by)
		}
	}
}

// TestEveryFactHasWords: a fact without words on what it does not prove is not
// said, so every name in the sources must have them.
func TestEveryFactHasWords(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []string{`.say("`, `list("`, `note("`, `{"`} {
			rest := string(src)
			for {
				_, after, ok := strings.Cut(rest, call)
				if !ok {
					break
				}
				word, _, _ := strings.Cut(after, `"`)
				said[word] = true
				rest = after
			}
		}
		if strings.Contains(string(src), "_test") {
			continue
		}
		for _, line := range strings.Split(string(src), "\n") {
			_, after, ok := strings.Cut(line, `.say("`)
			if !ok {
				continue
			}
			word, _, _ := strings.Cut(after, `"`)
			if notProven[word] == "" {
				t.Errorf("%s: the fact %q has no words", name, word)
			}
		}
	}
	for name := range notProven {
		if !said[name] {
			t.Errorf("words for %q, which is never said", name)
		}
	}
}

func TestNetStrings(t *testing.T) {
	wide := func(s string) string {
		var b strings.Builder
		for _, r := range s {
			b.WriteByte(byte(r))
			b.WriteByte(0)
		}
		return b.String()
	}
	text := "\x00see http://update.example.co.jp/a/b.php?id=1 and\x00ftp.example.org\x00" +
		"203.0.113.77:443\x00" + wide("https://cdn.example.net/x") + "\x01" + wide("mail.example.jp") +
		"\x00System.Net.Sockets\x006.0.2.1\x00255.255.255.0\x00127.0.0.1\x00kernel32.dll\x00Foo.Com\x00v1.2.3.4\x00.text.foo\x00"
	got, more := netStrings([]byte(text), int64(len(text)), int64(len(text)))
	var list []string
	for _, s := range got {
		list = append(list, s.Kind+" "+s.Value+" "+s.Encoding)
	}
	want := []string{"address 203.0.113.77 ascii", "host cdn.example.net utf-16", "host ftp.example.org ascii", "host mail.example.jp utf-16",
		"host update.example.co.jp ascii", "url http://update.example.co.jp/a/b.php?id=1 ascii", "url https://cdn.example.net/x utf-16"}
	if !slices.Equal(list, want) || more {
		t.Errorf("%q", list)
	}
	for _, s := range got {
		at := text[s.Offset:]
		if s.Encoding == "utf-16" {
			at = strings.ReplaceAll(at, "\x00", "")
		}
		if !strings.HasPrefix(at, s.Value) {
			t.Errorf("%s at %d: %.20q", s.Value, s.Offset, at)
		}
	}
	if got, _ := netStrings([]byte(text), 0, int64(len(text))); len(got) != 0 {
		t.Errorf("the certificate table is searched: %v", got)
	}
	var many strings.Builder
	for i := range 2 * maxStrings {
		fmt.Fprintf(&many, "h%d.example.com\x00", i)
	}
	if got, more := netStrings([]byte(many.String()), int64(many.Len()), int64(many.Len())); len(got) != maxStrings || !more {
		t.Errorf("%d, %v", len(got), more)
	}
}

func FuzzDescribe(f *testing.F) {
	for _, name := range []string{"fwd64.dll", "32-pegoat-authenticode-nested.exe", "hello.x86.exe"} {
		f.Add(sample(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		// Not through Describe, which would catch a panic.
		p := collect(request{size: int64(len(b)), head: b})
		if _, _, err := imageHashes(bytes.NewReader(b), p.Extents, 0, []string{"SHA1"}); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
		if _, err := json.Marshal(p); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkDescribe(b *testing.B) {
	data := sample(b, "fwd64.dll")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		DescribeBytes(b.Context(), data, Options{})
	}
}
