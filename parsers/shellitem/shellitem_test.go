package shellitem

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// cfsf is the "Profile" delegate of a Windows 7 machine in miniature: class
// 0x74, inner data "CFSF" with a file entry, the delegate class, the folder.
func cfsf(t testing.TB) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(
		"4600 74 00 1a00 43465346 1600 31 00 00000000 0000 0000 1000 4D555349 7E310000"+
			"741A595E96DFD3488D671733BCEE28BA C5CDFADF9F67564189477C5C76BCB67F 000000000000 0000", " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	b[0] = byte(len(b) - 2)
	return b
}

func TestDelegate(t *testing.T) {
	items, n, err := Parse(cfsf(t), 0)
	if err != nil || len(items) != 1 || n != len(cfsf(t)) {
		t.Fatal(items, n, err)
	}
	if it := items[0]; it.Kind != File || it.Name != "MUSI~1" || it.Attributes != 0x10 || it.GUID.String() != "dffacdc5-679f-4156-8947-7c5c76bcb67f" {
		t.Errorf("%+v", it)
	}
}

func TestPath(t *testing.T) {
	vol := append([]byte{25, 0, 0x2F}, make([]byte, 22)...)
	copy(vol[3:], `E:\`)
	share := append([]byte{0, 0, 0x42, 1, 0}, "\\\\FS01\\plans\x00\x00"...)
	share[0] = byte(len(share))
	file := append([]byte{0, 0, 0x32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0}, "A.TXT\x00\x00"...)
	file[0] = byte(len(file))
	for _, c := range []struct {
		list [][]byte
		want string
	}{
		{[][]byte{vol, file}, `E:\A.TXT`},
		{[][]byte{vol, share, file}, `\\FS01\plans\A.TXT`},
		{[][]byte{file}, ``},
	} {
		items, _, err := Parse(append(bytes.Join(c.list, nil), 0, 0), 0)
		if got := FilePath(items); err != nil || got != c.want {
			t.Errorf("%q, %v, want %q", got, err, c.want)
		}
	}
}

func TestTruncation(t *testing.T) {
	whole := cfsf(t)
	for n := range whole {
		if items, _, err := Parse(whole[:n], 0); err == nil {
			t.Errorf("cut at %d: %d items, loss is silent", n, len(items))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(cfsf(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		items, n, _ := Parse(b, 0)
		if n > len(b) {
			t.Errorf("%d of %d bytes", n, len(b))
		}
		Path(items)
		FilePath(items)
	})
}

func BenchmarkParse(b *testing.B) {
	data := cfsf(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Parse(data, 0); err != nil {
			b.Fatal(err)
		}
	}
}
