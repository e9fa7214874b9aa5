package utf16

import (
	"bytes"
	"testing"
	stdutf16 "unicode/utf16"
	"unicode/utf8"
)

func TestString(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string
	}{
		{"a\x00b\x00", "ab"},
		{"\xff\xfea\x00", "\ufeffa"},
		{"\x3d\xd8\x00\xde", "😀"},
		{"\x00\xd8a\x00", "\xed\xa0\x80a"},
		{"a\x00b", "a"},
	} {
		if got := String([]byte(c.in)); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
	if got := CString([]byte("a\x00\x00\x00b\x00")); got != "a" {
		t.Errorf("CString = %q", got)
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("a\x00\x00\xd8\x00\xdc\x01\xdc\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:len(b)&^1]
		s := String(b)
		if got := Units(s); !bytes.Equal(got, b) {
			t.Errorf("%x became %x", b, got)
		}
		var u []uint16
		for i := 0; i < len(b); i += 2 {
			u = append(u, uint16(b[i])|uint16(b[i+1])<<8)
		}
		if want := string(stdutf16.Decode(u)); utf8.ValidString(s) && s != want {
			t.Errorf("%q, want %q", s, want)
		}
	})
}
