package pkcs7

import (
	"testing"
	"time"

	"kanshiki/parsers/internal/der"
)

func TestSerial(t *testing.T) { // as openssl prints them
	for in, want := range map[string]string{"\x00\xff": "FF", "\x80": "-80", "\x01\x02": "0102", "\x00": "00", "": "00"} {
		if got := serial([]byte(in)); got != want {
			t.Errorf("%x: %s, want %s", in, got, want)
		}
	}
}

func TestClock(t *testing.T) {
	for _, c := range []struct {
		tag  uint8
		in   string
		want string
	}{
		{der.UTCTime, "101120193521Z", "2010-11-20T19:35:21Z"},
		{der.UTCTime, "500101000000Z", "1950-01-01T00:00:00Z"}, // RFC 5280, 4.1.2.5.1: 50 and above is 19xx
		{der.UTCTime, "1011201935+0900", ""},
		{der.GeneralTime, "20180915061007.697Z", "2018-09-15T06:10:07.697Z"},
		{der.GeneralTime, "rubbish", ""},
	} {
		got := clock(der.Value{Tag: c.tag, Body: []byte(c.in)})
		if s := got.Format(time.RFC3339Nano); (c.want == "" && !got.IsZero()) || (c.want != "" && s != c.want) {
			t.Errorf("%s: %s, want %s", c.in, s, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = Parse(b, 0) })
}
