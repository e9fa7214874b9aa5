package guid

import "testing"

func TestString(t *testing.T) {
	// {00021401-0000-0000-C000-000000000046}, the class of shell links, as
	// [MS-SHLLINK] 2.1 lays it out.
	g := From([]byte{0x01, 0x14, 0x02, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46})
	if got := g.String(); got != "00021401-0000-0000-c000-000000000046" {
		t.Error(got)
	}
	if !From(nil).Zero() || g.Zero() || g.Time() != 0 || g.MAC() != "" {
		t.Error("zero, time or address of a version that has none")
	}
}

func TestVersion1(t *testing.T) {
	// RFC 9562 A.1: C232AB00-9414-11EC-B3C8-9F6BDECED846 is 2022-02-22
	// 19:22:22 UTC, FILETIME 132900025420000000.
	g := From([]byte{0x00, 0xAB, 0x32, 0xC2, 0x14, 0x94, 0xEC, 0x11, 0xB3, 0xC8, 0x9F, 0x6B, 0xDE, 0xCE, 0xD8, 0x46})
	if got := g.Time(); got != (1645557742+11644473600)*10000000 {
		t.Errorf("time %d", got)
	}
	if got := g.MAC(); got != "" { // 0x9F has the bit of a random node
		t.Errorf("address %s", got)
	}
	// A droid of the corpus (lnkinfo prints 136502ff-8c66-11df-b6eb-001377d34a59).
	g = From([]byte{0xFF, 0x02, 0x65, 0x13, 0x66, 0x8C, 0xDF, 0x11, 0xB6, 0xEB, 0x00, 0x13, 0x77, 0xD3, 0x4A, 0x59})
	if g.String() != "136502ff-8c66-11df-b6eb-001377d34a59" || g.MAC() != "00:13:77:d3:4a:59" {
		t.Error(g, g.MAC())
	}
}
