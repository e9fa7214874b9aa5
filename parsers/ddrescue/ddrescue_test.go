package ddrescue

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kanshiki/parsers/container"
)

// manual is in the form of the manual's example.
const manual = `# Mapfile. Created by GNU ddrescue version 1.27
# Command line: ddrescue -d -c18 /dev/fd0 fdimage mapfile
# current_pos  current_status  current_pass
0x00120000     ?               1
#      pos        size  status
0x00000000  0x00117000  +
0x00117000  0x00000200  -
0x00117200  0x00001000  /
0x00118200  0x00007E00  *
0x00120000  0x00048000  ?
`

func TestParse(t *testing.T) {
	m, err := Parse([]byte(manual))
	if err != nil {
		t.Fatal(err)
	}
	want := []Block{{0, 0x117000, Finished}, {0x117000, 0x200, BadSector}, {0x117200, 0x1000, NonScraped},
		{0x118200, 0x7E00, NonTrimmed}, {0x120000, 0x48000, NonTried}}
	if m.Pos != 0x120000 || m.Phase != '?' || m.Pass != 1 || !slices.Equal(m.Blocks, want) || len(m.Problems.Problems()) > 0 {
		t.Errorf("%+v", m)
	}
	bad := m.Bad(0x168000 + 512) // the medium is longer than the map
	var kinds []container.Kind
	sum := int64(0)
	for _, r := range bad {
		kinds = append(kinds, r.Kind)
		sum += r.Len
	}
	if sum != 0x168000+512-0x117000 || !slices.Equal(kinds, []container.Kind{container.Unreadable, container.Unreadable,
		container.Unreadable, container.Unknown, container.Unknown}) {
		t.Errorf("bad: %v", bad)
	}
	if got := m.Bad(0x117100); len(got) != 1 || got[0].Off != 0x117000 || got[0].Len != 0x100 {
		t.Errorf("of a shorter medium: %v", got)
	}
}

func TestForms(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []Block
		problems int
	}{
		{"decimal and octal", "0 + 1\n0 1024 +\n1024 01000 -\n", []Block{{0, 1024, Finished}, {1024, 512, BadSector}}, 0},
		{"old status line", "0x0 +\n0 512 +\n", []Block{{0, 512, Finished}}, 0},
		{"Windows lines", "0 + 1\r\n0 512 +\r\n", []Block{{0, 512, Finished}}, 0},
		{"neighbours of one state", "0 + 1\n0 512 +\n512 512 +\n", []Block{{0, 1024, Finished}}, 0},
		{"does not begin at 0", "0 + 1\n512 512 +\n", []Block{{0, 512, NonTried}, {512, 512, Finished}}, 0},
		{"a gap", "0 + 1\n0 512 +\n1024 512 +\n", []Block{{0, 512, Finished}, {512, 512, NonTried}, {1024, 512, Finished}}, 1},
		{"a line that is none", "0 + 1\n0 512 +\n512 5x2 +\n1024 512 +\n", []Block{{0, 512, Finished}, {512, 512, NonTried}, {1024, 512, Finished}}, 2},
		{"unknown status", "0 + 1\n0 512 x\n", nil, 1},
		{"empty", "0 + 1\n", nil, 0},
		{"a block of no bytes", "0 + 1\n0 0 ?\n0 512 +\n", []Block{{0, 512, Finished}}, 0},
	} {
		m, err := Parse([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !slices.Equal(m.Blocks, c.want) || len(m.Problems.Problems()) != c.problems {
			t.Errorf("%s: %v, %v", c.name, m.Blocks, m.Problems.Problems())
		}
	}
	for name, in := range map[string]string{
		"nothing":         "",
		"comments only":   "# Mapfile\n#\n",
		"text":            "some text that is no map\n",
		"status":          "0 x 1\n",
		"pass":            "0 + one\n",
		"overlap":         "0 + 1\n0 1024 +\n512 512 -\n",
		"backwards":       "0 + 1\n1024 512 +\n0 512 +\n",
		"behind all ends": "0 + 1\n0x7FFFFFFFFFFFFFFF 0x2 +\n",
	} {
		if m, err := Parse([]byte(in)); err == nil {
			t.Errorf("%s: taken: %+v", name, m)
		} else if e, ok := err.(*Error); !ok || e.Offset() > int64(len(in)) {
			t.Errorf("%s: %v is not located", name, err)
		}
	}
}

// The truncation law: whatever is cut off was not read, so a shorter map never
// calls more of the medium read.
func TestTruncation(t *testing.T) {
	const size = 0x168000
	whole, _ := Parse([]byte(manual))
	for i := range manual {
		m, err := Parse([]byte(manual[:i]))
		if err != nil {
			continue
		}
		read := size - total(m.Bad(size))
		if read > size-total(whole.Bad(size)) {
			t.Errorf("cut at %d: %d bytes are read", i, read)
		}
		for _, b := range m.Blocks {
			if !slices.Contains(whole.Blocks, b) {
				t.Errorf("cut at %d: a block %+v that is not in the whole", i, b)
			}
		}
	}
}

func total(bad []container.Range) (n int64) {
	for _, r := range bad {
		n += r.Len
	}
	return n
}

func TestWriteAndReadBack(t *testing.T) {
	m := Of(40<<20, []Block{{512, 512, BadSector}, {1024, 1024, NonTried}, {1 << 20, 4096, BadSector}})
	var b bytes.Buffer
	if err := m.Write(&b, "Mapfile. Made by a test", "two\nlines"); err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b.Bytes())
	if err != nil || !slices.Equal(got.Blocks, m.Blocks) || got.Phase != '?' {
		t.Errorf("%+v, %v, from\n%s", got, err, b.String())
	}
	if total(m.Bad(40<<20)) != 512+1024+4096 {
		t.Errorf("%v", m.Bad(40<<20))
	}
	got = Of(4096, []Block{{2048, 512, BadSector}, {512, 1024, NonTried}, {1024, 1024, BadSector}, {3584, 9999, BadSector}, {9000, 1, BadSector}})
	if want := []Block{{0, 512, Finished}, {512, 1024, NonTried}, {1536, 1024, BadSector}, {2560, 1024, Finished}, {3584, 512, BadSector}}; !slices.Equal(got.Blocks, want) {
		t.Errorf("out of order and overlapping: %v, want %v", got.Blocks, want)
	}
	if m := Of(512, nil); len(m.Blocks) != 1 || m.Phase != '+' || len(m.Bad(512)) != 0 {
		t.Errorf("of a medium without bad places: %+v", m)
	}
}

// ddrescue takes our maps, and counts in them what we do.
func TestDdrescuelog(t *testing.T) {
	tool, err := exec.LookPath("ddrescuelog")
	if err != nil {
		t.Skip("no ddrescuelog here")
	}
	name := filepath.Join(t.TempDir(), "x.map")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	m := Of(1<<40, []Block{{512, 512, BadSector}, {1 << 39, 1 << 20, NonTried}, {1<<40 - 512, 512, NonScraped}})
	if err := m.Write(f, "Mapfile. Made by a test"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for states, want := range map[string]string{"-": "1\n", "?": "1073741824\n", "/": "2147483647\n"} {
		out, err := exec.Command(tool, "-b", "512", "--list-blocks="+states, name).CombinedOutput()
		first, _, _ := strings.Cut(string(out), "\n")
		if err != nil || first+"\n" != want {
			t.Errorf("--list-blocks=%s: %s, %v, want %s", states, first, err, want)
		}
	}
}

// ddrescue goes on where an acquisition left off: what was not tried and what
// was bad.
func TestDdrescueGoesOn(t *testing.T) {
	tool, err := exec.LookPath("ddrescue")
	if err != nil {
		t.Skip("no ddrescue here")
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	disk := bytes.Repeat([]byte("sector! "), 1<<17)
	image := bytes.Clone(disk)
	clear(image[512000:][:153600])
	var text bytes.Buffer
	m := Of(int64(len(disk)), []Block{{512000, 51200, BadSector}, {563200, 102400, NonTried}})
	if err := m.Write(&text, "Mapfile. Made by a test"); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"disk": disk, "image": image, "map": text.Bytes()} {
		if err := os.WriteFile(path(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(tool, "-q", "-r1", path("disk"), path("image"), path("map")).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if got, err := os.ReadFile(path("image")); err != nil || !bytes.Equal(got, disk) {
		t.Errorf("the image is not the disk: %v", err)
	}
	b, err := os.ReadFile(path("map"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := Parse(b); err != nil || len(m.Bad(int64(len(disk)))) > 0 {
		t.Errorf("its map: %+v, %v", m, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(manual))
	f.Add([]byte("0 + 1\n0 512 +\n1024 512 -\n512 1 ?\n"))
	f.Add([]byte("0x7FFFFFFFFFFFFFFF G 99\n0x7FFFFFFFFFFFFFFF 0x7FFFFFFFFFFFFFFF +\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		end := int64(0)
		for i, x := range m.Blocks {
			if x.Off != end || x.Len <= 0 || i > 0 && m.Blocks[i-1].Status == x.Status {
				t.Fatalf("block %d of %v", i, m.Blocks)
			}
			end += x.Len
		}
		const size = 1 << 40
		if n := total(m.Bad(size)); n < max(size-end, 0) || n > size {
			t.Fatalf("%d bytes of %d are bad, the map ends at %d", n, int64(size), end)
		}
		var out bytes.Buffer
		if err := m.Write(&out); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(out.Bytes())
		if err != nil || !slices.Equal(again.Blocks, m.Blocks) {
			t.Fatalf("written and read again: %v, %v", again, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	var unread []Block
	for i := range int64(10_000) {
		unread = append(unread, Block{i * 4096, 512, BadSector})
	}
	var text bytes.Buffer
	if err := Of(1<<30, unread).Write(&text); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
