package cat

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
)

func sample(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "catfiletest.cat"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The answers are openssl asn1parse's.
func TestParse(t *testing.T) {
	f, err := Parse(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Members) != 1 || len(f.Damage) != 0 || len(f.Signers) != 0 {
		t.Fatalf("%+v", f)
	}
	m := f.Members[0]
	const want = "3d704299722321c69faf98aefbf4767e56e309fd"
	if hex.EncodeToString(m.Digest) != want || m.DigestAlg != "SHA1" || m.TagOnly || strings.ToLower(m.Tag) != want {
		t.Errorf("%+v", m)
	}
	if f.ID != "8539c8e50bd6644fb133ee289a8763af" || f.Made.Unix() != 1756308730 {
		t.Errorf("%s %v", f.ID, f.Made)
	}
}

// TestCorpus holds counts by openssl asn1parse and signers by osslsigncode.
func TestCorpus(t *testing.T) {
	want := []struct {
		file           string
		members, image int
		signer, time   string
	}{
		{"pe/go-pe/ntexe.cat", 18, 9, "CN=Microsoft Windows", "2018-09-15 06:10:07"},
		{"pe/relic/hyperv.cat", 22, 12, "CN=Microsoft Windows", "2010-11-20 19:35:21"},
		{"pe/signify/oem89.cat", 1, 0, "CN=Microsoft Windows Hardware Compatibility Publisher", "2022-06-30 07:25:13"},
		{"pe/osslsigncode/unsigned.cat", 14, 1, "", ""},
	}
	for _, w := range want {
		b, err := os.ReadFile(corpus.Path(t, w.file))
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse(b)
		if err != nil {
			t.Fatal(w.file, err)
		}
		image := 0
		for _, m := range f.Members {
			if m.Image {
				image++
			}
			if m.Digest == nil {
				t.Errorf("%s: member %s has no digest", w.file, m.Tag)
			}
		}
		if len(f.Members) != w.members || image != w.image || len(f.Damage) != 0 {
			t.Errorf("%s: %d members, %d of images, damage %v", w.file, len(f.Members), image, f.Damage)
		}
		if w.signer == "" {
			if len(f.Signers) != 0 {
				t.Errorf("%s: signers", w.file)
			}
			continue
		}
		s := f.Signers[0]
		if !strings.HasSuffix(s.Name(), w.signer) || s.Intact != "intact" ||
			len(s.Counter) != 1 || s.Counter[0].Time.Format("2006-01-02 15:04:05") != w.time {
			t.Errorf("%s: %s %v %s", w.file, s.Name(), s.Counter, s.Intact)
		}
	}
}

// TestTruncation: DER states its lengths, so every cut is an error or damage.
func TestTruncation(t *testing.T) {
	whole := sample(t)
	for i := range whole {
		if f, err := Parse(whole[:i]); err == nil && len(f.Damage) == 0 {
			t.Errorf("cut at %d is silent", i)
		}
	}
}

// TestDamage flips one byte in the middle of the members: what is lost is told.
func TestDamage(t *testing.T) {
	whole := sample(t)
	i := bytes.Index(whole, []byte("3\x00D\x007\x000\x00")) // the tag, in UTF-16
	whole[i-1] ^= 0x7f                                      // its length
	if f, err := Parse(whole); err == nil && len(f.Damage) == 0 {
		t.Errorf("%+v", f)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample(f))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = Parse(b) })
}

func BenchmarkParse(b *testing.B) {
	data := sample(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
