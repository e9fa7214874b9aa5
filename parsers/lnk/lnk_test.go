package lnk

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"kanshiki/parsers/internal/shellitem"
)

func samples(t testing.TB) map[string][]byte {
	out := map[string][]byte{}
	paths, err := filepath.Glob("testdata/*.lnk")
	if err != nil || len(paths) == 0 {
		t.Fatal("no samples", err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(p)] = b
	}
	return out
}

// TestSample holds what lnkinfo 20181227 prints of one sample.
func TestSample(t *testing.T) {
	l, err := Parse(samples(t)["seven-folder.lnk"], Options{})
	if err != nil || len(l.Damage) > 0 {
		t.Fatal(err, l)
	}
	got := fields(l)
	for k, want := range map[string]string{
		"ctime": "2009-07-14T04:53:59.0432474Z", "atime": "2010-05-16T19:36:08.9673188Z", "mtime": "2010-05-16T19:36:08.9673188Z",
		"target_size": "8192", "attrs": "0x00002010", "drive_type": "3", "drive_serial": "502e1a8a", "volume_label": "SSD-WIN7",
		"local_path": `C:\Users\Administrator`, "other": `network_path=\\NETBOOK\Users\Administrator`, "relative_path": `..\..\Administrator`,
		"machine_identifier": "netbook", "droid_file": "136502ff-8c66-11df-b6eb-001377d34a59",
	} {
		if got[k] != want {
			t.Errorf("%s = %q, want %q", k, got[k], want)
		}
	}
	if v := l.Tracker.BirthVolume.String(); v != "4f7c66da-d320-4cc4-8d50-165dd98ebc01" {
		t.Errorf("birth volume %s", v)
	}
	if n := len(l.Items); n != 4 {
		t.Fatalf("%d items", n)
	}
	if l.Items[0].Kind != shellitem.Root || l.Items[0].GUID.String() != "20d04fe0-3aea-1069-a2d8-08002b30309d" || l.Items[1].Name != `C:\` {
		t.Errorf("items %v", l.Items[:2])
	}
	for i, want := range []struct {
		name, short, localized      string
		modified, created, accessed string
		ref                         uint64
	}{
		{"Users", "Users", "@shell32.dll,-21813", "2010-05-18T19:24:12.0000000Z", "2009-07-14T02:37:06.0000000Z", "2010-05-18T19:24:12.0000000Z", 1<<48 | 375},
		{"Administrator", "ADMINI~1", "", "2010-05-16T19:36:10.0000000Z", "2009-07-14T04:54:00.0000000Z", "2010-05-16T19:36:10.0000000Z", 1<<48 | 376},
	} {
		it := l.Items[2+i]
		if it.Name != want.name || it.Short.Text != want.short || it.Localized != want.localized || it.Ref != want.ref ||
			stamp(it.Modified) != want.modified || stamp(it.Created) != want.created || stamp(it.Accessed) != want.accessed {
			t.Errorf("item %d: %+v", 2+i, it)
		}
	}
	if p := l.ShellPath(); p != `::{20d04fe0-3aea-1069-a2d8-08002b30309d}\C:\Users\Administrator` {
		t.Errorf("shell path %s", p)
	}
	if p := l.TargetPath(); p != `C:\Users\Administrator` || shellitem.FilePath(l.Items) != p {
		t.Errorf("target %s, %s", p, shellitem.FilePath(l.Items))
	}
}

// TestTruncation cuts every sample at every byte: all is there, or something
// is reported.
func TestTruncation(t *testing.T) {
	for name, whole := range samples(t) {
		all, err := Parse(whole, Options{})
		if err != nil || len(all.Damage) > 0 {
			t.Fatal(name, err, all)
		}
		for n := range whole {
			l, err := Parse(whole[:n], Options{})
			if err != nil || len(l.Damage) > 0 {
				continue
			}
			// An empty block of any size below four ends a link.
			l.End = all.End
			if !reflect.DeepEqual(l, all) {
				t.Errorf("%s cut at %d of %d: loss is silent", name, n, len(whole))
			}
		}
	}
}

// header is a link of flags and what follows the header.
func header(flags uint32, rest ...[]byte) []byte {
	b := make([]byte, headerSize)
	b[0] = headerSize
	copy(b[4:], class)
	b[20], b[21] = byte(flags), byte(flags>>8)
	for _, r := range rest {
		b = append(b, r...)
	}
	return b
}

func counted(s string) []byte { return append([]byte{byte(len(s)), byte(len(s) >> 8)}, s...) }

// TestCodePage: Japanese text keeps its bytes beside the decoded text.
func TestCodePage(t *testing.T) {
	const desktop = "\x83\x66\x83\x58\x83\x4E\x83\x67\x83\x62\x83\x76" // デスクトップ in code page 932
	b := header(HasName, counted(desktop), make([]byte, 4))
	for page, want := range map[int]string{0: "デスクトップ", 932: "デスクトップ", 1252: "ƒfƒXƒNƒgƒbƒv"} {
		l, err := Parse(b, Options{CodePage: page})
		if err != nil || len(l.Damage) > 0 {
			t.Fatal(err, l)
		}
		if l.Description.Text != want || string(l.Description.Raw) != desktop {
			t.Errorf("page %d: %q, %x", page, l.Description.Text, l.Description.Raw)
		}
	}
}

// TestHidden: what a program may hide in a link is not lost: arguments behind
// zeros, and bytes behind the end.
func TestHidden(t *testing.T) {
	b := header(HasArguments, counted("a\x00b"), make([]byte, 4), []byte("payload"))
	l, err := Parse(b, Options{})
	if err != nil || len(l.Damage) > 0 || l.Arguments.Text != "a\x00b" {
		t.Fatal(err, l)
	}
	if rest := string(b[l.End:]); rest != "payload" {
		t.Errorf("behind the end: %q", rest)
	}
}

func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"block too long", header(0, []byte{0xFF, 0xFF, 0xFF, 0x7F, 1, 0, 0, 0xA0}), "extra block"},
		{"no end", header(0), "empty block"},
		{"item without size", header(HasTargetIDList, counted("\x02\x00"), make([]byte, 4)), "shell item of 2 bytes"},
		{"info too small", header(HasLinkInfo, []byte{8, 0, 0, 0, 0, 0, 0, 0}), "link info of 8 bytes"},
	} {
		l, err := Parse(c.b, Options{})
		if err != nil || len(l.Damage) == 0 || !strings.Contains(l.Damage[0].Error(), c.want) {
			t.Errorf("%s: %v %v", c.name, err, l)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Parse(b, Options{})
		if err != nil {
			return
		}
		if l.End < headerSize || l.End > int64(len(b)) {
			t.Errorf("ends at %d of %d", l.End, len(b))
		}
		l.TargetPath()
		l.ShellPath()
	})
}

func BenchmarkParse(b *testing.B) {
	for name, data := range samples(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(data, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
