package ewf

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// same fails unless a set holds the same bytes as another.
func (s *set) same(t *testing.T, want *set, what string) {
	t.Helper()
	if len(s.files) != len(want.files) {
		t.Fatalf("%s: %d segments, expected %d", what, len(s.files), len(want.files))
	}
	for i := range want.files {
		if !bytes.Equal(s.files[i].b, want.files[i].b) {
			t.Fatalf("%s: segment %d differs", what, i+1)
		}
	}
}

// image is one that is written again and again.
type image struct {
	o          WriterOptions
	stored     [][]byte
	compressed []bool
	md5, sha1  []byte
	whole      *set
}

func newImage(t *testing.T, media []byte, o WriterOptions) *image {
	im := &image{o: o, whole: writeAll(t, media, o, nil)}
	im.stored, im.compressed = chunksOf(t, media, o)
	m, h := md5.Sum(media), sha1.Sum(media)
	im.md5, im.sha1 = m[:], h[:]
	return im
}

// write appends the chunks from first on and ends the image.
func (im *image) write(w *Writer, first int64) error {
	for i := first; i < int64(len(im.stored)); i++ {
		if err := w.Append(im.stored[i], im.compressed[i]); err != nil {
			return err
		}
	}
	return w.Finish(im.md5, im.sha1, nil)
}

// From every State the same bytes come out, whatever was written behind it: a
// state goes through JSON as a checkpoint does, and what a killed run left
// behind it is rubbish.
func TestResumeWriter(t *testing.T) {
	media := noise(3<<20 + 512)
	im := newImage(t, media, settings(media))
	rubbish := make([]byte, 4000)
	rand.NewChaCha8([32]byte{1}).Read(rubbish)
	for stop := 0; stop <= len(im.stored); stop++ {
		s := &set{}
		w, err := NewWriter(s.options(im.o))
		if err != nil {
			t.Fatal(err)
		}
		var text []byte
		for i := 0; i < min(len(im.stored), stop+(stop*13)%60) || i == stop; i++ {
			if i == stop {
				state, err := w.State()
				if err != nil {
					t.Fatal(err)
				}
				if text, err = json.Marshal(state); err != nil {
					t.Fatal(err)
				}
			}
			if i < len(im.stored) {
				w.Append(im.stored[i], im.compressed[i])
			}
		}
		w.flush() // killed here
		var state State
		if err := json.Unmarshal(text, &state); err != nil {
			t.Fatal(err)
		}
		f := s.files[state.Segment-1]
		f.b = append(f.b, rubbish[:stop*31%len(rubbish)]...)
		if w, err = ResumeWriter(s.options(im.o), state); err != nil {
			t.Fatal(err)
		}
		if err := im.write(w, state.Chunks); err != nil {
			t.Fatal(err)
		}
		s.same(t, im.whole, "resumed")
	}
}

// Whichever write fails, it is told, nothing after it is written, and the last
// State leads to the same bytes.
func TestEveryWriteFails(t *testing.T) {
	media := noise(3<<20 + 512)
	im := newImage(t, media, settings(media))
	told := 0
	for fail := 1; ; fail++ {
		s := &set{failAt: fail}
		w, err := NewWriter(s.options(im.o))
		if err != nil {
			t.Fatal(err)
		}
		state, last := State{}, error(nil)
		for i := 0; i < len(im.stored) && last == nil; i++ {
			if i%10 == 0 {
				var now State
				if now, last = w.State(); last != nil {
					break
				}
				state = now
			}
			last = w.Append(im.stored[i], im.compressed[i])
		}
		if last == nil {
			last = w.Finish(im.md5, im.sha1, nil)
		}
		if last == nil {
			s.same(t, im.whole, "no fault")
			break
		}
		told++
		if !errors.Is(last, errFull) || !errors.Is(w.Append(im.stored[0], im.compressed[0]), errFull) || !errors.Is(w.Finish(nil, nil, nil), errFull) {
			t.Fatalf("write %d: %v, and later calls do not say so", fail, last)
		}
		w.Close()
		s.failAt = 0
		if state.Segment == 0 { // before the first state: from the start
			s.files = nil
			w, err = NewWriter(s.options(im.o))
		} else {
			w, err = ResumeWriter(s.options(im.o), state)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := im.write(w, state.Chunks); err != nil {
			t.Fatal(err)
		}
		s.same(t, im.whole, "after a fault")
	}
	if told < 20 {
		t.Errorf("only %d faults", told)
	}
}

func TestResumeWriterRefuses(t *testing.T) {
	media := noise(3<<20 + 512)
	im := newImage(t, media, settings(media))
	s := &set{}
	w, err := NewWriter(s.options(im.o))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		w.Append(im.stored[i], im.compressed[i])
	}
	good, err := w.State()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*State){
		"no segment":       func(s *State) { s.Segment = 0 },
		"end too small":    func(s *State) { s.End = 12 },
		"end too large":    func(s *State) { s.End = MinSegment + 1 },
		"half an entry":    func(s *State) { s.Entries = s.Entries[:3] },
		"more entries":     func(s *State) { s.Entries = make([]byte, 24) },
		"no section":       func(s *State) { s.Sectors = 0 },
		"no entries":       func(s *State) { s.Entries = nil },
		"section too late": func(s *State) { s.Sectors = s.End },
		"negative section": func(s *State) { s.Sectors = -1 },
		"more chunks":      func(s *State) { s.Chunks = 1000 },
	} {
		bad := good
		bad.Entries = bytes.Clone(good.Entries)
		change(&bad)
		if _, err := ResumeWriter(s.options(im.o), bad); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	s.failAt = 1
	if _, err := ResumeWriter(s.options(im.o), good); !errors.Is(err, errFull) {
		t.Errorf("a segment that cannot be cut: %v", err)
	}
}

// nowhere takes writes and keeps nothing.
type nowhere struct{ memFile }

func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// A group ends before a chunk of it lies 2 GiB from its base: the top bit of an
// entry says that the chunk is compressed.
func TestGroupEndsBefore2GiB(t *testing.T) {
	const chunk, sectors = 512 << 10, 1024
	o := settings(make([]byte, 512))
	o.SectorsPerChunk, o.Sectors, o.SegmentSize = sectors, 4200*sectors, 1<<40
	o.Create = func(int) (SegmentFile, error) { return &nowhere{}, nil }
	w, err := NewWriter(o)
	if err != nil {
		t.Fatal(err)
	}
	stored := make([]byte, chunk+4)
	groups, base := 0, int64(0)
	for range 4200 {
		if err := w.Append(stored, false); err != nil {
			t.Fatal(err)
		}
		if w.s.Sectors != base {
			groups, base = groups+1, w.s.Sectors
		}
		if w.s.End-base > math.MaxInt32 {
			t.Fatalf("a group of %d bytes", w.s.End-base)
		}
	}
	if groups != 2 {
		t.Errorf("%d groups", groups)
	}
}
