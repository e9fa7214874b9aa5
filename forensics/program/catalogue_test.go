package program

import (
	"os"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

// TestCatalogues reads two real catalogues; the digests are openssl
// asn1parse's, the signers osslsigncode's.
func TestCatalogues(t *testing.T) {
	c := NewCatalogues()
	for _, name := range []string{"pe/relic/hyperv.cat", "pe/go-pe/ntexe.cat"} {
		b, err := os.ReadFile(corpus.Path(t, name))
		if err != nil {
			t.Fatal(err)
		}
		c.Add(locator.Locator{}, name, b)
	}
	if !c.Complete() || c.Len() != 2 || len(c.Problems()) != 0 {
		t.Fatalf("%d catalogues, %+v", c.Len(), c.Problems())
	}
	for digest, path := range map[string]string{
		"0eb0437fc77cdabf1b479d3e39e0fc1f4e3d0897":                         "pe/relic/hyperv.cat",
		"1e520397902c237d6789b7ac53f8e96443bbe42e36f4a064802ae04dfd349491": "pe/go-pe/ntexe.cat",
	} {
		hit, ok := c.find([]string{"", digest})
		if !ok || hit.path != path || len(hit.signers) != 1 || !strings.HasSuffix(hit.signers[0], "CN=Microsoft Windows") {
			t.Errorf("%s: %+v %v", digest, hit, ok)
		}
	}
	if _, ok := c.find([]string{"", strings.Repeat("0", 40)}); ok {
		t.Error("a digest that no catalogue holds")
	}
}

// TestBadCatalogues: one that cannot be trusted vouches for nothing, and one
// that cannot be read makes every "not in it" unsure.
func TestBadCatalogues(t *testing.T) {
	unsignedList, err := os.ReadFile("../../parsers/cat/testdata/catfiletest.cat")
	if err != nil {
		t.Fatal(err)
	}
	c := NewCatalogues()
	if c.Complete() {
		t.Error("no catalogue is no complete set")
	}
	c.Add(locator.Locator{}, "unsigned.cat", unsignedList)
	if _, ok := c.find([]string{"3d704299722321c69faf98aefbf4767e56e309fd"}); ok || c.Complete() || len(c.Problems()) != 1 {
		t.Errorf("unsigned: %+v", c.Problems())
	}
	at := locator.Locator{Exhibit: "x", Entry: 9}
	for _, b := range [][]byte{nil, []byte("rubbish"), unsignedList[:100]} {
		c := NewCatalogues()
		c.from = []catalogueHit{{"good.cat", nil}}
		c.Add(at, "bad.cat", b)
		p := c.Problems()
		if c.Complete() || len(p) != 1 || p[0].Source != "bad.cat" || p[0].At.Entry != 9 || p[0].Severity != problem.Lost {
			t.Errorf("%d bytes: %+v", len(b), p)
		}
	}
}

// TestBrokenCatalogue changes a digest under a signature.
func TestBrokenCatalogue(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "pe/relic/hyperv.cat"))
	if err != nil {
		t.Fatal(err)
	}
	digest := "\x0e\xb0\x43\x7f\xc7\x7c\xda\xbf\x1b\x47\x9d\x3e\x39\xe0\xfc\x1f\x4e\x3d\x08\x97"
	i := strings.Index(string(b), digest)
	if i < 0 {
		t.Fatal("no such digest")
	}
	b[i] ^= 1
	c := NewCatalogues()
	c.Add(locator.Locator{}, "forged.cat", b)
	if c.Len() != 0 || c.Complete() || len(c.Problems()) != 1 || c.Problems()[0].Kind != problem.Inconsistent {
		t.Errorf("%d, %+v", c.Len(), c.Problems())
	}
}
