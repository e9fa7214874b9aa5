package securitydescriptor

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// drive is the descriptor that Windows 10 gives the root of a data volume
// (msuhanov/ntfs-samples, CC0: $Secure:$SDS, id 264 of ntfs-si-vs-fn). istat
// 4.11.1 says that its owner is S-1-5-21-…-1001; icacls shows such a list as
// Administrators:(F)(OI)(CI)(IO)(F), SYSTEM the same, Authenticated Users:(M),
// Users:(RX).
const drive = "01000480cc000000e800000000000000140000000200b8000800000000001800ff011f00010200000000000520000000200200" +
	"00000b1800000000100102000000000005200000002002000000001400ff011f00010100000000000512000000000b1400000000100101" +
	"0000000000051200000000001400bf01130001010000000000050b000000000b1400000001e001010000000000050b00000000001800a9" +
	"00120001020000000000052000000021020000000b1800000000a001020000000000052000000021020000010500000000000515000000" +
	"506a80a1fd798bc258f950cde9030000010500000000000515000000506a80a1fd798bc258f950cd01020000"

const (
	system = SID("S-1-5-18")
	admins = SID("S-1-5-32-544")
	users  = SID("S-1-5-32-545")
	authed = SID("S-1-5-11")
	owner  = SID("S-1-5-21-2709547600-3263920637-3444635992-1001")
)

func driveBytes(t testing.TB) []byte {
	b, err := hex.DecodeString(drive)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	d, err := Parse(driveBytes(t))
	if err != nil {
		t.Fatal(err)
	}
	if d.Owner != owner || d.Group != SID(strings.Replace(string(owner), "-1001", "-513", 1)) || d.Control != SelfRelative|DACLPresent || d.SACL != nil {
		t.Errorf("%+v", d)
	}
	var got []string
	for _, a := range d.DACL.Entries {
		got = append(got, fmt.Sprintf("%d %#x %#x %s", a.Type, a.Flags, a.Mask, a.SID))
	}
	want := []string{
		"0 0x0 0x1f01ff S-1-5-32-544", "0 0xb 0x10000000 S-1-5-32-544", "0 0x0 0x1f01ff S-1-5-18", "0 0xb 0x10000000 S-1-5-18",
		"0 0x0 0x1301bf S-1-5-11", "0 0xb 0xe0010000 S-1-5-11", "0 0x0 0x1200a9 S-1-5-32-545", "0 0xb 0xa0000000 S-1-5-32-545",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestAccess(t *testing.T) {
	d, _ := Parse(driveBytes(t))
	for _, c := range []struct {
		token []SID
		want  uint32
		given uint32
	}{
		{[]SID{users}, ReadData | WriteData, ReadData},
		{[]SID{authed, users}, ReadData | WriteData | WriteDAC, ReadData | WriteData},
		{[]SID{system}, WriteDAC, WriteDAC},
		{[]SID{"S-1-5-7"}, ReadData, 0},
		{[]SID{owner}, ReadData | WriteDAC, WriteDAC}, // the owner may change the list, and read nothing by it
	} {
		if got, doubt := d.Access(c.token, c.want); got != c.given || doubt {
			t.Errorf("%v: %#x, %v, want %#x", c.token, got, doubt, c.given)
		}
	}
	// The order counts: what denies first stays denied, what comes later does not.
	deny := ACE{Type: Deny, Mask: ReadData, SID: users}
	first := &Descriptor{DACL: &ACL{Entries: append([]ACE{deny}, d.DACL.Entries...)}}
	last := &Descriptor{DACL: &ACL{Entries: append(d.DACL.Entries[:len(d.DACL.Entries):len(d.DACL.Entries)], deny)}}
	if got, _ := first.Access([]SID{users}, ReadData); got != 0 {
		t.Errorf("denied first: %#x", got)
	}
	if got, _ := last.Access([]SID{users}, ReadData); got != ReadData {
		t.Errorf("denied last: %#x", got)
	}
	// No list gives everything, an empty one nothing.
	if got, _ := (&Descriptor{}).Access([]SID{users}, WriteDAC); got != WriteDAC {
		t.Errorf("no list: %#x", got)
	}
	if got, _ := (&Descriptor{DACL: &ACL{}}).Access([]SID{users}, ReadData); got != 0 {
		t.Errorf("empty list: %#x", got)
	}
	callback := &Descriptor{DACL: &ACL{Entries: []ACE{{Type: AllowCallback, Mask: ReadData, SID: users}}}}
	if got, doubt := callback.Access([]SID{users}, ReadData); got != 0 || !doubt {
		t.Errorf("condition: %#x, %v", got, doubt)
	}
}

// Nothing of a cut descriptor is lost in silence.
func TestTruncation(t *testing.T) {
	whole := driveBytes(t)
	full, _ := Parse(whole)
	for n := range len(whole) {
		d, err := Parse(whole[:n])
		lost := d.Owner != full.Owner || d.Group != full.Group || d.DACL == nil || len(d.DACL.Entries) < len(full.DACL.Entries)
		if lost && err == nil {
			t.Errorf("cut at %d: lost in silence", n)
		}
	}
}

// Every place that points outside is told with an offset.
func TestDamage(t *testing.T) {
	for _, at := range []int{4, 8, 16, 22, 24, 30} {
		b := driveBytes(t)
		binary.LittleEndian.PutUint16(b[at:], 0xFFF0)
		_, err := Parse(b)
		var o interface{ Offset() int64 }
		if err == nil {
			t.Errorf("at %d: nothing told", at)
		} else if ok := asOffset(err, &o); !ok {
			t.Errorf("at %d: %v has no place", at, err)
		}
	}
}

func asOffset(err error, o *interface{ Offset() int64 }) bool {
	v, ok := err.(interface{ Offset() int64 })
	*o = v
	return ok
}

func FuzzParse(f *testing.F) {
	f.Add(driveBytes(f))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if d, _ := Parse(b); d != nil {
			d.Access([]SID{users, authed}, 0x1F01FF)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	d := driveBytes(b)
	b.SetBytes(int64(len(d)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(d); err != nil {
			b.Fatal(err)
		}
	}
}
