package packed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/container"
)

// medium is zeros, text and noise in turn.
func medium(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		part := b[i:min(i+4096, n)]
		switch i / 4096 / 3 % 3 {
		case 1:
			for j := range part {
				part[j] = "the quick brown fox "[(j+i/7)%20]
			}
		case 2:
			for j := range part {
				part[j] = byte(r.Uint32())
			}
		}
	}
	return b
}

// pack compresses by the tool itself.
func pack(t testing.TB, b []byte, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("%s is not installed", args[0])
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return out
}

func open(t testing.TB, file []byte) *Disk {
	t.Helper()
	d, err := Open(bytes.NewReader(file), int64(len(file)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func read(d *Disk) ([]byte, *container.Error) {
	b := make([]byte, d.Size())
	_, err := d.ReadAt(b, 0)
	e, _ := errors.AsType[*container.Error](err)
	return b, e
}

// ways to pack, those that damage is tried on first, and how many points the file of 1.5 MB must have at least.
var ways = []struct {
	args   []string
	points int
}{
	{[]string{"gzip", "-1"}, 1},
	{[]string{"zstd", "-1", "-c"}, 1},
	{[]string{"zstd", "-3", "-c", "--no-check", "--no-content-size"}, 1},
	{[]string{"xz", "-0", "-c", "-T1"}, 1},
	{[]string{"xz", "-0", "-c", "-T2", "--block-size=700000"}, 2},
	{[]string{"bzip2", "-1", "-c"}, 1},
	{[]string{"xz", "-0", "-c", "--check=sha256", "--block-size=1100000"}, 2},
	{[]string{"bzip2", "-9", "-c"}, 1},
}

func TestRead(t *testing.T) {
	media := medium(1500_000 &^ 511)
	for _, w := range ways {
		t.Run(strings.Join(w.args, " "), func(t *testing.T) {
			t.Parallel()
			check(t, pack(t, media, w.args...), media, w.points)
		})
	}
	t.Run("parts", func(t *testing.T) { // files put behind each other are one
		for _, args := range [][]string{{"gzip", "-1"}, {"zstd", "-1", "-c"}, {"xz", "-0", "-c"}, {"bzip2", "-1", "-c"}} {
			var file []byte
			for off := 0; off < len(media); off += 750_000 {
				file = append(file, pack(t, media[off:min(off+750_000, len(media))], args...)...)
			}
			check(t, file, media, 1)
		}
	})
}

func check(t *testing.T, file, media []byte, points int) {
	t.Helper()
	d := open(t, file)
	defer d.Close()
	if got, bad := read(d); bad != nil || !bytes.Equal(got, media) {
		t.Errorf("%v, %d bytes of %d, equal %v", bad, len(got), len(media), bytes.Equal(got, media))
		return
	}
	if p := d.Problems.Problems(); len(p) > 0 || d.Points() < points {
		t.Errorf("problems %v, %d points", p, d.Points())
	}
	small, err := Open(bytes.NewReader(file), int64(len(file)), Options{CacheBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 3))
			for range 2 {
				off := r.IntN(len(media))
				b := make([]byte, min(1+r.IntN(1<<19), len(media)-off))
				if n, err := small.ReadAt(b, int64(off)); n != len(b) || err != nil || !bytes.Equal(b, media[off:off+n]) {
					t.Errorf("%d at %d: %d, %v", len(b), off, n, err)
				}
			}
		})
	}
	wg.Wait()
}

// named checks that every byte is right or named, and gives the first that is.
func named(t *testing.T, what string, d *Disk, media []byte) int64 {
	t.Helper()
	got, bad := read(d)
	first := int64(len(media))
	masked := make([]byte, len(got))
	copy(masked, media)
	if bad != nil {
		first = bad.Ranges[0].Off
		for _, r := range bad.Ranges {
			clear(masked[r.Off : r.Off+r.Len])
		}
	}
	if !bytes.Equal(got, masked) {
		t.Errorf("%s: wrong bytes without an error (%v)", what, bad)
	}
	if bad == nil && len(got) != len(media) && len(d.Problems.Problems()) == 0 {
		t.Errorf("%s: %d bytes of %d are silently lost", what, len(media)-len(got), len(media))
	}
	return first
}

// Every cut is told, and what came before it is read.
func TestTruncation(t *testing.T) {
	media := medium(1100_000)
	for _, w := range ways[:6] {
		t.Run(strings.Join(w.args, " "), func(t *testing.T) {
			file := pack(t, media, w.args...)
			r := rand.New(rand.NewPCG(4, 4))
			for i := range 2 {
				cut := 200 + r.IntN(len(file)-200)
				if i == 0 {
					cut = len(file) - 1
				}
				d, err := Open(bytes.NewReader(file[:cut]), int64(cut), Options{})
				if err != nil {
					if cut > len(file)/2 {
						t.Errorf("cut at %d: %v", cut, err)
					}
					continue
				}
				first := named(t, fmt.Sprint("cut at ", cut), d, media)
				if len(d.Problems.Problems()) == 0 {
					t.Errorf("cut at %d is silent", cut)
				}
				// The media is packed evenly: most of what is there is given.
				if share := int64(len(media)) * int64(cut) / int64(len(file)); first < share-1300_000 {
					t.Errorf("cut at %d: good up to %d, about %d are there", cut, first, share)
				}
				d.Close()
			}
		})
	}
}

// A flip is found, and what has a checksum of its own is read on.
func TestFlips(t *testing.T) {
	media := medium(1100_000)
	for _, w := range ways[:6] {
		t.Run(strings.Join(w.args, " "), func(t *testing.T) {
			file := pack(t, media, w.args...)
			r := rand.New(rand.NewPCG(5, 4))
			for range 2 {
				bad := bytes.Clone(file)
				at := 20 + r.IntN(len(file)-20)
				bad[at] ^= 1 << r.IntN(8)
				d, err := Open(bytes.NewReader(bad), int64(len(bad)), Options{})
				if err != nil {
					continue
				}
				if len(w.args) > 3 && w.args[3] == "--no-check" && len(d.Problems.Problems()) == 0 {
					continue // nothing in the file can tell
				}
				named(t, fmt.Sprint("flip at ", at), d, media)
				if strings.Contains(strings.Join(w.args, " "), "block-size") && d.Size() == int64(len(media)) {
					if _, e := read(d); e != nil && e.Ranges[0].Len > 1100_000 {
						t.Errorf("flip at %d: %v", at, e.Ranges)
					}
				}
				d.Close()
			}
		})
	}
}

type fault struct {
	io.ReaderAt
	off, n int64
}

func (f fault) ReadAt(p []byte, off int64) (int, error) {
	if off < f.off+f.n && off+int64(len(p)) > f.off {
		k := max(f.off-off, 0)
		n, _ := f.ReaderAt.ReadAt(p[:k], off)
		return n, errors.New("input/output error")
	}
	return f.ReaderAt.ReadAt(p, off)
}

func TestBadBlock(t *testing.T) {
	media := medium(1100_000)
	for _, w := range ways[:6] {
		file := pack(t, media, w.args...)
		for _, at := range []int{len(file) / 3, len(file) - 700} {
			d, err := Open(fault{bytes.NewReader(file), int64(at), 512}, int64(len(file)), Options{})
			if err != nil {
				t.Errorf("%v: %v", w.args, err)
				continue
			}
			named(t, strings.Join(w.args, " "), d, media)
			found := false
			for _, p := range d.Problems.Problems() {
				found = found || p.Off >= int64(at)-2<<20 && p.Off <= int64(at)+512
			}
			if !found {
				t.Errorf("%v: no problem near %d: %v", w.args, at, d.Problems.Problems())
			}
		}
	}
}

// The disk of the corpus, as zstd and gzip packed it.
func TestCorpus(t *testing.T) {
	media, err := os.ReadFile(corpus.Path(t, "images/made/disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(corpus.Path(t, "images/made/raw/disk.raw.zst"))
	if err != nil {
		t.Fatal(err)
	}
	check(t, file, media, 1)
	check(t, pack(t, media, "gzip", "-1"), media, 1)
}

// The index of xz tells where blocks go on behind one that tells nothing.
func TestXZIndex(t *testing.T) {
	media := medium(600_000)
	file := pack(t, media, "xz", "-0", "-c", "-T1", "--block-size=200000")
	first := 12 + (int(file[12])+1)*4
	for name, at := range map[string]int{"chunk": first, "header": 14} {
		bad := bytes.Clone(file)
		bad[at] = 0x7F
		d := open(t, bad)
		if first := named(t, name, d, media); first != 0 || len(d.bad) != 1 || d.bad[0].Len != 200_000 || d.Size() != 600_000 {
			t.Errorf("%s: %v of %d", name, d.bad, d.Size())
		}
	}
}

func TestMaxSize(t *testing.T) {
	media := medium(1 << 20)
	file := pack(t, media, "zstd", "-1", "-c")
	d, err := Open(bytes.NewReader(file), int64(len(file)), Options{MaxSize: 300_000})
	if err != nil {
		t.Fatal(err)
	}
	if got, bad := read(d); bad != nil || !bytes.Equal(got, media[:300_000]) || len(d.Problems.Problems()) != 1 {
		t.Errorf("%d bytes, %v, %v", len(got), bad, d.Problems.Problems())
	}
}

func TestEachEnds(t *testing.T) {
	file := pack(t, make([]byte, 100<<20), "zstd", "-1", "-c")
	stop := errors.New("stop")
	_, err := Open(bytes.NewReader(file), int64(len(file)), Options{Each: func(n int64) error {
		if n > 20<<20 {
			return stop
		}
		return nil
	}})
	if !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}

func TestIdentify(t *testing.T) {
	for head, want := range map[string]Kind{"\x1f\x8b\x08\x00": Gzip, "\x1f\x8b\x07": None, "BZh91AY&SY": Bzip2, "BZh": None,
		"\x28\xb5\x2f\xfd": Zstd, "\x53\x2a\x4d\x18": Zstd, "\xfd7zXZ\x00": XZ, "": None} {
		if got := Identify([]byte(head)); got != want {
			t.Errorf("%q: %v, want %v", head, got, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	media := medium(30_000)
	for _, w := range ways {
		if _, err := exec.LookPath(w.args[0]); err == nil {
			f.Add(pack(f, media, w.args...))
			f.Add(pack(f, media[:3000], w.args...))
		}
	}
	f.Add([]byte("BZh11AY&SY\xb011AY&SY")) // a magic number in the place of a checksum
	over := errors.New("enough")
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Open(bytes.NewReader(b), int64(len(b)), Options{Workers: 1, Each: func(n int64) error {
			if n > 64<<20 {
				return over
			}
			return nil
		}})
		if err != nil {
			return
		}
		defer d.Close()
		p := make([]byte, min(d.Size(), 3<<20))
		d.ReadAt(p, 0)
		d.ReadAt(p, d.Size()-int64(len(p)))
		for _, r := range d.bad {
			if r.Len <= 0 || r.Off+r.Len > d.Size() {
				t.Errorf("range %+v of %d", r, d.Size())
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	media := medium(8 << 20)
	for _, w := range ways {
		b.Run(strings.Join(w.args, " "), func(b *testing.B) {
			d := open(b, pack(b, media, w.args...))
			p := make([]byte, 1<<20)
			b.SetBytes(int64(len(media)))
			b.ReportAllocs()
			for b.Loop() {
				for off := int64(0); off < int64(len(media)); off += 1 << 20 {
					d.ReadAt(p, off)
				}
			}
		})
	}
}
