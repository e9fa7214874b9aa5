package codepage

import "testing"

func TestDecode(t *testing.T) {
	desktop := []byte{0x83, 0x66, 0x83, 0x58, 0x83, 0x4E, 0x83, 0x67, 0x83, 0x62, 0x83, 0x76} // デスクトップ, iconv -t CP932
	for _, c := range []struct {
		in   []byte
		page int
		want string
	}{
		{[]byte("abc"), 932, "abc"},
		{desktop, 932, "デスクトップ"},
		{desktop, Presume, "デスクトップ"},
		{[]byte("Prot\xE9g\xE9"), Presume, "Protégé"},
		{[]byte("Prot\xE9g\xE9"), 1252, "Protégé"},
		{[]byte("na\xEFve"), 12345, "na\uFFFDve"},
		{[]byte("\xE3\x81\x82"), 65001, "あ"},
		{[]byte{0x82}, 932, "\uFFFD"}, // cut in the middle of a character
		{nil, Presume, ""},
	} {
		if got := Decode(c.in, c.page); got != c.want {
			t.Errorf("Decode(%x, %d) = %q, want %q", c.in, c.page, got, c.want)
		}
	}
	if !Known(932) || !Known(Presume) || Known(12345) {
		t.Error("Known")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x83, 0x66}, 932)
	f.Add([]byte("Prot\xE9g\xE9"), 0)
	f.Fuzz(func(t *testing.T, b []byte, page int) { Decode(b, page) })
}
