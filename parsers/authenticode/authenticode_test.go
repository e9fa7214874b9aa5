package authenticode

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"kanshiki/parsers/internal/der"
)

func sample(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "pegoat-nested.p7"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The answers are osslsigncode 2.9's.
func TestParse(t *testing.T) {
	sigs, err := Parse(sample(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ alg, digest, signer, serial string }{
		{"SHA1", "ce134ce4cc3658ae91097e7ef80b081d5ac5ca47", "CN=A SHA-1 cert", "103EE193544680954387616BB5ECA399"},
		{"SHA256", "f10c2600304ec64414a97e10cb19dd4c755f9e7079f85feb38ee7ff9f938db99", "CN=A SHA-256 cert", "2D96C54BA915F7B04781D80A799534B1"},
	}
	if len(sigs) != len(want) {
		t.Fatalf("%d signatures", len(sigs))
	}
	for i, w := range want {
		s := sigs[i]
		if s.DigestAlg != w.alg || hex.EncodeToString(s.Digest) != w.digest || !s.Image || s.Nested != (i > 0) || len(s.Damage) != 0 {
			t.Errorf("%+v", s)
		}
		if len(s.Signers) != 1 || s.Signers[0].Name() != w.signer || s.Signers[0].Intact != Intact {
			t.Errorf("%+v", s.Signers)
		}
		if got := s.Signers[0].Serial; got != w.serial {
			t.Errorf("serial %s, want %s", got, w.serial)
		}
	}
}

// TestBroken: a changed digest under an unchanged signature.
func TestBroken(t *testing.T) {
	b := sample(t)
	sigs, err := Parse(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		if i+20 <= len(b) && string(b[i:i+20]) == string(sigs[0].Digest) {
			b[i] ^= 1
			break
		}
	}
	if sigs, err = Parse(b, 0); err != nil || sigs[0].Signers[0].Intact != Broken || sigs[1].Signers[0].Intact != Intact {
		t.Errorf("%v %+v", err, sigs)
	}
}

func TestTruncation(t *testing.T) {
	whole := sample(t)
	end, _, err := der.Read(whole, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(end.Full) {
		if _, err := Parse(whole[:i], 0); err == nil {
			t.Errorf("cut at %d is silent", i)
		}
	}
}

// TestDeep nests values deeper than a reader that recurses should go.
func TestDeep(t *testing.T) {
	var b []byte
	for range 200000 {
		b = append(b, 0x30, 0x80)
	}
	if _, err := Parse(b, 0); err == nil {
		t.Error("read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample(f))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = Parse(b, 0) })
}

func BenchmarkParse(b *testing.B) {
	data := sample(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data, 0); err != nil {
			b.Fatal(err)
		}
	}
}
