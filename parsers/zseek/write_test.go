package zseek

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"

	"github.com/SaveTheRbtz/zstd-seekable-format-go/pkg"
	"github.com/klauspost/compress/zstd"
)

// memFile is a File in memory.
type memFile struct {
	b      []byte
	synced int
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(f.b).ReadAt(p, off)
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if n := off + int64(len(p)); n > int64(len(f.b)) {
		f.b = append(f.b, make([]byte, n-int64(len(f.b)))...)
	}
	return copy(f.b[off:], p), nil
}

func (f *memFile) Truncate(n int64) error { f.b = f.b[:n]; return nil }
func (f *memFile) Sync() error            { f.synced++; return nil }
func (f *memFile) Close() error           { return nil }

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

var end = End{Digests: []Digest{{"sha256", "00"}}, Bad: []Run{{512, 1024}}}

// options of small frames, so that a small medium has several indexes.
func options(f *memFile, media, frame int) WriterOptions {
	return WriterOptions{File: f, Media: int64(media), FrameSize: frame, Sector: 512, Fields: []Field{{"case", "2026-11 事件"}}}
}

// write makes an image; at each frame of stops it goes on from a State.
func write(t testing.TB, media []byte, frame int, stops ...int) []byte {
	t.Helper()
	f := &memFile{}
	w, err := NewWriter(options(f, len(media), frame))
	if err != nil {
		t.Fatal(err)
	}
	enc, err := NewEncoder(Fast, frame)
	if err != nil {
		t.Fatal(err)
	}
	for i, off := 0, 0; off < len(media); i, off = i+1, off+frame {
		unit := media[off:min(off+frame, len(media))]
		if slices.Contains(stops, i) {
			s, err := w.State()
			if err != nil {
				t.Fatal(err)
			}
			w.Append(enc.Encode(nil, unit), len(unit)) // lost by the kill
			w.flush()
			b, _ := json.Marshal(s)
			s = State{}
			if err := json.Unmarshal(b, &s); err != nil {
				t.Fatal(err)
			}
			if w, err = ResumeWriter(options(f, len(media), frame), s); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Append(enc.Encode(nil, unit), len(unit)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(end); err != nil {
		t.Fatal(err)
	}
	if f.synced != 1 {
		t.Errorf("synced %d times", f.synced)
	}
	return f.b
}

// zstd itself, the seekable reader of others and ours restore the medium.
func TestOthersReadIt(t *testing.T) {
	for _, n := range []int{1, 4096, 4097, 1<<20 + 513} {
		media := medium(n)
		file := write(t, media, 4096)
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			others(t, file, media)
		})
	}
}

func others(t *testing.T, file, media []byte) {
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	r, err := seekable.NewReader(bytes.NewReader(file), dec)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, media) {
		t.Errorf("the seekable reader: %v, equal %v", err, bytes.Equal(got, media))
	}
	one := make([]byte, 1)
	for _, off := range []int{0, len(media) / 2, len(media) - 1} {
		if _, err := r.ReadAt(one, int64(off)); err != nil || one[0] != media[off] {
			t.Errorf("the seekable reader at %d: %v", off, err)
		}
	}
	if _, err := exec.LookPath("zstd"); err != nil {
		t.Skip("zstd is not installed")
	}
	for _, args := range [][]string{{"-dc"}, {"-t"}} {
		cmd := exec.Command("zstd", args...)
		cmd.Stdin = bytes.NewReader(file)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("zstd %v: %v", args, err)
		}
		if args[0] == "-dc" && sha256.Sum256(out) != sha256.Sum256(media) {
			t.Error("zstd -d gives other bytes")
		}
	}
}

// Wherever a writer was stopped, the file is the same.
func TestResume(t *testing.T) {
	const frame = 1024
	media := medium(frame*2*indexFrames + 4711) // two full indexes and a part
	whole := write(t, media, frame)
	frames := len(media)/frame + 1
	stops := []int{0, 1, indexFrames - 1, indexFrames, indexFrames + 1, 2 * indexFrames, 2*indexFrames + 1, frames - 1}
	if !bytes.Equal(write(t, media, frame, stops...), whole) {
		t.Error("stopped at index borders: other bytes")
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 3 {
		stop := []int{r.IntN(frames), r.IntN(frames)}
		if !bytes.Equal(write(t, media, frame, stop...), whole) {
			t.Errorf("stopped at %d: other bytes", stop)
		}
	}
	others(t, whole, media)
}

func TestWriterRefuses(t *testing.T) {
	for _, o := range []WriterOptions{{Media: 0}, {Media: -1}, {Media: 1, FrameSize: MaxFrame + 1}, {Media: 1 << 62, FrameSize: 4096}} {
		if _, err := NewWriter(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	w, err := NewWriter(options(&memFile{}, 5000, 4096))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(make([]byte, 40), 4095); err == nil {
		t.Error("a short frame in the middle is taken")
	}
	if err := w.Finish(End{}); err == nil {
		t.Error("an end without the medium is taken")
	}
	for _, s := range []State{{}, {End: 100, Frames: 3, Entries: make([]byte, 16)}, {End: 100, Entries: make([]byte, 7)},
		{End: 100, Index: 100, Frames: indexFrames}, {End: 100, Index: 50, Frames: indexFrames}} {
		if _, err := ResumeWriter(options(&memFile{b: make([]byte, 200)}, 5000, 4096), s); err == nil {
			t.Errorf("state %+v is taken", s)
		}
	}
}

func TestFrameSize(t *testing.T) {
	for media, want := range map[int64]int{1: 128 << 10, 1 << 40: 128 << 10, 1<<40 + 1: 1 << 20, 8 << 40: 1 << 20,
		16 << 40: 2 << 20, 128 << 40: MaxFrame, 1 << 50: MaxFrame} {
		if got := FrameSize(media); got != want {
			t.Errorf("%d bytes: frames of %d, want %d", media, got, want)
		}
	}
}
