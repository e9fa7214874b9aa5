package der

import (
	"encoding/hex"
	"testing"
)

func TestOID(t *testing.T) {
	for in, want := range map[string]string{ // X.690, 8.19, and openssl asn1parse
		"06062a864886f70d":         "1.2.840.113549",
		"06032b0e03":               "1.3.14.3",
		"0603883703":               "2.999.3",
		"060a2b060104018237020104": "1.3.6.1.4.1.311.2.1.4",
		"060188":                   "", // cut in the middle of a number
		"0500":                     "",
	} {
		b, _ := hex.DecodeString(in)
		v, _, err := Read(b, 0)
		if err != nil || v.OID() != want {
			t.Errorf("%s: %q %v, want %q", in, v.OID(), err, want)
		}
	}
}

func TestIndefinite(t *testing.T) {
	b, _ := hex.DecodeString("3080020105308002010600000000ff")
	v, rest, err := Read(b, 100)
	if err != nil || len(rest) != 1 || len(v.Kids()) != 2 {
		t.Fatalf("%+v %x %v", v, rest, err)
	}
	if k := v.Kids()[1]; k.Off != 105 || k.Inner().Off != 107 {
		t.Errorf("places %d, %d", k.Off, k.Inner().Off)
	}
	if _, _, err := Read(b[:13], 0); err == nil {
		t.Error("an end that is missing")
	}
}

func TestLengths(t *testing.T) {
	for _, in := range []string{"", "30", "3005", "308500000000ff", "3082ffff00", "1f8101", "0480"} {
		b, _ := hex.DecodeString(in)
		if _, _, err := Read(b, 0); err == nil {
			t.Errorf("%s is read", in)
		}
	}
	b, _ := hex.DecodeString("0482000141") // longer than need be: BER
	if v, _, err := Read(b, 0); err != nil || string(v.Octets()) != "A" {
		t.Errorf("%v", err)
	}
	b, _ = hex.DecodeString("2408040141040242430400")
	if v, _, err := Read(b[:10], 0); err != nil || string(v.Octets()) != "ABC" {
		t.Errorf("a string in parts: %q, %v", v.Octets(), err)
	}
}

func TestEncode(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 255, 256, 65535, 65536, 1<<24 - 1, 1 << 24} {
		body := make([]byte, n)
		v, rest, err := Read(Encode(0x04, body[:n/2], body[n/2:]), 0)
		if err != nil || len(rest) != 0 || len(v.Body) != n || !v.Is(OctetString) {
			t.Errorf("%d bytes: %d, %v", n, len(v.Body), err)
		}
	}
}

func TestCheck(t *testing.T) {
	many := make([]byte, 0, 2*MaxValues)
	for range MaxValues - 1 {
		many = append(many, 5, 0)
	}
	if err := Check(Encode(0x30, many)); err != nil {
		t.Error(err)
	}
	if err := Check(Encode(0x30, many, []byte{5, 0})); err == nil {
		t.Error("one value too many")
	}
	deep := []byte{5, 0}
	for range MaxDepth {
		deep = Encode(0x30, deep)
	}
	if err := Check(deep); err != nil {
		t.Error(err)
	}
	if err := Check(Encode(0x30, deep)); err == nil {
		t.Error("one level too many")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 2, 1, 5, 0, 0})
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = Check(b)
		v, _, _ := Read(b, 0)
		for _, k := range v.Kids() {
			_, _ = k.OID(), k.Text()
		}
	})
}
